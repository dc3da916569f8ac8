//! One call from its arrival to its answer: the rate limit, then faults, then the call itself, and the log of it all.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp, fmt::rfc2822};
use serde::Serialize;
use serde_json::Value;
use tokio::{sync::watch, time::Instant};

use super::{
    deliveries::{Announcement, Deliveries},
    fault::{FaultKind, Queue},
    instant,
    reply::{Refusal, Reply},
    request::Request,
    routes,
    settings::Settings,
    throttle::Window,
    world::World,
};

/// A call of the API that came in.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    /// HTTP method.
    pub method: String,
    /// Path and query, decoded.
    pub path: String,
    /// Body, if there was one; as text if it was not JSON.
    pub body: Option<Value>,
    /// Status of the answer, nothing if the connection was closed without one.
    pub status: Option<u16>,
    /// The fault that hit it.
    pub fault: Option<String>,
    /// The announced [`Delivery`](super::Delivery) that it belongs to, if that is certain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub during: Option<u64>,
}

/// Everything that is in memory.
#[derive(Debug)]
pub(super) struct State {
    pub(super) world: World,
    pub(super) settings: Settings,
    pub(super) faults: Queue,
    pub(super) calls: Vec<Call>,
    pub(super) deliveries: Deliveries,
    /// Calls that a fault has hit. Counted when all that happens to one at once has happened.
    pub(super) hits: watch::Sender<usize>,
    late: Vec<Request>,
    window: Window,
    first_settings: Settings,
}

/// What becomes of a call.
#[derive(Debug)]
pub(super) enum Outcome {
    /// An answer.
    Answered {
        reply: Reply,
        /// How long it is held back.
        wait: Duration,
    },
    /// The connection is closed.
    Dropped,
    /// The connection stays open, and that is all.
    Hung,
}

impl State {
    pub(super) fn new(settings: Settings) -> State {
        State {
            world: World::new(),
            first_settings: settings.clone(),
            settings,
            faults: Queue::default(),
            calls: Vec::new(),
            deliveries: Deliveries::default(),
            hits: watch::Sender::default(),
            late: Vec::new(),
            window: Window::default(),
        }
    }

    /// Back to the beginning, settings included. Whoever watches the hits goes on watching them.
    pub(super) fn reset(&mut self) {
        let hits = std::mem::take(&mut self.hits);
        hits.send_replace(0);
        let deliveries = self.deliveries.renewed();
        *self = State { hits, deliveries, ..State::new(self.first_settings.clone()) };
    }

    pub(super) fn handle(&mut self, request: Request) -> Outcome {
        let (method, path) = (request.method.clone(), request.readable_path());
        let body = request.readable_body();
        let mut wait = Duration::from_millis(self.settings.latency_ms);

        let limit = self.settings.rate_limit;
        let admission = limit.map(|limit| self.window.admit(limit, Instant::now()));
        let refused = admission.as_ref().filter(|admission| !admission.admitted);
        let (reply, fault) = match refused {
            Some(admission) => (Some(admission.refusal()), None),
            None => {
                let fault = self.faults.take(&method, &path);
                if let Some(FaultKind::Delay { ms }) = fault {
                    wait += Duration::from_millis(ms);
                }
                (self.reply(request, fault.as_ref()), fault)
            }
        };
        let now = self.world.now();
        let reply = reply.map(|reply| match &admission {
            Some(admission) => admission.mark(reply, now),
            None => reply,
        });
        self.calls.push(Call {
            method,
            path,
            body,
            status: reply.as_ref().map(|reply| reply.status),
            fault: fault.as_ref().map(FaultKind::name),
            during: self.deliveries.cause(),
        });
        if fault.is_some() {
            self.hits.send_modify(|hits| *hits += 1);
        }
        match (reply, fault) {
            (Some(reply), _) => {
                Outcome::Answered { reply: reply.with("date", http_date(now)), wait }
            }
            (None, Some(FaultKind::HangBefore | FaultKind::HangAfter)) => Outcome::Hung,
            // Whoever closes a connection does not make the caller wait for it.
            (None, _) => Outcome::Dropped,
        }
    }

    /// Begins a delivery and returns its id.
    pub(super) fn begin_delivery(&mut self, what: Announcement) -> u64 {
        self.deliveries.begin(what, self.world.now(), self.calls.len(), Instant::now())
    }

    /// Ends one, as [`Deliveries::end`] does.
    pub(super) fn end_delivery(&mut self, id: u64, answered: Option<u16>) -> bool {
        self.deliveries.end(id, answered, Instant::now())
    }

    /// Forgets the calls so far, and the deliveries that are over.
    pub(super) fn clear_calls(&mut self) {
        self.deliveries.clear(self.calls.len());
        self.calls.clear();
    }

    fn reply(&mut self, request: Request, fault: Option<&FaultKind>) -> Option<Reply> {
        match fault {
            None | Some(FaultKind::Delay { .. }) => Some(self.carry_out(&request)),
            Some(FaultKind::ErrorBefore { status }) => Some(Refusal::injected(*status).into()),
            Some(FaultKind::ErrorAfter { status }) => {
                self.carry_out(&request);
                Some(Refusal::injected(*status).into())
            }
            Some(FaultKind::DroppedBefore | FaultKind::HangBefore) => None,
            Some(FaultKind::DroppedAnswer | FaultKind::HangAfter) => {
                self.carry_out(&request);
                None
            }
            Some(FaultKind::Late) => {
                self.late.push(request);
                None
            }
            Some(FaultKind::Throttle { retry_after_secs, as_date }) => {
                let until = SignedDuration::from_secs(i64::from(*retry_after_secs));
                let retry_after = if *as_date {
                    http_date(instant::later(self.world.now(), until))
                } else {
                    retry_after_secs.to_string()
                };
                Some(Reply::from(Refusal::too_many()).with("retry-after", retry_after))
            }
            Some(FaultKind::BadJson) => Some(self.carry_out(&request).cut_short()),
            Some(FaultKind::HtmlError { status }) => Some(Reply::html(*status)),
        }
    }

    fn carry_out(&mut self, request: &Request) -> Reply {
        routes::answer(&mut self.world, &self.settings, request)
    }

    /// Carries out what [`FaultKind::Late`] held back, in the order of arrival.
    pub(super) fn release_late(&mut self) -> usize {
        let late = std::mem::take(&mut self.late);
        for request in &late {
            self.carry_out(request);
        }
        late.len()
    }
}

fn http_date(instant: Timestamp) -> String {
    rfc2822::DateTimePrinter::new()
        .timestamp_to_rfc9110_string(&instant)
        .expect("the clock is only set to years that have a date")
}
