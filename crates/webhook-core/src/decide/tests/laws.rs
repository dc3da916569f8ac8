//! Laws of the set and of the fold, tried on random facts.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::runner;
use super::stories::in_words;
use super::words::{events, policy, subject};
use crate::decide::fold::fold;
use crate::domain::entitlement::Entitlements;
use crate::domain::fact::{Fact, Facts};

/// What an event may say, without its time. Few payments, products and days, so that facts meet.
const ORDERS: &[&str] = &[
    "buy 1xA until 10-01 for 900 usd as p1",
    "buy 2xA until 10-01 for 900 usd as p1",
    "buy 1xA 1xC@addon:A/help until 10-01 as p1",
    "buy 1xA as p1",
    "order 2xA as p1",
    "order !x as p1",
    "first until 10-01 for 900 usd as p1",
    "add 1xC@addon:A/help as p6",
];

/// What an event may say after the purchase.
const PHRASES: &[&str] = &[
    "pay until 10-01 from 09-01 as p2",
    "pay until 11-01 from 10-01 for 900 usd as p3",
    "pay until 12-01 from 11-01 for 800 eur as p4",
    "pay until 12-01 from 11-01 for 800 eur as p5",
    "pay as p8",
    "pay change until 10-01 as p6 bills 1xB",
    "pay one-off as p7 until 10-01",
    "fail",
    "fail until 10-01",
    "fail until 11-01",
    "is active 1xA from 09-01 until 10-01",
    "is active from 10-01 until 11-02",
    "is trialing from 09-01 until 10-05",
    "is past_due until 11-01",
    "is unpaid until 11-01",
    "is canceled",
    "lists 1xA",
    "lists 3xA",
    "lists 1xB",
    "lists 0xA",
    "lists 1xA 1xC@addon:A/help",
    "lists 2xB when-charged",
    "lists 1xB when-charged",
    "lists !x",
    "lists",
    "pause",
    "resume",
    "end",
    "refund of p1",
    "refund of p3",
    "refund of p3 for 400 usd part",
    "refund of p3 for 500 usd part named 2",
    "refund of p4 for 800 usd",
    "unrefund of p1",
    "unrefund of p3 for 500 usd named 2",
    "dispute of p2",
    "dispute of p3 for 900 usd",
    "win of p2",
    "lose of p3 for 900 usd",
];

const DAYS: &[&str] =
    &["09-01", "09-02", "09-15", "10-01", "10-01T12", "10-02", "10-20", "11-01", "11-20"];

pub(super) const POLICIES: &[&str] = &["", "grace 8", "revoke", "delete", "none", "none grace 8"];

/// Anything, in words, which a failure prints.
fn random_story(most: usize) -> impl Strategy<Value = String> {
    let says = prop_oneof![1 => select(ORDERS), 3 => select(PHRASES)];
    let event = (select(DAYS), says).prop_map(|(day, says)| format!("{day} {says}"));
    vec(event, 1..most).prop_map(|events| events.join("; "))
}

/// One purchase, and anything that may happen to it.
pub(super) fn random_life(most: usize) -> impl Strategy<Value = String> {
    let purchase = select(
        &[
            "09-01 buy 1xA until 10-01 for 900 usd as p1",
            "09-01 buy 2xA until 10-01 for 900 usd as p1",
            "09-01 buy 1xA 1xC@addon:A/help until 10-01 for 900 usd as p1",
            "09-01 order 2xA as p1; 09-02 first until 10-01 for 900 usd as p1",
            "09-01 buy 1xA as p1",
        ][..],
    );
    let event = (select(DAYS), select(PHRASES)).prop_map(|(day, says)| format!("{day} {says}"));
    (purchase, vec(event, 0..most)).prop_map(|(purchase, events)| {
        let all = std::iter::once(purchase.to_owned()).chain(events);
        all.collect::<Vec<String>>().join("; ")
    })
}

