//! What is still missing, as a pure function of a command and a snapshot.
//!
//! `plan` names at most one step per license or user: the next. Whoever applies the steps takes what Cryptlex answered
//! into the snapshot and plans again, until nothing is left. So a redelivery, a crash between two calls and a
//! second event of the same story all go on from what is there.
//!
//! Invariants: no clock, no I/O; a step that was applied is not planned again; a license is judged by what it shows,
//! not by what was sent.

mod customer;
mod expiry;
mod grant;
mod history;
mod holders;
mod step;

use jiff::Timestamp;

use crate::command::{Action, AtTheEnd, Cause, Command, Renew, Subject, Through, Unmapped};
use crate::config::Policy;
use crate::cryptlex::License;
use crate::interval::{shifted, whole_second_from};
use crate::ledger::SubjectState;
use crate::snapshot::Snapshot;

pub use customer::{association, user_of};
pub use grant::SLOT_KEY;
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
    /// What was bought and cannot be granted for want of a mapping.
    pub unmapped: Vec<Unmapped>,
    /// What a person might want to know.
    pub warnings: Vec<&'static str>,
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
    #[error("a quantity of {1} licenses of {0} is more than 10000: let it buy activations")]
    TooMany(Subject, u32),
    /// A purchase whose buyer is not known, though its product is.
    #[error("customer email not found for {0}")]
    NoCustomer(Subject),
}

/// The next steps for a command about what the snapshot shows.
pub fn plan(
    command: &Command,
    at: Timestamp,
    snapshot: &Snapshot,
    policy: &Policy,
) -> Result<Plan, Refused> {
    match &command.action {
        Action::Grant(grant) => grant::plan(command, grant, at, snapshot, policy),
        Action::Renew(renew) => renewal(&command.subject, renew, at, snapshot, policy),
        Action::Suspend(cause) => Ok(suspension(*cause, at, snapshot, policy)),
        Action::Resume(cause) => Ok(resumption(*cause, at, snapshot)),
        Action::End => Ok(end(at, snapshot, policy)),
        Action::SyncCustomer(customer) => Ok(customer::plan(customer, snapshot)),
        Action::Note(_) => Ok(Plan { state: snapshot.state.clone(), ..Plan::default() }),
    }
}

fn stale(snapshot: &Snapshot) -> Plan {
    Plan { state: snapshot.state.clone(), stale: true, ..Plan::default() }
}

fn renewal(
    subject: &Subject,
    renew: &Renew,
    at: Timestamp,
    snapshot: &Snapshot,
    policy: &Policy,
) -> Result<Plan, Refused> {
    let Some(payment) = history::payment(&snapshot.state, at, renew.pays) else {
        return Ok(stale(snapshot));
    };
    let mut plan = Plan { state: payment.state.clone(), ..Plan::default() };
    if let Through::Until(end) = &renew.through {
        plan.state.renewed_until = plan.state.renewed_until.max(Some(*end));
    }
    if snapshot.licenses.is_empty() {
        return match (&snapshot.state, payment.after_the_end) {
            (state, _) if state.unlicensed || is_over(&renew.through, at) => Ok(plan),
            (state, true) if state.deleted => Err(Refused::Deleted(subject.clone())),
            (_, _) => Err(Refused::NoLicense(subject.clone())),
        };
    }
    if let Through::NextPeriod { order, .. } = &renew.through {
        plan.state.charges.insert(order.clone());
        plan.warnings.push("the charge does not say what it paid for: switch on webhook expansion");
    }
    for license in holders::current(snapshot) {
        let expiry = match &renew.through {
            through if is_over(through, at) => None,
            Through::Until(end) => expiry::renewed(license, paid_until(*end, policy)),
            Through::NextPeriod { order, .. } if snapshot.state.charges.contains(order) => None,
            Through::NextPeriod { charged_at, .. } => {
                let before_grace = snapshot.state.before_grace.get(&license.id).copied();
                expiry::renewed_once(license, before_grace, *charged_at, policy.leeway)
            }
        };
        plan.steps.extend(expiry.or_else(|| payment.step(license)));
        if license.is_revoked() && !payment.after_the_end {
            plan.warnings.push(
                "a paid license is revoked, and no end of its subscription is known: it stays so",
            );
        }
    }
    Ok(plan)
}

/// Paid for a time that ended before the payment: nothing but a record.
fn is_over(through: &Through, at: Timestamp) -> bool {
    matches!(through, Through::Until(end) if *end < at)
}

/// The end of a paid period as it is written: in whole seconds, with the vendor's leeway.
fn paid_until(end: Timestamp, policy: &Policy) -> Timestamp {
    shifted(whole_second_from(end), policy.leeway)
}

fn suspension(cause: Cause, at: Timestamp, snapshot: &Snapshot, policy: &Policy) -> Plan {
    if cause == Cause::Payment && policy.grace.is_positive() {
        return grace(at, snapshot, policy);
    }
    let Some(state) = history::suspended(&snapshot.state, cause, at) else {
        return stale(snapshot);
    };
    let running = holders::current(snapshot).filter(|license| !license.is_suspended());
    let steps = running.map(|license| Step::suspend(license, true)).collect();
    Plan { steps, state, ..Plan::default() }
}

/// Instead of suspending, the licenses run on from the first failed payment for so many days, and then end by themselves.
fn grace(at: Timestamp, snapshot: &Snapshot, policy: &Policy) -> Plan {
    let Some(state) = history::failing(&snapshot.state, at) else {
        return stale(snapshot);
    };
    let since = state.failing_since.unwrap_or(at);
    let until = shifted(whole_second_from(since), policy.grace);
    let mut plan = Plan { state, ..Plan::default() };
    for license in holders::current(snapshot) {
        let Some(end) = license.expires_at.filter(|end| *end < until) else { continue };
        plan.steps.push(Step::expire(license, until));
        plan.state.before_grace.entry(license.id.clone()).or_insert(end);
    }
    plan
}

fn resumption(cause: Cause, at: Timestamp, snapshot: &Snapshot) -> Plan {
    let Some(state) = history::resumed(&snapshot.state, cause, at) else {
        return stale(snapshot);
    };
    let was_its_cause = snapshot.state.causes.contains_key(&cause);
    let steps = if was_its_cause && state.causes.is_empty() && state.ended_at.is_none() {
        let suspended = holders::current(snapshot).filter(|license| license.is_suspended());
        suspended.map(|license| Step::suspend(license, false)).collect()
    } else {
        Vec::new()
    };
    Plan { steps, state, ..Plan::default() }
}

fn end(at: Timestamp, snapshot: &Snapshot, policy: &Policy) -> Plan {
    let Some(mut state) = history::ended(&snapshot.state, at) else {
        return stale(snapshot);
    };
    let steps =
        snapshot.licenses.iter().filter_map(|license| at_the_end(license, policy)).collect();
    if policy.at_the_end == AtTheEnd::Delete {
        state.deleted = true;
        state.slots.clear();
    }
    Plan { steps, state, ..Plan::default() }
}

fn at_the_end(license: &License, policy: &Policy) -> Option<Step> {
    match policy.at_the_end {
        AtTheEnd::Revoke if !license.is_revoked() => Some(Step::Revoke(license.id.clone())),
        AtTheEnd::Suspend if !license.is_suspended() => Some(Step::suspend(license, true)),
        AtTheEnd::Delete => Some(Step::Delete(license.id.clone())),
        AtTheEnd::Revoke | AtTheEnd::Suspend | AtTheEnd::Nothing => None,
    }
}

#[cfg(test)]
mod tests;
