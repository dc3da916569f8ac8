//! The rate limit: a window of real time that begins with its first request, whoever sends it.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::{
    instant,
    reply::{Refusal, Reply},
};

const WINDOW: Duration = Duration::from_secs(5);

/// Requests of the window that is running.
#[derive(Debug, Default)]
pub(super) struct Window {
    began: Option<Instant>,
    admitted: u32,
}

/// What the limit says about one request.
#[derive(Debug)]
pub(super) struct Admission {
    pub(super) admitted: bool,
    remaining: u32,
    rest: Duration,
}

impl Window {
    pub(super) fn admit(&mut self, limit: u32, now: Instant) -> Admission {
        let began = match self.began {
            Some(began) if now.duration_since(began) < WINDOW => began,
            Some(_) | None => {
                self.admitted = 0;
                *self.began.insert(now)
            }
        };
        let admitted = self.admitted < limit;
        if admitted {
            self.admitted += 1;
        }
        Admission {
            admitted,
            remaining: limit - self.admitted.min(limit),
            rest: WINDOW - now.duration_since(began),
        }
    }
}

impl Admission {
    pub(super) fn refusal(&self) -> Reply {
        let seconds = self.rest.as_secs_f64().ceil();
        Reply::from(Refusal::too_many()).with("retry-after", format!("{seconds}"))
    }

    /// The headers of every answer while a limit is set. Cryptlex's `Limit` is the period, not the number.
    pub(super) fn mark(&self, reply: Reply, now: Timestamp) -> Reply {
        let rest = SignedDuration::try_from(self.rest).unwrap_or(SignedDuration::MAX);
        let reset = instant::later(now, rest);
        reply
            .with("x-rate-limit-limit", format!("{}s", WINDOW.as_secs()))
            .with("x-rate-limit-remaining", self.remaining.to_string())
            .with("x-rate-limit-reset", format!("{reset:.7}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_admits_its_limit_and_then_a_new_one_begins() {
        let start = Instant::now();
        let mut window = Window::default();
        for (after_ms, admitted, remaining, retry_after) in [
            (0, true, 1, "5"),
            (1000, true, 0, "4"),
            (1500, false, 0, "4"),
            (4999, false, 0, "1"),
            (5000, true, 1, "5"),
        ] {
            let got = window.admit(2, start + Duration::from_millis(after_ms));
            assert_eq!((got.admitted, got.remaining), (admitted, remaining), "{after_ms}");
            let reply = got.refusal();
            assert_eq!(reply.headers[0], ("retry-after", retry_after.to_owned()), "{after_ms}");
        }
    }
}
