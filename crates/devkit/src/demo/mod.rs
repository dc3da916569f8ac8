//! The main job on one screen: each provider's story is delivered to the real functions. After each step one sees what was
//! delivered, what was answered, and which licenses there are now.

mod holding;
mod picture;
mod stories;
mod table;

use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

use crate::corpus::{CorpusError, case};
use crate::function;
use crate::runtime_api::Server;
use crate::sandbox::{ACCESS_TOKEN, Announcement, Sandbox, Settings, catalogue};
use crate::send::{SendError, now_unix, post};
use crate::sign::Provider;

use holding::Holding;
use picture::Picture;
use stories::Step;
use table::{Columns, Row};

/// Long enough to see on the page what a step changed.
const PAUSE: Duration = Duration::from_secs(2);
/// Long enough to open the page.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// The width of the picture, in characters: what a README has room for.
const PICTURE_WIDTH: u16 = 104;

const LEGEND: [&str; 3] = [
    "Each row is one signed webhook, sent to the real function. Calls: its requests to Cryptlex.",
    "✓ Cryptlex holds exactly the licenses that were paid for.",
    "Settings: a license for each seat, 7 days of grace, no leeway (docs/policies.md has the defaults).",
];
const RIGHT: &str = "Every step left exactly the licenses that were paid for.";
const WRONG: &str = "A step differs from what it should be: see the lines marked ✗.";

/// Arguments of `devkit demo`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct DemoArgs {
    /// Play the story of this provider alone
    #[arg(long)]
    pub provider: Option<Provider>,
    /// Pause before each step, and keep the page at the end if this is a terminal
    #[arg(long)]
    pub slow: bool,
    /// Keep the page at the end, until ctrl-c
    #[arg(long)]
    pub stay: bool,
    /// Write a picture of one story into this file, instead of printing the demo
    #[arg(long, value_name = "FILE", conflicts_with_all = ["slow", "stay"])]
    pub svg: Option<PathBuf>,
}

/// Why the demo could not be played to its end.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// A server did not start.
    #[error("{what}: {reason}")]
    Start {
        /// Which.
        what: String,
        /// Why.
        reason: io::Error,
    },
    /// Nobody reads any more.
    #[error("the table could not be printed: {0}")]
    Unprinted(io::Error),
    /// The picture has no place.
    #[error("{path} cannot be written: {reason}")]
    Unwritten {
        /// The file.
        path: String,
        /// Why.
        reason: io::Error,
    },
    /// A body is missing.
    #[error(transparent)]
    Corpus(#[from] CorpusError),
    /// A delivery was not answered.
    #[error(transparent)]
    Send(#[from] SendError),
}

/// Plays the stories; `false` when a step differs from what it expects.
pub async fn play(args: &DemoArgs) -> Result<bool, DemoError> {
    let started = |reason| DemoError::Start { what: "the sandbox".to_owned(), reason };
    let sandbox = Sandbox::start(Settings::default()).await.map_err(started)?;
    match &args.svg {
        Some(path) => draw(&sandbox, args.provider.unwrap_or(Provider::Stripe), path).await,
        None => show(&sandbox, args).await,
    }
}

/// On the terminal.
async fn show(sandbox: &Sandbox, args: &DemoArgs) -> Result<bool, DemoError> {
    print(&format!("Watch it in a browser: {}/\n", sandbox.url()))?;
    print(&LEGEND.join("\n"))?;
    if let Some(columns) = Columns::missing() {
        print(&format!("This terminal is narrow: the table needs {columns} columns."))?;
    }
    if args.slow {
        tokio::time::sleep(FIRST_PAUSE).await;
    }
    let columns = Columns::fitting();
    let colours = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let mut as_expected = true;
    for provider in Provider::ALL {
        if args.provider.is_some_and(|only| only != provider) {
            continue;
        }
        let function = start(provider, sandbox).await?;
        print(&format!("\n{}, to {} on {}", title(provider), provider.binary(), function.url()))?;
        print(&columns.head().join("\n"))?;
        let mut story = Story::new(provider, sandbox, &function);
        for step in stories::of(provider) {
            if args.slow {
                tokio::time::sleep(PAUSE).await;
            }
            let row = story.deliver(step).await?;
            as_expected &= row.right;
            print(&columns.row(&row, colours).join("\n"))?;
        }
    }
    print(&format!("\n{}\n", if as_expected { RIGHT } else { WRONG }))?;
    let in_checkout = function::binary(Provider::Stripe).is_ok_and(|binary| binary.is_some());
    print(next(in_checkout))?;
    if args.stay || args.slow && io::stdout().is_terminal() {
        print(&format!("\nThe page stays on {}/ until ctrl-c.", sandbox.url()))?;
        tokio::signal::ctrl_c().await.map_err(DemoError::Unprinted)?;
    }
    Ok(as_expected)
}

/// Into a file, which is the same each time: without ports.
async fn draw(
    sandbox: &Sandbox,
    provider: Provider,
    path: &std::path::Path,
) -> Result<bool, DemoError> {
    let function = start(provider, sandbox).await?;
    let mut picture = Picture::new(Columns::of(PICTURE_WIDTH));
    picture.line("$ make demo", "strong");
    for line in LEGEND {
        picture.line(line, "plain");
    }
    picture.line("", "plain");
    picture.line(title(provider), "strong");
    picture.head();
    let mut story = Story::new(provider, sandbox, &function);
    let mut as_expected = true;
    for step in stories::of(provider) {
        let row = story.deliver(step).await?;
        as_expected &= row.right;
        picture.row(&row);
    }
    picture.line("", "plain");
    picture.line(if as_expected { RIGHT } else { WRONG }, "strong");
    let svg = picture.finish(&format!("What make demo prints for {}", title(provider)));
    let unwritten = |reason| DemoError::Unwritten { path: path.display().to_string(), reason };
    std::fs::write(path, svg).map_err(unwritten)?;
    Ok(as_expected)
}

async fn start(provider: Provider, sandbox: &Sandbox) -> Result<Server, DemoError> {
    let environment = [
        (provider.secret_variable(), provider.demo_secret()),
        ("CRYPTLEX_ACCESS_TOKEN", ACCESS_TOKEN),
        ("CRYPTLEX_WEB_API_BASE_URL", &sandbox.url()),
        ("CRYPTLEX_PRODUCT_ID", catalogue::YEARLY_PRODUCT),
        ("CRYPTLEX_MAPPINGS_QUANTITY", "total_licenses"),
        ("GRACE_DAYS", "7"),
        // Ends are shown as they were paid.
        ("EXPIRY_LEEWAY_HOURS", "0"),
    ];
    let what = provider.binary().to_owned();
    let function = function::start(provider, &environment).await;
    function.map_err(|reason| DemoError::Start { what, reason })
}

/// A story as far as it was told.
struct Story<'a> {
    provider: Provider,
    sandbox: &'a Sandbox,
    url: String,
    holding: Holding,
    day: &'static str,
    delivered: Vec<&'static str>,
}

