//! `invoice.paid`, in both API generations of the payload.

use super::super::{ProductLookup, Profile as _, amount, customer, payment_ids, subject_of};
use super::billed::{
    Billing, PaidPeriod, Reason, billing, made_at, paid_period, quantity, quantity_sold, through,
};
use super::{
    Decided, Stripe, configured, customer_id, known, named_in, of_data, subject_marks, the_line,
    written_marks,
};
use crate::domain::command::{
    Action, Called, Command, Concern, Customer, Email, Grant, Mapping, Name, Note, OfPayment,
    Payment, PaymentScope, ProductSource, Renew, Subject, SubjectKind, Through, Unreadable,
};
use crate::domain::contracts;
use crate::domain::ids::PaymentId;
use crate::providers::json::Object;

/// How an API version calls the first invoice of a subscription.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum FirstInvoice {
    /// `subscription_create`.
    Create,
    /// `subscription_update`, like that of a change: before 2018-10-31, see <https://docs.stripe.com/upgrades>.
    Update,
}

impl FirstInvoice {
    /// An event that does not say its version has a new one.
    pub(super) fn of(event: &Object<'_>) -> Self {
        match event.text("api_version") {
            Some(version) if version < "2018-10-31" => Self::Update,
            Some(_) | None => Self::Create,
        }
    }
}

/// What `invoice.paid` means depends on why the invoice was made.
pub(super) fn paid(
    data: &Object<'_>,
    source: &ProductLookup,
    first_invoice: FirstInvoice,
) -> Result<Decided, Unreadable> {
    let invoice = of_data(data, "invoice")?;
    let billing = billing(&invoice);
    match Reason::of(&invoice, &billing) {
        Reason::First => first(&invoice, &billing, source),
        Reason::Change if first_invoice == FirstInvoice::Update => {
            first_or_change(&invoice, &billing, source)
        }
        Reason::Change | Reason::Threshold | Reason::Renewal => renewal(&invoice, &billing, source),
        Reason::Other => sold_once(&invoice),
    }
}

/// Of a one-time session only its invoice says how many were sold. One that cannot be read sells nothing else.
fn sold_once(invoice: &Object<'_>) -> Result<Decided, Unreadable> {
    let id = invoice.text("id");
    let subject = subject_of(Stripe::NAME, SubjectKind::Order, invoice, "id", id)?;
    let action = match quantity_sold(invoice).ok().flatten() {
        Some(quantity) => {
            Action::OfPayment(OfPayment::Quantity { ids: known_as(invoice), quantity })
        }
        None => Action::Note(Note::of("the invoice belongs to no subscription")),
    };
    Ok(Command { called: Called::Invoice, ..Command::new(subject, Vec::new(), action) }.into())
}

/// The subscription that it bills.
fn subscription(invoice: &Object<'_>, billing: &Billing<'_>) -> Result<Subject, Unreadable> {
    let (kind, id) = (SubjectKind::Subscription, billing.subscription);
    subject_of(Stripe::NAME, kind, invoice, "subscription", id)
}

fn renewal(
    invoice: &Object<'_>,
    billing: &Billing<'_>,
    source: &ProductLookup,
) -> Result<Decided, Unreadable> {
    let subject = subscription(invoice, billing)?;
    let marks = subject_marks(&subject);
    let period = paid_period(invoice, billing)?;
    let action = match through(invoice, billing)? {
        Some(through) => {
            let else_buys = bought_by_renewing(invoice, billing, source).map(Box::new);
            let scope = pays(&through, period);
            Action::Renew(Renew { through, scope, else_buys })
        }
        None => {
            Action::Note(Note::of("no line of the invoice pays for a period of the subscription"))
        }
    };
    let mut payment = payment(invoice, period);
    if !matches!(&action, Action::Renew(Renew { through: Through::Until(_), .. })) {
        // It pays for another period than that of its lines.
        payment.starts = None;
    }
    let payments = known_as(invoice);
    Ok(Command { payments, payment, ..Command::new(subject, marks, action) }.into())
}

