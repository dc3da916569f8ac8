//! What is remembered, as it is stored: JSON with the number of its format.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::store::{StoreError, Versioned};
use crate::command::{
    Cause, Mapping, NamedBy, Outcome, Period, QuantityMeans, Slot, Stands, Subject, SubjectKind,
    Subscribed, SubscriptionRecord,
};
use crate::ids::{CustomerId, EventId, LicenseId, PaymentId, ProductId, SubjectId, UserId};

/// Raised when an older version could misread what this one writes.
const FORMAT: u32 = 1;
const NEWER: u32 = FORMAT + 1;

/// Events that a subject remembers by id, for people who look at it.
const MOST_EVENTS: usize = 50;

/// As many as a large order needs that Cryptlex lets through in parts.
const MOST_TRIES: u32 = 8;

/// More of them at once than a provider has under way are not kept.
const MOST_UNFINISHED: usize = 16;

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
    /// How it stands.
    pub status: EventStatus,
    /// Whether somebody was told to look at it: nobody is told twice.
    #[serde(default)]
    pub told: bool,
}

/// How an event stands.
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
    /// Events that were begun and whose effect may be there in part, the oldest first.
    #[serde(default)]
    pub unfinished: VecDeque<Unfinished>,
    /// The slots hold all of its licenses, and we made each of them. Not while an event is at it, nor after one that was left
    /// half-done.
    #[serde(default, skip_serializing_if = "is_default")]
    pub all_ours: bool,
    /// What is known of it.
    pub state: SubjectState,
}

impl SubjectRecord {
    /// Whether it had been begun before.
    pub(super) fn begin(&mut self, event: &EventId) -> bool {
        if let Some(known) = self.unfinished.iter_mut().find(|known| known.event == *event) {
            known.tries = known.tries.saturating_add(1);
            return true;
        }
        self.unfinished.push_back(Unfinished { event: event.clone(), tries: 1 });
        if self.unfinished.len() > MOST_UNFINISHED {
            self.unfinished.pop_front();
        }
        false
    }

    pub(super) fn mention(&mut self, event: &EventId) {
        self.events.retain(|known| known != event);
        self.events.push_back(event.clone());
        if self.events.len() > MOST_EVENTS {
            self.events.pop_front();
        }
    }
}

/// An event that was begun, and whose effect may be there in part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unfinished {
    /// Which.
    pub event: EventId,
    /// How often it was tried since it was begun.
    pub tries: u32,
}

impl Unfinished {
    /// Whether newer events wait for it: one that fails again and again must not keep them away for ever.
    pub(super) fn is_waited_for(&self) -> bool {
        self.tries < MOST_TRIES
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

/// What we know of a subject beyond what its licenses say. Most of it is of some subjects only, and written for those.
///
/// Times are the providers' event times, so that an older event never undoes a newer one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SubjectState {
    /// Which license fills which slot.
    #[serde(skip_serializing_if = "is_default")]
    pub slots: BTreeMap<Slot, LicenseId>,
    /// The end of what the first payment paid for, where the purchase itself does not say it.
    #[serde(skip_serializing_if = "is_default")]
    pub paid_through: Option<Timestamp>,
    /// The end that licenses were given for a change while nobody had said what was paid.
    #[serde(skip_serializing_if = "is_default")]
    pub presumed_end: Option<Timestamp>,
    /// How many were bought, where the purchase itself does not say it.
    #[serde(skip_serializing_if = "is_default")]
    pub quantity: Option<u32>,
    /// The newest payment that no failed payment before it outlives.
    #[serde(skip_serializing_if = "is_default")]
    pub paid_at: Option<Timestamp>,
    /// The newest payment for the subscription itself, which no pause before it outlives.
    #[serde(skip_serializing_if = "is_default")]
    pub renewed_at: Option<Timestamp>,
    /// The latest end that a later payment paid for.
    #[serde(skip_serializing_if = "is_default")]
    pub renewed_until: Option<Timestamp>,
    /// Where licenses ended before grace moved them.
    #[serde(skip_serializing_if = "is_default")]
    pub before_grace: BTreeMap<LicenseId, Timestamp>,
    /// Payments that failed since the last one that succeeded.
    #[serde(skip_serializing_if = "is_default")]
    pub failures: BTreeSet<Timestamp>,
    /// What few payments say.
    #[serde(skip_serializing_if = "is_default")]
    pub odd_payments: Option<Box<OddPayments>>,
    /// Why it is suspended, and since when.
    #[serde(skip_serializing_if = "is_default")]
    pub causes: BTreeMap<Cause, Timestamp>,
    /// The newest end of each cause that did not end by a payment.
    #[serde(skip_serializing_if = "is_default")]
    pub cleared: BTreeMap<Cause, Timestamp>,
    /// The newest periods that were paid for.
    #[serde(skip_serializing_if = "is_default")]
    pub periods: BTreeSet<Period>,
    /// Periods whose payment was refunded or disputed, and how that stands.
    #[serde(skip_serializing_if = "is_default")]
    pub taken_back: Vec<TakenBack>,
    /// Licenses of products that another one took the place of: no payment is for them any more.
    #[serde(skip_serializing_if = "is_default")]
    pub replaced: BTreeSet<LicenseId>,
    /// Licenses that are suspended because fewer are paid for.
    #[serde(skip_serializing_if = "is_default")]
    pub seats: BTreeSet<LicenseId>,
    /// How many of what its licenses are, by the line part of their slots.
    #[serde(skip_serializing_if = "is_default")]
    pub lines: BTreeMap<String, Bought>,
    /// What is subscribed to since the newest change, and since when.
    #[serde(skip_serializing_if = "is_default")]
    pub subscribed: Option<Box<(Timestamp, Subscribed)>>,
    /// As the provider described it last, and when.
    #[serde(skip_serializing_if = "is_default")]
    pub record: Option<(Timestamp, SubscriptionRecord)>,
    /// When the customer was last told to be as he is known.
    #[serde(skip_serializing_if = "is_default")]
    pub synced_at: Option<Timestamp>,
    /// When it ended.
    #[serde(skip_serializing_if = "is_default")]
    pub ended_at: Option<Timestamp>,
    /// The product that was granted, for an event that knows how many but not of what.
    #[serde(skip_serializing_if = "is_default")]
    pub granted: Option<Box<Granted>>,
    /// Whether its licenses were deleted at the end.
    #[serde(skip_serializing_if = "is_default")]
    pub deleted: bool,
    /// Whether it was bought without any Cryptlex product, so that having no license is right.
    #[serde(skip_serializing_if = "is_default")]
    pub unlicensed: bool,
    /// Orders of charges that were counted by their id, for want of a date.
    #[serde(skip_serializing_if = "is_default")]
    pub charges: BTreeSet<SubjectId>,
}

/// What few payments say, and few subjects have to remember.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OddPayments {
    /// Until when payments would have paid that failed, by when they did.
    pub failed_through: BTreeMap<Timestamp, Timestamp>,
    /// The newest payment that may be for what was used before: it takes back no end.
    pub used_at: Option<Timestamp>,
}

