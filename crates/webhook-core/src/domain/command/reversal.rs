//! Money that went back, or came again: what of, and how it stands.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Back, Cause};
use crate::domain::ids::PaymentId;

/// A refund or a dispute of a payment, or the end of one.
#[derive(Debug, Clone, Serialize)]
pub struct Reversal {
    /// `Refund` or `Dispute`.
    pub cause: Cause,
    /// How it stands.
    pub stands: Stands,
    /// Since when the money is gone, where the event of an end says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// By what the payment is known; the ledger tells whose it was.
    pub ids: Vec<PaymentId>,
    /// How much of it.
    #[serde(skip_serializing_if = "Back::is_unknown")]
    pub back: Back,
}

/// How a refund or a dispute stands; of what is told at the same time, the last of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Stands {
    /// The vendor has the money after all.
    TakenBack,
    /// The money is gone, or held.
    Open,
    /// The money is gone for good.
    Lost,
}