/// Only a description or another payment tells whether a proration begins a period.
fn pays(through: &Through, period: Option<PaidPeriod>) -> PaymentScope {
    let is_told = |it: &PaidPeriod| it.is_proration && it.start.is_some();
    match (through, period.filter(is_told)) {
        (Through::Until(_), Some(_)) => PaymentScope::Proration,
        (_, _) => PaymentScope::Period,
    }
}

/// Only metadata says that a subscription is of Cryptlex: a configured product would be given to all that the vendor sells.
fn bought_by_renewing(
    invoice: &Object<'_>,
    billing: &Billing<'_>,
    source: &ProductLookup,
) -> Option<Grant> {
    let named = match source {
        ProductLookup::Configured(_) => None,
        ProductLookup::Metadata | ProductLookup::MetadataOr(_) => named(billing),
    };
    let purchase = grant(invoice, billing, Some(named?), ProductSource::Subscription);
    // A quantity that cannot be read keeps no renewal from counting.
    purchase.ok().map(|(_, grant)| grant)
}

/// What an invoice brought, and from when on.
fn payment(invoice: &Object<'_>, period: Option<PaidPeriod>) -> Payment {
    Payment {
        amount: amount(invoice.minor_units("amount_paid"), invoice.currency("currency")),
        starts: period.and_then(|period| period.start),
        ..Payment::default()
    }
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
    _source: &ProductLookup,
) -> Result<Decided, Unreadable> {
    let paid = of_data(data, "invoice payment")?;
    let Some(invoice) = paid.reference("invoice") else {
        return Ok(Decided::Nothing("the payment is for no invoice"));
    };
    let subject = subject_of(Stripe::NAME, SubjectKind::Order, &paid, "invoice", Some(invoice))?;
    let by = paid.object("payment", "payment");
    let payment = by.and_then(|by| by.reference("payment_intent").or(by.reference("charge")));
    let ids = (payment.map(PaymentId::new), PaymentId::new(subject.id.as_str()));
    let amount = amount(paid.minor_units("amount_paid"), paid.currency("currency"));
    let action = match ids {
        (Some(Ok(id)), Ok(of)) => Action::OfPayment(OfPayment::Part { id, of, amount }),
        _ => Action::Note(Note::of("the event only says that the invoice was paid")),
    };
    Ok(Command { called: Called::Invoice, ..Command::new(subject, Vec::new(), action) }.into())
}

/// `invoice.payment_failed`: only a renewal that fails is a reason to doubt the licenses.
pub(super) fn payment_failed(
    data: &Object<'_>,
    _source: &ProductLookup,
) -> Result<Decided, Unreadable> {
    let invoice = of_data(data, "invoice")?;
    let billing = billing(&invoice);
    let action = match Reason::of(&invoice, &billing) {
        Reason::Threshold | Reason::Renewal => Action::PaymentFailed(through(&invoice, &billing)?),
        Reason::First | Reason::Change | Reason::Other => {
            Action::Note(Note::of("the failed payment renews no subscription"))
        }
    };
    concerning(&invoice, action, Concern::PaymentFailed)
}

/// `invoice.payment_action_required`: the customer must confirm with their bank.
pub(super) fn action_required(
    data: &Object<'_>,
    _source: &ProductLookup,
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
    let action = match (kind, action) {
        (SubjectKind::Order | SubjectKind::Customer, Action::PaymentFailed(_)) => {
            Action::Note(Note::of("the failed payment renews no subscription"))
        }
        (_, action) => action,
    };
    let marks = subject_marks(&subject);
    let called = match billing.subscription {
        Some(_) => Called::ByItsKind,
        None => Called::Invoice,
    };
    Ok(Command { called, concern: Some(concern), ..Command::new(subject, marks, action) }.into())
}

