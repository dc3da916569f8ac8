//! How long a delivery may still take, and how patient we are within it.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use crate::domain::clock::Clock;

/// The instant at which a delivery must have been answered.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    at: Instant,
    /// The same by the clock that leases go by: a process that was frozen may wake up long after its lease.
    by_the_clock: Timestamp,
}

impl Deadline {
    /// A deadline so far from now.
    pub fn after(budget: Duration, clock: &Clock) -> Self {
        let span = SignedDuration::try_from(budget).unwrap_or(SignedDuration::MAX);
        Self {
            at: Instant::now().checked_add(budget).unwrap_or_else(Instant::now),
            by_the_clock: clock.now().saturating_add(span).unwrap_or(Timestamp::MAX),
        }
    }

    /// What is left, zero when it is over.
    pub fn left(&self) -> Duration {
        self.at.saturating_duration_since(Instant::now())
    }

    /// Whether the clock has run past it.
    pub fn is_past(&self, clock: &Clock) -> bool {
        clock.now() > self.by_the_clock
    }

    /// As tokio's timers take it.
    pub fn instant(&self) -> Instant {
        self.at
    }
}

/// How patient we are. Fixed in production; tests choose milliseconds.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// For connecting to Cryptlex.
    pub connect: Duration,
    /// For one call to Cryptlex, if the deadline leaves that much; half of `DEADLINE_MS` unless said.
    pub call: Option<Duration>,
    /// Below this nothing is sent any more.
    pub least: Duration,
    /// Before the second try; doubled, with jitter, before the third.
    pub backoff: Duration,
    /// Cryptlex's rate limit window.
    pub window: Duration,
    /// Before the second look at a subject that another delivery works on; doubled each time, up to ten times as long.
    pub poll: Duration,
    /// For the ledger to take in an outcome, if the deadline leaves less.
    pub record: Duration,
    /// For the overflow queue to take over an event; kept of the deadline where there is a queue.
    pub hand_over: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(2),
            call: None,
            least: Duration::from_millis(50),
            backoff: Duration::from_millis(100),
            window: Duration::from_secs(5),
            poll: Duration::from_millis(40),
            record: Duration::from_millis(400),
            hand_over: Duration::from_millis(600),
        }
    }
}
