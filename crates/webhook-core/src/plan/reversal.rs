//! Refunds and disputes: they count for licenses only while what they take back is what the licenses run on.

use jiff::Timestamp;

use super::{Plan, history, stale, standing};
use crate::command::{
    AtTheEnd, Cause, Concern, Period, Reversal, Reversed, Stands, Subject, SubjectKind,
};
use crate::config::Policy;
use crate::interval::same_second;
use crate::ledger::{SubjectState, TakenBack};
use crate::snapshot::Snapshot;

/// Of a subject that is disputed again and again the newest count.
const MOST: usize = 32;

pub(super) fn plan(
    subject: &Subject,
    reversal: &Reversal,
    at: Timestamp,
    snapshot: &Snapshot,
    policy: &Policy,
) -> Plan {
    let (state, cause) = (&snapshot.state, reversal.cause);
    let period = match (&reversal.of, subject.kind) {
        (Reversed::Beside, _) => Err("it paid for something beside the period"),
        (Reversed::Period(_) | Reversed::Payment(_) | Reversed::Unknown, SubjectKind::Order) => {
            Ok(Period::ONCE)
        }
        (Reversed::Period(period), _) => Ok(*period),
        (Reversed::Payment(_) | Reversed::Unknown, _) => {
            Err("nobody knows which period it takes back")
        }
    };
    let period = match (period, reversal.stands) {
        (Ok(period), _) => period,
        (Err(why), Stands::TakenBack) => return standing::noted(why, snapshot),
        (Err(why), Stands::Open | Stands::Lost) => return in_vain(why, snapshot),
    };
    let news = |open| TakenBack { cause, period, at, open };
    match reversal.stands {
        Stands::TakenBack => match told(state, news(false)) {
            None => stale(snapshot),
            Some(state) if state.causes.contains_key(&cause) => {
                let why = "another payment is taken back all the same";
                Plan { state, ..standing::noted(why, snapshot) }
            }
            Some(state) => standing::resumed(state, snapshot),
        },
        Stands::Open | Stands::Lost if is_covered(period, state) => {
            in_vain("an earlier payment is for the same time", snapshot)
        }
        // What a dispute suspended in its time, its end concerns whatever was paid since.
        Stands::Open | Stands::Lost
            if is_over(period, state)
                && !(reversal.stands == Stands::Lost && is_open(state, cause, period)) =>
        {
            in_vain("a later period is paid for", snapshot)
        }
        // What is let run at the end of a subscription is not let run without money.
        Stands::Lost if policy.at_the_end != AtTheEnd::Nothing && !snapshot.licenses.is_empty() => {
            let mut plan = standing::end(at, snapshot, policy);
            // The end is what it came to: a later payment begins anew.
            settle(&mut plan.state, cause, |taken| taken.period == period);
            plan
        }
        Stands::Open | Stands::Lost => match told(state, news(true)) {
            None => stale(snapshot),
            // The purchase may be on its way, or wait for a mapping.
            Some(state) if snapshot.licenses.is_empty() => {
                Plan { state, ..in_vain("no license is known to be paid by it", snapshot) }
            }
            Some(state) => standing::suspended(state, snapshot),
        },
    }
}

/// Told to a person: no license changes.
fn in_vain(why: &'static str, snapshot: &Snapshot) -> Plan {
    Plan { concern: Some(Concern::NothingReversed), ..standing::noted(why, snapshot) }
}

/// An earlier payment is for the same time or longer: this one was for a change in between.
fn is_covered(period: Period, state: &SubjectState) -> bool {
    let covers = |other: &Period| {
        let ends = other.through.zip(period.through);
        ends.is_some_and(|(other, own)| other >= own || same_second(other, own))
    };
    state.periods.iter().any(|other| other.at < period.at && covers(other))
}

/// A newer payment is for another time, later or not: a change from years to months ends sooner.
fn is_over(period: Period, state: &SubjectState) -> bool {
    state.periods.iter().any(|other| makes_up_for(*other, period))
}

fn makes_up_for(other: Period, period: Period) -> bool {
    let ends = other.through.zip(period.through);
    other.at > period.at && !ends.is_some_and(|(other, own)| same_second(other, own))
}

fn is_open(state: &SubjectState, cause: Cause, period: Period) -> bool {
    state
        .taken_back
        .iter()
        .any(|taken| taken.open && taken.cause == cause && taken.period == period)
}

/// What is known after the event, unless it is older than what is known of this payment. At equal times the money is gone.
fn told(state: &SubjectState, news: TakenBack) -> Option<SubjectState> {
    let TakenBack { cause, period, at, open } = news;
    if history::ended_since(state, at) {
        return None;
    }
    let mut state = state.clone();
    let known = |taken: &&mut TakenBack| taken.cause == cause && taken.period == period;
    match state.taken_back.iter_mut().find(known) {
        Some(known) if known.at > at || (known.at == at && known.open && !open) => return None,
        Some(known) => *known = news,
        None => state.taken_back.push(news),
    }
    if state.taken_back.len() > MOST {
        state.taken_back.remove(0);
    }
    if open {
        let since = state.causes.entry(cause).or_insert(at);
        *since = (*since).max(at);
    } else {
        settle(&mut state, cause, |_| false);
    }
    Some(state)
}

/// Closes what is done with; the cause goes with the last one.
fn settle(state: &mut SubjectState, cause: Cause, is_done: impl Fn(&TakenBack) -> bool) {
    let mut left = false;
    for taken in state.taken_back.iter_mut().filter(|taken| taken.cause == cause) {
        taken.open &= !is_done(taken);
        left |= taken.open;
    }
    if !left {
        state.causes.remove(&cause);
    }
}

/// A refunded period stays refunded; one that was paid later, for another time, makes up for it.
pub(super) fn made_up_for(state: &mut SubjectState, by: Period) {
    if state.causes.contains_key(&Cause::Refund) {
        settle(state, Cause::Refund, |taken| makes_up_for(by, taken.period));
    }
}
