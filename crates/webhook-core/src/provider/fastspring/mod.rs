//! FastSpring: one base64 signature over a whole batch of events, without a time.

mod order;
mod subscription;

use serde_json::Value;

use super::{Envelope, NotEvents, ProductSource, Provider, UNHANDLED, envelope, parse};
use crate::command::{AtTheEnd, Meaning, Notice, QuantityMeans, Unreadable};
use crate::ids::EventId;
use crate::signature::{Claimed, Scheme, Verified, from_base64};

/// FastSpring, by its `X-FS-Signature` header.
pub struct FastSpring;

impl Scheme for FastSpring {
    const SIGNATURE_HEADER: &'static str = "x-fs-signature";

    fn claimed(header: &[u8]) -> Option<Claimed> {
        let signatures = from_base64(header.trim_ascii()).into_iter().collect();
        Some(Claimed { prefix: Vec::new(), signed_at: None, signatures })
    }
}

impl Provider for FastSpring {
    const NAME: &'static str = "fastspring";
    const TITLE: &'static str = "FastSpring";
    const SECRET_VARIABLE: &'static str = "FASTSPRING_WEBHOOK_SECRET";
    const DEADLINE_MS: u64 = 10_000;
    const QUANTITY_MEANS: QuantityMeans = QuantityMeans::Licenses;
    const AT_THE_END: AtTheEnd = AtTheEnd::Delete;
    const BATCHES: bool = true;

    fn read(delivery: &Verified<Self>, _source: &ProductSource) -> Result<Vec<Notice>, NotEvents> {
        let body = parse(delivery.body())?;
        let events = body.get("events").and_then(Value::as_array).ok_or_else(|| {
            NotEvents::NotAnEvent(
                "the body is not a FastSpring batch: events not found in it".to_owned(),
            )
        })?;
        let (mut notices, mut nameless) = (Vec::new(), Vec::new());
        for (index, event) in events.iter().enumerate() {
            match envelope(event, Self::TITLE, ["id", "type", "live"]) {
                Ok(envelope) => notices.push(envelope.notice(read_event(&envelope))?),
                Err(problem) => nameless.push((index, problem)),
            }
        }
        notices.extend(without_envelope(&nameless)?);
        Ok(notices)
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
        meaning: Err(Unreadable(format!("{id}: {problem}{more}"))),
    }))
}

fn read_event(envelope: &Envelope<'_>) -> Result<Meaning, Unreadable> {
    let root = &envelope.root;
    let data = |name| root.object("data", name).ok_or_else(|| root.lacks("data"));
    let commands = match envelope.event.kind {
        "order.completed" => order::completed(&data("order")?)?,
        "subscription.charge.completed" => vec![subscription::charged(&data("charge")?)?],
        "subscription.payment.overdue" => vec![subscription::overdue(&data("subscription")?)?],
        "subscription.deactivated" => vec![subscription::deactivated(&data("subscription")?)?],
        _ => return UNHANDLED,
    };
    let at = root.millis("created")?.ok_or_else(|| root.lacks("created"))?;
    Ok(Meaning::Act { at, commands })
}

const SUBSCRIPTION_KEY: &str = "fastspring_subscription_id";
const ORDER_KEY: &str = "fastspring_order_id";
const DRIVER_KEY: &str = "fastspring_driver";
