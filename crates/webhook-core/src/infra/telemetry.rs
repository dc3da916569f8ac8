//! Logs: JSON lines in Lambda, readable lines in a terminal.
//!
//! They may contain: event, subject, license and user ids, types, statuses, durations. Never a body, a
//! signature, a secret, a token, a license key or an e-mail address; `tests/it/leaks.rs` and the hosts' tests look.

use tracing::{Level, Metadata};
use tracing_subscriber::filter::{Targets, filter_fn};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

const DEFAULT: &str = "warn,webhook_core=info";

/// Installs the subscriber. `filter` is the value of `RUST_LOG`; without one, `info` of this project.
pub fn install(json: bool, filter: Option<&str>) {
    let wanted = wanted(filter.unwrap_or_default());
    let parsed = wanted.parse::<Targets>();
    let misspelt = parsed.is_err();
    let filter = parsed.or_else(|_misspelt| DEFAULT.parse()).unwrap_or_default();
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
    if misspelt {
        tracing::warn!(target: "webhook_core", "RUST_LOG is not a log filter, so {DEFAULT} is used. Correct it");
    }
}

/// A filter that speaks of other targets only must not silence what a person has to see.
fn wanted(filter: &str) -> String {
    let filter = filter.trim();
    let levels = ["off", "error", "warn", "info", "debug", "trace"];
    match filter {
        "" => DEFAULT.to_owned(),
        level if levels.contains(&level.to_ascii_lowercase().as_str()) => level.to_owned(),
        targets if targets.contains("webhook_core") => targets.to_owned(),
        targets => format!("{DEFAULT},{targets}"),
    }
}

/// Libraries warn at most, whatever `RUST_LOG` says: below that `lambda_runtime` logs whole events.
fn may_speak(metadata: &Metadata<'_>) -> bool {
    match metadata.target().split("::").next() {
        Some("webhook_core") => true,
        Some(_) | None => *metadata.level() <= Level::WARN,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn no_filter_silences_this_project_by_mistake() {
        for (filter, expected) in [
            ("", DEFAULT),
            (" ", DEFAULT),
            ("error", "error"),
            ("Debug", "Debug"),
            ("webhook_core=debug", "webhook_core=debug"),
            ("nonsense", "warn,webhook_core=info,nonsense"),
            ("stripe_webhook=debug", "warn,webhook_core=info,stripe_webhook=debug"),
        ] {
            assert_eq!(wanted(filter), expected);
            assert!(wanted(filter).parse::<Targets>().is_ok());
        }
    }

    struct Heard(Arc<Mutex<Vec<String>>>);

    impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Heard {
        fn on_event(
            &self,
            event: &tracing::Event<'_>,
            _: tracing_subscriber::layer::Context<'_, S>,
        ) {
            self.0.lock().unwrap().push(event.metadata().target().to_owned());
        }
    }

    #[test]
    fn libraries_log_little() {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let lines = Heard(Arc::clone(&heard));
        let subscriber = tracing_subscriber::registry().with(filter_fn(may_speak)).with(lines);
        tracing::subscriber::with_default(subscriber, || {
            tracing::trace!(target: "webhook_core::execute::delivery", "ours");
            tracing::info!(target: "lambda_runtime", "an event");
            tracing::warn!(target: "lambda_runtime::api", "a warning");
        });
        assert_eq!(
            *heard.lock().unwrap(),
            ["webhook_core::execute::delivery", "lambda_runtime::api"]
        );
    }
}
