//! Paths, methods and sizes: what is decided before a delivery is looked at. Both hosts share it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::extract::{ConnectInfo, Request, State};
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};
use http::{HeaderValue, Method, StatusCode, Uri, header};
use http_body_util::BodyExt as _;

use crate::execute::delivery::{Place, Service};
use crate::execute::report::Refusal;
use crate::http::reply::{
    Reply, ReplyStyle, answer, json_reply, message, refusal, turned_away, worded,
};
use crate::infra::metrics::{Count, count};
use crate::providers::Contract;
use crate::providers::Provider;
use crate::providers::inbound::Inbound;

/// The largest body that is read.
pub const MOST_BYTES: usize = 1024 * 1024;

/// Larger bodies than this are few, and take a place each. What connections hold in addition to them is little.
const SMALL_BYTES: usize = 32 * 1024;

/// Put into a request by a host that knows better than the configuration how much time is left.
#[derive(Debug, Clone, Copy)]
pub struct Budget(pub Duration);

/// Put into a request by a gateway host: where the gateway says the request came from.
#[derive(Debug, Clone, Copy)]
pub struct SourceAddress(pub IpAddr);

/// Put into a request whose body was damaged on the way, instead of the body.
#[derive(Debug, Clone, Copy)]
pub struct DamagedBody(pub &'static str);

/// The routes of one provider's function, with and without its name as a prefix.
pub fn router<P: Provider>(service: Arc<Service<P>>) -> Router {
    let mut router = Router::new();
    for prefix in [String::new(), format!("/{}", P::NAME)] {
        for &contract in Contract::all::<P>() {
            let path = format!("{prefix}/{}", contract.path::<P>());
            router = router.route(&path, webhook::<P>(contract));
        }
        router = router.route(&format!("{prefix}/health"), get(health::<P>));
    }
    let router = router.route("/", get(about::<P>).fallback(not_found));
    router.fallback(not_found).method_not_allowed_fallback(wrong_method).with_state(service)
}

fn webhook<P: Provider>(contract: Contract) -> MethodRouter<Arc<Service<P>>> {
    post(move |State(service): State<Arc<Service<P>>>, request: Request| {
        deliver(service, contract, request)
    })
}

async fn deliver<P: Provider>(
    service: Arc<Service<P>>,
    contract: Contract,
    request: Request,
) -> Response {
    let shape = ReplyStyle::of(contract);
    let source = match service.admit(peer_of(&request), request.headers()) {
        Ok(source) => source,
        Err(refused) => return response(turned_away(shape, &refused)),
    };
    let damaged = |what: &str| {
        service.unread(source, what);
        response(refusal(shape, &Refusal::Damaged(what.to_owned())))
    };
    if let Some(DamagedBody(what)) = request.extensions().get() {
        return damaged(what);
    }
    let usual = service.deadline();
    let budget = request.extensions().get().map_or(usual, |Budget(left)| usual.min(*left));
    let (parts, body) = request.into_parts();
    let began = tokio::time::Instant::now();
    let (body, place) = match tokio::time::timeout(budget, taken_in(body, &service)).await {
        Ok(Ok(taken_in)) => taken_in,
        Ok(Err(Unread::TooLarge)) => {
            let text = "the body is larger than 1 MiB";
            service.unread(source, text);
            return response(worded(shape, StatusCode::PAYLOAD_TOO_LARGE, text));
        }
        Ok(Err(Unread::Broken)) | Err(_) => {
            return damaged("the body did not arrive whole and in time");
        }
    };
    let inbound = Inbound { headers: parts.headers, body, source };
    let left = budget.saturating_sub(began.elapsed());
    // A provider that hangs up must not leave the work half-done.
    let handled = service.see_through(contract, inbound, place, left).await;
    response(answer::<P>(shape, &handled.unwrap_or(Err(Refusal::Stopped))))
}

enum Unread {
    TooLarge,
    Broken,
}

/// The bytes in one piece, however small the parts are in which they come, and the place of a large body.
async fn taken_in<P: Provider>(
    mut body: Body,
    service: &Service<P>,
) -> Result<(Vec<u8>, Option<Place>), Unread> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > MOST_BYTES {
        return Err(Unread::TooLarge);
    }
    let mut bytes = Vec::with_capacity(announced.min(SMALL_BYTES));
    let mut place = None;
    while let Some(frame) = body.frame().await {
        // Trailers say nothing.
        let Ok(data) = frame.map_err(|_broken| Unread::Broken)?.into_data() else { continue };
        let length = bytes.len().saturating_add(data.len());
        if length > MOST_BYTES {
            return Err(Unread::TooLarge);
        }
        if length > SMALL_BYTES && place.is_none() {
            place = service.place_for_a_large_body().await;
            bytes.reserve_exact(announced.saturating_sub(bytes.len()));
        }
        bytes.extend_from_slice(&data);
    }
    Ok((bytes, place))
}

/// Whoever called us, or the gateway before us.
fn peer_of(request: &Request) -> Option<IpAddr> {
    let extensions = request.extensions();
    let gateway = extensions.get().map(|SourceAddress(address)| *address);
    gateway
        .or_else(|| extensions.get().map(|ConnectInfo(peer): &ConnectInfo<SocketAddr>| peer.ip()))
}

async fn health<P: Provider>(State(service): State<Arc<Service<P>>>, request: Request) -> Response {
    count(Count::HealthCheck);
    let admitted = service.limits().admit_health(peer_of(&request), request.headers());
    if let Err((source, wait)) = admitted {
        let text = format!("too many health checks from {source}");
        let refused = message(StatusCode::TOO_MANY_REQUESTS, &text);
        return response(Reply { retry_after: Some(wait), ..refused });
    }
    let health = service.health().await;
    let status = match health.is_ok() {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    response(json_reply(status, &health.json()))
}

/// What the function is for, in one sentence.
pub(super) fn purpose<P: Provider>() -> String {
    let (name, version, title) = (P::NAME, env!("CARGO_PKG_VERSION"), P::TITLE);
    format!(
        "{name}-webhook {version} takes {title} webhooks and makes Cryptlex hold the licenses that were paid for."
    )
}

/// For whoever opens it in a browser to see whether it is there.
async fn about<P: Provider>() -> Response {
    let text = format!("{} POST /webhooks/{}, GET /health.", purpose::<P>(), P::NAME);
    response(message(StatusCode::OK, &text))
}

/// For a path that no URI has.
pub(super) fn no_such_path() -> Response {
    response(message(StatusCode::NOT_FOUND, "no route for that path"))
}

async fn not_found(uri: Uri) -> Response {
    response(message(StatusCode::NOT_FOUND, &format!("no route for {}", uri.path())))
}

async fn wrong_method(method: Method, uri: Uri) -> Response {
    let text = format!("{method} is not allowed for {}", uri.path());
    response(message(StatusCode::METHOD_NOT_ALLOWED, &text))
}

fn response(reply: Reply) -> Response {
    let mut response = Response::new(Body::from(reply.body));
    *response.status_mut() = reply.status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(reply.content_type));
    if let Some(after) = reply.retry_after {
        let seconds = after.as_secs().saturating_add(u64::from(after.subsec_nanos() > 0)).max(1);
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}
