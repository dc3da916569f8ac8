//! Suspended or running, until when in days of grace, or over.

use jiff::Timestamp;

use super::step::Step;
use super::{Plan, described, history, holders, stale};
use crate::command::{AtTheEnd, Cause, Through};
use crate::config::Policy;
use crate::cryptlex::License;
use crate::interval::{same_second, shifted, whole_second_from};
use crate::ledger::SubjectState;
use crate::snapshot::Snapshot;

pub(super) fn suspension(
    cause: Cause,
    at: Timestamp,
    snapshot: &Snapshot,
    policy: &Policy,
) -> Plan {
    match cause {
        Cause::Collection if !policy.pause_collection => {
            noted("collection of payments is paused", snapshot)
        }
        Cause::Payment | Cause::Pause | Cause::Collection | Cause::Refund | Cause::Dispute => {
            match history::suspended(&snapshot.state, cause, at, policy) {
                Some(state) => suspended(state, snapshot),
                None => stale(snapshot),
            }
        }
    }
}

pub(super) fn noted(why: &'static str, snapshot: &Snapshot) -> Plan {
    Plan { state: snapshot.state.clone(), noted: Some(why), ..Plan::default() }
}

pub(super) fn suspended(state: SubjectState, snapshot: &Snapshot) -> Plan {
    let running = holders::current(snapshot).filter(|license| !license.is_suspended());
    let steps = running.map(|license| Step::suspend(license, true)).collect();
    Plan { steps, state, ..Plan::default() }
}

/// With days of grace the licenses are not suspended: they run on from the first failed payment for so many days, and
/// then end by themselves.
///
/// A failure counts only if it is for a later time than what is paid: an old invoice may be tried again and again.
pub(super) fn payment_failed(
    of: Option<&Through>,
    at: Timestamp,
    snapshot: &Snapshot,
    policy: &Policy,
) -> Plan {
    let mut plan = failed(at, snapshot, policy);
    let would_have_paid = of.and_then(|of| described::failed_through(of, &snapshot.state));
    let Some(through) = would_have_paid.filter(|_| !plan.stale) else { return plan };
    if history::paid_through(&snapshot.state).is_some_and(|paid| paid >= through) {
        return noted("the period of the failed payment, or a later one, is paid", snapshot);
    }
    history::would_have_paid(&mut plan.state, at, through);
    plan
}

fn failed(at: Timestamp, snapshot: &Snapshot, policy: &Policy) -> Plan {
    if !policy.grace.is_positive() {
        return suspension(Cause::Payment, at, snapshot, policy);
    }
    let Some(state) = history::failing(&snapshot.state, at, policy) else {
        return stale(snapshot);
    };
    let mut plan = Plan { state, ..Plan::default() };
    for license in holders::current(snapshot) {
        plan.steps.extend(grace(license, &mut plan.state, policy));
    }
    plan
}

/// The days of grace of a license whose payment fails, counted from the first failure that is known by now.
pub(super) fn grace(license: &License, state: &mut SubjectState, policy: &Policy) -> Option<Step> {
    let first = state.failures.first().filter(|_| policy.grace.is_positive())?;
    let until = shifted(whole_second_from(*first), policy.grace);
    let expires_at = license.expires_at?;
    let moved = state.before_grace.get(&license.id).copied();
    let (ended, target) = match moved {
        Some(ended) => (ended, until.max(ended)),
        None => (expires_at, until.max(expires_at)),
    };
    // What is later than both was paid for meanwhile, unless a failure that became known too late put it there.
    let was_put_there = moved.is_some()
        && state.failures.iter().any(|failed| {
            same_second(expires_at, shifted(whole_second_from(*failed), policy.grace))
        });
    let wrong = expires_at < target || (was_put_there && expires_at > target);
    if expires_at < target || moved.is_some() {
        state.before_grace.entry(license.id.clone()).or_insert(ended);
    }
    wrong.then(|| Step::expire(license, target))
}

pub(super) fn resumption(
    causes: &[Cause],
    at: Timestamp,
    snapshot: &Snapshot,
    policy: &Policy,
) -> Plan {
    let Some(state) = history::resumed(&snapshot.state, causes, at, policy) else {
        return stale(snapshot);
    };
    resumed(state, snapshot, policy)
}

pub(super) fn resumed(state: SubjectState, snapshot: &Snapshot, policy: &Policy) -> Plan {
    let some_went = state.causes.len() < snapshot.state.causes.len();
    // What is left alone at the end is paid for until it expires.
    let runs = state.ended_at.is_none() || policy.at_the_end == AtTheEnd::Nothing;
    let steps = if some_went && runs {
        let suspended = holders::current(snapshot).filter(|license| license.is_suspended());
        let free = suspended.filter(|license| !history::has_cause(&state, license));
        free.map(|license| Step::suspend(license, false)).collect()
    } else {
        Vec::new()
    };
    Plan { steps, state, ..Plan::default() }
}

pub(super) fn end(at: Timestamp, snapshot: &Snapshot, policy: &Policy) -> Plan {
    match history::ended(&snapshot.state, at) {
        Some(state) => ended(state, snapshot, policy),
        None => stale(snapshot),
    }
}

pub(super) fn ended(mut state: SubjectState, snapshot: &Snapshot, policy: &Policy) -> Plan {
    let steps =
        snapshot.licenses.iter().filter_map(|license| at_the_end(license, policy)).collect();
    if policy.at_the_end == AtTheEnd::Delete {
        state.deleted = true;
        state.slots.clear();
    }
    Plan { steps, state, ..Plan::default() }
}

pub(super) fn at_the_end(license: &License, policy: &Policy) -> Option<Step> {
    match policy.at_the_end {
        AtTheEnd::Revoke if !license.is_revoked() => Some(Step::Revoke(license.id.clone())),
        AtTheEnd::Suspend if !license.is_suspended() => Some(Step::suspend(license, true)),
        AtTheEnd::Delete => Some(Step::Delete(license.id.clone())),
        AtTheEnd::Revoke | AtTheEnd::Suspend | AtTheEnd::Nothing => None,
    }
}
