//! What happens to a subscription after it was bought.

use jiff::Timestamp;

use super::super::{Provider as _, marks, subject_of};
use super::{FastSpring, SUBSCRIPTION_KEY};
use crate::command::{
    Action, Cause, Command, Pays, Renew, Subject, SubjectKind, Through, Unreadable,
};
use crate::ids::SubjectId;
use crate::json::Object;

/// `subscription.charge.completed`: a rebill, never the first purchase.
pub(super) fn charged(charge: &Object<'_>) -> Result<Command, Unreadable> {
    let id = charge.reference("subscription");
    let subject =
        subject_of(FastSpring::NAME, SubjectKind::Subscription, charge, "subscription", id)?;
    if charge.text("status").is_some_and(|status| status != "successful") {
        return Ok(about(subject, Action::Note("the charge was not successful")));
    }
    let subscription = charge.object("subscription", "subscription");
    let next = match subscription {
        Some(subscription) => subscription.millis("next")?,
        None => None,
    };
    let through = match next {
        Some(next) => Through::Until(next),
        None => next_period(charge)?,
    };
    Ok(about(subject, Action::Renew(Renew { through, pays: Pays::ForThePeriod })))
}

/// Without webhook expansion the payload has no date of the next charge.
fn next_period(charge: &Object<'_>) -> Result<Through, Unreadable> {
    let charged_at: Timestamp =
        charge.millis("timestamp")?.ok_or_else(|| charge.lacks("timestamp"))?;
    let order = charge.reference("order").ok_or_else(|| charge.lacks("order"))?;
    let order = SubjectId::new(order).map_err(|_not_an_id| charge.misshapen("order", "an id"))?;
    Ok(Through::NextPeriod { charged_at, order })
}

/// `subscription.payment.overdue`: a reminder was sent.
pub(super) fn overdue(subscription: &Object<'_>) -> Result<Command, Unreadable> {
    Ok(about(itself(subscription)?, Action::Suspend(Cause::Payment)))
}

/// `subscription.deactivated`: the end, whoever wanted it.
pub(super) fn deactivated(subscription: &Object<'_>) -> Result<Command, Unreadable> {
    Ok(about(itself(subscription)?, Action::End))
}

fn itself(subscription: &Object<'_>) -> Result<Subject, Unreadable> {
    let id = subscription.text("id").or(subscription.reference("subscription"));
    subject_of(FastSpring::NAME, SubjectKind::Subscription, subscription, "id", id)
}

fn about(subject: Subject, action: Action) -> Command {
    let marks = marks(&[SUBSCRIPTION_KEY], subject.id.as_str());
    Command { subject, marks, action }
}
