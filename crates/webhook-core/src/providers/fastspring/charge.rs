//! `subscription.charge.completed`: a rebill, never the first purchase.

use jiff::Timestamp;
use serde_json_borrow::Value;

use super::super::{Profile as _, amount, payment_ids, subject_of};
use super::FastSpring;
use super::attributes::product_path;
use super::order::{Belonging, Purchase, add_paid, belonging, line};
use super::receiver::receiver;
use super::subscription::{about, itself, record};
use crate::domain::command::{
    Action, Billed, Command, Grant, Note, PaidItem, Payment, PaymentScope, Renew, Subject,
    SubjectKind, Through, Undated, UnknownBuyer, Unreadable,
};
use crate::domain::ids::{CustomerId, SubjectId};
use crate::providers::json::Object;

/// One order may bill several subscriptions that are due at the same time; each has its own next charge.
pub(super) fn completed(charge: &Object<'_>) -> Result<Vec<Command>, Unreadable> {
    let mut commands = vec![itself_charged(charge)?];
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
        let record = Some(record(&billed)?);
        let command = renewal(charge, subject, Through::Until(next));
        commands.push(Command { record, may_be_foreign: true, ..command });
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

/// The subscription that the charge names.
fn itself_charged(charge: &Object<'_>) -> Result<Command, Unreadable> {
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
    Ok(Command { record, ..renewal(charge, subject, through) })
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

/// What the charge paid of a subscription.
fn renewal(charge: &Object<'_>, subject: Subject, through: Through) -> Command {
    let paid_through = match &through {
        Through::Until(next) => Some(*next),
        Through::NextPeriod { .. } | Through::Described { .. } => None,
    };
    let total = charge.thousandths("total");
    let amount = amount(total, charge.currency("currency"));
    let (mut payment, mut else_buys) = (Payment { amount, ..Payment::default() }, None);
    let mut scope = PaymentScope::Period;
    if let Some(order) = charge.object("order", "order") {
        let items = order.objects("items", "order item");
        let own = own_items(&order, &subject, &items);
        payment.items = paid(&own);
        payment.bills = billed(&own);
        if own.iter().any(|(item, _)| is_prorated(item)) {
            scope = PaymentScope::PlanChange;
        }
        let mut purchase = Purchase::new(subject.clone());
        (purchase.scope, purchase.paid_through) = (PaymentScope::Period, paid_through);
        else_buys = bought_by_renewing(charge, &order, &items, &own, purchase).map(Box::new);
    }
    let renew = Renew { through, scope, else_buys };
    let payments = payment_ids([charge.reference("order")]);
    Command { payments, payment, ..about(subject, Action::Renew(renew)) }
}

/// Billed for the rest of a period that another charge paid for.
fn is_prorated(item: &Object<'_>) -> bool {
    item.amount("proratedItemTotal").is_some_and(|total| total > 0.0)
}

/// The items of the order that are of this subscription, with what was added to it. One that cannot be read keeps no
/// renewal from counting.
fn own_items<'i, 'a>(
    order: &Object<'a>,
    subject: &Subject,
    items: &'i [Object<'a>],
) -> Vec<(&'i Object<'a>, Belonging)> {
    let id = order.text("id").or(order.reference("order"));
    let Ok(itself) = subject_of(FastSpring::NAME, SubjectKind::Order, order, "id", id) else {
        return Vec::new();
    };
    let belongs = |item| Some((item, belonging(order, &itself, item, items).ok()?));
    let own = items.iter().filter_map(belongs);
    own.filter(|(_, belongs)| &belongs.subject == subject).collect()
}

fn paid(own: &[(&Object<'_>, Belonging)]) -> Vec<PaidItem> {
    let mut paid = Vec::new();
    own.iter().for_each(|(item, _)| add_paid(&mut paid, item));
    paid
}

fn billed(own: &[(&Object<'_>, Belonging)]) -> Vec<Billed> {
    let mut billed: Vec<Billed> = Vec::new();
    for (item, _) in own {
        let quantity = item.count("quantity").ok().flatten();
        let Some((path, quantity)) = product_path(item).zip(quantity) else { continue };
        match billed.iter_mut().find(|line| line.path == path) {
            Some(line) => line.quantity = line.quantity.saturating_add(quantity),
            None => billed.push(Billed { path: path.to_owned(), quantity }),
        }
    }
    billed
}

/// What it buys where nothing was bought before, if the order names its Cryptlex product.
fn bought_by_renewing(
    charge: &Object<'_>,
    order: &Object<'_>,
    items: &[Object<'_>],
    own: &[(&Object<'_>, Belonging)],
    mut purchase: Purchase,
) -> Option<Grant> {
    for (item, belongs) in own {
        purchase.take(line(item, items, belongs).ok()?);
    }
    if !purchase.has_lines() {
        return None;
    }
    // The account may be expanded in either.
    let (customer, nobody) = match receiver(order).or_else(|_| receiver(charge)) {
        Ok(customer) => (Some(customer), None),
        Err(why) => {
            let id = charge.reference("account").and_then(|id| CustomerId::new(id).ok());
            (None, Some(Box::new(UnknownBuyer { id, why })))
        }
    };
    let (_, grant) = purchase.into_grant(customer);
    Some(Grant { nobody, ..grant })
}
