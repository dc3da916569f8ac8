//! The HTTP server: for containers, laptops and tests.
//!
//! hyper reads headers in time and ends connections. What must not run out are connections, counted by source: tower's
//! limits count requests, of all sources together.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use http::header::CONNECTION;
use http::{HeaderValue, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tower_service::Service as _;

use super::Fatal;
use super::places::Places;
use crate::domain::contracts;
use crate::execute::delivery::Service;
use crate::infra::config::Problem;
use crate::infra::metrics::Numbers;
use crate::providers::Provider;

/// Below the thousand open files that many systems allow a process, with room for the calls that deliveries make.
const MOST_CONNECTIONS: u32 = 512;
/// For the last bytes of an answer on their way to whoever asked.
const FLUSHED_WITHIN: Duration = Duration::from_secs(2);
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
        port.parse().map_err(|_not_a_port| "PORT must be 0 to 65535. 0 takes any free port")?;
    let address = format!("{host}:{port}");
    let listener = TcpListener::bind(&address).await.map_err(|e| {
        format!("cannot listen on {address}: {e}. PORT and HOST say where to listen")
    })?;
    // Before anybody hears of the server: a signal that comes too early would end it on the spot.
    let told_to_stop = stop_signal()?;
    tracing::info!("{}", contracts::listening(listener.local_addr()?));
    if let Some(numbers) = numbers {
        tokio::spawn(every_minute(numbers));
    }
    tokio::spawn(Arc::clone(service).work(told_to_stop.clone()));
    let places = Places::of(MOST_CONNECTIONS, service.limits());
    let connections = Connections::of(router, places, HEADERS_WITHIN, service.deadline());
    tokio::select! {
        () = connections.serve(listener, &told_to_stop) => {}
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
    places: Places,
    /// How long a connection on which a request was begun may take to its end: body and work, and the answer's way out.
    closes_within: Duration,
}

impl Connections {
    fn of(
        router: Router,
        places: Places,
        headers_within: Duration,
        answered_within: Duration,
    ) -> Self {
        let mut protocol = http1::Builder::new();
        protocol
            .timer(TokioTimer::new())
            .header_read_timeout(headers_within)
            .max_buf_size(MOST_HEADER_BYTES);
        let closes_within = answered_within + FLUSHED_WITHIN;
        Self { router, protocol, places, closes_within }
    }

    /// Until it is told to stop, and every request that was begun is answered.
    async fn serve(&self, listener: TcpListener, told_to_stop: &watch::Receiver<bool>) {
        tokio::select! {
            () = self.accept(&listener, told_to_stop) => {}
            () = heard(told_to_stop.clone()) => {}
        }
        drop(listener);
        self.places.all_free().await;
    }

    async fn accept(&self, listener: &TcpListener, told_to_stop: &watch::Receiver<bool>) {
        while let Some(free) = self.places.free().await {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    // Closed unread, if it has no place.
                    let Some(place) = self.places.taken_by(peer.ip(), free) else { continue };
                    let connection = self.connection(stream, peer, told_to_stop.clone());
                    tokio::spawn(async move {
                        connection.await;
                        drop(place);
                    });
                }
                // Whoever was about to connect went away.
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::error!("New connections cannot be accepted: {error}");
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
        let (router, pressure) = (self.router.clone(), self.places.pressure());
        let begun = Arc::new(AtomicBool::new(false));
        let begins = Arc::clone(&begun);
        let answer = service_fn(move |mut request: Request<Incoming>| {
            begins.store(true, Ordering::Relaxed);
            request.extensions_mut().insert(ConnectInfo(peer));
            let (answer, pressure) = (router.clone().call(request), pressure.clone());
            async move {
                let mut answer = answer.await;
                // Whoever was answered makes room for those who were not.
                if let (Ok(answer), true) = (&mut answer, pressure.is_high()) {
                    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                answer
            }
        });
        let served = self.protocol.serve_connection(TokioIo::new(stream), answer);
        let closes_within = self.closes_within;
        async move {
            let mut served = pin!(served);
            let closes = async {
                tokio::time::timeout(LIVES, heard(told_to_stop)).await.ok();
            };
            let ended = tokio::select! {
                // What has arrived is read before anything else is decided, so that nobody is cut off unheard for it.
                biased;
                ended = served.as_mut() => ended,
                () = closes => match begun.load(Ordering::Relaxed) {
                    true => {
                        served.as_mut().graceful_shutdown();
                        // Whoever has not read the answer by then never will; the delivery itself goes on.
                        tokio::time::timeout(closes_within, served).await.unwrap_or(Ok(()))
                    }
                    // No whole request came: there is nobody to answer, and nothing was begun.
                    false => Ok(()),
                },
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
        tracing::warn!("Signals of the system cannot be received: the server stops");
    }
}

#[cfg(test)]
mod tests;
