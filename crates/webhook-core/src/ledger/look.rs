//! What people and their tools look at.

use super::record::{EventRecord, EventStatus, SubjectRecord, body_key, decoded, event_key};
use super::{Ledger, StoreError, body};
use crate::ids::{EventId, SubjectId};

impl Ledger {
    /// What was paid for and waits for a mapping, as it is stored: `(provider/event, record)`. Reads all events.
    pub async fn unmapped(&self) -> Result<Vec<(String, EventRecord)>, StoreError> {
        let mut waiting = Vec::new();
        for (key, stored) in self.store.list("event/").await? {
            let event: Option<EventRecord> = decoded(&key, Some(&stored))?;
            let event = event.filter(|event| matches!(event.status, EventStatus::Unmapped(_)));
            let name = key.strip_prefix("event/").unwrap_or(&key).to_owned();
            waiting.extend(event.map(|event| (name, event)));
        }
        Ok(waiting)
    }

    /// An event of a provider.
    pub async fn event(
        &self,
        provider: &str,
        id: &EventId,
    ) -> Result<Option<EventRecord>, StoreError> {
        let key = event_key(provider, id);
        let found = self.store.read(std::slice::from_ref(&key)).await?;
        decoded(&key, found.first().and_then(Option::as_ref))
    }

    /// The body that an event came in last, if it was not too large to keep and is not too old.
    pub async fn body(
        &self,
        provider: &str,
        event: &EventRecord,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let key = body_key(provider, &event.body);
        let found = self.store.read(std::slice::from_ref(&key)).await?;
        let Some(kept) = found.into_iter().next().flatten() else {
            return Ok(None);
        };
        match body::restored(&kept.value, &event.body) {
            Some(bytes) => Ok(Some(bytes)),
            None => Err(StoreError(format!("record {key} is not the body that was kept"))),
        }
    }

    /// What is known under a subject's id, of whatever kind; with the key.
    pub async fn subjects(
        &self,
        provider: &str,
        id: &SubjectId,
    ) -> Result<Vec<(String, SubjectRecord)>, StoreError> {
        let keys = ["subscription", "order", "person"]
            .map(|kind| format!("subject/{provider}/{kind}/{id}"));
        let found = self.store.read(&keys).await?;
        let mut records = Vec::new();
        for (key, stored) in keys.into_iter().zip(found) {
            if let Some(record) = decoded(&key, stored.as_ref())? {
                records.push((key, record));
            }
        }
        Ok(records)
    }
}
