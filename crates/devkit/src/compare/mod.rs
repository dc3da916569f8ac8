//! `devkit compare`: plays situations that vendors meet against any server, and compares the licenses that it leaves in the
//! Cryptlex sandbox with those that were paid for.

pub mod catalog;
mod deliver;
mod fresh;
pub mod judge;
mod pace;
mod page;
mod play;
mod rehearsal;
mod results;
mod situation;
mod table;
mod target;
#[cfg(test)]
mod tests;
mod words;

use std::fs::File;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use self::fresh::Tag;
use self::judge::Outcome;
use self::pace::Pace;
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
    /// Seconds to wait until the server listens, and at most until it is quiet after a delivery
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(0..=600))]
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
    /// Its variables cannot be printed.
    #[error("--listen {0} has no port yet: name one, or give --url")]
    NoPort(SocketAddr),
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
    if args.url.is_empty() && args.listen.port() == 0 {
        return Err(CompareError::NoPort(args.listen));
    }
    if args.url.is_empty() {
        say(&format!(
            "# Start the server that you want to compare with these variables, then: devkit compare --url http://..\n{}",
            target::exports(&format!("http://{}", args.listen))
        ))?;
        return Ok(true);
    }
    let chosen = chosen(args)?;
    let json = args.json.as_deref().map(Output::open).transpose()?;
    let markdown = args.markdown.as_deref().map(Output::open).transpose()?;
    let started = Sandbox::start_on(args.listen, Settings::default()).await;
    let sandbox =
        started.map_err(|reason| CompareError::Sandbox { listen: args.listen, reason })?;
    say(&format!("{}\n", target::exports(&sandbox.url())))?;

    let wait = Duration::from_secs(args.wait);
    let patience = Patience { start: wait, pause: QUIET, most: wait };
    let now = now_unix();
    let run = format!("{now:x}");
    let Played { mut results, stopped } =
        compare(&sandbox, &chosen, &args.url, &run, patience).await?;
    results.server.clone_from(&args.name);
    results.about.clone_from(&args.about);
    results.played = Timestamp::from_second(now).unwrap_or_default().strftime("%F").to_string();
    say(&format!("{}\n{}", table::for_a_terminal(&chosen, &results), results.summary()))?;
    if let Some(file) = json {
        file.write(&results.write())?;
    }
    if let Some(file) = markdown {
        file.write(&table::for_a_page(&chosen, std::slice::from_ref(&results)))?;
    }
    stopped.map_or(Ok(results.is_right()), |why| Err(why.into()))
}

/// A server that has asked nothing for so long is done with a delivery, until it shows that it takes longer.
const QUIET: Duration = Duration::from_millis(50);

/// How often a situation is played at most, while the server turns out to work longer than it was waited for.
const MOST_PLAYS: usize = 4;

/// How long a server is waited for.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Until it listens.
    pub start: Duration,
    /// Without a call of it, after a delivery.
    pub pause: Duration,
    /// At most, after a delivery.
    pub most: Duration,
}

/// What was played.
#[derive(Debug)]
pub struct Played {
    /// As far as it went.
    pub results: Results,
    /// Why it did not go on to the end.
    pub stopped: Option<TargetError>,
}

/// Plays situations, one after the other. `run` is in every id, so it must differ from that of every earlier run against the same
/// server; letters and digits.
pub async fn compare(
    sandbox: &Sandbox,
    situations: &[Situation],
    targets: &[Target],
    run: &str,
    patience: Patience,
) -> Result<Played, TargetError> {
    let mut number = 0;
    let mut tag = || {
        number += 1;
        Tag::new(run, number)
    };
    let mut pace = Pace::new(patience.pause, patience.most);
    let mut probed: Vec<&str> = Vec::new();
    for situation in situations {
        let url = url_for(targets, situation).ok_or(TargetError::None(situation.provider))?;
        if !probed.contains(&url) {
            sandbox.reset();
            let provider = situation.provider;
            target::probe(sandbox, url, provider, &tag(), patience.start, &mut pace).await?;
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
        let mut played = play::play(sandbox, situation, url, &tag(), &mut pace).await;
        for _ in 1..MOST_PLAYS {
            let is_over =
                played.outcome == Outcome::Right || !(played.was_hurried || played.leftover > 0);
            let is_gone = played.silent.is_some() && target::is_gone(url).await;
            if is_over && !is_gone {
                break;
            }
            if played.leftover > 0 {
                pace.double();
            }
            played = play::play(sandbox, situation, url, &tag(), &mut pace).await;
            if let Some(reason) = &played.silent
                && target::is_gone(url).await
            {
                let (url, reason) = (url.to_owned(), reason.clone());
                let stopped =
                    TargetError::Stopped { url, situation: situation.name.clone(), reason };
                return Ok(Played { results, stopped: Some(stopped) });
            }
        }
        results.situations.insert(situation.name.clone(), ResultOf::from(&played));
    }
    Ok(Played { results, stopped: None })
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

/// A file for results. It is opened before anything is played, and keeps what it holds until there is something else.
struct Output<'a> {
    path: &'a Path,
    file: File,
}

impl<'a> Output<'a> {
    fn open(path: &'a Path) -> Result<Self, CompareError> {
        let opened = File::options().write(true).create(true).truncate(false).open(path);
        let file = opened.map_err(|reason| unwritable(path, reason))?;
        Ok(Self { path, file })
    }

    fn write(mut self, text: &str) -> Result<(), CompareError> {
        // A pipe has no length.
        let is_file = self.file.metadata().is_ok_and(|about| about.is_file());
        let emptied = if is_file { self.file.set_len(0) } else { Ok(()) };
        let written = emptied.and_then(|()| self.file.write_all(text.as_bytes()));
        written.map_err(|reason| unwritable(self.path, reason))
    }
}

fn unwritable(path: &Path, reason: io::Error) -> CompareError {
    CompareError::Unwritable { target: path.display().to_string(), reason }
}
