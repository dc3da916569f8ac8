//! Deliveries: the events that somebody said they are handing to a function.
//!
//! A call does not say which event caused it. Whoever delivers an event may announce it, and say when it is answered.
//! A call belongs to an event only if that event was the only one under way.
//!
//! Whoever announces may die before the end. So nothing is under way for ever, by the clock of this machine: the sandbox's own
//! stands still.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// How long a delivery is under way if nobody ends it. `devkit send` and providers give up after 30 seconds at most.
const LONGEST: Duration = Duration::from_secs(60);
/// How long a server may go on with an event that it did not answer well. Its own attempts are over by then; those of a
/// provider are announced again.
const LINGERING: Duration = Duration::from_secs(5 * 60);
/// How many deliveries are kept, and as many unfinished events.
const MOST: usize = 1_000;

/// What is delivered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Announcement {
    /// Provider and event, such as `stripe checkout-subscription`. A redelivery has the same one.
    pub event: String,
    /// What it means, for people: `buys a year, by checkout`.
    #[serde(default)]
    pub about: Option<String>,
}

/// An announced event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// Counts from 1. A reset does not begin anew: nobody from before it shall end a delivery of now.
    pub id: u64,
    /// What is delivered.
    #[serde(flatten)]
    pub announcement: Announcement,
    /// What the sandbox's clock showed.
    #[serde(serialize_with = "super::instant::serialize")]
    pub at: Timestamp,
    /// Status of the answer, once there is one.
    pub answered: Option<u16>,
    /// Whether it is over, answered or not.
    pub over: bool,
    /// Whether every call that came during it is known to belong to it.
    #[serde(skip)]
    pub(super) sure: bool,
    /// How many calls had come before it.
    #[serde(skip)]
    pub(super) first_call: usize,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    all: Vec<Delivery>,
    begun: u64,
    /// Those that are not over, and when they began.
    open: BTreeMap<u64, Instant>,
    /// Events that were not answered, or with an error of the server, and when that was. It may go on with them by itself.
    unfinished: HashMap<String, Instant>,
}

impl Deliveries {
    /// None, but their ids go on.
    pub(super) fn renewed(&self) -> Deliveries {
        Deliveries { begun: self.begun, ..Deliveries::default() }
    }

    /// Ends what has been under way for too long, and forgets what was unfinished for too long.
    pub(super) fn expire(&mut self, now: Instant) {
        // The first to begin are the first to end.
        while let Some((&id, &began)) = self.open.first_key_value()
            && now.duration_since(began) >= LONGEST
        {
            self.end(id, None, began + LONGEST);
        }
        self.unfinished.retain(|_, since| now.duration_since(*since) < LINGERING);
    }

    /// Begins one and returns its id.
    pub(super) fn begin(
        &mut self,
        announcement: Announcement,
        at: Timestamp,
        first_call: usize,
        now: Instant,
    ) -> u64 {
        self.begun += 1;
        let id = self.begun;
        self.open.insert(id, now);
        if self.all.len() >= MOST {
            self.all.drain(..=self.all.len() - MOST);
        }
        self.all.push(Delivery {
            id,
            announcement,
            at,
            answered: None,
            over: false,
            sure: true,
            first_call,
        });
        if self.cause().is_none() {
            for delivery in self.all.iter_mut().filter(|delivery| !delivery.over) {
                delivery.sure = false;
            }
        }
        id
    }

    /// Ends one; without a status if no answer came. `false` if none with this id is under way.
    pub(super) fn end(&mut self, id: u64, answered: Option<u16>, now: Instant) -> bool {
        if self.open.remove(&id).is_none() {
            return false;
        }
        let Some(delivery) = self.all.iter_mut().find(|delivery| delivery.id == id) else {
            return true;
        };
        delivery.answered = answered;
        delivery.over = true;
        let event = &delivery.announcement.event;
        match answered {
            Some(status) if status < 500 => self.unfinished.remove(event),
            Some(_) | None => self.unfinished.insert(event.clone(), now),
        };
        if self.unfinished.len() > MOST {
            let oldest = self.unfinished.iter().min_by_key(|(_, since)| **since);
            let oldest = oldest.map(|(event, _)| event.clone());
            oldest.and_then(|event| self.unfinished.remove(&event));
        }
        true
    }

    /// The event that a call of now belongs to, if that is certain.
    pub(super) fn cause(&self) -> Option<u64> {
        let mut open = self.open.keys();
        let (only, None) = (open.next()?, open.next()) else { return None };
        let delivery = self.all.iter().rev().find(|delivery| delivery.id == *only)?;
        // Of the other events that a server may go on with, none may be another one than this.
        let sure = self.unfinished.keys().all(|event| *event == delivery.announcement.event);
        sure.then_some(*only)
    }

    /// Forgets those that are over, and what is unfinished. The calls are forgotten, too; so many there were.
    pub(super) fn clear(&mut self, calls: usize) {
        self.unfinished.clear();
        self.all.retain(|delivery| !delivery.over);
        for delivery in &mut self.all {
            // Nobody can see any more whose those calls were.
            delivery.sure &= delivery.first_call == calls;
            delivery.first_call = 0;
        }
    }

