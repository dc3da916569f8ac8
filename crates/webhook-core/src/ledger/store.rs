//! Where records are kept: versioned bytes under string keys, written conditionally, all or nothing.

use futures_util::future::BoxFuture;
use jiff::Timestamp;

/// A record with its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned {
    /// Grows by one with every write.
    pub version: u64,
    /// The bytes that were written.
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

impl Expect {
    /// Whether it is true of a record of that version, or of none.
    pub(super) fn allows(self, version: Option<u64>) -> bool {
        match self {
            Self::Absent => version.is_none(),
            Self::Version(wanted) => version == Some(wanted),
            Self::Anything => true,
        }
    }
}

/// Records that the engines of this process forget with each commit: more than one writes, so that they cannot pile up.
pub(super) const FORGOTTEN_AT_ONCE: usize = 16;

/// One record to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// Where.
    pub key: String,
    /// On what condition.
    pub expect: Expect,
    /// What.
    pub value: Vec<u8>,
    /// When the store may forget it; it may also keep it longer.
    pub expires: Option<Timestamp>,
}

/// Whether a set of conditional writes happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    /// All of them.
    All,
    /// None: a condition did not hold, somebody else was faster.
    Lost,
}

/// How many licenses one subscription or order may have, so that what is remembered of them fits into a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Licenses.
    pub licenses: u64,
    /// What holds them, for people.
    pub engine: &'static str,
}

impl Capacity {
    /// No engine has room for more, and no purchase of more is taken for one.
    pub const LARGEST: Self = Self { licenses: 10_000, engine: "the ledger" };
}

impl Default for Capacity {
    fn default() -> Self {
        Self::LARGEST
    }
}

/// A store that cannot be reached or read; its text names which, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("ledger: {0}")]
pub struct StoreError(pub String);

impl StoreError {
    /// Whoever waited for it cannot wait longer.
    pub fn late() -> Self {
        Self("no answer in time".to_owned())
    }
}

/// What an engine must honour. An error of [`Store::commit`] leaves open whether it happened.
pub trait Store: Send + Sync {
    /// The records under these keys, in their order. No key may be asked for twice.
    fn read<'a>(
        &'a self,
        keys: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<Option<Versioned>>, StoreError>>;

    /// All of the writes, or none if any condition does not hold. No key may be written twice.
    fn commit<'a>(&'a self, writes: &'a [Write]) -> BoxFuture<'a, Result<Committed, StoreError>>;

    /// Every record whose key begins so, by key. For people and their tools: it may read the whole store.
    fn list<'a>(
        &'a self,
        prefix: &'a str,
    ) -> BoxFuture<'a, Result<Vec<(String, Versioned)>, StoreError>>;

    /// How many licenses of one subject it has room for.
    fn capacity(&self) -> Capacity {
        Capacity::LARGEST
    }

    /// Whether what was opened is still found where it was opened. An engine without such a place has nothing to lose.
    fn is_in_place(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async { Ok(()) })
    }

    /// Who alone has the store open, if it is of that kind: whoever else took a lease is dead.
    fn sole_owner(&self) -> Option<SoleOwner> {
        None
    }
}

/// The one who has a store open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SoleOwner {
    /// Unlike that of anybody who had it open before.
    pub id: u64,
    /// Since when nobody else can have had it open.
    pub since: Timestamp,
}
