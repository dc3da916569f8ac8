//! Which of two events counts, by the providers' clocks.
//!
//! An older event never undoes a newer one. At equal times: end > payment > suspension > resumption. Each function gives
//! what is known after the event, or `None` when the event is too old to have an effect.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::reversal;
use super::step::Step;
use crate::command::{AtTheEnd, Cause, Pays, Period};
use crate::config::Policy;
use crate::cryptlex::License;
use crate::ids::LicenseId;
use crate::ledger::SubjectState;

/// Of a payment that keeps failing the first days count.
const MOST_FAILURES: usize = 32;

/// Of a subscription that was paid more often, the last times count.
const MOST_PERIODS: usize = 32;

/// What a payment does to the causes of suspension.
pub(super) struct Payment {
    pub(super) state: SubjectState,
    /// It came after an end, which it takes back.
    pub(super) after_the_end: bool,
    /// It is a reason to take away a suspension that no cause is left for.
    resumes: bool,
    /// Licenses that were given up before it, and that it is for.
    back: BTreeSet<LicenseId>,
}

/// Which period a payment is for.
#[derive(Clone, Copy)]
pub(super) enum Covers {
    /// Until then, if the purchase says it.
    First(Option<Timestamp>),
    Until(Timestamp),
    OneMore,
    /// The described one, which ends then if anybody knows: perhaps what was used before it.
    Described(Option<Timestamp>),
}

impl Covers {
    fn end(self) -> Option<Timestamp> {
        match self {
            Self::First(through) => through,
            Self::Until(through) => Some(through),
            Self::OneMore => None,
            Self::Described(end) => end,
        }
    }

    fn period(self, at: Timestamp) -> Option<Period> {
        match self {
            Self::First(None) => None,
            Self::First(through) => Some(Period { at, through }),
            Self::Until(through) => Some(Period { at, through: Some(through) }),
            Self::OneMore | Self::Described(_) => Some(Period { at, through: None }),
        }
    }
}

pub(super) fn payment(
    state: &SubjectState,
    at: Timestamp,
    pays: Pays,
    covers: Covers,
    policy: &Policy,
) -> Option<Payment> {
    if ended_since(state, at, policy) {
        return None;
    }
    let (known_causes, known_payment) = (state.causes.len(), state.paid_at);
    let mut state = state.clone();
    let after_the_end = state.ended_at.is_some_and(|ended| ended < at) && pays != Pays::Beside;
    if after_the_end {
        state.ended_at = None;
    }
    let failed_before = !state.failures.is_empty();
    if pays != Pays::Beside {
        state.paid_at = state.paid_at.max(Some(at));
        if matches!(covers, Covers::Described(_)) {
            let odd = state.odd_payments.get_or_insert_default();
            odd.used_at = odd.used_at.max(Some(at));
        }
        let through = covers.end().max(paid_through(&state));
        let odd = state.odd_payments.iter();
        let made_up_for: BTreeSet<Timestamp> = odd
            .flat_map(|odd| &odd.failed_through)
            .filter(|(_, failed)| through.is_some_and(|paid| paid >= **failed))
            .map(|(at, _)| *at)
            .collect();
        forget_failures(&mut state, |failed| failed <= at || made_up_for.contains(&failed));
    }
    if pays == Pays::ForThePeriod {
        state.renewed_at = state.renewed_at.max(Some(at));
        if let Some(period) = covers.period(at) {
            state.periods.insert(period);
            if state.periods.len() > MOST_PERIODS {
                state.periods.pop_first();
            }
            if matches!(covers, Covers::First(_)) {
                reversal::now_known(&mut state, period);
            }
            reversal::judge(&mut state, policy);
        }
    }
    if failed_before && !policy.grace.is_positive() && pays != Pays::Beside {
        // What is left of them is newer, and for a later period.
        match state.failures.last() {
            Some(newest) => state.causes.insert(Cause::Payment, *newest),
            None => state.causes.remove(&Cause::Payment),
        };
    }
    state.causes.retain(|cause, since| match (cause, pays) {
        (Cause::Payment, Pays::ForThePeriod | Pays::ForAChange)
        | (Cause::Pause | Cause::Collection, Pays::ForThePeriod) => *since > at,
        (Cause::Payment | Cause::Pause | Cause::Collection, _)
        | (Cause::Refund | Cause::Dispute, _) => true,
    });
    // A new payment for the period also resumes what is suspended for a reason that nobody recorded; a replayed one
    // must not undo what somebody did by hand since.
    let is_new = known_payment.is_none_or(|known| at > known);
    let resumes = after_the_end
        || (pays == Pays::ForThePeriod && is_new)
        || state.causes.len() < known_causes;
    Some(Payment { state, after_the_end, resumes, back: BTreeSet::new() })
}

