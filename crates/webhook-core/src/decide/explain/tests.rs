use super::*;
use crate::decide::tests::words::{events, policy, subject};

fn explained(story: &str, choices: &str) -> Explanation {
    let mut facts = Facts::default();
    events(story).iter().for_each(|event| facts.add(event));
    explain(&subject(), &facts, &policy(choices))
}

/// `event: what it says -> what it changed`, one line per fact.
fn lines(explanation: &Explanation) -> Vec<String> {
    let line = |it: &Explained| {
        let effects = it.effects.join(" | ");
        format!("{} {}: {} -> {effects}", it.at, it.event, it.says)
    };
    explanation.facts.iter().map(line).collect()
}

const STORY: &str = "09-01 buy 2xA until 10-01 for 900 usd; 10-01 fail until 11-01; 10-05 pay until 11-01 for 900 usd; \
     10-06 refund of pay_3 for 900 usd";

#[test]
fn a_story_is_told_with_the_effect_of_each_fact() {
    let explanation = explained(STORY, "");
    assert_eq!(
        lines(&explanation),
        [
            "2026-09-01T00:00:00Z evt_1: ordered: 2 of product A (line A) -> \
             purchase: ordered, and not paid yet",
            "2026-09-01T00:00:00Z evt_1: paid for the first period, until 2026-10-01T00:00:00Z, 900 usd, payment pay_1 -> \
             purchase: known and paid | licenses: 2 of product A (line A) | end: until 2026-10-01T00:00:00Z",
            "2026-10-01T00:00:00Z evt_2: a payment failed that was for the time until 2026-11-01T00:00:00Z -> \
             status: suspended because a payment failed (2026-10-01T00:00:00Z)",
            "2026-10-05T00:00:00Z evt_3: paid for the time until 2026-11-01T00:00:00Z, 900 usd, payment pay_3 -> \
             end: until 2026-11-01T00:00:00Z | status: no reason to suspend",
            "2026-10-06T00:00:00Z evt_4: refunded, 900 usd, payment pay_3 -> \
             status: suspended because the payment was refunded (2026-10-06T00:00:00Z)",
        ]
    );
    assert_eq!(
        explanation.result,
        [
            "purchase: known and paid",
            "licenses: 2 of product A (line A)",
            "end: until 2026-11-01T00:00:00Z",
            "status: suspended because the payment was refunded (2026-10-06T00:00:00Z)",
        ]
    );
    assert_eq!(explanation.dropped, None);
}

#[test]
fn the_order_of_arrival_does_not_change_the_story() {
    let in_order = explained(STORY, "");
    let mut facts = Facts::default();
    events(STORY).iter().rev().for_each(|event| facts.add(event));
    assert_eq!(explain(&subject(), &facts, &policy("")), in_order);
}

#[test]
fn a_late_fact_changes_nothing_and_says_so() {
    let explanation =
        explained("09-01 buy 1xA until 10-01; 10-01 pay until 11-01; 10-02 fail until 10-01", "");
    assert_eq!(explanation.facts[3].effects, Vec::<String>::new());
}

#[test]
fn the_policy_says_what_an_end_does() {
    for (choices, what) in [
        ("revoke", "licenses are revoked"),
        ("delete", "licenses are deleted"),
        ("", "licenses are suspended"),
        ("none", "licenses stay until they expire"),
    ] {
        let explanation = explained("09-01 buy 1xA until 10-01; 09-15 end", choices);
        let status = format!("status: ended at 2026-09-15T00:00:00Z, {what}");
        assert_eq!(explanation.facts[2].effects, [status]);
    }
}

#[test]
fn facts_without_effect_yet_are_marked() {
    let mut facts = Facts::default();
    let told = events(STORY);
    facts.add(&told[0]);
    facts.settle();
    facts.add(&told[1]);
    let settled: Vec<bool> =
        explain(&subject(), &facts, &policy("")).facts.iter().map(|it| it.is_settled).collect();
    assert_eq!(settled, [true, true, false]);
}

#[test]
fn dropped_facts_are_mentioned() {
    let mut facts = Facts::default();
    let mut day = events("09-01 pay until 10-01")[0].clone();
    for _ in 0..66 {
        facts.add(&day);
        day[0].at =
            crate::domain::interval::shifted(day[0].at, jiff::SignedDuration::from_hours(24));
    }
    let explanation = explain(&subject(), &facts, &policy(""));
    let dropped = explanation.dropped.unwrap();
    assert!(
        dropped.starts_with("The story is not complete.") && dropped.contains("keeps 64 payments"),
        "{dropped}"
    );
    // The first of those that pay as long as anything does is kept.
    assert!(dropped.ends_with("happened at 2026-09-03T00:00:00Z."), "{dropped}");
    assert_eq!(explanation.facts.len(), 64);
}

#[test]
fn every_kind_of_fact_has_words() {
    for (story, says) in [
        (
            "09-01 add 1xB@addon:pro/help",
            "ordered in addition: 1 of product B (line addon:pro/help)",
        ),
        ("09-01 pay", "paid for one interval more, charged at 2026-09-01T00:00:00Z, payment pay_1"),
        (
            "09-01 pay change until 10-01",
            "paid for a change of the subscription, for the time until 2026-10-01T00:00:00Z, payment pay_1",
        ),
        ("09-01 fail", "a payment failed"),
        (
            "09-01 is past_due until 10-01",
            "the subscription is described: status past_due, period until 2026-10-01T00:00:00Z",
        ),
        (
            "09-01 lists 2x?@pro when-charged",
            "the subscription is described: 2 of a product that it does not name (line pro) from the charge on that bills it",
        ),
        ("09-01 pause", "the subscription is paused"),
        ("09-01 resume", "the subscription is resumed"),
        (
            "09-01 dispute of pay_9",
            "a dispute withdrew money, payment pay_9; the provider calls it all of it",
        ),
        (
            "09-01 win of pay_9",
            "a dispute ended and the vendor has the money, payment pay_9; the provider calls it all of it",
        ),
        (
            "09-01 lose of pay_9",
            "a dispute was lost, payment pay_9; the provider calls it all of it",
        ),
        (
            "09-01 unrefund of pay_9",
            "a refund was taken back, payment pay_9; the provider calls it all of it",
        ),
        ("09-01 end", "the subscription ended"),
    ] {
        assert_eq!(explained(story, "").facts[0].says, says);
    }
}
