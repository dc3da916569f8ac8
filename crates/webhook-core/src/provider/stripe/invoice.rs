//! `invoice.paid`, in both API generations of the payload.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::super::{ProductSource, Provider as _, payment_ids, subject_of};
use super::{
    Decided, Stripe, configured, first_reference, is_metered, named_in, of_data, subject_marks,
    the_item, the_line, written_marks,
};
use crate::command::{
    Action, Command, Concern, Customer, Email, Grant, Keeps, Name, NamedBy, Note, Pays, Renew,
    SubjectKind, Through, Unreadable,
};
use crate::ids::{CustomerId, PaymentId, SubjectId};
use crate::json::Object;

/// What an invoice says about the subscription that it bills.
struct Billing<'a> {
    subscription: Option<&'a str>,
    /// Metadata of the subscription, frozen when the invoice was made.
    metadata: Option<Object<'a>>,
}

/// What `invoice.paid` means depends on why the invoice was made.
pub(super) fn paid(data: &Object<'_>, source: &ProductSource) -> Result<Decided, Unreadable> {
    let invoice = of_data(data, "invoice")?;
    let billing = billing(&invoice);
    match invoice.text("billing_reason") {
        Some("subscription_create") => first(&invoice, &billing, source),
        // `subscription` is how old API versions called all of them.
        Some(
            "subscription_cycle"
            | "subscription_update"
            | "subscription_threshold"
            | "subscription",
        ) => renewal(&invoice, &billing),
        Some(_) | None => {
            let subject =
                subject_of(Stripe::NAME, SubjectKind::Order, &invoice, "id", invoice.text("id"))?;
            let note = Action::Note(Note::of("an invoice that no subscription made"));
            Ok(Command::new(subject, Vec::new(), note).into())
        }
    }
}

fn billing<'a>(invoice: &Object<'a>) -> Billing<'a> {
    let details = invoice
        .object("parent", "parent")
        .and_then(|parent| parent.object("subscription_details", "subscription details"));
    let old_details = invoice.object("subscription_details", "subscription details");
    let subscription = details.and_then(|details| details.value("subscription"));
    Billing {
        subscription: first_reference([subscription, invoice.value("subscription")]),
        metadata: [details, old_details]
            .into_iter()
            .flatten()
            .find_map(|d| d.object("metadata", "metadata")),
    }
}

fn renewal(invoice: &Object<'_>, billing: &Billing<'_>) -> Result<Decided, Unreadable> {
    let subject = subject_of(
        Stripe::NAME,
        SubjectKind::Subscription,
        invoice,
        "subscription",
        billing.subscription,
    )?;
    let marks = subject_marks(&subject);
    let action = match through(invoice, billing)? {
        Some(through) => Action::Renew(Renew { through, pays: Pays::ForThePeriod }),
        None => {
            Action::Note(Note::of("no line of the invoice pays for a period of the subscription"))
        }
    };
    let payments = known_as(invoice);
    Ok(Command { payments, ..Command::new(subject, marks, action) }.into())
}

/// Until when an invoice pays for a subscription. Where its lines all lie in the past (usage), or the one that pays may be
/// among those that the webhook leaves out, it is the period that it was billed in. An invoice that does not say when it
/// was made is believed to pay until its lines end.
fn through(invoice: &Object<'_>, billing: &Billing<'_>) -> Result<Option<Through>, Unreadable> {
    let billed_at = invoice.seconds("created")?;
    let latest = paid_through(invoice, billing)?;
    if let Some(end) = latest.filter(|end| billed_at.is_none_or(|at| *end > at)) {
        return Ok(Some(Through::Until(end)));
    }
    let renews =
        matches!(invoice.text("billing_reason"), Some("subscription_cycle" | "subscription"));
    let is_of_usage = renews && latest.is_some();
    if !is_of_usage && !has_more_lines(invoice) {
        return Ok(latest.map(Through::Until));
    }
    let billed_at = billed_at.ok_or_else(|| invoice.lacks("created"))?;
    let id = invoice.text("id").ok_or_else(|| invoice.lacks("id"))?;
    let order = SubjectId::new(id).map_err(|_not_an_id| invoice.misshapen("id", "an id"))?;
    Ok(Some(Through::Described { billed_at, order }))
}

