//! Facts in, writes out: what a subject is entitled to, and what is still missing at Cryptlex.
//!
//! Everything here is pure: no clock, no I/O. `fold` reads facts and knows no license; `diff` compares with what Cryptlex
//! shows, and names at most one step for each license or user. Whoever applies the steps takes the answers in and asks
//! again, until nothing is left. So a redelivery, a crash between two calls and a second event of the same story all go on
//! from what is there.

mod customer;
mod diff;
mod explain;
mod fold;
mod step;
mod verdict;

use crate::command::{Action, AtTheEnd, Concern, Subject, Unmapped};
use crate::config::Policy;
use crate::ids::EventId;
use crate::ledger::{Capacity, SubjectState};
use crate::snapshot::Snapshot;
use crate::work::Work;

pub use customer::{Left, association, found, holder, is_own, left, moves, user_of};
pub use diff::{SLOT_KEY, all_ours};
pub use explain::{Explained, Explanation, explain, policy_in_words};
pub use fold::{End, Entitlements, Gone, Purchase, Seat, fold};
pub use step::{Blank, Step};

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
    /// Nothing is done, for this reason.
    pub noted: Option<&'static str>,
}

/// Why an event cannot be carried out, however often it is delivered before something else happens.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A payment for licenses that are not there; their purchase may be on its way.
    #[error("while attempting to renew licenses, no license of {0} was found")]
    NoLicense(Subject),
    /// A quantity that no purchase of licenses has.
    #[error("{0}")]
    TooMany(Box<Excess>),
    /// A purchase whose buyer is not known, though its product is; the text says where they should stand.
    #[error("{0}")]
    NoCustomer(String),
    /// More licenses beside some that belong to nobody.
    #[error(
        "more licenses of {0} are to be made, and none that is there has a user: give one of them its user in Cryptlex"
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
    subject: Subject,
    licenses: u64,
    capacity: Capacity,
}

/// What the facts of a subject call for, and what they called for before: in between, Cryptlex may show any of it.
#[derive(Debug, Clone, Default)]
pub struct Owed {
    wanted: Entitlements,
    before: Vec<Entitlements>,
}

impl Owed {
    /// Each of them is folded once, however often Cryptlex is looked at.
    pub fn of(subject: &Subject, state: &SubjectState, policy: &Policy) -> Self {
        let wanted = fold(subject, state.facts.all(), policy);
        Self { wanted, before: diff::states_of(subject, state, policy) }
    }

    /// How many licenses are paid for.
    pub fn seats(&self) -> usize {
        self.wanted.seats.len()
    }
}

/// The next steps for an event about what the snapshot shows.
pub fn plan(
    work: &Work,
    owed: &Owed,
    snapshot: &Snapshot,
    policy: &Policy,
) -> Result<Plan, Refused> {
    for command in &work.commands {
        if let Action::SyncCustomer(customer, address) = &command.action {
            let provider = work.subject.provider;
            return Ok(customer::plan(provider, customer, *address, work.at, snapshot));
        }
    }
    let Owed { wanted, before } = owed;
    let asked = diff::Asked {
        subject: &work.subject,
        grant: work.purchase(),
        is_purchase: work.grant().is_some(),
        contact: work.contact(),
        own: &work.facts,
    };
    let plan = diff::plan(&asked, wanted, before, snapshot, policy)?;
    // Until nothing is left to do there is nothing to be said of it.
    if !plan.steps.is_empty() {
        return Ok(plan);
    }
    verdict::of(work, wanted, plan, snapshot, policy)
}

/// The plan of an event for which nobody needs to look.
pub fn unlooked(
    work: &Work,
    owed: &Owed,
    snapshot: &Snapshot,
    policy: &Policy,
) -> Result<Plan, Refused> {
    let plan = Plan { state: snapshot.state.clone(), ..Plan::default() };
    let plan = verdict::of(work, &owed.wanted, plan, snapshot, policy)?;
    Ok(Plan { is_unlooked: true, ..plan })
}

/// The event that alone tells who buys what its subject still lacks, if this one does not.
pub fn lacks_its_buyer<'s>(
    work: &Work,
    state: &'s SubjectState,
    policy: &Policy,
) -> Option<&'s EventId> {
    if work.purchase().is_some() || work.facts.is_empty() {
        return None;
    }
    let is_end = |before: &Entitlements| before.the_end == AtTheEnd::Delete;
    let may_be_deleted = state.deleted
        || (policy.at_the_end == AtTheEnd::Delete
            && diff::states_of(&work.subject, state, policy).iter().any(is_end));
    if !state.slots.is_empty() && !may_be_deleted {
        return None;
    }
    let wanted = fold(&work.subject, state.facts.all(), policy);
    let is_due = |seat: &Seat| {
        let is_gone = !may_be_deleted && state.gone.contains(&seat.slot);
        seat.mapping.is_some() && !seat.is_spare && !is_gone
    };
    if !wanted.is_bought() || wanted.over.is_some() || !wanted.seats.iter().any(is_due) {
        return None;
    }
    let told = state.facts.all().filter(|fact| fact.ordered().is_some());
    told.map(|fact| &fact.event).next()
}

/// Whether a plan needs to know how things stand at Cryptlex. Where the facts call for nothing new, nobody looks.
pub fn needs_a_look(work: &Work, owed: &Owed, state: &SubjectState) -> bool {
    if work.is_of_a_customer() {
        return true;
    }
    if work.facts.is_empty() {
        return false;
    }
    let Owed { wanted, before } = owed;
    // What a purchase still lacks, its own event makes.
    let is_lacking = || wanted.seats.iter().any(|seat| !state.slots.contains_key(&seat.slot));
    let is_unserved = work.grant().is_some() && wanted.over.is_none() && is_lacking();
    let tells_lines = work.facts.iter().any(|fact| {
        fact.ordered().is_some() || fact.described().is_some_and(|it| it.subscribed.is_some())
    });
    // Whether there is a license of it, the facts do not tell.
    let is_unknown =
        wanted.purchase == Purchase::Unknown || (wanted.names_nothing && state.slots.is_empty());
    let pays_for_unknown = is_unknown && work.facts.iter().any(|fact| fact.paid().is_some());
    is_unserved
        || pays_for_unknown
        || (tells_lines && !wanted.unmapped.is_empty())
        || before.iter().any(|before| before != wanted)
}

#[cfg(test)]
mod tests;