impl<'a> Story<'a> {
    fn new(provider: Provider, sandbox: &'a Sandbox, function: &Server) -> Story<'a> {
        let url = format!("{}{}", function.url(), provider.path());
        let holding = Holding::new(&sandbox.licenses());
        Story { provider, sandbox, url, holding, day: "", delivered: Vec::new() }
    }

    async fn deliver(&mut self, step: &Step) -> Result<Row, DemoError> {
        let (provider, sandbox) = (self.provider, self.sandbox);
        let midnight: Option<Timestamp> = format!("{}T00:00:00Z", step.day).parse().ok();
        sandbox.set_now(midnight.unwrap_or_else(|| sandbox.now()));
        let body = case(provider, step.case)?.body;
        let calls_before = sandbox.calls().len();
        let event = format!("{provider} {}", step.case);
        let about = Some(step.what.to_owned());
        let delivery = sandbox.begin_delivery(Announcement { event, about });
        let secret = provider.demo_secret();
        let answer = post(&self.url, provider, secret, &body, now_unix()).await;
        sandbox.end_delivery(delivery, answer.as_ref().ok().map(|answer| answer.status));
        let answer = answer?;

        let (licenses, calls) = (sandbox.licenses(), sandbox.calls().len() - calls_before);
        let right = answer.status == 200 && self.holding.is(&licenses, step.owed);
        let again = self.delivered.contains(&step.case) && calls == 0;
        let shown = self.holding.describe(&licenses);
        let row = Row {
            right,
            day: if step.day == self.day { String::new() } else { step.day.to_owned() },
            what: step.what.to_owned(),
            case: step.case.to_owned(),
            answer: match again {
                true => format!("{}, as before", answer.status),
                false => format!("{} {}", answer.status, message(&answer.body)),
            },
            calls,
            licenses: if right { shown } else { format!("{shown}\nowed: {}", owed(step)) },
        };
        self.day = step.day;
        self.delivered.push(step.case);
        Ok(row)
    }
}

fn owed(step: &Step) -> String {
    let all: Vec<String> =
        step.owed.iter().map(|stories::Owed(count, kind)| format!("{count} {kind}")).collect();
    if all.is_empty() { "none".to_owned() } else { all.join("; ") }
}

fn title(provider: Provider) -> &'static str {
    match provider {
        Provider::Stripe => "Stripe",
        Provider::Fastspring => "FastSpring",
        Provider::Paddle => "Paddle",
    }
}

/// What to try next.
fn next(in_checkout: bool) -> &'static str {
    match in_checkout {
        true => {
            "Next:
  make demo SLOW=1    the same with pauses, to watch the page move
  make sandbox        the sandbox alone; docs/stripe.md, steps 3 and 4, say how to send it events by hand
  docs/stripe.md, docs/fastspring.md, docs/paddle.md    connect your own account"
        }
        false => {
            "Next:
  devkit demo --slow  the same with pauses, to watch the page move
  devkit sandbox      the sandbox alone
  devkit send         one of these events to a function of yours; devkit cases lists them"
        }
    }
}

/// Long ids are shortened: their beginning tells them apart.
fn message(body: &str) -> String {
    let json: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    let words = json["message"].as_str().unwrap_or(body).split(' ');
    words.map(|word| shortened(word, 20)).collect::<Vec<_>>().join(" ")
}

fn shortened(word: &str, most: usize) -> String {
    if word.chars().count() <= most {
        return word.to_owned();
    }
    word.chars().take(most.saturating_sub(6)).chain(['…']).collect()
}

fn print(text: &str) -> Result<(), DemoError> {
    writeln!(io::stdout(), "{text}").map_err(DemoError::Unprinted)
}
