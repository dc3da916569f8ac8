//! HTTP requests in the envelopes of API Gateway: REST API, HTTP API and function URL.
//!
//! The types are those that `lambda_http` uses; its conversion is not, because it panics on a body that is not valid
//! base64 and puts the stage before the path.

use std::net::IpAddr;

use aws_lambda_events::apigw::{ApiGatewayProxyRequest, ApiGatewayV2httpRequest};
use axum::body::Body;
use base64::Engine as _;
use http::{HeaderMap, Method, Request};
use serde_json::Value;

use crate::http::router::{DamagedBody, SourceAddress};

/// An event that is no HTTP request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotHttp {
    /// It is one, for a path that no URI has.
    BadPath,
    /// The text says what it lacks, not what it holds.
    Unknown(String),
}

/// The request as the provider made it.
pub(super) fn request(event: Value) -> Result<Request<Body>, NotHttp> {
    let is_v2 = event.get("version").and_then(Value::as_str) == Some("2.0");
    let is_rest = event.get("httpMethod").is_some();
    let parts = match (is_v2, is_rest) {
        (true, _) => v2(event)?,
        (false, true) => rest(event)?,
        (false, false) => {
            return Err(NotHttp::Unknown(
                "the event is not from an API Gateway or function URL".to_owned(),
            ));
        }
    };
    let body = match (parts.body, parts.base64) {
        (Some(text), true) => base64::engine::general_purpose::STANDARD.decode(text).ok(),
        (Some(text), false) => Some(text.into_bytes()),
        (None, _) => Some(Vec::new()),
    };
    let damaged = body.is_none();
    let mut request = Request::new(Body::from(body.unwrap_or_default()));
    if damaged {
        let what = DamagedBody("the gateway's base64 of the body cannot be decoded");
        request.extensions_mut().insert(what);
    }
    *request.method_mut() = parts.method;
    *request.uri_mut() = parts.path.parse().map_err(|_invalid| NotHttp::BadPath)?;
    *request.headers_mut() = parts.headers;
    if let Some(source) = parts.source.and_then(|text| text.parse::<IpAddr>().ok()) {
        request.extensions_mut().insert(SourceAddress(source));
    }
    Ok(request)
}

struct Parts {
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Option<String>,
    base64: bool,
    source: Option<String>,
}

fn unknown(what: &str) -> NotHttp {
    NotHttp::Unknown(format!("the event is not a valid gateway request: {what}"))
}

/// HTTP APIs put a named stage before the path, though it is no part of the route; behind a domain of one's own they do
/// not, and a stage may be called `webhooks`.
fn without_stage(path: String, stage: Option<&str>) -> String {
    let stage = stage.filter(|stage| *stage != "$default").map(|stage| format!("/{stage}"));
    match stage.and_then(|stage| path.strip_prefix(&stage).map(str::to_owned)) {
        Some(rest) if is_of_a_route(&rest) => rest,
        Some(_) | None => path,
    }
}

/// Of one part there are few routes; those of more begin with a name that says which.
fn is_of_a_route(path: &str) -> bool {
    match path.strip_prefix('/') {
        Some(one) if !one.contains('/') => ["v1", "v2", "health"].contains(&one),
        Some(_) => true,
        None => false,
    }
}

fn rest(event: Value) -> Result<Parts, NotHttp> {
    let of_http_api = event.get("version").and_then(Value::as_str) == Some("1.0");
    let event: ApiGatewayProxyRequest = serde_json::from_value(event)
        .map_err(|_shape| unknown("it has another shape than a REST API's"))?;
    // Every value of a header is in the multi-value map; a test event may have the other one only.
    let headers = if event.multi_value_headers.is_empty() {
        event.headers
    } else {
        event.multi_value_headers
    };
    let path = event.path.ok_or_else(|| unknown("it has no path"))?;
    let path = match of_http_api {
        true => without_stage(path, event.request_context.stage.as_deref()),
        false => path,
    };
    Ok(Parts {
        method: event.http_method,
        path,
        headers,
        body: event.body,
        base64: event.is_base64_encoded,
        source: event.request_context.identity.source_ip,
    })
}

fn v2(event: Value) -> Result<Parts, NotHttp> {
    let event: ApiGatewayV2httpRequest = serde_json::from_value(event)
        .map_err(|_shape| unknown("it has another shape than an HTTP API's"))?;
    let context = event.request_context;
    let path = event.raw_path.ok_or_else(|| unknown("it has no rawPath"))?;
    let path = without_stage(path, context.stage.as_deref());
    Ok(Parts {
        method: context.http.method,
        path,
        headers: event.headers,
        body: event.body,
        base64: event.is_base64_encoded,
        source: context.http.source_ip,
    })
}

#[cfg(test)]
mod tests {
    use super::without_stage;

    #[test]
    fn a_stage_is_taken_off_where_a_route_is_left() {
        for (path, stage, expected) in [
            ("/prod/v1", Some("prod"), "/v1"),
            ("/prod/health", Some("prod"), "/health"),
            ("/prod/webhooks/stripe", Some("prod"), "/webhooks/stripe"),
            ("/v1", Some("prod"), "/v1"),
            ("/v1/v1", Some("v1"), "/v1"),
            ("/v1", Some("v1"), "/v1"),
            ("/webhooks/stripe", Some("webhooks"), "/webhooks/stripe"),
            ("/webhooks/webhooks/stripe", Some("webhooks"), "/webhooks/stripe"),
            ("/webhooks/v1", Some("webhooks"), "/v1"),
            ("/stripe/v1", Some("stripe"), "/v1"),
            ("/prodigy/v1", Some("prod"), "/prodigy/v1"),
            ("/v1", Some("$default"), "/v1"),
            ("/v1", None, "/v1"),
        ] {
            assert_eq!(without_stage(path.to_owned(), stage), expected, "{path} {stage:?}");
        }
    }
}
