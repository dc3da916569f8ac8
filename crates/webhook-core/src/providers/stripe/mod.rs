//! Stripe: `t=..,v1=..` headers, and the meaning of its events in both API generations of the payload.

mod billed;
mod charge;
mod checkout;
mod customer;
mod invoice;
mod subscription;

use serde_json_borrow::Value;

use invoice::FirstInvoice;

use super::{
    Envelope, Named, NotEvents, ProductLookup, Provider, UNHANDLED, envelope, marks, nothing_to_do,
    parsed, product_and_template, published,
};
use crate::domain::command::{
    Command, Customer, Line, Mapping, Meaning, Notice, Subject, Term, UnknownBuyer, Unreadable,
};
use crate::domain::ids::{CustomerId, EntitlementSetId, Mark, ProductId};
use crate::domain::policy::{AtTheEnd, Money, QuantityMeans};
use crate::domain::profile::Profile;
use crate::providers::json::Object;
use crate::providers::signature::{Claimed, Scheme, Verified, from_hex, unix_seconds};

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

impl Profile for Stripe {
    const NAME: &'static str = "stripe";
    const TITLE: &'static str = "Stripe";
    const SECRET_VARIABLE: &'static str = "STRIPE_WEBHOOK_SECRET";
    const MISTAKEN_SECRETS: &'static [(&'static str, &'static str)] = &[
        ("we_", "the id of an endpoint. Use its signing secret, whsec_.."),
        ("sk_", "an API key. Use the signing secret of the endpoint, whsec_.."),
    ];
    const DEADLINE_MS: u64 = 10_000;
    const QUANTITY_MEANS: QuantityMeans = QuantityMeans::One;
    const AT_THE_END: AtTheEnd = AtTheEnd::Revoke;
    const BATCHES: bool = false;
    const CONFIGURED_PRODUCT: bool = true;

    fn addresses() -> Vec<&'static str> {
        published(Self::NAME)
    }
}

impl Provider for Stripe {
    fn marks(subject: &Subject) -> Vec<Mark> {
        subject_marks(subject)
    }

    fn read(delivery: &Verified<Self>, source: &ProductLookup) -> Result<Vec<Notice>, NotEvents> {
        parsed(delivery.body(), |value| {
            let envelope = envelope(value, Self::TITLE, ["id", "type", "livemode"])?;
            let meaning = read_event(envelope.event.kind, &envelope.root, source);
            Ok(vec![envelope.notice(money(&envelope), meaning)?])
        })
    }
}

/// Sandbox and live have secrets of their own, but for events of connected accounts:
/// <https://support.stripe.com/questions/connect-account-webhook-configurations>.
fn money(envelope: &Envelope<'_>) -> Money {
    match (envelope.live, envelope.root.value("account")) {
        (Some(false), Some(_connected)) => Money::TestAmongReal,
        (Some(false), None) => Money::Test,
        (Some(true) | None, _) => Money::Real,
    }
}

/// The two sides of `key=value`, unchanged.
pub(super) fn split_pair(pair: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = pair.iter().position(|b| *b == b'=')?;
    let (key, rest) = pair.split_at_checked(at)?;
    Some((key, rest.get(1..)?))
}