    /// In the order in which they began.
    pub(super) fn all(&self) -> &[Delivery] {
        &self.all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(deliveries: &mut Deliveries, event: &str) -> u64 {
        begin_at(deliveries, event, Instant::now())
    }

    fn begin_at(deliveries: &mut Deliveries, event: &str, now: Instant) -> u64 {
        let it = Announcement { event: event.to_owned(), about: None };
        deliveries.begin(it, Timestamp::UNIX_EPOCH, 0, now)
    }

    fn end(deliveries: &mut Deliveries, id: u64, answered: Option<u16>) -> bool {
        deliveries.end(id, answered, Instant::now())
    }

    #[test]
    fn the_only_delivery_under_way_is_the_cause() {
        let mut deliveries = Deliveries::default();
        assert_eq!(deliveries.cause(), None);
        let first = begin(&mut deliveries, "a");
        assert_eq!(deliveries.cause(), Some(first));
        let second = begin(&mut deliveries, "b");
        assert_eq!(deliveries.cause(), None);
        assert!(end(&mut deliveries, first, Some(200)));
        assert_eq!(deliveries.cause(), Some(second));
        assert!(end(&mut deliveries, second, Some(404)));
        assert_eq!(deliveries.cause(), None);
        assert!(!end(&mut deliveries, second, Some(200)));
    }

    #[test]
    fn an_event_that_may_go_on_by_itself_makes_causes_uncertain() {
        for answered in [Some(503), None] {
            let mut deliveries = Deliveries::default();
            let failed = begin(&mut deliveries, "a");
            end(&mut deliveries, failed, answered);
            let other = begin(&mut deliveries, "b");
            assert_eq!(deliveries.cause(), None, "{answered:?}");
            end(&mut deliveries, other, Some(200));
            let again = begin(&mut deliveries, "a");
            assert_eq!(deliveries.cause(), Some(again));
            end(&mut deliveries, again, Some(200));
            let other = begin(&mut deliveries, "b");
            assert_eq!(deliveries.cause(), Some(other));
        }
    }

    #[test]
    fn clearing_keeps_what_is_under_way() {
        let mut deliveries = Deliveries::default();
        let over = begin(&mut deliveries, "a");
        end(&mut deliveries, over, Some(200));
        let open = begin(&mut deliveries, "b");
        deliveries.clear(0);
        assert_eq!(deliveries.all().iter().map(|it| it.id).collect::<Vec<_>>(), [open]);
        assert_eq!(deliveries.cause(), Some(open));
    }

    #[test]
    fn a_delivery_that_nobody_ends_is_over_after_a_minute() {
        let mut deliveries = Deliveries::default();
        let start = Instant::now();
        let lost = begin_at(&mut deliveries, "a", start);
        deliveries.expire(start + LONGEST - Duration::from_millis(1));
        assert_eq!(deliveries.cause(), Some(lost));
        deliveries.expire(start + LONGEST);
        assert_eq!(deliveries.cause(), None);
        let [delivery] = deliveries.all() else { panic!("it is kept") };
        assert_eq!((delivery.over, delivery.answered), (true, None));
        assert!(!end(&mut deliveries, lost, Some(200)));
    }

    #[test]
    fn an_unfinished_event_is_forgotten_after_minutes() {
        let mut deliveries = Deliveries::default();
        let start = Instant::now();
        begin_at(&mut deliveries, "a", start);
        // It counts as unfinished since its minute was over, however late somebody looks.
        let forgotten = start + LONGEST + LINGERING;
        let before = forgotten - Duration::from_millis(1);
        deliveries.expire(before);
        let other = begin_at(&mut deliveries, "b", before);
        assert_eq!(deliveries.cause(), None);
        deliveries.end(other, Some(200), before);
        deliveries.expire(forgotten);
        let other = begin_at(&mut deliveries, "b", forgotten);
        assert_eq!(deliveries.cause(), Some(other));
    }

    #[test]
    fn clearing_forgets_what_is_unfinished() {
        let mut deliveries = Deliveries::default();
        let failed = begin(&mut deliveries, "a");
        end(&mut deliveries, failed, None);
        deliveries.clear(0);
        let other = begin(&mut deliveries, "b");
        assert_eq!(deliveries.cause(), Some(other));
    }

    #[test]
    fn ids_go_on_after_a_reset() {
        let mut deliveries = Deliveries::default();
        let before = begin(&mut deliveries, "a");
        let mut deliveries = deliveries.renewed();
        assert!(deliveries.all().is_empty());
        let after = begin(&mut deliveries, "b");
        assert!(!end(&mut deliveries, before, Some(200)));
        assert_eq!(deliveries.cause(), Some(after));
    }

    #[test]
    fn the_newest_thousand_are_kept() {
        let mut deliveries = Deliveries::default();
        let oldest = begin(&mut deliveries, "a");
        for number in 0..2 * MOST {
            let id = begin(&mut deliveries, &format!("b{number}"));
            assert!(end(&mut deliveries, id, None));
        }
        assert_eq!(deliveries.all().len(), MOST);
        assert_eq!(deliveries.unfinished.len(), MOST);
        // It is still under way, but nobody can be told of it.
        assert_eq!(deliveries.cause(), None);
        assert!(end(&mut deliveries, oldest, Some(200)));
    }
}