/// In another order, with some events told again.
fn told_otherwise(story: &str) -> impl Strategy<Value = Vec<Vec<Fact>>> + use<> {
    let told = events(story);
    let again = vec(0..told.len(), 0..4);
    again.prop_flat_map(move |again| {
        let all: Vec<Vec<Fact>> =
            told.iter().cloned().chain(again.iter().map(|place| told[*place].clone())).collect();
        Just(all).prop_shuffle()
    })
}

fn added(told: &[Vec<Fact>]) -> Facts {
    let mut facts = Facts::default();
    told.iter().for_each(|event| facts.add(event));
    facts
}

/// What is in the set, whatever the order in which it came.
fn content(facts: &Facts) -> Vec<String> {
    let mut all: Vec<String> = facts.all().map(|fact| format!("{fact:?}")).collect();
    all.sort();
    all
}

fn folded(facts: &Facts, choices: &str) -> Entitlements {
    fold(&subject(), facts.all(), &policy(choices))
}

#[test]
fn order_and_repetition_change_neither_set_nor_fold() {
    let drawn =
        random_story(14).prop_flat_map(|story| (Just(story.clone()), told_otherwise(&story)));
    let drawn = (drawn, select(POLICIES));
    let checked = runner(2026, 4_000).run(&drawn, |((story, told), choices)| {
        let (in_order, otherwise) = (added(&events(&story)), added(&told));
        prop_assert_eq!(content(&in_order), content(&otherwise), "{}", &story);
        let [one, other] = [&in_order, &otherwise].map(|facts| folded(facts, choices));
        prop_assert_eq!(in_words(&one), in_words(&other), "{}", &story);
        prop_assert_eq!(one, other, "{}", &story);
        Ok(())
    });
    checked.unwrap();
}

#[test]
fn stored_facts_are_read_as_they_were() {
    let checked = runner(2028, 500).run(&random_story(14), |story| {
        let facts = added(&events(&story));
        let stored = serde_json::to_vec(&facts).unwrap();
        prop_assert_eq!(serde_json::from_slice::<Facts>(&stored).unwrap(), facts, "{}", &story);
        Ok(())
    });
    checked.unwrap();
}

/// A proration is for a period or for a change in one, as the others tell.
const PRORATIONS: &[&str] = &[
    "buy 1xA until 10-01 as p1",
    "pay until 11-01 from 10-01 as p2",
    "pay proration until 11-01 from 10-01 as p3",
    "pay proration until 12-01 from 11-01 as p4",
    "pay proration until 12-15 from 11-15 as p5",
    "pay proration until 12-15 from 12-01 as p6",
    "is active from 10-01 until 11-01",
    "is past_due from 11-15 until 12-15",
    "fail until 12-01",
    "refund of p4",
    "dispute of p5",
    "end",
];

#[test]
fn prorations_mean_the_same_in_any_order() {
    let event = (select(DAYS), select(PRORATIONS)).prop_map(|(day, says)| format!("{day} {says}"));
    let story = vec(event, 1..9).prop_map(|events| events.join("; "));
    let drawn = story.prop_flat_map(|story| (Just(story.clone()), told_otherwise(&story)));
    let checked = runner(2028, 2_000).run(&drawn, |(story, told)| {
        let [one, other] = [added(&events(&story)), added(&told)].map(|facts| folded(&facts, ""));
        prop_assert_eq!(in_words(&one), in_words(&other), "{}", &story);
        prop_assert_eq!(one, other, "{}", &story);
        Ok(())
    });
    checked.unwrap();
}

#[test]
fn facts_added_together_are_facts_added_one_by_one() {
    let checked = runner(2027, 500).run(&random_story(14), |story| {
        let (told, mut together) = (events(&story), Facts::default());
        together.add(&told.concat());
        prop_assert_eq!(content(&together), content(&added(&told)));
        together.add(&told.concat());
        prop_assert_eq!(content(&together), content(&added(&told)));
        Ok(())
    });
    checked.unwrap();
}
