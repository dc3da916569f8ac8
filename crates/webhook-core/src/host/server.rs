//! The HTTP server: for containers, laptops and tests.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, watch};
use tower_service::Service as _;

use super::Fatal;
use crate::config::Problem;
use crate::measure::Numbers;
use crate::provider::Provider;
use crate::service::Service;

/// Below the thousand open files that many systems allow a process, with room for the calls that deliveries make.
const MOST_CONNECTIONS: u32 = 512;
/// For a request's headers, and between one request and the next.
const HEADERS_WITHIN: Duration = Duration::from_secs(10);
/// Then it is closed once its request is answered: a client that never reads must not hold its place for ever.
const LIVES: Duration = Duration::from_secs(60);
/// Some times what a provider sends.
const MOST_HEADER_BYTES: usize = 32 * 1024;

/// Serves on `HOST:PORT` (127.0.0.1:3000 unless set) until SIGTERM or ctrl-c; then it finishes what it has begun.
pub(super) async fn run<P: Provider>(
    service: &Arc<Service<P>>,
    router: Router,
    numbers: Option<Numbers>,
    read: &(dyn Fn(&str) -> Option<String> + Send + Sync),
) -> Result<(), Fatal> {
    let host = given("HOST", read)?.unwrap_or_else(|| "127.0.0.1".to_owned());
    let port = given("PORT", read)?.unwrap_or_else(|| "3000".to_owned());
    let port: u16 =
        port.parse().map_err(|_not_a_port| "PORT must be 0 to 65535; 0 takes any free port")?;
    let address = format!("{host}:{port}");
    let listener = TcpListener::bind(&address)
        .await
        .map_err(|e| format!("cannot listen on {address}: {e}"))?;
    // Before anybody hears of the server: a signal that comes too early would end it on the spot.
    let told_to_stop = stop_signal()?;
    tracing::info!("listening on http://{}", listener.local_addr()?);
    if let Some(numbers) = numbers {
        tokio::spawn(every_minute(numbers));
    }
    tokio::spawn(Arc::clone(service).work(told_to_stop.clone()));
    let connections = Connections::of(router, MOST_CONNECTIONS, HEADERS_WITHIN, service.deadline());
    let overdue = async {
        heard(told_to_stop.clone()).await;
        // A connection that never sends a whole request must not keep the process alive.
        tokio::time::sleep(service.deadline()).await;
    };
    tokio::select! {
        () = connections.serve(listener, &told_to_stop) => {}
        () = overdue => {}
        () = service.watch() => {}
    }
    service.finish().await;
    tracing::info!("stopped");
    Ok(())
}

/// A file that is named and cannot be read must not be the same as none: it would listen where nobody asks.
fn given(
    name: &str,
    read: &(dyn Fn(&str) -> Option<String> + Send + Sync),
) -> Result<Option<String>, Problem> {
    let text = |name: &str| {
        read(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    };
    let (value, file) = (text(name), format!("{name}_FILE"));
    match value.is_none() && text(&file).is_some() {
        true => Err(Problem::NoFile(file)),
        false => Ok(value),
    }
}

/// HTTP/1.1 connections: so many at once, the others wait in the kernel's queue.
struct Connections {
    router: Router,
    protocol: http1::Builder,
    most: u32,
    places: Arc<Semaphore>,
    answered_within: Duration,
}

impl Connections {
    fn of(router: Router, most: u32, headers_within: Duration, answered_within: Duration) -> Self {
        let mut protocol = http1::Builder::new();
        protocol
            .timer(TokioTimer::new())
            .header_read_timeout(headers_within)
            .max_buf_size(MOST_HEADER_BYTES);
        let places = Semaphore::new(usize::try_from(most).unwrap_or(usize::MAX));
        let places = Arc::new(places);
        Self { router, protocol, most, places, answered_within }
    }

    /// Until it is told to stop, and every request that was begun is answered.
    async fn serve(&self, listener: TcpListener, told_to_stop: &watch::Receiver<bool>) {
        tokio::select! {
            () = self.accept(&listener, told_to_stop) => {}
            () = heard(told_to_stop.clone()) => {}
        }
        drop(listener);
        // All places are free again. It cannot fail: nobody closes them.
        self.places.acquire_many(self.most).await.ok();
    }

    async fn accept(&self, listener: &TcpListener, told_to_stop: &watch::Receiver<bool>) {
        while let Ok(place) = Arc::clone(&self.places).acquire_owned().await {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let connection = self.connection(stream, peer, told_to_stop.clone());
                    tokio::spawn(async move {
                        connection.await;
                        drop(place);
                    });
                }
                // Whoever was about to connect went away.
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::error!("cannot accept connections: {error}");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }

    fn connection(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        told_to_stop: watch::Receiver<bool>,
    ) -> impl Future<Output = ()> + Send + 'static {
        let router = self.router.clone();
        let answer = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            router.clone().call(request)
        });
        let served = self.protocol.serve_connection(TokioIo::new(stream), answer);
        let answered_within = self.answered_within;
        async move {
            let mut served = pin!(served);
            let closes = async {
                tokio::time::timeout(LIVES, heard(told_to_stop)).await.ok();
            };
            let ended = tokio::select! {
                ended = served.as_mut() => ended,
                () = closes => {
                    served.as_mut().graceful_shutdown();
                    // Whoever has not read his answer by then never will; the delivery itself goes on.
                    tokio::time::timeout(answered_within, served).await.unwrap_or(Ok(()))
                }
            };
            if let Err(error) = ended {
                tracing::debug!("a connection of {peer} ended: {error}");
            }
        }
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    let kinds = [
        io::ErrorKind::ConnectionRefused,
        io::ErrorKind::ConnectionAborted,
        io::ErrorKind::ConnectionReset,
    ];
    kinds.contains(&error.kind())
}

