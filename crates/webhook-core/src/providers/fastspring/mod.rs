//! FastSpring: one base64 signature over a whole batch of events, without a time.

mod attributes;
mod charge;
mod order;
mod receiver;
mod reversal;
mod subscription;

use serde_json_borrow::Value;

use super::{
    Envelope, NotEvents, ProductLookup, Provider, UNHANDLED, customer, envelope, marks, parsed,
    published, subject_of,
};
use crate::domain::command::{
    Action, AddressTold, Command, Customer, Email, Meaning, Name, Note, Notice, Subject,
    SubjectKind, SuspensionReason, Unreadable,
};
use crate::domain::ids::{CustomerId, EventId, Mark};
use crate::domain::policy::{AtTheEnd, Money, QuantityMeans};
use crate::domain::profile::Profile;
use crate::providers::json::Object;
use crate::providers::marks::DRIVER_KEY;
use crate::providers::signature::{Claimed, Scheme, Verified, from_base64};

/// FastSpring, by its `X-FS-Signature` header.
pub struct FastSpring;

impl Scheme for FastSpring {
    const SIGNATURE_HEADER: &'static str = "x-fs-signature";

    fn claimed(header: &[u8]) -> Option<Claimed> {
        let signatures = from_base64(header.trim_ascii()).into_iter().collect();
        Some(Claimed { prefix: Vec::new(), signed_at: None, signatures })
    }
}

impl Profile for FastSpring {
    const NAME: &'static str = "fastspring";
    const TITLE: &'static str = "FastSpring";
    const SECRET_VARIABLE: &'static str = "FASTSPRING_WEBHOOK_SECRET";
    const DEADLINE_MS: u64 = 10_000;
    const QUANTITY_MEANS: QuantityMeans = QuantityMeans::Licenses;
    const AT_THE_END: AtTheEnd = AtTheEnd::Delete;
    const BATCHES: bool = true;
    const CONFIGURED_PRODUCT: bool = false;

    fn addresses() -> Vec<&'static str> {
        published(Self::NAME)
    }
}

impl Provider for FastSpring {
    fn marks(subject: &Subject) -> Vec<Mark> {
        let key = match subject.kind {
            SubjectKind::Subscription => SUBSCRIPTION_KEY,
            SubjectKind::Order => ORDER_KEY,
            // A customer is no mark of licenses.
            SubjectKind::Customer => return Vec::new(),
        };
        marks(&[key], subject.id.as_str())
    }

    fn read(delivery: &Verified<Self>, _source: &ProductLookup) -> Result<Vec<Notice>, NotEvents> {
        parsed(delivery.body(), read_batch)
    }
}

fn read_batch(body: &Value<'_>) -> Result<Vec<Notice>, NotEvents> {
    let events = body.get("events").as_array().ok_or_else(|| {
        NotEvents::NotAnEvent(
            "the body is not a FastSpring batch: events not found in it".to_owned(),
        )
    })?;
    let (mut notices, mut nameless) = (Vec::new(), Vec::new());
    for (index, event) in events.iter().enumerate() {
        let notice = envelope(event, FastSpring::TITLE, ["id", "type", "live"])
            .and_then(|envelope| envelope.notice(money(&envelope), read_event(&envelope)));
        match notice {
            Ok(notice) => notices.push(notice),
            Err(problem) => nameless.push((index, problem)),
        }
    }
    notices.extend(without_envelope(&nameless)?);
    Ok(notices)
}

/// One HMAC secret signs test and live events of a webhook. The flag is on the event, and again on most of its data.
fn money(envelope: &Envelope<'_>) -> Money {
    let data = envelope.root.object("data", "data").and_then(|data| data.flag("live"));
    match envelope.live == Some(false) || data == Some(false) {
        true => Money::TestAmongReal,
        false => Money::Real,
    }
}

/// Events that cannot even be acknowledged: they keep no other from being handled, and are told together.
fn without_envelope(nameless: &[(usize, NotEvents)]) -> Result<Option<Notice>, NotEvents> {
    let Some((index, problem)) = nameless.first() else { return Ok(None) };
    let id = format!("events[{index}]");
    let more = match nameless.len() {
        1 => String::new(),
        all => format!(" (and {} more)", all.saturating_sub(1)),
    };
    Ok(Some(Notice {
        id: EventId::new(&id).map_err(|e| NotEvents::NotAnEvent(e.to_string()))?,
        kind: "without envelope".to_owned(),
        live: None,
        money: Money::Real,
        meaning: Err(Unreadable(format!("{id}: {problem}{more}"))),
    }))
}

fn read_event(envelope: &Envelope<'_>) -> Result<Meaning, Unreadable> {
    let root = &envelope.root;
    let data = |name| root.object("data", name).ok_or_else(|| root.lacks("data"));
    let commands = match envelope.event.kind {
        "order.completed" => order::completed(&data("order")?)?,
        "fulfillment.failed" => vec![order::not_fulfilled(&data("fulfillment")?)?],
        "subscription.charge.completed" => charge::completed(&data("charge")?)?,
        "subscription.payment.overdue" => vec![subscription::overdue(&data("subscription")?)?],
        "subscription.charge.failed" => vec![subscription::charge_failed(&data("charge")?)?],
        "subscription.activated" => {
            vec![subscription::noted(&data("subscription")?, "the subscription was activated")?]
        }
        "subscription.canceled" => {
            vec![subscription::noted(
                &data("subscription")?,
                "the subscription will not renew, and runs until its period ends",
            )?]
        }
        "subscription.uncanceled" => {
            vec![subscription::noted(
                &data("subscription")?,
                "the subscription will renew after all",
            )?]
        }
        "subscription.paused" => {
            vec![subscription::paused(&data("subscription")?)?]
        }
        "subscription.resumed" => {
            vec![subscription::with(
                &data("subscription")?,
                Action::Resume(&[SuspensionReason::Pause]),
            )?]
        }
        "subscription.updated" => vec![subscription::updated(&data("subscription")?)?],
        "subscription.deactivated" => {
            vec![subscription::with(&data("subscription")?, Action::End)?]
        }
        "return.created" => vec![reversal::returned(&data("return")?)?],
        "chargeback.created" => vec![reversal::charged_back(&data("chargeback")?)?],
        "chargeback.won" => vec![reversal::chargeback_won(&data("chargeback")?)?],
        "account.updated" => vec![account_updated(&data("account")?)?],
        _ => return UNHANDLED,
    };
    let at = root.millis("created")?.ok_or_else(|| root.lacks("created"))?;
    Ok(Meaning::Act { at, commands })
}

/// `account.updated`: the buyer, under the id that their orders name.
fn account_updated(account: &Object<'_>) -> Result<Command, Unreadable> {
    let id = account.text("id").or(account.reference("account"));
    let subject = subject_of(FastSpring::NAME, SubjectKind::Customer, account, "id", id)?;
    let contact = account.object("contact", "contact");
    let text = |field| contact.and_then(|contact| contact.text(field));
    let action = match text("email").and_then(Email::real) {
        Some(email) => {
            let id = id.and_then(|id| CustomerId::new(id).ok());
            let name = Name::of(text("first"), text("last"));
            let company = text("company").map(str::to_owned);
            // It does not say what changed.
            let account = customer::<FastSpring>(id, email, name);
            Action::SyncCustomer(Customer { company, ..account }, AddressTold::Changed)
        }
        None => Action::Note(Note::of("the account has no e-mail")),
    };
    Ok(Command::new(subject, Vec::new(), action))
}

const SUBSCRIPTION_KEY: &str = "fastspring_subscription_id";
const ORDER_KEY: &str = "fastspring_order_id";
