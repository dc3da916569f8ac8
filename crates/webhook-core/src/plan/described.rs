//! Which period a payment is for that does not say it: the one that its subscription was in when it was billed, as the
//! provider described it last.

use std::borrow::Cow;

use jiff::{SignedDuration, Timestamp};

use crate::command::{Through, Undated};
use crate::interval::shifted;
use crate::ledger::SubjectState;

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// The end of the period, or that it is one more.
pub(super) fn resolved<'t>(through: &'t Through, state: &SubjectState) -> Cow<'t, Through> {
    let Through::Described { billed_at, order } = through else { return Cow::Borrowed(through) };
    Cow::Owned(match period_end(*billed_at, state) {
        Some(end) => Through::Until(end),
        None => Through::NextPeriod {
            charged_at: *billed_at,
            order: order.clone(),
            why: Undated::NothingDue,
        },
    })
}

/// Until when a payment would have paid that failed. The period that is not described had begun when it was billed.
pub(super) fn failed_through(through: &Through, state: &SubjectState) -> Option<Timestamp> {
    match through {
        Through::Until(end) => Some(*end),
        Through::Described { billed_at, .. } => {
            period_end(*billed_at, state).or(Some(shifted(*billed_at, DAY)))
        }
        Through::NextPeriod { .. } => None,
    }
}

fn period_end(billed_at: Timestamp, state: &SubjectState) -> Option<Timestamp> {
    let (_, record) = state.record.as_ref()?;
    let had_begun = record.period_start.is_some_and(|start| start <= billed_at);
    record.period_end.filter(|end| had_begun && billed_at < *end)
}

/// Whether nothing follows the period that was described last: what is billed then was used before.
pub(super) fn was_the_last(state: &SubjectState) -> bool {
    let Some((_, record)) = &state.record else { return false };
    record.cancel_at_period_end == Some(true) || record.status.as_deref() == Some("canceled")
}
