//! The set of facts of one subject, with the order of their commits.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;

use super::{Fact, room, stored};
use crate::domain::ids::EventId;

/// A fact, and with which commit it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The number of the commit, from 1.
    pub commit: u32,
    /// The fact.
    pub fact: Fact,
}

/// What made way for the facts of one event: facts that were dropped, and tellings of the same under another event's id.
#[derive(Debug, Default)]
pub(crate) struct Displaced {
    kept: Vec<Kept>,
    /// The newest fact that had been dropped before.
    dropped: Option<Timestamp>,
}

/// Everything that is kept of what was told of a subject.
///
/// Laws: while nothing is dropped, adding is commutative, associative and idempotent for the set of facts that `all` gives.
/// Commits number the additions; the order of `all` follows them. Beyond the limits of `room`, the order of additions may
/// decide which facts are dropped.
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
    /// What was dropped since the newest settled commit: Cryptlex may still show its effect.
    pub(super) leaving: Vec<Leaving>,
}

/// A fact that was dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Leaving {
    /// With which commit.
    pub(super) dropped_by: u32,
    pub(super) kept: Kept,
}

impl Facts {
    /// Adds what an event says. Of equal tellings one is kept, with the smallest id of their events: the order of facts of one
    /// time must not depend on which of them came first.
    pub fn add(&mut self, facts: &[Fact]) {
        self.replace(facts.iter());
    }

    /// As `add`; what had to make way for it, for [`Facts::take_back`].
    pub(crate) fn replace<'f>(&mut self, facts: impl Iterator<Item = &'f Fact>) -> Displaced {
        let commit = self.commits.saturating_add(1);
        let all = Arc::make_mut(&mut self.kept);
        let mut displaced = Displaced { kept: Vec::new(), dropped: self.dropped };
        for fact in facts {
            match all.iter_mut().find(|kept| kept.fact.tells_the_same(fact)) {
                Some(known) if fact.event < known.fact.event => {
                    displaced.kept.push(known.clone());
                    known.fact.event.clone_from(&fact.event);
                }
                Some(_) => {}
                None => {
                    self.commits = commit;
                    all.push(Kept { commit, fact: fact.clone() });
                }
            }
        }
        let mut gone = room::made(all);
        self.dropped = gone.iter().map(|gone| gone.fact.at).max().max(self.dropped);
        let before = gone.iter().filter(|gone| gone.commit < commit).cloned();
        self.leaving.extend(before.map(|kept| Leaving { dropped_by: commit, kept }));
        room::limit(&mut self.leaving, &self.kept);
        // Of what was told again and is dropped now, the first telling.
        gone.retain(|gone| !displaced.kept.iter().any(|it| it.fact.tells_the_same(&gone.fact)));
        displaced.kept.extend(gone);
        displaced
    }

    /// Removes what an event said that was refused, and puts back what had made way for it. What has its effect stays, and
    /// what another event told, too.
    pub(crate) fn take_back(&mut self, event: &EventId, displaced: Displaced) {
        let settled = self.settled;
        let is_of_it = |kept: &Kept| kept.commit > settled && kept.fact.event == *event;
        let before = displaced.kept;
        let is_back = |kept: &Kept| before.iter().any(|it| it.fact.tells_the_same(&kept.fact));
        let all = Arc::make_mut(&mut self.kept);
        all.retain(|kept| !is_of_it(kept) && !is_back(kept));
        all.extend(before.into_iter().filter(|kept| !is_of_it(kept)));
        all.sort_by_key(|kept| (kept.commit, kept.fact.at));
        self.leaving.retain(|it| !self.kept.contains(&it.kept));
        self.dropped = displaced.dropped;
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// All of them, in the order of their commits.
    pub fn all(&self) -> impl Iterator<Item = &Fact> {
        self.kept.iter().map(|kept| &kept.fact)
    }

    /// Those that there were at that commit, where it is not older than the newest settled one.
    pub fn until(&self, commit: u32) -> impl Iterator<Item = &Fact> {
        let since = self.leaving.iter().filter(move |it| commit < it.dropped_by);
        let kept = self.kept.iter().chain(since.map(|it| &it.kept));
        kept.filter(move |kept| kept.commit <= commit).map(|kept| &kept.fact)
    }

    /// The commits whose states Cryptlex may show: that of the settled facts, and each later one before the newest.
    pub fn states_before(&self) -> impl DoubleEndedIterator<Item = u32> {
        self.settled..self.commits
    }

    /// Those that there were before the newest commit, if it may not have its effect yet.
    pub fn before_the_newest(&self) -> Option<impl Iterator<Item = &Fact>> {
        Some(self.until(self.states_before().next_back()?))
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
        self.leaving.clear();
    }

    /// The newest fact that was dropped for want of room.
    pub fn dropped(&self) -> Option<Timestamp> {
        self.dropped
    }
}
