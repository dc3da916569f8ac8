//! What is remembered, and where.

use std::path::PathBuf;
use std::time::Duration;

use jiff::SignedDuration;

use super::policy::days_of;
use super::problem::Warning;
use super::reader::Reader;

/// What is remembered, and where.
#[derive(Debug, Clone)]
pub struct Ledger {
    /// Where.
    pub place: LedgerPlace,
    /// `EVENT_RETENTION_DAYS` (90): how long events and their bodies are kept.
    pub retention: SignedDuration,
    /// `SETTLE_SECS` (30): how long after the deadline a lease still keeps others away.
    pub settle: SignedDuration,
    /// `DEADLINE_MS`, as `Config` has it.
    pub deadline: Duration,
}

/// Where the ledger is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LedgerPlace {
    /// Neither is set: forgotten with the process.
    Memory,
    /// `LEDGER_PATH`: a file that one process writes.
    File(PathBuf),
    /// `LEDGER_TABLE`: a DynamoDB table that any number of processes share.
    Table(String),
}

impl<R: Fn(&str) -> Option<String>> Reader<R> {
    pub(super) fn ledger(&mut self, deadline: Duration) -> Ledger {
        let (table, path) = (self.optional("LEDGER_TABLE"), self.optional("LEDGER_PATH"));
        match (&table, &path) {
            (Some(_), Some(_)) => self.warn(Warning::PathNotUsed),
            (None, _) if self.is_in_lambda() => self.alarms.push(Warning::NoTable.to_string()),
            (None, None) => self.warn(Warning::NoLedger),
            (Some(_), None) | (None, Some(_)) => {}
        }
        let place = match (table, path) {
            (Some(table), _) => LedgerPlace::Table(table),
            (None, Some(path)) => LedgerPlace::File(PathBuf::from(path)),
            (None, None) => LedgerPlace::Memory,
        };
        let days = self.number("EVENT_RETENTION_DAYS", 90, 1..=3650, "1 to 3650 days");
        let settle = self.number("SETTLE_SECS", 30, 0..=900, "0 to 900 seconds");
        let settle = SignedDuration::from_secs(i64::try_from(settle).unwrap_or(30));
        Ledger { place, retention: days_of(days), settle, deadline }
    }
}
