//! What is owed, as one-line stories: each is told in every order, or in 24 orders of many, and with everything told twice.

use jiff::Timestamp;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;

use super::runner;
use super::words::{events, policy, subject};
use crate::decide::fold::fold;
use crate::domain::entitlement::Entitlements;
use crate::domain::fact::{Fact, Facts};
use crate::domain::policy::Policy;

/// What it is about, the policy, the story, and what is owed then.
const STORIES: &[(&str, &str, &str, &str)] = &[
    // Payments.
    (
        "payments follow each other",
        "",
        "09-01 buy 2xA until 10-01; 10-01 pay until 11-01; 11-01 pay until 12-01",
        "2 A until 2026-12-01",
    ),
    (
        "payments that tell no date count intervals",
        "",
        "09-01 buy 1xA; 10-01 pay",
        "1 A for one interval from 2026-09-01 and one from 2026-10-01",
    ),
    ("an order that nobody paid", "", "09-01 order 1xA", "nothing"),
    (
        "a proration is for a change within the period that is not paid",
        "",
        "09-01 buy 1xA until 10-01; 10-01 is past_due from 10-01 until 11-01; 10-05 pay proration from 10-05 until 11-01",
        "1 A until 2026-10-01, suspended: payment",
    ),
    (
        "a proration of which no period is described",
        "",
        "09-01 buy 1xA until 10-01; 10-05 pay proration from 10-05 until 11-01",
        "1 A until 2026-10-01",
    ),
    (
        "a proration from a period's described start is its payment",
        "",
        "09-01 buy 1xA until 10-01; 09-15 pay proration from 09-15 until 10-15; 09-16 is active from 09-15 until 10-15",
        "1 A until 2026-10-15",
    ),
    (
        "prorations that follow a paid period, each from the end of the one before",
        "",
        "09-01 buy 1xA until 10-01; 10-01 pay proration from 10-01 until 11-01; 11-01 pay proration from 11-01 until 12-01",
        "1 A until 2026-12-01",
    ),
    (
        "two changes of one second prove no period to each other",
        "",
        "09-01 buy 1xA until 10-01; 10-05 pay proration from 10-05 until 11-01; 10-05 pay proration from 10-05 until 11-01",
        "1 A until 2026-10-01",
    ),
    (
        "a change within a period after the end gives nothing back",
        "",
        "09-01 buy 1xA until 10-01; 09-10 end; 09-11 pay proration from 09-11 until 11-01",
        "1 A until 2026-10-01, over since 2026-09-10",
    ),
    // Failures.
    (
        "a failed renewal suspends",
        "",
        "09-01 buy 1xA until 10-01; 10-01 fail until 11-01",
        "1 A until 2026-10-01, suspended: payment",
    ),
    (
        "a failure counts until its period is paid",
        "",
        "09-01 buy 1xA until 10-01; 10-01 fail until 11-01; 10-03 fail until 11-01; 10-05 pay until 11-01",
        "1 A until 2026-11-01",
    ),
    (
        "a failure of a period that is paid",
        "",
        "09-01 buy 1xA until 10-01; 10-01 pay until 11-01; 10-02 fail until 11-01",
        "1 A until 2026-11-01",
    ),
    (
        "a failure of the period after the paid one",
        "",
        "09-01 buy 1xA until 10-01; 10-01 pay until 11-01; 11-01 fail until 12-01",
        "1 A until 2026-11-01, suspended: payment",
    ),
    (
        "a failure without a period, then a payment",
        "",
        "09-01 buy 1xA until 10-01; 10-01 fail; 10-02 pay until 11-01",
        "1 A until 2026-11-01",
    ),
    (
        "a year fails, a month is paid",
        "",
        "09-01 buy 1xA until 2027-09-01; 2027-09-01 fail until 2028-09-01; 2027-09-02 pay until 2027-10-02",
        "1 A until 2027-10-02",
    ),
    (
        "overdue until a payment reaches the described end",
        "",
        "09-01 buy 1xA until 10-01; 10-01 is past_due until 11-01; 10-02 pay until 11-01",
        "1 A until 2026-11-01",
    ),
    (
        "a weekly price with more grace than a week",
        "grace 8",
        "09-01 buy 1xA until 09-08; 09-08 fail until 09-15; 09-15 fail until 09-22",
        "1 A until 2026-09-08 or 2026-09-16",
    ),
    (
        "a weekly price that is paid late and fails again",
        "grace 8",
        "09-01 buy 1xA until 09-08; 09-08 fail until 09-15; 09-12 pay until 09-15; 09-15 fail until 09-22",
        "1 A until 2026-09-15 or 2026-09-23",
    ),
    // Pauses.
    (
        "a pause ends by a payment",
        "",
        "09-01 buy 1xA until 10-01; 09-10 pause; 10-01 pay until 11-01",
        "1 A until 2026-11-01",
    ),
    (
        "a payment before a pause does not end it",
        "",
        "09-01 buy 1xA until 10-01; 10-01 pay until 11-01; 10-02 pause",
        "1 A until 2026-11-01, suspended: pause",
    ),
    // Ends.
    (
        "an end before the purchase",
        "",
        "09-01 end; 09-02 buy 1xA until 10-02",
        "1 A until 2026-10-02",
    ),
    (
        "an end before the purchase, then a newer payment",
        "",
        "09-01 end; 09-02 buy 1xA until 10-02; 10-02 pay until 11-02",
        "1 A until 2026-11-02",
    ),
    (
        "a change that is older than the end",
        "",
        "09-01 buy 2xA until 10-01; 09-10 lists 3xA; 09-11 end",
        "3 A until 2026-10-01, over since 2026-09-11",
    ),
    (
        "a change that is older than an end which a payment takes back",
        "",
        "09-01 buy 2xA until 10-01; 09-10 lists 3xA; 09-11 end; 09-20 pay until 11-01",
        "3 A until 2026-11-01",
    ),
    (
        "a first invoice after the end, for the time before it",
        "",
        "09-01 order 1xA; 09-05 end; 09-06 first until 09-05",
        "1 A until 2026-09-05, over since 2026-09-05",
    ),
    (
        "a first invoice after the end, for the time after it",
        "",
        "09-01 order 1xA; 09-05 end; 09-06 first until 10-06",
        "1 A until 2026-10-06",
    ),
    (
        "two ends with a payment between them",
        "",
        "09-01 buy 1xA until 10-01; 09-10 end; 09-15 pay until 11-01; 09-20 end",
        "1 A until 2026-11-01, over since 2026-09-20",
    ),
    (
        "two ends, then a payment",
        "",
        "09-01 buy 1xA until 10-01; 09-10 end; 09-15 end; 09-20 pay until 11-01",
        "1 A until 2026-11-01",
    ),
    (
        "an end of the time of the payment that would take it back",
        "",
        "09-01 buy 1xA until 10-01; 10-01 end; 10-01 pay until 11-01",
        "1 A until 2026-11-01, over since 2026-10-01",
    ),
    // Lines.
    (
        "fewer seats, then more",
        "",
        "09-01 buy 3xA until 2027-09-01; 10-01 lists 1xA; 11-01 lists 2xA",
        "2 A and 1 spare until 2027-09-01",
    ),
    (
        "an add-on is given up",
        "",
        "09-01 buy 1xA@pro until 2027-09-01; 10-01 lists 1xA@pro 1xB@addon:pro/help; 11-01 lists 1xA@pro",
        "1 A until 2027-09-01",
    ),
    (
        "an add-on is given up and bought again",
        "",
        "09-01 buy 1xA@pro 1xB@addon:pro/help until 2027-09-01; 10-01 lists 1xA@pro; \
         11-01 lists 1xA@pro 1xB@addon:pro/help",
        "1 A + 1 B until 2027-09-01",
    ),
    (
        "an add-on that was given up comes back without its product",
        "",
        "09-01 buy 1xA@pro 1xB@addon:pro/help until 2027-09-01; 10-01 lists 1xA@pro; \
         11-01 lists 1xA@pro 1x?@addon:pro/help",
        "1 A + 1 B until 2027-09-01",
    ),
    (
        "a switch whose charge and update are of one millisecond",
        "",
        "09-01 buy 1xA@pro until 10-01; 09-15 pay change until 10-01 bills 1xplus; \
         09-15 lists 1xB@plus when-charged",
        "1 B until 2026-10-01",
    ),
    (
        "a switch that its next charge bills",
        "",
        "09-01 buy 1xA@pro until 10-01; 09-15 lists 1xB@plus when-charged; 10-01 pay until 11-01 bills 1xplus",
        "1 B until 2026-11-01",
    ),
    (
        "a switch that nothing bills yet",
        "",
        "09-01 buy 1xA@pro until 10-01; 09-15 lists 1xB@plus when-charged; 10-01 pay until 11-01 bills 1xpro",
        "1 A until 2026-11-01",
    ),
    (
        "a mapped plan becomes a foreign one",
        "",
        "09-01 buy 1xA@pro until 2027-09-01; 10-01 lists !sub_1",
        "1 A until 2027-09-01",
    ),
    (
        "a mapped plan becomes a foreign one and comes back",
        "",
        "09-01 buy 2xA@pro until 2027-09-01; 10-01 lists !sub_1; 11-01 lists 2xA@pro",
        "2 A until 2027-09-01",
    ),
    (
        "a description without lines",
        "",
        "09-01 buy 2xA@pro until 2027-09-01; 10-01 lists",
        "2 A until 2027-09-01",
    ),
    (
        "a description without lines before the purchase",
        "",
        "09-01 lists; 09-02 buy 2xA@pro until 2027-09-01",
        "2 A until 2027-09-01",
    ),
    (
        "a product is replaced and comes back",
        "",
        "09-01 buy 1xA@pro until 2027-09-01; 10-01 lists 1xB@plus; 11-01 lists 1xA@pro",
        "1 A until 2027-09-01",
    ),
    // Money back.
    (
        "a refund, perhaps before any delivery of its payment",
        "",
        "09-01 buy 1xA until 10-01; 10-01 pay until 11-01 for 900 usd; 10-02 refund of pay_2 for 900 usd",
        "1 A until 2026-11-01, suspended: refund",
    ),
    (
        "a refund with an older time than its payment",
        "",
        "09-01 buy 1xA until 10-01; 10-02 pay until 11-01 for 900 usd; 10-01 refund of pay_2 for 900 usd",
        "1 A until 2026-11-01, suspended: refund",
    ),
    (
        "a refund, then a newer payment",
        "",
        "09-01 buy 1xA until 10-01; 10-01 pay until 11-01; 10-02 refund of pay_2; 10-20 pay until 12-01",
        "1 A until 2026-12-01",
    ),
    (
        "a refund that is taken back",
        "",
        "09-01 buy 1xA until 10-01; 09-02 refund of pay_1; 09-03 unrefund of pay_1",
        "1 A until 2026-10-01",
    ),
    (
        "parts of a refund add up",
        "",
        "09-01 buy 1xA until 10-01 for 900 usd; 09-02 refund of pay_1 for 400 usd part; \
         09-03 refund of pay_1 for 500 usd part named 2",
        "1 A until 2026-10-01, suspended: refund",
    ),
    (
        "a dispute is lost",
        "",
        "09-01 buy 1xA until 10-01; 09-02 dispute of pay_1; 09-20 lose of pay_1",
        "1 A until 2026-10-01, over since 2026-09-20",
    ),
    (
        "a renewal that also bills a change goes back",
        "",
        "09-01 buy 1xA until 10-01; 10-01 pay change until 11-01; 10-02 dispute of pay_2",
        "1 A until 2026-11-01, suspended: dispute",
    ),
    (
        "a change within the period goes back",
        "",
        "09-01 buy 1xA until 10-01; 09-15 pay change until 10-01; 09-20 dispute of pay_2",
        "1 A until 2026-10-01",
    ),
    (
        "a change within the period goes back, and then the period",
        "",
        "09-01 buy 1xA until 10-01; 09-15 pay change until 10-01; 09-20 dispute of pay_2; 09-21 refund of pay_1",
        "1 A until 2026-10-01, suspended: refund dispute",
    ),
    (
        "a charge for a change that does not say until when goes back",
        "",
        "09-01 buy 1xA until 10-01; 09-15 pay change; 09-20 dispute of pay_2",
        "1 A until 2026-10-01 and one from 2026-09-15",
    ),
    (
        "a refund, then a renewal that is given away",
        "",
        "09-01 buy 1xA until 10-01 for 900 usd; 09-20 refund of pay_1 for 900 usd; 10-01 pay from 10-01 until 11-01 for 0 usd",
        "1 A until 2026-11-01",
    ),
    (
        "a refund, then a renewal that is given away and tells no start",
        "",
        "09-01 buy 1xA until 10-01 for 900 usd; 09-20 refund of pay_1 for 900 usd; 10-01 pay until 11-01 for 0 usd",
        "1 A until 2026-11-01",
    ),
    (
        "a switch that credit paid, then a refund of what the credit is from",
        "",
        "09-01 buy 1xA until 2027-09-01 for 900 usd; 09-10 pay from 09-10 until 10-10 for 0 usd;          09-20 refund of pay_1 for 900 usd",
        "1 A until 2027-09-01, suspended: refund",
    ),
    (
        "a switch that credit paid and that tells no start",
        "",
        "09-01 buy 1xA until 2027-09-01 for 900 usd; 09-10 pay until 10-10 for 0 usd; 09-20 refund of pay_1 for 900 usd",
        "1 A until 2027-09-01, suspended: refund",
    ),
    (
        "a switch for nothing of which only a description tells that it is within the period",
        "",
        "09-01 first for 900 usd; 09-01 is active 1xA from 09-01 until 10-01; 09-01 order 1xA;          09-10 pay from 09-10 until 10-10 for 0 usd; 09-20 refund of pay_1 for 900 usd",
        "1 A until 2026-10-10, suspended: refund",
    ),
    (
        "a switch of an amount that is not known",
        "",
        "09-01 buy 1xA until 2027-09-01 for 900 usd; 09-10 pay from 09-10 until 10-10; 09-20 refund of pay_1 for 900 usd",
        "1 A until 2026-10-10",
    ),
    (
        "a switch that credit paid, after the credit's own payment was lost",
        "",
        "09-01 buy 1xA until 2027-09-01 for 900 usd; 09-02 dispute of pay_1 for 900 usd; 09-20 lose of pay_1 for 900 usd;          09-25 pay from 09-25 until 10-25 for 0 usd",
        "1 A until 2027-09-01, over since 2026-09-20",
    ),
    (
        "what was added to a free trial goes back",
        "",
        "09-01 buy 1xA until 10-01 for 0 usd; 09-05 pay from 09-05 until 10-01 for 50 usd; 09-06 refund of pay_2 for 50 usd",
        "1 A until 2026-10-01",
    ),
    (
        "of two chargebacks the one of the same sum is reversed",
        "",
        "09-01 buy 1xA until 10-01 for 100 usd; 09-02 dispute of pay_1 for 70 usd; 09-03 dispute of pay_1 for 20 usd named 2; 09-10 win of pay_1 for 70 usd named 3",
        "1 A until 2026-10-01",
    ),
    (
        "a payment of another currency than the one before goes back",
        "",
        "09-01 buy 1xA until 10-01 for 900 usd; 10-01 pay until 11-01 for 800 eur; 10-02 refund of pay_2 for 800 eur",
        "1 A until 2026-11-01, suspended: refund",
    ),
    (
        "a refund in another currency, which its provider calls a part",
        "",
        "09-01 buy 1xA until 10-01 for 900 usd; 09-02 refund of pay_1 for 900 eur part",
        "1 A until 2026-10-01",
    ),
    (
        "a refund in another currency, which its provider calls whole",
        "",
        "09-01 buy 1xA until 10-01 for 900 usd; 09-02 refund of pay_1 for 700 eur whole",
        "1 A until 2026-10-01, suspended: refund",
    ),
];

