//! HTTP/1.1 on hyper itself: a service that returns an error closes the connection without an answer, which is how
//! answers get lost.

use std::{
    fmt,
    sync::{Arc, Mutex},
};

use http::{Response, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::Instant,
};

use super::{
    admin,
    door::{Admission, Gate},
    origin::{self, Scope},
    page,
    reply::{Refusal, Reply},
    request::Request,
    state::{Outcome, State},
};

/// How many bytes the body of a request to the sandbox itself has at most.
const LARGEST_CONTROL: usize = 64 * 1024;

/// Accepts connections and counts those that are open, until the task that runs this is aborted; they end with it.
pub(super) async fn run(
    listener: TcpListener,
    state: Arc<Mutex<State>>,
    gate: Option<Arc<Gate>>,
    open: watch::Sender<usize>,
) {
    let scope = Scope::of(&listener);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            // A connection that could not be accepted is the client's to notice.
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                open.send_modify(|open| *open += 1);
                connections.spawn(serve_connection(stream, Arc::clone(&state), gate.clone(), scope));
            },
            Some(_) = connections.join_next() => open.send_modify(|open| *open -= 1),
        }
    }
}

async fn serve_connection(
    stream: TcpStream,
    state: Arc<Mutex<State>>,
    gate: Option<Arc<Gate>>,
    scope: Scope,
) {
    // Without it small answers may wait for the client's acknowledgement of the one before.
    stream.set_nodelay(true).ok();
    let service = service_fn(|request| respond(request, &state, gate.as_deref(), scope));
    // An error here is a closed connection: ours on purpose, or the client's. A client's ends what it waits for, too.
    http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
}

async fn respond(
    request: http::Request<Incoming>,
    state: &Mutex<State>,
    gate: Option<&Gate>,
    scope: Scope,
) -> Result<Response<Full<Bytes>>, Dropped> {
    let (parts, body) = request.into_parts();
    let mut request = Request::new(&parts);
    if request.is_for_people() {
        if !origin::is_own(&parts, scope) {
            return Ok(response(Refusal::foreign().into()));
        }
        request.body = match Limited::new(body, LARGEST_CONTROL).collect().await {
            Ok(body) => body.to_bytes().to_vec(),
            Err(error) if error.is::<LengthLimitError>() => {
                return Ok(response(Refusal::too_large(LARGEST_CONTROL).into()));
            }
            Err(_) => return Err(Dropped),
        };
        let reply = match request.segments == [""] {
            true => page::answer(&lock(state), &parts.headers),
            false => admin::answer(&mut lock(state), &request),
        };
        return Ok(response(reply));
    }
    request.body = body.collect().await.map_err(|_| Dropped)?.to_bytes().to_vec();
    let (outcome, handed) = match gate {
        None => (lock(state).handle(request), None),
        Some(gate) => {
            let Admission { outcome, handed } = gate.pass(request).await.ok_or(Dropped)?;
            (outcome, Some(handed))
        }
    };
    match outcome {
        Outcome::Answered { reply, wait } => {
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
            Ok(response(reply))
        }
        Outcome::Dropped => Err(Dropped),
        Outcome::Hung => {
            drop(handed);
            std::future::pending().await
        }
    }
}

/// The state as of now, also after a panic of a test that held it: the test has failed already.
pub(super) fn lock(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    let mut state = state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    state.deliveries.expire(Instant::now());
    state
}

fn response(reply: Reply) -> Response<Full<Bytes>> {
    let mut response = Response::builder().status(reply.status);
    if !reply.content_type.is_empty() {
        response = response.header(CONTENT_TYPE, reply.content_type);
    }
    for (name, value) in reply.headers {
        response = response.header(name, value);
    }
    let body = Full::new(Bytes::from(reply.body));
    response.body(body).expect("statuses are numbers of HTTP and headers are ASCII")
}

/// The answer that is none.
#[derive(Debug)]
struct Dropped;

impl fmt::Display for Dropped {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the connection is closed without an answer")
    }
}

impl std::error::Error for Dropped {}
