//! A claim of somebody else's customer: for an event that gives licenses to a user which that customer's events may change.

use jiff::Timestamp;

use super::record::{KnownCustomer, Lease, SubjectRecord, customer_key, decoded, subject_key};
use super::store::{Committed, Expect};
use super::{Leases, Ledger, LedgerError, expectation, version_after, write};
use crate::domain::command::Subject;
use crate::domain::ids::{CustomerId, UserId};

/// Another customer, held in addition to the subjects of an event. The customer may be another provider's.
#[derive(Debug)]
pub(super) struct Owner {
    pub(super) version: u64,
    pub(super) record: SubjectRecord,
    known: KnownCustomer,
}

impl Leases {
    /// Whether the customer is claimed, as a subject of the event or in addition to them.
    pub fn hold(&self, customer: &Subject) -> bool {
        self.subjects.contains_key(customer) || self.owners.contains_key(customer)
    }

    /// Whether a customer that is claimed in addition to the subjects is known, and bought nothing. `false` for one that
    /// is not known.
    pub fn bought_nothing(&self, customer: &Subject) -> bool {
        let known = self.owners.get(customer).map(|owner| &owner.known);
        known.is_some_and(|it| (it.user.is_some() || it.deleted) && it.bought.is_empty())
    }
}

impl Ledger {
    /// A read and a commit, which remembers that the user is given licenses that the customer did not buy: a list may show
    /// them late, and this process may die. `false` while another delivery works on the customer; what that left half-done
    /// is its own to finish, so that the user must be looked at again.
    pub async fn claim_owner(
        &self,
        leases: &mut Leases,
        customer: &Subject,
        user: &UserId,
        now: Timestamp,
    ) -> Result<bool, LedgerError> {
        let Ok(id) = CustomerId::new(customer.id.as_str()) else { return Ok(true) };
        let key = subject_key(customer);
        let found = self.read(&[key.clone(), customer_key(customer.provider, &id)]).await?;
        let mut found = found.into_iter();
        let (stored, known) = (found.next().flatten(), found.next().flatten());
        let mut record: SubjectRecord = decoded(&key, stored.as_ref())?.unwrap_or_default();
        if record.lease.as_ref().is_some_and(|lease| self.end_of(&key, lease, now) > now) {
            return Ok(false);
        }
        let known_key = customer_key(customer.provider, &id);
        let known: Option<KnownCustomer> = decoded(&known_key, known.as_ref())?;
        let mut known = known.unwrap_or_default();
        known.shared.insert(user.clone());
        let event = leases.event.id.clone();
        let by = self.store.sole_owner().map(|owner| owner.id);
        record.lease = Some(Lease { event, since: now, until: leases.until, abandoned: false, by });
        let expect = expectation(stored.as_ref());
        let shares = write(&known_key, Expect::Anything, &known)?;
        if self.commit(&[write(&key, expect, &record)?, shares]).await? == Committed::Lost {
            return Ok(false);
        }
        let owner = Owner { version: version_after(expect), record, known };
        leases.owners.insert(customer.clone(), owner);
        Ok(true)
    }
}
