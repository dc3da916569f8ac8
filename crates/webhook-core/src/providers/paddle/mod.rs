//! Paddle Billing: `ts=..;h1=..` headers; purchases and renewals are completed transactions.

mod adjustment;
mod subscription;
mod transaction;

use super::{
    NotEvents, ProductLookup, Provider, UNHANDLED, envelope, marks, parsed, published, subject_of,
};
use crate::domain::command::{
    Action, AddressTold, Command, Customer, Email, Meaning, Name, Note, Notice, Subject,
    SubjectKind, SuspensionReason, Unreadable,
};
use crate::domain::ids::{CustomerId, Mark};
use crate::domain::policy::{AtTheEnd, Money, QuantityMeans};
use crate::domain::profile::Profile;
use crate::providers::json::Object;
use crate::providers::signature::{Claimed, Scheme, Verified, from_hex, unix_seconds};

/// Paddle Billing, by its `Paddle-Signature` header.
pub struct Paddle;

impl Scheme for Paddle {
    const SIGNATURE_HEADER: &'static str = "paddle-signature";

    /// In any order; a key that is not known is no reason to refuse the ones that are.
    fn claimed(header: &[u8]) -> Option<Claimed> {
        let mut signed_at = None;
        let mut signatures = Vec::new();
        for pair in header.trim_ascii().split(|b| *b == b';') {
            let Some((key, value)) = super::stripe::split_pair(pair) else {
                continue;
            };
            match key {
                b"ts" if signed_at.is_none() => signed_at = Some(value),
                b"ts" => return None,
                b"h1" => signatures.extend(from_hex(value)),
                _ => {}
            }
        }
        let signed_at = signed_at?;
        let prefix = [signed_at, b":"].concat();
        Some(Claimed { prefix, signed_at: Some(unix_seconds(signed_at)?), signatures })
    }
}

impl Profile for Paddle {
    const NAME: &'static str = "paddle";
    const TITLE: &'static str = "Paddle";
    const SECRET_VARIABLE: &'static str = "PADDLE_WEBHOOK_SECRET";
    /// Ids and keys that the dashboard shows, too.
    const MISTAKEN_SECRETS: &'static [(&'static str, &'static str)] = &[
        ("ntfset_", "the id of a notification destination. Use its secret key, pdl_ntfset_.."),
        ("pdl_live_", "an API key. Use the secret key of the destination, pdl_ntfset_.."),
        ("pdl_sdbx_", "an API key. Use the secret key of the destination, pdl_ntfset_.."),
    ];
    /// Paddle gives up after five seconds: <https://developer.paddle.com/webhooks/respond-to-webhooks>.
    const DEADLINE_MS: u64 = 4_000;
    const QUANTITY_MEANS: QuantityMeans = QuantityMeans::Licenses;
    const AT_THE_END: AtTheEnd = AtTheEnd::Revoke;
    const BATCHES: bool = false;
    const CONFIGURED_PRODUCT: bool = false;

    fn addresses() -> Vec<&'static str> {
        published(Self::NAME)
    }
}

impl Provider for Paddle {
    fn marks(subject: &Subject) -> Vec<Mark> {
        let key = match subject.kind {
            SubjectKind::Subscription => SUBSCRIPTION_KEY,
            SubjectKind::Order => TRANSACTION_KEY,
            // A customer is no mark of licenses.
            SubjectKind::Customer => return Vec::new(),
        };
        marks(&[key], subject.id.as_str())
    }

    fn read(delivery: &Verified<Self>, _source: &ProductLookup) -> Result<Vec<Notice>, NotEvents> {
        parsed(delivery.body(), |value| {
            // Test and live are different accounts; no field tells them apart.
            let envelope = envelope(value, Self::TITLE, ["event_id", "event_type", "live"])?;
            let meaning = read_event(envelope.event.kind, &envelope.root);
            Ok(vec![envelope.notice(Money::Real, meaning)?])
        })
    }
}

fn read_event(kind: &str, event: &Object<'_>) -> Result<Meaning, Unreadable> {
    let data = |name| event.object("data", name).ok_or_else(|| event.lacks("data"));
    let commands = match kind {
        "transaction.completed" => match transaction::completed(&data("transaction")?)? {
            transaction::Decided::Commands(commands) => commands,
            transaction::Decided::Nothing(why) => return super::nothing_to_do(why),
        },
        "subscription.paused" => {
            vec![subscription::with(
                &data("subscription")?,
                Action::Suspend(SuspensionReason::Pause),
            )?]
        }
        "subscription.resumed" => {
            vec![subscription::with(
                &data("subscription")?,
                Action::Resume(&[SuspensionReason::Pause]),
            )?]
        }
        "subscription.past_due" => vec![subscription::past_due(&data("subscription")?)?],
        "subscription.updated" => vec![subscription::updated(&data("subscription")?)?],
        "subscription.created"
        | "subscription.imported"
        | "subscription.activated"
        | "subscription.trialing" => vec![subscription::described(&data("subscription")?)?],
        "subscription.canceled" => vec![subscription::with(&data("subscription")?, Action::End)?],
        "adjustment.created" | "adjustment.updated" => adjustment::changed(&data("adjustment")?)?,
        "customer.created" | "customer.imported" | "customer.updated" => {
            vec![customer_changed(&data("customer")?)?]
        }
        _ => return UNHANDLED,
    };
    let at = event.rfc3339("occurred_at")?.ok_or_else(|| event.lacks("occurred_at"))?;
    Ok(Meaning::Act { at, commands })
}

const SUBSCRIPTION_KEY: &str = "paddle_subscription_id";
const TRANSACTION_KEY: &str = "paddle_transaction_id";

fn about(subject: Subject, action: Action) -> Command {
    let marks = Paddle::marks(&subject);
    Command::new(subject, marks, action)
}

fn customer_changed(customer: &Object<'_>) -> Result<Command, Unreadable> {
    let subject =
        subject_of(Paddle::NAME, SubjectKind::Customer, customer, "id", customer.text("id"))?;
    let id = CustomerId::new(subject.id.as_str())
        .map_err(|_not_an_id| customer.misshapen("id", "an id"))?;
    let action = match customer.text("email").and_then(Email::real) {
        Some(email) => {
            let name = customer.text("name").and_then(split_name);
            let customer = super::customer::<Paddle>(Some(id), email, name);
            // Whoever it was carries their mark, so that it need not be said.
            Action::SyncCustomer(customer, AddressTold::AsItIs)
        }
        None => Action::Note(Note::of("the customer has no e-mail")),
    };
    Ok(about(subject, action))
}

/// A transaction names its buyer by id only; `customer.created` brings the e-mail.
fn unnamed_customer(id: CustomerId) -> Customer {
    let email = Email::placeholder(&id);
    super::customer::<Paddle>(Some(id), email, None)
}

/// One field holds the whole name: the first word, then the rest.
fn split_name(name: &str) -> Option<Name> {
    match name.trim().split_once(char::is_whitespace) {
        Some((first, rest)) => Name::of(Some(first), Some(rest)),
        None => Name::of(Some(name), None),
    }
}
