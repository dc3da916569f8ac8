//! Lambda's side of a function, on loopback.
//!
//! [`RuntimeApi`] speaks the HTTP interface that a custom runtime polls
//! (<https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>), [`Function`] runs a bootstrap binary against
//! it, and [`Server`] runs the same binary without Lambda.

mod function;
mod process;
mod server;

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

pub use function::Function;
pub use process::Exit;
pub use server::Server;

use crate::send::since_1970;

/// How long an event waits for a function to ask for it. Lambda gives a function 10 seconds to start.
const ASK_LIMIT: Duration = Duration::from_secs(60);
const PREFIX: &str = "/2018-06-01/runtime/";
/// Request ids count up from here: UUIDs in form, the same in every run.
const FIRST_ID: (u64, u64) = (0x0000_0000_0000_4000, 0x8000_0000_0000_0000);
const FUNCTION_ARN: &str = "arn:aws:lambda:eu-central-1:123456789012:function:emulated";

/// Serves one function on a port of its own, and stops when dropped.
pub struct RuntimeApi {
    address: SocketAddr,
    shared: Arc<Shared>,
    _server: JoinSet<()>,
}

/// What the function made of an event.
#[derive(Debug, Clone, PartialEq)]
pub enum Invocation {
    /// What its caller gets.
    Response(Value),
    /// `errorType` and `errorMessage`: the invocation failed, the function goes on.
    Error(Value),
}

/// Why there is neither a response nor an error.
#[derive(Debug, thiserror::Error)]
pub enum InvokeError {
    /// Nothing polls at the address, or the function hangs before it is ready.
    #[error("no function asked for an event within {} s", ASK_LIMIT.as_secs())]
    NotAsked,
    /// Lambda kills the function at this point; here it goes on, and its late answer is refused.
    #[error("the function did not answer within {0:?}")]
    TimedOut(Duration),
    /// The function answered something that its caller cannot read.
    #[error("the answer of the function is not JSON: {0}")]
    NotJson(String),
    /// The function reported that it cannot start.
    #[error("the function could not start: {0}")]
    Init(Value),
    /// The process is gone; only a [`Function`] can tell.
    #[error("the function ended; it wrote:\n{logs}")]
    Exited {
        /// All that it wrote.
        logs: String,
    },
}

type Answer = Result<Invocation, InvokeError>;

struct Shared {
    offers: mpsc::UnboundedSender<Offer>,
    /// Behind an async lock: whoever polls holds it until there is an event.
    waiting: tokio::sync::Mutex<mpsc::UnboundedReceiver<Offer>>,
    handed_out: Mutex<HashMap<String, oneshot::Sender<Answer>>>,
    phase: watch::Sender<Phase>,
    invocations: AtomicU64,
}

#[derive(Default)]
struct Phase {
    asked: bool,
    init_error: Option<Value>,
}

struct Offer {
    event: String,
    timeout: Duration,
    taken: oneshot::Sender<()>,
    answer: oneshot::Sender<Answer>,
}

impl RuntimeApi {
    /// Listens on a free port of 127.0.0.1.
    pub async fn start() -> io::Result<RuntimeApi> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (offers, waiting) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            offers,
            waiting: tokio::sync::Mutex::new(waiting),
            handed_out: Mutex::default(),
            phase: watch::Sender::default(),
            invocations: AtomicU64::new(0),
        });
        let mut server = JoinSet::new();
        server.spawn(serve(listener, Arc::clone(&shared)));
        Ok(RuntimeApi { address, shared, _server: server })
    }

    /// `127.0.0.1:PORT`, the value for `AWS_LAMBDA_RUNTIME_API`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Waits up to a minute for the function to ask, then `timeout` for its answer. The deadline that the
    /// function is told is `timeout` after it asked.
    pub async fn invoke(&self, event: &Value, timeout: Duration) -> Answer {
        let (taken, is_taken) = oneshot::channel();
        let (answer, answered) = oneshot::channel();
        let offer = Offer { event: event.to_string(), timeout, taken, answer };
        self.shared.offers.send(offer).expect("the receiver lives as long as the sender");
        let exchange = async {
            if tokio::time::timeout(ASK_LIMIT, is_taken).await.is_err() {
                return Err(InvokeError::NotAsked);
            }
            match tokio::time::timeout(timeout, answered).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(_)) => unreachable!("an answer is kept until it is given"),
                Err(_) => Err(InvokeError::TimedOut(timeout)),
            }
        };
        tokio::select! {
            biased;
            answer = exchange => answer,
            error = self.init_failed() => Err(InvokeError::Init(error)),
        }
    }

    /// Resolves when the function has asked for its first event: its cold start is over.
    pub async fn ready(&self) {
        let mut phase = self.shared.phase.subscribe();
        phase.wait_for(|phase| phase.asked).await.expect("the sender lives as long as self");
    }

    /// What the function reported to `init/error`, if it did.
    pub fn init_error(&self) -> Option<Value> {
        self.shared.phase.borrow().init_error.clone()
    }

    async fn init_failed(&self) -> Value {
        let mut phase = self.shared.phase.subscribe();
        let failed = phase.wait_for(|phase| phase.init_error.is_some()).await;
        let failed = failed.expect("the sender lives as long as self");
        failed.init_error.clone().unwrap_or_default()
    }
}

