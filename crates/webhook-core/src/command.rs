//! What an event means, in words that no provider owns.
//!
//! Invariant: nothing in here knows Stripe, FastSpring, Paddle or an HTTP call. `read` produces these values, `plan` consumes them.

use std::borrow::Borrow;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{
    CustomerId, EntitlementSetId, EventId, LicenseId, Mark, ProductId, SubjectId, TemplateId,
};
use crate::interval::Interval;

/// One event of a delivery, translated.
#[derive(Debug, Clone, Serialize)]
pub struct Notice {
    /// The provider's event id; it alone says that two deliveries are the same event.
    pub id: EventId,
    /// The provider's name for what happened, such as `invoice.paid`.
    pub kind: String,
    /// `livemode` or `live`: recorded, decides nothing.
    pub live: Option<bool>,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
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

    /// As it stands in the metadata item `license_slot`.
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

/// One thing to do about one subject.
#[derive(Debug, Clone, Serialize)]
pub struct Command {
    /// Whose licenses are meant.
    pub subject: Subject,
    /// Metadata by which licenses of the subject are found; a license with any of them is the subject's.
    pub marks: Vec<Mark>,
    /// What to do.
    pub action: Action,
}

/// The verbs of the project.
#[derive(Debug, Clone, Serialize)]
pub enum Action {
    /// A purchase: the licenses of its lines must exist.
    Grant(Grant),
    /// A later payment: the licenses must run through what it paid for.
    Renew(Renew),
    /// A cause for suspension arose.
    Suspend(Cause),
    /// A cause for suspension went away without a payment.
    Resume(Cause),
    /// The story is over; what happens to its licenses is the vendor's policy.
    End,
    /// A customer exists or changed.
    SyncCustomer(Customer),
    /// Nothing but a record of the event.
    Note(&'static str),
}

/// Why licenses of a subject are suspended. A license is suspended while any cause is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    /// A payment failed.
    Payment,
    /// The subscription is paused.
    Pause,
}

/// A purchase of one subject.
#[derive(Debug, Clone, Serialize)]
pub struct Grant {
    /// Who gets the licenses; may be missing only where no line names a product.
    pub customer: Option<Customer>,
    /// What was bought, parents before what was added to them.
    pub lines: Vec<Line>,
    /// Lines that should have named a Cryptlex product and did not.
    pub unmapped: Vec<Unmapped>,
    /// Whether lines that are no business of ours were left out.
    pub foreign: bool,
    /// The end of what was paid or is on trial, where the purchase says it.
    pub paid_through: Option<Timestamp>,
    /// What to think of a license of another product in a wanted slot.
    pub other_product: OtherProduct,
}

/// What a license of another Cryptlex product in a wanted slot means to a purchase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum OtherProduct {
    /// It does not fill the slot.
    DoesNotFill,
    /// It fills the slot: the purchase only presumes its product.
    Fills,
    /// It is replaced: the purchase names its product, what was granted before was presumed.
    IsReplaced,
}

/// One line of a purchase; equal lines of an order are one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The line part of the slot.
    pub key: String,
    /// At least 1.
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
    /// Metadata to write beside the slot.
    pub metadata: Vec<Mark>,
}

/// A Cryptlex product with the template that its licenses are made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mapping {
    /// The product.
    pub product: ProductId,
    /// The product's default template unless named.
    pub template: Option<TemplateId>,
    /// Stripe's optional entitlement set.
    pub entitlement_set: Option<EntitlementSetId>,
}

/// What the end of a subscription does to its licenses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtTheEnd {
    /// Reversible, but the user must activate again.
    Revoke,
    /// Final.
    Delete,
    /// Reversible without re-activation.
    Suspend,
    /// They run until their expiry.
    Nothing,
}

/// What a quantity buys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum QuantityMeans {
    /// One license whatever the quantity.
    One,
    /// As many licenses.
    Licenses,
    /// One license with as many activations.
    Activations,
}

/// How long a license of a line runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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
    pub pays: Pays,
}