/// New payloads do not say which payment paid, unless they are expanded: `invoice_payment.paid` does.
fn known_as(invoice: &Object<'_>) -> Vec<PaymentId> {
    let by = |object: &Object<'_>| {
        payment_ids(["payment_intent", "charge"].map(|field| object.reference(field)))
    };
    let payments = invoice.object("payments", "payments");
    let payments = payments.map(|list| list.objects("data", "invoice payment")).unwrap_or_default();
    let expanded = payments.iter().filter_map(|paid| paid.object("payment", "payment"));
    let mut ids = payment_ids([invoice.text("id")]);
    ids.extend(by(invoice));
    ids.extend(expanded.flat_map(|payment| by(&payment)));
    ids
}

/// `invoice_payment.paid`: the payment intent by which refunds and disputes of an invoice are known.
pub(super) fn payment_linked(
    data: &Object<'_>,
    _source: &ProductSource,
) -> Result<Decided, Unreadable> {
    let paid = of_data(data, "invoice payment")?;
    let Some(invoice) = paid.reference("invoice") else {
        return Ok(Decided::Nothing("the payment is for no invoice"));
    };
    let subject = subject_of(Stripe::NAME, SubjectKind::Order, &paid, "invoice", Some(invoice))?;
    let by = paid.object("payment", "payment");
    let payment = by.and_then(|by| by.reference("payment_intent").or(by.reference("charge")));
    let ids = (payment.map(PaymentId::new), PaymentId::new(subject.id.as_str()));
    let keeps = match ids {
        (Some(Ok(payment)), Ok(same_as)) => Keeps::Link { payment, same_as },
        _ => Keeps::Nothing,
    };
    let note = Action::Note(Note { why: "which payment paid an invoice", keeps });
    Ok(Command::new(subject, Vec::new(), note).into())
}

/// `invoice.payment_failed`: only a renewal that fails is a reason to doubt the licenses.
pub(super) fn payment_failed(
    data: &Object<'_>,
    _source: &ProductSource,
) -> Result<Decided, Unreadable> {
    let invoice = of_data(data, "invoice")?;
    let action = match invoice.text("billing_reason") {
        Some("subscription_cycle" | "subscription_threshold" | "subscription") => {
            Action::PaymentFailed(through(&invoice, &billing(&invoice))?)
        }
        Some(_) | None => Action::Note(Note::of("a payment failed that renews nothing")),
    };
    concerning(&invoice, action, Concern::PaymentFailed)
}

/// `invoice.payment_action_required`: the customer must confirm with his bank.
pub(super) fn action_required(
    data: &Object<'_>,
    _source: &ProductSource,
) -> Result<Decided, Unreadable> {
    let note = Action::Note(Note::of("the customer must confirm a payment"));
    concerning(&of_data(data, "invoice")?, note, Concern::PaymentNeedsAction)
}

fn concerning(
    invoice: &Object<'_>,
    action: Action,
    concern: Concern,
) -> Result<Decided, Unreadable> {
    let billing = billing(invoice);
    let (kind, field, id) = match billing.subscription {
        Some(id) => (SubjectKind::Subscription, "subscription", Some(id)),
        None => (SubjectKind::Order, "id", invoice.text("id")),
    };
    let subject = subject_of(Stripe::NAME, kind, invoice, field, id)?;
    let action = match kind {
        SubjectKind::Subscription => action,
        SubjectKind::Order | SubjectKind::Customer => {
            Action::Note(Note::of("a payment failed that renews nothing"))
        }
    };
    let marks = subject_marks(&subject);
    Ok(Command { concern: Some(concern), ..Command::new(subject, marks, action) }.into())
}

