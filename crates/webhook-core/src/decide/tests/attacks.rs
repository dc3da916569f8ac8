//! What a buyer might try, and what a network may do, in stories and in floods of facts.

use super::stories::in_words;
use super::words::{events, policy, subject};
use crate::decide::fold::fold;
use crate::domain::fact::{Fact, Facts, MOST_OF_A_KIND};

fn told(story: &str) -> Facts {
    let mut facts = Facts::default();
    events(story).iter().for_each(|event| facts.add(event));
    facts
}

fn words(facts: &Facts, choices: &str) -> String {
    in_words(&fold(&subject(), facts.all(), &policy(choices)))
}

/// One event an hour from that day on, more than there is room for; payments have names of their own.
fn flood(month: usize, day: usize, says: &str) -> Vec<Vec<Fact>> {
    let hours = 0..=MOST_OF_A_KIND + 4;
    let event = |hour: usize| {
        let (day, at) = (day + hour / 24, hour % 24);
        let says = says.replace('#', &hour.to_string());
        format!("{month:02}-{day:02}T{at:02} {says}")
    };
    events(&hours.map(event).collect::<Vec<_>>().join("; "))
}

/// The same by room: of a subscription of many lines a few changes are enough.
#[test]
fn the_number_of_seats_is_kept_among_many_lines() {
    let lines = |seats: u32| {
        let line = |number: u32| format!("{seats}xP{number}@pri_{number:0>60}");
        (0..100).map(line).collect::<Vec<_>>().join(" ")
    };
    let changes = (0..16).map(|n| format!("; 09-{:02} lists {}", 4 + n, lines(3 + n)));
    let changes: String = changes.collect();
    let facts = told(&format!(
        "09-01 buy {} until 2027-09-01; 09-02 lists {}; 09-03 lists {}{changes}",
        lines(1),
        lines(50),
        lines(1)
    ));
    let after = fold(&subject(), facts.all(), &policy(""));
    assert_eq!(after.seats.iter().filter(|seat| seat.line.key.ends_with("000")).count(), 50);
}

/// A dispute was made up for when it was opened: the payment that did so must not be forgotten.
#[test]
fn the_payment_that_made_up_for_a_dispute_is_kept() {
    let mut facts = told(
        "09-01 buy 1xA until 09-08 as week1; 09-08 pay until 09-15 as week2; \
         09-12 dispute of week1",
    );
    assert_eq!(words(&facts, ""), "1 A until 2026-09-15");
    let weeks = flood(10, 1, "pay until 11-01 as change#");
    weeks.iter().for_each(|event| facts.add(event));
    assert_eq!(words(&facts, ""), "1 A until 2026-11-01");
}

/// As above, where what is disputed is a change and its period's payment is forgotten.
#[test]
fn the_period_of_a_disputed_change_is_kept() {
    let mut facts = told(
        "09-01 buy 1xA until 09-08 as week1; 09-03 pay until 09-08 as seat; \
         09-04 dispute of seat; 09-08 pay until 09-15 as week2",
    );
    assert_eq!(words(&facts, ""), "1 A until 2026-09-15");
    let weeks = flood(10, 1, "pay until 11-01 as change#");
    weeks.iter().for_each(|event| facts.add(event));
    assert_eq!(words(&facts, ""), "1 A until 2026-11-01");
}

#[test]
fn a_pause_is_kept_through_many_failures_of_an_old_invoice() {
    let mut facts = told("09-01 buy 1xA until 2027-09-01; 09-10 pause");
    flood(10, 1, "fail until 10-01").iter().for_each(|event| facts.add(event));
    assert_eq!(words(&facts, ""), "1 A until 2027-09-01, suspended: pause");
}

/// An invoice of nothing much that is paid between settles no failure.
#[test]
fn grace_counts_from_the_first_failure_after_more_was_added() {
    for added in ["pay proration from 10-05 until 11-01", "pay one-off"] {
        let mut facts = told(&format!(
            "09-01 buy 1xA until 10-01; 10-01 fail until 11-01; 10-05 {added} as small"
        ));
        let before = words(&facts, "grace 8");
        assert!(before.ends_with("or 2026-10-09"), "{before}");
        flood(10, 6, "fail until 11-01").iter().for_each(|event| facts.add(event));
        let after = words(&facts, "grace 8");
        assert!(after.ends_with("or 2026-10-09"), "{added}: {after}");
    }
}

#[test]
fn grace_counts_from_the_first_description_after_more_was_added() {
    let mut facts = told(
        "09-01 buy 1xA until 10-01; 10-01 is past_due until 11-01; \
         10-05 pay proration from 10-05 until 11-01 as small",
    );
    let before = words(&facts, "grace 8");
    assert!(before.ends_with("or 2026-10-09"), "{before}");
    flood(10, 6, "is past_due until 11-01").iter().for_each(|event| facts.add(event));
    let after = words(&facts, "grace 8");
    assert!(after.ends_with("or 2026-10-09"), "{after}");
}

/// The second period is known by the first, which is a proration too.
#[test]
fn a_proration_that_another_one_needs_is_kept() {
    let mut facts = told(
        "09-01 buy 1xA until 10-01 as month1; 10-01 pay proration from 10-01 until 11-01 as month2; \
         11-01 pay proration from 11-01 until 12-01 as month3",
    );
    assert_eq!(words(&facts, ""), "1 A until 2026-12-01");
    flood(11, 2, "pay proration from 11-02T01 until 12-01 as change#")
        .iter()
        .for_each(|event| facts.add(event));
    assert_eq!(words(&facts, ""), "1 A until 2026-12-01");
}

/// A lost dispute is an end, and no end is forgotten.
#[test]
fn a_lost_dispute_is_kept() {
    let mut facts = told(
        "09-01 buy 1xA until 2027-09-01 as year; 09-02 dispute of year; 09-20 lose of year; \
         09-21 pay change until 2027-09-01 as seat",
    );
    assert_eq!(words(&facts, "revoke"), "1 A until 2027-09-01, revoked since 2026-09-20");
    flood(10, 1, "dispute of seat for 1 usd named 2").iter().for_each(|event| facts.add(event));
    let after = words(&facts, "revoke");
    assert!(after.starts_with("1 A until 2027-09-01, revoked since 2026-09-20"), "{after}");
}

/// More seats than there are now were bought once: the rest of them must stay suspended.
#[test]
fn the_number_of_seats_is_kept_through_many_changes() {
    let mut facts = told("09-01 buy 1xA until 2027-09-01; 09-02 lists 20xA; 09-03 lists 1xA");
    assert_eq!(words(&facts, ""), "1 A and 19 spare until 2027-09-01");
    for (number, event) in flood(10, 1, "lists 1xA").into_iter().enumerate() {
        let at = event[0].at;
        let lists = if number % 2 == 0 { "10-01 lists 2xA" } else { "10-01 lists 1xA" };
        let mut said = events(lists).remove(0);
        said[0].at = at;
        said[0].event = event[0].event.clone();
        facts.add(&said);
    }
    let after = words(&facts, "");
    assert!(
        after.contains("spare") && (after.contains("2 A and 18") || after.contains("1 A and 19")),
        "{after}"
    );
}
