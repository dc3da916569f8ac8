//! Our memory of events, subjects and customers, and the leases that keep subjects to one delivery at a time.
//!
//! ```text
//! | claimed: nobody else acts | deadline: nothing is sent any more | lease over: may be taken over |
//!                                                                  ^ until = deadline + SETTLE_SECS
//! ```
//! A lease outlives the deadline, so that a write which its holder gave up on has arrived or died before
//! somebody else looks. Every commit is conditional on the versions that were claimed, so a holder whose lease was
//! taken over changes nothing any more.

mod record;
mod store;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};

use crate::command::{Outcome, Subject, SubjectKind};
use crate::ids::{CustomerId, EventId};
use record::{EventRecord, EventStatus, Lease, SubjectRecord};

pub use record::{KnownCustomer, SubjectState};
pub use store::{Committed, Expect, MemoryStore, StoreError, Versioned, Write};

/// One event as the ledger knows it.
#[derive(Debug, Clone)]
pub struct EventKey {
    /// `stripe`, `fastspring` or `paddle`.
    pub provider: &'static str,
    /// The provider's id of it.
    pub id: EventId,
    /// Its type.
    pub kind: String,
    /// Test or live.
    pub live: Option<bool>,
}

/// What a delivery may do about an event.
#[derive(Debug)]
pub enum Claim {
    /// Handle it; its subjects are ours until the lease is over.
    Acquired(Box<Leases>),
    /// Nothing: it was done, with this outcome.
    Done(Outcome),
    /// Wait: another delivery works on a subject of it.
    Busy {
        /// When the last of the leases in the way is over at the latest.
        until: Timestamp,
        /// Whether it will not be released before.
        abandoned: bool,
    },
}

/// Whether leases end with the failure or run out by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Everything that was sent was answered: the next delivery may go on at once.
    Release,
    /// A write may still have its effect: nobody goes on until it has arrived or died.
    RunOut,
}

/// Leases that could not be completed, because they had run out and were taken over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Somebody else handles the event now.
    #[error("ledger: the lease on event {0} ran out before it was done")]
    LeaseLost(EventId),
}

/// The ledger over one store.
#[derive(Debug, Default)]
pub struct Ledger {
    store: MemoryStore,
}

/// Held by one delivery: an event and its subjects, with what is known of them.
#[derive(Debug)]
pub struct Leases {
    provider: &'static str,
    event: EventId,
    event_record: EventRecord,
    event_version: u64,
    subjects: BTreeMap<Subject, Held>,
    customers: BTreeMap<CustomerId, KnownCustomer>,
    changed_customers: BTreeSet<CustomerId>,
    until: Timestamp,
}

#[derive(Debug)]
struct Held {
    version: u64,
    state: SubjectState,
}

impl Leases {
    /// What is known of a subject; a subject that was not claimed has no memory.
    pub fn state(&self, subject: &Subject) -> SubjectState {
        self.subjects.get(subject).map(|held| held.state.clone()).unwrap_or_default()
    }

    /// Replaces what is known of a claimed subject, to be written with the outcome.
    pub fn set_state(&mut self, subject: &Subject, state: SubjectState) {
        if let Some(held) = self.subjects.get_mut(subject) {
            held.state = state;
        }
    }

    /// What is known of a customer.
    pub fn customer(&self, customer: &CustomerId) -> KnownCustomer {
        self.customers.get(customer).cloned().unwrap_or_default()
    }

    /// Replaces what is known of a customer, to be written with the outcome.
    pub fn set_customer(&mut self, customer: &CustomerId, known: KnownCustomer) {
        if self.customer(customer) != known {
            self.changed_customers.insert(customer.clone());
            self.customers.insert(customer.clone(), known);
        }
    }
}

/// Attempts at a claim that others keep winning; more would be a fault of the store.
const CLAIM_ATTEMPTS: u32 = 8;

