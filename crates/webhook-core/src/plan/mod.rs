//! What is still missing, as a pure function of a command and a snapshot.
//!
//! `plan` names at most one step per license or user: the next. Whoever applies the steps takes what Cryptlex answered
//! into the snapshot and plans again, until nothing is left. So a redelivery, a crash between two calls and a
//! second event of the same story all go on from what is there.
//!
//! Invariants: no clock, no I/O; a step that was applied is not planned again; a license is judged by what it shows,
//! not by what was sent.

mod customer;
mod described;
mod expiry;
mod grant;
mod granted;
mod history;
mod holders;
mod lines;
mod reversal;
mod seats;
mod standing;
mod step;

use jiff::Timestamp;

use crate::command::{
    Action, AtTheEnd, Cause, Command, Concern, Keeps, Note, Renew, Subject, Through, Undated,
    Unmapped,
};
use crate::config::Policy;
use crate::cryptlex::License;
use crate::interval::{shifted, whole_second_from};
use crate::ledger::{Capacity, SubjectState};
use crate::snapshot::Snapshot;

use history::Covers;

pub use customer::{Left, association, found, holder, is_own, left, moves, user_of};
pub use grant::SLOT_KEY;
pub use holders::all_ours;
pub use step::{Blank, Step};

/// What is to be done now, and what is known once nothing is left to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Independent of each other: one per license or user.
    pub steps: Vec<Step>,
    /// What to remember of the subject.
    pub state: SubjectState,
    /// The command is older than what is known, and has no effect.
    pub stale: bool,
    /// The command tells what was known: a person was told of it before.
    pub repeats: bool,
    /// What was bought and cannot be granted for want of a mapping.
    pub unmapped: Vec<Unmapped>,
    /// What a person might want to know.
    pub warnings: Vec<&'static str>,
    /// What a person should do something about.
    pub concern: Option<Concern>,
    /// Nothing is done, for this reason.
    pub noted: Option<&'static str>,
}

/// Why a command cannot be carried out, however often it is delivered before something else happens.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A payment for licenses that are not there; their purchase may be on its way.
    #[error("while attempting to renew licenses, no license of {0} was found")]
    NoLicense(Subject),
    /// A payment after an end that deleted the licenses: a person must decide.
    #[error(
        "{0} was paid after its licenses were deleted: create new ones by hand, or refund the payment"
    )]
    Deleted(Subject),
    /// A quantity that no purchase of licenses has.
    #[error("{0}")]
    TooMany(Box<Excess>),
    /// A purchase whose buyer is not known, though its product is; the text says where he should stand.
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

/// The next steps for a command about what the snapshot shows.
pub fn plan(
    command: &Command,
    at: Timestamp,
    snapshot: &Snapshot,
    policy: &Policy,
) -> Result<Plan, Refused> {
    match &command.action {
        Action::Grant(grant) => match &grant.else_renews {
            Some(renew) if was_bought(snapshot) => renewal(command, renew, at, snapshot, policy),
            Some(_) | None => grant::plan(command, grant, at, snapshot, policy),
        },
        Action::Renew(renew) => renewal(command, renew, at, snapshot, policy),
        Action::PaymentFailed(of) => {
            Ok(standing::payment_failed(of.as_ref(), at, snapshot, policy))
        }
        Action::Suspend(cause) => Ok(standing::suspension(*cause, at, snapshot, policy)),
        Action::Resume(causes) => Ok(standing::resumption(causes, at, snapshot, policy)),
        Action::Reverse(reversal) => {
            Ok(reversal::plan(&command.subject, reversal, at, snapshot, policy))
        }
        Action::ChangePlan(subscribed) => seats::plan(command, subscribed, at, snapshot, policy),
        Action::End => Ok(standing::end(at, snapshot, policy)),
        Action::SyncCustomer(customer, address) => {
            Ok(customer::plan(command.subject.provider, customer, *address, at, snapshot))
        }
        Action::OfPayment(_) => Ok(standing::noted("nothing follows from it yet", snapshot)),
        Action::Note(note) => Ok(noted(note, snapshot)),
    }
}

/// Whether a plan needs to know how things stand at Cryptlex. What is known to be so already needs no look.
pub fn needs_a_look(action: &Action, state: &SubjectState, policy: &Policy) -> bool {
    match action {
        Action::Resume(causes) => causes.iter().any(|cause| state.causes.contains_key(cause)),
        Action::Suspend(Cause::Collection) => policy.pause_collection,
        Action::ChangePlan(subscribed) => !lines::are_known(subscribed, state, policy),
        Action::Grant(_)
        | Action::Renew(_)
        | Action::PaymentFailed(_)
        | Action::Suspend(_)
        | Action::Reverse(_)
        | Action::End
        | Action::SyncCustomer(..) => true,
        Action::OfPayment(_) | Action::Note(_) => false,
    }
}

fn stale(snapshot: &Snapshot) -> Plan {
    Plan { state: snapshot.state.clone(), stale: true, ..Plan::default() }
}

fn noted(note: &Note, snapshot: &Snapshot) -> Plan {
    let plan = Plan { state: snapshot.state.clone(), ..Plan::default() };
    match &note.keeps {
        Keeps::Undelivered(line) if snapshot.state.lines.is_empty() => {
            let concern = Some(Concern::Undelivered);
            Plan { unmapped: vec![line.clone()], concern, ..plan }
        }
        Keeps::Undelivered(_) | Keeps::Nothing | Keeps::Link { .. } | Keeps::Customer(..) => plan,
    }
}

