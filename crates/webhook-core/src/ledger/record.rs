//! What is remembered, as it is stored.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::command::{Cause, Mapping, Outcome, Slot};
use crate::ids::{EventId, LicenseId, SubjectId, UserId};

/// What became of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct EventRecord {
    pub(super) kind: String,
    pub(super) live: Option<bool>,
    pub(super) attempts: u32,
    pub(super) status: EventStatus,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum EventStatus {
    Claimed,
    Done(Outcome),
    Failed(String),
}

/// A subject with the lease on it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SubjectRecord {
    pub(super) lease: Option<Lease>,
    pub(super) state: SubjectState,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lease {
    pub(super) event: EventId,
    pub(super) until: Timestamp,
    /// Its holder gave up on a write whose outcome is unknown: nobody will release it.
    pub(super) abandoned: bool,
}

/// What we know of a subject beyond what its licenses say.
///
/// Times are the providers' event times, so that an older event never undoes a newer one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubjectState {
    /// Which license fills which slot.
    pub slots: BTreeMap<Slot, LicenseId>,
    /// The end of what the first payment paid for, where the purchase itself does not say it.
    pub paid_through: Option<Timestamp>,
    /// How many were bought, where the purchase itself does not say it.
    pub quantity: Option<u32>,
    /// The newest payment that no failed payment before it outlives.
    pub paid_at: Option<Timestamp>,
    /// The newest payment for the subscription itself, which no pause before it outlives.
    pub renewed_at: Option<Timestamp>,
    /// The latest end that a later payment paid for.
    pub renewed_until: Option<Timestamp>,
    /// Where licenses ended before grace moved them.
    pub before_grace: BTreeMap<LicenseId, Timestamp>,
    /// The first failed payment since the last one that succeeded.
    pub failing_since: Option<Timestamp>,
    /// Why it is suspended, and since when.
    pub causes: BTreeMap<Cause, Timestamp>,
    /// The newest end of a pause.
    pub resumed_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// The product that was granted, for an event that knows how many but not of what.
    pub granted: Option<Mapping>,
    /// Whether its licenses were deleted at the end.
    pub deleted: bool,
    /// Whether it was bought without any Cryptlex product, so that having no license is right.
    pub unlicensed: bool,
    /// Orders of charges that were counted by their id, for want of a date.
    pub charges: BTreeSet<SubjectId>,
}

/// What we know of a provider's customer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownCustomer {
    /// The Cryptlex user that he is.
    pub user: Option<UserId>,
    /// Licenses that a stand-in holds for him, however late a list shows them.
    pub held_by_stand_in: BTreeSet<LicenseId>,
}
