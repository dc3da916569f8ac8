//! How long a delivery may still take.

use std::time::Duration;

use tokio::time::Instant;

/// The instant at which a delivery must have been answered.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(Instant);

impl Deadline {
    /// A deadline so far from now.
    pub fn after(budget: Duration) -> Self {
        Self(Instant::now().checked_add(budget).unwrap_or_else(Instant::now))
    }

    /// What is left, zero when it is over.
    pub fn left(&self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// As tokio's timers take it.
    pub fn instant(&self) -> Instant {
        self.0
    }
}
