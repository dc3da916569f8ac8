//! The command line: what a person asks of the binary. Without arguments it serves.

use std::io::Write as _;

use super::Fatal;
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
        unknown => Err(format!("{unknown:?} is not an argument: see --help").into()),
    }
}

/// `paddle-webhook 0.1.0`.
pub(super) fn version<P: Provider>() -> String {
    format!("{}-webhook {}", P::NAME, env!("CARGO_PKG_VERSION"))
}

fn help<P: Provider>() -> String {
    let (version, name, title, secret) = (version::<P>(), P::NAME, P::TITLE, P::SECRET_VARIABLE);
    format!(
        "{version}: takes {title} webhooks and makes Cryptlex hold the licenses that were paid for.

Usage: {name}-webhook [--healthy | --version | --help]

Without arguments it serves HTTP on HOST:PORT (127.0.0.1:3000), or is a Lambda function
where AWS_LAMBDA_RUNTIME_API is set. It takes POST /webhooks/{name}; GET /health says what
is missing.

  --healthy  ask the server on this machine how it is: exit status 0 where it is healthy
  --version  say the version
  --help     say this

Environment (all variables: README.md):

  {secret}, CRYPTLEX_ACCESS_TOKEN, CRYPTLEX_WEB_API_BASE_URL   required
  LEDGER_PATH                                                  its memory; unset: lost when it stops
  HOST, PORT, RUST_LOG"
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
            assert_eq!(refused, format!("{wrong:?} is not an argument: see --help"));
        }
    }
}
