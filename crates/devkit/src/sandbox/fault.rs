//! Faults: what goes wrong, with which call, and how often.

use serde::{Deserialize, Serialize};

/// Something that will go wrong.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fault {
    /// The calls that it is about.
    #[serde(default)]
    pub matches: Match,
    /// How many of these calls it hits.
    #[serde(default = "once")]
    pub times: u32,
    /// What happens to them.
    pub kind: FaultKind,
}

/// Which calls a fault is about; what is not given matches all.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Match {
    /// HTTP method.
    pub method: Option<String>,
    /// Part of the decoded path and query.
    pub path_contains: Option<String>,
    /// Matching calls that pass first, those that another fault hits included.
    pub skip: u32,
}

/// What happens to a call. The effect is what the call would have done without a fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum FaultKind {
    /// No effect, an error.
    ErrorBefore {
        /// Status of the answer.
        status: u16,
    },
    /// The effect, and still an error.
    ErrorAfter {
        /// Status of the answer.
        status: u16,
    },
    /// No effect, the connection is closed without an answer.
    DroppedBefore,
    /// The effect, the connection is closed without an answer.
    DroppedAnswer,
    /// The connection is closed without an answer; the effect comes with [`release_late`](super::Sandbox::release_late).
    Late,
    /// No effect and no answer: the connection stays open until the client closes it.
    HangBefore,
    /// The effect at once and no answer: the connection stays open until the client closes it.
    HangAfter,
    /// The effect at once, its answer later.
    Delay {
        /// How much later.
        ms: u64,
    },
    /// No effect, 429.
    Throttle {
        /// What `Retry-After` asks for.
        retry_after_secs: u32,
        /// Whether it asks with a date, on the sandbox's clock, instead of seconds.
        #[serde(default)]
        as_date: bool,
    },
    /// The effect, and an answer whose JSON ends in the middle.
    BadJson,
    /// No effect, an error page that is not JSON.
    HtmlError {
        /// Status of the answer.
        status: u16,
    },
}

fn once() -> u32 {
    1
}

impl Fault {
    /// Calls with this method whose decoded path and query contain this text.
    pub fn on(method: &str, path_contains: &str) -> Match {
        Match {
            method: Some(method.to_owned()),
            path_contains: Some(path_contains.to_owned()),
            skip: 0,
        }
    }

    /// Every call.
    pub fn anywhere() -> Match {
        Match::default()
    }

    /// Lets matching calls pass first.
    pub fn skip(mut self, calls: u32) -> Fault {
        self.matches.skip = calls;
        self
    }

    /// Hits this many calls instead of one.
    pub fn times(mut self, times: u32) -> Fault {
        self.times = times;
        self
    }

    /// Hits every call from now on.
    pub fn always(self) -> Fault {
        self.times(u32::MAX)
    }
}

impl Match {
    /// Lets matching calls pass first.
    pub fn skip(mut self, calls: u32) -> Match {
        self.skip = calls;
        self
    }

    /// [`FaultKind::ErrorBefore`].
    pub fn error_before(self, status: u16) -> Fault {
        self.meets(FaultKind::ErrorBefore { status })
    }

    /// [`FaultKind::ErrorAfter`].
    pub fn error_after(self, status: u16) -> Fault {
        self.meets(FaultKind::ErrorAfter { status })
    }

    /// [`FaultKind::DroppedBefore`].
    pub fn dropped_before(self) -> Fault {
        self.meets(FaultKind::DroppedBefore)
    }

    /// [`FaultKind::DroppedAnswer`].
    pub fn dropped_answer(self) -> Fault {
        self.meets(FaultKind::DroppedAnswer)
    }

    /// [`FaultKind::Late`].
    pub fn late(self) -> Fault {
        self.meets(FaultKind::Late)
    }

    /// [`FaultKind::HangBefore`].
    pub fn hang_before(self) -> Fault {
        self.meets(FaultKind::HangBefore)
    }

    /// [`FaultKind::HangAfter`].
    pub fn hang_after(self) -> Fault {
        self.meets(FaultKind::HangAfter)
    }

    /// [`FaultKind::Delay`].
    pub fn delay(self, ms: u64) -> Fault {
        self.meets(FaultKind::Delay { ms })
    }

    /// [`FaultKind::Throttle`] in seconds.
    pub fn throttle(self, retry_after_secs: u32) -> Fault {
        self.meets(FaultKind::Throttle { retry_after_secs, as_date: false })
    }

    /// [`FaultKind::Throttle`] until a date.
    pub fn throttle_until(self, retry_after_secs: u32) -> Fault {
        self.meets(FaultKind::Throttle { retry_after_secs, as_date: true })
    }

    /// [`FaultKind::BadJson`].
    pub fn bad_json(self) -> Fault {
        self.meets(FaultKind::BadJson)
    }

