//! The embedded engine: redb in a file. One process writes it; tools may read it at the same time.

use std::fs::{Metadata, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use futures_util::future::{BoxFuture, FutureExt as _};
use jiff::Timestamp;
use redb::backends::FileBackend;
use redb::{
    Builder, ConcurrencyMode, Database, DatabaseError, ReadOnlyDatabase, ReadTransaction,
    ReadableDatabase as _, ReadableTable as _, StorageError, TableDefinition, TableError,
    TransactionError,
};
use tokio::sync::oneshot;

use super::store::{Committed, FORGOTTEN_AT_ONCE, SoleOwner, Store, StoreError, Versioned, Write};
use crate::domain::clock::Clock;

/// Version, the second from which it may be forgotten (or none: the largest), value.
type Record<'v> = (u64, i64, &'v [u8]);

const RECORDS: TableDefinition<'_, &str, Record<'_>> = TableDefinition::new("records");
/// What may be forgotten, by time. A record that was written again since is in here twice.
const EXPIRING: TableDefinition<'_, (i64, &str), ()> = TableDefinition::new("expiring");

const NEVER: i64 = i64::MAX;
/// Of redb's page cache; the operating system caches the file as well.
const CACHE_BYTES: usize = 4 * 1024 * 1024;

/// A redb database that is opened when it is first needed, and again after it failed to open.
#[derive(Clone)]
pub struct Embedded(Arc<Inner>);

struct Inner {
    path: PathBuf,
    access: Access,
    clock: Clock,
    opened: Mutex<Option<Handle>>,
    /// Device and number of the file that was opened to be written: its name may be another's by now.
    file: Mutex<Option<(u64, u64)>>,
    /// When this process first had the file. What it lost to an error of the disk and opened again was its own all the time.
    owner: OnceLock<SoleOwner>,
    /// One writer at a time; who waits here does not hold a thread.
    turn: Arc<tokio::sync::Mutex<()>>,
    /// Commits for the next one who has the turn: a disk is waited for once for all of them.
    waiting: Mutex<Vec<Waiting>>,
}

/// How large a file was before it was compacted and is now, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compacted {
    /// Before.
    pub before: u64,
    /// Now.
    pub after: u64,
}

struct Waiting {
    writes: Vec<Write>,
    answer: oneshot::Sender<Result<Committed, StoreError>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Write,
    Read,
}

#[derive(Clone)]
enum Handle {
    Write(Arc<Database>),
    Read(Arc<ReadOnlyDatabase>),
}

impl Embedded {
    /// A file that only this process may write.
    pub fn file(path: &Path, clock: Clock) -> Self {
        Self::new(path, Access::Write, clock)
    }

    /// A file that another process may be writing: every commit is refused.
    pub fn file_to_read(path: &Path, clock: Clock) -> Self {
        Self::new(path, Access::Read, clock)
    }

    /// Makes a file that nobody has open as small as what is in it.
    pub fn compact(path: &Path) -> Result<Compacted, StoreError> {
        let inner = Self::file(path, Clock::system()).0;
        let bytes = || match std::fs::metadata(path) {
            Ok(file) => Ok(file.len()),
            Err(error) => Err(StoreError(format!("{} cannot be opened: {error}", inner.name()))),
        };
        let before = bytes()?;
        let mut database = inner.open_to_write().map_err(|error| inner.not_opened(error))?;
        let compacted = database.compact();
        compacted.map_err(|e| StoreError(format!("{} is not compacted: {e}", inner.name())))?;
        database.close().map_err(|e| inner.not_opened(e))?;
        Ok(Compacted { before, after: bytes()? })
    }

    fn new(path: &Path, access: Access, clock: Clock) -> Self {
        let path = path.to_owned();
        let (opened, file, owner, turn, waiting) = <_>::default();
        Self(Arc::new(Inner { path, access, clock, opened, file, owner, turn, waiting }))
    }

    /// Runs work on the file on a blocking thread, because a disk may take long.
    async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Inner, &Handle) -> Result<T, redb::Error> + Send + 'static,
    ) -> Result<T, StoreError> {
        let inner = Arc::clone(&self.0);
        let work = move || {
            let handle = inner.handle()?;
            job(&inner, &handle).map_err(|error| inner.failed(&error))
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(result) => result,
            Err(_panicked) => Err(self.0.panicked()),
        }
    }

    /// Commits together with all others that wait. A caller that stops waiting before its turn commits nothing.
    async fn commit_in_turn(&self, writes: &[Write]) -> Result<Committed, StoreError> {
        let (answer, mut answered) = oneshot::channel();
        self.0.waiting().push(Waiting { writes: writes.to_vec(), answer });
        let answer = tokio::select! {
            biased;
            // Somebody else's turn came first.
            answer = &mut answered => answer,
            turn = Arc::clone(&self.0.turn).lock_owned() => {
                let inner = Arc::clone(&self.0);
                // It goes on also without us, so that nobody's answer is lost.
                let commit = tokio::task::spawn_blocking(move || {
                    inner.commit_all();
                    drop(turn);
                });
                commit.await.ok();
                answered.await
            }
        };
        answer.unwrap_or_else(|_panicked| Err(self.0.panicked()))
    }
}

