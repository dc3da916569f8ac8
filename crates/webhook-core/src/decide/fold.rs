//! What all facts of a subject entitle to. The order in which they were told decides nothing.

mod described;
mod end;
mod failures;
mod lines;
mod money_back;
mod naming;
mod orders;
mod payments;
mod periods;
mod status;

use jiff::Timestamp;

use crate::domain::command::{
    Effect, PaymentScope, Subject, Subscribed, SubscriptionRecord, SuspensionReason,
};
use crate::domain::entitlement::{Entitlements, Purchase};
use crate::domain::fact::{Described, Fact, Ordered, Paid, Role, handed_to};
use crate::domain::ids::PaymentId;
use crate::domain::policy::{AtTheEnd, Policy, Refunded};

pub(super) use lines::{came_with_another, own_path};
use payments::Payment;

/// The entitlements of a subject from its facts.
pub fn fold<'f>(
    subject: &Subject,
    facts: impl Iterator<Item = &'f Fact>,
    policy: &Policy,
) -> Entitlements {
    let facts = in_order(facts);
    let payments = payments(subject, &facts, policy);
    let lines = lines::of(&facts, policy);
    let purchase = lines.purchase(&payments);
    let ended = ended(&facts, &payments, policy);
    let refunded = match policy.refunded {
        Refunded::Revokes => money_back::newest(&payments, SuspensionReason::Refund),
        Refunded::Suspends | Refunded::ChangesNothing => None,
    };
    let bought = match purchase {
        Purchase::Unpaid => lines::Lines::default(),
        Purchase::Unknown | Purchase::Foreign | Purchase::Known | Purchase::SeenByPayment => lines,
    };
    Entitlements {
        end: end::of(subject, &facts, &payments, policy),
        reasons: status::reasons(&facts, &payments, ended, policy),
        over: ended.or(refunded),
        the_end: match (policy.at_the_end, refunded) {
            (AtTheEnd::Revoke | AtTheEnd::Delete, _) | (_, None) if ended.is_some() => {
                policy.at_the_end
            }
            (_, Some(_)) => AtTheEnd::Revoke,
            (_, None) => AtTheEnd::Nothing,
        },
        failing: failures::newest(&facts, &payments),
        purchase,
        new_owner: handed_to(facts.iter().copied()),
        names_nothing: bought.names_nothing,
        unmapped: bought.unmapped(),
        count: bought.count(),
        seats: bought.seats(subject),
        most: bought.most,
        gone: bought.gone,
    }
}

/// All payments, the oldest first, with what went back of each.
fn payments(subject: &Subject, facts: &[&Fact], policy: &Policy) -> Vec<Payment> {
    let mut payments = payments::of(subject, facts);
    money_back::take_out(subject, facts, &mut payments, policy);
    payments
}

/// Whether the subject stays licensed without the money of this payment: another one pays for the same time, or it pays for no
/// time of its own. That is so for a one-off, for a change whose end is not told (its invoice credits what it charges), and for
/// a payment that is not known.
pub(super) fn is_for_a_change<'f>(
    subject: &Subject,
    facts: impl Iterator<Item = &'f Fact>,
    policy: &Policy,
    ids: &[PaymentId],
) -> bool {
    let payments = payments(subject, &in_order(facts), policy);
    let payment = payments.iter().find(|payment| payment.shares_an_id(ids));
    payment.is_none_or(|payment| {
        !payment.pays_for_a_time() || money_back::is_within_another(payment, &payments)
    })
}

/// Whether what a fact tells to be paid is for the period, as what else is known tells.
pub(super) fn is_for_the_period<'f>(
    subject: &Subject,
    facts: impl Iterator<Item = &'f Fact>,
    paid: &Paid,
) -> bool {
    let payments = payments::of(subject, &in_order(facts));
    let is_it = |payment: &&Payment| payment.shares_an_id(&paid.ids);
    payments.iter().find(is_it).is_some_and(|it| it.scope == PaymentScope::Period)
}