    /// [`FaultKind::HtmlError`].
    pub fn html_error(self, status: u16) -> Fault {
        self.meets(FaultKind::HtmlError { status })
    }

    /// A fault of any kind, once.
    pub fn meets(self, kind: FaultKind) -> Fault {
        Fault { matches: self, times: once(), kind }
    }

    fn is_met_by(&self, method: &str, path: &str) -> bool {
        self.method.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
            && self.path_contains.as_ref().is_none_or(|part| path.contains(part))
    }
}

impl FaultKind {
    /// The name in the log of calls.
    pub fn name(&self) -> String {
        match self {
            FaultKind::ErrorBefore { status } => format!("error before: {status}"),
            FaultKind::ErrorAfter { status } => format!("error after: {status}"),
            FaultKind::DroppedBefore => "dropped before".to_owned(),
            FaultKind::DroppedAnswer => "dropped answer".to_owned(),
            FaultKind::Late => "late".to_owned(),
            FaultKind::HangBefore => "hang before".to_owned(),
            FaultKind::HangAfter => "hang after".to_owned(),
            FaultKind::Delay { ms } => format!("delay: {ms} ms"),
            FaultKind::Throttle { retry_after_secs, .. } => {
                format!("throttle: {retry_after_secs} s")
            }
            FaultKind::BadJson => "bad JSON".to_owned(),
            FaultKind::HtmlError { status } => format!("HTML error: {status}"),
        }
    }
}

/// Faults that are not used up, in the order in which they were queued.
#[derive(Debug, Default)]
pub(super) struct Queue(Vec<Fault>);

impl Queue {
    pub(super) fn push(&mut self, fault: Fault) {
        if fault.times > 0 {
            self.0.push(fault);
        }
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Calls that will still be hit.
    pub(super) fn left(&self) -> usize {
        self.0.iter().map(|fault| fault.times as usize).sum()
    }

    /// The fault that hits this call: the first one that matches and has nothing left to skip.
    pub(super) fn take(&mut self, method: &str, path: &str) -> Option<FaultKind> {
        let mut hit = None;
        for (index, fault) in self.0.iter_mut().enumerate() {
            if !fault.matches.is_met_by(method, path) {
                continue;
            }
            if fault.matches.skip > 0 {
                fault.matches.skip -= 1;
            } else if hit.is_none() {
                hit = Some(index);
            }
        }
        let index = hit?;
        let kind = self.0[index].kind.clone();
        if self.0[index].times == 1 {
            self.0.remove(index);
        } else if self.0[index].times < u32::MAX {
            self.0[index].times -= 1;
        }
        Some(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_count_the_calls_that_others_hit() {
        let mut queue = Queue::default();
        queue.push(Fault::on("POST", "/renew").dropped_before());
        queue.push(Fault::on("post", "/renew").dropped_answer().skip(2).times(2));
        queue.push(Fault::anywhere().skip(4).bad_json());
        assert_eq!(queue.left(), 4);
        let mut hits = |method, path| queue.take(method, path).map(|kind| kind.name());
        assert_eq!(hits("GET", "/v3/licenses/1/renew"), None);
        assert_eq!(hits("POST", "/v3/licenses/1/renew").as_deref(), Some("dropped before"));
        assert_eq!(hits("POST", "/v3/licenses/1/renew"), None);
        assert_eq!(hits("POST", "/v3/licenses/1/renew").as_deref(), Some("dropped answer"));
        assert_eq!(hits("POST", "/v3/licenses/1/renew").as_deref(), Some("dropped answer"));
        assert_eq!(hits("GET", "/v3/users").as_deref(), Some("bad JSON"));
        assert_eq!(queue.left(), 0);
    }

    #[test]
    fn faults_are_readable_json() {
        for (json, expect) in [
            (r#"{"kind":"droppedAnswer"}"#, FaultKind::DroppedAnswer),
            (r#"{"kind":"hangBefore"}"#, FaultKind::HangBefore),
            (r#"{"kind":"hangAfter"}"#, FaultKind::HangAfter),
            (r#"{"kind":{"errorAfter":{"status":503}}}"#, FaultKind::ErrorAfter { status: 503 }),
            (
                r#"{"kind":{"throttle":{"retryAfterSecs":2}},"times":3}"#,
                FaultKind::Throttle { retry_after_secs: 2, as_date: false },
            ),
        ] {
            assert_eq!(serde_json::from_str::<Fault>(json).unwrap().kind, expect);
        }
        let skips =
            r#"{"matches":{"method":"POST","pathContains":"/renew","skip":1},"kind":"late"}"#;
        assert_eq!(serde_json::from_str::<Fault>(skips).unwrap().matches.skip, 1);
    }
}
