//! The steps of the diff reach what the fold owes, from whatever is there, and then there are none.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};

use super::laws::{POLICIES, random_life};
use super::licenses::{Ended, World, in_words};
use super::runner;
use super::stories;
use super::words::{events, policy, subject, when};
use crate::cryptlex::License;
use crate::decide::fold::fold;
use crate::domain::entitlement::{Entitlements, Purchase};
use crate::domain::fact::Facts;
use crate::domain::policy::{AtTheEnd, Policy};
use crate::providers::marks::SLOT_KEY;

const ANY: usize = usize::MAX;

/// What is told, in which order, and after how many steps each delivery dies.
#[derive(Debug, Clone)]
struct Telling {
    story: String,
    choices: &'static str,
    order: Vec<usize>,
    dies_after: Vec<usize>,
}

fn tellings() -> impl Strategy<Value = Telling> {
    let story = random_life(8);
    story.prop_flat_map(|story| {
        let count = story.split(';').count();
        let order = Just((0..count).collect::<Vec<usize>>()).prop_shuffle();
        // Half of the deliveries are not interrupted.
        let dies_after = vec(prop_oneof![Just(ANY), 0..4_usize], count);
        (select(POLICIES), order, dies_after).prop_map(move |(choices, order, dies_after)| {
            Telling { story: story.clone(), choices, order, dies_after }
        })
    })
}

impl Telling {
    /// Delivers everything; what died is delivered again after all others. The licenses, and each delivery in words.
    fn play(&self, is_interrupted: bool) -> Result<World, String> {
        let (told, policy) = (events(&self.story), policy(self.choices));
        let (mut world, mut again) = (World::new(), Vec::new());
        for place in &self.order {
            let most = if is_interrupted { self.dies_after[*place] } else { ANY };
            if world.deliver(&told[*place], &policy, most)? == Ended::Died {
                again.push(*place);
            }
        }
        for place in again {
            world.deliver(&told[place], &policy, ANY)?;
        }
        Ok(world)
    }

    fn wanted(&self) -> (Entitlements, Policy) {
        let policy = policy(self.choices);
        let mut facts = Facts::default();
        events(&self.story).iter().for_each(|event| facts.add(event));
        (fold(&subject(), facts.all(), &policy), policy)
    }
}

fn shown(world: &World) -> Vec<String> {
    let mut shown: Vec<String> = world.shown().iter().map(in_words).collect();
    shown.sort();
    shown
}

/// What is wrong with the licenses.
fn wrong(world: &World, wanted: &Entitlements, policy: &Policy) -> Option<String> {
    let licenses = world.shown();
    let runs = |license: &&License| !license.is_revoked() && !license.is_suspended();
    let running: Vec<&License> = licenses.iter().filter(runs).collect();
    let is_bought = matches!(wanted.purchase, Purchase::Known | Purchase::SeenByPayment);
    if !is_bought {
        return (!licenses.is_empty()).then(|| "nothing is bought".to_owned());
    }
    if wanted.over.is_some() && policy.at_the_end != AtTheEnd::Nothing {
        let is_wrong = match policy.at_the_end {
            AtTheEnd::Delete => !licenses.is_empty(),
            AtTheEnd::Revoke => licenses.iter().any(|license| !license.is_revoked()),
            AtTheEnd::Suspend | AtTheEnd::Nothing => !running.is_empty(),
        };
        return is_wrong.then(|| "it is over".to_owned());
    }
    if !wanted.reasons.is_empty() {
        return (!running.is_empty()).then(|| "there is a reason to suspend".to_owned());
    }
    let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
    for seat in wanted.seats.iter().filter(|seat| !seat.is_spare) {
        if let Some(mapping) = &seat.mapping {
            *counts.entry(mapping.product.as_str()).or_default() += 1;
        }
    }
    let runs_on = |license: &&&License| {
        let product = license.product_id.as_ref();
        policy.at_the_end == AtTheEnd::Nothing
            && product.is_some_and(|it| wanted.gone.contains_key(it))
    };
    for license in running.iter().filter(|license| !runs_on(license)) {
        *counts.entry(license.product_id.as_ref().map_or("?", |it| it.as_str())).or_default() -= 1;
    }
    if let Some((product, missing)) = counts.into_iter().find(|(_, missing)| *missing != 0) {
        return Some(format!("{missing} licenses of {product} are missing"));
    }
    let date = wanted.end.date?;
    let date = date.max(wanted.end.grace.unwrap_or(date));
    let is_late = wanted.seats.iter().any(|seat| seat.bought_at > wanted.end.date);
    let is_off = |license: &&&License| {
        let product = license.product_id.as_ref();
        let is_gone = product.is_some_and(|it| wanted.gone.contains_key(it)) || is_add_on(license);
        // A renewal may lead up to a day further.
        let after = license.expires_at.map(|end| end.duration_since(date));
        let (minute, day) = (SignedDuration::from_mins(1), SignedDuration::from_hours(24));
        !is_gone && after.is_some_and(|after| after < -minute || after > day)
    };
    let off = running.iter().find(is_off).filter(|_| !is_late && wanted.end.one_more.is_none());
    off.map(|license| format!("{} does not end at {date}", in_words(license)))
}

