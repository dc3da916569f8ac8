//! Whether the store works: what the last commits came to, and a look at it now and then.
//!
//! Whoever asks how the ledger is gets an answer from memory. Only a timer, or the first who asks in a while, looks.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::store::{Expect, StoreError, Write};
use super::{Ledger, StoreResult};

/// However often somebody asks, the store is looked at once in so long.
pub const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Where nothing but commits of events can show that the store can be written again, a failed one counts for so long.
const FAILED_COMMIT_COUNTS: Duration = Duration::from_secs(600);

/// The key whose reads and writes show whether the ledger works.
const KEY: &str = "health";

/// What is known of the store.
#[derive(Debug, Default)]
pub(super) struct Standing {
    known: Mutex<Known>,
    /// One look at a time; who waits for it sees what it saw.
    looking: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Known {
    /// When a commit was answered last, and with what error.
    commit: Option<(Instant, Option<StoreError>)>,
    /// When somebody looked last, and what was wrong.
    look: Option<(Instant, Option<StoreError>)>,
}

impl Standing {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn committed<T>(&self, result: &StoreResult<T>) {
        self.known().commit = Some((Instant::now(), result.as_ref().err().cloned()));
    }

    fn looked(&self, result: StoreResult<()>) {
        self.known().look = Some((Instant::now(), result.err()));
    }

    fn is_fresh(&self) -> bool {
        self.known().look.as_ref().is_some_and(|(at, _)| at.elapsed() < LOOK_EVERY)
    }
}

impl Ledger {
    /// How the store is, as far as its last commit and the last look tell. Asks nobody.
    pub fn standing(&self) -> Result<(), StoreError> {
        let known = self.standing.known();
        if let Some((_, Some(error))) = &known.look {
            return Err(error.clone());
        }
        match &known.commit {
            Some((at, Some(error))) if at.elapsed() < FAILED_COMMIT_COUNTS => Err(error.clone()),
            Some(_) | None => Ok(()),
        }
    }

    /// Looks at the store unless that was done less than [`LOOK_EVERY`] ago. Reads and writes nothing.
    pub async fn look(&self, patience: Duration) {
        let _one_at_a_time = self.standing.looking.lock().await;
        if !self.standing.is_fresh() {
            let seen = within(patience, self.seen()).await;
            self.standing.looked(seen);
        }
    }

    /// As `look`, however fresh the last one is. Also writes, if the last commit failed or none was made yet: so a disk that
    /// has room again is noticed without an event.
    pub async fn probe(&self, patience: Duration) {
        let _one_at_a_time = self.standing.looking.lock().await;
        let mut seen = within(patience, self.seen()).await;
        let works = self.standing.known().commit.as_ref().is_some_and(|(_, error)| error.is_none());
        if seen.is_ok() && !works {
            let key = KEY.to_owned();
            let write = Write { key, expect: Expect::Anything, value: Vec::new(), expires: None };
            seen = within(patience, self.commit(&[write])).await.map(|_| ());
        }
        self.standing.looked(seen);
    }

    /// Whether anybody looked yet.
    pub fn was_looked_at(&self) -> bool {
        self.standing.known().look.is_some()
    }

    async fn seen(&self) -> Result<(), StoreError> {
        self.read(&[KEY.to_owned()]).await?;
        self.store.is_in_place().await
    }
}

async fn within<T>(
    patience: Duration,
    call: impl Future<Output = StoreResult<T>>,
) -> StoreResult<T> {
    let late = |_late| Err(StoreError::late());
    tokio::time::timeout(patience, call).await.unwrap_or_else(late)
}
