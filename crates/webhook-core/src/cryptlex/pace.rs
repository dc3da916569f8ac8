//! Cryptlex's limit of requests per IP, kept on our side: <https://cryptlex.com/reference/web-api/introduction>.
//!
//! Deliveries are admitted, not single calls: a delivery that has begun takes the next place for each of its calls,
//! one that has not begun waits until a place is free with nobody before it. So what was started gets finished.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::deadline::Deadline;

/// A delivery that cannot begin in time; it is told so at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many deliveries are under way for Cryptlex's request limit")]
pub struct NotAdmitted {
    /// How long until a place is free.
    pub retry_after: Duration,
}

/// At most `limit` calls start within any `window`.
#[derive(Debug)]
pub(super) struct Pace {
    limit: usize,
    window: Duration,
    /// When the latest `limit` calls started or will start, oldest first.
    starts: Mutex<VecDeque<Instant>>,
}

impl Pace {
    pub(super) fn new(limit: u32, window: Duration) -> Self {
        Self {
            limit: usize::try_from(limit).unwrap_or(usize::MAX).max(1),
            window,
            starts: Mutex::new(VecDeque::new()),
        }
    }

    /// Waits until a delivery that has not begun may start its first call, which then has its place.
    pub(super) async fn admit(&self, deadline: Deadline) -> Result<(), NotAdmitted> {
        loop {
            let free = match self.place(|free, now| free <= now) {
                Ok(_started) => return Ok(()),
                Err(free) => free,
            };
            if free >= deadline.instant() {
                return Err(NotAdmitted {
                    retry_after: free.saturating_duration_since(Instant::now()),
                });
            }
            sleep_until(free).await;
        }
    }

    /// Takes the next place for a call of a delivery that has begun; `false` when that is too late for it.
    pub(super) async fn next(&self, deadline: Deadline) -> bool {
        match self.place(|free, _now| free < deadline.instant()) {
            Ok(start) => {
                sleep_until(start).await;
                true
            }
            Err(_too_late) => false,
        }
    }

    /// Takes the earliest place if `acceptable` says so; else tells when it is.
    fn place(&self, acceptable: impl FnOnce(Instant, Instant) -> bool) -> Result<Instant, Instant> {
        let mut starts = self.starts.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let free = match starts.len().checked_sub(self.limit).and_then(|oldest| starts.get(oldest))
        {
            Some(start) => now.max(start.checked_add(self.window).unwrap_or(*start)),
            None => now,
        };
        if !acceptable(free, now) {
            return Err(free);
        }
        starts.push_back(free);
        while starts.len() > self.limit {
            starts.pop_front();
        }
        Ok(free)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(5);

    fn in_secs(secs: u64) -> Deadline {
        Deadline::after(Duration::from_secs(secs))
    }

    #[tokio::test(start_paused = true)]
    async fn no_window_holds_more_than_the_limit() {
        let pace = Pace::new(50, WINDOW);
        let begin = Instant::now();
        let mut starts = Vec::new();
        for _ in 0..125 {
            assert!(pace.next(in_secs(60)).await);
            starts.push(begin.elapsed());
        }
        for pair in starts.windows(51) {
            assert!(pair[50] - pair[0] >= WINDOW);
        }
        assert_eq!(starts[124], WINDOW * 2);
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_begun_goes_before_what_has_not() {
        let pace = Pace::new(2, WINDOW);
        pace.admit(in_secs(60)).await.unwrap();
        assert!(pace.next(in_secs(60)).await);
        let fresh = async {
            pace.admit(in_secs(60)).await.unwrap();
            Instant::now()
        };
        let begun = async {
            for _ in 0..2 {
                assert!(pace.next(in_secs(60)).await);
            }
            Instant::now()
        };
        let (fresh, begun) = tokio::join!(fresh, begun);
        assert!(begun < fresh, "the delivery that had begun waited for the one that had not");
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_start_in_time_is_told_at_once() {
        let pace = Pace::new(1, WINDOW);
        pace.admit(in_secs(1)).await.unwrap();
        let before = Instant::now();
        let refused = pace.admit(in_secs(3)).await.unwrap_err();
        assert_eq!(refused.retry_after, WINDOW);
        assert!(!pace.next(in_secs(3)).await);
        assert_eq!(Instant::now(), before);
    }
}
