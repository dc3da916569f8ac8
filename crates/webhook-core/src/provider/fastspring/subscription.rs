//! What happens to a subscription after it was bought.

use jiff::Timestamp;
use serde_json_borrow::Value;

use super::super::{Provider as _, add_up, marks, payment_ids, subject_of};
use super::order::{self, Read, product_path};
use super::{FastSpring, SUBSCRIPTION_KEY};
use crate::command::{
    Action, Cause, Command, Concern, Note, Pays, Renew, Subject, SubjectKind, Subscribed,
    SubscriptionRecord, Through, Undated, Unreadable,
};
use crate::ids::{CustomerId, SubjectId};
use crate::json::Object;

/// `subscription.charge.completed`: a rebill, never the first purchase. One order may bill several subscriptions that are
/// due at the same time; each has its own next charge.
pub(super) fn charged(charge: &Object<'_>) -> Result<Vec<Command>, Unreadable> {
    let mut commands = vec![charged_itself(charge)?];
    if !is_successful(charge) {
        return Ok(commands);
    }
    let order = charge.object("order", "order").filter(tells_subscriptions);
    let items = order.map(|order| order.objects("items", "order item")).unwrap_or_default();
    for item in items {
        let Some(billed) = item.object("subscription", "subscription") else { continue };
        if item.reference("subscription") == charge.reference("subscription") {
            continue;
        }
        let Some(next) = billed.millis("next")? else { continue };
        let subject = itself(&billed)?;
        if commands.iter().any(|command| command.subject == subject) {
            continue;
        }
        let payments = payment_ids([charge.reference("order")]);
        let record = Some(record(&billed)?);
        let renew = renewal(Through::Until(next));
        commands.push(Command { payments, record, incidental: true, ..about(subject, renew) });
    }
    Ok(commands)
}

/// Whether any item of the order is a subscription in full, not only its id.
fn tells_subscriptions(order: &Object<'_>) -> bool {
    let items = order.value("items").and_then(Value::as_array);
    let mut subscriptions = items.into_iter().flatten().map(|item| item.get("subscription"));
    subscriptions.any(Value::is_object)
}

fn is_successful(charge: &Object<'_>) -> bool {
    charge.text("status").is_none_or(|status| status == "successful")
}

fn renewal(through: Through) -> Action {
    Action::Renew(Renew { through, pays: Pays::ForThePeriod, else_buys: None })
}

/// The subscription that the charge names.
fn charged_itself(charge: &Object<'_>) -> Result<Command, Unreadable> {
    let id = charge.reference("subscription");
    let subject =
        subject_of(FastSpring::NAME, SubjectKind::Subscription, charge, "subscription", id)?;
    if !is_successful(charge) {
        return Ok(about(subject, Action::Note(Note::of("the charge was not successful"))));
    }
    let subscription = charge.object("subscription", "subscription");
    let next = match subscription {
        Some(subscription) => subscription.millis("next")?,
        None => None,
    };
    let through = match next {
        Some(next) => Through::Until(next),
        None => next_period(charge, subscription.is_some())?,
    };
    let record = subscription.map(|subscription| record(&subscription)).transpose()?;
    let payments = payment_ids([charge.reference("order")]);
    Ok(Command { payments, record, ..about(subject, renewal(through)) })
}

/// Without webhook expansion the payload has no date of the next charge. With it there is none where no other charge is
/// due: on demand, or in the last period.
fn next_period(charge: &Object<'_>, is_expanded: bool) -> Result<Through, Unreadable> {
    let charged_at: Timestamp =
        charge.millis("timestamp")?.ok_or_else(|| charge.lacks("timestamp"))?;
    let order = charge.reference("order").ok_or_else(|| charge.lacks("order"))?;
    let order = SubjectId::new(order).map_err(|_not_an_id| charge.misshapen("order", "an id"))?;
    let why = if is_expanded { Undated::NothingDue } else { Undated::NotExpanded };
    Ok(Through::NextPeriod { charged_at, order, why })
}

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
            noted(subscription, "a pause is scheduled, and it runs until then")
        }
        Some(_) | None => with(subscription, Action::Suspend(Cause::Pause)),
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
            Action::Note(Note::of("a charge failed, and its subscription runs on"))
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

/// One that only says how the subscription stands.
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
        return noted(subscription, "a bundle was updated that is no license itself");
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
    let subscribed = Subscribed { lines: add_up(lines), unmapped, with_add_ons };
    with(subscription, Action::ChangePlan(subscribed))
}

fn itself(subscription: &Object<'_>) -> Result<Subject, Unreadable> {
    let id = subscription.text("id").or(subscription.reference("subscription"));
    subject_of(FastSpring::NAME, SubjectKind::Subscription, subscription, "id", id)
}

fn record(subscription: &Object<'_>) -> Result<SubscriptionRecord, Unreadable> {
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
    })
}

fn about(subject: Subject, action: Action) -> Command {
    let marks = marks(&[SUBSCRIPTION_KEY], subject.id.as_str());
    Command::new(subject, marks, action)
}
