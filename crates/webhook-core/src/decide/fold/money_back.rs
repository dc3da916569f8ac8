//! Money that went back: compared once for each payment, what it brought less what is back.
//!
//! All of it back is a reason against the licenses that it paid for, unless other money makes up for it. Less is for a
//! person to know.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::described::described_period;
use super::payments::{Gone, Payment};
use super::periods::effective;
use crate::domain::command::{
    Amount, Funds, PaymentScope, Subject, SubjectKind, Sum, SuspensionReason,
};
use crate::domain::fact::{Fact, MoneyBack, Says, added};
use crate::domain::interval::same_second;
use crate::domain::policy::{Policy, Refunded};

/// The present state of one refund or dispute.
struct State<'f> {
    newest: (&'f MoneyBack, Timestamp),
    /// The earliest time at which it was told to be gone; without one, what the event of its end says.
    gone: Option<Timestamp>,
    ended: Timestamp,
    /// Refunds of a charge that failed after its newest sum.
    failed: i64,
}

impl State<'_> {
    fn since(&self) -> Timestamp {
        self.gone.unwrap_or(self.ended)
    }
}

/// Refunds that failed, by their ids: when, and how much.
type Failures<'f> = BTreeMap<Option<&'f str>, (Timestamp, i64)>;

/// Marks each payment of which all went back.
pub(super) fn take_out(
    subject: &Subject,
    facts: &[&Fact],
    payments: &mut [Payment],
    policy: &Policy,
) {
    let is_once = subject.kind == SubjectKind::Order;
    for payment in payments {
        let about = |fact: &&&Fact| {
            let is_of_it = |back: &MoneyBack| back.ids.iter().any(|id| payment.ids.contains(id));
            fact.money_back().is_some_and(|back| is_once || is_of_it(back))
        };
        // Money of a payment for no period takes no period back.
        if payment.pays_for_a_time() {
            let of_it: Vec<&Fact> = facts.iter().filter(about).copied().collect();
            let period_end =
                || effective(payment, facts).or_else(|| described_period(payment.at, facts));
            payment.gone = gone(payment, &of_it, period_end);
            let has_effect = |gone: &Gone| {
                gone.cause != SuspensionReason::Refund
                    || policy.refunded != Refunded::ChangesNothing
            };
            payment.gone.retain(has_effect);
        }
    }
}

/// What is not back with the vendor. An end that does not name what it ends is that of the newest before it with the same
/// sum, else of the newest. When that was told again does not matter.
fn standing<'s, 'f>(states: &'s States<'f>) -> Vec<&'s State<'f>> {
    let is_back = |state: &&State<'_>| state.newest.0.funds == Funds::Reinstated;
    let mut standing: Vec<&State<'_>> = states.values().filter(|state| !is_back(state)).collect();
    standing.sort_by_key(|state| state.since());
    let is_of_another = |state: &&State<'_>| state.newest.0.back.ends_another;
    let ends = states.values().filter(|state| is_back(state) && is_of_another(state));
    let mut ends: Vec<&State<'_>> = ends.filter(|state| state.gone.is_none()).collect();
    ends.sort_by_key(|state| state.since());
    for end in ends {
        let (back, at) = (end.newest.0, end.since());
        let is_before =
            |state: &State<'_>| state.newest.0.cause == back.cause && state.since() <= at;
        let is_same_sum = |state: &State<'_>| {
            back.back.amount.is_some() && state.newest.0.back.amount == back.back.amount
        };
        let same = standing.iter().rposition(|state| is_before(state) && is_same_sum(state));
        let ended = same.or_else(|| standing.iter().rposition(|state| is_before(state)));
        if let Some(place) = ended {
            standing.remove(place);
        }
    }
    standing
}

/// By cause and id.
type States<'f> = BTreeMap<(SuspensionReason, Option<&'f str>), State<'f>>;

fn gone(
    payment: &Payment,
    facts: &[&Fact],
    period_end: impl Fn() -> Option<Timestamp>,
) -> Vec<Gone> {
    let states = states(facts);
    let standing = standing(&states);
    if standing.is_empty() || !is_all_back(payment, &standing) {
        return Vec::new();
    }
    let (mut gone, period_end) = (BTreeMap::<SuspensionReason, Gone>::new(), period_end());
    for state in standing {
        let (back, at) = state.newest;
        let lost = (back.funds == Funds::Lost).then_some(at);
        let news = Gone { cause: back.cause, since: state.since(), at, lost, period_end };
        let known = gone.entry(back.cause).or_insert(news);
        known.since = known.since.min(state.since());
        known.at = known.at.max(at);
        known.lost = known.lost.max(lost);
    }
    gone.into_values().collect()
}

