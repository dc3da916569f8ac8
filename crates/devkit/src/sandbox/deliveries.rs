//! Deliveries: the events that somebody said they are handing to a function.
//!
//! A call does not say which event caused it. Whoever delivers an event may announce it, and say when it is answered.
//! A call belongs to an event only if that event was the only one under way.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

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
    /// Counts from 1.
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
    /// Those that are not over.
    open: BTreeSet<u64>,
    /// Events that were not answered, or with an error of the server. It may go on with them by itself.
    unfinished: BTreeSet<String>,
}

impl Deliveries {
    /// Begins one and returns its id.
    pub(super) fn begin(&mut self, it: Announcement, at: Timestamp, first_call: usize) -> u64 {
        self.begun += 1;
        let (id, announcement) = (self.begun, it);
        self.open.insert(id);
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
    pub(super) fn end(&mut self, id: u64, answered: Option<u16>) -> bool {
        if !self.open.remove(&id) {
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
            Some(_) | None => self.unfinished.insert(event.clone()),
        };
        true
    }

    /// The event that a call of now belongs to, if that is certain.
    pub(super) fn cause(&self) -> Option<u64> {
        let mut open = self.open.iter();
        let (only, None) = (open.next()?, open.next()) else { return None };
        let delivery = self.all.iter().rev().find(|delivery| delivery.id == *only)?;
        // Of the other events that a server may go on with, none may be another one than this.
        let sure = self.unfinished.iter().all(|event| *event == delivery.announcement.event);
        sure.then_some(*only)
    }

    /// Forgets those that are over. The calls are forgotten, too.
    pub(super) fn clear(&mut self) {
        self.all.retain(|delivery| !delivery.over);
        for delivery in &mut self.all {
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
        let it = Announcement { event: event.to_owned(), about: None };
        deliveries.begin(it, Timestamp::UNIX_EPOCH, 0)
    }

    #[test]
    fn the_only_delivery_under_way_is_the_cause() {
        let mut deliveries = Deliveries::default();
        assert_eq!(deliveries.cause(), None);
        let first = begin(&mut deliveries, "a");
        assert_eq!(deliveries.cause(), Some(first));
        let second = begin(&mut deliveries, "b");
        assert_eq!(deliveries.cause(), None);
        assert!(deliveries.end(first, Some(200)));
        assert_eq!(deliveries.cause(), Some(second));
        assert!(deliveries.end(second, Some(404)));
        assert_eq!(deliveries.cause(), None);
        assert!(!deliveries.end(second, Some(200)));
    }

    #[test]
    fn an_event_that_may_go_on_by_itself_makes_causes_uncertain() {
        for answered in [Some(503), None] {
            let mut deliveries = Deliveries::default();
            let failed = begin(&mut deliveries, "a");
            deliveries.end(failed, answered);
            let other = begin(&mut deliveries, "b");
            assert_eq!(deliveries.cause(), None, "{answered:?}");
            deliveries.end(other, Some(200));
            let again = begin(&mut deliveries, "a");
            assert_eq!(deliveries.cause(), Some(again));
            deliveries.end(again, Some(200));
            let other = begin(&mut deliveries, "b");
            assert_eq!(deliveries.cause(), Some(other));
        }
    }

    #[test]
    fn clearing_keeps_what_is_under_way() {
        let mut deliveries = Deliveries::default();
        let over = begin(&mut deliveries, "a");
        deliveries.end(over, Some(200));
        let open = begin(&mut deliveries, "b");
        deliveries.clear();
        assert_eq!(deliveries.all().iter().map(|it| it.id).collect::<Vec<_>>(), [open]);
        assert_eq!(deliveries.cause(), Some(open));
    }
}
