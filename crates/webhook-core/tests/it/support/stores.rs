//! Stores that behave as the best do on a bad day: full, small, silent.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use webhook_core::ledger::{Capacity, Committed, Store, StoreError, Versioned, Write};

/// Bytes of an item of DynamoDB: <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>.
/// The table packs records, this ledger does not.
pub(crate) const ITEM: usize = 400_000;

/// A ledger with little room, which refuses what does not fit.
pub(crate) struct Small {
    inner: Arc<dyn Store>,
    licenses: u64,
    /// In each record.
    bytes: usize,
}

impl Small {
    /// So many licenses of a subject, of any size.
    pub(crate) fn licenses(inner: Arc<dyn Store>, licenses: u64) -> Arc<Self> {
        Arc::new(Self { inner, licenses, bytes: usize::MAX })
    }

    /// As many licenses as a table, and each record in an item of its own.
    pub(crate) fn items(inner: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self { inner, licenses: 3_000, bytes: ITEM })
    }
}

impl Store for Small {
    fn read<'a>(
        &'a self,
        keys: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<Option<Versioned>>, StoreError>> {
        self.inner.read(keys)
    }

    fn commit<'a>(&'a self, writes: &'a [Write]) -> BoxFuture<'a, Result<Committed, StoreError>> {
        if let Some(write) = writes.iter().find(|write| write.value.len() > self.bytes) {
            let error = format!("{} has {} bytes", write.key, write.value.len());
            return Box::pin(async { Err(StoreError(error)) });
        }
        self.inner.commit(writes)
    }

    fn list<'a>(
        &'a self,
        prefix: &'a str,
    ) -> BoxFuture<'a, Result<Vec<(String, Versioned)>, StoreError>> {
        self.inner.list(prefix)
    }

    fn capacity(&self) -> Capacity {
        Capacity { licenses: self.licenses, engine: "a small ledger" }
    }
}

/// Nothing that it is asked ever has an answer.
pub(crate) struct Silent;

impl Store for Silent {
    fn read<'a>(
        &'a self,
        _: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<Option<Versioned>>, StoreError>> {
        Box::pin(std::future::pending())
    }

    fn commit<'a>(&'a self, _: &'a [Write]) -> BoxFuture<'a, Result<Committed, StoreError>> {
        Box::pin(std::future::pending())
    }

    fn list<'a>(
        &'a self,
        _: &'a str,
    ) -> BoxFuture<'a, Result<Vec<(String, Versioned)>, StoreError>> {
        Box::pin(std::future::pending())
    }
}
