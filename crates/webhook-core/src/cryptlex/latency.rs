//! How long a call of Cryptlex takes, as measured lately.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Before anything was measured.
const PRIOR: Duration = Duration::from_millis(100);
/// The newest call counts for an eighth of the mean, and for a quarter of how far calls are from it.
const WEIGHT: u32 = 8;
const WEIGHT_OF_SPREAD: u32 = 4;
/// A slow spell that is so long over says nothing any more: whoever believed it would never call again.
const COUNTS_FOR: Duration = Duration::from_secs(30);

/// A moving mean over finished calls, and how far they are from it: as TCP measures round trips,
/// <https://www.rfc-editor.org/rfc/rfc6298>.
#[derive(Debug, Default)]
pub(super) struct Latency(Mutex<Option<Measured>>);

#[derive(Debug, Clone, Copy)]
struct Measured {
    mean: Duration,
    spread: Duration,
    at: Instant,
}

impl Latency {
    fn measured(&self) -> MutexGuard<'_, Option<Measured>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call was answered, or given up after so long.
    pub(super) fn took(&self, call: Duration) {
        let (mean, spread) = self.known();
        let off = call.abs_diff(mean);
        let spread =
            (spread.saturating_mul(WEIGHT_OF_SPREAD - 1).saturating_add(off)) / WEIGHT_OF_SPREAD;
        let mean = (mean.saturating_mul(WEIGHT - 1).saturating_add(call)) / WEIGHT;
        *self.measured() = Some(Measured { mean, spread, at: Instant::now() });
    }

    /// What so many calls take, one after the other: of slow ones there are a few among them.
    pub(super) fn of(&self, calls: u32) -> Duration {
        let (mean, spread) = self.known();
        mean.saturating_mul(calls).saturating_add(spread.saturating_mul(4))
    }

    fn known(&self) -> (Duration, Duration) {
        match *self.measured() {
            Some(Measured { mean, spread, at }) if at.elapsed() < COUNTS_FOR => (mean, spread),
            Some(Measured { mean, .. }) => (mean.min(PRIOR), Duration::ZERO),
            None => (PRIOR, Duration::ZERO),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn slow_spell_is_believed_while_it_lasts() {
        let latency = Latency::default();
        assert_eq!(latency.of(2), PRIOR * 2);
        for _ in 0..100 {
            latency.took(Duration::from_millis(80));
        }
        assert_eq!(latency.of(2).as_millis(), 160);
        for _ in 0..100 {
            latency.took(Duration::from_secs(4));
        }
        assert!(latency.of(1) > Duration::from_millis(3_900));
        tokio::time::advance(COUNTS_FOR).await;
        assert_eq!(latency.of(1), PRIOR);
    }

    #[tokio::test(start_paused = true)]
    async fn uneven_calls_are_given_more_time() {
        let latency = Latency::default();
        for call in 0..100 {
            latency.took(Duration::from_millis(if call % 2 == 0 { 20 } else { 180 }));
        }
        assert!(latency.of(2) > Duration::from_millis(450), "{:?}", latency.of(2));
    }
}
