//! Until when licenses run: the latest end that a payment paid for, as it was described since.

use jiff::{SignedDuration, Timestamp};

use super::failures;
use super::money_back;
use super::payments::Payment;
use crate::domain::command::{Pays, Subject, SubjectKind, SubscriptionRecord, Through};
use crate::domain::entitlement::End;
use crate::domain::fact::{Described, Fact};
use crate::domain::interval::{same_second, shifted, whole_second_from};
use crate::domain::policy::Policy;

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// The end that all facts call for.
pub(super) fn of(subject: &Subject, facts: &[&Fact], payments: &[Payment], policy: &Policy) -> End {
    let counted = standing(payments);
    let ends = counted.iter().filter_map(|payment| effective(payment, facts));
    let leeway = match subject.kind {
        SubjectKind::Subscription => policy.leeway,
        // No payment that could be late follows.
        SubjectKind::Order | SubjectKind::Customer => SignedDuration::ZERO,
    };
    let date = ends.max().map(|end| shifted(whole_second_from(end), policy.leeway));
    let first = payments.iter().filter(|payment| payment.is_first);
    let bought_at = first.map(|payment| payment.at).min().filter(|_| date.is_none());
    // The newest: an older one was counted before it, or is too late to count.
    let undated = counted.iter().filter_map(|payment| payment.one_more.clone());
    let one_more = undated.max_by_key(|one_more| one_more.charged_at);
    // A later one that says until when pays for the same time.
    let dated = counted.iter().filter(|payment| payment.end.is_some()).map(|payment| payment.at);
    let newest = dated.max();
    let one_more = one_more.filter(|it| newest.is_none_or(|newest| newest <= it.charged_at));
    let grace = failures::graced_until(facts, payments, policy);
    End { date, bought_at, one_more, grace, leeway }
}

/// Payments that stand. While money back counts it is a reason, and the end stays as it was.
fn standing(payments: &[Payment]) -> Vec<&Payment> {
    let is_made_up = |payment: &Payment| {
        payment.gone.iter().all(|gone| money_back::is_made_up_for(payment, gone, payments))
    };
    let stands = |payment: &&Payment| payment.gone.is_empty() || !is_made_up(payment);
    let all: Vec<&Payment> = payments.iter().filter(stands).collect();
    if all.is_empty() { payments.iter().collect() } else { all }
}

/// The end of a payment as the subscription was described since: an extended trial, a moved date. Never below what was
/// paid.
pub(super) fn effective(payment: &Payment, facts: &[&Fact]) -> Option<Timestamp> {
    let paid = payment.end?;
    if payment.pays != Pays::ForThePeriod || payment.is_usage {
        return Some(paid);
    }
    let mut end = paid;
    for (at, described) in facts.iter().filter_map(|fact| Some((fact.at, fact.described()?))) {
        let Some(moved) = described.record.period_end.filter(|_| described.runs()) else {
            continue;
        };
        if at < end && is_of_its_period(payment, at, &described.record) {
            end = moved.max(paid);
        }
    }
    Some(end)
}

/// Whether a description is of the period that the payment paid for.
fn is_of_its_period(payment: &Payment, at: Timestamp, record: &SubscriptionRecord) -> bool {
    match (payment.starts, record.period_start) {
        (Some(paid), Some(described)) => same_second(paid, described),
        // A provider that tells no beginning tells the next charge instead.
        (None, None) => at >= payment.at,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// The latest end that any payment is known to have paid for.
pub(super) fn paid_through(facts: &[&Fact], payments: &[Payment]) -> Option<Timestamp> {
    let paying = payments.iter().filter(|payment| payment.pays_for_the_subject());
    paying.filter_map(|payment| effective(payment, facts)).max()
}

/// The end of the period that was described and that it was billed in.
pub(super) fn described_period(billed_at: Timestamp, facts: &[&Fact]) -> Option<Timestamp> {
    let holds = |described: &Described| {
        let record = &described.record;
        let had_begun = record.period_start.is_some_and(|start| start <= billed_at);
        record.period_end.filter(|end| had_begun && billed_at < *end)
    };
    facts.iter().rev().filter_map(|fact| fact.described()).find_map(holds)
}

/// Until when a payment would have paid that failed. The period that is not described had begun when it was billed.
pub(super) fn failed_through(through: &Through, facts: &[&Fact]) -> Option<Timestamp> {
    match through {
        Through::Until(end) => Some(*end),
        Through::Described { billed_at, .. } => {
            described_period(*billed_at, facts).or(Some(shifted(*billed_at, DAY)))
        }
        Through::NextPeriod { .. } => None,
    }
}

/// Whether nothing follows the period that was described last: what is billed then was used before.
pub(super) fn was_the_last(facts: &[&Fact]) -> bool {
    let newest = facts.iter().rev().find_map(|fact| fact.described());
    newest.is_some_and(|described| {
        described.record.cancel_at_period_end == Some(true)
            || described.record.status.as_deref() == Some("canceled")
    })
}
