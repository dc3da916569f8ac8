//! The HTTP server: for containers, laptops and tests.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::Fatal;
use crate::measure::Numbers;
use crate::provider::Provider;
use crate::service::Service;

/// Serves on `HOST:PORT` (127.0.0.1:3000 unless set) until SIGTERM or ctrl-c; then it finishes what it has begun.
pub(super) async fn run<P: Provider>(
    service: &Service<P>,
    router: Router,
    numbers: Option<Numbers>,
    read: &(dyn Fn(&str) -> Option<String> + Send + Sync),
) -> Result<(), Fatal> {
    let given =
        |name| read(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
    let host = given("HOST").unwrap_or_else(|| "127.0.0.1".to_owned());
    let port = given("PORT").unwrap_or_else(|| "3000".to_owned());
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
    let routes = router.into_make_service_with_connect_info::<SocketAddr>();
    let served = axum::serve(listener, routes).with_graceful_shutdown(heard(told_to_stop.clone()));
    // A connection that never sends a whole request must not keep the process alive.
    let overdue = async {
        heard(told_to_stop).await;
        tokio::time::sleep(service.deadline()).await;
    };
    tokio::select! {
        served = served.into_future() => served?,
        () = overdue => {}
    }
    service.finish().await;
    tracing::info!("stopped");
    Ok(())
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
fn stop_signal() -> std::io::Result<watch::Receiver<bool>> {
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