/// The first invoice grants what the checkout session grants; it also knows the end of what was paid, and the quantity.
fn first(
    invoice: &Object<'_>,
    billing: &Billing<'_>,
    source: &ProductSource,
) -> Result<Decided, Unreadable> {
    let subject = subject_of(
        Stripe::NAME,
        SubjectKind::Subscription,
        invoice,
        "subscription",
        billing.subscription,
    )?;
    let find = subject_marks(&subject);
    let quantity = quantity(invoice, billing)?;
    // Half a mapping here is none: the checkout session says all of it, and is where its lack is reported.
    let named = named_in(billing.metadata.as_ref()).ok().flatten();
    let (mapping, named_by) = match (source, named) {
        (ProductSource::Configured(product), _) | (ProductSource::MetadataOr(product), None) => {
            (Some(configured(product)), NamedBy::Configuration)
        }
        (ProductSource::Metadata | ProductSource::MetadataOr(_), Some(named)) => {
            (Some(named), NamedBy::Subscription)
        }
        (ProductSource::Metadata, None) => (None, NamedBy::Configuration),
    };
    // It is no fault that the payer is not known where the session granted, or will.
    let (customer, nobody) = match payer(invoice) {
        Ok(payer) => (Some(payer), None),
        Err(unknown) => (None, Some(unknown)),
    };
    let grant = Grant {
        customer,
        nobody,
        lines: vec![the_line(quantity.unwrap_or(1), mapping, written_marks(&subject))],
        unmapped: Vec::new(),
        foreign: false,
        paid_through: paid_through(invoice, billing)?,
        period_end: None,
        pays: Pays::ForThePeriod,
        named_by,
        lines_at: invoice.seconds("created")?,
    };
    let payments = known_as(invoice);
    Ok(Command { payments, ..Command::new(subject, find, Action::Grant(grant)) }.into())
}

fn payer(invoice: &Object<'_>) -> Result<Customer, Unreadable> {
    let missing = || Unreadable(format!("Customer email not found in {}", invoice.title()));
    Ok(Customer {
        id: invoice.reference("customer").and_then(|id| CustomerId::new(id).ok()),
        email: invoice.text("customer_email").and_then(Email::real).ok_or_else(missing)?,
        name: Name::of(invoice.text("customer_name"), None),
        company: None,
        mark: None,
    })
}

/// The latest end of a period that a line of this subscription pays for.
///
/// `invoice.period_end` is no help: on a renewal it is the end of the period before.
fn paid_through(
    invoice: &Object<'_>,
    billing: &Billing<'_>,
) -> Result<Option<Timestamp>, Unreadable> {
    let (mut latest, mut charged, mut credited) = (None, Vec::new(), BTreeSet::new());
    for line in item_lines(invoice, billing) {
        match (is_proration(&line), line.amount("amount")) {
            (false, _) if renews_none(invoice, &line)? => {}
            (false, _) => latest = latest.max(Some(end_of(invoice, &line)?)),
            (true, Some(amount)) if amount > 0.0 => charged.push(end_of(invoice, &line)?),
            (true, Some(amount)) if amount < 0.0 => {
                credited.insert(end_of(invoice, &line)?);
            }
            (true, Some(_) | None) => {}
        }
    }
    // With flexible billing a new period comes as a proration. One until the end of what is credited pays for a change
    // within a period, which another payment is for.
    let new_periods = charged.into_iter().filter(|end| !credited.contains(end));
    Ok(new_periods.max().max(latest))
}

/// A period to come of a quantity of 0 is not paid for. What is billed afterwards may be 0 for want of use.
fn renews_none(invoice: &Object<'_>, line: &Object<'_>) -> Result<bool, Unreadable> {
    let is_first = invoice.text("billing_reason") == Some("subscription_create");
    let is_to_come = || Ok(Some(end_of(invoice, line)?) > invoice.seconds("created")?);
    Ok(!is_first && line.count("quantity")? == Some(0) && is_to_come()?)
}

