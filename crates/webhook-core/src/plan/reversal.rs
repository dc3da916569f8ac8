//! Refunds and disputes: they count for licenses only while what they take back is what the licenses run on.
//!
//! What is known of payments, and of the money that went back, is judged anew with each event of either kind: the order
//! in which they are told decides nothing.

use std::borrow::Cow;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::{Plan, history, stale, standing};
use crate::command::{
    AtTheEnd, Cause, Concern, Period, Reversal, Reversed, Stands, Subject, SubjectKind,
};
use crate::config::Policy;
use crate::ids::PaymentId;
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
        (Reversed::Items(_), _) => Ok(Period::ONCE),
        (Reversed::Beside, _) => Err(
            "the payment was for something other than a period, so the licenses of the subscription were not changed",
        ),
        (Reversed::Period(_) | Reversed::Payment(_) | Reversed::Unknown, SubjectKind::Order) => {
            Ok(Period::ONCE)
        }
        (Reversed::Period(period), _) => Ok(*period),
        (Reversed::Payment(_) | Reversed::Unknown, _) => {
            Err("the refunded or disputed payment is unknown, so no license was changed")
        }
    };
    let period = match (period, reversal.stands) {
        (Ok(period), _) => period,
        (Err(why), Stands::TakenBack) => return standing::noted(why, snapshot),
        (Err(why), Stands::Open | Stands::Lost) => return in_vain(why, snapshot),
    };
    let since = reversal.since.or(Some(at));
    let stands = Some(reversal.stands);
    let news = TakenBack { cause, period, at, since, stands, items: None, open: false };
    if let Reversed::Items(items) = &reversal.of {
        return of_a_part(items, news, snapshot);
    }
    let (known, taken, repeats) = match told(state, news, policy) {
        Told::Newer { state, taken, repeats } => (state, taken, repeats),
        // It was gone before a payment was made that seemed to make up for it.
        Told::Older(known) if known.causes.len() > state.causes.len() => {
            return standing::suspended(known, snapshot);
        }
        Told::Older(state) => return Plan { state, ..stale(snapshot) },
    };
    let plan = judged(reversal, known, taken, snapshot, policy);
    Plan { repeats, ..plan }
}

/// What is to be done now that the money of a payment is known to be gone, or back.
fn judged(
    reversal: &Reversal,
    known: SubjectState,
    taken: TakenBack,
    snapshot: &Snapshot,
    policy: &Policy,
) -> Plan {
    let (state, cause) = (&snapshot.state, reversal.cause);
    // The end of a lost one may have deleted them just now.
    let had_licenses = !snapshot.licenses.is_empty()
        || (policy.at_the_end == AtTheEnd::Delete && !state.slots.is_empty());
    match (reversal.stands, lost(&known)) {
        (Stands::TakenBack, _) if known.causes.contains_key(&cause) => {
            let why = "another payment is taken back all the same";
            Plan { state: known, ..standing::noted(why, snapshot) }
        }
        (Stands::TakenBack, _) => standing::resumed(known, snapshot, policy),
        // What is let run at the end of a subscription is not let run without money.
        (Stands::Open | Stands::Lost, Some(lost))
            if policy.at_the_end != AtTheEnd::Nothing && had_licenses =>
        {
            over(lost, known, snapshot, policy)
        }
        // Its own payment, or another one that this one had made up for.
        (Stands::Open | Stands::Lost, _)
            if known.causes.len() > state.causes.len() && !snapshot.licenses.is_empty() =>
        {
            standing::suspended(known, snapshot)
        }
        (Stands::Open | Stands::Lost, _) => match made_up_for(&taken, &known) {
            Some(why) => Plan { state: known, ..in_vain(why, snapshot) },
            // The purchase may be on its way, or wait for a mapping.
            None if snapshot.licenses.is_empty() => {
                let why = "no license is known to be paid by it";
                Plan { state: known, ..in_vain(why, snapshot) }
            }
            None if taken.open => standing::suspended(known, snapshot),
            // It is lost, and was over or paid for anew since.
            None => standing::resumed(known, snapshot, policy),
        },
    }
}

/// Of items that are not known together: of a purchase that is known they are a part; one that may still come must tell.
fn of_a_part(items: &PaymentId, news: TakenBack, snapshot: &Snapshot) -> Plan {
    let noted = |why| match stands(&news) {
        Stands::TakenBack => standing::noted(why, snapshot),
        Stands::Open | Stands::Lost => in_vain(why, snapshot),
    };
    if !snapshot.state.lines.is_empty() || !snapshot.licenses.is_empty() {
        return noted(
            "only a part of the purchase was refunded or disputed, so no license was changed",
        );
    }
    let news = TakenBack { items: Some(digest(items)), ..news };
    let mut state = snapshot.state.clone();
    let is_it = |known: &TakenBack| (known.cause, known.items) == (news.cause, news.items);
    if let Some(place) = state.taken_back.iter().position(is_it) {
        let known = state.taken_back.swap_remove(place);
        if (known.at, known.stands) > (news.at, news.stands) {
            return stale(snapshot);
        }
    }
    if state.taken_back.len() < MOST {
        state.taken_back.push(news);
    }
    Plan { state, ..noted("no license is known to be paid by it") }
}

