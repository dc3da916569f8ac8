//! What is remembered, as it is stored: JSON with the number of its format.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::store::{StoreError, Versioned};
use crate::domain::command::{Outcome, Slot, Subject, SubjectKind, SubscriptionRecord};
use crate::domain::fact::{Fact, Facts, Role};
use crate::domain::ids::{CustomerId, EventId, LicenseId, PaymentId, SubjectId, UserId};

/// Raised when an older version could misread what this one writes.
const FORMAT: u32 = 2;
const NEWER: u32 = FORMAT + 1;

/// Events that a subject remembers by id, for people who look at it.
const MOST_EVENTS: usize = 50;

/// Purchases that a customer is known by; of one with more, the oldest count as somebody else's.
const MOST_BOUGHT: usize = 500;
/// Of a customer whom nobody describes.
const MOST_WAITING: usize = 64;

/// What became of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRecord {
    /// Its type.
    pub kind: String,
    /// Test or live.
    pub live: Option<bool>,
    /// The path that it came to, which says how a purchase finds its product.
    pub contract: String,
    /// The keys of what it is about.
    pub subjects: Vec<String>,
    /// The provider's customers that it names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub customers: Vec<CustomerId>,
    /// SHA-256 of the body that it came in last.
    pub body: String,
    /// When it was claimed last.
    pub claimed_at: Timestamp,
    /// Tells one claim from any other.
    pub claim: u64,
    /// How often it was claimed.
    pub attempts: u32,
    /// What became of it.
    pub status: EventStatus,
    /// Whether somebody was told to look at it: nobody is told twice.
    #[serde(default)]
    pub told: bool,
}

/// The status of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventStatus {
    /// Somebody is at it, or died over it.
    Claimed,
    /// Its effect is in Cryptlex.
    Done(Outcome),
    /// Why it is not.
    Failed(String),
    /// Paid for and waiting for a mapping.
    Unmapped(String),
}

/// A subject with the lease on it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubjectRecord {
    /// Who works on it.
    pub lease: Option<Lease>,
    /// The newest events about it, the newest last.
    pub events: VecDeque<EventId>,
    /// An event was begun, and its effect may be there in part. The next event of any kind goes on from what it finds.
    #[serde(default, skip_serializing_if = "is_default")]
    pub half_done: bool,
    /// The slots hold all of its licenses, and we made each of them. Not while an event is at it, nor after one that was left
    /// half-done.
    #[serde(default, skip_serializing_if = "is_default")]
    pub all_ours: bool,
    /// What is known of it.
    pub state: SubjectState,
}

impl SubjectRecord {
    pub(super) fn mention(&mut self, event: &EventId) {
        self.events.retain(|known| known != event);
        self.events.push_back(event.clone());
        if self.events.len() > MOST_EVENTS {
            self.events.pop_front();
        }
    }
}

/// The right to work on a subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// For which event.
    pub event: EventId,
    /// Since when.
    pub since: Timestamp,
    /// Until when, if it is not released before.
    pub until: Timestamp,
    /// Its holder gave up on a write whose outcome is unknown: nobody will release it.
    pub abandoned: bool,
    /// By whom, where the store has one owner at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<u64>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// What we know of a subject beyond what its licenses say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SubjectState {
    /// What its provider told of it.
    #[serde(skip_serializing_if = "Facts::is_empty")]
    pub facts: Facts,
    /// Which license fills which slot.
    #[serde(skip_serializing_if = "is_default")]
    pub slots: BTreeMap<Slot, LicenseId>,
    /// Slots whose licenses somebody deleted by hand: they are not made again without a new line, more seats or an end that a
    /// payment took back.
    #[serde(skip_serializing_if = "is_default")]
    pub gone: BTreeSet<Slot>,
    /// Ends that we wrote last: a license that shows one of them was not moved by hand.
    #[serde(skip_serializing_if = "is_default")]
    pub written: BTreeSet<Timestamp>,
    /// Where licenses ended before days of grace moved them, if no date tells their end.
    #[serde(skip_serializing_if = "is_default")]
    pub before_grace: Option<Timestamp>,
    /// The order of the charge that was counted last for want of a date.
    #[serde(skip_serializing_if = "is_default")]
    pub counted: Option<SubjectId>,
    /// Licenses that we revoked.
    #[serde(skip_serializing_if = "is_default")]
    pub revoked: BTreeSet<LicenseId>,
    /// Whether we deleted its licenses at the end.
    #[serde(skip_serializing_if = "is_default")]
    pub deleted: bool,
    /// When the customer was last told to be as they are known.
    #[serde(skip_serializing_if = "is_default")]
    pub synced_at: Option<Timestamp>,
}