fn renewal(
    command: &Command,
    renew: &Renew,
    at: Timestamp,
    snapshot: &Snapshot,
    policy: &Policy,
) -> Result<Plan, Refused> {
    let is_told = !matches!(renew.through, Through::Described { .. });
    let through = &*described::resolved(&renew.through, &snapshot.state);
    let covers = match through {
        Through::Until(end) if is_told => Covers::Until(*end),
        Through::Until(end) => Covers::Described(Some(*end)),
        Through::NextPeriod { .. } if is_told => Covers::OneMore,
        Through::NextPeriod { .. } | Through::Described { .. } => Covers::Described(None),
    };
    let is_over = is_over(through, at)
        // What was used is billed afterwards, and buys no time after an end.
        || (!is_told && (snapshot.state.ended_at.is_some() || presumes_too_much(through, snapshot)));
    if snapshot.state.ended_at.is_some() && is_over {
        return Ok(standing::noted("it was paid for a time before its end", snapshot));
    }
    let Some(payment) = history::payment(&snapshot.state, at, renew.pays, covers, policy) else {
        return Ok(stale(snapshot));
    };
    let mut plan = Plan { state: payment.state.clone(), ..Plan::default() };
    if let Through::Until(end) = through {
        plan.state.renewed_until = plan.state.renewed_until.max(Some(*end));
    }
    if snapshot.licenses.is_empty() {
        let is_known = is_over || is_known_to_have_none(&snapshot.state);
        return if is_known { Ok(plan) } else { without_license(command, renew, plan, policy) };
    }
    if let Through::NextPeriod { order, why, .. } = through {
        plan.state.charges.insert(order.clone());
        match (is_told, why) {
            (true, Undated::NotExpanded) => plan
                .warnings
                .push("the charge does not say what it paid for: switch on webhook expansion"),
            (true, Undated::NothingDue) => plan
                .warnings
                .push("the charge does not say until when it paid: no other one is due, so it counts as one interval"),
            (false, _) if is_over => {}
            (false, _) => plan.concern = Some(Concern::PeriodPresumed),
        }
    }
    let is_replaced = |license: &License| snapshot.state.replaced.contains(&license.id);
    for license in holders::current(snapshot).filter(|license| !is_replaced(license)) {
        let expiry = match through {
            _ if is_over => None,
            Through::Until(end) => expiry::renewed(license, paid_until(*end, policy)),
            Through::NextPeriod { order, .. } if snapshot.state.charges.contains(order) => None,
            Through::Described { .. } => None,
            Through::NextPeriod { charged_at, .. } => {
                let before_grace = snapshot.state.before_grace.get(&license.id).copied();
                expiry::renewed_once(license, before_grace, *charged_at, policy.leeway)
            }
        };
        let grace = || standing::grace(license, &mut plan.state, policy);
        plan.steps.extend(expiry.or_else(grace).or_else(|| payment.step(license)));
        if license.is_revoked() && !payment.after_the_end {
            plan.warnings.push(
                "a paid license is revoked, and no end of its subscription is known: it stays so",
            );
        }
    }
    if policy.at_the_end == AtTheEnd::Nothing {
        // What was replaced runs on to its own end, and is suspended no longer than the rest.
        let replaced = snapshot.licenses.iter().filter(|license| is_replaced(license));
        plan.steps.extend(replaced.filter_map(|license| payment.step(license)));
    }
    Ok(plan)
}

fn is_known_to_have_none(state: &SubjectState) -> bool {
    state.unlicensed && !is_subscribed_to_a_product(state)
}

/// Its purchase may be on its way; a purchase that comes later runs until what the payment says.
fn without_license(
    command: &Command,
    renew: &Renew,
    mut plan: Plan,
    policy: &Policy,
) -> Result<Plan, Refused> {
    let may_be_foreign = (policy.accept_unmapped || command.incidental) && !is_ours(&plan.state);
    // Usage that nobody describes has nothing to be remembered.
    let is_kept =
        plan.state.renewed_until.is_some() || matches!(renew.through, Through::Described { .. });
    if plan.state.deleted {
        return Err(Refused::Deleted(command.subject.clone()));
    }
    if !may_be_foreign || !is_kept {
        return Err(Refused::NoLicense(command.subject.clone()));
    }
    plan.noted = Some("the subscription is unknown and is taken for one without licenses");
    Ok(plan)
}

/// Whether anything was made for it, by whomever, or ended.
fn was_bought(snapshot: &Snapshot) -> bool {
    let state = &snapshot.state;
    let is_known = !state.slots.is_empty() || state.ended_at.is_some() || state.deleted;
    is_known || !snapshot.licenses.is_empty()
}

/// Whether licenses of it were made, or will be, because their product is known.
fn is_ours(state: &SubjectState) -> bool {
    state.granted.is_some() || !state.lines.is_empty() || is_subscribed_to_a_product(state)
}

/// Whether its newest change names a Cryptlex product.
fn is_subscribed_to_a_product(state: &SubjectState) -> bool {
    let mut lines = state.subscribed.iter().flat_map(|known| &known.1.lines);
    lines.any(|line| line.mapping.is_some())
}

/// Paid for a time that ended before the payment: nothing but a record.
fn is_over(through: &Through, at: Timestamp) -> bool {
    matches!(through, Through::Until(end) if *end < at)
}

/// One more period of what will not renew.
fn presumes_too_much(through: &Through, snapshot: &Snapshot) -> bool {
    matches!(through, Through::NextPeriod { .. }) && described::was_the_last(&snapshot.state)
}

/// The end of a paid period as it is written: in whole seconds, with the vendor's leeway.
fn paid_until(end: Timestamp, policy: &Policy) -> Timestamp {
    shifted(whole_second_from(end), policy.leeway)
}

#[cfg(test)]
mod tests;
