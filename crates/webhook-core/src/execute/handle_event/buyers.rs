//! Purchases of customers who are known by their id only, until an event of their own tells the e-mail.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use crate::domain::clock::Clock;
use crate::domain::command::{Action, Command, Concern, Outcome};
use crate::domain::deadline::Deadline;
use crate::domain::ids::EventId;
use crate::domain::interval::shifted;
use crate::execute::claim_scope::customer_of;
use crate::execute::report::{Class, Failure, Finished};
use crate::ledger::{EventKey, LeaseOnFailure, Leases};
use crate::providers::Provider;

use super::{Delivery, Ready};

/// As long as this what it waits for may be on its way: the provider delivers the event again meanwhile.
const ON_THE_WAY: SignedDuration = SignedDuration::from_hours(24);

/// A customer's event and what waits for it.
pub(crate) struct Waits {
    pub(crate) waiting: BTreeSet<EventId>,
    pub(crate) leases: Box<Leases>,
    /// What a person is to be told of it.
    pub(crate) told: Option<(BTreeSet<Concern>, String)>,
}

/// A purchase whose buyer is not known, or a payment whose purchase is not.
pub(crate) struct Unserved {
    pub(crate) leases: Box<Leases>,
    pub(crate) failure: Failure,
}

/// What waits for the customer whom an event describes, but what was `tried`. An event that was carried out waits no
/// longer.
pub(crate) fn no_longer_waits(
    event: &EventKey,
    commands: &[Command],
    leases: &mut Leases,
    tried: &BTreeSet<EventId>,
) -> BTreeSet<EventId> {
    let mut still_waiting = BTreeSet::new();
    for command in commands {
        let Some(customer) = customer_of(command) else { continue };
        let mut known = leases.customer(customer);
        known.waiting.remove(&event.id);
        if matches!(command.action, Action::SyncCustomer(..)) {
            still_waiting.extend(known.waiting.difference(tried).cloned());
        }
        leases.set_customer(customer, known);
    }
    still_waiting
}

impl Ready {
    /// The customer is known from here on. Their event is done when what waited for it was tried: until then its next
    /// delivery tries it again.
    pub(crate) async fn finish_first<P: Provider>(
        &self,
        event: &EventKey,
        at: Timestamp,
        commands: &[Command],
        delivery: &Delivery<'_>,
        clock: &Clock,
        waits: Waits,
    ) -> Result<Finished, Failure> {
        let why = "purchases that waited for this customer are finished first";
        let known = self.ledger.fail(*waits.leases, why, LeaseOnFailure::Release);
        self.recorded(delivery.deadline, known).await?;
        if let Some((concerns, text)) = &waits.told {
            self.notify(event, commands, concerns, text, delivery.deadline).await;
        }
        for waiting in &waits.waiting {
            Box::pin(self.finish::<P>(waiting, delivery, clock)).await?;
        }
        let again = self.handle_after::<P>(event, at, commands, delivery, clock, &waits.waiting);
        Box::pin(again).await
    }

    /// Retryable while the event that it waits for may be on its way, the customer's own or the purchase; then it is recorded,
    /// told to a person, and acknowledged.
    pub(crate) async fn wait_a_day(
        &self,
        event: &EventKey,
        at: Timestamp,
        commands: &[Command],
        wait: Unserved,
        deadline: Deadline,
        now: Timestamp,
    ) -> Result<Finished, Failure> {
        let Unserved { mut leases, failure } = wait;
        let (concern, awaited) = match failure.class {
            Class::Buyer => (Concern::BuyerUnknown, "its customer"),
            Class::Person | Class::Token | Class::Passing(_) | Class::Delayed(_) => {
                (Concern::PaidWithoutLicense, "its purchase")
            }
        };
        let waits_for_a_buyer = failure.class == Class::Buyer;
        for customer in commands.iter().filter_map(customer_of).filter(|_| waits_for_a_buyer) {
            let mut known = leases.customer(customer);
            known.keeps_waiting(&event.id);
            leases.set_customer(customer, known);
        }
        if now < shifted(at, ON_THE_WAY) {
            let fail = self.ledger.fail(*leases, &failure.message, LeaseOnFailure::Release);
            self.recorded(deadline, fail).await?;
            return Err(failure);
        }
        let told = leases.tell_once();
        let wait = self.ledger.wait_for_mapping(*leases, &failure.message);
        self.recorded(deadline, wait).await?;
        if told {
            let concerns = BTreeSet::from([concern]);
            self.notify(event, commands, &concerns, &failure.message, deadline).await;
        }
        // Answered 2xx, so that nobody but this line tells.
        tracing::error!(
            provider = event.provider,
            event.id = %event.id,
            outcome = "waiting",
            "Webhook event {} was accepted and waits for {awaited}: {}",
            event.id,
            failure.message,
        );
        Ok(Finished::Waits(Outcome { message: failure.message, ..Outcome::default() }))
    }
}
