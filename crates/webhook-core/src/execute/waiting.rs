//! What a server finishes by itself: events that were answered 503 because of Cryptlex, in the order of their turns.
//!
//! The ledger lists them too; what is here is that list, as this process knows it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;

use crate::cryptlex::{Rank, Turn};
use crate::domain::ids::EventId;
use crate::ledger::Waits;

/// After this time an event counts as a purchase: newer purchases go after it.
const WAITS_AT_MOST: SignedDuration = SignedDuration::from_mins(10);
/// The pause after the first failed try. It doubles with each further one, up to `LONGEST_PAUSE`.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_secs(5);
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_mins(10);
/// Over four hours. After them the provider's own retries are all there is.
const MOST_TRIES: u32 = 32;

/// Events that wait for their turn.
#[derive(Debug, Default)]
pub struct Waiting {
    events: Mutex<Events>,
    /// Whoever is added is worked through, by this process or the next one.
    keeps: AtomicBool,
    /// Somebody works through them now.
    works: AtomicBool,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Events {
    waiting: BTreeMap<EventId, Waits>,
    in_work: BTreeSet<EventId>,
    given_up: u32,
}

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    /// This one.
    Event(EventId, Waits),
    /// Nothing before then.
    NotBefore(Timestamp),
    /// Nothing.
    Nothing,
}

/// How many events wait, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queue {
    /// Events.
    pub events: usize,
    /// Calls of Cryptlex that they will make.
    pub calls: usize,
    /// When the last of them is to be tried at the earliest.
    pub due: Option<Timestamp>,
    /// Events that were tried too often, and are left to the provider.
    pub given_up: u32,
}

impl Waiting {
    fn events(&self) -> MutexGuard<'_, Events> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on somebody works through them.
    pub(crate) fn begin_work(&self) {
        self.keeps.store(true, Ordering::Relaxed);
        self.works.store(true, Ordering::Relaxed);
    }

    /// Nobody does any more before the next start.
    pub(crate) fn end_work(&self) {
        self.works.store(false, Ordering::Relaxed);
    }

    /// Whether what is added is worked through.
    pub fn keeps(&self) -> bool {
        self.keeps.load(Ordering::Relaxed)
    }

    /// As the ledger lists them. What is known here is newer.
    pub(crate) fn load(&self, listed: Vec<(EventId, Waits)>) {
        let mut events = self.events();
        for (id, waits) in listed {
            events.waiting.entry(id).or_insert(waits);
        }
        drop(events);
        self.changed.notify_one();
    }

    /// One more. Who waits already keeps its place.
    pub(crate) fn add(&self, id: EventId, waits: Waits) {
        self.events().waiting.entry(id).or_insert(waits);
        self.changed.notify_one();
    }

    /// The turn of an event: whoever waited long enough goes before newer purchases.
    pub(crate) fn turn_of(&self, id: &EventId, turn: Turn, now: Timestamp) -> Turn {
        match self.events().waiting.get(id) {
            Some(waits) => Turn { rank: turn.rank.min(rank(waits, now)), ..turn },
            None => turn,
        }
    }

    /// Calls of those that could go now and go before it.
    pub(crate) fn ahead_of(&self, id: &EventId, turn: &Turn, now: Timestamp) -> usize {
        if !self.works.load(Ordering::Relaxed) {
            return 0;
        }
        let events = self.events();
        let can_go = events.waiting.iter().filter(|(other, waits)| {
            *other != id && is_due(waits, now) && !events.in_work.contains(*other)
        });
        let ahead = can_go.filter(|(_, waits)| (rank(waits, now), waits.at) < (turn.rank, turn.at));
        ahead.fold(0, |sum: usize, (_, waits)| sum.saturating_add(waits.calls))
    }

    /// Whose turn it is.
    pub(crate) fn next(&self, now: Timestamp) -> Next {
        let events = self.events();
        let idle = events.waiting.iter().filter(|(id, _)| !events.in_work.contains(*id));
        let can_go = idle.clone().filter(|(_, waits)| is_due(waits, now));
        let first = can_go.min_by_key(|(_, waits)| (rank(waits, now), waits.at));
        if let Some((id, waits)) = first {
            return Next::Event(id.clone(), waits.clone());
        }
        idle.map(|(_, waits)| waits.due).min().map_or(Next::Nothing, Next::NotBefore)
    }

    /// Somebody is at it.
    pub(crate) fn begin(&self, id: &EventId) {
        self.events().in_work.insert(id.clone());
    }

    /// It is done, or nothing can be done about it any more.
    pub(crate) fn remove(&self, id: &EventId) {
        let mut events = self.events();
        events.in_work.remove(id);
        events.waiting.remove(id);
        drop(events);
        self.changed.notify_one();
    }

    /// It was tried in vain, and its turn is another one now, if that is known; how it waits on, or `None` if it was tried too often.
    pub(crate) fn try_later(
        &self,
        id: &EventId,
        turn: Option<Turn>,
        at_least: Option<Duration>,
        now: Timestamp,
    ) -> Option<Waits> {
        let mut events = self.events();
        events.in_work.remove(id);
        let waits = events.waiting.get_mut(id)?;
        waits.tries = waits.tries.saturating_add(1);
        if let Some(turn) = turn {
            (waits.rank, waits.calls) = (waits.rank.min(turn.rank), turn.calls);
        }
        if waits.tries >= MOST_TRIES {
            events.waiting.remove(id);
            events.given_up = events.given_up.saturating_add(1);
            return None;
        }
        let pause = FIRST_PAUSE.checked_mul(1 << waits.tries.saturating_sub(1).min(16));
        let pause = pause.unwrap_or(LONGEST_PAUSE).min(LONGEST_PAUSE);
        let asked = at_least.and_then(|wait| SignedDuration::try_from(wait).ok());
        let pause = pause.max(asked.unwrap_or_default().min(LONGEST_PAUSE));
        waits.due = now.saturating_add(pause).unwrap_or(now);
        let waits = waits.clone();
        drop(events);
        // Whoever found nothing to do while it was in work looks again.
        self.changed.notify_one();
        Some(waits)
    }