/// The newest state of each refund, adjustment, return and dispute. Of one time the money is gone.
fn states<'f>(facts: &[&'f Fact]) -> States<'f> {
    let mut states: States<'f> = BTreeMap::new();
    let mut failed: BTreeMap<(SuspensionReason, Option<&str>), Failures<'_>> = BTreeMap::new();
    for fact in facts {
        let Says::MoneyBack(back) = &fact.says else { continue };
        let key = (back.cause, back.back.id.as_deref());
        if back.back.sum == Sum::Failed && back.back.amount.is_some() {
            let value = back.back.amount.as_ref().map_or(0, |amount| amount.value);
            // Two events may tell one failure.
            let refund = back.back.refund.as_deref();
            failed.entry(key).or_default().entry(refund).or_insert((fact.at, value));
            continue;
        }
        let is_gone = back.funds == Funds::Withdrawn;
        let since = back.since.unwrap_or(fact.at);
        match states.get_mut(&key) {
            Some(known) => {
                if is_gone {
                    known.gone = Some(known.gone.map_or(since, |gone| gone.min(since)));
                }
                known.ended = known.ended.min(since);
                // Of one time, the larger sum so far is the newer one.
                let (newest, at) = known.newest;
                if (at, newest.funds, so_far(newest)) <= (fact.at, back.funds, so_far(back)) {
                    known.newest = (&**back, fact.at);
                }
            }
            None => {
                states.insert(
                    key,
                    State {
                        newest: (&**back, fact.at),
                        gone: is_gone.then_some(since),
                        ended: since,
                        failed: 0,
                    },
                );
            }
        }
    }
    for (key, failed) in failed {
        // A failure may not say of which charge it is.
        let so_far = states.iter().find(|(_, it)| it.newest.0.back.sum == Sum::SoFar);
        let key = match states.contains_key(&key) {
            true => Some(key),
            false => so_far.map(|(key, _)| *key),
        };
        if let Some(state) = key.and_then(|key| states.get_mut(&key)) {
            let after = failed.values().filter(|(at, _)| *at >= state.newest.1);
            state.failed = after.map(|(_, value)| *value).fold(0, i64::saturating_add);
        }
    }
    states
}

/// Only a sum so far grows; of the others, each tells its own.
fn so_far(back: &MoneyBack) -> Option<i64> {
    let amount = back.back.amount.as_ref().filter(|_| back.back.sum == Sum::SoFar);
    amount.map(|amount| amount.value)
}

