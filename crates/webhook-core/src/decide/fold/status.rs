//! Why licenses are suspended: a license runs only while there is no reason left.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::payments::Payment;
use super::{failures, money_back};
use crate::domain::command::{PaymentScope, SuspensionReason};
use crate::domain::fact::{Fact, Says};
use crate::domain::policy::{AtTheEnd, Policy, Refunded};

/// The reasons that count now, and since when.
pub(super) fn reasons(
    facts: &[&Fact],
    payments: &[Payment],
    ended: Option<Timestamp>,
    policy: &Policy,
) -> BTreeMap<SuspensionReason, Timestamp> {
    let mut reasons = BTreeMap::new();
    let failed = failures::counting(facts, payments, policy);
    reasons.extend(failed.map(|since| (SuspensionReason::Payment, since)));
    reasons.extend(paused(facts, payments).map(|since| (SuspensionReason::Pause, since)));
    let not_collected = not_collected(facts, payments).filter(|_| policy.pause_collection);
    reasons.extend(not_collected.map(|since| (SuspensionReason::Collection, since)));
    for (_, gone) in money_back::counting(payments) {
        if gone.cause == SuspensionReason::Refund && policy.refunded == Refunded::Revokes {
            continue;
        }
        // What was lost ends the subscription instead, unless nothing follows from an end.
        let is_an_end = gone.lost.is_some() && policy.at_the_end != AtTheEnd::Nothing;
        if !is_an_end || ended.is_some_and(|ended| Some(ended) > gone.lost) {
            let since = reasons.entry(gone.cause).or_insert(gone.at);
            *since = (*since).max(gone.at);
        }
    }
    reasons
}

/// A pause lasts until a resumption, a payment for the period, or a description that it runs.
fn paused(facts: &[&Fact], payments: &[Payment]) -> Option<Timestamp> {
    let newest = facts.iter().rev().find(|fact| fact.says == Says::Paused)?;
    let resumes = |fact: &&&Fact| {
        let runs = fact.described().is_some_and(|it| it.runs() && it.tells_pauses());
        runs || fact.says == Says::Resumed
    };
    let resumed = facts.iter().filter(resumes).any(|fact| fact.at > newest.at);
    (!resumed && !is_paid_since(payments, newest.at)).then_some(newest.at)
}

fn not_collected(facts: &[&Fact], payments: &[Payment]) -> Option<Timestamp> {
    let newest = facts.iter().rev().find_map(|fact| {
        let collects = fact.described()?.collects?;
        Some((fact.at, collects))
    });
    let (since, _) = newest.filter(|(_, collects)| !collects)?;
    (!is_paid_since(payments, since)).then_some(since)
}

fn is_paid_since(payments: &[Payment], since: Timestamp) -> bool {
    payments.iter().any(|payment| payment.scope == PaymentScope::Period && payment.at >= since)
}