    /// Until something is added or removed, or waits on.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// How many wait.
    pub fn queue(&self) -> Queue {
        let events = self.events();
        let calls = events.waiting.values().map(|waits| waits.calls);
        Queue {
            events: events.waiting.len(),
            calls: calls.fold(0, usize::saturating_add),
            due: events.waiting.values().map(|waits| waits.due).max(),
            given_up: events.given_up,
        }
    }
}

/// Nothing is put off for longer than the longest pause: a clock was ahead when it was.
fn is_due(waits: &Waits, now: Timestamp) -> bool {
    let left = waits.due.duration_since(now);
    left <= SignedDuration::ZERO || left > LONGEST_PAUSE
}

/// A clock that was ahead when it began to wait makes nobody wait longer.
fn rank(waits: &Waits, now: Timestamp) -> Rank {
    match waits.rank {
        Rank::Rest if now.duration_since(waits.since) >= WAITS_AT_MOST => Rank::Purchase,
        rank @ (Rank::Begun | Rank::Purchase | Rank::Rest) => rank,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn id(name: &str) -> EventId {
        EventId::new(name).unwrap()
    }

    fn waits(rank: Rank, happened: i64, since: i64) -> Waits {
        Waits { rank, at: at(happened), calls: 2, since: at(since), due: at(since), tries: 0 }
    }

    fn order(waiting: &Waiting, now: i64) -> Vec<String> {
        let mut order = Vec::new();
        while let Next::Event(id, _) = waiting.next(at(now)) {
            waiting.begin(&id);
            waiting.remove(&id);
            order.push(id.to_string());
        }
        order
    }

    fn five() -> Waiting {
        let waiting = Waiting::default();
        waiting.begin_work();
        for (name, rank, happened, since) in [
            ("renewal", Rank::Rest, 10, 100),
            ("older renewal", Rank::Rest, 5, 101),
            ("purchase", Rank::Purchase, 30, 102),
            ("older purchase", Rank::Purchase, 20, 650),
            ("begun", Rank::Begun, 40, 103),
        ] {
            waiting.add(id(name), waits(rank, happened, since));
        }
        waiting
    }

    #[test]
    fn begun_events_go_first_then_purchases_then_the_oldest() {
        let expected = ["begun", "older purchase", "purchase", "older renewal", "renewal"];
        assert_eq!(order(&five(), 650), expected);
    }

    #[test]
    fn nothing_waits_more_than_ten_minutes_for_newer_purchases() {
        let expected = ["begun", "older renewal", "renewal", "older purchase", "purchase"];
        assert_eq!(order(&five(), 701), expected);
    }

    #[test]
    fn calls_ahead_are_those_of_others_that_could_go_now() {
        let waiting = five();
        let turn = |rank, happened| Turn { rank, at: at(happened), calls: 3 };
        let ahead = |turn: Turn| waiting.ahead_of(&id("new"), &turn, at(650));
        assert_eq!(ahead(turn(Rank::Purchase, 25)), 4);
        assert_eq!(ahead(turn(Rank::Rest, 7)), 8);
        assert_eq!(ahead(turn(Rank::Rest, 50)), 10);
        waiting.begin(&id("begun"));
        assert_eq!(ahead(turn(Rank::Rest, 50)), 8);
        waiting.try_later(&id("begun"), None, None, at(650));
        assert_eq!(ahead(turn(Rank::Rest, 50)), 8, "it is not due");
        waiting.end_work();
        assert_eq!(ahead(turn(Rank::Rest, 50)), 0, "nobody works");
    }

    #[test]
    fn a_failing_event_is_tried_less_and_less_often_then_left() {
        let waiting = Waiting::default();
        waiting.add(id("one"), waits(Rank::Rest, 0, 0));
        let mut now = 0;
        let mut pauses = Vec::new();
        while let Some(waits) = waiting.try_later(&id("one"), None, None, at(now)) {
            pauses.push(waits.due.as_second() - now);
            assert_eq!(waiting.next(at(now)), Next::NotBefore(waits.due));
            now = waits.due.as_second();
        }
        assert_eq!(&pauses[..9], [5, 10, 20, 40, 80, 160, 320, 600, 600]);
        assert_eq!((pauses.len(), now / 3600), (31, 4));
        assert_eq!(waiting.next(at(now)), Next::Nothing);
        let expected = Queue { events: 0, calls: 0, due: None, given_up: 1 };
        assert_eq!(waiting.queue(), expected);
    }

    #[test]
    fn a_clock_that_was_ahead_delays_nothing() {
        let waiting = Waiting::default();
        waiting.add(id("one"), waits(Rank::Rest, 0, 90_000));
        assert_eq!(order(&waiting, 10), ["one"]);
    }

    #[test]
    fn an_event_that_waits_already_keeps_its_place() {
        let waiting = five();
        waiting.add(id("renewal"), waits(Rank::Rest, 999, 999));
        waiting.load(vec![(id("renewal"), waits(Rank::Rest, 998, 998))]);
        let kept = waiting.events().waiting.get(&id("renewal")).cloned();
        assert_eq!(kept, Some(waits(Rank::Rest, 10, 100)));
        assert_eq!(waiting.queue().events, 5);
    }
}
