//! The right to handle an event: taken for all of its subjects, or for none.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use jiff::Timestamp;

use super::record::{
    EventRecord, EventStatus, KnownCustomer, Lease, Paid, PaymentRecord, SubjectRecord,
    SubjectState, body_key, customer_key, decoded, event_key, payment_key, subject_key,
};
use super::store::{Committed, Expect, Versioned, Write};
use super::{
    Body, EventKey, HeldSubject, Leases, Ledger, LedgerError, StoreError, expectation,
    version_after, write,
};
use crate::domain::command::{Outcome, Subject};
use crate::domain::fact::Fact;
use crate::domain::ids::{CustomerId, PaymentId};

/// Attempts at a claim that others keep winning; more would be a fault of the store.
pub(super) const CLAIM_ATTEMPTS: u32 = 8;

/// What an event is about: its claim reads these records.
#[derive(Debug, Clone, Default)]
pub struct ClaimScope {
    /// Subjects that it needs leases for: no other event may work on them meanwhile.
    pub subjects: BTreeSet<Subject>,
    /// Customers of the provider whose Cryptlex user is read and remembered.
    pub customers: BTreeSet<CustomerId>,
    /// Payments that it knows the subjects of: what each paid for.
    pub paid: BTreeMap<PaymentId, Vec<Paid>>,
    /// Facts about payments whose subject is not known yet, by each id of the payment.
    pub waits: BTreeMap<PaymentId, Vec<Fact>>,
    /// Subjects for which its payment is the purchase, if no purchase is known.
    pub unseen: BTreeSet<Subject>,
    /// What it says of its subjects. The claim stores this before anything is written to Cryptlex.
    pub facts: BTreeMap<Subject, Arc<[Fact]>>,
}

/// How long a lease is to last.
#[derive(Debug, Clone, Copy)]
pub struct Term {
    /// When it is taken.
    pub now: Timestamp,
    /// When it is over, if it is not released before.
    pub until: Timestamp,
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
    /// Nothing yet: it was not admitted, and holds no lease.
    NotAdmitted,
    /// Nothing is known of the purchase that a payment is for: it is one itself, if its payload says of what.
    Unseen,
    /// Somebody told meanwhile what a payment paid for: trace it once more.
    NowKnown,
}

/// What the ledger knows of an event that nobody else is at, before it is claimed.
#[derive(Debug, Clone, Copy)]
pub struct Known<'k> {
    subjects: &'k BTreeMap<Subject, HeldSubject>,
    customers: &'k BTreeMap<CustomerId, KnownCustomer>,
}

impl Known<'_> {
    /// What is known of one of its subjects.
    pub fn state(&self, subject: &Subject) -> Option<&SubjectState> {
        self.subjects.get(subject).map(|held| &held.record.state)
    }

    /// Whether the slots of a subject hold all of its licenses, each made by us, and no event left it half-done.
    pub fn all_ours(&self, subject: &Subject) -> bool {
        self.subjects.get(subject).is_some_and(HeldSubject::is_all_ours)
    }

    /// Whether a customer's user is known to be theirs alone: nobody looks for it then.
    pub fn owns_user(&self, customer: &CustomerId) -> bool {
        self.customers.get(customer).is_some_and(KnownCustomer::owns_its_user)
    }

    /// Whether its effect may be there in part.
    pub fn was_begun(&self) -> bool {
        self.subjects.values().any(|held| held.again)
    }
}

/// Asked before an event is claimed, however long the answer takes; without a yes no lease is taken.
pub type Admission<'a> = dyn Fn(Known<'_>) -> BoxFuture<'a, bool> + Send + Sync + 'a;

impl Ledger {
    /// Reads the records of an event. If it is not done, one commit takes all leases or none, and keeps the body. If another
    /// delivery changed a record meanwhile, both are tried again: up to eight tries in all.
    pub async fn claim(
        &self,
        event: &EventKey,
        about: &ClaimScope,
        body: &Body<'_>,
        term: Term,
        admission: &Admission<'_>,
    ) -> Result<Claim, LedgerError> {
        let mut keys = vec![event_key(event.provider, &event.id)];
        keys.extend(about.subjects.iter().map(subject_key));
        keys.extend(about.customers.iter().map(|id| customer_key(event.provider, id)));
        keys.extend(about.payment_ids().map(|id| payment_key(event.provider, id)));
        for _ in 0..CLAIM_ATTEMPTS {
            let found = self.read(&keys).await?;
            let claim = self.claim_found(event, about, body, term, admission, found).await?;
            if let Some(claim) = claim {
                return Ok(claim);
            }
        }
        Ok(Claim::Busy { until: term.now, abandoned: false })
    }

