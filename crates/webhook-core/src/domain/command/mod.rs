//! What an event means, in words that no provider owns.
//!
//! No code in here knows a provider or an HTTP call; comments name providers where a field exists for one of them.
//! `providers` produces these values, and `domain::fact` restates them as facts. `decide` reads both.

mod asked;
mod customer;
mod payment;
mod reversal;
mod subscription;

use std::borrow::Borrow;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::ids::{
    CustomerId, EntitlementSetId, EventId, LicenseId, Mark, ProductId, SubjectId, TemplateId,
};
use crate::domain::interval::Interval;
use crate::domain::policy::{Money, QuantityMeans};

pub use asked::{Called, Command};
pub use customer::{Customer, Email, Name, email_digest, is_placeholder};
pub use payment::{Amount, Back, BackItem, Billed, OfPayment, PaidItem, Payment, Sum};
pub use reversal::{Funds, Reversal};
pub use subscription::{Effect, Previous, Subscribed, SubscriptionRecord};

/// One event of a delivery, translated.
#[derive(Debug, Clone, Serialize)]
pub struct Notice {
    /// The provider's event id; it alone says that two deliveries are the same event.
    pub id: EventId,
    /// The provider's name for what happened, such as `invoice.paid`.
    pub kind: String,
    /// `livemode` or `live`, as the event says it: recorded.
    pub live: Option<bool>,
    /// Whose money it is about.
    #[serde(skip_serializing_if = "Money::is_real")]
    pub money: Money,
    /// What to do about it, or why it could not be understood.
    pub meaning: Result<Meaning, Unreadable>,
}

/// What an event asks for.
#[derive(Debug, Clone, Serialize)]
pub enum Meaning {
    /// At least one command, with the event's own time.
    Act {
        /// When it happened, by the provider's clock.
        at: Timestamp,
        /// In the order in which they must be carried out.
        commands: Vec<Command>,
    },
    /// Acknowledged without effect.
    Ignore(Reason),
}

/// Why an event is acknowledged and nothing is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Reason {
    /// A type of event that this project does not handle.
    UnhandledType,
    /// A handled type, in a state that grants nothing: the text says which.
    NothingToDo(&'static str),
}

/// An event that is genuine and still cannot be understood; the text names event, object and field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub String);

/// What events of one story share. Commands of one subject are handled one at a time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Subject {
    /// `stripe`, `fastspring` or `paddle`.
    pub provider: &'static str,
    /// What kind of story it is.
    pub kind: SubjectKind,
    /// The provider's id of it.
    pub id: SubjectId,
}

/// The three kinds of story.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum SubjectKind {
    /// Renews until it ends.
    Subscription,
    /// Bought once.
    Order,
    /// A person, apart from what they bought.
    Customer,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            SubjectKind::Subscription => "subscription",
            SubjectKind::Order => "order",
            SubjectKind::Customer => "customer",
        };
        write!(f, "{kind} {}", self.id)
    }
}

/// The identity of one license: `<provider>/<subject>/<line>/<ordinal from 1>`.
///
/// It is written into the license's metadata, so its form can never change.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Slot(String);

impl Slot {
    /// The slot of the `ordinal`th license of a line.
    pub fn new(subject: &Subject, line: &str, ordinal: u32) -> Self {
        Self(format!("{}/{}/{line}/{ordinal}", subject.provider, subject.id))
    }

