//! Until when a payment pays: as its payload says, moved by what was described since.

use jiff::Timestamp;

use super::payments::Payment;
use crate::domain::command::{PaymentScope, SubscriptionRecord};
use crate::domain::fact::Fact;
use crate::domain::interval::same_second;

/// The end of a payment as the subscription was described since: an extended trial, a moved date. Never below what was
/// paid.
pub(super) fn effective(payment: &Payment, facts: &[&Fact]) -> Option<Timestamp> {
    let paid = payment.end?;
    if payment.scope != PaymentScope::Period || payment.is_usage {
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