impl Ledger {
    /// One read; for an event that is not done, one commit that takes all leases or none.
    pub async fn claim(
        &self,
        event: &EventKey,
        subjects: &BTreeSet<Subject>,
        customers: &BTreeSet<CustomerId>,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Claim, LedgerError> {
        let event_key = event_key(event.provider, &event.id);
        let mut keys = vec![event_key.clone()];
        keys.extend(subjects.iter().map(subject_key));
        keys.extend(customers.iter().map(|id| customer_key(event.provider, id)));
        for _ in 0..CLAIM_ATTEMPTS {
            // In the order of the keys.
            let mut found = self.store.read(&keys).await?.into_iter();
            let mut next = || found.next().flatten();
            let stored_event = next();
            let event_expect = expectation(stored_event.as_ref());
            let known: Option<EventRecord> = decoded(&event_key, stored_event)?;
            let attempts = match known {
                Some(EventRecord { status: EventStatus::Done(outcome), .. }) => {
                    return Ok(Claim::Done(outcome));
                }
                Some(record) => record.attempts,
                None => 0,
            };
            let event_record = EventRecord {
                kind: event.kind.clone(),
                live: event.live,
                attempts: attempts.saturating_add(1),
                status: EventStatus::Claimed,
            };
            let mut writes = vec![write(&event_key, event_expect, &event_record)?];
            let mut held = BTreeMap::new();
            let mut busy: Option<(Timestamp, bool)> = None;
            for subject in subjects {
                let (key, stored) = (subject_key(subject), next());
                let expect = expectation(stored.as_ref());
                let version = stored.as_ref().map_or(0, |record| record.version).saturating_add(1);
                let record: SubjectRecord = decoded(&key, stored)?.unwrap_or_default();
                if let Some(lease) = record.lease.filter(|lease| lease.until > now) {
                    busy = busy.max(Some((lease.until, lease.abandoned)));
                    continue;
                }
                let lease = Lease { event: event.id.clone(), until, abandoned: false };
                let leased = SubjectRecord { lease: Some(lease), state: record.state };
                writes.push(write(&key, expect, &leased)?);
                held.insert(subject.clone(), Held { version, state: leased.state });
            }
            if let Some((until, abandoned)) = busy {
                return Ok(Claim::Busy { until, abandoned });
            }
            let mut users = BTreeMap::new();
            for customer in customers {
                let key = customer_key(event.provider, customer);
                let known: Option<KnownCustomer> = decoded(&key, next())?;
                users.insert(customer.clone(), known.unwrap_or_default());
            }
            let event_version = version_after(event_expect);
            if self.store.commit(writes).await? == Committed::All {
                return Ok(Claim::Acquired(Box::new(Leases {
                    provider: event.provider,
                    event: event.id.clone(),
                    event_record,
                    event_version,
                    subjects: held,
                    customers: users,
                    changed_customers: BTreeSet::new(),
                    until,
                })));
            }
        }
        Ok(Claim::Busy { until: now, abandoned: false })
    }

    /// The event is done: one commit that writes its outcome and what is known now, and ends the leases.
    pub async fn complete(&self, leases: Leases, outcome: Outcome) -> Result<(), LedgerError> {
        self.settle(leases, EventStatus::Done(outcome), None).await
    }

    /// The event is not done; what is known so far is kept, for the delivery that goes on from here.
    pub async fn fail(&self, leases: Leases, reason: &str, keep: Keep) -> Result<(), LedgerError> {
        let lease = match keep {
            Keep::Release => None,
            Keep::RunOut => {
                Some(Lease { event: leases.event.clone(), until: leases.until, abandoned: true })
            }
        };
        self.settle(leases, EventStatus::Failed(reason.to_owned()), lease).await
    }

    async fn settle(
        &self,
        leases: Leases,
        status: EventStatus,
        lease: Option<Lease>,
    ) -> Result<(), LedgerError> {
        let event_record = EventRecord { status, ..leases.event_record };
        let key = event_key(leases.provider, &leases.event);
        let mut writes = vec![write(&key, Expect::Version(leases.event_version), &event_record)?];
        for (subject, held) in leases.subjects {
            let record = SubjectRecord { lease: lease.clone(), state: held.state };
            writes.push(write(&subject_key(&subject), Expect::Version(held.version), &record)?);
        }
        for customer in &leases.changed_customers {
            let known = leases.customers.get(customer).cloned().unwrap_or_default();
            let key = customer_key(leases.provider, customer);
            writes.push(write(&key, Expect::Anything, &known)?);
        }
        match self.store.commit(writes).await? {
            Committed::All => Ok(()),
            Committed::Lost => Err(LedgerError::LeaseLost(leases.event)),
        }
    }
}

fn event_key(provider: &str, id: &EventId) -> String {
    format!("event/{provider}/{id}")
}

fn subject_key(subject: &Subject) -> String {
    let kind = match subject.kind {
        SubjectKind::Subscription => "subscription",
        SubjectKind::Order => "order",
        SubjectKind::Customer => "person",
    };
    format!("subject/{}/{kind}/{}", subject.provider, subject.id)
}

fn customer_key(provider: &str, id: &CustomerId) -> String {
    format!("customer/{provider}/{id}")
}

fn expectation(stored: Option<&Versioned>) -> Expect {
    stored.map_or(Expect::Absent, |record| Expect::Version(record.version))
}

fn version_after(expect: Expect) -> u64 {
    match expect {
        Expect::Version(version) => version.saturating_add(1),
        Expect::Absent | Expect::Anything => 1,
    }
}

fn write(key: &str, expect: Expect, record: &impl Serialize) -> Result<Write, StoreError> {
    let value = serde_json::to_vec(record)
        .map_err(|e| StoreError(format!("{key} cannot be written: {e}")))?;
    Ok(Write { key: key.to_owned(), expect, value })
}

fn decoded<T: DeserializeOwned>(
    key: &str,
    stored: Option<Versioned>,
) -> Result<Option<T>, StoreError> {
    let Some(stored) = stored else {
        return Ok(None);
    };
    let record = serde_json::from_slice(&stored.value);
    record.map(Some).map_err(|e| StoreError(format!("record {key} cannot be read: {e}")))
}

#[cfg(test)]
mod tests;
