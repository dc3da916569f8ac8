//! Descriptions of one second: the one whose previous values another shows is the newer.

use proptest::collection::vec;
use proptest::prelude::*;

use super::runner;
use super::stories::in_words;
use super::words::{events, policy, subject};
use crate::decide::fold::fold;
use crate::domain::fact::{Fact, Facts};

fn owed(told: &[Vec<Fact>]) -> String {
    let mut facts = Facts::default();
    told.iter().for_each(|event| facts.add(event));
    in_words(&fold(&subject(), facts.all(), &policy("")))
}

/// The ids of the events count up in the order of the story.
#[test]
fn previous_values_order_what_is_told_in_one_second() {
    for (story, expected) in [
        (
            "09-01 buy 1xA until 2027-09-01; 10-01 lists 3xA changed-from 5; 10-01 lists 5xA changed-from 1",
            "3 A and 2 spare until 2027-09-01",
        ),
        // Each follows the other: what was before tells which is first.
        (
            "09-01 buy 1xA until 2027-09-01; 09-02 lists 1xA changed-from 2; 10-01 lists 1xA changed-from 5; \
             10-01 lists 5xA changed-from 1",
            "1 A and 4 spare until 2027-09-01",
        ),
        // Nothing tells it: the ids do.
        (
            "09-01 buy 1xA until 2027-09-01; 10-01 lists 3xA; 10-01 lists 5xA",
            "5 A until 2027-09-01",
        ),
    ] {
        let told = events(story);
        assert_eq!(owed(&told), expected, "{story}");
        let backwards: Vec<Vec<Fact>> = told.into_iter().rev().collect();
        assert_eq!(owed(&backwards), expected, "{story}, backwards");
    }
}

/// Quantities that follow each other within one second, no two of them alike, in any order of ids and of deliveries.
#[test]
fn the_last_change_of_a_chain_counts_under_any_event_ids() {
    let chain = Just((1..=9).collect::<Vec<u32>>()).prop_shuffle();
    let drawn = (chain, 1_usize..6).prop_flat_map(|(chain, length)| {
        let steps = chain.windows(2).take(length).map(|step| (step[0], step[1]));
        let lists = steps.map(|(from, to)| format!("10-01 lists {to}xA changed-from {from}"));
        let last = chain[length];
        (Just(last), Just(lists.collect::<Vec<String>>()).prop_shuffle(), vec(any::<u8>(), 6))
    });
    let checked = runner(2029, 500).run(&drawn, |(last, lists, keys)| {
        let mut told = events(&format!("09-01 buy 1xA until 2027-09-01; {}", lists.join("; ")));
        let mut keys = keys.into_iter().cycle();
        told.sort_by_cached_key(|_| keys.next());
        let owed = owed(&told);
        prop_assert!(owed.starts_with(&format!("{last} A")), "{:?}: {}", lists, owed);
        Ok(())
    });
    checked.unwrap();
}

/// What says anything of before comes to the same in any order, also where it contradicts itself.
#[test]
fn any_previous_values_come_to_the_same_in_any_order() {
    let event = (0_u32..4, 0_u32..4, 1_u32..3);
    let drawn = vec(event, 1..7).prop_flat_map(|events| {
        let said = events
            .into_iter()
            .map(|(to, from, day)| format!("10-{day:02} lists {to}xA changed-from {from}"));
        let story =
            format!("09-01 buy 1xA until 2027-09-01; {}", said.collect::<Vec<_>>().join("; "));
        let told = super::words::events(&story);
        (Just(story), Just(told).prop_shuffle())
    });
    let checked = runner(2030, 1_000).run(&drawn, |(story, told)| {
        prop_assert_eq!(owed(&events(&story)), owed(&told), "{}", story);
        Ok(())
    });
    checked.unwrap();
}
