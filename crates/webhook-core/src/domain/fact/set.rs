//! The set of facts of one subject, with the order of their commits.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;

use super::{Fact, room, stored};

/// A fact, and with which commit it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The number of the commit, from 1.
    pub commit: u32,
    /// The fact.
    pub fact: Fact,
}

/// Everything that is kept of what was told of a subject.
///
/// Laws: adding is commutative, associative and idempotent as far as `facts` shows; commits only number the tellings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "stored::Read")]
pub struct Facts {
    /// Shared by all copies until one of them is told something new: most look at it only.
    pub(super) kept: Arc<Vec<Kept>>,
    /// The number of the newest commit.
    pub(super) commits: u32,
    /// Every fact up to this commit has its effect at Cryptlex, or waits for something that another event cannot bring.
    pub(super) settled: u32,
    /// The newest fact that was dropped for want of room.
    pub(super) dropped: Option<Timestamp>,
}

impl Facts {
    /// Adds what an event says. Of equal tellings one is kept, with the smallest id of their events: the order of facts of one
    /// time must not depend on which of them came first.
    pub fn add(&mut self, facts: &[Fact]) {
        let commit = self.commits.saturating_add(1);
        let all = Arc::make_mut(&mut self.kept);
        for fact in facts {
            let is_it = |kept: &&mut Kept| kept.fact.at == fact.at && kept.fact.says == fact.says;
            match all.iter_mut().find(is_it) {
                Some(known) if fact.event < known.fact.event => {
                    known.fact.event.clone_from(&fact.event);
                }
                Some(_) => {}
                None => {
                    self.commits = commit;
                    all.push(Kept { commit, fact: fact.clone() });
                }
            }
        }
        let gone = room::made(all);
        self.dropped = gone.iter().map(|gone| gone.fact.at).max().max(self.dropped);
    }

    /// Removes what an event says that was refused.
    pub fn take_back(&mut self, facts: &[Fact]) {
        let is_of_it = |kept: &Kept| {
            facts.iter().any(|fact| kept.fact.at == fact.at && kept.fact.says == fact.says)
        };
        Arc::make_mut(&mut self.kept).retain(|kept| !is_of_it(kept));
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// All of them, in the order of their commits.
    pub fn all(&self) -> impl Iterator<Item = &Fact> {
        self.kept.iter().map(|kept| &kept.fact)
    }

    /// Those that had come by that commit.
    pub fn until(&self, commit: u32) -> impl Iterator<Item = &Fact> {
        self.kept.iter().filter(move |kept| kept.commit <= commit).map(|kept| &kept.fact)
    }

    /// The commits whose states Cryptlex may show: that of the settled facts, and each later one before the newest.
    pub fn states_before(&self) -> impl Iterator<Item = u32> {
        self.settled..self.commits
    }

    /// Whether all of them have their effect.
    pub fn are_settled(&self) -> bool {
        self.settled == self.commits
    }

    /// Facts that may not have their effect yet.
    pub fn unsettled(&self) -> impl Iterator<Item = &Fact> {
        self.kept.iter().filter(|kept| kept.commit > self.settled).map(|kept| &kept.fact)
    }

    /// From now on they have.
    pub fn settle(&mut self) {
        self.settled = self.commits;
    }

    /// The newest fact that was dropped for want of room.
    pub fn dropped(&self) -> Option<Timestamp> {
        self.dropped
    }
}