impl Store for Embedded {
    fn read<'a>(
        &'a self,
        keys: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<Option<Versioned>>, StoreError>> {
        let keys = keys.to_vec();
        Box::pin(self.run(move |_, handle| {
            let Some(records) = existing(handle.begin_read()?.open_table(RECORDS))? else {
                return Ok(keys.iter().map(|_| None).collect());
            };
            let one = |key: &String| Ok(records.get(key.as_str())?.map(|r| versioned(r.value())));
            keys.iter().map(one).collect()
        }))
    }

    fn commit<'a>(&'a self, writes: &'a [Write]) -> BoxFuture<'a, Result<Committed, StoreError>> {
        Box::pin(self.commit_in_turn(writes))
    }

    fn list<'a>(
        &'a self,
        prefix: &'a str,
    ) -> BoxFuture<'a, Result<Vec<(String, Versioned)>, StoreError>> {
        let prefix = prefix.to_owned();
        Box::pin(self.run(move |_, handle| {
            let mut found = Vec::new();
            let Some(records) = existing(handle.begin_read()?.open_table(RECORDS))? else {
                return Ok(found);
            };
            for record in records.range(prefix.as_str()..)? {
                let (key, record) = record?;
                if !key.value().starts_with(&prefix) {
                    break;
                }
                found.push((key.value().to_owned(), versioned(record.value())));
            }
            Ok(found)
        }))
    }

    fn is_in_place(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.run(|inner, _| Ok(inner.is_in_place())).map(Result::flatten))
    }

    fn sole_owner(&self) -> Option<SoleOwner> {
        self.0.owner.get().copied()
    }
}

impl Handle {
    fn begin_read(&self) -> Result<ReadTransaction, TransactionError> {
        match self {
            Self::Write(database) => database.begin_read(),
            Self::Read(database) => database.begin_read(),
        }
    }

    /// Each set of writes all or none, one set after the other.
    fn commit(&self, sets: &[&[Write]], now: Timestamp) -> Result<Vec<Committed>, redb::Error> {
        let Self::Write(database) = self else {
            return Err(StorageError::Unsupported.into());
        };
        let transaction = database.begin_write()?;
        let mut committed = Vec::with_capacity(sets.len());
        {
            let mut records = transaction.open_table(RECORDS)?;
            let mut expiring = transaction.open_table(EXPIRING)?;
            for writes in sets {
                let mut versions = Vec::with_capacity(writes.len());
                for write in *writes {
                    versions.push(records.get(write.key.as_str())?.map(|record| record.value().0));
                }
                let mut expected = writes.iter().zip(&versions);
                if !expected.all(|(write, version)| write.expect.allows(*version)) {
                    committed.push(Committed::Lost);
                    continue;
                }
                for (write, version) in writes.iter().zip(versions) {
                    let expires = write.expires.map_or(NEVER, Timestamp::as_second);
                    let version = version.unwrap_or(0).saturating_add(1);
                    records
                        .insert(write.key.as_str(), (version, expires, write.value.as_slice()))?;
                    if expires != NEVER {
                        expiring.insert((expires, write.key.as_str()), ())?;
                    }
                }
                for _ in 0..FORGOTTEN_AT_ONCE {
                    let Some((expires, key)) = expiring
                        .first()?
                        .map(|(entry, _)| (entry.value().0, entry.value().1.to_owned()))
                        .filter(|(expires, _)| *expires <= now.as_second())
                    else {
                        break;
                    };
                    expiring.remove((expires, key.as_str()))?;
                    let last = records.get(key.as_str())?.map(|record| record.value().1);
                    if last == Some(expires) {
                        records.remove(key.as_str())?;
                    }
                }
                committed.push(Committed::All);
            }
        }
        match committed.contains(&Committed::All) {
            true => transaction.commit()?,
            false => transaction.abort()?,
        }
        Ok(committed)
    }
}

