//! Money that went back, or came again: of which payment, and its present state.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Back, SuspensionReason};
use crate::domain::ids::PaymentId;

/// A refund or a dispute of a payment, or the end of one.
#[derive(Debug, Clone, Serialize)]
pub struct Reversal {
    /// `Refund` or `Dispute`.
    pub cause: SuspensionReason,
    /// Where the money is.
    pub funds: Funds,
    /// Since when the money is gone, where the event of an end says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// By what the payment is known; the ledger tells whose it was.
    pub ids: Vec<PaymentId>,
    /// How much of it.
    #[serde(skip_serializing_if = "Back::is_unknown")]
    pub back: Back,
}

/// Where the money of a refund or a dispute is; of what is told at the same time, the last of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Funds {
    /// The vendor has the money after all.
    Reinstated,
    /// The money is gone, or held.
    Withdrawn,
    /// The money is gone for good.
    Lost,
}
