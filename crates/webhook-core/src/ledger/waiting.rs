//! Which events wait for their turn at Cryptlex, so that a server finishes them by itself, also after a restart.
//!
//! Every engine can read a record by its key, and not every one can look for keys. So the list lies in a few records,
//! each event in the one that its id chooses: whoever adds to it or takes from it meets few others.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::claim::CLAIM_ATTEMPTS;
use super::record::decoded;
use super::{Committed, Expect, Ledger, StoreError, Versioned, Write, expectation, write};
use crate::cryptlex::Rank;
use crate::domain::ids::EventId;

/// Records of the list, for each provider.
const PARTS: u64 = 64;
/// Of one record: at most 400 bytes each, and a record of DynamoDB holds 400 KB.
const MOST_OF_A_PART: usize = 800;

/// An event that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waits {
    /// Before what it goes.
    pub rank: Rank,
    /// When it happened.
    pub at: Timestamp,
    /// How many calls of Cryptlex it is expected to make.
    pub calls: usize,
    /// Since when it waits.
    pub since: Timestamp,
    /// When it is to be tried at the earliest.
    pub due: Timestamp,
    /// How often it was tried since then, in vain.
    pub tries: u32,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Part {
    events: BTreeMap<EventId, Waits>,
}

/// A change of the list, for one event.
#[derive(Debug)]
pub(super) enum Listed<'w> {
    /// It waits, unless it did before: since when and how often it was tried stays.
    First(&'w Waits),
    /// It waits.
    As(&'w Waits),
    /// It does not wait any more.
    NoMore,
}

impl Ledger {
    /// Every event of a provider that waits: one read, however many events the ledger holds.
    pub async fn waiting(&self, provider: &str) -> Result<Vec<(EventId, Waits)>, StoreError> {
        let keys: Vec<String> = (0..PARTS).map(|part| key_of(provider, part)).collect();
        let found = self.read(&keys).await?;
        let mut waiting = Vec::new();
        for (key, stored) in keys.iter().zip(&found) {
            let part: Option<Part> = decoded(key, stored.as_ref())?;
            waiting.extend(part.unwrap_or_default().events);
        }
        Ok(waiting)
    }

    /// It is to be tried later.
    pub async fn waits_on(
        &self,
        provider: &str,
        event: &EventId,
        waits: &Waits,
    ) -> Result<(), StoreError> {
        self.list_as(provider, event, &Listed::As(waits)).await
    }

    /// Nobody needs to try it any more.
    pub async fn waits_no_more(&self, provider: &str, event: &EventId) -> Result<(), StoreError> {
        self.list_as(provider, event, &Listed::NoMore).await
    }

    async fn list_as(
        &self,
        provider: &str,
        event: &EventId,
        listed: &Listed<'_>,
    ) -> Result<(), StoreError> {
        let key = part_key(provider, event);
        for _ in 0..CLAIM_ATTEMPTS {
            let found = self.read(std::slice::from_ref(&key)).await?;
            let stored = found.into_iter().next().flatten();
            let Some(write) = listed_write(&key, stored.as_ref(), event, listed)? else {
                return Ok(());
            };
            if self.commit(&[write]).await? == Committed::All {
                return Ok(());
            }
        }
        Err(StoreError(format!("others keep changing record {key}")))
    }
}

pub(super) fn part_key(provider: &str, event: &EventId) -> String {
    // The same in every version: what one process listed another one finds.
    let bytes = event.as_str().bytes();
    let sum = bytes.fold(0, |sum: u64, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
    key_of(provider, sum % PARTS)
}

fn key_of(provider: &str, part: u64) -> String {
    format!("waiting/{provider}/{part:02}")
}

/// Whether another event still fits into the part of the list.
pub(super) fn has_room(key: &str, stored: Option<&Versioned>) -> Result<bool, StoreError> {
    let part: Option<Part> = decoded(key, stored)?;
    Ok(part.is_none_or(|part| part.events.len() < MOST_OF_A_PART))
}

/// The part of the list with the change; `None` where it says so already.
pub(super) fn listed_write(
    key: &str,
    stored: Option<&Versioned>,
    event: &EventId,
    listed: &Listed<'_>,
) -> Result<Option<Write>, StoreError> {
    let mut part: Part = decoded(key, stored)?.unwrap_or_default();
    let changed = match listed {
        Listed::As(waits) => {
            part.events.insert(event.clone(), (*waits).clone()).as_ref() != Some(*waits)
        }
        Listed::First(waits) => {
            let is_new = !part.events.contains_key(event);
            part.events.entry(event.clone()).or_insert_with(|| (*waits).clone());
            is_new
        }
        Listed::NoMore => part.events.remove(event).is_some(),
    };
    let expect: Expect = expectation(stored);
    changed.then(|| write(key, expect, &part)).transpose()
}
