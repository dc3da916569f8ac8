//! What a payment brought and what of it went back, in numbers.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::ids::PaymentId;

/// A sum of money.
///
/// `value` counts the smallest unit that the provider tells: minor units for Stripe and Paddle, thousandths of the main unit
/// for FastSpring. So values are compared only within one provider and one currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amount {
    /// In the smallest unit.
    pub value: i64,
    /// ISO 4217 in lower case, where the payload says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
}

/// What a payload says of a payment, apart from what it buys.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Payment {
    /// What the whole payment brought, also for other subjects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<Amount>,
    /// Its items that are this subject's, where the provider can give back one of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<PaidItem>,
    /// When the paid period begins, where the payload says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starts: Option<Timestamp>,
    /// The lines that it bills, with how many, where a change takes effect with its charge (FastSpring).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub bills: Vec<Billed>,
}

impl Payment {
    /// Whether nothing is known of it.
    pub fn is_unknown(&self) -> bool {
        *self == Self::default()
    }
}

/// One item of a payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaidItem {
    /// By what a refund names it: Paddle's transaction item, FastSpring's product path.
    pub id: String,
    /// What it cost; `None` where the payload does not say it.
    pub value: Option<i64>,
}

/// A line of a charge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Billed {
    /// The product path.
    pub path: String,
    /// How many.
    pub quantity: u32,
}

/// How much of a payment went back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Back {
    /// What it is known by: the adjustment, return or dispute; the charge, where Stripe tells of its refunds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Whether it is the end of another one, which it does not name.
    #[serde(skip_serializing_if = "is_not")]
    pub ends_another: bool,
    /// How the amount is meant.
    #[serde(skip_serializing_if = "Sum::is_single")]
    pub sum: Sum,
    /// How much.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<Amount>,
    /// The refund that failed: told twice it counts once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refund: Option<String>,
    /// What the charge brought that it is of, where the payload says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of: Option<Amount>,
    /// Whether it is all of it, in the provider's own word: it decides where no sums can be compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_whole: Option<bool>,
    /// What it names of the payment; everything, if empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<BackItem>,
}

impl Back {
    /// Whether nothing is known of it.
    pub fn is_unknown(&self) -> bool {
        *self == Self::default()
    }
}

fn is_not(said: &bool) -> bool {
    !*said
}

/// How the amount of what went back is meant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sum {
    /// Of this one adjustment, return or dispute: those of one payment add up.
    #[default]
    Single,
    /// All that is back of the charge so far: the newest counts.
    SoFar,
    /// Of a refund that failed: so much less is back of the charge.
    Failed,
}

impl Sum {
    /// As most are; a reference, because serde hands one over.
    fn is_single(&self) -> bool {
        *self == Self::Single
    }
}

/// One item that went back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackItem {
    /// As [`PaidItem::id`].
    pub id: String,
    /// How much of it.
    pub value: Option<i64>,
    /// Whether it is all of it, in the provider's own word.
    pub is_whole: Option<bool>,
}

/// What is told of a payment by its ids alone: whose it is, the ledger knows, or will.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OfPayment {
    /// What was authorised before is paid now (Stripe's manual capture).
    Captured {
        /// By which the payment may be known.
        ids: Vec<PaymentId>,
        /// How much of it.
        amount: Option<Amount>,
    },
    /// How many of what it pays for, where the purchase does not say it (the invoice of a one-time session).
    Quantity {
        /// By which the payment may be known.
        ids: Vec<PaymentId>,
        /// At least 1.
        quantity: u32,
    },
    /// One of the payments of an invoice, with what it brought.
    Part {
        /// By which refunds and disputes name it.
        id: PaymentId,
        /// Of which invoice.
        of: PaymentId,
        /// What it brought.
        amount: Option<Amount>,
    },
}

impl OfPayment {
    /// The ids by which the payment may be known.
    pub fn ids(&self) -> Vec<PaymentId> {
        match self {
            Self::Captured { ids, .. } | Self::Quantity { ids, .. } => ids.clone(),
            Self::Part { id, of, .. } => vec![id.clone(), of.clone()],
        }
    }
}
