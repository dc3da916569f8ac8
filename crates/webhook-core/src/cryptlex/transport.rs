//! One HTTP exchange with Cryptlex, within the time that is left; what went wrong is told in one match.

use std::sync::Arc;
use std::time::Duration;

use http::header::{AUTHORIZATION, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use jiff::Timestamp;
use reqwest::{Client, Response, redirect, retry};
use rustls::{ClientConfig, RootCertStore};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout};

use super::error::{ApiError, Kind, cleaned};
use super::latency::Latency;
use crate::domain::clock::Clock;
use crate::domain::deadline::{Deadline, Timing};
use crate::infra::config;
use crate::infra::metrics::{self, Count};

/// More than any list of 100 licenses needs.
const MOST_BYTES: usize = 16 * 1024 * 1024;

const AGENT: &str = concat!("cryptlex-payment-webhooks/", env!("CARGO_PKG_VERSION"));

/// A request, by value so that it can be tried again.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) method: Method,
    /// With the query, percent-encoded.
    pub(super) path: String,
    pub(super) body: Option<serde_json::Value>,
}

impl Request {
    pub(super) fn get(path: String) -> Self {
        Self { method: Method::GET, path, body: None }
    }

    /// How errors name it: without the query, which may hold an e-mail address.
    pub(super) fn name(&self) -> String {
        let path = self.path.split('?').next().unwrap_or_default();
        format!("{} {path}", self.method)
    }

    pub(super) fn error(&self, kind: Kind, message: Option<String>) -> ApiError {
        ApiError { call: self.name(), kind, message }
    }
}

