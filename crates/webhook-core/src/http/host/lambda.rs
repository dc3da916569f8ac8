//! The Lambda host: takes the raw event, so that other sources than HTTP can be told apart by their shape.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use http_body_util::BodyExt as _;
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::{Value, json};
use tower_service::Service as _;

use super::{Fatal, gateway};
use crate::domain::clock::Clock;
use crate::execute::delivery::Service;
use crate::http::router::Budget;
use crate::infra::metrics::Numbers;
use crate::providers::Provider;

/// Kept of the remaining time for the answer to get out.
const MARGIN: Duration = Duration::from_millis(500);

/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-timeout.html>
const LONGEST_TIMEOUT_MS: i64 = 900_000;

pub(super) async fn run<P: Provider>(
    service: &Arc<Service<P>>,
    router: Router,
    numbers: Option<Numbers>,
) -> Result<(), Fatal> {
    let (clock, numbers) = (Clock::system(), Arc::new(numbers));
    let handler = service_fn(move |event: LambdaEvent<Value>| {
        let (service, router) = (Arc::clone(service), router.clone());
        let (clock, numbers) = (clock.clone(), Arc::clone(&numbers));
        async move {
            let answer = match queued(&event.payload) {
                Some(messages) => Ok(taken_back(&service, &messages, &event, &clock).await),
                None => answer(router, event, &clock).await,
            };
            if let Some(numbers) = numbers.as_ref() {
                // Lambda takes each line for one entry of the log.
                std::io::stdout().write_all(&numbers.lines(&clock)).ok();
            }
            answer
        }
    });
    lambda_runtime::run(handler).await
}

/// A message of the overflow queue.
struct Message {
    id: String,
    body: String,
}

/// The messages of an SQS event: <https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html>.
fn queued(event: &Value) -> Option<Vec<Message>> {
    let records = event.get("Records")?.as_array()?;
    let text = |record: &Value, name: &str| record.get(name)?.as_str().map(str::to_owned);
    let of_sqs = |record: &Value| text(record, "eventSource").as_deref() == Some("aws:sqs");
    if records.is_empty() || !records.iter().all(of_sqs) {
        return None;
    }
    let message = |record: &Value| {
        let id = text(record, "messageId")?;
        Some(Message { id, body: text(record, "body").unwrap_or_default() })
    };
    records.iter().map(message).collect()
}

/// One message after the other. Those that were not done come again, the others do not.
async fn taken_back<P: Provider>(
    service: &Service<P>,
    messages: &[Message],
    event: &LambdaEvent<Value>,
    clock: &Clock,
) -> Value {
    let mut again = Vec::new();
    for message in messages {
        let left = left_until(event.context.deadline, clock).unwrap_or_else(|| service.deadline());
        if let Err(why) = service.resume(&message.body, left).await {
            tracing::error!(provider = P::NAME, "Message {} comes again: {why}", message.id);
            again.push(json!({ "itemIdentifier": message.id }));
        }
    }
    json!({ "batchItemFailures": again })
}

async fn answer(
    mut router: Router,
    event: LambdaEvent<Value>,
    clock: &Clock,
) -> Result<Value, Fatal> {
    let mut request = match gateway::request(event.payload) {
        Ok(request) => request,
        Err(gateway::NotHttp::BadPath) => return Ok(refused(404, "no route for that path")),
        Err(gateway::NotHttp::Unknown(what)) => return Err(what.into()),
    };
    if let Some(left) = left_until(event.context.deadline, clock) {
        request.extensions_mut().insert(Budget(left));
    }
    let Ok(response) = router.call(request).await;
    let (parts, body) = response.into_parts();
    let body = body.collect().await?.to_bytes();
    let headers: serde_json::Map<String, Value> = parts
        .headers
        .iter()
        .filter_map(|(name, value)| Some((name.to_string(), json!(value.to_str().ok()?))))
        .collect();
    Ok(json!({
        "statusCode": parts.status.as_u16(),
        "headers": headers,
        "body": String::from_utf8_lossy(&body),
        "isBase64Encoded": false,
    }))
}

/// The time until the invocation's deadline, in milliseconds since 1970, less the margin.
///
/// `None` for a deadline that no function can have: cargo-lambda's emulator sends a span where Lambda sends a time.
fn left_until(deadline: u64, clock: &Clock) -> Option<Duration> {
    let ends_at = i64::try_from(deadline).ok()?;
    let left = ends_at.checked_sub(clock.now().as_millisecond())?;
    if left.abs() > LONGEST_TIMEOUT_MS {
        return None;
    }
    Some(Duration::from_millis(u64::try_from(left).unwrap_or(0)).saturating_sub(MARGIN))
}

fn refused(status: u16, message: &str) -> Value {
    json!({
        "statusCode": status,
        "headers": { "content-type": "application/json" },
        "body": json!({ "message": message }).to_string(),
        "isBase64Encoded": false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_that_no_function_can_have_is_none() {
        let clock = Clock::new(|| {
            jiff::Timestamp::UNIX_EPOCH
                .saturating_add(jiff::SignedDuration::from_hours(9999))
                .unwrap()
        });
        let now = u64::try_from(clock.now().as_millisecond()).unwrap();
        for (deadline, left) in [
            (now + 10_000, Some(9_500)),
            (now + 100, Some(0)),
            (now - 100, Some(0)),
            (600_000, None),
            (now + 901_000, None),
            (u64::MAX, None),
        ] {
            assert_eq!(left_until(deadline, &clock), left.map(Duration::from_millis), "{deadline}");
        }
    }
}
