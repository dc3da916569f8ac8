//! The engine that forgets with the process: for trials, tests and functions that nobody gave a table.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;
use jiff::Timestamp;

use super::store::{Committed, FORGOTTEN_AT_ONCE, Store, StoreError, Versioned, Write};
use crate::domain::clock::Clock;

/// Records in the memory of this process.
pub struct Memory {
    clock: Clock,
    records: Mutex<Records>,
}

#[derive(Default)]
struct Records {
    by_key: BTreeMap<String, Record>,
    /// What may be forgotten, by time. A record that was written again since is in here twice.
    expiring: BTreeSet<(Timestamp, String)>,
}

struct Record {
    stored: Versioned,
    expires: Option<Timestamp>,
}

impl Memory {
    /// Nothing yet.
    pub fn new(clock: Clock) -> Self {
        Self { clock, records: Mutex::default() }
    }

    fn records(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Records {
    fn commit(&mut self, writes: &[Write], now: Timestamp) -> Committed {
        let version = |write: &Write| Some(self.by_key.get(&write.key)?.stored.version);
        if !writes.iter().all(|write| write.expect.allows(version(write))) {
            return Committed::Lost;
        }
        for Write { key, value, expires, .. } in writes {
            let before = self.by_key.get(key).map_or(0, |record| record.stored.version);
            let stored = Versioned { version: before.saturating_add(1), value: value.clone() };
            self.by_key.insert(key.clone(), Record { stored, expires: *expires });
            self.expiring.extend(expires.map(|at| (at, key.clone())));
        }
        for _ in 0..FORGOTTEN_AT_ONCE {
            let Some((expires, key)) = self.expiring.pop_first() else { break };
            if expires > now {
                self.expiring.insert((expires, key));
                break;
            }
            if self.by_key.get(&key).is_some_and(|record| record.expires == Some(expires)) {
                self.by_key.remove(&key);
            }
        }
        Committed::All
    }
}

impl Store for Memory {
    fn read<'a>(
        &'a self,
        keys: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<Option<Versioned>>, StoreError>> {
        Box::pin(async {
            let records = self.records();
            let one = |key: &String| records.by_key.get(key).map(|record| record.stored.clone());
            Ok(keys.iter().map(one).collect())
        })
    }

    fn commit<'a>(&'a self, writes: &'a [Write]) -> BoxFuture<'a, Result<Committed, StoreError>> {
        Box::pin(async { Ok(self.records().commit(writes, self.clock.now())) })
    }

    fn list<'a>(
        &'a self,
        prefix: &'a str,
    ) -> BoxFuture<'a, Result<Vec<(String, Versioned)>, StoreError>> {
        Box::pin(async move {
            let records = self.records();
            let found = records.by_key.range(prefix.to_owned()..);
            let found = found.take_while(|(key, _)| key.starts_with(prefix));
            Ok(found.map(|(key, record)| (key.clone(), record.stored.clone())).collect())
        })
    }
}