    /// As it is written in the metadata item `license_slot`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Slot {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The verbs of the project.
#[derive(Debug, Clone, Serialize)]
pub enum Action {
    /// A purchase: the licenses of its lines must exist.
    Grant(Grant),
    /// A later payment: the licenses must run through what it paid for.
    Renew(Renew),
    /// A payment failed, for a further period if it does not say which; what follows is the vendor's policy.
    PaymentFailed(Option<Through>),
    /// A cause for suspension arose.
    Suspend(SuspensionReason),
    /// Causes for suspension went away without a payment.
    Resume(&'static [SuspensionReason]),
    /// The money of a payment went back, or came again.
    Reverse(Reversal),
    /// Something else is told of a payment.
    OfPayment(OfPayment),
    /// What is subscribed to, from now on.
    ChangePlan(Subscribed),
    /// The story is over; what happens to its licenses is the vendor's policy.
    End,
    /// A customer exists or changed.
    SyncCustomer(Customer, AddressTold),
    /// Nothing but a record of the event.
    Note(Note),
}

/// What the event of a customer says about their address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum AddressTold {
    /// Which it is.
    AsItIs,
    /// That it is another one than before, or may be.
    Changed,
}

/// A record of an event without an effect on licenses.
#[derive(Debug, Clone, Serialize)]
pub struct Note {
    /// What it was, or why nothing follows from it.
    pub why: &'static str,
    /// What is remembered of it beyond that.
    pub effect: NoteEffect,
}

impl Note {
    /// Nothing beyond that.
    pub fn of(why: &'static str) -> Self {
        Self { why, effect: NoteEffect::Nothing }
    }
}

/// What a note leaves behind.
#[derive(Debug, Clone, Serialize)]
pub enum NoteEffect {
    /// Nothing but the event.
    Nothing,
    /// Something about a customer.
    Customer(CustomerId, CustomerChange),
    /// Something that was paid for and that no other event will report; it is over once its purchase is known all the same.
    Undelivered(Unmapped),
}

/// What changed about a customer, apart from their name and address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum CustomerChange {
    /// The provider deleted them: their Cryptlex user is forgotten.
    Forgotten,
    /// This is their default payment method now.
    Pays(String),
    /// This payment method is not theirs any more.
    PaysNoMore(String),
}

/// What a person should do something about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Concern {
    /// A trial is about to end.
    TrialEnds,
    /// The customer must confirm a payment.
    PaymentNeedsAction,
    /// A payment failed.
    PaymentFailed,
    /// Something was paid for that no Cryptlex product is named for.
    Unmapped,
    /// Something was paid for whose delivery failed at the provider, so that no event will grant it.
    Undelivered,
    /// A customer disputes a payment.
    DisputeOpened,
    /// A customer's address changed, and the user that they were known as did not.
    UserKept,
    /// Cryptlex refused a user with a customer's address or name.
    UserRefused,
    /// A refund or a dispute of what no license is known to be paid by now.
    NothingReversed,
    /// A payment did not say until when, and neither did anything else.
    PeriodPresumed,
    /// A payment named what it was for, and its purchase was never seen.
    PurchaseUnseen,
    /// Something was bought by a customer whose e-mail nobody told.
    BuyerUnknown,
    /// A payment is for a license that is not there, and none can be made.
    PaidWithoutLicense,
    /// A payment came after an end that deleted the licenses, and made new ones.
    MadeAgain,
    /// A subscription has another customer than the one who ordered it.
    SubscriptionMoved,
}

/// Why licenses of a subject are suspended. A license is suspended while any cause is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SuspensionReason {
    /// A payment failed.
    Payment,
    /// The subscription is paused.
    Pause,
    /// Its payments are not collected for a while.
    Collection,
    /// What paid for the present period was refunded.
    Refund,
    /// What paid for the present period is disputed.
    Dispute,
}

/// A purchase of one subject.
#[derive(Debug, Clone, Serialize)]
pub struct Grant {
    /// Who gets the licenses. `None` where no line names a product, or where the licenses may exist already.
    pub customer: Option<Customer>,
    /// Why nobody is known to get them: the error if a license must be made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nobody: Option<Box<UnknownBuyer>>,
    /// What was bought, parents before what was added to them.
    pub lines: Vec<Line>,
    /// Lines that should have named a Cryptlex product and did not.
    pub unmapped: Vec<Unmapped>,
    /// Whether lines that are no business of ours were left out.
    pub foreign: bool,
    /// The end of what was paid or is on trial, where the purchase says it.
    pub paid_through: Option<Timestamp>,
    /// Whether it pays for its subject, or for something that was added to it.
    pub scope: PaymentScope,
    /// Who names its Cryptlex product.
    pub named_by: ProductSource,
    /// As of when its lines are, where it was paid later: a change in between is newer than they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ordered_at: Option<Timestamp>,
    /// What it is instead, where something was bought before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub else_renews: Option<Box<Renew>>,
    /// Whether it was paid: what is authorised or waits for a bank is only ordered.
    #[serde(skip_serializing_if = "Clone::clone")]
    pub is_paid: bool,
}

/// A customer whose e-mail the purchase does not tell.
#[derive(Debug, Clone, Serialize)]
pub struct UnknownBuyer {
    /// The provider's id of them: an event of their own may tell more.
    pub id: Option<CustomerId>,
    /// The error that names the missing e-mail field.
    pub why: Unreadable,
}

