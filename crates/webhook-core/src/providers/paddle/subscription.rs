//! `subscription.*`: the status and the items of a subscription. Its dates are no proof of a payment: only transactions are.

use super::super::{
    Named, Profile as _, add_up, marks, product_and_template, subject_of, subscribed_quantity,
};
use super::transaction::interval;
use super::{Paddle, SUBSCRIPTION_KEY, about, unnamed_customer};
use crate::domain::command::{
    Action, Command, Concern, Effect, Line, Note, Subject, SubjectKind, Subscribed,
    SubscriptionRecord, Term, Unmapped, Unreadable,
};
use crate::domain::ids::CustomerId;
use crate::providers::json::Object;

pub(super) fn with(subscription: &Object<'_>, action: Action) -> Result<Command, Unreadable> {
    let record = Some(record(subscription)?);
    Ok(Command { record, ..about(itself(subscription)?, action) })
}

/// `subscription.past_due`.
pub(super) fn past_due(subscription: &Object<'_>) -> Result<Command, Unreadable> {
    let concern = Some(Concern::PaymentFailed);
    Ok(Command { concern, ..with(subscription, Action::PaymentFailed(None))? })
}

/// `subscription.updated`: all of its items as they are now.
pub(super) fn updated(subscription: &Object<'_>) -> Result<Command, Unreadable> {
    let command = with(subscription, Action::ChangePlan(subscribed(subscription)?))?;
    // New seats are made for whoever has the first one.
    let customer = command.record.as_ref().and_then(|record| record.customer.clone());
    let contact = customer.map(unnamed_customer);
    Ok(Command { locks_customer: true, contact, ..command })
}

/// `subscription.created` and its like, which change nothing: its transaction grants it. Items that cannot be read are left
/// to that, too.
pub(super) fn described(subscription: &Object<'_>) -> Result<Command, Unreadable> {
    let note = Action::Note(Note::of("the event only describes the subscription"));
    let subscribed = subscribed(subscription).ok().map(Box::new);
    Ok(Command { subscribed, ..with(subscription, note)? })
}

fn subscribed(subscription: &Object<'_>) -> Result<Subscribed, Unreadable> {
    let subject = itself(subscription)?;
    let (mut lines, mut unmapped) = (Vec::new(), Vec::new());
    for item in subscription.objects("items", "subscription item") {
        match line(subscription, &subject, &item)? {
            Some(Ok(line)) => lines.push(line),
            Some(Err(half)) => unmapped.push(half),
            None => {}
        }
    }
    if lines.is_empty() && unmapped.is_empty() {
        unmapped.push(Unmapped {
            line: subject.to_string(),
            problem: "none of its items names a Cryptlex product".to_owned(),
        });
    }
    Ok(Subscribed {
        lines: add_up(lines),
        unmapped,
        with_add_ons: true,
        takes_effect: Effect::AtOnce,
    })
}

/// The line of an item that recurs, or what it lacks; none where it is not ours.
fn line(
    subscription: &Object<'_>,
    subject: &Subject,
    item: &Object<'_>,
) -> Result<Option<Result<Line, Unmapped>>, Unreadable> {
    if item.flag("recurring") == Some(false) {
        return Ok(None);
    }
    let price = item.object("price", "price").ok_or_else(|| item.lacks("price"))?;
    let key = price.text("id").ok_or_else(|| price.lacks("id"))?;
    let product = item.object("product", "product").or(price.object("product", "product"));
    let mapping = match product.map(|product| named(&product)) {
        // It has the product that its licenses are of.
        None => None,
        Some(Named::Whole(mapping)) => Some(mapping),
        Some(Named::Partly(problem)) => {
            return Ok(Some(Err(Unmapped { line: key.to_owned(), problem })));
        }
        // Next to mapped items it is not ours.
        Some(Named::None) => return Ok(None),
    };
    let cycle = price
        .object("billing_cycle", "billing cycle")
        .or(subscription.object("billing_cycle", "billing cycle"));
    let term = match cycle {
        Some(cycle) => Term::Every(interval(&cycle)?),
        None => Term::Template,
    };
    Ok(Some(Ok(Line {
        key: key.to_owned(),
        quantity: subscribed_quantity(item)?,
        quantity_means: None,
        mapping,
        term,
        driver: None,
        max_release: None,
        metadata: marks(&[SUBSCRIPTION_KEY], subject.id.as_str()),
    })))
}

/// What a product says about Cryptlex.
fn named(product: &Object<'_>) -> Named {
    let custom_data = product.object("custom_data", "custom data");
    let names = ["cryptlex_product_id", "cryptlex_license_template_id"];
    let [id, template] = names.map(|name| custom_data.as_ref().and_then(|d| d.text(name)));
    product_and_template(id, template, names)
}

fn itself(subscription: &Object<'_>) -> Result<Subject, Unreadable> {
    let id = subscription.text("id");
    subject_of(Paddle::NAME, SubjectKind::Subscription, subscription, "id", id)
}

fn record(subscription: &Object<'_>) -> Result<SubscriptionRecord, Unreadable> {
    let items = subscription.objects("items", "subscription item");
    let item = items.first();
    let price = item.and_then(|item| item.object("price", "price"));
    let period = subscription.object("current_billing_period", "current billing period");
    let scheduled = subscription.object("scheduled_change", "scheduled change");
    let ends = scheduled.and_then(|change| change.text("action")) == Some("cancel");
    let quantity = match item {
        Some(item) => item.count("quantity")?,
        None => None,
    };
    Ok(SubscriptionRecord {
        customer: subscription.text("customer_id").and_then(|id| CustomerId::new(id).ok()),
        status: subscription.text("status").map(str::to_owned),
        plan: price.and_then(|price| price.text("id")).map(str::to_owned),
        quantity,
        // Nothing depends on it alone, so what is no time is as good as none.
        period_start: period.and_then(|period| period.rfc3339("starts_at").ok().flatten()),
        period_end: period.map(|period| period.rfc3339("ends_at")).transpose()?.flatten(),
        cancellation_reason: None,
        cancel_at_period_end: Some(ends),
        is_pause_scheduled: None,
    })
}
