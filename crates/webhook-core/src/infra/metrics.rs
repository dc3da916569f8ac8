//! What is counted and timed, under the names by which CloudWatch shows it.
//!
//! In Lambda the numbers of each event go to standard output in CloudWatch's embedded metric format, durations as lists,
//! so that CloudWatch has percentiles of them; a server writes counts and percentiles of each minute into its log. Durations are
//! right to half a percent, and none is dropped. Elsewhere nobody collects them.

mod collected;
mod durations;

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};
use serde_json::{Map, Value, json};

use self::collected::{Collected, Group, Number};
use crate::domain::clock::Clock;

/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>
const NAMESPACE: &str = "PaymentWebhooks";
/// Of every number; the first one only where a stack has a name.
const DIMENSIONS: [&str; 2] = ["Stack", "Provider"];

/// What became of an event, or of a delivery before it was events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// An event came in that nobody had tried before.
    Received,
    /// Its effect is in Cryptlex.
    Applied,
    /// It was done before.
    Duplicate,
    /// There is nothing to do about it.
    Ignored,
    /// It goes on in the overflow queue.
    Deferred,
    /// It waits for a mapping.
    Unmapped,
    /// It was answered with an error.
    Failed,
    /// A delivery that proved nothing.
    Rejected,
    /// The same, from an address that the provider publishes: the secret is wrong.
    RejectedFromProvider,
    /// The signature is right and its time is not: a clock is wrong.
    Stale,
    /// A delivery that came from elsewhere or too often.
    TurnedAway,
    /// An event failed because Cryptlex refused the access token.
    TokenRefused,
    /// Cryptlex answered that it was asked too much.
    Throttled,
    /// A queued message that refers to nothing.
    Dangling,
    /// The ledger refused, or did not answer in time.
    LedgerFailed,
    /// A notification could not be sent.
    NotificationFailed,
    /// Somebody asked for the health.
    HealthCheck,
    /// A connection was closed unread: its source holds as many as one may.
    ConnectionRefused,
    /// All connections were taken: whoever comes next waits.
    ConnectionsFull,
    /// An invocation of the function that ended with an answer: while there are any, this tells whether numbers arrive.
    Answered,
}

impl Count {
    fn name(self) -> &'static str {
        match self {
            Self::Received => "EventsReceived",
            Self::Applied => "EventsApplied",
            Self::Duplicate => "EventsDuplicate",
            Self::Ignored => "EventsIgnored",
            Self::Deferred => "EventsDeferred",
            Self::Unmapped => "EventsUnmapped",
            Self::Failed => "EventsFailed",
            Self::Rejected => "WebhooksRejected",
            Self::RejectedFromProvider => "ProviderWebhooksRejected",
            Self::Stale => "WebhooksStale",
            Self::TurnedAway => "WebhooksTurnedAway",
            Self::TokenRefused => "CryptlexTokenRefused",
            Self::Throttled => "CryptlexThrottled",
            Self::Dangling => "QueuedEventsUnknown",
            Self::LedgerFailed => "LedgerFailed",
            Self::NotificationFailed => "NotificationsFailed",
            Self::HealthCheck => "HealthChecks",
            Self::ConnectionRefused => "ConnectionsRefused",
            Self::ConnectionsFull => "ConnectionsFull",
            Self::Answered => "InvocationsAnswered",
        }
    }
}

const WEBHOOK_DURATION: &str = "WebhookDuration";
const CRYPTLEX_LATENCY: &str = "CryptlexLatency";
const CRYPTLEX_CALLS: &str = "CryptlexCalls";

/// One more.
pub fn count(what: Count) {
    counter!(what.name()).increment(1);
}

/// How long a delivery took to be answered that proved its provider.
pub fn webhook(took: Duration) {
    histogram!(WEBHOOK_DURATION).record(milliseconds(took));
}

/// A call of Cryptlex, by its route: the path with a placeholder for every id.
pub fn call(method: &str, path: &str, took: Duration) {
    let route = route(method, path);
    counter!(CRYPTLEX_CALLS, "Route" => route.clone()).increment(1);
    histogram!(CRYPTLEX_LATENCY, "Route" => route).record(milliseconds(took));
}

/// `/v3/licenses/{id}/renew`: an id must not become a dimension.
fn route(method: &str, path: &str) -> String {
    let path = path.split('?').next().unwrap_or_default();
    let mut route = format!("{method} ");
    for (place, part) in path.split('/').filter(|part| !part.is_empty()).enumerate() {
        route.push('/');
        route.push_str(if place == 2 { "{id}" } else { part });
    }
    route
}

fn milliseconds(took: Duration) -> f64 {
    took.as_secs_f64() * 1_000.0
}

