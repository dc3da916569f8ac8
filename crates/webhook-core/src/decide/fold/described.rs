//! Periods as the subscription was described, where a payment does not say its own.

use jiff::{SignedDuration, Timestamp};

use crate::domain::command::Through;
use crate::domain::fact::{Covers, Described, Fact, Paid};
use crate::domain::interval::shifted;

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// The end of the period that was described and that it was billed in.
pub(super) fn described_period(billed_at: Timestamp, facts: &[&Fact]) -> Option<Timestamp> {
    period_at(billed_at, facts, |_any| true)
}

fn period_at(
    billed_at: Timestamp,
    facts: &[&Fact],
    is_it: impl Fn(&Described) -> bool,
) -> Option<Timestamp> {
    let holds = |described: &&Described| {
        let record = &described.record;
        let had_begun = record.period_start.is_some_and(|start| start <= billed_at);
        had_begun && record.period_end.is_some_and(|end| billed_at < end)
    };
    let mut described = facts.iter().rev().filter_map(|fact| fact.described());
    described.find(|it| holds(it) && is_it(it))?.record.period_end
}

fn begins_after(described: &Described, used_until: Timestamp) -> bool {
    described.record.period_start.is_some_and(|start| start >= used_until)
}

/// The end of the described period that usage renews: the one that begins where its lines end, and no later one. Stripe ends
/// the lines some minutes before their period. Where nobody says when they end, it is the one that it was billed in.
pub(super) fn renewed_period(
    billed_at: Timestamp,
    used_until: Option<Timestamp>,
    facts: &[&Fact],
) -> Option<Timestamp> {
    let begins = |described: &Described| used_until.is_none_or(|end| begins_after(described, end));
    period_at(billed_at, facts, begins)
}

/// Until when a payment would have paid that failed. The period that is not described had begun when it was billed.
pub(super) fn failed_through(through: &Through, facts: &[&Fact]) -> Option<Timestamp> {
    match through {
        Through::Until(end) => Some(*end),
        Through::Described { billed_at, used_until, .. } => {
            let renewed = renewed_period(*billed_at, used_until.as_deref().copied(), facts);
            renewed.or(Some(shifted(*billed_at, DAY)))
        }
        Through::NextPeriod { .. } => None,
    }
}

/// Whether what was used is beside the subscription: a described period goes on that had begun before.
pub(super) fn is_beside(paid: &Paid, facts: &[&Fact]) -> bool {
    let Covers::Later(Through::Described { billed_at, used_until: Some(used_until), .. }) =
        &paid.covers
    else {
        return false;
    };
    described_period(*billed_at, facts).is_some()
        && renewed_period(*billed_at, Some(**used_until), facts).is_none()
}

/// Whether nothing follows the period that was described last: what is billed then was used before.
pub(super) fn was_the_last(facts: &[&Fact]) -> bool {
    let newest = facts.iter().rev().find_map(|fact| fact.described());
    newest.is_some_and(|described| {
        described.record.cancel_at_period_end == Some(true)
            || described.record.status.as_deref() == Some("canceled")
    })
}
