//! What was ordered: each purchase from everything that was told of it.

use jiff::Timestamp;

use crate::domain::command::{Line, OfPayment, ProductSource, Unmapped};
use crate::domain::fact::{Fact, Ordered, Role};
use crate::domain::ids::PaymentId;

/// One purchase, from everything that was told of it.
pub(super) struct Order<'f> {
    pub(super) at: Timestamp,
    pub(super) role: Role,
    pub(super) named_by: ProductSource,
    payments: Vec<&'f PaymentId>,
    pub(super) lines: Vec<Line>,
    pub(super) unmapped: Vec<Unmapped>,
}

/// Stripe tells one purchase in several events; the others tell each order by itself, perhaps twice.
pub(super) fn orders<'f>(facts: &[&'f Fact]) -> Vec<Order<'f>> {
    let mut orders: Vec<Order<'f>> = Vec::new();
    let told = || facts.iter().filter_map(|fact| Some((fact.at, fact.ordered()?)));
    let is_told = told().any(|(_, ordered)| ordered.role == Role::Purchase);
    for (at, ordered) in told() {
        let counts = match ordered.role {
            Role::Purchase | Role::Addition => true,
            // The first payment that named it counts as the purchase, which nobody told.
            Role::OfAPayment => {
                !is_told && orders.iter().all(|order| order.role != Role::OfAPayment)
            }
        };
        if !counts {
            continue;
        }
        let at = ordered.ordered_at.map_or(at, |ordered_at| ordered_at.min(at));
        match orders.iter_mut().find(|known| known.is_told_by(ordered)) {
            Some(known) => known.merge(at, ordered),
            None => orders.push(Order::told(at, ordered)),
        }
    }
    let quantity = told_quantity(facts);
    for order in &mut orders {
        if order.named_by != ProductSource::Line {
            for line in &mut order.lines {
                line.quantity = line.quantity.max(quantity.unwrap_or(0));
            }
        }
    }
    orders
}

/// What the invoice of a purchase says, where the purchase itself does not.
fn told_quantity(facts: &[&Fact]) -> Option<u32> {
    let told = facts.iter().filter_map(|fact| match fact.of_payment()? {
        OfPayment::Quantity { quantity, .. } => Some(*quantity),
        OfPayment::Captured { .. } | OfPayment::Part { .. } => None,
    });
    told.max()
}

impl<'f> Order<'f> {
    fn told(at: Timestamp, ordered: &'f Ordered) -> Self {
        Self {
            at,
            role: ordered.role,
            named_by: ordered.named_by,
            payments: ordered.payments.iter().collect(),
            lines: ordered.lines.clone(),
            unmapped: ordered.unmapped.clone(),
        }
    }

    fn is_told_by(&self, ordered: &Ordered) -> bool {
        let shares = || ordered.payments.iter().any(|id| self.payments.contains(&id));
        match (self.named_by, ordered.named_by) {
            (ProductSource::Line, ProductSource::Line) => self.role == ordered.role && shares(),
            (ProductSource::Line, _) | (_, ProductSource::Line) => false,
            (_, _) => true,
        }
    }

    /// The earliest that says a thing is believed; of how many, the one that counts most.
    fn merge(&mut self, at: Timestamp, ordered: &'f Ordered) {
        self.at = self.at.min(at);
        self.named_by = self.named_by.max(ordered.named_by);
        self.payments.extend(&ordered.payments);
        for line in &ordered.lines {
            match self.lines.iter_mut().find(|known| known.key == line.key) {
                Some(known) => {
                    known.mapping = known.mapping.take().or_else(|| line.mapping.clone());
                    if self.named_by != ProductSource::Line {
                        known.quantity = known.quantity.max(line.quantity);
                    }
                }
                None => self.lines.push(line.clone()),
            }
        }
        let is_named = |unmapped: &Unmapped| {
            ordered.lines.iter().any(|line| line.key == unmapped.line && line.mapping.is_some())
        };
        self.unmapped.retain(|unmapped| !is_named(unmapped));
        let more = ordered.unmapped.iter().filter(|unmapped| {
            !self.unmapped.contains(unmapped)
                && !self.lines.iter().any(|line| line.key == unmapped.line)
        });
        let more: Vec<Unmapped> = more.cloned().collect();
        self.unmapped.extend(more);
    }
}