/// A product that was granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Granted {
    /// Which.
    #[serde(flatten)]
    pub mapping: Mapping,
    /// Who named it, and when: who knows better replaces it.
    #[serde(default)]
    pub named_by: Option<(NamedBy, Timestamp)>,
}

/// A refund or a dispute of a period's payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakenBack {
    /// Which of the two.
    pub cause: Cause,
    /// Of what.
    pub period: Period,
    /// The newest that is known of it.
    pub at: Timestamp,
    /// Since when the money is gone; where nobody remembered, since the newest that is known.
    #[serde(default)]
    pub since: Option<Timestamp>,
    /// Whether the money is gone, or came back; where nobody remembered, `open` tells.
    #[serde(default)]
    pub stands: Option<Stands>,
    /// Of some items only, told before what else their purchase holds: a digest of what they are known by together.
    #[serde(default, skip_serializing_if = "is_default")]
    pub items: Option<u64>,
    /// Whether licenses are suspended for it: the money is gone, no other payment makes up for it, and nothing ended
    /// for it.
    pub open: bool,
}

/// A line as it was bought last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bought {
    /// Of which Cryptlex product.
    pub product: ProductId,
    /// How many licenses.
    pub licenses: u32,
    /// How many activations each allows, if the quantity says it.
    pub activations: Option<u32>,
    /// What its product said a quantity means; else the vendor's policy holds.
    #[serde(default)]
    pub means: Option<QuantityMeans>,
    /// When it was bought last: an older change does not speak of it.
    #[serde(default)]
    pub since: Option<Timestamp>,
}

/// What a payment paid for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PaymentRecord {
    /// Whose it was; one order may buy several subscriptions.
    pub paid: Vec<Paid>,
}

/// A subject that a payment paid for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paid {
    /// What kind of story it is.
    pub kind: SubjectKind,
    /// The provider's id of it.
    pub id: SubjectId,
    /// For which period.
    pub period: Period,
    /// Whether it was for something beside the period, which another payment is for: a change, an add-on.
    pub beside: bool,
}

impl PaymentRecord {
    /// Several events may tell of one payment; the first one that knows until when is believed.
    pub(super) fn add(&mut self, paid: Paid) {
        let known =
            self.paid.iter_mut().find(|known| known.kind == paid.kind && known.id == paid.id);
        match known {
            Some(known) => {
                if known.period.through.is_none() && paid.period.through.is_some() {
                    known.period = paid.period;
                }
                known.beside &= paid.beside;
            }
            None => self.paid.push(paid),
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
    /// Licenses that a stand-in holds for him, however late a list shows them.
    pub held_by_stand_in: BTreeSet<LicenseId>,
    /// SHA-256 of his e-mail address in lower case.
    pub email: Option<String>,
    /// The provider's id of his default payment method.
    pub pays_by: Option<String>,
    /// What he bought last, the newest last: licenses of something else belong to somebody else.
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

    /// Remembers a purchase of his.
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

pub(super) fn subject_key(subject: &Subject) -> String {
    let kind = match subject.kind {
        SubjectKind::Subscription => "subscription",
        SubjectKind::Order => "order",
        SubjectKind::Customer => "person",
    };
    format!("subject/{}/{kind}/{}", subject.provider, subject.id)
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
            "record {key} was written by a newer version (format {newer}, this one knows {FORMAT}): deploy that version again"
        ))),
        (Ok(Read { record, .. }), _) => Ok(Some(record)),
        (Err(_unreadable), _) => {
            Err(StoreError(format!("record {key} is no record of this ledger")))
        }
    }
}