impl Payment {
    /// Whatever was suspended of these for want of seats comes back.
    pub(super) fn is_for<'l>(&mut self, licenses: impl Iterator<Item = &'l LicenseId>) {
        for license in licenses {
            if self.state.seats.remove(license) {
                self.back.insert(license.clone());
            }
        }
    }

    /// What a paid license needs once its expiry is right.
    pub(super) fn step(&self, license: &License) -> Option<Step> {
        if self.after_the_end && license.is_revoked() {
            return Some(Step::Reinstate(license.id.clone()));
        }
        match (license.is_suspended(), has_cause(&self.state, license)) {
            (true, false) if self.resumes || self.back.contains(&license.id) => {
                Some(Step::suspend(license, false))
            }
            (false, true) => Some(Step::suspend(license, true)),
            (true | false, _) => None,
        }
    }
}

/// Whether anything is known for which the license is to be suspended.
pub(super) fn has_cause(state: &SubjectState, license: &License) -> bool {
    !state.causes.is_empty() || state.seats.contains(&license.id)
}

/// The latest end that any payment is known to have paid for.
pub(super) fn paid_through(state: &SubjectState) -> Option<Timestamp> {
    let periods = state.periods.iter().filter_map(|period| period.through).max();
    periods.max(state.paid_through).max(state.renewed_until)
}

fn forget_failures(state: &mut SubjectState, is_over: impl Fn(Timestamp) -> bool) {
    state.failures.retain(|failed| !is_over(*failed));
    if let Some(odd) = &mut state.odd_payments {
        odd.failed_through.retain(|failed, _| !is_over(*failed));
    }
    if state.failures.is_empty() {
        state.before_grace.clear();
    }
}

pub(super) fn suspended(
    state: &SubjectState,
    cause: Cause,
    at: Timestamp,
    policy: &Policy,
) -> Option<SubjectState> {
    let settled = match cause {
        Cause::Payment => state.paid_at,
        Cause::Pause | Cause::Collection => state.renewed_at,
        // A payment does not bring back what another one lost.
        Cause::Refund | Cause::Dispute => None,
    };
    let cleared = state.cleared.get(&cause).is_some_and(|cleared| *cleared > at);
    let settled = settled.is_some_and(|newer| newer >= at);
    if cleared || settled || ended_since(state, at, policy) {
        return None;
    }
    let mut state = state.clone();
    let since = state.causes.entry(cause).or_insert(at);
    *since = (*since).max(at);
    if cause == Cause::Payment && !policy.grace.is_positive() {
        remember_failure(&mut state, at);
    }
    Some(state)
}

fn remember_failure(state: &mut SubjectState, at: Timestamp) {
    state.failures.insert(at);
    if state.failures.len() > MOST_FAILURES {
        state.failures.pop_last();
    }
}

/// Until when the payment would have paid that failed at that time. It counts until as much is paid.
pub(super) fn would_have_paid(state: &mut SubjectState, at: Timestamp, through: Timestamp) {
    let failed = &mut state.odd_payments.get_or_insert_default().failed_through;
    failed.insert(at, through);
    if failed.len() > MOST_FAILURES {
        failed.pop_last();
    }
}

pub(super) fn failing(
    state: &SubjectState,
    at: Timestamp,
    policy: &Policy,
) -> Option<SubjectState> {
    let cleared = state.cleared.get(&Cause::Payment).is_some_and(|cleared| *cleared > at);
    let settled = state.paid_at.is_some_and(|newer| newer >= at);
    if cleared || settled || ended_since(state, at, policy) {
        return None;
    }
    let mut state = state.clone();
    remember_failure(&mut state, at);
    Some(state)
}

/// The causes that go away are those of before.
pub(super) fn resumed(
    state: &SubjectState,
    causes: &[Cause],
    at: Timestamp,
    policy: &Policy,
) -> Option<SubjectState> {
    if ended_since(state, at, policy) {
        return None;
    }
    let mut state = state.clone();
    for cause in causes {
        if state.causes.get(cause).is_none_or(|since| *since < at) {
            state.causes.remove(cause);
            let cleared = state.cleared.entry(*cause).or_insert(at);
            *cleared = (*cleared).max(at);
        }
        if *cause == Cause::Payment {
            forget_failures(&mut state, |failed| failed < at);
        }
    }
    Some(state)
}

pub(super) fn ended(state: &SubjectState, at: Timestamp) -> Option<SubjectState> {
    let is_of_use = state.odd_payments.as_ref().is_some_and(|odd| odd.used_at == state.paid_at);
    if !is_of_use && state.paid_at.is_some_and(|paid| paid > at) {
        return None;
    }
    Some(SubjectState { ended_at: state.ended_at.max(Some(at)), ..state.clone() })
}

/// Of what happened at the end itself the end counts. Where it leaves licenses alone, what came before it still has its
/// effect.
pub(super) fn ended_since(state: &SubjectState, at: Timestamp, policy: &Policy) -> bool {
    policy.at_the_end != AtTheEnd::Nothing && state.ended_at.is_some_and(|ended| ended >= at)
}
