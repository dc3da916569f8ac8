//! `customer.subscription.*`: the status and the items of a subscription, whatever was paid for it.

use jiff::Timestamp;

use super::super::{ProductLookup, Profile as _, subject_of};
use super::{
    Decided, Stripe, is_metered, named_in, of_data, subject_marks, the_item, the_line,
    written_marks,
};
use crate::domain::command::{
    Action, Command, Concern, Effect, Note, Previous, Subject, SubjectKind, Subscribed,
    SubscriptionRecord, SuspensionReason, Unmapped, Unreadable,
};
use crate::domain::ids::{CustomerId, ProductId};
use crate::providers::json::Object;

/// What it is for comes as information: its purchase grants it.
pub(super) fn created(data: &Object<'_>, source: &ProductLookup) -> Result<Decided, Unreadable> {
    let subscription = of_data(data, "subscription")?;
    let subscribed = subscribed(&subscription, source)?.map(Box::new);
    let note = Action::Note(Note::of("the subscription was created"));
    Ok(Command { subscribed, ..command(&subscription, note)? }.into())
}

pub(super) fn paused(data: &Object<'_>, _source: &ProductLookup) -> Result<Decided, Unreadable> {
    with(data, Action::Suspend(SuspensionReason::Pause))
}

pub(super) fn resumed(data: &Object<'_>, _source: &ProductLookup) -> Result<Decided, Unreadable> {
    with(data, Action::Resume(&[SuspensionReason::Pause]))
}

pub(super) fn deleted(data: &Object<'_>, _source: &ProductLookup) -> Result<Decided, Unreadable> {
    with(data, Action::End)
}

/// Sent three days before the end of a trial.
pub(super) fn trial_will_end(
    data: &Object<'_>,
    _source: &ProductLookup,
) -> Result<Decided, Unreadable> {
    let subscription = of_data(data, "subscription")?;
    let note = Action::Note(Note::of("the trial ends soon"));
    let command = command(&subscription, note)?;
    Ok(Command { concern: Some(Concern::TrialEnds), ..command }.into())
}

/// The whole subscription as it is now: its status first, then what it is for.
pub(super) fn updated(data: &Object<'_>, source: &ProductLookup) -> Result<Decided, Unreadable> {
    let subscription = of_data(data, "subscription")?;
    let collects = collects(&subscription);
    // Whatever the status is: payments that are collected again may fail meanwhile.
    let collection = match collects {
        true => Action::Resume(&[SuspensionReason::Collection]),
        false => Action::Suspend(SuspensionReason::Collection),
    };
    let mut actions = match (subscription.text("status"), collects) {
        (Some("past_due"), _) => vec![Action::PaymentFailed(None), collection],
        (Some("unpaid"), _) => vec![Action::Suspend(SuspensionReason::Payment), collection],
        (Some("active" | "trialing"), true) => {
            vec![Action::Resume(&[
                SuspensionReason::Payment,
                SuspensionReason::Pause,
                SuspensionReason::Collection,
            ])]
        }
        (Some("active" | "trialing"), false) => {
            vec![Action::Resume(&[SuspensionReason::Payment, SuspensionReason::Pause]), collection]
        }
        // A status that another event acts on, or that nobody documents.
        (Some(_) | None, _) => vec![collection],
    };
    let note = || Action::Note(Note::of("the subscription was updated"));
    actions.push(subscribed(&subscription, source)?.map_or_else(note, Action::ChangePlan));
    let previous = previous(data).map(Box::new);
    let described = |action| {
        let previous = previous.clone();
        Ok(Command { previous, ..command(&subscription, action)? })
    };
    let commands = actions.into_iter().map(described);
    Ok(Decided::Commands(commands.collect::<Result<_, Unreadable>>()?))
}

fn collects(subscription: &Object<'_>) -> bool {
    subscription.value("pause_collection").is_none()
}

/// From `previous_attributes`, which has no more than what changed. It only orders what is told at one time, so what
/// cannot be read of it is left out.
fn previous(data: &Object<'_>) -> Option<Previous> {
    let before = data.object("previous_attributes", "previous attributes")?;
    let counted = counted(&before).ok().flatten();
    let old_quantity = || before.count("quantity").ok().flatten();
    let metadata = before.object("metadata", "metadata");
    let product = metadata.and_then(|metadata| metadata.text("CRYPTLEX_PRODUCT_ID"));
    let previous = Previous {
        status: before.text("status").map(str::to_owned),
        plan: plan(&before, counted).or(before.reference("plan")).map(str::to_owned),
        quantity: counted.map(|(quantity, _)| quantity).or_else(old_quantity),
        product: product.and_then(|id| ProductId::new(id).ok()),
        period_end: last_period(&before).ok().and_then(|(_, end)| end),
        cancel_at_period_end: before.flag("cancel_at_period_end"),
        collects: before.has("pause_collection").then(|| collects(&before)),
    };
    (previous != Previous::default()).then_some(previous)
}