/// Connections live in the task that accepts them, so that all end when it is aborted.
async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                let shared = Arc::clone(&shared);
                connections.spawn(async move {
                    let service = service_fn(move |request| answer(Arc::clone(&shared), request));
                    // A function that goes away in the middle of a poll is none of our errors.
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn answer(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        return Ok(refusal(StatusCode::BAD_REQUEST, "InvalidRequest", "body cut short"));
    };
    let body = body.to_bytes();
    let path = head.uri.path().strip_prefix(PREFIX).unwrap_or_default();
    let parts: Vec<&str> = path.split('/').collect();
    Ok(match (&head.method, parts.as_slice()) {
        (&Method::GET, ["invocation", "next"]) => shared.next().await,
        (&Method::POST, ["invocation", id, "response"]) => {
            shared.settle(id, json_of(&body).map(Invocation::Response))
        }
        (&Method::POST, ["invocation", id, "error"]) => {
            shared.settle(id, json_of(&body).map(Invocation::Error))
        }
        (&Method::POST, ["init", "error"]) => {
            let error = json_of(&body).unwrap_or_else(|error| json!(error.to_string()));
            shared.phase.send_modify(|phase| phase.init_error = Some(error));
            accepted()
        }
        _ => refusal(StatusCode::NOT_FOUND, "NotFound", "no such operation of the Runtime API"),
    })
}

impl Shared {
    async fn next(&self) -> Response<Full<Bytes>> {
        self.phase.send_modify(|phase| phase.asked = true);
        let mut waiting = self.waiting.lock().await;
        loop {
            let offer = waiting.recv().await.expect("the sender lives as long as the receiver");
            // Its caller gave up meanwhile.
            if offer.taken.send(()).is_err() {
                continue;
            }
            let number = self.invocations.fetch_add(1, Ordering::Relaxed) + 1;
            let id = uuid::Uuid::from_u64_pair(FIRST_ID.0, FIRST_ID.1 + number).to_string();
            let deadline_ms = (since_1970() + offer.timeout).as_millis();
            self.handed_out.lock().expect("no panic holds it").insert(id.clone(), offer.answer);
            return Response::builder()
                .header("Content-Type", "application/json")
                .header("Lambda-Runtime-Aws-Request-Id", id)
                .header("Lambda-Runtime-Deadline-Ms", deadline_ms.to_string())
                .header("Lambda-Runtime-Invoked-Function-Arn", FUNCTION_ARN)
                .header(
                    "Lambda-Runtime-Trace-Id",
                    "Root=1-6a450140-0123456789abcdef01234567;Parent=0123456789abcdef;Sampled=0",
                )
                .body(Full::new(Bytes::from(offer.event)))
                .expect("ids and digits are valid headers");
        }
    }

    /// An answer counts once, and only while somebody waits for it.
    fn settle(&self, id: &str, answer: Answer) -> Response<Full<Bytes>> {
        let waiting = self.handed_out.lock().expect("no panic holds it").remove(id);
        match waiting.map(|waiting| waiting.send(answer)) {
            Some(Ok(())) => accepted(),
            Some(Err(_)) | None => {
                refusal(StatusCode::BAD_REQUEST, "InvalidRequestID", "nobody waits for this id")
            }
        }
    }
}

fn json_of(body: &Bytes) -> Result<Value, InvokeError> {
    serde_json::from_slice(body)
        .map_err(|_| InvokeError::NotJson(String::from_utf8_lossy(body).into_owned()))
}

fn accepted() -> Response<Full<Bytes>> {
    reply(StatusCode::ACCEPTED, &json!({"status": "OK"}))
}

fn refusal(status: StatusCode, kind: &str, message: &str) -> Response<Full<Bytes>> {
    reply(status, &json!({"errorType": kind, "errorMessage": message}))
}

fn reply(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests;
