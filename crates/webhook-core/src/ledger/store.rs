//! Where records are kept: versioned bytes under string keys, written conditionally, all or nothing.
//!
//! This engine keeps them in memory: right for a laptop and for tests, forgotten when the process ends.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// A record as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned {
    /// Grows by one with every write.
    pub version: u64,
    /// JSON.
    pub value: Vec<u8>,
}

/// What must be true of a record for a write to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// There is none.
    Absent,
    /// It has this version.
    Version(u64),
    /// Nothing: the last writer wins.
    Anything,
}

/// One record to write.
#[derive(Debug, Clone)]
pub struct Write {
    /// Where.
    pub key: String,
    /// On what condition.
    pub expect: Expect,
    /// What.
    pub value: Vec<u8>,
}

/// Whether a set of conditional writes happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    /// All of them.
    All,
    /// None: a condition did not hold, somebody else was faster.
    Lost,
}

/// A store that cannot be reached or read; names what to look at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("ledger: {0}")]
pub struct StoreError(pub String);

/// Records in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    records: Mutex<BTreeMap<String, Versioned>>,
}

impl MemoryStore {
    /// The records under these keys, in their order, of one moment.
    pub async fn read(&self, keys: &[String]) -> Result<Vec<Option<Versioned>>, StoreError> {
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(keys.iter().map(|key| records.get(key).cloned()).collect())
    }

    /// All of the writes, or none if any condition does not hold.
    pub async fn commit(&self, writes: Vec<Write>) -> Result<Committed, StoreError> {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        let version = |key: &str| records.get(key).map(|record| record.version);
        let holds = writes.iter().all(|write| match write.expect {
            Expect::Absent => version(&write.key).is_none(),
            Expect::Version(wanted) => version(&write.key) == Some(wanted),
            Expect::Anything => true,
        });
        if !holds {
            return Ok(Committed::Lost);
        }
        for Write { key, value, .. } in writes {
            let version = records.get(&key).map_or(1, |record| record.version.saturating_add(1));
            records.insert(key, Versioned { version, value });
        }
        Ok(Committed::All)
    }

    /// Every record whose key begins so, by key.
    pub async fn list(&self, prefix: &str) -> Result<Vec<(String, Versioned)>, StoreError> {
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        let from_prefix = records.range(prefix.to_owned()..);
        let those = from_prefix.take_while(|(key, _)| key.starts_with(prefix));
        Ok(those.map(|(key, record)| (key.clone(), record.clone())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(key: &str, expect: Expect, value: &[u8]) -> Write {
        Write { key: key.to_owned(), expect, value: value.to_vec() }
    }

    #[tokio::test]
    async fn writes_happen_all_or_none() {
        let store = MemoryStore::default();
        let first = vec![write("a", Expect::Absent, b"1"), write("b", Expect::Absent, b"1")];
        assert_eq!(store.commit(first).await, Ok(Committed::All));
        for (second, expected) in [
            (
                vec![write("a", Expect::Version(1), b"2"), write("b", Expect::Absent, b"2")],
                Committed::Lost,
            ),
            (vec![write("a", Expect::Version(2), b"2")], Committed::Lost),
            (vec![write("c", Expect::Version(1), b"2")], Committed::Lost),
            (
                vec![write("a", Expect::Version(1), b"2"), write("c", Expect::Anything, b"2")],
                Committed::All,
            ),
        ] {
            assert_eq!(store.commit(second).await, Ok(expected));
        }
        let keys = ["a", "b", "c", "d"].map(str::to_owned);
        let found = store.read(&keys).await.unwrap();
        let found: Vec<_> =
            found.iter().map(|r| r.as_ref().map(|r| (r.version, r.value[0]))).collect();
        assert_eq!(found, [Some((2, b'2')), Some((1, b'1')), Some((1, b'2')), None]);
        assert_eq!(store.list("b").await.unwrap().len(), 1);
    }
}
