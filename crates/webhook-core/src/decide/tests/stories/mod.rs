//! What is owed, as one-line stories, a file for each rule: each is told in every order, or in 24 orders of many, and with
//! everything told twice.

mod failures;
mod lines;
mod money_back;
mod naming;
#[path = "../../../../tests/it/support/numbers.rs"]
mod numbers;
mod pauses;
mod periods;
mod seats;
mod subscription_ends;
mod trials;

use jiff::Timestamp;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;

use super::runner;
use super::words::{events, policy, subject};
use crate::decide::fold::fold;
use crate::domain::entitlement::{Entitlements, Gone};
use crate::domain::fact::{Fact, Facts};
use crate::domain::policy::{AtTheEnd, Policy};

/// What it is about, the policy, the story, and what is owed then.
type Story = (&'static str, &'static str, &'static str, &'static str);

/// As many orders as four events have.
const MOST_ORDERS: usize = 24;

const ALL: [&[Story]; 9] = [
    failures::STORIES,
    lines::STORIES,
    money_back::STORIES,
    naming::STORIES,
    pauses::STORIES,
    periods::STORIES,
    seats::STORIES,
    subscription_ends::STORIES,
    trials::STORIES,
];

#[test]
fn stories_are_counted() {
    let stories = ALL.concat();
    let told = stories.iter().map(|(_, _, story, _)| 2 * orders(&events(story)).len()).sum();
    let counts = [(ALL.len(), "rules"), (stories.len(), "stories"), (told, "tellings")];
    numbers::record("stories in one line, each rule, in every order and twice", &counts);
}

/// In every order.
fn come_to_what_is_owed(stories: &[Story]) {
    let mut wrong = Vec::new();
    for (about, choices, story, expected) in stories {
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
    let day = |at: Timestamp| at.to_string().replace("T00:00:00Z", "");
    let mut text = seats_in_words(of);
    let end = &of.end;
    text.extend(end.date.map(|date| format!(" until {}", day(date))));
    text.extend(end.bought_at.map(|at| format!(" for one interval from {}", day(at))));
    text.extend(end.one_more.as_ref().map(|it| format!(" and one from {}", day(it.charged_at))));
    text.extend(end.grace.map(|grace| format!(" or {}", day(grace))));
    let over = match of.the_end {
        AtTheEnd::Revoke => "revoked",
        AtTheEnd::Delete => "deleted",
        AtTheEnd::Suspend => "over",
        AtTheEnd::Nothing => "left alone",
    };
    text.extend(of.over.map(|since| format!(", {over} since {}", day(since))));
    if !of.reasons.is_empty() {
        let causes = of.reasons.keys().map(|cause| format!("{cause:?}").to_lowercase());
        text.push_str(&format!(", suspended: {}", causes.collect::<Vec<_>>().join(" ")));
    }
    for (product, gone) in &of.gone {
        let became = match gone {
            Gone::Replaced => "replaced",
            Gone::GivenUp => "given up",
        };
        text.push_str(&format!(", {} {became}", product.as_str()));
    }
    text
}

/// `1 A with 3 activations + 2 B and 1 spare`.
fn seats_in_words(of: &Entitlements) -> String {
    let mut text = Vec::new();
    for seats in of.seats.chunk_by(|one, other| one.mapping == other.mapping) {
        let Some(seat) = seats.first() else { continue };
        let product = seat.mapping.as_ref().map_or("?", |mapping| mapping.product.as_str());
        let spare = seats.iter().filter(|seat| seat.is_spare).count();
        let mut words = format!("{} {product}", seats.len() - spare);
        words.extend(seat.activations.map(|allowed| format!(" with {allowed} activations")));
        words.extend((spare > 0).then(|| format!(" and {spare} spare")));
        words.push_str(if seat.is_certain { "" } else { ", provisional," });
        text.push(words);
    }
    if text.is_empty() { "nothing".to_owned() } else { text.join(" + ") }
}