    /// The claim of an event by what was found under its keys, in their order; `None` if somebody changed that meanwhile.
    async fn claim_found(
        &self,
        event: &EventKey,
        about: &ClaimScope,
        body: &Body<'_>,
        term: Term,
        admission: &Admission<'_>,
        found: Vec<Option<Versioned>>,
    ) -> Result<Option<Claim>, LedgerError> {
        let event_key = event_key(event.provider, &event.id);
        let stored_event = found.first().cloned().flatten();
        let known: Option<EventRecord> = decoded(&event_key, stored_event.as_ref())?;
        let body_is_known = known.as_ref().is_some_and(|known| known.body == body.digest());
        let (attempts, told) = match known {
            Some(EventRecord { status: EventStatus::Done(outcome), .. }) => {
                return Ok(Some(Claim::Done(outcome)));
            }
            Some(record) => (record.attempts, record.told),
            None => (0, false),
        };
        let Some(payments) = Payments::of(event.provider, about, &found)? else {
            return Ok(Some(Claim::NowKnown));
        };
        let mut found = found.into_iter().skip(1);
        let attempts = attempts.saturating_add(1);
        let record = event_record(event, about, body, EventStatus::Claimed, term.now);
        let record = EventRecord { attempts, told, ..record };
        let expect = expectation(stored_event.as_ref());
        let mut writes = vec![self.event_write(&event_key, expect, &record)?];
        let subjects = match self.held(event, about, &payments, term, &mut found, &mut writes)? {
            Ok(subjects) => subjects,
            Err(claim) => return Ok(Some(claim)),
        };
        writes.extend(payments.writes);
        let mut customers = BTreeMap::new();
        for customer in &about.customers {
            let key = customer_key(event.provider, customer);
            let known: Option<KnownCustomer> = decoded(&key, found.next().flatten().as_ref())?;
            customers.insert(customer.clone(), known.unwrap_or_default());
        }
        if !admission(Known { subjects: &subjects, customers: &customers }).await {
            return Ok(Some(Claim::NotAdmitted));
        }
        let to_store = if body_is_known { None } else { body.to_store() };
        writes.extend(to_store.map(|value| self.body_write(event, body, value, term.now)));
        if self.commit(&writes).await? != Committed::All {
            return Ok(None);
        }
        body.mark_stored();
        Ok(Some(Claim::Acquired(Box::new(Leases {
            event: event.clone(),
            record,
            version: version_after(expect),
            subjects,
            customers,
            changed_customers: BTreeSet::new(),
            links: BTreeMap::new(),
            owners: BTreeMap::new(),
            until: term.until,
            touched: false,
        }))))
    }

    /// All subjects of an event with what it says of them, or why it does not get them. Their records come first of what is
    /// `found`.
    fn held(
        &self,
        event: &EventKey,
        about: &ClaimScope,
        payments: &Payments,
        Term { now, until }: Term,
        found: &mut impl Iterator<Item = Option<Versioned>>,
        writes: &mut Vec<Write>,
    ) -> Result<Result<BTreeMap<Subject, HeldSubject>, Claim>, LedgerError> {
        let mut all = BTreeMap::new();
        let mut busy: Option<(Timestamp, bool)> = None;
        let mut unseen = false;
        for subject in &about.subjects {
            let (key, stored) = (subject_key(subject), found.next().flatten());
            let mut record: SubjectRecord = decoded(&key, stored.as_ref())?.unwrap_or_default();
            if let Some(lease) = &record.lease {
                let end = self.end_of(&key, lease, now);
                if end > now {
                    busy = busy.max(Some((end, lease.abandoned)));
                    continue;
                }
            }
            let event = event.id.clone();
            record.mention(&event);
            let told = about.facts.get(subject).into_iter().flat_map(|facts| facts.iter());
            let waited = payments.waited.get(subject).into_iter().flatten();
            let displaced = record.state.facts.replace(told.chain(waited));
            unseen |= about.unseen.contains(subject) && record.state.is_unseen();
            let again = std::mem::replace(&mut record.half_done, true);
            let by = self.store.sole_owner().map(|owner| owner.id);
            record.lease = Some(Lease { event, since: now, until, abandoned: false, by });
            let all_ours = std::mem::take(&mut record.all_ours);
            writes.push(write(&key, expectation(stored.as_ref()), &record)?);
            let version = stored.map_or(0, |record| record.version).saturating_add(1);
            all.insert(
                subject.clone(),
                HeldSubject { version, again, all_ours, displaced, record },
            );
        }
        Ok(match busy {
            Some((until, abandoned)) => Err(Claim::Busy { until, abandoned }),
            None if unseen => Err(Claim::Unseen),
            None => Ok(all),
        })
    }