fn read_event(
    kind: &str,
    event: &Object<'_>,
    source: &ProductLookup,
) -> Result<Meaning, Unreadable> {
    let read = match kind {
        "checkout.session.completed" => checkout::completed,
        "checkout.session.async_payment_succeeded" => checkout::paid,
        "checkout.session.async_payment_failed" => return nothing_to_do("the payment failed"),
        "invoice.paid" => {
            let first = FirstInvoice::of(event);
            return of_event(event, source, |data, source| invoice::paid(data, source, first));
        }
        "invoice.payment_failed" => invoice::payment_failed,
        "invoice.payment_action_required" => invoice::action_required,
        "invoice_payment.paid" => invoice::payment_linked,
        "customer.created" | "customer.updated" => customer::changed,
        "customer.deleted" => customer::deleted,
        "payment_method.attached" => customer::payment_method_attached,
        "payment_method.detached" => {
            let before = event
                .object("data", "data")
                .and_then(|data| data.object("previous_attributes", "previous attributes"));
            let owner = before.and_then(|before| before.reference("customer"));
            return of_event(event, source, |data, _| {
                customer::payment_method_detached(data, owner)
            });
        }
        "customer.subscription.created" => subscription::created,
        "customer.subscription.updated" => subscription::updated,
        "customer.subscription.paused" => subscription::paused,
        "customer.subscription.resumed" => subscription::resumed,
        "customer.subscription.deleted" => subscription::deleted,
        "customer.subscription.trial_will_end" => subscription::trial_will_end,
        "charge.refunded" => charge::refunded,
        "charge.captured" => charge::paid,
        "refund.updated" => charge::refund_updated,
        "refund.failed" => charge::refund_failed,
        "charge.dispute.created" => charge::dispute_opened,
        "charge.dispute.updated" => charge::dispute_updated,
        "charge.dispute.funds_withdrawn" => charge::funds_withdrawn,
        "charge.dispute.funds_reinstated" => charge::funds_reinstated,
        "charge.dispute.closed" => charge::dispute_closed,
        _ => return UNHANDLED,
    };
    of_event(event, source, read)
}

/// What the object of an event asks for, at the event's time.
fn of_event<'a>(
    event: &Object<'a>,
    source: &ProductLookup,
    read: impl FnOnce(&Object<'a>, &ProductLookup) -> Result<Decided, Unreadable>,
) -> Result<Meaning, Unreadable> {
    let data = event.object("data", "data").ok_or_else(|| event.lacks("data"))?;
    let at = event.seconds("created")?.ok_or_else(|| event.lacks("created"))?;
    match read(&data, source)? {
        Decided::Commands(commands) => Ok(Meaning::Act { at, commands }),
        Decided::Nothing(why) => nothing_to_do(why),
        Decided::Unhandled => UNHANDLED,
    }
}

enum Decided {
    Commands(Vec<Command>),
    Nothing(&'static str),
    Unhandled,
}

impl From<Command> for Decided {
    fn from(command: Command) -> Self {
        Self::Commands(vec![command])
    }
}

/// Whose purchase it is, by the id that the customer's own events carry.
fn customer_id(of: &Object<'_>) -> Option<CustomerId> {
    of.reference("customer").and_then(|id| CustomerId::new(id).ok())
}

/// Whoever bought it, or why that is not known.
fn known(
    buyer: Result<Customer, Unreadable>,
    of: &Object<'_>,
) -> (Option<Customer>, Option<Box<UnknownBuyer>>) {
    match buyer {
        Ok(buyer) => (Some(buyer), None),
        Err(why) => (None, Some(Box::new(UnknownBuyer { id: customer_id(of), why }))),
    }
}

fn of_data<'a>(data: &Object<'a>, name: &'static str) -> Result<Object<'a>, Unreadable> {
    data.object("object", name).ok_or_else(|| data.lacks("data.object"))
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

/// The configured product, from its default template.
fn configured(product: &ProductId) -> Mapping {
    Mapping { product: product.clone(), template: None, entitlement_set: None }
}

/// Which item of a subscription counts, of those that have a quantity: the one with the largest; at equal quantities the
/// one whose price has the lowest id. An invoice and a description list them in orders of their own.
fn the_item<'i>(
    items: impl IntoIterator<Item = (u32, Option<&'i str>)>,
) -> Option<(u32, Option<&'i str>)> {
    items.into_iter().max_by_key(|(quantity, price)| (*quantity, std::cmp::Reverse(*price)))
}

/// Usage has no quantity that anybody ordered.
fn is_metered(price: Option<&Object<'_>>) -> bool {
    let recurring = price.and_then(|price| price.object("recurring", "recurring"));
    recurring.and_then(|recurring| recurring.text("usage_type")) == Some("metered")
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

/// The first id of two fields, of which each is an id or an expanded object. The new field comes before the old one.
fn first_reference<'a>(candidates: [Option<&'a Value<'a>>; 2]) -> Option<&'a str> {
    candidates.into_iter().flatten().find_map(crate::providers::json::reference_of)
}
