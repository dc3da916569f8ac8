//! Our memory of events, subjects and customers, and the leases that keep subjects to one delivery at a time.
//!
//! ```text
//! | claimed: nobody else acts | deadline: nothing is sent any more | lease over: may be taken over |
//!                                                                  ^ until = deadline + SETTLE_SECS
//! ```
//! A lease outlives the deadline, so that a write which its holder gave up on has arrived or died before
//! somebody else looks. Every commit is conditional on the versions that were claimed, so a holder whose lease was
//! taken over changes nothing any more.

mod body;
mod claim;
mod dynamo;
mod embedded;
mod keep;
mod lease;
mod memory;
mod owner;
mod queries;
mod record;
mod standing;
mod store;
mod waiting;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::domain::clock::Clock;
use crate::domain::command::{Outcome, Subject};
use crate::domain::fact::Displaced;
use crate::domain::ids::{CustomerId, EventId, PaymentId};
use crate::infra::aws::Aws;
use crate::infra::config;
use crate::infra::metrics::{Count, count};
use lease::Ahead;
use owner::Owner;
use record::{customer_key, decoded, encoded, event_key, link_key, payment_key, subject_key};

pub use body::Body;
pub use claim::{Admission, Claim, ClaimScope, Known, Term};
pub use dynamo::Dynamo;
pub use embedded::{Compacted, Embedded};
pub use memory::Memory;
pub use record::{
    EventRecord, EventStatus, KnownCustomer, Lease, Paid, PaymentRecord, SubjectRecord,
    SubjectState, parts_of_subject_key,
};
pub use standing::LOOK_EVERY;
pub use store::{Capacity, Committed, Expect, SoleOwner, Store, StoreError, Versioned, Write};
pub use waiting::Waits;

type StoreResult<T> = Result<T, StoreError>;

/// One event as it was delivered.
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
    /// The path that it came to, which says how a purchase finds its product.
    pub contract: String,
}

/// What is known of a payment that an event takes back.
#[derive(Debug)]
pub enum PaidBy {
    /// The event was handled already, with this outcome.
    Done(Outcome),
    /// What it paid for, if anything is known, and every id that it is known by.
    Known(Vec<Paid>, Vec<PaymentId>),
}

/// Whether leases end with the failure or run out by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseOnFailure {
    /// Everything that was sent was answered: the next delivery may go on at once.
    Release,
    /// A write may still have its effect: nobody goes on until it has arrived or died.
    LetExpire,
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
#[derive(Clone)]
pub struct Ledger {
    store: Arc<dyn Store>,
    /// How long a write may be under way after its sender died.
    settle: SignedDuration,
    /// How long events and their bodies are kept.
    retention: SignedDuration,
    /// Leases that somebody took whose clock is ahead.
    ahead: Ahead,
    /// What is known of the store by now.
    standing: Arc<standing::Standing>,
}

/// Held by one delivery: an event and its subjects, with what is known of them.
#[derive(Debug)]
pub struct Leases {
    event: EventKey,
    record: EventRecord,
    version: u64,
    subjects: BTreeMap<Subject, HeldSubject>,
    customers: BTreeMap<CustomerId, KnownCustomer>,
    changed_customers: BTreeSet<CustomerId>,
    links: BTreeMap<PaymentId, PaymentId>,
    owners: BTreeMap<Subject, Owner>,
    until: Timestamp,
    /// Something was written to Cryptlex.
    touched: bool,
}

#[derive(Debug)]
struct HeldSubject {
    version: u64,
    /// An earlier delivery left it half-done, of this event or another.
    again: bool,
    /// As it was before the claim, or as this delivery found it.
    all_ours: bool,
    /// What made way for what the event says of it.
    displaced: Displaced,
    record: SubjectRecord,
}

impl HeldSubject {
    fn is_all_ours(&self) -> bool {
        self.all_ours && !self.again
    }
}

impl Leases {
    /// What is known of a subject; a subject that was not claimed has no memory.
    pub fn state(&self, subject: &Subject) -> SubjectState {
        self.subjects.get(subject).map(|held| held.record.state.clone()).unwrap_or_default()
    }

    /// Replaces what is known of a claimed subject, to be written with the outcome.
    pub fn set_state(&mut self, subject: &Subject, state: SubjectState) {
        if let Some(held) = self.subjects.get_mut(subject) {
            held.record.state = state;
        }
    }

    /// What is known of a claimed subject without what its event says, which was refused: as it was before the claim.
    pub fn take_back(&mut self, subject: &Subject, state: &mut SubjectState) {
        if let Some(held) = self.subjects.get_mut(subject) {
            let displaced = std::mem::take(&mut held.displaced);
            state.facts.take_back(&self.event.id, displaced);
        }
    }

    /// Whether the slots of a subject hold all of its licenses, each made by us, and no event left it half-done.
    pub fn all_ours(&self, subject: &Subject) -> bool {
        self.subjects.get(subject).is_some_and(HeldSubject::is_all_ours)
    }

