//! When a lease is over whose holder does not release it.
//!
//! It is over at the time that its holder wrote, with two exceptions, because clocks are wrong at times:
//!
//! - Where one process at a time has the store (a file), the lease of another one is a dead one's. What that one sent has
//!   arrived or died `SETTLE_SECS` after the file was opened, whatever time the lease names.
//! - A lease that begins in the future was taken by somebody whose clock is ahead, or before ours was set back. In a table
//!   its holder may be alive. It was taken before we saw it, so it is over once its own length has passed since then.
//!   Nothing shorter is safe: an instance that starts later cannot tell whether the holder works. Each instance
//!   measures for itself, in memory; one that forgets it waits once more.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::Ledger;
use super::record::Lease;

/// How far the clocks of two machines may be apart without anybody minding.
const TOLERABLE_SKEW: SignedDuration = SignedDuration::from_secs(5);

/// More leases than these are not remembered: they are of a clock that was ahead for long, and seen anew.
const MOST_AHEAD: usize = 1_000;

/// Leases that begin in the future, by the key of their subject: when they begin, and when they were first seen.
#[derive(Clone, Default)]
pub(super) struct Ahead(Arc<Mutex<BTreeMap<String, (Timestamp, Timestamp)>>>);

impl Ahead {
    /// When this lease was first seen; now, if it was not, or if the clock was set back meanwhile.
    fn first_seen(&self, key: &str, since: Timestamp, now: Timestamp) -> Timestamp {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, first)) = seen.get(key)
            && *known == since
            && *first <= now
        {
            return *first;
        }
        if seen.len() >= MOST_AHEAD {
            seen.clear();
        }
        seen.insert(key.to_owned(), (since, now));
        now
    }
}

impl Ledger {
    /// When the lease on the subject with this key is over.
    pub(super) fn end_of(&self, key: &str, lease: &Lease, now: Timestamp) -> Timestamp {
        let owner = self.store.sole_owner().filter(|owner| lease.by != Some(owner.id));
        let settled = owner.and_then(|owner| owner.since.checked_add(self.settle).ok());
        let is_ahead = lease.since.duration_since(now) > TOLERABLE_SKEW;
        let passed = is_ahead.then(|| {
            let length = lease.until.duration_since(lease.since);
            self.ahead.first_seen(key, lease.since, now).saturating_add(length).ok()
        });
        let ends = [Some(lease.until), settled, passed.flatten()];
        ends.into_iter().flatten().min().unwrap_or(lease.until)
    }
}
