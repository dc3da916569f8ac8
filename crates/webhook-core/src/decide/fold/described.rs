//! Periods as the subscription was described, where a payment does not say its own.

use jiff::{SignedDuration, Timestamp};

use crate::domain::command::Through;
use crate::domain::fact::{Described, Fact};
use crate::domain::interval::shifted;

const DAY: SignedDuration = SignedDuration::from_hours(24);

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