/// Collects what this process counts.
pub struct Numbers {
    whose: Whose,
    collected: Collected,
}

/// Whose numbers they are: those of several stacks in one account must not be summed up.
struct Whose {
    stack: Option<String>,
    provider: &'static str,
}

impl Numbers {
    /// Once in a process; `None` the second time. `stack` is the name of the stack that it is in.
    pub fn collect(provider: &'static str, stack: Option<String>) -> Option<Self> {
        let collected = Collected::default();
        metrics::set_global_recorder(collected.clone()).ok()?;
        describe_histogram!(WEBHOOK_DURATION, Unit::Milliseconds, "");
        describe_histogram!(CRYPTLEX_LATENCY, Unit::Milliseconds, "");
        describe_counter!(CRYPTLEX_CALLS, Unit::Count, "");
        Some(Self { whose: Whose { stack, provider }, collected })
    }

    /// What was counted since the last time, as lines of the embedded metric format.
    pub fn lines(&self, clock: &Clock) -> Vec<u8> {
        let at = clock.now().as_millisecond();
        let mut lines = Vec::new();
        for group in self.collected.take() {
            for document in documents(&self.whose, &group, at) {
                lines.extend_from_slice(document.to_string().as_bytes());
                lines.push(b'\n');
            }
        }
        lines
    }

    /// The same for people: counts as they are; of durations how many, their sum, percentiles and the longest.
    pub fn summary(&self) -> Option<String> {
        let objects = self.collected.take().into_iter().map(|group| {
            let mut shown = labelled(&self.whose, &group);
            for Number { name, value, .. } in group.numbers {
                shown.insert(name, summed_up(&value));
            }
            Value::Object(shown).to_string()
        });
        Some(objects.collect::<Vec<_>>().join(" ")).filter(|text| !text.is_empty())
    }
}

/// The format allows so many values of one metric in a document.
const MOST_VALUES: usize = 100;

/// As many as the longest list of values needs: none of them is dropped.
fn documents(whose: &Whose, group: &Group, at: i64) -> Vec<Value> {
    let mut parts: Vec<Vec<(&Number, Value)>> = Vec::new();
    for number in &group.numbers {
        for (place, value) in values(&number.value).into_iter().enumerate() {
            if parts.len() <= place {
                parts.push(Vec::new());
            }
            if let Some(part) = parts.get_mut(place) {
                part.push((number, value));
            }
        }
    }
    let document = |part: Vec<(&Number, Value)>| {
        let mut document = labelled(whose, group);
        let dimensions: Vec<String> = document.keys().cloned().collect();
        let mut described = Vec::new();
        for (Number { name, unit, .. }, value) in part {
            described.push(match unit {
                Some(unit) => json!({ "Name": name, "Unit": unit }),
                None => json!({ "Name": name }),
            });
            document.insert(name.clone(), value);
        }
        let about =
            json!({ "Namespace": NAMESPACE, "Dimensions": [dimensions], "Metrics": described });
        document
            .insert("_aws".to_owned(), json!({ "Timestamp": at, "CloudWatchMetrics": [about] }));
        Value::Object(document)
    };
    parts.into_iter().map(document).collect()
}

/// The dimensions of a group.
fn labelled(Whose { stack, provider }: &Whose, group: &Group) -> Map<String, Value> {
    let labels = group.labels.iter().map(|(name, value)| (name.clone(), json!(value)));
    let [of_stack, of_provider] = DIMENSIONS.map(ToOwned::to_owned);
    let stack = stack.as_ref().map(|stack| (of_stack, json!(stack)));
    stack.into_iter().chain([(of_provider, json!(provider))]).chain(labels).collect()
}

/// A count, or all durations in lists that are short enough.
fn values(of: &collected::Value) -> Vec<Value> {
    match of {
        collected::Value::Count(count) => vec![json!(count)],
        collected::Value::Durations(durations) => {
            let each = |(value, members)| {
                std::iter::repeat_n(value, usize::try_from(members).unwrap_or(usize::MAX))
            };
            let all: Vec<f64> = durations.values().flat_map(each).collect();
            all.chunks(MOST_VALUES).map(|some| json!(some)).collect()
        }
    }
}

fn summed_up(of: &collected::Value) -> Value {
    match of {
        collected::Value::Count(count) => json!(count),
        collected::Value::Durations(durations) => {
            let rounded = |milliseconds: f64| (milliseconds * 10.0).round() / 10.0;
            let percentile = |percent| rounded(durations.percentile(percent));
            json!({
                "count": durations.count(), "sum": rounded(durations.sum()),
                "p50": percentile(50), "p95": percentile(95), "p99": percentile(99),
                "max": rounded(durations.longest()),
            })
        }
    }
}

#[cfg(test)]
mod tests;
