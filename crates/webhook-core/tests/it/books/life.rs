//! A life of one subscription as the provider's ledger has it: entries, each at a time of its own.
//!
//! Turns are wishes. A turn that makes no sense as things are (a second pause, a renewal after the end) is left out,
//! so every list of turns is a life, and so is every shorter one.

use devkit::sign::Provider;
use jiff::{SignedDuration, Timestamp};

use super::enter;
use super::ledger::{Kind, Ledger, Payment};
use crate::support::vendor::{Policy, Term, later};

/// What is sold, under which settings, and what is wished to happen then.
#[derive(Debug, Clone)]
pub(super) struct Sketch {
    pub(super) provider: Provider,
    pub(super) term: Term,
    pub(super) trial: bool,
    pub(super) seats: u32,
    /// Stripe only: payloads of an API version before 2025-03-31.
    pub(super) old: bool,
    pub(super) start: Timestamp,
    pub(super) policy: Policy,
    /// Each with the hours to wait before it.
    pub(super) turns: Vec<(Turn, u32)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// The next period is paid: in time, late, after a failure, or at Paddle to end a pause.
    Paid,
    Failed,
    Paused,
    Resumed,
    /// So many from now on; billed at once at FastSpring, elsewhere if it runs and there are more.
    Seats(u32),
    /// FastSpring only: so many from the next charge on.
    SeatsLater(u32),
    /// The other Cryptlex product, or back.
    Product,
    /// From a monthly to the yearly price of the same product, billed at once.
    Yearly,
    /// The trial ends a week later.
    Extended,
    /// So much of a payment goes back.
    Refund(u32, Which),
    /// Stripe only: the last refund did not arrive.
    RefundFailed,
    Dispute(Which),
    Won,
    /// Stripe only.
    Lost,
    /// FastSpring only.
    Addon,
    AddonGone,
    Address,
    /// For the end of the period.
    Cancel,
    Ended,
}

/// A payment, counted from the newest one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    Newest,
    Before,
}

/// One entry of the ledger.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) at: Timestamp,
    pub(super) what: What,
    /// The subscription as it is after it.
    pub(super) plan: Plan,
}

/// What happened. Numbers are those of payments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Bought,
    Paid(usize),
    Failed {
        from: Timestamp,
        through: Timestamp,
    },
    Paused,
    Resumed,
    /// Seats or product; with the payment, if it was billed at once.
    Changed(Option<usize>),
    Yearly(usize),
    Extended,
    Refund {
        of: usize,
        number: usize,
    },
    RefundFailed {
        of: usize,
        number: usize,
    },
    Disputed(usize),
    Won(usize),
    Lost(usize),
    Addon,
    AddonGone,
    Address,
    Cancel,
    Ended,
}

/// What a subscription says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) product: usize,
    pub(super) term: Term,
    pub(super) seats: u32,
    pub(super) status: Status,
    pub(super) from: Timestamp,
    pub(super) through: Timestamp,
    pub(super) addon: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Trial,
    Active,
    PastDue,
    Paused,
    Ended,
}

/// A life as the provider has it: what happened, and what it came to.
#[derive(Debug, Clone)]
pub(super) struct Life {
    pub(super) sketch: Sketch,
    /// The turns that made sense.
    pub(super) taken: Vec<Turn>,
    pub(super) entries: Vec<Entry>,
    pub(super) ledger: Ledger,
}

/// Of each payment, in the currency's smallest unit.
pub(super) const PRICE: u32 = 300;

const TRIAL: SignedDuration = SignedDuration::from_hours(14 * 24);

impl Life {
    pub(super) fn of(sketch: &Sketch) -> Self {
        let through =
            if sketch.trial { sketch.start + TRIAL } else { later(sketch.start, sketch.term, 1) };
        let first = Payment {
            at: sketch.start + SignedDuration::from_secs(1),
            from: sketch.start,
            through,
            brought: if sketch.trial { 0 } else { PRICE },
            kind: Kind::Period,
            refunds: Vec::new(),
            dispute: None,
        };
        let plan = Plan {
            product: 1,
            term: sketch.term,
            seats: sketch.seats,
            status: if sketch.trial { Status::Trial } else { Status::Active },
            from: sketch.start,
            through,
            addon: false,
        };
        let mut life = Self {
            sketch: sketch.clone(),
            taken: Vec::new(),
            entries: Vec::new(),
            ledger: Ledger::new(first, sketch.seats),
        };
        enter::turns(&mut life, plan);
        life
    }
}
