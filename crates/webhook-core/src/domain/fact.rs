//! What events say about a subject, in words that no provider owns, and the set of it that the ledger keeps.
//!
//! Facts are what the provider told: ids, times, numbers. They hold no e-mail address and no name. Licenses follow from
//! them by `decide`. The set holds each fact once. Order and repetition do not matter, unless a fact was dropped for want of
//! room.

mod room;
mod set;
mod stored;
mod told;
mod worth;

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::command::{
    Amount, Back, Funds, Line, OfPayment, Payment, PaymentScope, Previous, ProductSource,
    Subscribed, SubscriptionRecord, SuspensionReason, Through, Unmapped,
};
use crate::domain::ids::{CustomerId, EventId, PaymentId};

pub use room::{MOST_BYTES, MOST_OF_A_KIND};
pub(crate) use set::Displaced;
pub use set::{Facts, Kept};
pub use told::facts_of;

/// One thing that one event says about one subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// When it happened, by the provider's clock.
    pub at: Timestamp,
    /// The event that told it; of several the one with the smallest id.
    pub event: EventId,
    /// What.
    pub says: Says,
}

/// What a fact says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Says {
    /// What was ordered, paid or not.
    Ordered(Box<Ordered>),
    /// A payment was made.
    Paid(Box<Paid>),
    /// Something else is told of a payment by its ids.
    OfPayment(Box<OfPayment>),
    /// A payment failed, for that time if it says which.
    Failed(Option<Through>),
    /// The subscription as its provider describes it.
    Described(Box<Described>),
    /// The subscription is paused.
    Paused,
    /// The subscription is not paused any more.
    Resumed,
    /// Money of a payment went back, or came again.
    MoneyBack(Box<MoneyBack>),
    /// The subscription or order is over.
    Ended,
}

/// A purchase. Several events may tell one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ordered {
    /// By what its payment is known, so that it counts once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub payments: Vec<PaymentId>,
    /// What was bought, parents before what was added to them. Stored with the set, once for all of its facts.
    #[serde(skip)]
    pub lines: Vec<Line>,
    /// Lines that should have named a Cryptlex product and did not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unmapped: Vec<Unmapped>,
    /// Who names its Cryptlex product.
    pub named_by: ProductSource,
    /// As of when its lines are, where it was paid later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ordered_at: Option<Timestamp>,
    /// Whose purchase it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<CustomerId>,
    /// What it is to the subject.
    #[serde(default, skip_serializing_if = "Role::is_purchase")]
    pub role: Role,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// What an order is to its subject.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The purchase.
    #[default]
    Purchase,
    /// Something that is added to what was bought before.
    Addition,
    /// What a payment paid for: it counts as the purchase until one is told.
    OfAPayment,
}

impl Role {
    fn is_purchase(&self) -> bool {
        *self == Self::Purchase
    }
}

/// A payment, as one event tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paid {
    /// By what refunds and disputes name it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<PaymentId>,
    /// What it settles.
    pub scope: PaymentScope,
    /// Until when it pays.
    pub covers: Covers,
    /// What it brought.
    #[serde(default, skip_serializing_if = "Payment::is_unknown")]
    pub payment: Payment,
}

/// Until when a payment pays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Covers {
    /// The first time, until then; without a date, one interval from the purchase.
    First(Option<Timestamp>),
    /// A later time.
    Later(Through),
}

/// A description of a subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Described {
    /// As its provider describes it.
    #[serde(default, skip_serializing_if = "is_default", with = "stored::Record")]
    pub record: SubscriptionRecord,
    /// What it is for, where the event lists it. Its lines are stored with the set, once for all of its facts.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "stored::subscribed")]
    pub subscribed: Option<Subscribed>,
    /// Whether its payments are collected, where the event says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collects: Option<bool>,
    /// What was otherwise before, where the event says it: it orders descriptions of one time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Box<Previous>>,
}

/// Money that went back, or came again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoneyBack {
    /// `Refund` or `Dispute`.
    pub cause: SuspensionReason,
    /// Where the money is now.
    pub funds: Funds,
    /// Since when it is gone, where the event of an end says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Of which payment.
    pub ids: Vec<PaymentId>,
    /// How much of it.
    #[serde(default, skip_serializing_if = "Back::is_unknown")]
    pub back: Back,
}

impl Fact {
    /// Which of two facts of one time is the later one: an order, a description, a resumption, a pause, a failure, a
    /// payment, money back, the end.
    pub fn rank(&self) -> u8 {
        match &self.says {
            Says::Ordered(_) => 0,
            Says::Described(_) => 1,
            Says::Resumed => 2,
            Says::Paused => 3,
            Says::Failed(_) => 4,
            Says::Paid(_) | Says::OfPayment(_) => 5,
            Says::MoneyBack(_) => 6,
            Says::Ended => 7,
        }
    }
}

