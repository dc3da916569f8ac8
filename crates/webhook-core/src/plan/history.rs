//! Which of two events counts, by the providers' clocks.
//!
//! An older event never undoes a newer one. At equal times: end > payment > suspension > resumption. Each function gives
//! what is known after the event, or `None` when the event is too old to have an effect.

use jiff::Timestamp;

use super::step::Step;
use crate::command::{Cause, Pays};
use crate::cryptlex::License;
use crate::ledger::SubjectState;

/// What a payment does to the causes of suspension.
pub(super) struct Payment {
    pub(super) state: SubjectState,
    /// It came after an end, which it takes back.
    pub(super) after_the_end: bool,
    /// It is a reason to take away a suspension that no cause is left for.
    resumes: bool,
}

pub(super) fn payment(state: &SubjectState, at: Timestamp, pays: Pays) -> Option<Payment> {
    if state.ended_at.is_some_and(|ended| ended >= at) {
        return None;
    }
    let (known_causes, known_payment) = (state.causes.len(), state.paid_at);
    let mut state = state.clone();
    let after_the_end = state.ended_at.is_some() && pays != Pays::Beside;
    if after_the_end {
        state.ended_at = None;
    }
    if pays != Pays::Beside {
        state.paid_at = state.paid_at.max(Some(at));
        state.failing_since = state.failing_since.filter(|since| *since > at);
        if state.failing_since.is_none() {
            state.before_grace.clear();
        }
    }
    if pays == Pays::ForThePeriod {
        state.renewed_at = state.renewed_at.max(Some(at));
    }
    state.causes.retain(|cause, since| !settles(pays, *cause) || *since > at);
    // A new payment for the period also resumes what is suspended for a reason that nobody recorded; a replayed one
    // must not undo what somebody did by hand since.
    let is_new = known_payment.is_none_or(|known| at > known);
    let resumes = after_the_end
        || (pays == Pays::ForThePeriod && is_new)
        || state.causes.len() < known_causes;
    Some(Payment { state, after_the_end, resumes })
}

fn settles(pays: Pays, cause: Cause) -> bool {
    match (pays, cause) {
        (Pays::ForThePeriod, Cause::Payment | Cause::Pause)
        | (Pays::ForAChange, Cause::Payment) => true,
        (Pays::ForAChange, Cause::Pause) | (Pays::Beside, Cause::Payment | Cause::Pause) => false,
    }
}

impl Payment {
    /// What a paid license needs once its expiry is right.
    pub(super) fn step(&self, license: &License) -> Option<Step> {
        if self.after_the_end && license.is_revoked() {
            return Some(Step::Reinstate(license.id.clone()));
        }
        match (license.is_suspended(), self.state.causes.is_empty()) {
            (true, true) if self.resumes => Some(Step::suspend(license, false)),
            (false, false) => Some(Step::suspend(license, true)),
            (true | false, _) => None,
        }
    }
}

pub(super) fn suspended(state: &SubjectState, cause: Cause, at: Timestamp) -> Option<SubjectState> {
    let settled = match cause {
        Cause::Payment => state.paid_at,
        Cause::Pause => state.renewed_at,
    };
    let resumed = cause == Cause::Pause && state.resumed_at.is_some_and(|resumed| resumed > at);
    if resumed || settled.max(state.ended_at).is_some_and(|newer| newer >= at) {
        return None;
    }
    let mut state = state.clone();
    let since = state.causes.entry(cause).or_insert(at);
    *since = (*since).max(at);
    Some(state)
}

pub(super) fn failing(state: &SubjectState, at: Timestamp) -> Option<SubjectState> {
    if state.paid_at.max(state.ended_at).is_some_and(|newer| newer >= at) {
        return None;
    }
    let first = state.failing_since.map_or(at, |since| since.min(at));
    Some(SubjectState { failing_since: Some(first), ..state.clone() })
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
