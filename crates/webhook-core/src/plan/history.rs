//! Which of two events counts, by the providers' clocks.
//!
//! An older event never undoes a newer one. At equal times: end > payment > suspension > resumption. Each function gives
//! what is known after the event, or `None` when the event is too old to have an effect.

use jiff::Timestamp;

use super::step::Step;
use crate::command::Cause;
use crate::cryptlex::License;
use crate::ledger::SubjectState;

/// What a payment does to the causes of suspension.
pub(super) struct Payment {
    pub(super) state: SubjectState,
    /// It came after an end, which it takes back.
    pub(super) after_the_end: bool,
}

/// `ends_pause` says whether the payment is for the subscription itself.
pub(super) fn payment(state: &SubjectState, at: Timestamp, ends_pause: bool) -> Option<Payment> {
    if state.ended_at.is_some_and(|ended| ended >= at) {
        return None;
    }
    let after_the_end = state.ended_at.is_some();
    let mut state = SubjectState { ended_at: None, ..state.clone() };
    state.paid_at = state.paid_at.max(Some(at));
    state.failing_since = state.failing_since.filter(|since| *since > at);
    state.causes.retain(|cause, since| {
        let clearable = match cause {
            Cause::Payment => true,
            Cause::Pause => ends_pause,
        };
        !clearable || *since > at
    });
    Some(Payment { state, after_the_end })
}

impl Payment {
    /// What a paid license needs once its expiry is right.
    pub(super) fn step(&self, license: &License) -> Option<Step> {
        if self.after_the_end && license.is_revoked() {
            return Some(Step::Reinstate(license.id.clone()));
        }
        let suspended = !self.state.causes.is_empty();
        (license.is_suspended() != suspended).then(|| Step::suspend(license, suspended))
    }
}

pub(super) fn suspended(state: &SubjectState, cause: Cause, at: Timestamp) -> Option<SubjectState> {
    let resumed = match cause {
        Cause::Pause => state.resumed_at.is_some_and(|resumed| resumed > at),
        Cause::Payment => false,
    };
    if outlived(state, at) || resumed {
        return None;
    }
    let mut state = state.clone();
    let since = state.causes.entry(cause).or_insert(at);
    *since = (*since).max(at);
    Some(state)
}

pub(super) fn failing(state: &SubjectState, at: Timestamp) -> Option<SubjectState> {
    if outlived(state, at) {
        return None;
    }
    let first = state.failing_since.map_or(at, |since| since.min(at));
    Some(SubjectState { failing_since: Some(first), ..state.clone() })
}

/// Whether a payment or the end, at the same time or later, makes a failure or pause of that time meaningless.
fn outlived(state: &SubjectState, at: Timestamp) -> bool {
    state.paid_at.max(state.ended_at).is_some_and(|newer| newer >= at)
}

pub(super) fn resumed(state: &SubjectState, cause: Cause, at: Timestamp) -> Option<SubjectState> {
    let ended = state.ended_at.is_some_and(|ended| ended >= at);
    let suspended_later = state.causes.get(&cause).is_some_and(|since| *since >= at);
    if ended || suspended_later {
        return None;
    }
    let mut state = state.clone();
    state.causes.remove(&cause);
    state.resumed_at = state.resumed_at.max(Some(at));
    Some(state)
}

pub(super) fn ended(state: &SubjectState, at: Timestamp) -> Option<SubjectState> {
    if state.paid_at.is_some_and(|paid| paid > at) {
        return None;
    }
    Some(SubjectState { ended_at: state.ended_at.max(Some(at)), ..state.clone() })
}
