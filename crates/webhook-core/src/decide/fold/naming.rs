//! Which Cryptlex product a purchase is of, where its lines do not each name one. The session counts before the subscription,
//! and that before the configuration. A subscription changes the product only when it names another one than before.

use jiff::Timestamp;

use crate::domain::command::{Line, Mapping, ProductSource};
use crate::domain::fact::{Fact, Ordered};
use crate::domain::ids::ProductId;

/// The product of the only line, and when another one took its place.
pub(super) struct Named {
    changes: Vec<(Timestamp, Option<Mapping>)>,
    is_provisional: bool,
    /// Products that a weaker source named: a better one names another product.
    superseded: Vec<ProductId>,
}

impl Named {
    /// From everything that was told of one purchase.
    pub(super) fn of(facts: &[&Fact]) -> Self {
        let orders: Vec<&Ordered> = facts.iter().filter_map(|fact| fact.ordered()).collect();
        let named_by = |by: ProductSource| {
            let mut named = orders.iter().filter(|ordered| ordered.named_by == by);
            named.find_map(|ordered| first_mapping(&ordered.lines))
        };
        let session = named_by(ProductSource::Session);
        let subscription = named_by(ProductSource::Subscription);
        let first =
            session.clone().or(subscription).or_else(|| named_by(ProductSource::Configuration));
        let mut changes = vec![(Timestamp::MIN, first.clone())];
        // What the subscription itself named last; `None` where it told nothing yet.
        let mut before: Option<Option<ProductId>> = None;
        let by_session = session.is_some();
        for fact in facts {
            let Some(named) = named_by_subscription(fact, by_session) else { continue };
            let product = named.as_ref().map(|mapping| mapping.product.clone());
            let differs = match &before {
                Some(before) => *before != product,
                None => !by_session && product != product_of(changes.last()),
            };
            if let Some(mapping) = named.filter(|_| differs) {
                changes.push((fact.at, Some(mapping)));
            }
            before = Some(product);
        }
        let named = orders.iter().filter(|ordered| ordered.named_by != ProductSource::Line);
        let named = named.filter_map(|ordered| first_mapping(&ordered.lines));
        let superseded = named.map(|mapping| mapping.product);
        let superseded = superseded.filter(|it| Some(it) != first.as_ref().map(|it| &it.product));
        Self { superseded: superseded.collect(), changes, is_provisional: !by_session }
    }

    /// As of then.
    pub(super) fn at(&self, at: Timestamp) -> Option<Mapping> {
        let by_then = self.changes.iter().rev().find(|(since, _)| *since <= at);
        by_then.and_then(|(_, mapping)| mapping.clone())
    }

    /// Products that a weaker source named and that were not bought.
    pub(super) fn superseded(&self) -> impl Iterator<Item = &ProductId> {
        self.superseded.iter()
    }

    /// Whether a session named the product, or the subscription had changed it by then.
    pub(super) fn is_certain(&self, at: Timestamp) -> bool {
        let changed = self.changes.iter().skip(1).any(|(since, _)| *since <= at);
        changed || !self.is_provisional
    }
}

fn product_of(change: Option<&(Timestamp, Option<Mapping>)>) -> Option<ProductId> {
    change?.1.as_ref().map(|mapping| mapping.product.clone())
}

/// What a fact says that the subscription names: `Some(None)` is nothing.
fn named_by_subscription(fact: &Fact, by_session: bool) -> Option<Option<Mapping>> {
    if let Some(subscribed) = fact.subscribed() {
        return subscribed.unmapped.is_empty().then(|| first_mapping(&subscribed.lines));
    }
    let ordered = fact.ordered()?;
    match ordered.named_by {
        ProductSource::Subscription => Some(first_mapping(&ordered.lines)),
        // Where a session named one, this is the invoice: it found nothing in the subscription.
        ProductSource::Configuration if by_session => Some(None),
        ProductSource::Configuration | ProductSource::Session | ProductSource::Line => None,
    }
}

/// The first product that any of the lines names.
pub(super) fn first_mapping(lines: &[Line]) -> Option<Mapping> {
    lines.iter().find_map(|line| line.mapping.clone())
}
