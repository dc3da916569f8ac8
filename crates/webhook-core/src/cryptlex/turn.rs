//! Whose turn it is to ask Cryptlex, when not everybody can at once.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A delivery that cannot begin in time; it is told so at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Cryptlex's request limit is used up for the moment")]
pub struct NotAdmitted {
    /// How long until its places are free.
    pub retry_after: Duration,
}

/// What goes before what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rank {
    /// Its effect may be there in part.
    Begun,
    /// Somebody waits for a key.
    Purchase,
    /// It can wait.
    Rest,
}

/// The turn of one event: by rank, within a rank the oldest event first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Turn {
    /// What it is.
    pub rank: Rank,
    /// When the event happened.
    pub at: Timestamp,
    /// How many calls it will need.
    pub calls: usize,
}
