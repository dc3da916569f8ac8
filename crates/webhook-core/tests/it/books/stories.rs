//! Lives that somebody found worth keeping, each in one line of words, told in every order or in many.

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;

use super::life::{Life, Sketch};
use super::tell::Telling;
use super::{SEED, bodies, line, live, owed, runner, runtime};
use crate::support::asked::asked_for;
use crate::support::orders::orders;
use crate::support::{numbers, tell};

/// What it is about, the life, and what is owed then.
const STORIES: &[(&str, &str, &str)] = &[
    // What runs.
    ("a purchase", "stripe, 2 seats", "2 until 2027-09-01"),
    ("a trial becomes a subscription", "paddle, trial: paid", "1 until 2027-09-15"),
    ("a trial is extended, then paid", "paddle, trial: extended; paid", "1 until 2027-09-22"),
    ("a trial of Stripe is extended", "stripe, trial: extended", "1 until 2026-09-22"),
    ("a failed payment is made up for", "fastspring: failed; failed; paid", "1 until 2028-09-01"),
    (
        "days of grace, and nothing is paid",
        "stripe, grace 8: failed; failed after 40h",
        "1 until 2027-09-09",
    ),
    ("a pause ends by a payment", "paddle, month: paused; paid", "1 until 2026-10-01"),
    ("a month becomes a year", "stripe, month, 2 seats: paid; yearly; paid", "2 until 2028-10-01"),
    // Lines.
    ("fewer seats, then more", "paddle, 3 seats: seats 1; paid; seats 4", "4 until 2028-09-01"),
    (
        "seats that buy activations",
        "stripe, old, activations: seats 4; failed; seats 2; paid",
        "1 until 2028-09-01 with 2 activations",
    ),
    (
        "seats that the next charge bills",
        "fastspring, 3 seats: seats 1 from the next charge; paid",
        "1 until 2028-09-01, 2 given up",
    ),
    (
        "seats that nothing has billed",
        "fastspring: seats 4 from the next charge",
        "1 until 2027-09-01",
    ),
    (
        "another product",
        "fastspring, month, 2 seats: product; paid",
        "product 2: 2 until 2026-11-01; 2 revoked",
    ),
    (
        "another product where ends delete",
        "paddle, delete: product",
        "product 2: 1 until 2027-09-01; 1 revoked",
    ),
    (
        "another product and back",
        "paddle, 2 seats: product; product",
        "2 until 2027-09-01; product 2: 2 revoked",
    ),
    (
        "another product and back, paid meanwhile",
        "fastspring, month, none: paid; product; paid; product after 925h",
        "1 until 2026-12-01; product 2: 1 left alone",
    ),
    (
        "an add-on comes and goes",
        "fastspring: add-on; paid; add-on gone; paid",
        "1 until 2029-09-01; add-on: 0 until 2029-09-01, 1 given up",
    ),
    (
        "an add-on of another product",
        "fastspring: product; paid; add-on",
        "product 2: 1 until 2028-09-01; 1 revoked; add-on: 1 until 2028-09-01",
    ),
    (
        "other seats and another product",
        "stripe, 2 seats: seats 1; product",
        "product 2: 1 until 2027-09-01; 2 revoked",
    ),
    // Money back.
    ("a refund in parts", "stripe: paid; refund 100; refund 200", "1 suspended"),
    (
        "a refund in parts, then paid",
        "paddle: paid; refund 100; refund 200; paid",
        "1 until 2029-09-01",
    ),
    ("a return in parts", "fastspring: refund 200; refund 100", "1 suspended"),
    ("a part is refunded", "paddle: paid; refund 200; seats 2", "2 until 2028-09-01"),
    ("a refund fails", "stripe: paid; refund 100; refund 200; refund failed", "1 until 2028-09-01"),
    (
        "an older period is refunded",
        "fastspring: paid; refund 300 of the one before; paid",
        "1 until 2029-09-01",
    ),
    (
        "a refund of the latest and the one before",
        "paddle: paid; refund 300; refund 300 of the one before",
        "1 suspended",
    ),
    ("a part is refunded, the rest disputed", "paddle: refund 100; disputed", "1 suspended"),
    ("a dispute is won", "fastspring: paid; disputed; won", "1 until 2028-09-01"),
    (
        "a chargeback reversed before its payment is told",
        "paddle: paid; disputed; won",
        "1 until 2028-09-01",
    ),
    ("a dispute does not end by a payment", "paddle: disputed; paid; refund 300", "1 suspended"),
    (
        "a dispute of what was made up for",
        "stripe: paid; the one before disputed; lost",
        "1 until 2028-09-01",
    ),
    (
        "what had made up for a dispute goes back",
        "fastspring: paid; the one before disputed; paid; refund 300 of the one before",
        "1 suspended",
    ),
    // Ends.
    ("the end, under each policy", "paddle, 2 seats, suspend: paid; ended", "2 suspended"),
    ("the end deletes", "fastspring, 2 seats, delete: paid; ended", "deleted"),
    ("the end changes nothing", "stripe, none: refund 300; ended", "1 suspended"),
    ("paid after the end", "stripe, 2 seats, suspend: ended; paid", "2 until 2028-09-01"),
    ("paid after the end deleted", "stripe, delete: ended; paid", "1 until 2028-09-01"),
    ("a purchase told after its end, then paid", "stripe: ended; paid", "1 until 2028-09-01"),
    ("a dispute is lost", "stripe, delete: paid; disputed; lost", "deleted"),
    (
        "a dispute is lost where an end changes nothing",
        "stripe, none: disputed; lost; paid",
        "1 suspended",
    ),
    ("paid between the dispute and its loss", "stripe: disputed; paid; lost", "1 revoked"),
    (
        "seats told while it is over",
        "stripe: paid; disputed; lost; seats 3; paid",
        "3 until 2029-09-01",
    ),
    (
        "product told while it is over",
        "stripe: paid; disputed; lost; product; paid",
        "product 2: 1 until 2029-09-01; 1 revoked",
    ),
    ("a failure before the first invoice", "stripe, grace 3: failed", "1 until 2027-09-04"),
    // People.
    ("another address", "fastspring: address; paid", "1 until 2028-09-01"),
    (
        "another address, and the customer is told late",
        "paddle: paid; address",
        "1 until 2028-09-01",
    ),
    ("a change that was billed is no period", "stripe: seats 3; refund 300", "3 suspended"),
    (
        "fewer seats than a trial had",
        "stripe, trial, 3 seats: seats 1; paid; seats 2",
        "2 until 2027-09-15, 1 given up",
    ),
    (
        "seats told while it is paused",
        "paddle, 2 seats: paused; seats 3; resumed",
        "3 until 2027-09-01",
    ),
    (
        "a dispute is lost, then its period is followed by another",
        "stripe, suspend: disputed; lost; paid",
        "1 until 2028-09-01",
    ),
    ("all of the end and the dispute", "stripe, 2 seats: disputed; ended; won", "2 revoked"),
    ("refunded, then ended, then paid", "stripe: refund 300; ended; paid", "1 until 2028-09-01"),
    (
        "the other product pauses",
        "paddle, suspend: product; paused; paid",
        "product 2: 1 until 2027-09-01; 1 suspended",
    ),
];

