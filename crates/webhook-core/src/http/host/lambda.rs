//! The Lambda host: messages of the overflow queue go to the worker, requests through `lambda_http` to the router.

use std::convert::Infallible;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::apigw::ApiGatewayProxyResponse;
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use axum::Router;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use lambda_http::Adapter;
use lambda_runtime::{LambdaEvent, service_fn};
use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;
use tower_service::Service as _;

use super::Fatal;
use super::invocation::{HttpEvent, Invocation, NoSuchPath, Rest};
use crate::domain::clock::Clock;
use crate::domain::deadline::Deadline;
use crate::execute::delivery::Service;
use crate::http::router::{Budget, no_such_path};
use crate::infra::metrics::{Count, Numbers, count};
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
    let handler = service_fn(move |event: LambdaEvent<Box<RawValue>>| {
        let (service, router) = (Arc::clone(service), router.clone());
        let (clock, numbers) = (clock.clone(), Arc::clone(&numbers));
        async move {
            let answer = answer(&service, router, event, &clock).await;
            if answer.is_ok() {
                count(Count::Answered);
            }
            if let Some(numbers) = numbers.as_ref() {
                // Lambda takes each line for one entry of the log.
                std::io::stdout().write_all(&numbers.lines(&clock)).ok();
            }
            answer
        }
    });
    lambda_runtime::run(handler).await
}

/// What Lambda gets back; for SQS and for each gateway in its own form.
#[derive(Serialize)]
#[serde(untagged)]
enum Answer<H> {
    Http(H),
    Queue(SqsBatchResponse),
    Refused(Box<ApiGatewayProxyResponse>),
}

async fn answer<P: Provider>(
    service: &Arc<Service<P>>,
    router: Router,
    LambdaEvent { payload, context }: LambdaEvent<Box<RawValue>>,
    clock: &Clock,
) -> Result<Answer<impl Serialize + use<P>>, Fatal> {
    let left = left_until(context.deadline, clock);
    match Invocation::of(&payload) {
        Invocation::Queued(event) => {
            let budget = left.unwrap_or_else(|| service.deadline());
            Ok(Answer::Queue(taken_back(service, event, budget, clock).await))
        }
        Invocation::Http(event) => {
            let HttpEvent { request, rest } = *event;
            let routed = |request| routed(router.clone(), rest.clone(), left, request);
            let answer = Adapter::from(service_fn(routed)).call(LambdaEvent::new(request, context));
            Ok(Answer::Http(answer.await?))
        }
        Invocation::Damaged => {
            service.unread(None, "the gateway's event is no HTTP request");
            Ok(Answer::Refused(Box::new(refused())))
        }
        Invocation::Unknown => Err(
            "the event is not from API Gateway, a function URL, a load balancer, VPC Lattice or SQS: look at what calls this function"
                .into(),
        ),
    }
}

async fn routed(
    mut router: Router,
    rest: Rest,
    left: Option<Duration>,
    request: lambda_http::Request,
) -> Result<axum::response::Response, Infallible> {
    let mut request = match rest.restore(request) {
        Ok(request) => request,
        Err(NoSuchPath) => return Ok(no_such_path()),
    };
    if let Some(left) = left {
        request.extensions_mut().insert(Budget(left));
    }
    router.call(request).await
}

/// One message after the other. Those that were not done come again, the others do not.
async fn taken_back<P: Provider>(
    service: &Service<P>,
    event: SqsEvent,
    budget: Duration,
    clock: &Clock,
) -> SqsBatchResponse {
    let deadline = Deadline::after(budget, clock);
    let mut again = SqsBatchResponse::default();
    for message in event.records {
        let id = message.message_id.unwrap_or_default();
        let body = message.body.unwrap_or_default();
        if let Err(why) = service.resume(&body, deadline.left()).await {
            tracing::error!(
                provider = P::NAME,
                "The overflow queue will deliver message {id} again: {why}"
            );
            again.add_failure(id);
        }
    }
    again
}

/// All gateways read this form.
fn refused() -> ApiGatewayProxyResponse {
    let mut answer = ApiGatewayProxyResponse::default();
    answer.status_code = 400;
    let json = HeaderValue::from_static("application/json");
    answer.headers.insert(CONTENT_TYPE, json);
    let text = json!({ "message": "this is no HTTP request" }).to_string();
    answer.body = Some(text.into());
    answer
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_impossible_deadline_is_ignored() {
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