fn with(data: &Object<'_>, action: Action) -> Result<Decided, Unreadable> {
    Ok(command(&of_data(data, "subscription")?, action)?.into())
}

fn command(subscription: &Object<'_>, action: Action) -> Result<Command, Unreadable> {
    let subject = itself(subscription)?;
    let marks = subject_marks(&subject);
    let record = Some(record(subscription)?);
    Ok(Command { record, ..Command::new(subject, marks, action) })
}

fn itself(subscription: &Object<'_>) -> Result<Subject, Unreadable> {
    let id = subscription.text("id");
    subject_of(Stripe::NAME, SubjectKind::Subscription, subscription, "id", id)
}

/// One item counts; the product is another one only if the subscription's own metadata says so,
/// where metadata counts at all.
fn subscribed(
    subscription: &Object<'_>,
    source: &ProductLookup,
) -> Result<Option<Subscribed>, Unreadable> {
    let Some((quantity, _)) = counted(subscription)? else { return Ok(None) };
    let named = match source {
        ProductLookup::Configured(_) => Ok(None),
        ProductLookup::Metadata | ProductLookup::MetadataOr(_) => {
            named_in(subscription.object("metadata", "metadata").as_ref())
        }
    };
    let (mapping, unmapped) = match named {
        Ok(mapping) => (mapping, None),
        Err(problem) => {
            let problem = format!("{problem} in its metadata");
            (None, Some(Unmapped { line: subscription.title(), problem }))
        }
    };
    let metadata = written_marks(&itself(subscription)?);
    Ok(Some(Subscribed {
        lines: vec![the_line(quantity, mapping, metadata)],
        unmapped: unmapped.into_iter().collect(),
        with_add_ons: true,
        takes_effect: Effect::AtOnce,
    }))
}

fn items<'a>(subscription: &Object<'a>) -> Vec<Object<'a>> {
    let items = subscription.object("items", "items");
    items.map(|items| items.objects("data", "subscription item")).unwrap_or_default()
}

/// Of the item that counts: how many, and of which price.
fn counted<'a>(subscription: &Object<'a>) -> Result<Option<(u32, Option<&'a str>)>, Unreadable> {
    let mut counted = Vec::new();
    for item in items(subscription) {
        let price = item.object("price", "price").or(item.object("plan", "plan"));
        if is_metered(price.as_ref()) {
            continue;
        }
        if let Some(quantity) = item.count("quantity")? {
            counted.push((quantity, item.reference("price").or(item.reference("plan"))));
        }
    }
    Ok(the_item(counted))
}

fn record(subscription: &Object<'_>) -> Result<SubscriptionRecord, Unreadable> {
    let counted = counted(subscription)?;
    let (period_start, period_end) = match last_period(subscription)? {
        (_, None) if subscription.text("status") == Some("trialing") => {
            (subscription.seconds("trial_start")?, subscription.seconds("trial_end")?)
        }
        period => period,
    };
    let details = subscription.object("cancellation_details", "cancellation details");
    Ok(SubscriptionRecord {
        customer: subscription.reference("customer").and_then(|id| CustomerId::new(id).ok()),
        status: subscription.text("status").map(str::to_owned),
        plan: plan(subscription, counted).map(str::to_owned),
        quantity: counted.map(|(quantity, _)| quantity),
        period_start,
        period_end,
        cancellation_reason: details.and_then(|d| d.text("reason")).map(str::to_owned),
        cancel_at_period_end: subscription.flag("cancel_at_period_end"),
        is_pause_scheduled: None,
    })
}

/// The price of the item that counts, else of the first.
fn plan<'a>(subscription: &Object<'a>, counted: Option<(u32, Option<&'a str>)>) -> Option<&'a str> {
    let first = || {
        let items = items(subscription);
        let item = items.first()?;
        item.reference("price").or(item.reference("plan"))
    };
    counted.and_then(|(_, price)| price).or_else(first)
}

/// Items may have periods of their own: that which ends last.
fn last_period(
    subscription: &Object<'_>,
) -> Result<(Option<Timestamp>, Option<Timestamp>), Unreadable> {
    let (mut period_start, mut period_end) = period(subscription)?;
    for item in items(subscription) {
        let (start, end) = period(&item)?;
        if end > period_end {
            (period_start, period_end) = (start, end);
        }
    }
    Ok((period_start, period_end))
}

/// Of a subscription in old payloads, of its items in new ones.
fn period(of: &Object<'_>) -> Result<(Option<Timestamp>, Option<Timestamp>), Unreadable> {
    Ok((of.seconds("current_period_start")?, of.seconds("current_period_end")?))
}
