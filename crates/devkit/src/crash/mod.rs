//! `devkit crash`: the real binaries are killed again and again while thousands of webhooks are delivered, and in the end
//! there must be exactly the licenses that were paid for.
//!
//! When a kill hits is a matter of real time and of luck; that everything is right in the end is not. An event counts as
//! done only when it was answered so, and is delivered until then.

mod body;
mod check;
mod deliver;
mod kill;
mod story;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use comfy_table::{Table, presets};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::corpus::CorpusError;
use crate::sandbox::{Sandbox, Settings};
use crate::send::since_1970;
use crate::sign::Provider;
use deliver::Delivered;
use story::Story;

/// Calls are on their way long enough to be hit by a kill.
const LATENCY_MS: u64 = 4;
/// More differences are not shown.
const MOST_SHOWN: usize = 20;

/// Arguments of `devkit crash`.
#[derive(Debug, Clone, clap::Args)]
pub struct CrashArgs {
    /// Events for each provider, a third of them duplicates
    #[arg(long, default_value_t = 1000)]
    pub events: usize,
    /// Chooses what is sold and when the servers are killed; what a kill hits varies all the same [default: by the clock]
    #[arg(long)]
    pub seed: Option<u64>,
    /// Most kills for each provider: a slow machine gets little done between two of them
    #[arg(long, default_value_t = 60)]
    pub kills: usize,
    /// Delete the ledger at every restart
    #[arg(long)]
    pub lose_ledger: bool,
    /// Only this provider
    #[arg(long)]
    pub provider: Option<Provider>,
}

/// Why it could not be carried through.
#[derive(Debug, thiserror::Error)]
pub enum CrashError {
    /// A body is missing or is not what it was.
    #[error(transparent)]
    Corpus(#[from] CorpusError),
    /// A story that the provider does not tell.
    #[error("{0}")]
    NoEvent(String),
    /// The sandbox, a server or a file.
    #[error("{what}: {reason}")]
    Io {
        /// Which.
        what: String,
        /// Why.
        reason: io::Error,
    },
    /// What happened before it did is in a folder.
    #[error("{provider}: {why}\nthe ledger and what its servers wrote: {folder}", folder = folder.display())]
    Failed {
        /// Which.
        provider: Provider,
        /// What.
        why: Box<CrashError>,
        /// Where.
        folder: PathBuf,
    },
    /// Some events never get done.
    #[error(
        "{left} deliveries were not done {secs} s after the last one that was, among them:\n{some}"
    )]
    Stuck {
        /// How many.
        left: usize,
        /// How long nothing got done.
        secs: u64,
        /// What they are and how they were answered.
        some: String,
    },
}

impl CrashError {
    fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> CrashError {
        let what = what.into();
        |reason| CrashError::Io { what, reason }
    }
}

/// Runs it for each provider and prints how it went; `false` when a license differs from what it should be.
pub async fn run(args: &CrashArgs) -> Result<bool, CrashError> {
    let seed = args.seed.unwrap_or_else(|| u64::from(since_1970().subsec_nanos()));
    let mode = match args.lose_ledger {
        true => "losing the ledger each time",
        false => "with the ledger in a file",
    };
    say(&format!("Killing the servers, {mode}; --seed {seed}"))?;
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY).set_header([
        "",
        "provider",
        "events",
        "deliveries",
        "unanswered",
        "kills, restarts",
        "calls to Cryptlex",
        "licenses expected",
        "found",
        "seconds",
    ]);
    let mut wrong = Vec::new();
    for provider in Provider::ALL {
        if args.provider.is_some_and(|only| only != provider) {
            continue;
        }
        let report = one(provider, args, seed).await?;
        table.add_row([
            if report.wrong.is_empty() { "✓" } else { "✗" }.to_owned(),
            provider.to_string(),
            report.events.to_string(),
            report.delivered.attempts.to_string(),
            report.delivered.unanswered.to_string(),
            report.kills.to_string(),
            report.calls.to_string(),
            report.expected.clone(),
            report.found.to_string(),
            format!("{:.1}", report.took.as_secs_f64()),
        ]);
        wrong.extend(report.told());
    }
    say(&table.to_string())?;
    for line in &wrong {
        say(line)?;
    }
    Ok(wrong.is_empty())
}

struct Report {
    provider: Provider,
    events: usize,
    delivered: Delivered,
    kills: usize,
    calls: usize,
    expected: String,
    found: usize,
    took: Duration,
    wrong: Vec<String>,
    folder: PathBuf,
}

impl Report {
    fn told(&self) -> Vec<String> {
        if self.wrong.is_empty() {
            return Vec::new();
        }
        let mut lines = vec![format!(
            "{}: {} differences; ledger, logs and calls are in {}",
            self.provider,
            self.wrong.len(),
            self.folder.display()
        )];
        lines.extend(self.wrong.iter().take(MOST_SHOWN).map(|line| format!("  {line}")));
        if self.wrong.len() > MOST_SHOWN {
            lines.push("  ..".to_owned());
        }
        lines
    }
}

async fn one(provider: Provider, args: &CrashArgs, seed: u64) -> Result<Report, CrashError> {
    let story = Story::make(provider, args.events, !args.lose_ledger, seed)?;
    let settings = Settings { latency_ms: LATENCY_MS, ..Settings::default() };
    let sandbox = Sandbox::start(settings).await.map_err(CrashError::io("the sandbox"))?;
    let began = Instant::now();
    let (done, progress) = watch::channel(0);
    let mut life = kill::Life::begin(provider, &sandbox, args.lose_ledger).await?;
    let url = life.url();
    // The rest is delivered in peace, so that it ends.
    let enough = story.events() * 3 / 5;
    let outcome = tokio::try_join!(
        deliver::all(provider, &story.deliveries, url, &done),
        life.kill_until(progress, enough, args.kills, seed),
    );
    let folder = life.end().await?;
    let (delivered, kills) = outcome.map_err(|error| CrashError::Failed {
        provider,
        why: Box::new(error),
        folder: folder.path.clone(),
    })?;
    let wrong = check::differences(&story, &sandbox.licenses(), &sandbox.users());
    match wrong.as_slice() {
        [] => folder.remove()?,
        [..] => folder.keep_calls(&sandbox.calls())?,
    }
    let least = story.licenses.iter().filter(|license| license.must_exist).count();
    let most = story.licenses.len();
    Ok(Report {
        provider,
        events: story.events(),
        delivered,
        kills,
        calls: sandbox.calls().len(),
        expected: if least == most { most.to_string() } else { format!("{least} to {most}") },
        found: sandbox.licenses().len(),
        took: began.elapsed(),
        wrong,
        folder: folder.path,
    })
}

fn say(line: &str) -> Result<(), CrashError> {
    writeln!(io::stdout(), "{line}").map_err(CrashError::io("stdout"))
}
