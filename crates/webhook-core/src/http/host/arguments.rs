//! The command line: what a person asks of the binary. Without arguments it serves.

use std::io::Write as _;

use super::Fatal;
use crate::http::router::purpose;
use crate::providers::Provider;

/// What the binary is to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Take webhooks.
    Serve,
    /// Ask the server in the same container how it is.
    Healthy,
    /// Say this, and nothing else.
    Say(String),
}

/// Fails for an argument that nobody knows: whoever wrote it meant something.
pub(super) fn asked<P: Provider>(
    arguments: impl IntoIterator<Item = String>,
) -> Result<Asked, Fatal> {
    let Some(first) = arguments.into_iter().next() else { return Ok(Asked::Serve) };
    match first.as_str() {
        "--healthy" => Ok(Asked::Healthy),
        "--version" | "-V" => Ok(Asked::Say(version::<P>())),
        "--help" | "-h" => Ok(Asked::Say(help::<P>())),
        unknown => Err(format!("{unknown:?} is not an option of this program: see --help").into()),
    }
}

/// `paddle-webhook 0.1.0`.
pub(super) fn version<P: Provider>() -> String {
    format!("{}-webhook {}", P::NAME, env!("CARGO_PKG_VERSION"))
}

fn help<P: Provider>() -> String {
    let (purpose, name, secret) = (purpose::<P>(), P::NAME, P::SECRET_VARIABLE);
    format!(
        "{purpose}

Usage: {name}-webhook [OPTION]

Without an option it listens on HOST:PORT (127.0.0.1:3000) and takes POST /webhooks/{name}.
GET /health says what is missing or wrong. Where AWS_LAMBDA_RUNTIME_API is set, it is a Lambda
function instead.

Options:
  --healthy      check the server on this machine; exit status 0 if it is healthy
  --version, -V  print the version
  --help, -h     print this text

Required environment variables:
  {secret}
  CRYPTLEX_ACCESS_TOKEN
  CRYPTLEX_WEB_API_BASE_URL

Optional, among others (docs/configuration.md has all):
  LEDGER_PATH    a file to remember events in; unset, a server forgets them when it stops
  HOST, PORT     where to listen
  RUST_LOG       what to log

Examples:
  LEDGER_PATH=ledger.redb {name}-webhook
  PORT=8080 {name}-webhook
  {name}-webhook --healthy && echo healthy"
    )
}

/// A reader that went away (`| head`) is no failure.
pub(super) fn say(text: &str) {
    writeln!(std::io::stdout(), "{text}").ok();
}

#[cfg(test)]
mod tests {
    use super::{Asked, asked};
    use crate::providers::{Paddle, Stripe};

    fn told<P: crate::providers::Provider>(argument: &str) -> String {
        match asked::<P>([argument.to_owned()]) {
            Ok(Asked::Say(text)) => text,
            other => panic!("{argument}: {other:?}"),
        }
    }

    #[test]
    fn arguments_are_known_or_refused_by_name() {
        assert_eq!(asked::<Stripe>([]).unwrap(), Asked::Serve);
        assert_eq!(asked::<Stripe>(["--healthy".to_owned()]).unwrap(), Asked::Healthy);
        let version = format!("paddle-webhook {}", env!("CARGO_PKG_VERSION"));
        assert_eq!([told::<Paddle>("--version"), told::<Paddle>("-V")], [version.as_str(); 2]);
        let help = told::<Stripe>("--help");
        assert!(help.contains("STRIPE_WEBHOOK_SECRET") && help == told::<Stripe>("-h"), "{help}");
        assert!(help.lines().all(|line| line.len() <= 100), "{help}");
        for wrong in ["serve", "--port", "", "--Version", "\n"] {
            let refused = asked::<Stripe>([wrong.to_owned()]).unwrap_err().to_string();
            assert_eq!(refused, format!("{wrong:?} is not an option of this program: see --help"));
        }
    }
}
