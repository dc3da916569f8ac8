//! `devkit compare`: plays situations that vendors meet against any server, and compares the licenses that it leaves in the
//! Cryptlex sandbox with those that were paid for.

pub mod catalog;
mod deliver;
mod fresh;
pub mod judge;
mod page;
mod play;
mod rehearsal;
mod results;
mod situation;
mod table;
mod target;
#[cfg(test)]
mod tests;

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use self::fresh::Tag;
use self::target::url_for;
use crate::sandbox::{Sandbox, Settings};
use crate::send::now_unix;
use crate::sign::Provider;

pub use self::page::tables;
pub use self::rehearsal::rehearse;
pub use self::results::{ResultOf, Results};
pub use self::situation::{Delivery, Orders, Signature, Situation, situations};
pub use self::target::{Target, TargetError};

/// Arguments of `devkit compare`.
#[derive(Debug, Clone, clap::Args)]
pub struct CompareArgs {
    /// Where the server takes webhooks: a URL, or one per provider as in stripe=http://127.0.0.1:3000/v2. `stripe-unnamed` is for
    /// bodies that name no product. Without any, what to start the server with is printed.
    #[arg(long)]
    pub url: Vec<Target>,
    /// Only the situations of this provider
    #[arg(long)]
    pub provider: Vec<Provider>,
    /// Only the situations of which this is the name, or a part of it
    #[arg(long)]
    pub only: Vec<String>,
    /// Where the Cryptlex sandbox listens
    #[arg(long, default_value = "127.0.0.1:4000")]
    pub listen: SocketAddr,
    /// Seconds to wait for the server
    #[arg(long, default_value_t = 60)]
    pub wait: u64,
    /// What the server is called in the results
    #[arg(long, default_value = "the server")]
    pub name: String,
    /// Its version, and how it was obtained
    #[arg(long, default_value = "")]
    pub about: String,
    /// File for the results as JSON
    #[arg(long)]
    pub json: Option<PathBuf>,
    /// File for the results as a table in Markdown
    #[arg(long)]
    pub markdown: Option<PathBuf>,
}

/// Why nothing was compared.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// The port is taken, for instance.
    #[error(
        "the sandbox cannot listen on {listen}: {reason}. Stop another sandbox, or name another address with --listen"
    )]
    Sandbox {
        /// Where it should.
        listen: SocketAddr,
        /// What the operating system said.
        reason: io::Error,
    },
    /// A name that is misspelt.
    #[error("no situation has {0:?} in its name; devkit compare --help")]
    NoSituation(String),
    /// The server cannot be compared.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The results.
    #[error("{target} cannot be written: {reason}")]
    Unwritable {
        /// A file, or `stdout`.
        target: String,
        /// What the operating system said.
        reason: io::Error,
    },
}

/// Prints what came out; `false` when something was not right.
pub async fn run(args: &CompareArgs) -> Result<bool, CompareError> {
    let sandbox_url = format!("http://{}", args.listen);
    let exports = target::exports(&sandbox_url);
    if args.url.is_empty() {
        say(&format!(
            "# Start the server that you want to compare with these variables, then: devkit compare --url http://..\n{exports}"
        ))?;
        return Ok(true);
    }
    let chosen = chosen(args)?;
    let started = Sandbox::start_on(args.listen, Settings::default()).await;
    let sandbox =
        started.map_err(|reason| CompareError::Sandbox { listen: args.listen, reason })?;
    say(&format!("{exports}\n"))?;

    let patience =
        Patience { start: Duration::from_secs(args.wait), pause: Duration::from_millis(100) };
    let now = now_unix();
    let run = format!("{now:x}");
    let mut results = compare(&sandbox, &chosen, &args.url, &run, patience).await?;
    results.server.clone_from(&args.name);
    results.about.clone_from(&args.about);
    results.played = Timestamp::from_second(now).unwrap_or_default().strftime("%F").to_string();
    say(&format!("{}\n{}", table::for_a_terminal(&chosen, &results), results.summary()))?;
    if let Some(file) = &args.json {
        write(file, &results.write())?;
    }
    if let Some(file) = &args.markdown {
        write(file, &table::for_a_page(&chosen, std::slice::from_ref(&results)))?;
    }
    Ok(results.is_right())
}

/// How long a server is waited for.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Until it listens.
    pub start: Duration,
    /// Without a call of it, after an event that it refused.
    pub pause: Duration,
}

/// Plays situations, one after the other. `run` is in every id, so it must differ from that of every earlier run against the same
/// server; letters and digits.
pub async fn compare(
    sandbox: &Sandbox,
    situations: &[Situation],
    targets: &[Target],
    run: &str,
    patience: Patience,
) -> Result<Results, TargetError> {
    let mut number = 0;
    let mut tag = || {
        number += 1;
        Tag::new(run, number)
    };
    let mut probed: Vec<&str> = Vec::new();
    for situation in situations {
        let url = url_for(targets, situation).ok_or(TargetError::None(situation.provider))?;
        if !probed.contains(&url) {
            sandbox.reset();
            target::probe(sandbox, url, situation.provider, &tag(), patience.start).await?;
            probed.push(url);
        }
    }
    let mut results = Results {
        server: String::new(),
        about: String::new(),
        played: String::new(),
        situations: [].into(),
    };
    for situation in situations {
        let url = url_for(targets, situation).ok_or(TargetError::None(situation.provider))?;
        let played = play::play(sandbox, situation, url, &tag(), patience.pause).await;
        if let Some(reason) = played.silent {
            let (url, situation) = (url.to_owned(), situation.name.clone());
            return Err(TargetError::Stopped { url, situation, reason });
        }
        results.situations.insert(situation.name.clone(), ResultOf::from(&played));
    }
    Ok(results)
}

fn chosen(args: &CompareArgs) -> Result<Vec<Situation>, CompareError> {
    let mut all = situations();
    if !args.provider.is_empty() {
        all.retain(|situation| args.provider.contains(&situation.provider));
    }
    for part in &args.only {
        if !all.iter().any(|situation| situation.name.contains(part)) {
            return Err(CompareError::NoSituation(part.clone()));
        }
    }
    if !args.only.is_empty() {
        all.retain(|situation| args.only.iter().any(|part| situation.name.contains(part)));
    }
    Ok(all)
}

fn say(text: &str) -> Result<(), CompareError> {
    let unwritable = |reason| CompareError::Unwritable { target: "stdout".to_owned(), reason };
    writeln!(io::stdout(), "{text}").map_err(unwritable)
}

fn write(file: &Path, text: &str) -> Result<(), CompareError> {
    let target = || file.display().to_string();
    std::fs::write(file, text)
        .map_err(|reason| CompareError::Unwritable { target: target(), reason })
}