async fn every_minute(numbers: Numbers) {
    let mut minutes = tokio::time::interval(Duration::from_secs(60));
    loop {
        minutes.tick().await;
        if let Some(summary) = numbers.summary() {
            tracing::info!("Numbers of the last minute: {summary}");
        }
    }
}

/// Turns true at SIGTERM or ctrl-c.
fn stop_signal() -> io::Result<watch::Receiver<bool>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (tell, told) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tell.send_replace(true);
    });
    Ok(told)
}

async fn heard(mut told: watch::Receiver<bool>) {
    // An error means that nobody can tell any more; that is as good as told.
    if told.wait_for(|stop| *stop).await.is_err() {
        tracing::warn!("signals are not heard any more: stopping");
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::{get, post};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// A server with two places, where it listens, and what tells it to stop.
    async fn server(
        router: Router,
        headers_within: Duration,
    ) -> (SocketAddr, watch::Sender<bool>, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, told) = watch::channel(false);
        let connections = Connections::of(router, 2, headers_within, Duration::from_secs(60));
        let serving = tokio::spawn(async move { connections.serve(listener, &told).await });
        (address, tell, serving)
    }

    fn health() -> Router {
        Router::new().route("/health", get(|| async { "fine" }))
    }

    async fn told(address: SocketAddr, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.ok();
        String::from_utf8_lossy(&answer).into_owned()
    }

    const ASK: &[u8] = b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

    #[test]
    fn a_file_that_cannot_be_read_is_no_default() {
        let read = |name: &str| match name {
            "HOST" => Some(" ::1\n".to_owned()),
            "PORT_FILE" => Some("/nowhere".to_owned()),
            _ => None,
        };
        assert_eq!(given("HOST", &read), Ok(Some("::1".to_owned())));
        assert_eq!(given("OTHER", &read), Ok(None));
        let text = "the file that PORT_FILE names cannot be read, or is empty.";
        assert_eq!(given("PORT", &read).unwrap_err().to_string(), text);
    }

    #[tokio::test]
    async fn who_says_nothing_loses_his_place_to_others() {
        let (address, _tell, _serving) = server(health(), Duration::from_millis(100)).await;
        let mut silent = Vec::new();
        for text in [&b""[..], b"GET /hea", b"GET /health HTTP/1.1\r\nHost: x\r\n", b""] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(text).await.unwrap();
            silent.push(stream);
        }
        assert!(told(address, ASK).await.ends_with("fine"));
    }

    #[tokio::test]
    async fn nothing_but_http_1_is_spoken() {
        let (address, _tell, _serving) = server(health(), Duration::from_millis(100)).await;
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
        let answer = told(address, preface).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer:?}");
        let long = format!("GET /health HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(100_000));
        let answer = told(address, long.as_bytes()).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer:?}");
    }

    #[tokio::test]
    async fn what_was_begun_is_answered_after_it_was_told_to_stop() {
        let (begin, mut begun) = tokio::sync::mpsc::channel(1);
        let (go, gone) = watch::channel(false);
        let slow = post(move || async move {
            begin.send(()).await.unwrap();
            gone.clone().wait_for(|go| *go).await.unwrap();
            "done"
        });
        let router = Router::new().route("/slow", slow);
        let (address, tell, serving) = server(router, Duration::from_secs(60)).await;
        let request = b"POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";
        let waiting = tokio::spawn(async move { told(address, request).await });
        let idle = TcpStream::connect(address).await.unwrap();
        begun.recv().await.unwrap();
        tell.send_replace(true);
        assert!(!serving.is_finished());
        go.send_replace(true);
        assert!(waiting.await.unwrap().ends_with("done"));
        serving.await.unwrap();
        assert!(TcpStream::connect(address).await.is_err());
        drop(idle);
    }
}
