//! Logs: JSON lines in Lambda, readable lines in a terminal.
//!
//! What may stand in them: event, subject, license and user ids, types, statuses, durations. Never a body, a
//! signature, a secret, a token, a license key or an e-mail address; `tests/it/leaks.rs` and the hosts' tests look.

use tracing::{Level, Metadata};
use tracing_subscriber::filter::{EnvFilter, filter_fn};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

/// Installs the subscriber. `filter` is the value of `RUST_LOG`; without one, `info` of this project.
pub fn install(json: bool, filter: Option<&str>) {
    let filter = filter.and_then(|filter| filter.parse::<EnvFilter>().ok());
    let filter = filter.unwrap_or_else(|| EnvFilter::new("warn,webhook_core=info"));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match json {
        true => {
            lines.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed()
        }
        false => lines.with_ansi(false).with_target(false).boxed(),
    };
    let subscriber =
        tracing_subscriber::registry().with(filter).with(filter_fn(may_speak)).with(lines);
    if subscriber.try_init().is_err() {
        tracing::debug!("a subscriber is installed already");
    }
}

/// Libraries warn at most, whatever `RUST_LOG` says: below that `lambda_runtime` logs whole events.
fn may_speak(metadata: &Metadata<'_>) -> bool {
    let ours = metadata.target().split("::").next() == Some("webhook_core");
    ours || *metadata.level() <= Level::WARN
}