/// In the order in which they happened; facts of one time by their ranks.
pub(super) fn in_order<'f>(facts: impl Iterator<Item = &'f Fact>) -> Vec<&'f Fact> {
    let mut facts: Vec<&Fact> = facts.collect();
    facts.sort_by(|a, b| (a.at, a.rank(), &a.event).cmp(&(b.at, b.rank(), &b.event)));
    let is_tied = |one: &Fact, other: &Fact| {
        (one.at, one.rank()) == (other.at, other.rank()) && one.described().is_some()
    };
    if facts.windows(2).any(|pair| matches!(pair, [one, other] if is_tied(one, other))) {
        order_ties(&mut facts);
    }
    facts
}

/// Descriptions of one second are rare: what orders them is made only for them.
fn order_ties(facts: &mut [&Fact]) {
    let bought = bought(facts);
    let mut before = bought.as_ref();
    for told_at_once in facts.chunk_by_mut(|a, b| (a.at, a.rank()) == (b.at, b.rank())) {
        order_by_changes(told_at_once, before);
        before = told_at_once.iter().rev().find_map(|fact| fact.described()).or(before);
    }
}

/// What was bought, as a description would tell it. Of several orders of one purchase the largest quantity counts.
fn bought(facts: &[&Fact]) -> Option<Described> {
    let orders = facts.iter().filter_map(|fact| fact.ordered());
    let orders = orders.filter(|order| order.role != Role::Addition && !order.lines.is_empty());
    let largest = |order: &&Ordered| order.lines.iter().map(|line| line.quantity).max();
    let order = orders.max_by_key(largest)?;
    let subscribed = Subscribed {
        lines: order.lines.clone(),
        unmapped: Vec::new(),
        with_add_ons: true,
        takes_effect: Effect::AtOnce,
    };
    let record = SubscriptionRecord { quantity: largest(&order), ..SubscriptionRecord::default() };
    Some(Described { record, subscribed: Some(subscribed), collects: None, previous: None })
}

/// Orders descriptions of one time: each comes after the one that it says was before. Among several that may be next, the first
/// that follows what was described or bought `before` is next. If none follows it, their order stays.
fn order_by_changes<'b, 'f: 'b>(facts: &mut [&'f Fact], mut before: Option<&'b Described>) {
    let follows = |one: &Fact, other: &Fact| {
        one.described().zip(other.described()).is_some_and(|(one, other)| one.follows(other))
    };
    for place in 0..facts.len() {
        let Some(left) = facts.get_mut(place..).filter(|left| left.len() > 1) else { return };
        let is_first =
            |one: &Fact| !left.iter().any(|other| follows(one, other) && !follows(other, one));
        let goes_on = |one: &Fact| {
            one.described().zip(before).is_some_and(|(one, before)| one.follows(before))
        };
        let first = left.iter().position(|one| is_first(one) && goes_on(one));
        let first = first.or_else(|| left.iter().position(|one| is_first(one)));
        if let Some(left) = first.and_then(|first| left.get_mut(..=first)) {
            left.rotate_right(1);
        }
        before = left.first().and_then(|fact| fact.described());
    }
}

/// Only a newer payment takes an end back, if it pays for a time after it. What was used before buys no time.
fn ended(facts: &[&Fact], payments: &[Payment], policy: &Policy) -> Option<Timestamp> {
    let ended = facts.iter().filter(|fact| fact.is_end()).map(|fact| fact.at);
    let lost = (policy.at_the_end != AtTheEnd::Nothing)
        .then(|| money_back::lost(payments).max())
        .flatten();
    let end = ended.max().max(lost)?;
    let takes_back = |payment: &&Payment| {
        payment.at > end
            && payment.pays_for_the_subject()
            && !payment.is_usage
            && !money_back::is_for_a_change(payment, payments)
            && money_back::makes_up_for_losses(payment, payments)
            && payment.end.is_none_or(|through| through > end)
    };
    payments.iter().find(takes_back).is_none().then_some(end)
}