fn end_of(invoice: &Object<'_>, line: &Object<'_>) -> Result<Timestamp, Unreadable> {
    let period =
        line.object("period", "line period").ok_or_else(|| invoice.lacks("lines.data[].period"))?;
    period.seconds("end")?.ok_or_else(|| invoice.lacks("lines.data[].period.end"))
}

/// Of the item that counts. Lines of one item are tiers of its price; that it is 0 of says nothing in a first invoice:
/// usage begins so.
fn quantity(invoice: &Object<'_>, billing: &Billing<'_>) -> Result<Option<u32>, Unreadable> {
    let mut items: BTreeMap<&str, (u32, Option<&str>)> = BTreeMap::new();
    for line in period_lines(invoice, billing) {
        if is_metered(line.object("price", "price").as_ref()) {
            continue;
        }
        let Some(quantity) = line.count("quantity")? else { continue };
        let price = price_of(&line);
        let item = item_of(&line).or(price).or(line.text("id")).unwrap_or_default();
        let (sum, _) = items.entry(item).or_insert((0, price));
        *sum = sum.saturating_add(quantity);
    }
    Ok(the_item(items.into_values()).map(|(quantity, _)| quantity).filter(|n| *n > 0))
}

fn item_of<'a>(line: &Object<'a>) -> Option<&'a str> {
    let details = item_details(line);
    first_reference([
        details.and_then(|details| details.value("subscription_item")),
        line.value("subscription_item"),
    ])
}

fn price_of<'a>(line: &Object<'a>) -> Option<&'a str> {
    let details = line
        .object("pricing", "pricing")
        .and_then(|pricing| pricing.object("price_details", "price details"));
    first_reference([
        details.and_then(|details| details.value("price")),
        line.value("price").or(line.value("plan")),
    ])
}

fn has_more_lines(invoice: &Object<'_>) -> bool {
    invoice.object("lines", "lines").and_then(|lines| lines.flag("has_more")).unwrap_or(false)
}

/// Lines of this subscription that are neither proration nor invoice item.
fn period_lines<'a>(invoice: &Object<'a>, billing: &Billing<'_>) -> Vec<Object<'a>> {
    item_lines(invoice, billing).into_iter().filter(|line| !is_proration(line)).collect()
}

/// Lines of items of this subscription.
fn item_lines<'a>(invoice: &Object<'a>, billing: &Billing<'_>) -> Vec<Object<'a>> {
    let lines = invoice
        .object("lines", "lines")
        .map(|lines| lines.objects("data", "line"))
        .unwrap_or_default();
    lines.into_iter().filter(|line| is_of_an_item(line, billing.subscription)).collect()
}

fn item_details<'a>(line: &Object<'a>) -> Option<Object<'a>> {
    let parent = line.object("parent", "line parent")?;
    parent.object("subscription_item_details", "subscription item details")
}

fn is_proration(line: &Object<'_>) -> bool {
    let details = item_details(line).and_then(|details| details.flag("proration"));
    details.or(line.flag("proration")).unwrap_or(false)
}

fn is_of_an_item(line: &Object<'_>, subscription: Option<&str>) -> bool {
    let parent = line.object("parent", "line parent");
    let details = item_details(line);
    let billed = first_reference([
        details.and_then(|details| details.value("subscription")),
        line.value("subscription"),
    ]);
    // Old prorations are invoice items that name the subscription's item.
    let of_item = line.text("subscription_item").is_some();
    let of_none = parent.and_then(|parent| parent.text("type")) == Some("invoice_item_details")
        || (line.text("type") == Some("invoiceitem") && !(is_proration(line) && of_item));
    let ours = billed.is_none_or(|billed| Some(billed) == subscription);
    let of_subscription =
        details.is_some() || line.text("type") == Some("subscription") || billed.is_some();
    ours && of_subscription && !of_none
}