/// The status of a subscription, from the words that providers have for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Paid for.
    Active,
    /// On trial, which counts as paid.
    Trialing,
    /// A payment failed, and will be tried again.
    PastDue,
    /// A payment failed, and will not.
    Unpaid,
    /// Paused, ended, or something that says nothing about payments.
    Other,
}

impl Described {
    /// As its word for the status says.
    pub fn standing(&self) -> Standing {
        match self.record.status.as_deref().map(str::to_ascii_lowercase).as_deref() {
            Some("active") => Standing::Active,
            Some("trialing" | "trial") => Standing::Trialing,
            Some("past_due" | "overdue") => Standing::PastDue,
            Some("unpaid") => Standing::Unpaid,
            Some(_) | None => Standing::Other,
        }
    }

    /// Whether it is paid for, or on trial.
    pub fn runs(&self) -> bool {
        matches!(self.standing(), Standing::Active | Standing::Trialing)
    }
}

/// A sum in one currency. `None` where the currencies differ.
pub(crate) fn added(one: &Amount, other: &Amount) -> Option<Amount> {
    let same = match (&one.currency, &other.currency) {
        (Some(one), Some(other)) => one == other,
        (_, _) => true,
    };
    let currency = one.currency.clone().or_else(|| other.currency.clone());
    same.then(|| Amount { value: one.value.saturating_add(other.value), currency })
}

impl Fact {
    /// Whether both say the same of the same time; each event may say it.
    pub fn tells_the_same(&self, other: &Self) -> bool {
        self.at == other.at && self.says == other.says
    }

    /// The order that it tells.
    pub fn ordered(&self) -> Option<&Ordered> {
        let Says::Ordered(ordered) = &self.says else { return None };
        Some(ordered)
    }

    /// The payment that it tells.
    pub fn paid(&self) -> Option<&Paid> {
        let Says::Paid(paid) = &self.says else { return None };
        Some(paid)
    }

    /// What else it tells of a payment.
    pub fn of_payment(&self) -> Option<&OfPayment> {
        let Says::OfPayment(of) = &self.says else { return None };
        Some(of)
    }

    /// The description that it tells.
    pub fn described(&self) -> Option<&Described> {
        let Says::Described(described) = &self.says else { return None };
        Some(described)
    }

    /// What the description says that it is for.
    pub fn subscribed(&self) -> Option<&Subscribed> {
        self.described()?.subscribed.as_ref()
    }

    /// The lines of the order or the description that it tells.
    pub(crate) fn lines(&self) -> Option<&[Line]> {
        let of_order = self.ordered().map(|ordered| ordered.lines.as_slice());
        of_order.or_else(|| Some(self.subscribed()?.lines.as_slice()))
    }

    /// The money that it tells to have gone back.
    pub fn money_back(&self) -> Option<&MoneyBack> {
        let Says::MoneyBack(back) = &self.says else { return None };
        Some(back)
    }

    /// Whether it tells the end.
    pub fn is_end(&self) -> bool {
        self.says == Says::Ended
    }
}

impl Described {
    /// Whether it came after `other`: all values that it says were so before (Stripe's `previous_attributes`) are those of
    /// `other`. A description shows all fields, so had `other` come later, it would show the new values.
    pub fn follows(&self, other: &Self) -> bool {
        let Some(before) = &self.previous else { return false };
        let shown = &other.record;
        let is_so = |status: Option<bool>| status.unwrap_or(true);
        let product = before.product.as_ref().map(|product| {
            let lines = other.subscribed.iter().flat_map(|subscribed| &subscribed.lines);
            lines.filter_map(|line| line.mapping.as_ref()).any(|it| it.product == *product)
        });
        **before != Previous::default()
            && is_so(product)
            && is_so(before.status.as_ref().map(|it| shown.status.as_ref() == Some(it)))
            && is_so(before.plan.as_ref().map(|it| shown.plan.as_ref() == Some(it)))
            && is_so(before.quantity.map(|it| shown.quantity == Some(it)))
            && is_so(before.period_end.map(|it| shown.period_end == Some(it)))
            && is_so(before.cancel_at_period_end.map(|it| shown.cancel_at_period_end == Some(it)))
            && is_so(before.collects.map(|it| other.collects == Some(it)))
    }

    /// Whether it also says that nothing is paused: a provider that tells all of it in one word.
    pub fn tells_pauses(&self) -> bool {
        self.collects.is_some()
    }
}

/// The customer to whom a subscription was handed: the one of its newest description, if somebody else ordered it.
pub fn handed_to<'f>(facts: impl Iterator<Item = &'f Fact>) -> Option<CustomerId> {
    let (mut buyers, mut newest) = (BTreeSet::new(), None);
    for fact in facts {
        buyers.extend(fact.ordered().and_then(|ordered| ordered.customer.as_ref()));
        if let Some(customer) = fact.described().and_then(|it| it.record.customer.as_ref()) {
            newest = newest.max(Some((fact.at, customer)));
        }
    }
    let (_, now) = newest?;
    (!buyers.is_empty() && !buyers.contains(now)).then(|| now.clone())
}