/// What a payment settles beside the period that it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Pays {
    /// For the subscription itself: whatever failed or paused before is over.
    ForThePeriod,
    /// For a change of it: no payment is failing, but a pause goes on.
    ForAChange,
    /// For something beside it, such as an add-on: neither.
    Beside,
}

/// What a payment paid for.
#[derive(Debug, Clone, Serialize)]
pub enum Through {
    /// Everything until then.
    Until(Timestamp),
    /// One interval, counted from the end of the last; the payload says no date.
    NextPeriod {
        /// When it was charged.
        charged_at: Timestamp,
        /// The order of the charge: counted once.
        order: SubjectId,
    },
}

/// A person who buys or gets licenses.
#[derive(Clone, Serialize)]
pub struct Customer {
    /// The provider's id, where there is one (guests have none).
    pub id: Option<CustomerId>,
    /// Where Cryptlex can reach them.
    pub email: Email,
    /// Their name as the provider splits it.
    pub name: Option<Name>,
    /// Their company.
    pub company: Option<String>,
    /// Metadata by which the user is found, for a provider whose purchases carry no e-mail.
    pub mark: Option<Mark>,
}

impl Customer {
    /// Whether only his id is known, so that a stand-in gets his licenses.
    pub fn is_stand_in(&self) -> bool {
        matches!(self.email, Email::Placeholder(_))
    }
}

/// The name a provider gives, cut up in its way.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Name {
    /// Never empty.
    pub first: String,
    /// Absent where the provider has one name field, or one word in it.
    pub last: Option<String>,
}

impl Name {
    /// Blank parts count as absent; without a first name the last stands in for it.
    pub fn of(first: Option<&str>, last: Option<&str>) -> Option<Self> {
        let part =
            |text: Option<&str>| text.map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned);
        match (part(first), part(last)) {
            (Some(first), last) => Some(Self { first, last }),
            (None, Some(first)) => Some(Self { first, last: None }),
            (None, None) => None,
        }
    }
}

/// An e-mail address; two spellings are one user.
#[derive(Clone, Serialize)]
pub enum Email {
    /// The customer's own, and as the provider spells it.
    Real {
        /// In lower case: how it is written and compared.
        address: String,
        /// Looked up as well, because Cryptlex may compare letter by letter.
        spelt: String,
    },
    /// A stand-in for a customer of whom only the id is known.
    Placeholder(String),
}

/// What Paddle placeholder addresses end in, as the predecessor wrote them.
pub const PLACEHOLDER_DOMAIN: &str = "@cryptlexpaddle.com";

impl Email {
    /// Refuses what has nothing on both sides of an @.
    pub fn real(text: &str) -> Option<Self> {
        let spelt = text.trim();
        let (local, domain) = spelt.rsplit_once('@')?;
        let plausible =
            !local.is_empty() && !domain.is_empty() && !spelt.contains(char::is_whitespace);
        plausible.then(|| Self::Real { address: spelt.to_lowercase(), spelt: spelt.to_owned() })
    }

    /// The stand-in for a Paddle customer.
    pub fn placeholder(customer: &CustomerId) -> Self {
        Self::Placeholder(format!("{}{PLACEHOLDER_DOMAIN}", customer.as_str().to_lowercase()))
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Real { address, .. } | Self::Placeholder(address) => address,
        }
    }

    /// Every spelling under which the user may be found.
    pub fn spellings(&self) -> Vec<&str> {
        match self {
            Self::Real { address, spelt } if address != spelt => vec![address, spelt],
            Self::Real { address, .. } | Self::Placeholder(address) => vec![address],
        }
    }

    /// What stands before the @: the name of somebody who gave none.
    pub fn local_part(&self) -> &str {
        self.as_str().rsplit_once('@').map_or(self.as_str(), |(local, _)| local)
    }
}

impl fmt::Debug for Customer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Customer").field("id", &self.id).finish_non_exhaustive()
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email(..)")
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Name(..)")
    }
}

/// What a command came to: remembered with the event and told to the provider.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// One sentence.
    pub message: String,
    /// Cryptlex's user, where one was looked up or made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<crate::ids::UserId>,
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