/// As many orders as four events have.
const MOST_ORDERS: usize = 24;

#[test]
fn stories_come_to_what_is_owed_in_every_order() {
    let mut wrong = Vec::new();
    for (about, choices, story, expected) in STORIES {
        let (told, policy) = (events(story), policy(choices));
        let in_order = folded(&told, &policy);
        let owed = in_words(&in_order);
        if owed != *expected {
            wrong.push(format!("{about}\n  {story}\n  expected {expected}\n  owed     {owed}"));
            continue;
        }
        for order in orders(&told) {
            let again: Vec<Vec<Fact>> = order.iter().chain(order.iter().rev()).cloned().collect();
            for told in [&order, &again] {
                let other = folded(told, &policy);
                if other != in_order {
                    let names: Vec<&str> =
                        told.iter().map(|event| event[0].event.as_str()).collect();
                    let owed = in_words(&other);
                    wrong.push(format!("{about}\n  {story}\n  told as {names:?}\n  owed {owed}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn folded(told: &[Vec<Fact>], policy: &Policy) -> Entitlements {
    let mut facts = Facts::default();
    told.iter().for_each(|event| facts.add(event));
    fold(&subject(), facts.all(), policy)
}

/// All of them of up to four events, else some that a seed draws.
fn orders(told: &[Vec<Fact>]) -> Vec<Vec<Vec<Fact>>> {
    if told.len() <= 4 {
        return permutations(told);
    }
    let (mut runner, shuffled) = (runner(2026, 1), Just(told.to_vec()).prop_shuffle());
    (0..MOST_ORDERS).map(|_| shuffled.new_tree(&mut runner).unwrap().current()).collect()
}

fn permutations<T: Clone>(of: &[T]) -> Vec<Vec<T>> {
    if of.is_empty() {
        return vec![Vec::new()];
    }
    let places = 0..of.len();
    let with_first = places.flat_map(|first| {
        let mut rest = of.to_vec();
        let first = rest.remove(first);
        permutations(&rest).into_iter().map(move |mut order| {
            order.insert(0, first.clone());
            order
        })
    });
    with_first.collect()
}

/// `2 A until 2026-10-01, suspended: payment`.
pub(super) fn in_words(of: &Entitlements) -> String {
    let mut counts: Vec<(String, u32, u32)> = Vec::new();
    for seat in &of.seats {
        let product = seat.mapping.as_ref().map_or("?", |mapping| mapping.product.as_str());
        if counts.last().is_none_or(|(known, ..)| known != product) {
            counts.push((product.to_owned(), 0, 0));
        }
        if let Some((_, running, spare)) = counts.last_mut() {
            *(if seat.is_spare { spare } else { running }) += 1;
        }
    }
    let seats = counts.iter().map(|(product, running, spare)| match spare {
        0 => format!("{running} {product}"),
        spare => format!("{running} {product} and {spare} spare"),
    });
    let mut text = seats.collect::<Vec<_>>().join(" + ");
    if text.is_empty() {
        text.push_str("nothing");
    }
    let day = |at: Timestamp| at.to_string().replace("T00:00:00Z", "");
    let end = &of.end;
    text.extend(end.date.map(|date| format!(" until {}", day(date))));
    text.extend(end.bought_at.map(|at| format!(" for one interval from {}", day(at))));
    text.extend(end.one_more.as_ref().map(|it| format!(" and one from {}", day(it.charged_at))));
    text.extend(end.grace.map(|grace| format!(" or {}", day(grace))));
    text.extend(of.over.map(|over| format!(", over since {}", day(over))));
    if !of.reasons.is_empty() {
        let causes = of.reasons.keys().map(|cause| format!("{cause:?}").to_lowercase());
        text.push_str(&format!(", suspended: {}", causes.collect::<Vec<_>>().join(" ")));
    }
    text
}
