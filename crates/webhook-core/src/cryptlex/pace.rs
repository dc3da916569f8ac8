//! Cryptlex's limit of requests per IP, kept on our side: <https://cryptlex.com/reference/web-api/introduction>.
//!
//! Deliveries are admitted, not single calls, and in the order of their turns: one that is admitted has places for all of
//! its calls, one that cannot have them in time is told so at once. A delivery that needs more calls than it thought takes the
//! next place for each. So what was started gets finished.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::turn::{NotAdmitted, Turn};
use crate::domain::deadline::Deadline;

/// A window counts from when a call reaches Cryptlex, and the first one takes longer to get there: it opens a connection.
/// So ours is longer by this part of it, a quarter of a second.
const SPREAD: u32 = 20;

/// At most `limit` calls start within any `window`, and they may take different times to arrive.
#[derive(Debug)]
pub(super) struct RateLimiter {
    limit: usize,
    window: Duration,
    state: Mutex<State>,
    /// Places came free, or whoever waited went away.
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// When the latest calls started or will start, oldest first: as many as count yet.
    starts: VecDeque<Instant>,
    /// Places of deliveries that were admitted, for calls that did not start yet.
    reserved: usize,
    /// Deliveries that were not admitted yet, with the places that each wants.
    waiting: BTreeMap<Ticket, usize>,
    next_number: u64,
}

/// Its turn, and when it came.
type Ticket = (Turn, u64);

/// Places for the calls of one delivery. What it does not take is given back when it is dropped.
#[derive(Debug)]
pub(super) struct CallBudget {
    pace: Arc<RateLimiter>,
    left: AtomicUsize,
}

impl CallBudget {
    /// Takes one for a call that starts now; `false` if none is left.
    pub(super) fn take(&self) -> bool {
        let one = |left: usize| left.checked_sub(1);
        let took = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one).is_ok();
        if took {
            self.pace.started();
        }
        took
    }
}

impl Drop for CallBudget {
    fn drop(&mut self) {
        self.pace.give_back(self.left.load(Ordering::Relaxed));
    }
}

/// Leaves the queue with whoever stops waiting.
struct Waits<'p> {
    pace: &'p RateLimiter,
    ticket: Ticket,
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.pace.state().waiting.remove(&self.ticket);
        self.pace.changed.notify_waiters();
    }
}

impl RateLimiter {
    pub(super) fn new(limit: u32, window: Duration) -> Self {
        Self {
            limit: usize::try_from(limit).unwrap_or(usize::MAX).max(1),
            window: window.saturating_add(window / SPREAD),
            state: Mutex::default(),
            changed: Notify::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How much longer so many calls take because of the limit.
    pub(super) fn takes(&self, calls: usize) -> Duration {
        let windows = calls.saturating_sub(1).checked_div(self.limit).unwrap_or(0);
        self.window.saturating_mul(u32::try_from(windows).unwrap_or(u32::MAX))
    }

    /// Waits for the places of a delivery, behind those whose turn is before its own. `ahead` are calls of such that do not
    /// wait here yet. Refused as soon as they cannot be had by `latest`.
    pub(super) async fn admit(
        self: &Arc<Self>,
        turn: &Turn,
        ahead: impl Fn() -> usize,
        latest: Instant,
    ) -> Result<CallBudget, NotAdmitted> {
        let wanted = turn.calls.clamp(1, self.limit);
        let waits = self.wait(turn, wanted);
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            let others = ahead();
            let free = match self.try_admit(&waits.ticket, wanted, others) {
                Ok(places) => return Ok(places),
                Err(free) => free,
            };
            if free > latest {
                let retry_after = free.saturating_duration_since(Instant::now());
                return Err(NotAdmitted { retry_after });
            }
            tokio::select! {
                () = sleep_until(free) => {}
                () = changed => {}
            }
        }
    }

    fn wait(&self, turn: &Turn, wanted: usize) -> Waits<'_> {
        let mut state = self.state();
        let ticket = (*turn, state.next_number);
        state.next_number = state.next_number.wrapping_add(1);
        state.waiting.insert(ticket, wanted);
        Waits { pace: self, ticket }
    }

    /// Its places; else when they can be had at the earliest, if nobody comes before it meanwhile.
    fn try_admit(
        self: &Arc<Self>,
        ticket: &Ticket,
        wanted: usize,
        others: usize,
    ) -> Result<CallBudget, Instant> {
        let now = Instant::now();
        let mut state = self.state();
        state.forget(now, self.window);
        let before: usize = state.waiting.range(..*ticket).map(|(_, wanted)| *wanted).sum();
        let before = before.saturating_add(others);
        let free = state.free_at(before.saturating_add(wanted), now, self);
        if free > now {
            return Err(free);
        }
        if before > 0 {
            // Somebody is before it, though there are places: it looks again when that changes, or in a moment.
            return Err(now.checked_add(self.window / SPREAD).unwrap_or(now));
        }
        state.reserved = state.reserved.saturating_add(wanted);
        Ok(CallBudget { pace: Arc::clone(self), left: AtomicUsize::new(wanted) })
    }

    fn started(&self) {
        let mut state = self.state();
        state.reserved = state.reserved.saturating_sub(1);
        let now = Instant::now();
        // Those in the future wait for their call.
        let place = state.starts.partition_point(|start| *start <= now);
        state.starts.insert(place, now);
    }

    fn give_back(&self, unused: usize) {
        if unused > 0 {
            let mut state = self.state();
            state.reserved = state.reserved.saturating_sub(unused);
            drop(state);
            self.changed.notify_waiters();
        }
    }

    /// Takes the next place for a call of a delivery that has begun; `false` when that is too late for it.
    pub(super) async fn next(&self, deadline: Deadline) -> bool {
        let start = {
            let now = Instant::now();
            let mut state = self.state();
            state.forget(now, self.window);
            let start = state.free_at(1, now, self);
            if start >= deadline.instant() {
                return false;
            }
            state.starts.push_back(start);
            start
        };
        sleep_until(start).await;
        true
    }
}

impl State {
    /// Starts that do not count any more.
    fn forget(&mut self, now: Instant, window: Duration) {
        while self.starts.front().is_some_and(|start| now.duration_since(*start) >= window) {
            self.starts.pop_front();
        }
    }

    /// The earliest instant at which so many more calls may have started.
    fn free_at(&self, wanted: usize, now: Instant, pace: &RateLimiter) -> Instant {
        let taken = self.starts.len().saturating_add(self.reserved);
        let Some(missing) = wanted.checked_sub(pace.limit.saturating_sub(taken)) else {
            return now;
        };
        let Some(last) = missing.checked_sub(1) else { return now };
        // Places come free in the order in which their calls started; those that did not start count from now.
        let windows = u32::try_from(last / pace.limit).unwrap_or(u32::MAX);
        let start = self.starts.get(last % pace.limit).copied().unwrap_or(now);
        let wait = pace.window.saturating_mul(windows.saturating_add(1));
        start.checked_add(wait).unwrap_or(start).max(now)
    }
}

#[cfg(test)]
mod tests;