impl SubjectState {
    /// Whether nothing is known of its purchase.
    pub fn is_unseen(&self) -> bool {
        let is_purchase =
            |fact: &Fact| fact.ordered().is_some_and(|ordered| ordered.role != Role::OfAPayment);
        self.slots.is_empty() && !self.facts.all().any(is_purchase)
    }

    /// Whether it knows the license: in a slot, or revoked by us.
    pub fn names(&self, license: &LicenseId) -> bool {
        self.slots.values().any(|known| known == license) || self.revoked.contains(license)
    }

    /// As the provider described it last, and when.
    pub fn record(&self) -> Option<(Timestamp, &SubscriptionRecord)> {
        let described = self.facts.all().filter_map(|fact| Some((fact.at, fact.described()?)));
        let newest = described.max_by_key(|(at, _)| *at);
        newest.map(|(at, described)| (at, &described.record))
    }
}

/// What is known of a payment by one of its ids.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PaymentRecord {
    /// What it paid for; one order may buy several subscriptions.
    pub paid: Vec<Paid>,
    /// What was told of it before anybody told what it paid for: facts of whatever that turns out to be.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<Fact>,
}

/// A subject that a payment paid for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paid {
    /// What kind of story it is.
    pub kind: SubjectKind,
    /// The provider's id of it.
    pub id: SubjectId,
}

impl PaymentRecord {
    /// Several events may tell of one payment.
    pub(super) fn add(&mut self, paid: Paid) {
        if !self.paid.contains(&paid) {
            self.paid.push(paid);
        }
    }

    /// Until somebody tells what it paid for.
    pub(super) fn wait(&mut self, fact: &Fact) {
        let is_new = !self.waiting.iter().any(|it| it.at == fact.at && it.says == fact.says);
        if !is_new {
            return;
        }
        self.waiting.push(fact.clone());
        if self.waiting.len() > MOST_WAITING {
            // The newest tells the present state.
            let oldest = self.waiting.iter().enumerate().min_by_key(|(_, fact)| fact.at);
            if let Some(place) = oldest.map(|(place, _)| place) {
                self.waiting.remove(place);
            }
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        other.paid.into_iter().for_each(|paid| self.add(paid));
    }
}

/// What we know of a provider's customer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KnownCustomer {
    /// The Cryptlex user that they are.
    pub user: Option<UserId>,
    /// Whether that user carries the mark of this customer alone, as it was last seen.
    pub owns_user: bool,
    /// Users that carry this customer's mark and were given licenses of others, or were taken over: however late a list
    /// shows it, they are not changed for this customer.
    pub shared: BTreeSet<UserId>,
    /// The event that told their address last: the ledger keeps none, but for as long as it keeps the body.
    pub told_by: Option<EventId>,
    /// SHA-256 of the address for which a person was told that a user was kept.
    pub kept_for: Option<String>,
    /// Whether the provider deleted them.
    pub deleted: bool,
    /// Licenses that a placeholder user holds for them, however late a list shows these.
    pub held_by_placeholder: BTreeSet<LicenseId>,
    /// SHA-256 of their e-mail address in lower case.
    pub email: Option<String>,
    /// The provider's id of their default payment method.
    pub pays_by: Option<String>,
    /// Their latest purchases, the newest last. A license of any other purchase counts as somebody else's.
    pub bought: VecDeque<SubjectId>,
    /// Purchases that wait for the customer's e-mail.
    #[serde(skip_serializing_if = "is_default")]
    pub waiting: BTreeSet<EventId>,
}

impl KnownCustomer {
    /// Whether the user that they are known as is theirs alone.
    pub fn owns_its_user(&self) -> bool {
        self.owns_user && self.user.as_ref().is_some_and(|user| !self.shared.contains(user))
    }