/// The first invoice grants what the checkout session grants; it also knows the end of what was paid, and the quantity.
fn first(
    invoice: &Object<'_>,
    billing: &Billing<'_>,
    source: &ProductLookup,
) -> Result<Decided, Unreadable> {
    let (mapping, named_by) = match (source, named(billing)) {
        (ProductLookup::Configured(product), _) | (ProductLookup::MetadataOr(product), None) => {
            (Some(configured(product)), ProductSource::Configuration)
        }
        (ProductLookup::Metadata | ProductLookup::MetadataOr(_), Some(named)) => {
            (Some(named), ProductSource::Subscription)
        }
        (ProductLookup::Metadata, None) => (None, ProductSource::Configuration),
    };
    purchase(invoice, billing, mapping, named_by, None)
}

/// Of a subscription that has no license it is the purchase, if its product is known by more than that none is named.
fn first_or_change(
    invoice: &Object<'_>,
    billing: &Billing<'_>,
    source: &ProductLookup,
) -> Result<Decided, Unreadable> {
    let mapping = match (source, named(billing)) {
        (ProductLookup::Configured(product), _) => {
            Some((configured(product), ProductSource::Configuration))
        }
        (ProductLookup::Metadata | ProductLookup::MetadataOr(_), named) => {
            named.map(|named| (named, ProductSource::Subscription))
        }
    };
    match (mapping, through(invoice, billing)?) {
        (Some((mapping, named_by)), Some(through)) => {
            let scope = pays(&through, paid_period(invoice, billing)?);
            let renews = Renew { through, scope, else_buys: None };
            purchase(invoice, billing, Some(mapping), named_by, Some(renews))
        }
        (_, _) => renewal(invoice, billing, source),
    }
}

/// Half a mapping here is none: the checkout session says all of it, and is where its lack is reported.
fn named(billing: &Billing<'_>) -> Option<Mapping> {
    named_in(billing.metadata.as_ref()).ok().flatten()
}

fn purchase(
    invoice: &Object<'_>,
    billing: &Billing<'_>,
    mapping: Option<Mapping>,
    named_by: ProductSource,
    else_renews: Option<Renew>,
) -> Result<Decided, Unreadable> {
    let (subject, grant) = grant(invoice, billing, mapping, named_by)?;
    let find = subject_marks(&subject);
    let locks_customer = grant.nobody.is_some();
    let (payments, payment) = (known_as(invoice), payment(invoice, paid_period(invoice, billing)?));
    let grant = Grant { else_renews: else_renews.map(Box::new), ..grant };
    let command = Command::new(subject, find, Action::Grant(grant));
    Ok(Command { payments, payment, locks_customer, ..command }.into())
}

/// What the subscription of an invoice is for, as the invoice bills it.
fn grant(
    invoice: &Object<'_>,
    billing: &Billing<'_>,
    mapping: Option<Mapping>,
    named_by: ProductSource,
) -> Result<(Subject, Grant), Unreadable> {
    let subject = subscription(invoice, billing)?;
    let quantity = quantity(invoice, billing)?;
    // It is no fault that the payer is not known where the session granted, or will.
    let (customer, nobody) = known(payer(invoice), invoice);
    let grant = Grant {
        customer,
        nobody,
        lines: vec![the_line(quantity.unwrap_or(1), mapping, written_marks(&subject))],
        unmapped: Vec::new(),
        foreign: false,
        paid_through: paid_period(invoice, billing)?.map(|period| period.end),
        scope: PaymentScope::Period,
        named_by,
        ordered_at: made_at(invoice)?,
        else_renews: None,
        is_paid: true,
    };
    Ok((subject, grant))
}

fn payer(invoice: &Object<'_>) -> Result<Customer, Unreadable> {
    let missing = || Unreadable(contracts::no_email(invoice.title()));
    let email = invoice.text("customer_email").and_then(Email::real).ok_or_else(missing)?;
    let name = Name::of(invoice.text("customer_name"), None);
    Ok(customer::<Stripe>(customer_id(invoice), email, name))
}
