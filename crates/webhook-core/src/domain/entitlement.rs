//! What the facts of a subject entitle to: licenses, until when, and why they are suspended or over.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::domain::command::{Line, Mapping, Slot, SuspensionReason, Undated, Unmapped};
use crate::domain::ids::{CustomerId, ProductId, SubjectId};
use crate::domain::policy::AtTheEnd;

/// What a subject is entitled to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entitlements {
    /// The licenses that are paid for, in the order in which they are to be made.
    pub seats: Vec<Seat>,
    /// How many that is; beyond what any ledger has room for, they are not listed.
    pub count: u64,
    /// The most seats of each product that any time called for: as many are known to be ours.
    pub most: BTreeMap<Option<ProductId>, u32>,
    /// Products that are not bought any more, and what became of them.
    pub gone: BTreeMap<ProductId, Gone>,
    /// Lines that no Cryptlex product is known for.
    pub unmapped: Vec<Unmapped>,
    /// Until when.
    pub end: End,
    /// Why licenses are suspended, and since when.
    pub reasons: BTreeMap<SuspensionReason, Timestamp>,
    /// When it ended, if it did and no newer payment took that back.
    pub over: Option<Timestamp>,
    /// What that does to its licenses; nothing while it is not over.
    pub the_end: AtTheEnd,
    /// The newest failure of a payment that nothing made up for, with days of grace or without.
    pub failing: Option<Timestamp>,
    /// Whether no order names a product itself: the configuration names it, if anything does. Existing licenses then do for it.
    pub names_nothing: bool,
    /// What is known of its purchase.
    pub purchase: Purchase,
    /// The customer for whom new seats are, where it is not the one who ordered.
    pub new_owner: Option<CustomerId>,
}

/// One license.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seat {
    /// Its identity.
    pub slot: Slot,
    /// The line that it is of.
    pub line: Line,
    /// Which product, from which template; `None` where only its licenses tell.
    pub mapping: Option<Mapping>,
    /// Whether the product was named for it; else it is provisional, and another one that is there is as good.
    pub is_certain: bool,
    /// When it was bought.
    pub bought_at: Option<Timestamp>,
    /// Whether it was bought once and is not any more: its license is kept, suspended.
    pub is_spare: bool,
    /// How many activations the quantity buys, if it buys any.
    pub activations: Option<u32>,
}

impl Entitlements {
    /// Whether licenses may be made for it.
    pub fn is_bought(&self) -> bool {
        matches!(self.purchase, Purchase::Known | Purchase::SeenByPayment)
    }
}

/// What became of a product that is not bought any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone {
    /// Another one took its place.
    Replaced,
    /// Nothing did.
    GivenUp,
}

/// What is known of the purchase.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Purchase {
    /// Nothing: the ledger was lost, or it was bought before we listened.
    #[default]
    Unknown,
    /// It is known, and needs no license.
    Foreign,
    /// It is known, and not paid yet.
    Unpaid,
    /// It is known.
    Known,
    /// A payment named what it was of.
    SeenByPayment,
}

/// The end of every license of a subject; what a line of its own says (perpetual, as its parent) comes before it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct End {
    /// The date to write, with leeway.
    pub date: Option<Timestamp>,
    /// When it was bought, where the first payment tells no date: one interval from then.
    pub bought_at: Option<Timestamp>,
    /// One interval more than before.
    pub one_more: Option<OneMore>,
    /// With days of grace: until then at least, because a payment failed.
    pub grace: Option<Timestamp>,
    /// What is added to an end that an interval decides.
    pub leeway: SignedDuration,
}

/// A payment that does not say until when it pays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OneMore {
    /// When it was charged.
    pub charged_at: Timestamp,
    /// The order of the charge, which counts once.
    pub order: SubjectId,
    /// Why it does not say.
    pub why: Undated,
    /// Whether it is for a period that a description should tell.
    pub is_usage: bool,
}
