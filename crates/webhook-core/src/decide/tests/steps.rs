//! The steps of the diff reach what the fold owes, from whatever is there, and then there are none.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::laws::{POLICIES, random_life};
use super::licenses::{Ended, World, in_words};
use super::runner;
use super::stories;
use super::words::{events, policy, subject};
use crate::command::AtTheEnd;
use crate::config::Policy;
use crate::cryptlex::License;
use crate::decide::SLOT_KEY;
use crate::decide::fold::{Entitlements, Purchase, fold};
use crate::fact::Facts;

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
    if let Some(wrong) = wrong(&world, &wanted, &policy) {
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

/// What it is about, the story in the order in which it is told, and the licenses then.
const TOLD: &[(&str, &str, &[&str])] = &[
    (
        "a purchase that is told after its renewal, which says no date",
        "10-01 pay; 09-01 buy 1xA until 10-01",
        &["A runs until 2026-11-01T00:01:00Z (paddle/sub_1/A/1)"],
    ),
    (
        "the same where neither says a date",
        "10-01 pay; 09-01 buy 1xA",
        &["A runs until 2026-11-01T00:01:00Z (paddle/sub_1/A/1)"],
    ),
];

#[test]
fn stories_come_to_these_licenses() {
    for (about, story, licenses) in TOLD {
        let mut world = World::new();
        for event in events(story) {
            world.deliver(&event, &policy(""), ANY).unwrap();
        }
        assert_eq!(shown(&world), *licenses, "{about}");
    }
}