    /// Remembers a purchase that waits for the customer's e-mail.
    pub fn keeps_waiting(&mut self, event: &EventId) {
        self.waiting.insert(event.clone());
        if self.waiting.len() > MOST_WAITING {
            self.waiting.pop_first();
        }
    }

    /// Remembers one of their purchases.
    pub fn buys(&mut self, subject: &SubjectId) {
        self.bought.retain(|known| known != subject);
        self.bought.push_back(subject.clone());
        if self.bought.len() > MOST_BOUGHT {
            self.bought.pop_front();
        }
    }
}

pub(super) fn event_key(provider: &str, id: &EventId) -> String {
    format!("event/{provider}/{id}")
}

pub(super) fn body_key(provider: &str, digest: &str) -> String {
    format!("body/{provider}/{digest}")
}

/// How keys call the kinds. Stored keys never change: a customer is a `person` in them, and a `customer` in every text.
const KINDS_IN_KEYS: [(SubjectKind, &str); 3] = [
    (SubjectKind::Subscription, "subscription"),
    (SubjectKind::Order, "order"),
    (SubjectKind::Customer, "person"),
];

pub(super) fn subject_key(subject: &Subject) -> String {
    let called = KINDS_IN_KEYS.iter().find(|(kind, _)| *kind == subject.kind);
    let called = called.map_or("order", |(_, called)| called);
    format!("subject/{}/{called}/{}", subject.provider, subject.id)
}

/// The keys that a subject with this id has, by its kind.
pub(super) fn subject_keys(provider: &str, id: &SubjectId) -> [String; 3] {
    KINDS_IN_KEYS.map(|(_, called)| format!("subject/{provider}/{called}/{id}"))
}

/// Provider, kind and id of a subject's key.
pub fn parts_of_subject_key(key: &str) -> Option<(&str, SubjectKind, &str)> {
    let mut parts = key.strip_prefix("subject/")?.splitn(3, '/');
    let (provider, called, id) = (parts.next()?, parts.next()?, parts.next()?);
    let (kind, _) = KINDS_IN_KEYS.iter().find(|(_, known)| *known == called)?;
    Some((provider, *kind, id))
}

pub(super) fn payment_key(provider: &str, id: &PaymentId) -> String {
    format!("payment/{provider}/{id}")
}

/// Where another id of a payment leads to the one that it was recorded by.
pub(super) fn link_key(provider: &str, id: &PaymentId) -> String {
    format!("payment-link/{provider}/{id}")
}

pub(super) fn customer_key(provider: &str, id: &CustomerId) -> String {
    format!("customer/{provider}/{id}")
}

#[derive(Serialize)]
struct Written<'r, T> {
    format: u32,
    record: &'r T,
}

/// A newer format may differ in everything else.
#[derive(Deserialize)]
struct Head {
    format: u32,
}

#[derive(Deserialize)]
struct Read<T> {
    format: u32,
    record: T,
}

pub(super) fn encoded<T: Serialize>(key: &str, record: &T) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(&Written { format: FORMAT, record })
        .map_err(|error| StoreError(format!("record {key} cannot be written: {error}")))
}

pub(super) fn decoded<T: DeserializeOwned>(
    key: &str,
    stored: Option<&Versioned>,
) -> Result<Option<T>, StoreError> {
    let Some(stored) = stored else {
        return Ok(None);
    };
    let read: Result<Read<T>, _> = serde_json::from_slice(&stored.value);
    let format = match &read {
        Ok(read) => Some(read.format),
        Err(_unreadable) => {
            serde_json::from_slice(&stored.value).map(|Head { format }| format).ok()
        }
    };
    match (read, format) {
        (_, Some(newer @ NEWER..)) => Err(StoreError(format!(
            "record {key} was written by a newer version (format {newer}, this one knows {FORMAT}): deploy that version again, and look at it with the devkit of that version"
        ))),
        (Ok(Read { record, .. }), _) => Ok(Some(record)),
        (Err(_unreadable), _) => {
            Err(StoreError(format!("record {key} is not a record of this ledger")))
        }
    }
}
