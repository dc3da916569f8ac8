//! How long a call of Cryptlex takes, as measured lately.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Before anything was measured.
const PRIOR: Duration = Duration::from_millis(100);
/// The newest call counts for an eighth.
const WEIGHT: u32 = 8;
/// A slow spell that is so long over says nothing any more: whoever believed it would never call again.
const COUNTS_FOR: Duration = Duration::from_secs(30);

/// A moving mean over finished calls.
#[derive(Debug, Default)]
pub(super) struct Latency(Mutex<Option<Measured>>);

#[derive(Debug, Clone, Copy)]
struct Measured {
    mean: Duration,
    at: Instant,
}

impl Latency {
    fn measured(&self) -> MutexGuard<'_, Option<Measured>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call was answered, or given up after so long.
    pub(super) fn took(&self, call: Duration) {
        let mean = self.expected();
        let mean = (mean.saturating_mul(WEIGHT - 1).saturating_add(call)) / WEIGHT;
        *self.measured() = Some(Measured { mean, at: Instant::now() });
    }

    /// What the next call will take.
    pub(super) fn expected(&self) -> Duration {
        match *self.measured() {
            Some(Measured { mean, at }) if at.elapsed() < COUNTS_FOR => mean,
            Some(Measured { mean, .. }) => mean.min(PRIOR),
            None => PRIOR,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn slow_spell_is_believed_while_it_lasts() {
        let latency = Latency::default();
        assert_eq!(latency.expected(), PRIOR);
        for _ in 0..50 {
            latency.took(Duration::from_millis(80));
        }
        assert_eq!(latency.expected().as_millis(), 80);
        for _ in 0..50 {
            latency.took(Duration::from_secs(4));
        }
        assert!(latency.expected() > Duration::from_millis(3_900));
        tokio::time::advance(COUNTS_FOR).await;
        assert_eq!(latency.expected(), PRIOR);
    }
}
