//! Stripe: `t=..,v1=..` headers, and the meaning of its events in both API generations of the payload.

mod checkout;
mod invoice;

use serde_json::Value;

use super::{
    Named, NotEvents, ProductSource, Provider, UNHANDLED, envelope, marks, nothing_to_do, parse,
    product_and_template, subject_of,
};
use crate::command::{
    Action, AtTheEnd, Cause, Command, Customer, Email, Line, Mapping, Meaning, Name, Notice,
    QuantityMeans, Subject, SubjectKind, Term, Unreadable,
};
use crate::ids::{CustomerId, EntitlementSetId, Mark};
use crate::json::Object;
use crate::signature::{Claimed, Scheme, Verified, from_hex, unix_seconds};

/// Stripe, by its `Stripe-Signature` header.
pub struct Stripe;

impl Scheme for Stripe {
    const SIGNATURE_HEADER: &'static str = "stripe-signature";

    /// Only `v1` counts: `v0` is a scheme for tests and would be a downgrade.
    fn claimed(header: &[u8]) -> Option<Claimed> {
        let mut signed_at = None;
        let mut signatures = Vec::new();
        for pair in header.split(|b| *b == b',') {
            let Some((key, value)) = split_pair(pair) else {
                continue;
            };
            match key {
                b"t" if signed_at.is_none() => signed_at = Some(value),
                b"t" => return None,
                b"v1" => signatures.extend(from_hex(value)),
                _ => {}
            }
        }
        let signed_at = signed_at?;
        let prefix = [signed_at, b"."].concat();
        Some(Claimed { prefix, signed_at: Some(unix_seconds(signed_at)?), signatures })
    }
}

impl Provider for Stripe {
    const NAME: &'static str = "stripe";
    const TITLE: &'static str = "Stripe";
    const SECRET_VARIABLE: &'static str = "STRIPE_WEBHOOK_SECRET";
    const DEADLINE_MS: u64 = 10_000;
    const QUANTITY_MEANS: QuantityMeans = QuantityMeans::One;
    const AT_THE_END: AtTheEnd = AtTheEnd::Revoke;
    const BATCHES: bool = false;

    fn read(delivery: &Verified<Self>, source: &ProductSource) -> Result<Vec<Notice>, NotEvents> {
        let value = parse(delivery.body())?;
        let envelope = envelope(&value, Self::TITLE, ["id", "type", "livemode"])?;
        let meaning = read_event(envelope.event.kind, &envelope.root, source);
        Ok(vec![envelope.notice(meaning)?])
    }
}

/// The two sides of `key=value`, exactly as they stand.
pub(super) fn split_pair(pair: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = pair.iter().position(|b| *b == b'=')?;
    let (key, rest) = pair.split_at_checked(at)?;
    Some((key, rest.get(1..)?))
}

fn read_event(
    kind: &str,
    event: &Object<'_>,
    source: &ProductSource,
) -> Result<Meaning, Unreadable> {
    let command = match kind {
        "checkout.session.completed" => checkout::completed,
        "checkout.session.async_payment_succeeded" => checkout::paid,
        "checkout.session.async_payment_failed" => return nothing_to_do("the payment failed"),
        "invoice.paid" => invoice::paid,
        "customer.created" => customer_created,
        "customer.subscription.paused" => subscription_paused,
        "customer.subscription.resumed" => subscription_resumed,
        "customer.subscription.deleted" => subscription_deleted,
        _ => return UNHANDLED,
    };
    let data = event.object("data", "data").ok_or_else(|| event.lacks("data"))?;
    let at = event.seconds("created")?.ok_or_else(|| event.lacks("created"))?;
    match command(&data, source)? {
        Decided::Command(command) => Ok(Meaning::Act { at, commands: vec![*command] }),
        Decided::Nothing(why) => nothing_to_do(why),
    }
}

