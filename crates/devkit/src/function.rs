//! The function of a provider as a process: its own binary, or this program where that binary is not at hand.

use std::io;
use std::path::PathBuf;

use webhook_core::http::host::{Fatal, serve};
use webhook_core::providers::{FastSpring, Paddle, Stripe};

use crate::runtime_api::Server;
use crate::sign::Provider;

/// The subcommand that makes this program a function.
const SUBCOMMAND: &str = "function";

/// Its own binary, if that lies next to this program, as it does in a checkout.
pub fn binary(provider: Provider) -> io::Result<Option<PathBuf>> {
    let binary = std::env::current_exe()?.with_file_name(provider.binary());
    Ok(Some(binary).filter(|binary| binary.is_file()))
}

/// Starts the function with these variables.
pub async fn start(provider: Provider, environment: &[(&str, &str)]) -> io::Result<Server> {
    match binary(provider)? {
        Some(binary) => Server::start(&binary, environment).await,
        None => {
            let own = std::env::current_exe()?;
            Server::start_with(&own, &[SUBCOMMAND, provider.name()], environment).await
        }
    }
}

/// Is the function, as `src/main.rs` of its crate is, until it is told to stop.
pub fn run(provider: Provider) -> Result<(), Fatal> {
    #[expect(clippy::disallowed_methods, reason = "this is where the environment comes in")]
    let read = |name: &str| std::env::var(name).ok();
    match provider {
        Provider::Stripe => serve::<Stripe>(read),
        Provider::Fastspring => serve::<FastSpring>(read),
        Provider::Paddle => serve::<Paddle>(read),
    }
}