impl Inner {
    fn opened(&self) -> MutexGuard<'_, Option<Handle>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file(&self) -> MutexGuard<'_, Option<(u64, u64)>> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A file without a name is gone when its process ends.
    fn is_in_place(&self) -> Result<(), StoreError> {
        let Some(opened) = *self.file() else { return Ok(()) };
        let what = match std::fs::metadata(&self.path) {
            Ok(found) if identity(&found) == opened => return Ok(()),
            Ok(_another) => "was replaced by another file",
            Err(_gone) => "was deleted or moved",
        };
        let name = self.name();
        Err(StoreError(format!(
            "{name} {what} while it was in use: what this process remembers is lost when it ends; put the file back where it was, or restart to begin with what is there"
        )))
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn commit_all(&self) {
        let mut waiting = std::mem::take(&mut *self.waiting());
        waiting.retain(|waiting| !waiting.answer.is_closed());
        if waiting.is_empty() {
            return;
        }
        let sets: Vec<&[Write]> = waiting.iter().map(|waiting| waiting.writes.as_slice()).collect();
        let committed = self.handle().and_then(|handle| {
            handle.commit(&sets, self.clock.now()).map_err(|error| self.failed(&error))
        });
        let answers = match committed {
            Ok(committed) => committed.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error); waiting.len()],
        };
        for (waiting, answer) in waiting.into_iter().zip(answers) {
            // A caller that has stopped listening reads the records itself.
            waiting.answer.send(answer).ok();
        }
    }

    fn panicked(&self) -> StoreError {
        *self.opened() = None;
        self.damaged("working on it failed")
    }

    fn handle(&self) -> Result<Handle, StoreError> {
        let mut opened = self.opened();
        if let Some(database) = &*opened {
            return Ok(database.clone());
        }
        let database = self.open().map_err(|error| self.not_opened(error))?;
        self.owner.get_or_init(|| SoleOwner { id: rand::random(), since: self.clock.now() });
        *opened = Some(database.clone());
        Ok(database)
    }

    fn open(&self) -> Result<Handle, DatabaseError> {
        let path = &self.path;
        let builder = builder();
        if self.access == Access::Read {
            let database = match builder.open_read_only(path) {
                // Its writer was killed, and nobody has opened it since.
                Err(DatabaseError::RepairAborted) => {
                    builder.open(path)?.close()?;
                    builder.open_read_only(path)?
                }
                opened => opened?,
            };
            return Ok(Handle::Read(Arc::new(database)));
        }
        Ok(Handle::Write(Arc::new(self.open_to_write()?)))
    }

    fn open_to_write(&self) -> Result<Database, DatabaseError> {
        // Webhook bodies are in it: nobody else may read it.
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(&self.path)?;
        *self.file() = Some(identity(&file.metadata()?));
        let mut builder = builder();
        builder.set_check_integrity_on_open(true);
        builder.create_with_backend(FileBackend::new(file)?)
    }

    fn name(&self) -> String {
        format!("the ledger file {}", self.path.display())
    }

    fn damaged(&self, reason: &str) -> StoreError {
        let name = self.name();
        StoreError(format!(
            "{name} is damaged, or is not a ledger ({reason}): move it away, and an empty one takes its place"
        ))
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "whatever else redb finds is damage")]
    fn not_opened(&self, error: DatabaseError) -> StoreError {
        let name = self.name();
        match error {
            DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => StoreError(
                format!("{name} is held by another process: stop that one, or use another file"),
            ),
            DatabaseError::UpgradeRequired(format) => StoreError(format!(
                "{name} has the old file format {format} of redb, which this version cannot read: move it away, and an empty one takes its place"
            )),
            DatabaseError::Storage(StorageError::Io(error))
                if !matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof) =>
            {
                StoreError(format!("{name} cannot be opened: {error}"))
            }
            other => self.damaged(&other.to_string()),
        }
    }

    /// After an error of the disk redb works on only with a database that is opened anew.
    fn failed(&self, error: &redb::Error) -> StoreError {
        *self.opened() = None;
        if let redb::Error::Corrupted(reason) = error {
            return self.damaged(reason);
        }
        StoreError(format!("{} failed: {error}", self.name()))
    }
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES).set_concurrency_mode(ConcurrencyMode::SingleWriter);
    builder
}

fn identity(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

fn versioned((version, _, value): Record<'_>) -> Versioned {
    Versioned { version, value: value.to_vec() }
}

/// Nothing has been written yet: there is no table.
fn existing<T>(table: Result<T, TableError>) -> Result<Option<T>, redb::Error> {
    match table {
        Ok(table) => Ok(Some(table)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