fn is_add_on(license: &License) -> bool {
    license.metadata(SLOT_KEY).is_some_and(|slot| slot.contains("/addon:"))
}

fn checked(telling: &Telling, is_interrupted: bool) -> Result<(), TestCaseError> {
    let (wanted, policy) = telling.wanted();
    let owed = stories::in_words(&wanted);
    let mut world = telling.play(is_interrupted).map_err(TestCaseError::fail)?;
    // Where an undated payment leads depends on what licenses show.
    let is_dated = !telling.story.contains("pay as p8");
    let wrong = wrong(&world, &wanted, &policy);
    if let Some(wrong) = wrong.filter(|wrong| is_dated || !wrong.contains("does not end")) {
        let shown = shown(&world);
        return Err(TestCaseError::fail(format!("{wrong}\nowed {owed}\nthere are {shown:#?}")));
    }
    let before = shown(&world);
    let again = world.deliver(&[], &policy, ANY).map_err(TestCaseError::fail)?;
    prop_assert_eq!(again, Ended::Done(0), "owed {}\nthere were {:#?}", owed, before);
    Ok(())
}

#[test]
fn steps_reach_what_is_owed_in_any_order() {
    runner(2028, 1_000).run(&tellings(), |telling| checked(&telling, false)).unwrap();
}

#[test]
fn steps_reach_what_is_owed_from_any_interruption() {
    runner(2029, 1_000).run(&tellings(), |telling| checked(&telling, true)).unwrap();
}

/// Licenses that are there before anything is told: of the predecessor, made by hand, or of a ledger that was lost.
fn found() -> impl Strategy<Value = Vec<Value>> {
    let made_for = [
        ("A", Some("A/1")),
        ("A", Some("A/2")),
        ("B", Some("B/1")),
        ("C", Some("addon:A/help/1")),
        ("A", None),
        ("B", None),
    ];
    let status = (
        select(&["08-20", "09-01", "09-15"][..]),
        proptest::option::of(select(&["09-20", "10-01", "10-15", "11-01", "2027-09-01"][..])),
        select(&["runs", "runs", "suspended", "revoked"][..]),
    );
    (subsequence(made_for.to_vec(), 0..4), vec(status, 4)).prop_map(|(made_for, statuses)| {
        let license = |((product, slot), (made, ends, status)): (_, _)| {
            let slot = Option::map(slot, |slot: &str| format!("paddle/sub_1/{slot}"));
            let name = slot.clone().unwrap_or_else(|| format!("another {product}"));
            let metadata = slot.map(|slot| json!({"key": SLOT_KEY, "value": slot}));
            json!({
                "id": format!("found {name}"), "productId": product, "createdAt": when(made),
                "expiresAt": Option::map(ends, when), "subscriptionInterval": "P1M",
                "user": {"id": "user_1"}, "metadata": Vec::from_iter(metadata),
                "suspended": status == "suspended", "revoked": status == "revoked",
            })
        };
        made_for.into_iter().zip(statuses).map(license).collect()
    })
}

