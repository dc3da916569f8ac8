//! Checkout sessions: the purchase as the buyer made it.
//!
//! A session in subscription mode grants the slot that the subscription's first invoice grants too: one license in all.

use jiff::Timestamp;

use super::super::{ProductLookup, Profile as _, amount, customer, payment_ids, subject_of};
use super::{
    Decided, Stripe, configured, customer_id, known, named_in, of_data, subject_marks, the_line,
    written_marks,
};
use crate::domain::command::{
    Action, Command, Customer, Email, Grant, Mapping, Name, Payment, PaymentScope, ProductSource,
    Subject, SubjectKind, Unmapped, Unreadable,
};
use crate::domain::contracts;
use crate::domain::ids::Mark;
use crate::providers::json::Object;

/// `checkout.session.completed`: paid, or waiting for a delayed payment method.
pub(super) fn completed(data: &Object<'_>, source: &ProductLookup) -> Result<Decided, Unreadable> {
    let session = of_data(data, "checkout session")?;
    match session.text("payment_status") {
        Some("paid" | "no_payment_required") => grant(&session, source, None, IsPaid::Yes),
        // What cannot be read of it is told when it is paid.
        Some("unpaid") => Ok(grant(&session, source, None, IsPaid::NotYet)
            .unwrap_or(Decided::Nothing("the checkout session is not paid yet"))),
        Some(_) => {
            Ok(Decided::Nothing("the checkout session has a payment status that grants nothing"))
        }
        None => Err(session.lacks("payment_status")),
    }
}

/// `checkout.session.async_payment_succeeded`: paid, whatever the session said when it was completed.
pub(super) fn paid(data: &Object<'_>, source: &ProductLookup) -> Result<Decided, Unreadable> {
    let session = of_data(data, "checkout session")?;
    grant(&session, source, session.seconds("created")?, IsPaid::Yes)
}

/// Whether a session brought money, or is only ordered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum IsPaid {
    Yes,
    NotYet,
}

fn grant(
    session: &Object<'_>,
    source: &ProductLookup,
    ordered_at: Option<Timestamp>,
    is_paid: IsPaid,
) -> Result<Decided, Unreadable> {
    let Some(Sold { subject, find, write }) = sold(session)? else {
        return Ok(Decided::Nothing(match session.text("mode") {
            Some("setup") => "the checkout session is in setup mode",
            Some(_) | None => "the checkout session is in a mode that sells nothing",
        }));
    };
    let (mapping, named_by, unmapped) = product(session, source);
    // It is no fault that the buyer is not known where the license is there, or the customer's own event tells.
    let (customer, nobody) = known(buyer(session), session);
    let locks_customer = nobody.is_some();
    let metadata = written_marks(&subject).into_iter().chain(write).collect();
    let grant = Grant {
        customer,
        nobody,
        lines: vec![the_line(1, mapping, metadata)],
        unmapped: unmapped.into_iter().collect(),
        foreign: false,
        paid_through: None,
        scope: PaymentScope::Period,
        named_by,
        ordered_at,
        else_renews: None,
        is_paid: is_paid == IsPaid::Yes,
    };
    let [intent, invoice] = ["payment_intent", "invoice"].map(|field| session.reference(field));
    let payments = payment_ids([intent, invoice]);
    let command = Command::new(subject, find, Action::Grant(grant));
    Ok(Command { payments, payment: payment(session, is_paid), locks_customer, ..command }.into())
}

/// What is not paid yet may bring less: its capture tells.
fn payment(session: &Object<'_>, is_paid: IsPaid) -> Payment {
    let total = session.minor_units("amount_total").filter(|_| is_paid == IsPaid::Yes);
    Payment { amount: amount(total, session.currency("currency")), ..Payment::default() }
}

/// Whose licenses a session is about, and by which metadata they are found and written.
struct Sold {
    subject: Subject,
    find: Vec<Mark>,
    write: Vec<Mark>,
}

/// `None` in a mode that sells nothing.
fn sold(session: &Object<'_>) -> Result<Option<Sold>, Unreadable> {
    Ok(match session.text("mode") {
        Some("subscription") => {
            let id = session.reference("subscription");
            let subject =
                subject_of(Stripe::NAME, SubjectKind::Subscription, session, "subscription", id)?;
            let find = subject_marks(&subject);
            Some(Sold { subject, find, write: Vec::new() })
        }
        Some("payment") => {
            let subject =
                subject_of(Stripe::NAME, SubjectKind::Order, session, "id", session.text("id"))?;
            let intent = session.reference("payment_intent");
            let intent = intent.and_then(|id| Mark::new("stripe_transaction_id", id).ok());
            let find = subject_marks(&subject).into_iter().chain(intent.clone()).collect();
            Some(Sold { subject, find, write: intent.into_iter().collect() })
        }
        Some(_) => None,
        None => return Err(session.lacks("mode")),
    })
}

/// Which Cryptlex product it is, who says so, or what is missing.
fn product(
    session: &Object<'_>,
    source: &ProductLookup,
) -> (Option<Mapping>, ProductSource, Option<Unmapped>) {
    let named = named_in(session.object("metadata", "metadata").as_ref());
    let (mapping, named_by, problem) = match (source, named) {
        (ProductLookup::Configured(product), _)
        | (ProductLookup::MetadataOr(product), Ok(None)) => {
            (Some(configured(product)), ProductSource::Configuration, None)
        }
        (_, Ok(Some(mapping))) => (Some(mapping), ProductSource::Session, None),
        (_, Ok(None)) => {
            let problem = "CRYPTLEX_PRODUCT_ID and CRYPTLEX_LICENSE_TEMPLATE are not set";
            (None, ProductSource::Configuration, Some(problem.to_owned()))
        }
        // It means a product, and nobody else knows which.
        (_, Err(problem)) => (None, ProductSource::Session, Some(problem)),
    };
    let unmapped = problem.map(|problem| Unmapped {
        line: session.title(),
        problem: format!("{problem} in its metadata"),
    });
    (mapping, named_by, unmapped)
}

fn buyer(session: &Object<'_>) -> Result<Customer, Unreadable> {
    let details = session.object("customer_details", "customer details");
    let detail = |field| details.as_ref().and_then(|details| details.text(field));
    let email = session.text("customer_email").or(detail("email")).and_then(Email::real);
    let missing = || Unreadable(contracts::no_email(session.title()));
    let name = Name::of(detail("name"), None);
    let company = detail("business_name").map(str::to_owned);
    let email = email.ok_or_else(missing)?;
    Ok(Customer { company, ..customer::<Stripe>(customer_id(session), email, name) })
}
