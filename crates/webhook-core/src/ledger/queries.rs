//! What people and their tools look at.

use std::collections::{BTreeMap, BTreeSet};

use super::record::{
    EventRecord, EventStatus, KnownCustomer, SubjectRecord, body_key, customer_key, decoded,
    event_key, subject_keys,
};
use super::{Ledger, StoreError, body};
use crate::domain::ids::{CustomerId, EventId, LicenseId, SubjectId};

impl Ledger {
    /// The events with this status, as they are stored: `(provider, id, record)`, the oldest first. Reads all events.
    pub async fn events(
        &self,
        stand: impl Fn(&EventRecord) -> bool,
    ) -> Result<Vec<(String, String, EventRecord)>, StoreError> {
        let mut found = Vec::new();
        for (key, stored) in self.store.list("event/").await? {
            let event: Option<EventRecord> = decoded(&key, Some(&stored))?;
            let name = key.strip_prefix("event/").and_then(|name| name.split_once('/'));
            if let (Some((provider, id)), Some(event)) = (name, event.filter(&stand)) {
                found.push((provider.to_owned(), id.to_owned(), event));
            }
        }
        found.sort_by_key(|(_, _, event)| event.claimed_at);
        Ok(found)
    }

    /// Who bought each subject last, as far as it is known: by `(provider, id of the subject)`. Reads all customers.
    pub async fn buyers(&self) -> Result<BTreeMap<(String, String), Vec<String>>, StoreError> {
        let mut buyers: BTreeMap<_, Vec<String>> = BTreeMap::new();
        for (key, stored) in self.store.list("customer/").await? {
            let known: Option<KnownCustomer> = decoded(&key, Some(&stored))?;
            let name = key.strip_prefix("customer/").and_then(|name| name.split_once('/'));
            let Some(((provider, customer), known)) = name.zip(known) else { continue };
            for subject in known.bought {
                let bought = (provider.to_owned(), subject.to_string());
                buyers.entry(bought).or_default().push(customer.to_owned());
            }
        }
        Ok(buyers)
    }

    /// What is known of a provider's customer.
    pub async fn customer(
        &self,
        provider: &str,
        id: &CustomerId,
    ) -> Result<Option<KnownCustomer>, StoreError> {
        let key = customer_key(provider, id);
        let found = self.read(std::slice::from_ref(&key)).await?;
        decoded(&key, found.first().and_then(Option::as_ref))
    }

    /// An event of a provider.
    pub async fn event(
        &self,
        provider: &str,
        id: &EventId,
    ) -> Result<Option<EventRecord>, StoreError> {
        let key = event_key(provider, id);
        let found = self.read(std::slice::from_ref(&key)).await?;
        decoded(&key, found.first().and_then(Option::as_ref))
    }

    /// The body that an event came in last, if it was not too large to keep and is not too old.
    pub async fn body(
        &self,
        provider: &str,
        event: &EventRecord,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let key = body_key(provider, &event.body);
        let found = self.read(std::slice::from_ref(&key)).await?;
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
        self.subjects_at(&subject_keys(provider, id)).await
    }

    /// Whose license it is, with the key: by what subjects know of their licenses, else by the outcomes of kept events. Reads all
    /// subjects, and perhaps all events. A record that cannot be read matters only if no other one names the license.
    pub async fn subjects_of(
        &self,
        license: &LicenseId,
    ) -> Result<Vec<(String, SubjectRecord)>, StoreError> {
        let (mut found, mut unreadable) = (Vec::new(), None);
        for (key, stored) in self.store.list("subject/").await? {
            match decoded::<SubjectRecord>(&key, Some(&stored)) {
                Ok(Some(record)) if record.state.names(license) => found.push((key, record)),
                Ok(_) => {}
                Err(error) => unreadable = Some(error),
            }
        }
        if found.is_empty() {
            let is_of_it = |event: &EventRecord| {
                let EventStatus::Done(outcome) = &event.status else { return false };
                outcome.licenses.iter().any(|line| line.id == *license)
            };
            let mut keys = BTreeSet::new();
            for (_, _, event) in self.events(is_of_it).await? {
                keys.extend(event.subjects);
            }
            let keys: Vec<String> = keys.into_iter().collect();
            found = self.subjects_at(&keys).await?;
        }
        match unreadable {
            Some(error) if found.is_empty() => Err(error),
            Some(_) | None => Ok(found),
        }
    }

    /// What is known under these keys of subjects, each named once.
    pub async fn subjects_at(
        &self,
        keys: &[String],
    ) -> Result<Vec<(String, SubjectRecord)>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let found = self.read(keys).await?;
        let mut records = Vec::new();
        for (key, stored) in keys.iter().zip(found) {
            if let Some(record) = decoded(key, stored.as_ref())? {
                records.push((key.clone(), record));
            }
        }
        Ok(records)
    }
}
