//! Everything that a step depends on.

use super::seating::Seating;
use crate::cryptlex::License;
use crate::decide::fold::is_for_the_period;
use crate::decide::plan::{Excess, Refused};
use crate::decide::snapshot::Snapshot;
use crate::domain::command::{Customer, Grant, PaymentScope, Subject};
use crate::domain::entitlement::{Entitlements, Gone, Purchase};
use crate::domain::fact::{Covers, Fact, Ordered, Role};
use crate::domain::policy::Policy;
use crate::ledger::Capacity;

/// What an event asks of one subject.
pub(in crate::decide) struct Asked<'a> {
    pub(in crate::decide) subject: &'a Subject,
    /// The purchase that it is, or that was made before it: the buyer is told nowhere else.
    pub(in crate::decide) grant: Option<&'a Grant>,
    /// Whether the event itself is that purchase.
    pub(in crate::decide) is_purchase: bool,
    /// Whose new seats are, if it is a change that tells it.
    pub(in crate::decide) contact: Option<&'a Customer>,
    /// What it says.
    pub(in crate::decide) own: &'a [Fact],
}

/// Everything that a step depends on.
pub(super) struct Diff<'d> {
    pub(in crate::decide) asked: &'d Asked<'d>,
    pub(in crate::decide) snapshot: &'d Snapshot,
    pub(in crate::decide) policy: &'d Policy,
    /// What the facts call for.
    pub(in crate::decide) wanted: &'d Entitlements,
    /// What they called for in each state that Cryptlex may show.
    pub(in crate::decide) before: &'d [Entitlements],
    pub(in crate::decide) seating: Seating<'d>,
    /// How licenses were seated in each of those states.
    pub(in crate::decide) seated_before: Vec<Seating<'d>>,
}

impl<'d> Diff<'d> {
    /// Whether the event itself tells what is bought. What older facts call for never fails a newer event.
    pub(super) fn says_what_is_bought(&self) -> bool {
        // What a payment says of its purchase counts only where nobody told that.
        let is_purchase = |ordered: &Ordered| {
            ordered.role != Role::OfAPayment || self.wanted.purchase == Purchase::SeenByPayment
        };
        self.asked.own.iter().any(|fact| {
            fact.ordered().is_some_and(is_purchase)
                || fact.subscribed().is_some()
                || fact.of_payment().is_some()
        })
    }

    /// The licenses that are bought, and those of which nobody knows better.
    pub(super) fn current(&self) -> impl Iterator<Item = &'d License> {
        let licenses = self.snapshot.licenses.iter();
        licenses.filter(|license| !self.is_replaced(license) && !self.seating.is_rival(license))
    }

    pub(super) fn product_is_replaced(&self, license: &License) -> bool {
        let Some(product) = &license.product_id else { return false };
        self.wanted.gone.get(product) == Some(&Gone::Replaced)
    }

    pub(super) fn is_replaced(&self, license: &License) -> bool {
        !self.seating.is_seated(license) && self.product_is_replaced(license)
    }

    pub(super) fn was_over(&self) -> bool {
        self.before.iter().any(|before| before.over.is_some())
    }

    /// Whether a payment for the period is among the facts that have no effect yet.
    pub(super) fn is_paid_now(&self) -> bool {
        let facts = &self.snapshot.state.facts;
        facts.unsettled().filter_map(Fact::paid).any(|paid| match paid.scope {
            PaymentScope::Period | PaymentScope::Proration => true,
            PaymentScope::PlanChange => is_for_the_period(self.asked.subject, facts.all(), paid),
            PaymentScope::OneOff => false,
        })
    }
}

/// Refuses more licenses than there is room for: what was made and cannot be remembered would be made again.
pub(super) fn fits(subject: &Subject, licenses: u64, capacity: Capacity) -> Result<(), Refused> {
    if licenses <= capacity.licenses {
        return Ok(());
    }
    let excess = Excess { subject: subject.clone(), licenses, capacity };
    Err(Refused::TooMany(Box::new(excess)))
}

/// Whether an event tells a later payment.
pub(super) fn is_later_payment(fact: &Fact) -> bool {
    fact.paid().is_some_and(|paid| matches!(paid.covers, Covers::Later(_)))
}
