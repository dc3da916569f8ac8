//! A claim of somebody else's customer: for an event that gives licenses to a user which that customer's events may change.

use jiff::Timestamp;

use super::record::{KnownCustomer, Lease, SubjectRecord, customer_key, decoded, subject_key};
use super::store::Committed;
use super::{Leases, Ledger, LedgerError, expectation, version_after, write};
use crate::command::Subject;
use crate::ids::CustomerId;

/// Another customer, held beside the subjects of an event. The customer may be another provider's.
#[derive(Debug)]
pub(super) struct Owner {
    pub(super) version: u64,
    pub(super) record: SubjectRecord,
    customer: CustomerId,
    known: KnownCustomer,
    /// The user that they were known as is another customer's now.
    pub(super) lost_user: bool,
}

impl Owner {
    /// What is known of the customer from now on, if that is something else.
    pub(super) fn now_known(&self) -> Option<(&CustomerId, KnownCustomer)> {
        let known = KnownCustomer { user: None, owns_user: false, ..self.known.clone() };
        self.lost_user.then_some((&self.customer, known))
    }
}

impl Leases {
    /// Whether the customer is claimed, as a subject of the event or beside them.
    pub fn hold(&self, customer: &Subject) -> bool {
        self.subjects.contains_key(customer) || self.owners.contains_key(customer)
    }

    /// Whether a customer that is claimed beside the subjects is known, and bought nothing. Of one that nothing is known of,
    /// nobody can say so.
    pub fn bought_nothing(&self, customer: &Subject) -> bool {
        let owner = self.owners.get(customer);
        owner.is_some_and(|owner| owner.known.user.is_some() && owner.known.bought.is_empty())
    }

    /// Remembers that the user of whoever is claimed beside the subjects is somebody else's now.
    pub fn owners_lose_their_user(&mut self) {
        for owner in self.owners.values_mut() {
            owner.lost_user = true;
        }
    }
}

impl Ledger {
    /// A read and a commit. `false` while another delivery works on the customer; what that left half-done is its own to
    /// finish, so that the user must be looked at again.
    pub async fn claim_owner(
        &self,
        leases: &mut Leases,
        customer: &Subject,
        now: Timestamp,
    ) -> Result<bool, LedgerError> {
        let Ok(id) = CustomerId::new(customer.id.as_str()) else { return Ok(true) };
        let key = subject_key(customer);
        let found = self.store.read(&[key.clone(), customer_key(customer.provider, &id)]).await?;
        let mut found = found.into_iter();
        let (stored, known) = (found.next().flatten(), found.next().flatten());
        let mut record: SubjectRecord = decoded(&key, stored.as_ref())?.unwrap_or_default();
        if record.lease.as_ref().is_some_and(|lease| self.end_of(&key, lease, now) > now) {
            return Ok(false);
        }
        let known = decoded(&customer_key(customer.provider, &id), known.as_ref())?;
        let event = leases.event.id.clone();
        let by = self.store.sole_owner().map(|owner| owner.id);
        record.lease = Some(Lease { event, since: now, until: leases.until, abandoned: false, by });
        let expect = expectation(stored.as_ref());
        if self.commit(&[write(&key, expect, &record)?]).await? == Committed::Lost {
            return Ok(false);
        }
        let (version, known) = (version_after(expect), known.unwrap_or_default());
        let owner = Owner { version, record, customer: id, known, lost_user: false };
        leases.owners.insert(customer.clone(), owner);
        Ok(true)
    }
}