/// Why no client can be made.
#[derive(Debug, thiserror::Error)]
pub enum NoTls {
    /// The cryptography that this was built with has no protocol to offer, or an authority of the configuration is none.
    #[error(transparent)]
    Rustls(#[from] rustls::Error),
    /// The access token has characters that no header can have.
    #[error("the access token cannot stand in a header")]
    Token,
    /// What was asked of the client does not go together.
    #[error(transparent)]
    Client(#[from] reqwest::Error),
}

/// Whom to trust, without a look at the machine: reading its list costs a start 2 ms.
fn trusted(config: &config::Cryptlex) -> Result<ClientConfig, NoTls> {
    let mut roots = RootCertStore::empty();
    match &config.authorities {
        Some(own) => {
            for authority in own {
                roots.add(authority.clone())?;
            }
        }
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
    }
    let cryptography = Arc::new(rustls::crypto::ring::default_provider());
    Ok(ClientConfig::builder_with_provider(cryptography)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

fn bearer(token: &SecretString) -> Result<HeaderValue, NoTls> {
    let text = SecretString::from(format!("Bearer {}", token.expose_secret()));
    let value = HeaderValue::from_str(text.expose_secret());
    let mut value = value.map_err(|_not_a_header_value| NoTls::Token)?;
    value.set_sensitive(true);
    Ok(value)
}

pub(super) struct Transport {
    http: Client,
    base_url: String,
    clock: Clock,
    patience: Duration,
    pub(super) latency: Arc<Latency>,
    pub(super) timing: Timing,
}

impl Transport {
    /// No proxy of the environment, which would see the token, and no redirect, which could carry it anywhere.
    pub(super) fn new(
        config: &config::Cryptlex,
        latency: Arc<Latency>,
        clock: Clock,
        timing: Timing,
    ) -> Result<Self, NoTls> {
        let authorization = bearer(&config.access_token)?;
        let http = Client::builder()
            .tls_backend_preconfigured(trusted(config)?)
            .no_proxy()
            .redirect(redirect::Policy::none())
            // What is tried again, and when, is decided by whoever knows what the call does.
            .retry(retry::never())
            .connect_timeout(timing.connect)
            .user_agent(AGENT)
            .default_headers(HeaderMap::from_iter([(AUTHORIZATION, authorization)]))
            .build()?;
        Ok(Self {
            http,
            base_url: config.base_url.clone(),
            clock,
            patience: timing.call.unwrap_or(config.patience),
            latency,
            timing,
        })
    }

    /// Sends once. A part of the time that is left is kept for looking what became of it.
    pub(super) async fn exchange<T: DeserializeOwned>(
        &self,
        request: &Request,
        deadline: Deadline,
    ) -> Result<T, ApiError> {
        let body = self.send(request, deadline).await?;
        serde_json::from_slice(&body).map_err(|_unreadable| request.error(Kind::Unreadable, None))
    }

    /// As `exchange`, for answers without a body.
    pub(super) async fn send(
        &self,
        request: &Request,
        deadline: Deadline,
    ) -> Result<Vec<u8>, ApiError> {
        let left = deadline.left();
        if left < self.timing.least || deadline.is_past(&self.clock) {
            return Err(request.error(Kind::OutOfTime, None));
        }
        let call = self.call(request).ok_or_else(|| request.error(Kind::Refused(0), None))?;
        let began = Instant::now();
        let answer = async {
            let sent = self.http.execute(call).await;
            self.receive(request, sent.map_err(|error| self.unsent(request, &error))?).await
        };
        let answer = timeout(self.patience.min(left.mul_f32(0.6)), answer).await;
        let took = began.elapsed();
        self.latency.took(took);
        metrics::call(request.method.as_str(), &request.path, took);
        answer.unwrap_or_else(|_late| Err(request.error(Kind::NoAnswer, None)))
    }

    /// `None` for a path that no URL has.
    fn call(&self, request: &Request) -> Option<reqwest::Request> {
        let url = format!("{}{}", self.base_url, request.path);
        let call = self.http.request(request.method.clone(), url);
        match &request.body {
            Some(body) => call.json(body),
            None => call,
        }
        .build()
        .ok()
    }

    /// Without a connection nothing was done.
    fn unsent(&self, request: &Request, error: &reqwest::Error) -> ApiError {
        if !error.is_connect() {
            return request.error(Kind::NoAnswer, None);
        }
        let cause = format!("{} at {}", innermost(error), self.base_url);
        request.error(Kind::NoConnection, Some(cause))
    }

    async fn receive(&self, request: &Request, response: Response) -> Result<Vec<u8>, ApiError> {
        let status = response.status();
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after = retry_after.and_then(|text| wait_of(text, self.clock.now()));
        let body = body_of(response).await;
        if status.is_success() {
            let broken = |kind| request.error(kind, None);
            return body.map_err(broken);
        }
        let message = body.ok().and_then(|body| message_of(&body));
        let kind = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Kind::Unauthorized(status.as_u16()),
            StatusCode::NOT_FOUND => Kind::NotFound,
            StatusCode::CONFLICT => Kind::Conflict,
            StatusCode::TOO_MANY_REQUESTS => Kind::Throttled(retry_after),
            StatusCode::INTERNAL_SERVER_ERROR | StatusCode::SERVICE_UNAVAILABLE => {
                Kind::Failed(status.as_u16())
            }
            _ if status.is_server_error() => Kind::GatewayFailed(status.as_u16()),
            _ => Kind::Refused(status.as_u16()),
        };
        match kind {
            Kind::Throttled(_) => metrics::count(Count::Throttled),
            // The event that fails of it counts: the token may be rotated just now.
            Kind::Unauthorized(_)
            | Kind::NotFound
            | Kind::Conflict
            | Kind::Refused(_)
            | Kind::Failed(_)
            | Kind::GatewayFailed(_)
            | Kind::NoConnection
            | Kind::NoAnswer
            | Kind::Unreadable
            | Kind::OutOfTime => {}
        }
        Err(request.error(kind, message))
    }
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

async fn body_of(mut response: Response) -> Result<Vec<u8>, Kind> {
    let expected = response.content_length().and_then(|length| usize::try_from(length).ok());
    let mut body = Vec::with_capacity(expected.unwrap_or_default().min(MOST_BYTES));
    while let Some(chunk) = response.chunk().await.map_err(|_broken| Kind::NoAnswer)? {
        if body.len().saturating_add(chunk.len()) > MOST_BYTES {
            return Err(Kind::Unreadable);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Cryptlex's own words; a body of something else on the way says nothing.
fn message_of(body: &[u8]) -> Option<String> {
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    let message = cleaned(value.get("message")?.as_str()?);
    let code = value.get("code").and_then(serde_json::Value::as_str).map(cleaned);
    Some(match code.filter(|code| !code.is_empty()) {
        Some(code) => format!("{message} ({code})"),
        None => message,
    })
}

/// `Retry-After` in seconds or as a date.
fn wait_of(text: &str, now: Timestamp) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(text.trim()).ok()?.timestamp();
    Some(Duration::try_from(date.duration_since(now)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_comes_in_two_forms() {
        let now: Timestamp = "2026-09-01T00:00:00Z".parse().unwrap();
        for (text, wait) in [
            ("3", Some(3)),
            ("Tue, 01 Sep 2026 00:00:07 GMT", Some(7)),
            ("Mon, 31 Aug 2026 00:00:00 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
        ] {
            assert_eq!(wait_of(text, now), wait.map(Duration::from_secs), "{text}");
        }
    }

    #[test]
    fn an_error_names_its_call_without_the_query() {
        let request = Request::get("/v3/users?email[eq]=ada%40example.com".to_owned());
        let error =
            request.error(Kind::Failed(500), message_of(b"{\"message\":\"Oops\",\"code\":\"E1\"}"));
        assert_eq!(error.to_string(), "Cryptlex answered GET /v3/users with status 500: Oops (E1)");
        assert_eq!(message_of(b"<html>"), None);
    }
}
