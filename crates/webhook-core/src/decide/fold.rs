//! What all facts of a subject entitle to. The order in which they were told decides nothing.

mod end;
mod failures;
mod lines;
mod money_back;
mod naming;
mod payments;
mod status;

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::command::{AtTheEnd, Cause, Line, Mapping, Refunded, Slot, Subject, Unmapped};
use crate::config::Policy;
use crate::fact::{Fact, handed_to};
use crate::ids::{CustomerId, ProductId};

pub use end::End;
pub(super) use lines::{came_with_another, own_path};
use payments::Payment;

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
    pub reasons: BTreeMap<Cause, Timestamp>,
    /// When it ended, if it did and no newer payment took that back.
    pub over: Option<Timestamp>,
    /// What that does to its licenses; nothing while it is not over.
    pub the_end: AtTheEnd,
    /// The newest failure of a payment that nothing made up for, with days of grace or without.
    pub failing: Option<Timestamp>,
    /// Whether the purchase names no product itself: it is content with what is there.
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
    /// Whether the product was named for it; else it is presumed, and another one that is there is as good.
    pub is_certain: bool,
    /// When it was bought.
    pub bought_at: Option<Timestamp>,
    /// Whether it was bought once and is not any more: its license is kept, suspended.
    pub is_spare: bool,
    /// How many activations the quantity buys, if it buys any.
    pub activations: Option<u32>,
}

/// How many activations a license allows.
pub(super) type Activations = Option<u32>;

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

/// The entitlements of a subject from its facts.
pub fn fold<'f>(
    subject: &Subject,
    facts: impl Iterator<Item = &'f Fact>,
    policy: &Policy,
) -> Entitlements {
    let facts = in_order(facts);
    let payments = payments::of(subject, &facts, policy);
    let lines = lines::of(&facts, policy);
    let purchase = lines.purchase(&payments);
    let ended = ended(&facts, &payments, policy);
    let refunded = match policy.refunded {
        Refunded::Revokes => money_back::newest(&payments, Cause::Refund),
        Refunded::Suspends | Refunded::ChangesNothing => None,
    };
    let bought = match purchase {
        Purchase::Unpaid => lines::Lines::default(),
        Purchase::Unknown | Purchase::Foreign | Purchase::Known | Purchase::SeenByPayment => lines,
    };
    Entitlements {
        end: end::of(subject, &facts, &payments, policy),
        reasons: status::reasons(&facts, &payments, ended, policy),
        over: ended.or(refunded),
        the_end: match (policy.at_the_end, refunded) {
            (AtTheEnd::Revoke | AtTheEnd::Delete, _) | (_, None) if ended.is_some() => {
                policy.at_the_end
            }
            (_, Some(_)) => AtTheEnd::Revoke,
            (_, None) => AtTheEnd::Nothing,
        },
        failing: failures::newest(&facts, &payments),
        purchase,
        new_owner: handed_to(facts.iter().copied()),
        names_nothing: bought.names_nothing,
        unmapped: bought.unmapped(),
        count: bought.count(),
        seats: bought.seats(subject),
        most: bought.most,
        gone: bought.gone,
    }
}

/// In the order in which they happened; facts of one time by their ranks.
pub(super) fn in_order<'f>(facts: impl Iterator<Item = &'f Fact>) -> Vec<&'f Fact> {
    let mut facts: Vec<&Fact> = facts.collect();
    facts.sort_by(|a, b| (a.at, a.rank(), &a.event).cmp(&(b.at, b.rank(), &b.event)));
    facts
}

/// Only a newer payment takes an end back, if it pays for a time after it. What was used before buys no time.
fn ended(facts: &[&Fact], payments: &[Payment], policy: &Policy) -> Option<Timestamp> {
    let ended = facts.iter().filter(|fact| fact.is_end()).map(|fact| fact.at);
    let lost = (policy.at_the_end != AtTheEnd::Nothing)
        .then(|| money_back::lost(payments).max())
        .flatten();
    let end = ended.max().max(lost)?;
    let takes_back = |payment: &&Payment| {
        payment.at > end
            && payment.pays_for_the_subject()
            && !payment.is_usage
            && !money_back::is_for_a_change(payment, payments)
            && payment.end.is_none_or(|through| through > end)
    };
    payments.iter().find(takes_back).is_none().then_some(end)
}
