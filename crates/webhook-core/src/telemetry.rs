//! Logs: JSON lines in Lambda, readable lines in a terminal.
//!
//! What may stand in them: event, subject, license and user ids, types, statuses, durations. Never a body, a
//! signature, a secret, a token, a license key or an e-mail address; `tests/it/leaks.rs` looks.

use tracing_subscriber::EnvFilter;

/// Installs the subscriber. `filter` is the value of `RUST_LOG`; without one, `info` of this project.
pub fn install(json: bool, filter: Option<&str>) {
    let default = "warn,webhook_core=info";
    let filter = filter.and_then(|filter| filter.parse::<EnvFilter>().ok());
    let filter = filter.unwrap_or_else(|| EnvFilter::new(default));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let installed = match json {
        true => subscriber
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .try_init(),
        false => subscriber.with_ansi(false).with_target(false).try_init(),
    };
    if installed.is_err() {
        tracing::debug!("a subscriber is installed already");
    }
}