/// In every order if there are so few events, else in so many.
const FEW: usize = 4;
const ORDERS: usize = 24;

#[test]
fn stories_end_as_the_books_say_in_any_order() {
    let mut wrong = Vec::new();
    let mut told = 0;
    for (about, story, wanted) in STORIES {
        let sketch: Sketch = story.parse().unwrap();
        assert_eq!(sketch.to_string(), **story, "a story is written as a life is printed");
        assert_eq!(Life::of(&sketch).taken.len(), sketch.turns.len(), "{story}: makes no sense");
        assert_eq!(owed::in_words(&Life::of(&sketch)), **wanted, "{story}");
        // Always the same orders.
        let tellings = tellings(&sketch, SEED);
        told += tellings.len();
        let failures = play(&sketch, &tellings);
        if let Some((_, failure)) = failures.first() {
            let count = format!("{} of {} orders fail", failures.len(), tellings.len());
            wrong.push(format!("{about}: {count}, one is\n{failure}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    let what = "stories in one line, delivered as webhooks in every order or in many";
    numbers::record(what, &[(STORIES.len(), "stories"), (told, "orders")]);
}

/// One life that somebody asks for.
#[test]
fn a_life_that_is_asked_for_ends_as_the_books_say() {
    let story: String = asked_for("BOOKS_LIFE", String::new());
    if story.is_empty() {
        return;
    }
    let sketch: Sketch = story.parse().unwrap();
    let tellings = tellings(&sketch, asked_for("BOOKS_SEED", SEED));
    let failures = play(&sketch, &tellings);
    let (some, all) = (failures.len(), tellings.len());
    tell(&format!("{some} of {all} orders fail"));
    if let Some((_, failure)) = failures.first() {
        panic!("{failure}");
    }
}

/// What is wrong, by the number of the order.
fn play(sketch: &Sketch, tellings: &[Telling]) -> Vec<(usize, String)> {
    let runtime = runtime();
    let outcomes = tellings.iter().enumerate().map(|(place, telling)| {
        let outcome = runtime.block_on(live(sketch, telling));
        outcome.err().map(|what| (place, format!("{}\n{what}", line(sketch, telling))))
    });
    outcomes.flatten().collect()
}

/// In order first.
fn tellings(sketch: &Sketch, seed: u64) -> Vec<Telling> {
    let events = bodies::outline(&Life::of(sketch)).len();
    let in_order: Vec<usize> = (0..events).collect();
    let mut all = vec![in_order.clone()];
    if events <= FEW {
        all = orders(&in_order);
        all.sort();
    } else {
        let mut runner = runner(seed);
        let shuffled = Just(in_order).prop_shuffle();
        let drawn = (1..ORDERS).map(|_| shuffled.new_tree(&mut runner).unwrap().current());
        all.extend(drawn);
    }
    all.into_iter().map(|order| Telling::of(&order)).collect()
}
