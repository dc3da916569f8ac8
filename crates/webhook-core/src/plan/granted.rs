//! Which Cryptlex product a purchase was of, where its lines do not each say it: who named it, and who knows better.

use jiff::Timestamp;

use crate::command::{Grant, Line, Mapping, NamedBy};
use crate::ledger::{Granted, SubjectState};

/// The parts of a purchase that another event of it may need: Stripe tells them in several.
pub(super) fn remember(grant: &Grant, at: Timestamp, state: &mut SubjectState) {
    state.paid_through = state.paid_through.or(grant.paid_through);
    if grant.named_by == NamedBy::Lines {
        return;
    }
    let quantity = grant.lines.iter().map(|line| line.quantity).max();
    state.quantity = state.quantity.max(quantity);
    if let Some(mapping) = first_mapping(&grant.lines)
        && knows_better(grant.named_by, state)
    {
        grants(state, mapping, grant.named_by, at);
    }
    let subscribed = state.subscribed.as_deref();
    if let Some((since, mapping)) =
        subscribed.and_then(|(since, subscribed)| Some((*since, first_mapping(&subscribed.lines)?)))
        // After whoever named a product, it is a change of it.
        && (knows_better(NamedBy::Subscription, state)
            || named_by(state).is_some_and(|(_, named_at)| since > named_at))
    {
        grants(state, mapping, NamedBy::Subscription, since);
    }
}

pub(super) fn grants(state: &mut SubjectState, mapping: Mapping, by: NamedBy, at: Timestamp) {
    state.granted = Some(Box::new(Granted { mapping, named_by: Some((by, at)) }));
}

/// Who named the product that was granted, and when.
pub(super) fn named_by(state: &SubjectState) -> Option<(NamedBy, Timestamp)> {
    state.granted.as_ref()?.named_by
}

/// The first product that any of the lines names.
pub(super) fn first_mapping(lines: &[Line]) -> Option<Mapping> {
    lines.iter().find_map(|line| line.mapping.clone())
}

/// Whether it is to be believed more than whoever named the product that is known. Who that was, records of before it was
/// written down do not say: hardly the session, which comes once.
pub(super) fn knows_better(by: NamedBy, state: &SubjectState) -> bool {
    let known = named_by(state).map_or(NamedBy::Subscription, |(by, _)| by);
    state.granted.is_none() || by > known
}
