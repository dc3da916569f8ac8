//! A subscription as its provider describes it: what it is for, its status, and the values that were different before.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Line, Unmapped};
use crate::domain::ids::{CustomerId, ProductId};

/// The lines of a subscription after a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscribed {
    /// What is subscribed to. A line without mapping is of the product that the subject has.
    pub lines: Vec<Line>,
    /// Lines that should name a Cryptlex product and do not.
    pub unmapped: Vec<Unmapped>,
    /// Whether the lines that were added to the subscription are among them.
    pub with_add_ons: bool,
    /// From when on it counts.
    #[serde(default, skip_serializing_if = "Effect::is_at_once")]
    pub takes_effect: Effect,
}

/// When a change of what is subscribed to takes effect.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// When it is told.
    #[default]
    AtOnce,
    /// With the charge that bills it: until then what is paid stays as it is.
    WhenCharged,
}

impl Effect {
    fn is_at_once(&self) -> bool {
        *self == Self::AtOnce
    }
}

/// A subscription as its provider described it last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SubscriptionRecord {
    /// The provider's customer.
    pub customer: Option<CustomerId>,
    /// The provider's word for its status.
    pub status: Option<String>,
    /// The provider's id of what is subscribed to: a price or a product.
    pub plan: Option<String>,
    /// How many.
    pub quantity: Option<u32>,
    /// The beginning of the current period, where it is needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period_start: Option<Timestamp>,
    /// The end of the current period, or of the trial.
    pub period_end: Option<Timestamp>,
    /// Why it was canceled.
    pub cancellation_reason: Option<String>,
    /// Whether it will not renew.
    pub cancel_at_period_end: Option<bool>,
    /// Whether a pause is to come (FastSpring): it runs until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_pause_scheduled: Option<bool>,
}

/// What an update says was otherwise before it: Stripe's `previous_attributes`.
///
/// Of two descriptions of one second the one that shows the other here is newer; where neither or each shows the other, what was
/// described before or bought decides, and then the ids of the events. It may show what did not change, too, and what it does not show
/// is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Previous {
    /// As [`SubscriptionRecord::status`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// As [`SubscriptionRecord::plan`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// As [`SubscriptionRecord::quantity`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantity: Option<u32>,
    /// The Cryptlex product that its metadata named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product: Option<ProductId>,
    /// As [`SubscriptionRecord::period_end`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period_end: Option<Timestamp>,
    /// As [`SubscriptionRecord::cancel_at_period_end`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancel_at_period_end: Option<bool>,
    /// Whether its payments were collected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collects: Option<bool>,
}
