//! Money that went back, or came again: what of, and how it stands.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Back, Cause};
use crate::ids::PaymentId;

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
    /// Which payment.
    pub of: Reversed,
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

/// Which payment was reversed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Reversed {
    /// Known by any of these; the ledger tells whose it was.
    Payment(Vec<PaymentId>),
    /// Some items of one, known together by this; the ledger tells whose they were, where they are all that it had.
    Items(PaymentId),
    /// The subject's, for this period.
    Period(Period),
    /// The subject's, for something beside the period that another payment is for.
    Beside,
    /// Of the subject's, nobody knows which.
    Unknown,
}

impl Reversed {
    /// By what the ledger may know it; none for what it told already.
    pub fn known_by(&self) -> Option<&[PaymentId]> {
        match self {
            Self::Payment(ids) => Some(ids),
            Self::Items(id) => Some(std::slice::from_ref(id)),
            Self::Period(_) | Self::Beside | Self::Unknown => None,
        }
    }

    /// The same where the ledger does not know it.
    #[must_use]
    pub fn unknown(&self) -> Self {
        match self {
            Self::Items(id) => Self::Items(id.clone()),
            Self::Payment(_) | Self::Period(_) | Self::Beside | Self::Unknown => Self::Unknown,
        }
    }
}

/// What a payment was for, as far as it must be told from other payments of the subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Period {
    /// When it was paid, by the provider's clock.
    pub at: Timestamp,
    /// Until when it runs, if the payment says so.
    pub through: Option<Timestamp>,
}

impl Period {
    /// What is paid for once.
    pub const ONCE: Self = Self { at: Timestamp::UNIX_EPOCH, through: None };
}
