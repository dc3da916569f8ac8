//! What Lambda hands to a function: messages of the overflow queue, or a request for `lambda_http` to convert.
//!
//! Messages are told apart before the library sees anything, by their source: the library would take them for something to
//! pass through, and answer what SQS takes for success.
//!
//! The library panics on a body that is not valid base64, and on a host, path or query that makes no URL. It keeps the last
//! of several values of a header, and puts the stage before the path. So it is given neither host, path nor query, every
//! value once, and a body only if it can be decoded; the path comes from the event as it is.

use std::net::IpAddr;

use aws_lambda_events::sqs::SqsEvent;
use base64::Engine as _;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri, header};
use lambda_http::RequestExt as _;
use lambda_http::request::{LambdaRequest, RequestContext};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::http::router::{DamagedBody, SourceAddress};
use crate::infra::limits::last_hop;

/// An invocation by what it is.
pub(super) enum Invocation {
    /// Messages of SQS, nothing else.
    Queued(SqsEvent),
    /// A request.
    Http(Box<HttpEvent>),
    /// It has the form of a request, and no request can be made of it.
    Damaged,
    /// It is neither.
    Unknown,
}

/// A request that the library can convert, and what it loses of it.
pub(super) struct HttpEvent {
    pub(super) request: LambdaRequest,
    pub(super) rest: Rest,
}

/// What the library loses of a request.
#[derive(Clone)]
pub(super) struct Rest {
    path: String,
    stage: Option<String>,
    is_damaged: bool,
}

impl Invocation {
    pub(super) fn of(event: &RawValue) -> Self {
        let queued = serde_json::from_str::<SqsEvent>(event.get());
        if let Ok(queued) = queued.map(of_sqs_alone) {
            return queued.map_or(Self::Unknown, Self::Queued);
        }
        match serde_json::from_str::<LambdaRequest>(event.get()) {
            Ok(request) => HttpEvent::of(request).map_or(Self::Unknown, Self::Http),
            Err(_) => Self::damaged(event),
        }
    }

    /// A balancer may pass a name or a value that no header can have: the request is read without it.
    fn damaged(event: &RawValue) -> Self {
        if !looks_like_http(event) {
            return Self::Unknown;
        }
        let request = without_impossible_headers(event);
        let request = request.and_then(|event| serde_json::from_str(&event.to_string()).ok());
        request.and_then(HttpEvent::of).map_or(Self::Damaged, Self::Http)
    }
}

/// Messages without one that comes from somewhere else.
fn of_sqs_alone(event: SqsEvent) -> Option<SqsEvent> {
    let is_of_sqs = event.records.iter().all(|message| {
        message.event_source.as_deref() == Some("aws:sqs") && message.message_id.is_some()
    });
    (is_of_sqs && !event.records.is_empty()).then_some(event)
}

/// Every gateway says how it was asked; that is an object, whatever else is wrong.
fn looks_like_http(event: &RawValue) -> bool {
    #[derive(Deserialize)]
    struct Asked<'e> {
        #[serde(borrow, rename = "requestContext")]
        how: &'e RawValue,
    }
    serde_json::from_str::<Asked<'_>>(event.get()).is_ok_and(|it| it.how.get().starts_with('{'))
}

fn without_impossible_headers(event: &RawValue) -> Option<Value> {
    let is_value = |value: &Value| match value {
        Value::String(text) => HeaderValue::from_str(text).is_ok(),
        Value::Array(texts) => texts
            .iter()
            .all(|text| text.as_str().is_some_and(|text| HeaderValue::from_str(text).is_ok())),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
    };
    let mut event: Value = serde_json::from_str(event.get()).ok()?;
    for name in ["headers", "multiValueHeaders"] {
        let Some(headers) = event.get_mut(name).and_then(Value::as_object_mut) else { continue };
        headers.retain(|name, value| {
            HeaderName::from_bytes(name.as_bytes()).is_ok() && is_value(value)
        });
    }
    Some(event)
}

/// The parts of an event that all kinds of them have.
struct Parts<'e> {
    path: &'e mut Option<String>,
    stage: Option<String>,
    headers: &'e mut HeaderMap,
    every_value: Option<&'e mut HeaderMap>,
    body: &'e mut Option<String>,
    is_base64: bool,
}