enum Decided {
    Command(Box<Command>),
    Nothing(&'static str),
}

impl Decided {
    fn command(subject: Subject, marks: Vec<Mark>, action: Action) -> Self {
        Self::Command(Box::new(Command { subject, marks, action }))
    }
}

fn of_data<'a>(data: &Object<'a>, name: &'static str) -> Result<Object<'a>, Unreadable> {
    data.object("object", name).ok_or_else(|| data.lacks("data.object"))
}

fn customer_created(data: &Object<'_>, _source: &ProductSource) -> Result<Decided, Unreadable> {
    let customer = of_data(data, "customer")?;
    let id = customer.text("id");
    let subject = subject_of(Stripe::NAME, SubjectKind::Customer, &customer, "id", id)?;
    let action = match customer.text("email").and_then(Email::real) {
        Some(email) => Action::SyncCustomer(Customer {
            id: id.and_then(|id| CustomerId::new(id).ok()),
            email,
            name: Name::of(customer.text("name"), None),
            company: None,
            mark: None,
        }),
        None => Action::Note("the customer has no e-mail"),
    };
    Ok(Decided::command(subject, Vec::new(), action))
}

fn subscription_paused(data: &Object<'_>, _source: &ProductSource) -> Result<Decided, Unreadable> {
    of_subscription(data, Action::Suspend(Cause::Pause))
}

fn subscription_resumed(data: &Object<'_>, _source: &ProductSource) -> Result<Decided, Unreadable> {
    of_subscription(data, Action::Resume(Cause::Pause))
}

fn subscription_deleted(data: &Object<'_>, _source: &ProductSource) -> Result<Decided, Unreadable> {
    of_subscription(data, Action::End)
}

fn of_subscription(data: &Object<'_>, action: Action) -> Result<Decided, Unreadable> {
    let subscription = of_data(data, "subscription")?;
    let id = subscription.text("id");
    let subject = subject_of(Stripe::NAME, SubjectKind::Subscription, &subscription, "id", id)?;
    let marks = subject_marks(&subject);
    Ok(Decided::command(subject, marks, action))
}

/// New licenses carry the first; the second is what the predecessor wrote.
const SUBSCRIPTION_KEYS: [&str; 2] = ["subscription_id", "stripe_subscription_id"];

fn subject_marks(subject: &Subject) -> Vec<Mark> {
    marks(&SUBSCRIPTION_KEYS, subject.id.as_str())
}

fn written_marks(subject: &Subject) -> Vec<Mark> {
    subject_marks(subject).into_iter().take(1).collect()
}

/// `None` when the metadata says nothing about Cryptlex; `Err` tells what is missing when it says half.
fn named_in(metadata: Option<&Object<'_>>) -> Result<Option<Mapping>, String> {
    let Some(metadata) = metadata else {
        return Ok(None);
    };
    let product = metadata.text("CRYPTLEX_PRODUCT_ID");
    let template = metadata
        .text("CRYPTLEX_LICENSE_TEMPLATE_ID")
        .or(metadata.text("CRYPTLEX_LICENSE_TEMPLATE"));
    match product_and_template(
        product,
        template,
        ["CRYPTLEX_PRODUCT_ID", "CRYPTLEX_LICENSE_TEMPLATE"],
    ) {
        Named::Whole(mapping) => {
            let entitlement_set = metadata.text("CRYPTLEX_ENTITLEMENT_SET_ID");
            let entitlement_set = entitlement_set.and_then(|id| EntitlementSetId::new(id).ok());
            Ok(Some(Mapping { entitlement_set, ..mapping }))
        }
        Named::Partly(problem) => Err(problem),
        Named::None => Ok(None),
    }
}

/// The only line that a Stripe purchase has: one product per subscription or session.
fn the_line(quantity: u32, mapping: Option<Mapping>, metadata: Vec<Mark>) -> Line {
    Line {
        key: "-".to_owned(),
        quantity,
        quantity_means: None,
        mapping,
        term: Term::Template,
        driver: None,
        max_release: None,
        metadata,
    }
}

/// Ids that stand there or inside an expanded object, with the new place before the old one.
fn first_reference(candidates: [Option<&Value>; 2]) -> Option<&str> {
    candidates.into_iter().flatten().find_map(crate::json::reference_of)
}