/// Who names the Cryptlex product of a purchase. Stripe tells one purchase in several events, and of those a later one in
/// this list knows better, whichever comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProductSource {
    /// Each line for itself: there is nobody else to ask.
    Line,
    /// The configuration, or nobody yet: it is provisional.
    Configuration,
    /// Metadata of the subscription.
    Subscription,
    /// Metadata of the checkout session.
    Session,
}

/// One line of a purchase; equal lines of an order are one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Line {
    /// The line part of the slot.
    pub key: String,
    /// At least 1 in a purchase; 0 in a change gives all of it up.
    pub quantity: u32,
    /// What the product itself says about quantities; else the vendor's policy holds.
    pub quantity_means: Option<QuantityMeans>,
    /// Which Cryptlex product it is; `None` while only another event can tell.
    pub mapping: Option<Mapping>,
    /// How long it runs before a payment is due again.
    pub term: Term,
    /// `fastspring_driver`: the bundle or the product that this line came with.
    pub driver: Option<String>,
    /// `cryptlex_max_allowed_release_version`.
    pub max_release: Option<String>,
    /// Metadata to write in addition to the slot.
    pub metadata: Vec<Mark>,
}

impl Line {
    /// Whether it was added to something that was bought.
    pub fn is_added(&self) -> bool {
        matches!(self.term, Term::AsParent(_))
    }
}

/// A Cryptlex product with the template that its licenses are made from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Mapping {
    /// The product.
    pub product: ProductId,
    /// The product's default template unless named.
    pub template: Option<TemplateId>,
    /// Stripe's optional entitlement set.
    pub entitlement_set: Option<EntitlementSetId>,
}

/// How long a license of a line runs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Term {
    /// As its template says.
    Template,
    /// The purchase names the interval.
    Every(Interval),
    /// Bought once, for ever.
    Perpetual,
    /// As the license that it was added to; without one, as the parent's line says, else as its template says.
    AsParent(Option<Interval>),
}

/// A line that should have named a Cryptlex product and did not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unmapped {
    /// What the provider calls it.
    pub line: String,
    /// What to set, or what is wrong with what is set.
    pub problem: String,
}

/// A later payment for a subscription.
#[derive(Debug, Clone, Serialize)]
pub struct Renew {
    /// What the payment paid for.
    pub through: Through,
    /// What that says about a failed payment and a pause before it.
    pub scope: PaymentScope,
    /// What it buys, where its payload names the Cryptlex product and nothing was bought before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub else_buys: Option<Box<Grant>>,
}

/// What a payment settles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PaymentScope {
    /// For the subscription itself: whatever failed or paused before is over.
    Period,
    /// For a new period or for a change within one, as what else is known tells: Stripe's proration without a credit.
    Proration,
    /// For a change of it: no payment is failing, but a pause goes on. If it pays for a time that no older payment reaches, it is
    /// for the period.
    PlanChange,
    /// For something else that is bought once, such as an add-on. It ends neither a failed payment nor a pause.
    OneOff,
}

/// What a payment paid for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Through {
    /// Everything until then.
    Until(Timestamp),
    /// One interval, counted from the end of the last; the payload says no date.
    NextPeriod {
        /// When it was charged.
        charged_at: Timestamp,
        /// The order of the charge: counted once.
        order: SubjectId,
        /// Why.
        why: Undated,
    },
    /// The period that it was billed in, as the subscription is described; where that is not known, one interval.
    Described {
        /// When it was billed.
        billed_at: Timestamp,
        /// The invoice: counted once.
        order: SubjectId,
        /// Until when its lines bill what was used, where it lists all of them: the period begins no earlier. Few payments
        /// have it, and all would have its room.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        used_until: Option<Box<Timestamp>>,
    },
}

/// Why a payment does not say until when it pays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Undated {
    /// The provider sends ids only.
    NotExpanded,
    /// No other charge is due: the subscription is charged on demand, or this was its last period.
    NothingDue,
}

/// What an event did: remembered with the event, and the answer to the provider.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// One sentence.
    pub message: String,
    /// Cryptlex's user, where one was looked up or made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<crate::domain::ids::UserId>,
    /// The licenses that the event is about.
    pub licenses: Vec<LicenseLine>,
}

/// A license as replies mention it: never with its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LicenseLine {
    /// Cryptlex's id.
    pub id: LicenseId,
    /// `null` for one that does not expire, or not yet.
    pub expires_at: Option<Timestamp>,
}