impl Telling {
    /// Over licenses that are there already. What died is delivered again at once.
    fn play_over(&self, found: &[Value], is_interrupted: bool) -> Result<World, String> {
        let (told, policy) = (events(&self.story), policy(self.choices));
        let mut world = World::new();
        world.licenses = found.to_vec();
        for place in &self.order {
            let most = if is_interrupted { self.dies_after[*place] } else { ANY };
            if world.deliver(&told[*place], &policy, most)? == Ended::Died {
                world.deliver(&told[*place], &policy, ANY)?;
            }
        }
        Ok(world)
    }
}

#[test]
fn an_interruption_changes_nothing_with_any_licenses() {
    let drawn = (tellings(), found());
    let checked = runner(2030, 1_000).run(&drawn, |(telling, found)| {
        let play = |is_interrupted| telling.play_over(&found, is_interrupted);
        let mut whole = play(false).map_err(TestCaseError::fail)?;
        let interrupted = play(true).map_err(TestCaseError::fail)?;
        prop_assert_eq!(shown(&interrupted), shown(&whole));
        let (_, policy) = telling.wanted();
        let again = whole.deliver(&[], &policy, ANY).map_err(TestCaseError::fail)?;
        prop_assert_eq!(again, Ended::Done(0), "there are {:#?}", shown(&whole));
        Ok(())
    });
    checked.unwrap();
}

/// What it is about, the policy, the story in the order in which it is told, and the licenses then.
const TOLD: &[(&str, &str, &str, &[&str])] = &[
    (
        "a purchase that is told after its renewal, which says no date",
        "",
        "10-01 pay; 09-01 buy 1xA until 10-01",
        &["A runs until 2026-11-01 (paddle/sub_1/A/1)"],
    ),
    (
        "the same where neither says a date",
        "",
        "10-01 pay; 09-01 buy 1xA",
        &["A runs until 2026-11-01 (paddle/sub_1/A/1)"],
    ),
    (
        "an add-on whose parent needs no license is renewed",
        "",
        "09-01 buy 1xC@addon:pro/help until 10-01; 10-01 pay until 11-01; 11-01 pay until 12-01",
        &["C runs until 2026-12-01 (paddle/sub_1/addon:pro/help/1)"],
    ),
    (
        "a new product that takes its end from the old one is paid for by the charge without a date that bills it",
        "",
        "09-01 buy 1xA; 09-15 lists 1xB when-charged; 09-02 lists 0xA; 10-01T12 pay as p8",
        &[
            "A suspended until 2026-10-01 (paddle/sub_1/A/1)",
            "B runs until 2026-11-01 (paddle/sub_1/B/1)",
        ],
    ),
    (
        "more seats get the end of the others",
        "",
        "09-01 buy 1xA until 10-01; 09-10 lists 2xA",
        &[
            "A runs until 2026-10-01 (paddle/sub_1/A/1)",
            "A runs until 2026-10-01 (paddle/sub_1/A/2)",
        ],
    ),
    (
        "of fewer seats the highest number is suspended",
        "",
        "09-01 buy 2xA until 10-01; 09-10 lists 1xA",
        &[
            "A runs until 2026-10-01 (paddle/sub_1/A/1)",
            "A suspended until 2026-10-01 (paddle/sub_1/A/2)",
        ],
    ),
    (
        "a seat that was given up is not renewed",
        "",
        "09-01 buy 2xA until 10-01; 09-10 lists 1xA; 10-01 pay until 11-01",
        &[
            "A runs until 2026-11-01 (paddle/sub_1/A/1)",
            "A suspended until 2026-10-01 (paddle/sub_1/A/2)",
        ],
    ),
    (
        "a seat that comes back gets the end of the others",
        "",
        "09-01 buy 2xA until 10-01; 09-10 lists 1xA; 10-01 pay until 11-01; 10-10 lists 2xA",
        &[
            "A runs until 2026-11-01 (paddle/sub_1/A/1)",
            "A runs until 2026-11-01 (paddle/sub_1/A/2)",
        ],
    ),
    (
        "a replaced product is revoked where ends revoke",
        "revoke",
        "09-01 buy 1xA@pro until 10-01; 09-10 lists 1xB@plus",
        &[
            "A revoked until 2026-10-01 (paddle/sub_1/pro/1)",
            "B runs until 2026-10-01 (paddle/sub_1/plus/1)",
        ],
    ),
    (
        "a replaced product is not deleted where ends delete",
        "delete",
        "09-01 buy 1xA@pro until 10-01; 09-10 lists 1xB@plus",
        &[
            "A revoked until 2026-10-01 (paddle/sub_1/pro/1)",
            "B runs until 2026-10-01 (paddle/sub_1/plus/1)",
        ],
    ),
    (
        "a replaced product runs on where ends change nothing",
        "none",
        "09-01 buy 1xA@pro until 10-01; 09-10 lists 1xB@plus",
        &[
            "A runs until 2026-10-01 (paddle/sub_1/pro/1)",
            "B runs until 2026-10-01 (paddle/sub_1/plus/1)",
        ],
    ),
    (
        "a product that is given up is suspended where ends revoke",
        "revoke",
        "09-01 buy 1xA 1xB until 10-01; 09-10 lists 1xA",
        &[
            "A runs until 2026-10-01 (paddle/sub_1/A/1)",
            "B suspended until 2026-10-01 (paddle/sub_1/B/1)",
        ],
    ),
    (
        "an end deletes, and a payment makes it again",
        "delete",
        "09-01 buy 1xA until 10-01; 09-10 end; 10-01 pay until 11-01",
        &["A runs until 2026-11-01 (paddle/sub_1/A/1)"],
    ),
    (
        "an end revokes, and a payment takes that back",
        "revoke",
        "09-01 buy 1xA until 10-01; 09-10 end; 10-01 pay until 11-01",
        &["A runs until 2026-11-01 (paddle/sub_1/A/1)"],
    ),
    (
        "money that is back where refunds revoke, then another payment",
        "refund-revoke",
        "09-01 buy 1xA until 10-01; 09-02 refund of pay_1; 10-01 pay until 11-01",
        &["A runs until 2026-11-01 (paddle/sub_1/A/1)"],
    ),
    (
        "a license that is refunded before it is made",
        "",
        "09-01 refund of pay_2; 09-02 buy 1xA until 10-01",
        &["A suspended until 2026-10-01 (paddle/sub_1/A/1)"],
    ),
    (
        "days of grace move the end",
        "grace 8",
        "09-01 buy 1xA until 10-01; 10-01 fail until 11-01",
        &["A runs until 2026-10-09 (paddle/sub_1/A/1)"],
    ),
    (
        "days of grace, then paid",
        "grace 8",
        "09-01 buy 1xA until 10-01; 10-01 fail until 11-01; 10-05 pay until 11-01",
        &["A runs until 2026-11-01 (paddle/sub_1/A/1)"],
    ),
];

