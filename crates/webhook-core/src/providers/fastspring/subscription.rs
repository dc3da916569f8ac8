//! What happens to a subscription after it was bought.

use super::super::{Profile as _, add_up, marks, subject_of};
use super::attributes::product_path;
use super::order::{self, Read};
use super::{FastSpring, SUBSCRIPTION_KEY};
use crate::domain::command::{
    Action, Command, Concern, Effect, Note, Subject, SubjectKind, Subscribed, SubscriptionRecord,
    SuspensionReason, Unreadable,
};
use crate::domain::ids::CustomerId;
use crate::providers::json::Object;

/// `subscription.payment.overdue`: a reminder was sent.
pub(super) fn overdue(subscription: &Object<'_>) -> Result<Command, Unreadable> {
    failed(with(subscription, Action::PaymentFailed(None))?)
}

/// `subscription.paused`, which also comes when a pause is only scheduled: FastSpring sets `isPauseScheduled`, and the
/// subscription runs until then (<https://developer.fastspring.com/docs/pausing-subscriptions>).
pub(super) fn paused(subscription: &Object<'_>) -> Result<Command, Unreadable> {
    let is_paused = subscription.text("state").is_some_and(|state| is(state, "paused"));
    match subscription.flag("isPauseScheduled") {
        Some(true) if !is_paused => {
            noted(subscription, "a pause is scheduled, and the subscription runs until then")
        }
        Some(_) | None => with(subscription, Action::Suspend(SuspensionReason::Pause)),
    }
}

/// `subscription.charge.failed`: an automatic charge, for whatever reason. While FastSpring itself does not call the
/// subscription overdue, what failed was not for its period: an add-on, a change in between.
pub(super) fn charge_failed(charge: &Object<'_>) -> Result<Command, Unreadable> {
    let id = charge.reference("subscription");
    let subject =
        subject_of(FastSpring::NAME, SubjectKind::Subscription, charge, "subscription", id)?;
    let record = charge.object("subscription", "subscription").map(|s| record(&s)).transpose()?;
    let state = record.as_ref().and_then(|record| record.status.as_deref());
    let action = match state {
        Some(state) if RUNNING.iter().any(|running| is(state, running)) => {
            Action::Note(Note::of("a charge failed, and the subscription goes on"))
        }
        Some(_) | None => Action::PaymentFailed(None),
    };
    failed(Command { record, ..about(subject, action) })
}

/// States of a subscription that is paid for.
const RUNNING: [&str; 3] = ["active", "trial", "canceled"];

fn is(state: &str, name: &str) -> bool {
    state.eq_ignore_ascii_case(name)
}

fn failed(command: Command) -> Result<Command, Unreadable> {
    Ok(Command { concern: Some(Concern::PaymentFailed), ..command })
}

/// An event whose data is the subscription.
pub(super) fn with(subscription: &Object<'_>, action: Action) -> Result<Command, Unreadable> {
    let record = Some(record(subscription)?);
    Ok(Command { record, ..about(itself(subscription)?, action) })
}

/// An event that only tells the status of the subscription.
pub(super) fn noted(subscription: &Object<'_>, why: &'static str) -> Result<Command, Unreadable> {
    with(subscription, Action::Note(Note::of(why)))
}

/// `subscription.updated`: another product, another quantity, other add-ons, another date.
pub(super) fn updated(subscription: &Object<'_>) -> Result<Command, Unreadable> {
    let subject = itself(subscription)?;
    let Some(path) = product_path(subscription) else {
        return Err(subscription.lacks("product"));
    };
    let mut read = vec![order::subscribed_line(subscription, &subject, path, None)?];
    let with_add_ons = subscription.value("addons").is_some();
    if matches!(read[..], [Read::BundleItself]) && !with_add_ons {
        // Its members are not listed.
        return noted(subscription, "the bundle that was updated has no license itself");
    }
    for add_on in subscription.objects("addons", "add-on") {
        if let Some(own_path) = product_path(&add_on) {
            read.push(order::subscribed_line(&add_on, &subject, own_path, Some(path))?);
        }
    }
    let (mut lines, mut unmapped) = (Vec::new(), Vec::new());
    for read in read {
        match read {
            Read::Line(line) => lines.push(*line),
            Read::Partly(problem) => unmapped.push(problem),
            Read::Foreign(_) | Read::BundleItself => {}
        }
    }
    let subscribed = Subscribed {
        lines: add_up(lines),
        unmapped,
        with_add_ons,
        takes_effect: Effect::WhenCharged,
    };
    with(subscription, Action::ChangePlan(subscribed))
}

pub(super) fn itself(subscription: &Object<'_>) -> Result<Subject, Unreadable> {
    let id = subscription.text("id").or(subscription.reference("subscription"));
    subject_of(FastSpring::NAME, SubjectKind::Subscription, subscription, "id", id)
}

pub(super) fn record(subscription: &Object<'_>) -> Result<SubscriptionRecord, Unreadable> {
    let canceled = subscription.value("canceledDate").is_some();
    Ok(SubscriptionRecord {
        customer: subscription.reference("account").and_then(|id| CustomerId::new(id).ok()),
        status: subscription.text("state").map(str::to_owned),
        plan: product_path(subscription).map(str::to_owned),
        quantity: subscription.count("quantity")?,
        period_start: None,
        period_end: subscription.millis("next")?,
        cancellation_reason: None,
        cancel_at_period_end: Some(canceled),
        is_pause_scheduled: subscription.flag("isPauseScheduled"),
    })
}

pub(super) fn about(subject: Subject, action: Action) -> Command {
    let marks = marks(&[SUBSCRIPTION_KEY], subject.id.as_str());
    Command::new(subject, marks, action)
}
