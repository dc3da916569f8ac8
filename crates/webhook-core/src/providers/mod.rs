//! What differs between providers: the form of a signature header, and what an event means.
//!
//! Invariant: everything in here is pure. Whatever a provider sends ends as `Notice`s; its wire names stay here.

mod body;
mod contract;
mod fastspring;
pub mod inbound;
pub mod json;
pub mod marks;
mod paddle;
pub mod signature;
mod stripe;
#[cfg(test)]
mod tests;

pub use contract::Contract;
pub use fastspring::FastSpring;
pub use paddle::Paddle;
pub use stripe::Stripe;

use serde_json_borrow::Value;

use crate::domain::command::{
    Amount, Customer, Email, Line, Mapping, Meaning, Name, Notice, Reason, Subject, SubjectKind,
    Unreadable,
};
use crate::domain::ids::{CustomerId, EventId, Mark, PaymentId, ProductId, SubjectId, TemplateId};
use crate::domain::policy::Money;
use crate::domain::profile::Profile;
use crate::providers::json::{Event, Object};
use crate::providers::signature::{Scheme, Verified};
use body::parsed;
use marks::{customer_mark, marks};

/// A payment provider.
pub trait Provider: Profile + Scheme {
    /// Metadata by which licenses of a subject are found.
    fn marks(subject: &Subject) -> Vec<Mark>;

    /// Translates what was delivered.
    fn read(delivery: &Verified<Self>, source: &ProductLookup) -> Result<Vec<Notice>, NotEvents>;
}

/// Where a Stripe purchase finds its Cryptlex product: chosen by the path of the webhook.
#[derive(Debug, Clone)]
pub enum ProductLookup {
    /// `/v1`: the configured one.
    Configured(ProductId),
    /// `/v2`: metadata of the checkout session or of the subscription.
    Metadata,
    /// `/webhooks/stripe`: such metadata, else the configured one.
    MetadataOr(ProductId),
}

/// A verified body that holds no events.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotEvents {
    /// Not JSON, or JSON too deep.
    #[error("the body is not valid JSON: {0}")]
    NotJson(String),
    /// More objects and values than an event of this size has.
    #[error("the body is not an event: it consists of too many small parts for its size")]
    TooFine,
    /// JSON without the envelope of the provider.
    #[error("{0}")]
    NotAnEvent(String),
}

/// One event in its envelope, before its data is looked at.
struct Envelope<'a> {
    event: Event<'a>,
    root: Object<'a>,
    live: Option<bool>,
}

fn envelope<'a>(
    value: &'a Value<'a>,
    provider: &str,
    [id, kind, live]: [&str; 3],
) -> Result<Envelope<'a>, NotEvents> {
    let not = |field: &str| {
        NotEvents::NotAnEvent(format!(
            "the body is not a {provider} event: {field} not found in it"
        ))
    };
    let unnamed = Event { id: "without id", kind: "without type" };
    let root = Object::new(unnamed, "event", value).map_err(|_not_an_object| {
        NotEvents::NotAnEvent(format!("the body is not a {provider} event"))
    })?;
    let event = Event {
        id: root.text(id).ok_or_else(|| not(id))?,
        kind: root.text(kind).ok_or_else(|| not(kind))?,
    };
    let root =
        Object::new(event, "event", value).map_err(|e| NotEvents::NotAnEvent(e.to_string()))?;
    Ok(Envelope { event, live: root.flag(live), root })
}

impl Envelope<'_> {
    fn notice(
        &self,
        money: Money,
        meaning: Result<Meaning, Unreadable>,
    ) -> Result<Notice, NotEvents> {
        let id = EventId::new(self.event.id)
            .map_err(|e| NotEvents::NotAnEvent(format!("event id: {e}")))?;
        // It is logged and told, so it is plain and short.
        let plain = self.event.kind.chars().filter(|c| !c.is_control()).take(100);
        Ok(Notice { id, kind: plain.collect(), live: self.live, money, meaning })
    }
}

const UNHANDLED: Result<Meaning, Unreadable> = Ok(Meaning::Ignore(Reason::UnhandledType));

fn nothing_to_do(why: &'static str) -> Result<Meaning, Unreadable> {
    Ok(Meaning::Ignore(Reason::NothingToDo(why)))
}

/// A subject from an id field of `object`; the field's name is told when it is missing.
fn subject_of(
    provider: &'static str,
    kind: SubjectKind,
    object: &Object<'_>,
    field: &str,
    id: Option<&str>,
) -> Result<Subject, Unreadable> {
    let id = id.ok_or_else(|| object.lacks(field))?;
    let id = SubjectId::new(id).map_err(|_not_an_id| object.misshapen(field, "an id"))?;
    Ok(Subject { provider, kind, id })
}

/// A customer without company. Guests have no id; users made for them belong to nobody's account.
fn customer<P: Provider>(id: Option<CustomerId>, email: Email, name: Option<Name>) -> Customer {
    let mark = id.as_ref().and_then(|id| customer_mark(P::NAME, id));
    Customer { id, email, name, company: None, mark }
}

/// A sum of money, if there is one.
fn amount(value: Option<i64>, currency: Option<String>) -> Option<Amount> {
    value.map(|value| Amount { value, currency })
}

/// The ids that are present and valid.
fn payment_ids<const N: usize>(ids: [Option<&str>; N]) -> Vec<PaymentId> {
    ids.into_iter().flatten().filter_map(|id| PaymentId::new(id).ok()).collect()
}

/// What a product says about Cryptlex: everything, part of it, or nothing.
enum Named {
    Whole(Mapping),
    Partly(String),
    None,
}

/// Both ids that a mapping needs, from wherever the provider keeps them.
fn product_and_template(product: Option<&str>, template: Option<&str>, names: [&str; 2]) -> Named {
    let product = product.and_then(|id| ProductId::new(id).ok());
    let template = template.and_then(|id| TemplateId::new(id).ok());
    let [product_name, template_name] = names;
    match (product, template) {
        (Some(product), Some(template)) => {
            Named::Whole(Mapping { product, template: Some(template), entitlement_set: None })
        }
        (Some(_), None) => Named::Partly(format!("{template_name} is not set")),
        (None, Some(_)) => Named::Partly(format!("{product_name} is not set")),
        (None, None) => Named::None,
    }
}

/// The quantity of a line of a subscription: 0 is one, too.
fn subscribed_quantity(item: &Object<'_>) -> Result<u32, Unreadable> {
    Ok(item.count("quantity")?.unwrap_or(1))
}

/// The quantity of a line that was bought: at least 1.
fn quantity(item: &Object<'_>) -> Result<u32, Unreadable> {
    Ok(item.count("quantity")?.unwrap_or(1).max(1))
}

/// Equal lines of one order are one line with their quantities added up.
fn add_up(lines: Vec<Line>) -> Vec<Line> {
    let mut sums: Vec<Line> = Vec::with_capacity(lines.len());
    for line in lines {
        match sums.iter_mut().find(|sum| sum.key == line.key) {
            Some(sum) => sum.quantity = sum.quantity.saturating_add(line.quantity),
            None => sums.push(line),
        }
    }
    sums
}

const PUBLISHED: &str = include_str!("published_addresses.txt");

/// The addresses that a provider publishes, as `published_addresses.txt` lists them.
fn published(provider: &str) -> Vec<&'static str> {
    let lines = PUBLISHED.lines().filter_map(|line| line.split_once(' '));
    lines.filter(|(name, _)| *name == provider).map(|(_, address)| address).collect()
}
