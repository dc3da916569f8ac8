//! What is counted and timed, under the names by which CloudWatch shows it.
//!
//! In Lambda the numbers of each event go to standard output in CloudWatch's embedded metric format; a server writes
//! those of a minute into its log. Elsewhere nobody collects them.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};
use metrics_cloudwatch_embedded::{Builder, Collector};
use serde_json::Value;

/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>
const NAMESPACE: &str = "PaymentWebhooks";

/// What became of an event, or of a delivery before it was events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// An event came in.
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
    /// A delivery that came from elsewhere or too often.
    TurnedAway,
    /// An event failed because Cryptlex refused the access token.
    TokenRefused,
    /// Cryptlex answered that it was asked too much.
    Throttled,
    /// A queued message that refers to nothing.
    Dangling,
    /// A connection was closed unread: its source holds as many as one may.
    ConnectionRefused,
    /// All connections were taken: whoever comes next waits.
    ConnectionsFull,
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
            Self::TurnedAway => "WebhooksTurnedAway",
            Self::TokenRefused => "CryptlexTokenRefused",
            Self::Throttled => "CryptlexThrottled",
            Self::Dangling => "QueuedEventsUnknown",
            Self::ConnectionRefused => "ConnectionsRefused",
            Self::ConnectionsFull => "ConnectionsFull",
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

/// How long a delivery took to be answered.
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
pub struct Numbers(&'static Collector);

impl Numbers {
    /// Once in a process; `None` the second time.
    pub fn collect(provider: &'static str) -> Option<Self> {
        let builder = Builder::new().cloudwatch_namespace(NAMESPACE);
        let collector = builder.with_dimension("Provider", provider).init().ok()?;
        describe_histogram!(WEBHOOK_DURATION, Unit::Milliseconds, "");
        describe_histogram!(CRYPTLEX_LATENCY, Unit::Milliseconds, "");
        describe_counter!(CRYPTLEX_CALLS, Unit::Count, "");
        Some(Self(collector))
    }

    /// What was counted since the last time, as lines of the embedded metric format.
    pub fn lines(&self) -> Vec<u8> {
        let mut lines = Vec::new();
        // Nothing can fail in writing to memory.
        self.0.flush(&mut lines).ok();
        lines
    }

    /// The same for people: names and values only.
    pub fn summary(&self) -> Option<String> {
        let lines = self.lines();
        let objects = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let plain = objects.filter_map(|line| {
            let mut value: Value = serde_json::from_slice(line).ok()?;
            value.as_object_mut()?.remove("_aws");
            Some(value.to_string())
        });
        Some(plain.collect::<Vec<_>>().join(" ")).filter(|text| !text.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::route;

    #[test]
    fn a_route_has_no_id_and_no_query_in_it() {
        for (method, path, expected) in [
            ("GET", "/v3/licenses?metadata.key[eq]=a&limit=100", "GET /v3/licenses"),
            ("POST", "/v3/licenses/0a1b/renew", "POST /v3/licenses/{id}/renew"),
            ("PATCH", "/v3/users/0a1b", "PATCH /v3/users/{id}"),
        ] {
            assert_eq!(route(method, path), expected);
        }
    }
}
