//! What the set of facts remembers where there is no room for all of them.

use super::stories::in_words;
use super::words::{events, policy, subject};
use crate::decide::fold::fold;
use crate::domain::fact::{Fact, Facts, MOST_OF_A_KIND};

/// One event an hour from that day on, more than there is room for.
fn too_many(day: usize, says: &str) -> Vec<Vec<Fact>> {
    let hours = 0..=MOST_OF_A_KIND + 4;
    let event = |hour: usize| format!("10-{:02}T{:02} {says}", day + hour / 24, hour % 24);
    events(&hours.map(event).collect::<Vec<_>>().join("; "))
}

fn told(story: &str) -> Facts {
    let mut facts = Facts::default();
    events(story).iter().for_each(|event| facts.add(event));
    facts
}

/// Days of grace count from the first word of it, however often it is told again.
#[test]
fn the_description_that_grace_counts_from_is_kept() {
    for before in ["", "; 09-30T01 is past_due until 11-01; 09-30T02 pay until 10-01T01"] {
        let story = format!("09-01 buy 1xA until 10-01{before}; 10-01 is past_due until 11-01");
        let mut facts = told(&story);
        too_many(2, "is past_due until 11-01").iter().for_each(|event| facts.add(event));
        let folded = fold(&subject(), facts.all(), &policy("grace 8"));
        let words = in_words(&folded);
        assert!(words.ends_with("or 2026-10-09"), "{before}: {words}");
    }
}

/// What Cryptlex may show is the fold of what was known then, also of what has been dropped since.
#[test]
fn a_state_before_holds_what_was_dropped_since() {
    let mut facts = told("09-01 buy 1xA until 10-01; 09-02 pause");
    facts.settle();
    let mut states = vec![content(facts.all())];
    for event in too_many(2, "resume") {
        facts.add(&event);
        states.push(content(facts.all()));
    }
    assert!(facts.dropped().is_some());
    let commits: Vec<u32> = facts.states_before().collect();
    assert_eq!(commits.len() + 1, states.len());
    for (commit, state) in commits.into_iter().zip(states) {
        assert_eq!(content(facts.until(commit)), state, "{commit}");
    }
}

fn content<'f>(facts: impl Iterator<Item = &'f Fact>) -> Vec<String> {
    let mut all: Vec<String> = facts.map(|fact| format!("{fact:?}")).collect();
    all.sort();
    all
}