    pub(super) fn body_write(
        &self,
        event: &EventKey,
        body: &Body<'_>,
        value: Vec<u8>,
        now: Timestamp,
    ) -> Write {
        Write {
            key: body_key(event.provider, body.digest()),
            expect: Expect::Anything,
            value,
            expires: now.checked_add(self.retention).ok(),
        }
    }
}

impl ClaimScope {
    /// Every payment that it tells something of.
    fn payment_ids(&self) -> impl Iterator<Item = &PaymentId> {
        let waits = self.waits.keys().filter(|id| !self.paid.contains_key(*id));
        self.paid.keys().chain(waits)
    }
}

/// What an event changes of the payments that it tells of.
struct Payments {
    writes: Vec<Write>,
    /// What was told of them before, by what they paid for.
    waited: BTreeMap<Subject, Vec<Fact>>,
}

impl Payments {
    /// From the records that were read last; `None` where what was unknown is known by now.
    fn of(
        provider: &'static str,
        about: &ClaimScope,
        found: &[Option<Versioned>],
    ) -> Result<Option<Self>, StoreError> {
        let first = found.len().saturating_sub(about.payment_ids().count());
        let (mut writes, mut waited) = (Vec::new(), BTreeMap::<Subject, Vec<Fact>>::new());
        let mut waiting: Vec<Fact> = Vec::new();
        for (id, stored) in about.payment_ids().zip(found.iter().skip(first)) {
            let key = payment_key(provider, id);
            let known: Option<PaymentRecord> = decoded(&key, stored.as_ref())?;
            let before = known.unwrap_or_default();
            let mut now = before.clone();
            for Paid { kind, id } in about.paid.get(id).into_iter().flatten() {
                now.add(Paid { kind: *kind, id: id.clone() });
                let subject = Subject { provider, kind: *kind, id: id.clone() };
                waited.entry(subject).or_default().extend(before.waiting.iter().cloned());
            }
            if let Some(facts) = about.waits.get(id) {
                if !before.paid.is_empty() {
                    return Ok(None);
                }
                facts.iter().for_each(|fact| now.wait(fact));
                waiting.extend(before.waiting.iter().cloned());
            }
            if now != before {
                writes.push((key, expectation(stored.as_ref()), now));
            }
        }
        // Two ids of one payment: what waits for it waits under both.
        for (_, _, record) in writes.iter_mut().filter(|(_, _, record)| record.paid.is_empty()) {
            waiting.iter().for_each(|fact| record.wait(fact));
        }
        let write =
            |(key, expect, record): (String, Expect, PaymentRecord)| write(&key, expect, &record);
        let writes = writes.into_iter().map(write).collect::<Result<_, _>>()?;
        Ok(Some(Self { writes, waited }))
    }
}

/// As it is from now on, before anybody tried it.
pub(super) fn event_record(
    event: &EventKey,
    about: &ClaimScope,
    body: &Body<'_>,
    status: EventStatus,
    now: Timestamp,
) -> EventRecord {
    EventRecord {
        kind: event.kind.clone(),
        live: event.live,
        contract: event.contract.clone(),
        subjects: about.subjects.iter().map(subject_key).collect(),
        customers: about.customers.iter().cloned().collect(),
        body: body.digest().to_owned(),
        claimed_at: now,
        claim: rand::random(),
        attempts: 0,
        status,
        told: false,
    }
}
