//! The HTTP server: for containers, laptops and tests.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;

use super::Fatal;
use crate::provider::Provider;
use crate::service::Service;

/// Serves on `HOST:PORT` (127.0.0.1:3000 unless set) until SIGTERM or ctrl-c; then it finishes what it has begun.
pub(super) async fn run<P: Provider>(
    service: &Service<P>,
    router: Router,
    read: &impl Fn(&str) -> Option<String>,
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
    tracing::info!("listening on http://{}", listener.local_addr()?);
    let routes = router.into_make_service_with_connect_info::<SocketAddr>();
    let served = axum::serve(listener, routes).with_graceful_shutdown(told_to_stop());
    // A connection that never sends a whole request must not keep the process alive.
    tokio::select! {
        served = served.into_future() => served?,
        () = too_long_after_the_signal(service.deadline()) => {}
    }
    service.finish().await;
    tracing::info!("stopped");
    Ok(())
}

async fn too_long_after_the_signal(deadline: Duration) {
    told_to_stop().await;
    tokio::time::sleep(deadline).await;
}

async fn told_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
