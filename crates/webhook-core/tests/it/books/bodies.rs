//! Webhook bodies for the entries of a ledger: those of the corpus, with this life's ids, times, products and amounts.

mod fastspring;
mod paddle;
mod stripe;

use devkit::sign::Provider;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::life::{Life, Plan};
use crate::support::edited;
use crate::support::vendor::Term;

/// One event of a provider.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) at: Timestamp,
    /// What it tells, in a word.
    pub(super) says: &'static str,
    pub(super) body: Vec<u8>,
}

/// Everything that the provider tells of a life, in its order.
pub(super) fn events(life: &Life) -> Vec<Event> {
    told(life, true)
}

/// What each of the events tells of, without their bodies.
pub(super) fn outline(life: &Life) -> Vec<Event> {
    told(life, false)
}

fn told(life: &Life, with_bodies: bool) -> Vec<Event> {
    let tell = match life.sketch.provider {
        Provider::Stripe => stripe::tell,
        Provider::Fastspring => fastspring::tell,
        Provider::Paddle => paddle::tell,
    };
    let mut teller = Teller { life, entry: 0, with_bodies, events: Vec::new() };
    for (number, entry) in life.entries.iter().enumerate() {
        teller.entry = number;
        tell(&mut teller, entry);
    }
    teller.events
}

struct Teller<'l> {
    life: &'l Life,
    entry: usize,
    with_bodies: bool,
    events: Vec<Event>,
}

impl Teller<'_> {
    /// A body of the corpus, as it is at that time.
    fn tell(
        &mut self,
        at: Timestamp,
        says: &'static str,
        case: &str,
        edit: impl FnOnce(&mut Value),
    ) {
        let (number, provider) = (self.events.len(), self.life.sketch.provider);
        let write = |body: &mut Value| {
            let data = match provider {
                Provider::Stripe => {
                    body["id"] = json!(format!("evt_{number}"));
                    body["created"] = json!(at.as_second());
                    &mut body["data"]["object"]
                }
                Provider::Fastspring => {
                    let event = &mut body["events"][0];
                    event["id"] = json!(event_id(number));
                    event["created"] = json!(at.as_millisecond());
                    changed(&mut event["data"], at);
                    &mut event["data"]
                }
                Provider::Paddle => {
                    body["event_id"] = json!(format!("evt_{number}"));
                    body["notification_id"] = json!(format!("ntf_{number}"));
                    body["occurred_at"] = json!(at.to_string());
                    for time in ["updated_at", "paused_at", "canceled_at"] {
                        if body["data"][time].is_string() {
                            body["data"][time] = json!(at.to_string());
                        }
                    }
                    &mut body["data"]
                }
            };
            edit(data);
        };
        let body = match self.with_bodies {
            true => edited(provider, case, write),
            false => Vec::new(),
        };
        self.events.push(Event { at, says, body });
    }
}

/// FastSpring says of orders, returns and subscriptions when they changed, in milliseconds.
fn changed(data: &mut Value, at: Timestamp) {
    let Some(object) = data.as_object_mut() else { return };
    for (key, value) in object {
        match key.as_str() {
            "changed" | "changedValue" => *value = json!(at.as_millisecond()),
            "changedInSeconds" => *value = json!(at.as_second()),
            "items" => value.as_array_mut().into_iter().flatten().for_each(|it| changed(it, at)),
            _ => changed(value, at),
        }
    }
}

/// By which FastSpring is told which events of a batch are done.
pub(super) fn event_id(number: usize) -> String {
    format!("event-{number}")
}

fn seconds(count: i64) -> SignedDuration {
    SignedDuration::from_secs(count)
}

/// Product and template of the sandbox.
fn mapping(plan: Plan) -> [String; 2] {
    let template = if plan.term == Term::Year { 1 } else { 2 };
    [
        format!("11111111-1111-4111-8111-00000000000{}", plan.product),
        format!("66666666-6666-4666-8666-00000000000{template}"),
    ]
}

fn interval(term: Term) -> &'static str {
    if term == Term::Year { "year" } else { "month" }
}

/// The vendor's name of what is sold.
fn price(plan: Plan, prefix: &str) -> String {
    format!("{prefix}product{}-{}", plan.product, interval(plan.term))
}