fn digest(items: &PaymentId) -> u64 {
    let bytes = Sha256::digest(items.as_str());
    bytes.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// What went back before its purchase was told, now that it is known to be all of it.
pub(super) fn with_early<'s>(
    state: &'s SubjectState,
    payments: &[PaymentId],
    policy: &Policy,
) -> Cow<'s, SubjectState> {
    if state.taken_back.iter().all(|taken| taken.items.is_none()) {
        return Cow::Borrowed(state);
    }
    let all_of_it: Vec<u64> = payments.iter().map(digest).collect();
    let mut state = state.clone();
    for taken in &mut state.taken_back {
        if taken.items.is_some_and(|items| all_of_it.contains(&items)) {
            taken.items = None;
        }
    }
    judge(&mut state, policy);
    Cow::Owned(state)
}

/// Told to a person: no license changes.
fn in_vain(why: &'static str, snapshot: &Snapshot) -> Plan {
    Plan { concern: Some(Concern::NothingReversed), ..standing::noted(why, snapshot) }
}

/// When the newest was lost of what counts: the end is what it comes to.
fn lost(state: &SubjectState) -> Option<Timestamp> {
    let lost = state.taken_back.iter().filter(|taken| taken.open && stands(taken) == Stands::Lost);
    lost.map(|taken| taken.at).max()
}

fn over(at: Timestamp, state: SubjectState, snapshot: &Snapshot, policy: &Policy) -> Plan {
    match history::ended(&state, at) {
        Some(mut ended) => {
            judge(&mut ended, policy);
            standing::ended(ended, snapshot, policy)
        }
        None => standing::resumed(state, snapshot, policy),
    }
}

/// The purchase may be told by an event that does not say until when it pays, and by one that does: it is one payment.
pub(super) fn now_known(state: &mut SubjectState, purchase: Period) {
    for taken in &mut state.taken_back {
        let Period { through, .. } = taken.period;
        let says_nothing = taken.period != Period::ONCE && through.is_none();
        if says_nothing && !state.periods.contains(&taken.period) {
            taken.period = purchase;
        }
    }
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

/// What is known of money that went back, after an event.
enum Told {
    Newer {
        state: SubjectState,
        taken: TakenBack,
        /// It was known to be gone.
        repeats: bool,
    },
    /// What is known of this payment is newer.
    Older(SubjectState),
}

/// What is known after the event. At equal times the money is gone.
fn told(state: &SubjectState, mut news: TakenBack, policy: &Policy) -> Told {
    let mut state = state.clone();
    let mut repeats = false;
    let of_this_payment = |taken: &TakenBack| {
        (taken.cause, taken.period, taken.items) == (news.cause, news.period, news.items)
    };
    match state.taken_back.iter().position(of_this_payment) {
        Some(place) => {
            let mut known = state.taken_back.remove(place);
            let was_gone = is_gone(&known);
            if was_gone && stands(&news) == Stands::Open && since(&news) < since(&known) {
                // It is told late that the money was gone before.
                known.since = Some(since(&news));
            }
            if (known.at, Some(stands(&known))) > (news.at, news.stands) {
                state.taken_back.insert(place, known);
                judge(&mut state, policy);
                return Told::Older(state);
            }
            if was_gone {
                news.since = Some(since(&known));
            }
            repeats = was_gone && stands(&known) == stands(&news);
        }
        None if state.taken_back.len() >= MOST => {
            let idle = state.taken_back.iter().position(|taken| !taken.open);
            state.taken_back.remove(idle.unwrap_or_default());
        }
        None => {}
    }
    state.taken_back.push(news);
    judge(&mut state, policy);
    let taken = state.taken_back.last().copied().unwrap_or(news);
    Told::Newer { state, taken, repeats }
}

/// Licenses are suspended for money that is gone, unless other money makes up for it, or it came to the end.
pub(super) fn judge(state: &mut SubjectState, policy: &Policy) {
    let is_over = |taken: &TakenBack| {
        let ended = state.ended_at.is_some_and(|ended| ended >= taken.at);
        let paid_anew = state.paid_at.is_some_and(|paid| paid > taken.at);
        policy.at_the_end != AtTheEnd::Nothing && (ended || paid_anew)
    };
    let is_open = |taken: &TakenBack| match stands(taken) {
        // Nobody knows yet whether it is all of a purchase.
        _ if taken.items.is_some() => false,
        Stands::TakenBack => false,
        Stands::Open => made_up_for(taken, state).is_none(),
        Stands::Lost => made_up_for(taken, state).is_none() && !is_over(taken),
    };
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
    let period = taken.period;
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
    let mut back =
        state.taken_back.iter().filter(|gone| gone.period == other && gone.items.is_none());
    back.any(|gone| is_gone(gone) && in_time(gone))
}