/// Where sums can be compared, they decide; else the provider's word.
fn is_all_back(payment: &Payment, standing: &[&State<'_>]) -> bool {
    let brought = brought(payment);
    let is_comparable = |back: &Amount| match (&brought, &back.currency) {
        (Some(Amount { currency: Some(own), .. }), Some(other)) => own == other,
        (Some(_), _) => true,
        (None, _) => false,
    };
    let back = back(standing).filter(is_comparable);
    match brought.zip(back.clone()) {
        Some((brought, back)) if back.value > 0 && back.value >= brought.value => true,
        Some((brought, _)) => {
            standing.iter().any(|state| is_whole_single(state))
                || disputes_are_whole(standing, &brought)
                || items_are_back(payment, standing, Compare::Sums)
        }
        None => {
            standing.iter().any(|state| is_whole_by_word(state))
                || items_are_back(payment, standing, Compare::Words)
        }
    }
}

/// One adjustment or return that its provider calls whole is.
fn is_whole_single(state: &State<'_>) -> bool {
    let (back, _) = state.newest;
    let is_compared = back.cause == SuspensionReason::Dispute && back.back.amount.is_some();
    is_single(back) && !is_compared && back.back.is_whole == Some(true)
}

/// The sums of disputes may differ from the payment's by exchange rates (<https://docs.stripe.com/api/disputes/object>): from
/// half of it on they are all of it.
fn disputes_are_whole(standing: &[&State<'_>], brought: &Amount) -> bool {
    let disputed = standing.iter().map(|state| state.newest.0);
    let disputed =
        disputed.filter(|back| back.cause == SuspensionReason::Dispute && is_single(back));
    let values: Vec<i64> =
        disputed.filter_map(|back| Some(back.back.amount.as_ref()?.value)).collect();
    let sum = values.iter().copied().fold(0, i64::saturating_add);
    !values.is_empty() && sum.saturating_mul(2) >= brought.value
}

fn is_single(back: &MoneyBack) -> bool {
    back.back.sum == Sum::Single && back.back.items.is_empty()
}

/// By what items are compared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Compare {
    Sums,
    Words,
}

/// What all single payments brought, or the whole, whichever is known to be more.
fn brought(payment: &Payment) -> Option<Amount> {
    let parts = payment.parts.values().cloned().collect::<Option<Vec<Amount>>>();
    let parts = parts.and_then(|parts| sum(parts.into_iter()));
    match (parts, payment.amount.clone()) {
        (Some(parts), Some(whole)) if whole.value > parts.value => Some(whole),
        (Some(parts), _) => Some(parts),
        (None, whole) => whole,
    }
}

/// The sum of everything that is back; `None` where one does not say how much.
fn back(standing: &[&State<'_>]) -> Option<Amount> {
    let amounts = standing.iter().map(|state| {
        let amount = state.newest.0.back.amount.as_ref()?;
        let value = amount.value.saturating_sub(state.failed).max(0);
        Some(Amount { value, currency: amount.currency.clone() })
    });
    sum(amounts.collect::<Option<Vec<Amount>>>()?.into_iter())
}

fn sum(mut amounts: impl Iterator<Item = Amount>) -> Option<Amount> {
    let first = amounts.next()?;
    amounts.try_fold(first, |sum, amount| added(&sum, &amount))
}

fn is_whole_by_word(state: &State<'_>) -> bool {
    let (back, _) = state.newest;
    if !back.back.items.is_empty() {
        return false;
    }
    // A part of a charge that failed leaves nothing back where no sum is known.
    match (back.back.is_whole, back.cause) {
        (Some(whole), _) => whole && state.failed == 0,
        (None, SuspensionReason::Dispute) => true,
        (
            None,
            SuspensionReason::Refund
            | SuspensionReason::Payment
            | SuspensionReason::Pause
            | SuspensionReason::Collection,
        ) => false,
    }
}

/// All items of the subject went back, each by its sum or in the provider's word.
fn items_are_back(payment: &Payment, standing: &[&State<'_>], compare: Compare) -> bool {
    let is_back = |id: &str, paid: Option<i64>| {
        let of_it = || {
            let items = standing.iter().flat_map(|state| &state.newest.0.back.items);
            items.filter(|item| item.id == id)
        };
        let sum = of_it().map(|item| item.value).collect::<Option<Vec<i64>>>();
        let sum = sum.map(|values| values.into_iter().fold(0, i64::saturating_add));
        match (compare, paid, sum) {
            (Compare::Sums, Some(paid), Some(sum)) if paid > 0 && sum >= paid => true,
            (Compare::Sums | Compare::Words, _, _) => {
                of_it().any(|item| item.is_whole == Some(true))
            }
        }
    };
    // Nothing can go back of what cost nothing.
    let costs = || payment.items.iter().filter(|item| item.value != Some(0));
    costs().next().is_some() && costs().all(|item| is_back(&item.id, item.value))
}

/// Since when money is back for this cause that no other makes up for.
pub(super) fn newest(payments: &[Payment], cause: SuspensionReason) -> Option<Timestamp> {
    counting(payments).filter(|(_, gone)| gone.cause == cause).map(|(_, gone)| gone.at).max()
}

/// When money was lost that no other made up for.
pub(super) fn lost(payments: &[Payment]) -> impl Iterator<Item = Timestamp> {
    counting(payments).filter_map(|(_, gone)| gone.lost)
}

/// Money that is gone and that no other makes up for.
pub(super) fn counting(payments: &[Payment]) -> impl Iterator<Item = (&Payment, &Gone)> {
    payments.iter().flat_map(move |payment| {
        let counts = move |gone: &&Gone| !is_made_up_for(payment, gone, payments);
        payment.gone.iter().filter(counts).map(move |gone| (payment, gone))
    })
}

/// Whether licenses run on other money, which did not go back itself.
pub(super) fn is_made_up_for(payment: &Payment, gone: &Gone, payments: &[Payment]) -> bool {
    is_within_another(payment, payments) || in_its_place(payment, gone, payments).next().is_some()
}

/// Newer payments for another time, which make up for it. What is disputed must have been made up for by then.
fn in_its_place<'p>(
    payment: &'p Payment,
    gone: &'p Gone,
    payments: &'p [Payment],
) -> impl Iterator<Item = &'p Payment> + 'p {
    let in_time =
        |other: &Payment| gone.cause != SuspensionReason::Dispute || other.at <= gone.since;
    others(payment, payments).filter(move |other| {
        in_time(other) && is_later(other, payment) && is_money_or_later(other, gone)
    })
}

/// Whether it was for a change within a period whose money is back, and that another payment made up for later: then it is
/// for no time of its own. One that was made after that is.
pub(super) fn lost_its_period(payment: &Payment, payments: &[Payment]) -> bool {
    let mut periods = payments.iter().filter(|period| is_changed_by(period, payment)).peekable();
    let is_lost = |period: &Payment| {
        let made_up = |gone: &Gone| {
            let mut newer = in_its_place(period, gone, payments).peekable();
            newer.peek().is_some() && newer.all(|other| other.at > payment.at)
        };
        !period.gone.is_empty()
            && !is_within_another(period, payments)
            && period.gone.iter().all(made_up)
    };
    periods.peek().is_some() && periods.all(is_lost)
}

/// Whether it was for a change: an earlier payment, which did not go back, is for the same time or longer.
pub(super) fn is_within_another(payment: &Payment, payments: &[Payment]) -> bool {
    others(payment, payments).any(|other| covers(other, payment))
}

/// Other payments for a period of their own, which did not go back.
fn others<'p>(
    payment: &'p Payment,
    payments: &'p [Payment],
) -> impl Iterator<Item = &'p Payment> + 'p {
    payments.iter().filter(move |other| {
        !std::ptr::eq(*other, payment)
            && other.scope == PaymentScope::Period
            && other.gone.is_empty()
            && !is_for_a_change(other, payments)
    })
}

/// Whether a payment brought money, or starts when the period of the money that is gone is over. A payment that brought
/// nothing was paid from credit, perhaps from that very money; a later period was given away. Of a period whose end is not
/// known nobody can say that it is over. An unknown amount is money.
fn is_money_or_later(other: &Payment, gone: &Gone) -> bool {
    let starts = other.starts.unwrap_or(other.at);
    let is_over = |end: Timestamp| starts >= end || same_second(starts, end);
    !brought_nothing(other) || gone.period_end.is_some_and(is_over)
}

/// Whether its whole amount is 0, or that of each item of the subject.
fn brought_nothing(payment: &Payment) -> bool {
    let items = &payment.items;
    brought(payment).is_some_and(|brought| brought.value == 0)
        || (!items.is_empty() && items.iter().all(|item| item.value == Some(0)))
}

/// Whether a payment can take back the end that lost disputes made. It must bring money, or start after the lost period.
pub(super) fn makes_up_for_losses(payment: &Payment, payments: &[Payment]) -> bool {
    let mut lost = counting(payments).filter(|(_, gone)| gone.lost.is_some());
    lost.all(|(_, gone)| is_money_or_later(payment, gone))
}

/// Whether it ends on the same date as an earlier payment: it is for a change within that period, and for no time of its own.
pub(super) fn is_for_a_change(payment: &Payment, payments: &[Payment]) -> bool {
    payments.iter().any(|period| is_changed_by(period, payment))
}

fn is_changed_by(period: &Payment, payment: &Payment) -> bool {
    let ends = period.end.zip(payment.end);
    is_of_its_time(period, payment) && ends.is_some_and(|(period, own)| same_second(period, own))
}

/// An earlier payment is for the same time or longer: this one was for a change in between.
fn covers(other: &Payment, payment: &Payment) -> bool {
    let ends = other.end.zip(payment.end);
    is_of_its_time(other, payment)
        && ends.is_some_and(|(other, own)| other >= own || same_second(other, own))
}

/// An earlier payment, for a time that begins no later where both say it. What was added within a period may be paid before
/// the period is.
fn is_of_its_time(other: &Payment, payment: &Payment) -> bool {
    let starts = other.starts.zip(payment.starts);
    other.at < payment.at
        && starts.is_none_or(|(other, own)| other <= own || same_second(other, own))
}

/// A newer payment is for another time, later or not: a change from years to months ends sooner.
fn is_later(other: &Payment, payment: &Payment) -> bool {
    let ends = other.end.zip(payment.end);
    other.at > payment.at && !ends.is_some_and(|(other, own)| same_second(other, own))
}