/// Without the minute that an event takes until it is delivered.
fn shown_by_day(world: &World) -> Vec<String> {
    let day = |text: &String| text.replace("T00:00:00Z", "").replace("T00:01:00Z", "");
    let mut days: Vec<String> = shown(world).iter().map(day).collect();
    days.sort();
    days
}

#[test]
fn stories_come_to_these_licenses() {
    let mut wrong = Vec::new();
    for (about, choices, story, expected) in TOLD {
        let mut world = World::new();
        for event in events(story) {
            world.deliver(&event, &policy(choices), ANY).unwrap();
        }
        let licenses = shown_by_day(&world);
        if licenses != *expected {
            wrong.push(format!(
                "{about}\n  {story}\n  expected {expected:?}\n  are      {licenses:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_seat_that_was_given_up_is_not_made_under_another_slot() {
    let mut world = World::new();
    let metadata = json!([{"key": SLOT_KEY, "value": "paddle/sub_1/A/2"}]);
    world.licenses = vec![json!({
        "id": "found", "productId": "A", "createdAt": when("08-20"), "expiresAt": when("10-15"),
        "subscriptionInterval": "P1M", "user": {"id": "user_1"}, "metadata": metadata,
    })];
    for event in events("09-01 lists 1xA; 09-01 buy 2xA until 10-01") {
        world.deliver(&event, &policy(""), ANY).unwrap();
    }
    assert_eq!(shown(&world), ["A runs until 2026-10-15T00:00:00Z (paddle/sub_1/A/2)"]);
}
