//! What the vendor decides where more than one answer is right.
//!
//! Defaults are in [`Policy::of`]. Those for the end of a subscription and for quantities are constants of each provider's
//! [`Profile`].

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::domain::profile::Profile;

/// The vendor's choices where more than one answer is right.
#[derive(Debug, Clone)]
pub struct Policy {
    /// `CRYPTLEX_CANCELLATION_ACTION`.
    pub at_the_end: AtTheEnd,
    /// `CRYPTLEX_MAPPINGS_QUANTITY`.
    pub quantity_means: QuantityMeans,
    /// `GRACE_DAYS`: zero suspends at the first failed payment.
    pub grace: SignedDuration,
    /// `EXPIRY_LEEWAY_HOURS`: added to every end of a paid period.
    pub leeway: SignedDuration,
    /// `REFUND_ACTION`.
    pub refunded: Refunded,
    /// `PAUSE_COLLECTION=suspend`: licenses are suspended while Stripe collects no payments.
    pub pause_collection: bool,
    /// `UNMAPPED=accept`: a purchase without mapping is answered 2xx.
    pub accept_unmapped: bool,
    /// `TEST_EVENTS`.
    pub test_events: TestEvents,
}

/// Providers collect some hours after a period has ended: who pays must not be locked out for it.
const LEEWAY_HOURS: i64 = 24;

impl Policy {
    /// What counts where the vendor chose nothing.
    pub const fn of<P: Profile>() -> Self {
        Self {
            at_the_end: P::AT_THE_END,
            quantity_means: P::QUANTITY_MEANS,
            grace: SignedDuration::ZERO,
            leeway: SignedDuration::from_hours(LEEWAY_HOURS),
            refunded: Refunded::Suspends,
            pause_collection: false,
            accept_unmapped: false,
            test_events: TestEvents::Auto,
        }
    }
}

/// What the end of a subscription does to its licenses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AtTheEnd {
    /// Reversible, but the user must activate again.
    Revoke,
    /// Final.
    Delete,
    /// Reversible without re-activation.
    Suspend,
    /// They run until their expiry.
    #[default]
    Nothing,
}

/// What a refund of all that a payment brought does to the licenses that it paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refunded {
    /// Reversible without re-activation.
    Suspends,
    /// Given back when the refund fails or another payment makes up for it, but the user must activate again.
    Revokes,
    /// Nothing: a person decides.
    ChangesNothing,
}

/// What a quantity buys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum QuantityMeans {
    /// One license whatever the quantity.
    One,
    /// As many licenses.
    Licenses,
    /// One license with as many activations.
    Activations,
}

/// Whether an event is about real money, and if not, what its signature says of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub enum Money {
    /// Real, or nothing else is said.
    #[default]
    Real,
    /// Test money; the secret that signed it signs test events only.
    Test,
    /// Test money, signed with the secret that signs live events, too: who gave this secret may not have meant it.
    TestAmongReal,
}

impl Money {
    pub(crate) fn is_real(&self) -> bool {
        *self == Self::Real
    }
}

/// What is done with test events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TestEvents {
    /// Refused where one secret signs test and live events.
    Auto,
    /// Handled like any other.
    Accept,
    /// Acknowledged without effect.
    Refuse,
}

impl TestEvents {
    /// Whether an event about that money is acknowledged without effect.
    pub fn refuse(self, money: Money) -> bool {
        match (self, money) {
            (_, Money::Real) | (Self::Accept, _) | (Self::Auto, Money::Test) => false,
            (Self::Auto, Money::TestAmongReal) | (Self::Refuse, _) => true,
        }
    }
}
