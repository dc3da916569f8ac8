//! Refunds and disputes: they count for licenses only while what they take back is what the licenses run on.
//!
//! What is known of payments, and of the money that went back, is judged anew with each event of either kind: the order
//! in which they are told decides nothing.

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
        (Ok(period), _) => named(period, state),
        (Err(why), Stands::TakenBack) => return standing::noted(why, snapshot),
        (Err(why), Stands::Open | Stands::Lost) => return in_vain(why, snapshot),
    };
    let stands = match reversal.stands {
        // Lost money is gone as before; whether it is the end depends on what else is paid.
        Stands::Open | Stands::Lost => Stands::Open,
        Stands::TakenBack => Stands::TakenBack,
    };
    let since = reversal.since.or(Some(at));
    let news = TakenBack { cause, period, at, since, stands: Some(stands), open: false };
    let Some((known, taken)) = told(state, news) else { return stale(snapshot) };
    match reversal.stands {
        Stands::TakenBack if known.causes.contains_key(&cause) => {
            let why = "another payment is taken back all the same";
            Plan { state: known, ..standing::noted(why, snapshot) }
        }
        Stands::TakenBack => standing::resumed(known, snapshot, policy),
        Stands::Open | Stands::Lost => match made_up_for(&taken, &known) {
            Some(why) => Plan { state: known, ..in_vain(why, snapshot) },
            // The purchase may be on its way, or wait for a mapping.
            None if snapshot.licenses.is_empty() => {
                let why = "no license is known to be paid by it";
                Plan { state: known, ..in_vain(why, snapshot) }
            }
            // What is let run at the end of a subscription is not let run without money.
            None if reversal.stands == Stands::Lost && policy.at_the_end != AtTheEnd::Nothing => {
                over(&taken, known, snapshot, policy)
            }
            None => standing::suspended(known, snapshot),
        },
    }
}

/// Told to a person: no license changes.
fn in_vain(why: &'static str, snapshot: &Snapshot) -> Plan {
    Plan { concern: Some(Concern::NothingReversed), ..standing::noted(why, snapshot) }
}

/// The end is what lost money comes to; it counts no more when the subscription is paid for anew.
fn over(lost: &TakenBack, mut state: SubjectState, snapshot: &Snapshot, policy: &Policy) -> Plan {
    for taken in state.taken_back.iter_mut().filter(|taken| *taken == lost) {
        taken.stands = Some(Stands::Lost);
    }
    judge(&mut state);
    match history::ended(&state, lost.at) {
        Some(ended) => standing::ended(ended, snapshot, policy),
        // It is paid for anew already.
        None => standing::resumed(state, snapshot, policy),
    }
}

/// The purchase's payment may be told by an event that does not say until when, and by one that does: it is one payment.
fn named(period: Period, state: &SubjectState) -> Period {
    let says_nothing = period.through.is_none() && !state.periods.contains(&period);
    state.first.filter(|_| says_nothing).unwrap_or(period)
}

fn stands(taken: &TakenBack) -> Stands {
    taken.stands.unwrap_or(if taken.open { Stands::Open } else { Stands::TakenBack })
}

fn since(taken: &TakenBack) -> Timestamp {
    taken.since.unwrap_or(taken.at)
}

fn is_gone(taken: &TakenBack) -> bool {
    match stands(taken) {
        Stands::Open | Stands::Lost => true,
        Stands::TakenBack => false,
    }
}

/// What is known after the event, unless it is older than what is known of this payment. At equal times the money is gone.
fn told(state: &SubjectState, mut news: TakenBack) -> Option<(SubjectState, TakenBack)> {
    let mut state = state.clone();
    let of_this_payment =
        |taken: &TakenBack| taken.cause == news.cause && named(taken.period, &state) == news.period;
    match state.taken_back.iter().position(of_this_payment) {
        Some(place) => {
            let known = state.taken_back.remove(place);
            if (known.at, Some(stands(&known))) > (news.at, news.stands) {
                return None;
            }
            if is_gone(&known) {
                news.since = Some(since(&known));
            }
        }
        None if state.taken_back.len() >= MOST => {
            let idle = state.taken_back.iter().position(|taken| !taken.open);
            state.taken_back.remove(idle.unwrap_or_default());
        }
        None => {}
    }
    state.taken_back.push(news);
    judge(&mut state);
    let taken = *state.taken_back.last()?;
    Some((state, taken))
}

/// Licenses are suspended for money that is gone, unless other money makes up for it.
pub(super) fn judge(state: &mut SubjectState) {
    let is_open =
        |taken: &TakenBack| stands(taken) == Stands::Open && made_up_for(taken, state).is_none();
    let open: Vec<bool> = state.taken_back.iter().map(is_open).collect();
    for (taken, open) in state.taken_back.iter_mut().zip(open) {
        taken.stands = Some(stands(taken));
        taken.open = open;
    }
    for cause in [Cause::Refund, Cause::Dispute] {
        let open = state.taken_back.iter().filter(|taken| taken.open && taken.cause == cause);
        match open.map(|taken| taken.at).max() {
            Some(newest) => state.causes.insert(cause, newest),
            None => state.causes.remove(&cause),
        };
    }
}

/// Why the licenses run on other money. A refunded period stays refunded until another one is paid for; what is disputed
/// must have been made up for by then.
fn made_up_for(taken: &TakenBack, state: &SubjectState) -> Option<&'static str> {
    let period = named(taken.period, state);
    let paid = || state.periods.iter().filter(|other| !was_gone(**other, taken, state));
    let in_time = |other: &Period| match taken.cause {
        Cause::Dispute => other.at <= since(taken),
        Cause::Refund | Cause::Payment | Cause::Pause | Cause::Collection => true,
    };
    if paid().any(|other| covers(*other, period)) {
        return Some("an earlier payment is for the same time");
    }
    let later = paid().any(|other| in_time(other) && is_later(*other, period));
    later.then_some("a later period is paid for")
}

/// An earlier payment is for the same time or longer: this one was for a change in between.
fn covers(other: Period, period: Period) -> bool {
    let ends = other.through.zip(period.through);
    other.at < period.at && ends.is_some_and(|(other, own)| other >= own || same_second(other, own))
}

/// A newer payment is for another time, later or not: a change from years to months ends sooner.
fn is_later(other: Period, period: Period) -> bool {
    let ends = other.through.zip(period.through);
    other.at > period.at && !ends.is_some_and(|(other, own)| same_second(other, own))
}

/// What went back itself makes up for nothing. What was disputed before it went back stays as it was.
fn was_gone(other: Period, taken: &TakenBack, state: &SubjectState) -> bool {
    let in_time = |gone: &TakenBack| match taken.cause {
        Cause::Dispute => since(gone) <= since(taken),
        Cause::Refund | Cause::Payment | Cause::Pause | Cause::Collection => true,
    };
    let mut back = state.taken_back.iter().filter(|gone| named(gone.period, state) == other);
    back.any(|gone| is_gone(gone) && in_time(gone))
}
