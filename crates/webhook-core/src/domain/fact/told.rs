//! What the commands of one event say, as facts of their subjects.

use std::sync::Arc;

use jiff::Timestamp;

use super::{Covers, Described, Fact, MoneyBack, Ordered, Paid, Role, Says};
use crate::domain::command::{
    Action, Command, Grant, PaymentScope, Renew, Subject, SubscriptionRecord, SuspensionReason,
};
use crate::domain::ids::{CustomerId, EventId};

/// What an event says of one subject.
pub fn facts_of(
    event: &EventId,
    at: Timestamp,
    subject: &Subject,
    commands: &[Command],
) -> Arc<[Fact]> {
    let mut said = Vec::new();
    let mut description: Option<Described> = None;
    for command in commands.iter().filter(|command| command.subject == *subject) {
        said.extend(says(command));
        describe(command, &mut description);
    }
    said.extend(description.map(|description| Says::Described(Box::new(description))));
    said.into_iter().map(|says| Fact { at, event: event.clone(), says }).collect()
}

fn says(command: &Command) -> Vec<Says> {
    match &command.action {
        Action::Grant(grant) => purchase(command, grant),
        Action::Renew(renew) => {
            let mut said = vec![paid(command, renew.scope, Covers::Later(renew.through.clone()))];
            said.extend(renew.else_buys.as_ref().map(|grant| of_a_payment(command, grant)));
            said
        }
        Action::PaymentFailed(through) => vec![Says::Failed(through.clone())],
        Action::Suspend(SuspensionReason::Pause) => vec![Says::Paused],
        Action::Resume([SuspensionReason::Pause]) => vec![Says::Resumed],
        Action::Reverse(reversal) => {
            let ids = reversal.ids.clone();
            let (cause, funds) = (reversal.cause, reversal.funds);
            let (since, back) = (reversal.since, reversal.back.clone());
            vec![Says::MoneyBack(Box::new(MoneyBack { cause, funds, since, ids, back }))]
        }
        Action::OfPayment(of) => vec![Says::OfPayment(Box::new(of.clone()))],
        Action::End => vec![Says::Ended],
        // The description of the same event says it.
        Action::Suspend(_) | Action::Resume(_) | Action::ChangePlan(_) => Vec::new(),
        Action::SyncCustomer(..) | Action::Note(_) => Vec::new(),
    }
}

fn paid(command: &Command, scope: PaymentScope, covers: Covers) -> Says {
    let (ids, payment) = (command.payments.clone(), command.payment.clone());
    Says::Paid(Box::new(Paid { ids, scope, covers, payment }))
}

fn purchase(command: &Command, grant: &Grant) -> Vec<Says> {
    let role = match (&grant.else_renews, grant.scope) {
        (Some(_), _) => Role::OfAPayment,
        (None, PaymentScope::OneOff) => Role::Addition,
        (None, PaymentScope::Period | PaymentScope::Proration | PaymentScope::PlanChange) => {
            Role::Purchase
        }
    };
    let mut said = vec![ordered(command, grant, role)];
    if grant.is_paid {
        let mut scope = grant.scope;
        let covers = match &grant.else_renews {
            Some(renews) => {
                let Renew { through, scope: of_renewal, .. } = &**renews;
                if *of_renewal == PaymentScope::Proration {
                    scope = *of_renewal;
                }
                Covers::Later(through.clone())
            }
            None => Covers::First(grant.paid_through),
        };
        said.push(paid(command, scope, covers));
    }
    said
}

fn of_a_payment(command: &Command, grant: &Grant) -> Says {
    ordered(command, grant, Role::OfAPayment)
}

fn ordered(command: &Command, grant: &Grant, role: Role) -> Says {
    Says::Ordered(Box::new(Ordered {
        payments: command.payments.clone(),
        lines: grant.lines.clone(),
        unmapped: grant.unmapped.clone(),
        named_by: grant.named_by,
        ordered_at: grant.ordered_at,
        customer: buyer(grant),
        role,
    }))
}

fn buyer(grant: &Grant) -> Option<CustomerId> {
    let known = grant.customer.as_ref().and_then(|customer| customer.id.clone());
    known.or_else(|| grant.nobody.as_ref().and_then(|unknown| unknown.id.clone()))
}

/// Several commands of one event may each tell a part.
fn describe(command: &Command, described: &mut Option<Described>) {
    let mut collects = None;
    let mut subscribed = command.subscribed.as_deref().cloned();
    if let Action::Suspend(SuspensionReason::Collection) = &command.action {
        collects = Some(false);
    } else if let Action::Resume(causes) = &command.action {
        collects = causes.contains(&SuspensionReason::Collection).then_some(true);
    } else if let Action::ChangePlan(changed) = &command.action {
        subscribed = Some(changed.clone());
    }
    let previous = command.previous.as_ref();
    if command.record.is_none() && collects.is_none() && subscribed.is_none() {
        return;
    }
    let description = described.get_or_insert_with(|| Described {
        record: SubscriptionRecord::default(),
        subscribed: None,
        collects: None,
        previous: None,
    });
    if let Some(record) = &command.record {
        description.record.clone_from(record);
    }
    description.subscribed = description.subscribed.take().or(subscribed);
    description.collects = description.collects.or(collects);
    description.previous = description.previous.take().or_else(|| previous.cloned());
}
