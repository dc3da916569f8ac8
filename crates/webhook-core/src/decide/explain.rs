//! Why a subject is entitled to what it is: the trace of the fold.
//!
//! The facts are folded again and again, each time with one fact more. What differs from the time before is the effect of
//! that fact. No rule is told twice: this module only compares results and puts them into words.

mod words;

use jiff::Timestamp;

use super::fold::{fold, in_order};
use crate::domain::command::Subject;
use crate::domain::fact::{Fact, Facts, MOST_BYTES, MOST_OF_A_KIND};
use crate::domain::ids::EventId;
use crate::domain::policy::Policy;

pub use words::policy_in_words;

/// The story of one subject, for people. It holds ids, times and numbers, and nothing personal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The facts in the order in which they happened.
    pub facts: Vec<Explained>,
    /// What is missing from the story, if facts were dropped.
    pub dropped: Option<String>,
    /// What all facts together entitle to, one topic a line.
    pub result: Vec<String>,
}

/// One fact and what it changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// When it happened, by the provider's clock.
    pub at: Timestamp,
    /// The event that told it.
    pub event: EventId,
    /// What it says.
    pub says: String,
    /// Whether Cryptlex has its effect; else its event failed, or is under way.
    pub is_settled: bool,
    /// The topics of the result that it changed, as they are from then on. Empty if it changed nothing.
    pub effects: Vec<String>,
}

/// Folds the growing story of a subject, and tells what each fact changed.
pub fn explain(subject: &Subject, facts: &Facts, policy: &Policy) -> Explanation {
    let ordered = in_order(facts.all());
    let unsettled: Vec<&Fact> = facts.unsettled().collect();
    let so_far = |count: usize| {
        let entitlements = fold(subject, ordered.iter().copied().take(count), policy);
        words::topics(&entitlements)
    };
    let nothing = so_far(0);
    let mut before = nothing.clone();
    let mut explained = Vec::new();
    for (place, fact) in ordered.iter().enumerate() {
        let now = so_far(place.saturating_add(1));
        let changed = now.iter().zip(&before).filter(|(now, before)| now != before);
        explained.push(Explained {
            at: fact.at,
            event: fact.event.clone(),
            says: words::says(fact),
            is_settled: !unsettled.contains(fact),
            effects: changed.map(|(now, _)| now.text.clone()).collect(),
        });
        before = now;
    }
    let shown =
        before.iter().zip(&nothing).filter(|(now, nothing)| now.is_always || now != nothing);
    Explanation {
        facts: explained,
        dropped: facts.dropped().map(dropped),
        result: shown.map(|(now, _)| now.text.clone()).collect(),
    }
}

fn dropped(newest: Timestamp) -> String {
    format!(
        "The story is not complete. The ledger keeps {MOST_OF_A_KIND} payments, {MOST_OF_A_KIND} refunds and disputes, \
         {MOST_OF_A_KIND} failures and pauses, and {MOST_OF_A_KIND} descriptions, in at most {MOST_BYTES} bytes. Older \
         ones were dropped; the newest of those happened at {newest}."
    )
}

#[cfg(test)]
mod tests;