    /// Whether they do now, to be written with the outcome.
    pub fn set_all_ours(&mut self, subject: &Subject, all_ours: bool) {
        if let Some(held) = self.subjects.get_mut(subject) {
            held.all_ours = all_ours;
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

    /// Remembers another id of a payment, to be written with the outcome.
    pub fn link(&mut self, payment: PaymentId, same_as: PaymentId) {
        self.links.insert(payment, same_as);
    }

    /// The event that holds them.
    pub fn event(&self) -> &EventId {
        &self.event.id
    }

    /// How often the event was begun, this time included.
    pub fn attempts(&self) -> u32 {
        self.record.attempts
    }

    /// Cryptlex was written to: until the event is done, its effect may be there in part.
    pub fn touch(&mut self) {
        self.touched = true;
    }

    /// Whether it was.
    pub fn is_touched(&self) -> bool {
        self.touched
    }

    /// Whether a person may be told of the event now; from then on nobody is.
    pub fn tell_once(&mut self) -> bool {
        !std::mem::replace(&mut self.record.told, true)
    }
}

/// Every refusal is counted: however an event goes on, somebody should look at the store.
fn counted<T>(result: StoreResult<T>) -> StoreResult<T> {
    result.inspect_err(|_refused| count(Count::LedgerFailed))
}

/// Attempts at a commit whose answer got lost.
const COMMIT_ATTEMPTS: u32 = 2;

impl Ledger {
    /// The ledger where the configuration says.
    pub async fn open(config: &config::Ledger, aws: &Aws, clock: Clock) -> Self {
        let store: Arc<dyn Store> = match &config.place {
            config::LedgerPlace::Memory => Arc::new(Memory::new(clock)),
            config::LedgerPlace::File(path) => Arc::new(Embedded::file(path, clock)),
            config::LedgerPlace::Table(table) => {
                Arc::new(Dynamo::of(table, config.deadline, aws).await)
            }
        };
        Self::new(store, config.settle, config.retention)
    }

    /// The ledger over a store that was made before.
    pub fn new(store: Arc<dyn Store>, settle: SignedDuration, retention: SignedDuration) -> Self {
        Self { store, settle, retention, ahead: Ahead::default(), standing: Arc::default() }
    }

    /// How many licenses of one subject its records have room for.
    pub fn capacity(&self) -> Capacity {
        self.store.capacity()
    }

    /// Until when a lease is needed whose holder sends nothing any more once `left` is over.
    pub fn lease_end(&self, now: Timestamp, left: Duration) -> Timestamp {
        let left = SignedDuration::try_from(left).unwrap_or_default();
        let end = now.saturating_add(left).and_then(|end| end.saturating_add(self.settle));
        end.unwrap_or(now)
    }

    /// The event is done: one commit that writes its outcome and what is known now, and ends the leases.
    pub async fn complete(&self, leases: Leases, outcome: Outcome) -> Result<(), LedgerError> {
        self.settle(leases, EventStatus::Done(outcome), None).await
    }

    /// The event is not done; what is known so far is kept, for the delivery that goes on from here.
    pub async fn fail(
        &self,
        leases: Leases,
        reason: &str,
        keep: LeaseOnFailure,
    ) -> Result<(), LedgerError> {
        let status = EventStatus::Failed(reason.to_owned());
        let lease = match keep {
            LeaseOnFailure::Release => None,
            LeaseOnFailure::LetExpire => Some(Lease {
                event: leases.event.id.clone(),
                since: leases.record.claimed_at,
                until: leases.until,
                abandoned: true,
                by: self.store.sole_owner().map(|owner| owner.id),
            }),
        };
        self.settle(leases, status, lease).await
    }

    /// What is mapped of the event is done; the rest waits for a mapping.
    pub async fn wait_for_mapping(&self, leases: Leases, reason: &str) -> Result<(), LedgerError> {
        self.settle(leases, EventStatus::Unmapped(reason.to_owned()), None).await
    }

    async fn settle(
        &self,
        leases: Leases,
        status: EventStatus,
        lease: Option<Lease>,
    ) -> Result<(), LedgerError> {
        let EventKey { provider, id, .. } = &leases.event;
        let (key, expect) = (event_key(provider, id), Expect::Version(leases.version));
        let failed = matches!(status, EventStatus::Failed(_));
        // A lease that is left to expire means that a write may still arrive.
        let wrote = leases.touched || lease.is_some();
        let mut writes =
            vec![self.event_write(&key, expect, &EventRecord { status, ..leases.record })?];
        for (subject, held) in leases.subjects {
            // An earlier delivery may have written, too.
            let in_part = failed && (wrote || held.again);
            let all_ours = held.all_ours && !in_part;
            let record =
                SubjectRecord { lease: lease.clone(), all_ours, half_done: in_part, ..held.record };
            writes.push(write(&subject_key(&subject), Expect::Version(held.version), &record)?);
        }
        for (customer, owner) in leases.owners {
            let record = SubjectRecord { lease: lease.clone(), ..owner.record };
            writes.push(write(&subject_key(&customer), Expect::Version(owner.version), &record)?);
        }
        for customer in &leases.changed_customers {
            let known = leases.customers.get(customer).cloned().unwrap_or_default();
            writes.push(write(&customer_key(provider, customer), Expect::Anything, &known)?);
        }
        for (payment, same_as) in &leases.links {
            writes.push(write(&link_key(provider, payment), Expect::Anything, same_as)?);
        }
        match self.commit(&writes).await? {
            Committed::All => Ok(()),
            Committed::Lost => Err(LedgerError::LeaseLost(leases.event.id)),
        }
    }

    /// What a payment paid for, by any of its ids, unless the event that asks is done. A read; another one where an id
    /// leads to one that it is recorded by.
    pub async fn paid_by(
        &self,
        event: &EventKey,
        payments: &[PaymentId],
    ) -> Result<PaidBy, LedgerError> {
        let provider = event.provider;
        let event_key = event_key(provider, &event.id);
        let mut keys = vec![event_key.clone()];
        keys.extend(payments.iter().map(|id| link_key(provider, id)));
        let links = keys.len();
        keys.extend(payments.iter().map(|id| payment_key(provider, id)));
        let found = self.read(&keys).await?;
        let (mut paid, mut linked) = (PaymentRecord::default(), Vec::new());
        for (place, (key, stored)) in keys.iter().zip(&found).enumerate() {
            if place == 0 {
                let known: Option<EventRecord> = decoded(key, stored.as_ref())?;
                if let Some(EventRecord { status: EventStatus::Done(outcome), .. }) = known {
                    return Ok(PaidBy::Done(outcome));
                }
            } else if place < links {
                let same_as: Option<PaymentId> = decoded(key, stored.as_ref())?;
                linked.extend(same_as);
            } else {
                paid.merge(decoded(key, stored.as_ref())?.unwrap_or_default());
            }
        }
        if !linked.is_empty() {
            let keys: Vec<String> = linked.iter().map(|id| payment_key(provider, id)).collect();
            let found = self.read(&keys).await?;
            for (key, stored) in keys.iter().zip(&found) {
                paid.merge(decoded(key, stored.as_ref())?.unwrap_or_default());
            }
        }
        let mut ids = payments.to_vec();
        ids.extend(linked.into_iter().filter(|id| !payments.contains(id)));
        Ok(PaidBy::Known(paid.paid, ids))
    }

    async fn commit(&self, writes: &[Write]) -> Result<Committed, StoreError> {
        let committed = self.commit_for_certain(writes).await;
        self.standing.committed(&committed);
        counted(committed)
    }

    async fn read(&self, keys: &[String]) -> Result<Vec<Option<Versioned>>, StoreError> {
        counted(self.store.read(keys).await)
    }

    /// An answer that got lost says nothing: the first record, which is unlike any other, tells whether it happened.
    async fn commit_for_certain(&self, writes: &[Write]) -> Result<Committed, StoreError> {
        let mut unanswered = None;
        for _ in 0..COMMIT_ATTEMPTS {
            match self.store.commit(writes).await {
                Ok(Committed::All) => return Ok(Committed::All),
                Ok(Committed::Lost) if unanswered.is_none() => return Ok(Committed::Lost),
                Ok(Committed::Lost) => {
                    let happened = self.shows(writes.first()).await?;
                    return Ok(if happened { Committed::All } else { Committed::Lost });
                }
                Err(error) => {
                    if self.shows(writes.first()).await? {
                        return Ok(Committed::All);
                    }
                    unanswered = Some(error);
                }
            }
        }
        Err(unanswered.unwrap_or_else(|| StoreError("a commit was never tried".to_owned())))
    }

    async fn shows(&self, write: Option<&Write>) -> Result<bool, StoreError> {
        let Some(write) = write else { return Ok(false) };
        let found = self.read(std::slice::from_ref(&write.key)).await?;
        Ok(found.first().is_some_and(|stored| {
            stored.as_ref().is_some_and(|stored| stored.value == write.value)
        }))
    }

    fn event_write(
        &self,
        key: &str,
        expect: Expect,
        record: &EventRecord,
    ) -> Result<Write, StoreError> {
        let expires = record.claimed_at.checked_add(self.retention).ok();
        Ok(Write { expires, ..write(key, expect, record)? })
    }
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

fn write(key: &str, expect: Expect, record: &impl serde::Serialize) -> Result<Write, StoreError> {
    Ok(Write { key: key.to_owned(), expect, value: encoded(key, record)?, expires: None })
}

#[cfg(test)]
mod tests;
