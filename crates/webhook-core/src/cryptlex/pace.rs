//! Cryptlex's limit of requests per IP, kept on our side: <https://cryptlex.com/reference/web-api/introduction>.
//!
//! Deliveries are admitted, not single calls: a delivery that has begun takes the next place for each of its calls,
//! one that has not begun waits until there are places for all of a usual delivery's calls and nobody is before it.
//! So what was started gets finished.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::deadline::Deadline;

/// A delivery that cannot begin in time; it is told so at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Cryptlex's request limit is used up for the moment")]
pub struct NotAdmitted {
    /// How long until a place is free.
    pub retry_after: Duration,
}

/// What a purchase by a new customer needs: looks, a user, a few licenses.
const USUAL_CALLS: usize = 8;

/// A window counts from when a call reaches Cryptlex, and the first one takes longer to get there: it opens a connection.
/// So ours is longer by this part of it, a quarter of a second.
const SPREAD: u32 = 20;

/// At most `limit` calls start within any `window`, and they may take different times to arrive.
#[derive(Debug)]
pub(super) struct Pace {
    limit: usize,
    window: Duration,
    /// When the latest `limit` calls started or will start, oldest first.
    starts: Mutex<VecDeque<Instant>>,
    /// Somebody gave places back.
    returned: Notify,
}

impl Pace {
    pub(super) fn new(limit: u32, window: Duration) -> Self {
        Self {
            limit: usize::try_from(limit).unwrap_or(usize::MAX).max(1),
            window: window.saturating_add(window / SPREAD),
            starts: Mutex::new(VecDeque::new()),
            returned: Notify::new(),
        }
    }

    /// Waits until a delivery that has not begun may start its usual calls; tells how many places it now has.
    pub(super) async fn admit(&self, deadline: Deadline) -> Result<usize, NotAdmitted> {
        let wanted = USUAL_CALLS.min(self.limit);
        loop {
            let returned = self.returned.notified();
            let free = match self.places(wanted, |free, now| free <= now) {
                Ok(_started) => return Ok(wanted),
                Err(free) => free,
            };
            if free >= deadline.instant() {
                return Err(NotAdmitted {
                    retry_after: free.saturating_duration_since(Instant::now()),
                });
            }
            tokio::select! {
                () = sleep_until(free) => {}
                () = returned => {}
            }
        }
    }

    /// Takes back places that a delivery did not need.
    pub(super) fn give_back(&self, unused: usize) {
        let mut starts = self.starts.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        for _ in 0..unused {
            // The youngest that is not in the future: those wait for their call.
            let Some(at) = starts.iter().rposition(|start| *start <= now) else { break };
            starts.remove(at);
        }
        drop(starts);
        if unused > 0 {
            self.returned.notify_waiters();
        }
    }

    /// Takes the next place for a call of a delivery that has begun; `false` when that is too late for it.
    pub(super) async fn next(&self, deadline: Deadline) -> bool {
        match self.places(1, |free, _now| free < deadline.instant()) {
            Ok(start) => {
                sleep_until(start).await;
                true
            }
            Err(_too_late) => false,
        }
    }

    /// Takes so many places from the earliest instant at which all are free, if that is acceptable; else tells it.
    fn places(
        &self,
        wanted: usize,
        acceptable: impl FnOnce(Instant, Instant) -> bool,
    ) -> Result<Instant, Instant> {
        let mut starts = self.starts.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        // The last start that still counts when the wanted ones are added.
        let last = starts.len().saturating_add(wanted).checked_sub(self.limit.saturating_add(1));
        let free = match last.and_then(|last| starts.get(last)) {
            Some(start) => now.max(start.checked_add(self.window).unwrap_or(*start)),
            None => now,
        };
        if !acceptable(free, now) {
            return Err(free);
        }
        starts.extend(std::iter::repeat_n(free, wanted));
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
        Deadline::after(Duration::from_secs(secs), &crate::clock::Clock::system())
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
            assert!(pair[50] - pair[0] >= Duration::from_millis(5_250));
        }
        assert_eq!(starts[124], Duration::from_millis(10_500));
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_begun_goes_before_what_has_not() {
        let pace = Pace::new(8, WINDOW);
        assert_eq!(pace.admit(in_secs(60)).await, Ok(8));
        let fresh = async {
            pace.admit(in_secs(60)).await.unwrap();
            Instant::now()
        };
        let begun = async {
            for _ in 0..6 {
                assert!(pace.next(in_secs(60)).await);
            }
            Instant::now()
        };
        let (fresh, begun) = tokio::join!(fresh, begun);
        assert!(begun < fresh, "the delivery that had begun waited for the one that had not");
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_start_in_time_is_told_at_once() {
        let pace = Pace::new(10, WINDOW);
        pace.admit(in_secs(1)).await.unwrap();
        let before = Instant::now();
        let refused = pace.admit(in_secs(3)).await.unwrap_err();
        assert_eq!(refused.retry_after, pace.window);
        assert_eq!(Instant::now(), before);
    }

    #[tokio::test(start_paused = true)]
    async fn places_that_were_not_needed_are_the_next_ones() {
        let pace = Pace::new(10, WINDOW);
        let (first, waiting) = (pace.admit(in_secs(20)).await.unwrap(), pace.admit(in_secs(20)));
        let before = Instant::now();
        let (second, ()) = tokio::join!(waiting, async { pace.give_back(first - 2) });
        assert_eq!((second, Instant::now()), (Ok(8), before));
    }

    /// A purchase of five calls; whether it was admitted and could make them all.
    async fn purchase(pace: &Pace) -> bool {
        let deadline = in_secs(4);
        let Ok(reserved) = pace.admit(deadline).await else { return false };
        let call = Duration::from_millis(20);
        let mut made = 0;
        while made < 5 && (made < reserved || pace.next(deadline).await) {
            tokio::time::sleep(call).await;
            made += 1;
        }
        pace.give_back(reserved.saturating_sub(made));
        made == 5
    }

    #[tokio::test(start_paused = true)]
    async fn many_purchases_at_once_get_done_in_turn() {
        for (limit, at_once) in [(50, 20), (50, 60), (10, 5)] {
            let pace = Pace::new(limit, WINDOW);
            let mut left = at_once;
            for round in 0.. {
                let all = futures_util::future::join_all((0..left).map(|_| purchase(&pace))).await;
                let done = all.into_iter().filter(|done| *done).count();
                assert!(
                    done * 5 * 2 >= (usize::try_from(limit).unwrap()).min(left * 5),
                    "round {round}: {done} of {left}"
                );
                left -= done;
                if left == 0 {
                    break;
                }
                tokio::time::sleep(pace.window).await;
            }
        }
    }
}