impl HttpEvent {
    /// `None` for a kind of event that this was not built for.
    fn of(mut request: LambdaRequest) -> Option<Box<Self>> {
        let Parts { path, stage, headers, every_value, body, is_base64 } = parts(&mut request)?;
        // Where every value is told, the other map has the last of each.
        if let Some(every_value) = every_value.filter(|every_value| !every_value.is_empty()) {
            *headers = std::mem::take(every_value);
        }
        headers.remove(header::HOST);
        let is_damaged = is_base64 && body.as_ref().is_some_and(|body| !is_base64_text(body));
        if is_damaged {
            *body = None;
        }
        let path = path.replace("/".to_owned()).unwrap_or_default();
        Some(Box::new(Self { rest: Rest { path, stage, is_damaged }, request }))
    }
}

fn parts(request: &mut LambdaRequest) -> Option<Parts<'_>> {
    Some(match request {
        LambdaRequest::ApiGatewayV1(event) => {
            event.query_string_parameters = <_>::default();
            event.multi_value_query_string_parameters = <_>::default();
            event.request_context.domain_name = None;
            Parts {
                path: &mut event.path,
                stage: event.request_context.stage.take(),
                headers: &mut event.headers,
                every_value: Some(&mut event.multi_value_headers),
                body: &mut event.body,
                is_base64: event.is_base64_encoded,
            }
        }
        LambdaRequest::ApiGatewayV2(event) => {
            event.raw_query_string = None;
            event.request_context.domain_name = None;
            Parts {
                path: &mut event.raw_path,
                stage: event.request_context.stage.take(),
                headers: &mut event.headers,
                every_value: None,
                body: &mut event.body,
                is_base64: event.is_base64_encoded,
            }
        }
        LambdaRequest::Alb(event) => {
            event.query_string_parameters = <_>::default();
            event.multi_value_query_string_parameters = <_>::default();
            Parts {
                path: &mut event.path,
                stage: None,
                headers: &mut event.headers,
                every_value: Some(&mut event.multi_value_headers),
                body: &mut event.body,
                is_base64: event.is_base64_encoded,
            }
        }
        LambdaRequest::VpcLatticeV2(event) => {
            event.query_string_parameters = <_>::default();
            Parts {
                path: &mut event.path,
                stage: None,
                headers: &mut event.headers,
                every_value: None,
                body: &mut event.body,
                is_base64: event.is_base64_encoded,
            }
        }
        _ => return None,
    })
}

fn is_base64_text(text: &str) -> bool {
    base64::engine::general_purpose::STANDARD.decode(text).is_ok()
}

/// A path that no URI has.
pub(super) struct NoSuchPath;

impl Rest {
    /// The request as its sender made it: with its path, and where it came from.
    pub(super) fn restore(
        self,
        request: lambda_http::Request,
    ) -> Result<Request<axum::body::Body>, NoSuchPath> {
        let source = source_of(&request);
        let path = without_stage(self.path, self.stage.as_deref());
        let path: PathAndQuery = path.parse().map_err(|_no_path| NoSuchPath)?;
        let mut request = request.map(bytes).map(axum::body::Body::from);
        *request.uri_mut() = Uri::from(path);
        if let Some(source) = source {
            request.extensions_mut().insert(SourceAddress(source));
        }
        if self.is_damaged {
            let what = DamagedBody("the gateway's base64 of the body cannot be decoded");
            request.extensions_mut().insert(what);
        }
        Ok(request)
    }
}

fn bytes(body: lambda_http::Body) -> Vec<u8> {
    match body {
        lambda_http::Body::Text(text) => text.into_bytes(),
        lambda_http::Body::Binary(bytes) => bytes,
        lambda_http::Body::Empty | _ => Vec::new(),
    }
}

/// An API Gateway tells the address. A load balancer and VPC Lattice write it behind whatever the sender wrote there.
fn source_of(request: &lambda_http::Request) -> Option<IpAddr> {
    let told = match request.request_context_ref()? {
        RequestContext::ApiGatewayV1(context) => context.identity.source_ip.as_deref(),
        RequestContext::ApiGatewayV2(context) => context.http.source_ip.as_deref(),
        RequestContext::Alb(_) | RequestContext::VpcLattice(_) => {
            return last_hop(request.headers());
        }
        _ => None,
    };
    told?.trim().parse().ok()
}

/// A REST API tells the path without the stage, an HTTP API with it: what is no part of a route is taken off.
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

#[cfg(test)]
mod tests;
