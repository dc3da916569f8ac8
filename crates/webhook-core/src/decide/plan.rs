//! What is to be done next, or why nothing can be.

use super::step::Step;
use crate::domain::command::{Concern, Subject, Unmapped};
use crate::domain::contracts;
use crate::domain::fact::MoneyBack;
use crate::ledger::{Capacity, SubjectState};

/// What is to be done now, and what is known once nothing is left to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Independent of each other: one per license or user.
    pub steps: Vec<Step>,
    /// What to remember of the subject.
    pub state: SubjectState,
    /// The event is older than what is known, and has no effect.
    pub stale: bool,
    /// The event tells what was known: a person was told of it before.
    pub repeats: bool,
    /// What was bought and cannot be granted for want of a mapping.
    pub unmapped: Vec<Unmapped>,
    /// What a person might want to know.
    pub warnings: Vec<&'static str>,
    /// What a person should do something about.
    pub concern: Option<Concern>,
    /// Nothing is new, so that nobody looked at the licenses.
    pub is_unlooked: bool,
    /// The payment of a change went back, and what it added stays licensed.
    pub change_back: Option<Box<MoneyBack>>,
    /// Nothing is done, for this reason.
    pub noted: Option<&'static str>,
}

/// Why an event cannot be carried out, however often it is delivered before something else happens.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A payment for licenses that are not there; their purchase may be on its way.
    #[error("{}", contracts::nothing_to_renew(.0))]
    NoLicense(Subject),
    /// More licenses of one subject than the ledger can remember.
    #[error("{0}")]
    TooMany(Box<Excess>),
    /// A purchase that names its product and not its buyer. The text says which field is missing.
    #[error("{0}")]
    NoCustomer(String),
    /// More licenses are needed, and none of the existing ones has a user.
    #[error(
        "{0} needs more licenses, and none of its licenses has a user: give one of them its user in Cryptlex"
    )]
    NoUser(Subject),
}

/// A purchase of more than the ledger can remember.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{subject} would have {licenses} licenses, and {} has room for {} of one purchase: let the quantity buy activations (CRYPTLEX_MAPPINGS_QUANTITY=allowed_activations), or sell it in parts",
    .capacity.engine, .capacity.licenses
)]
pub struct Excess {
    pub(super) subject: Subject,
    pub(super) licenses: u64,
    pub(super) capacity: Capacity,
}
