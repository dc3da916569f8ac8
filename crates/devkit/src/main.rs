//! The command line of the kit: a sandbox to play with, signed deliveries to send, the demo.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use devkit::sandbox::Settings;
use devkit::sign::Provider;
use devkit::{arm64, bench, compare, corpus, crash, demo, function, help, records, sandbox, send};

#[derive(Parser)]
#[command(
    name = "devkit",
    version,
    about = "Try the webhook functions without any account, and look into what they remember"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Play a story of each provider on a sandbox, with the real functions
    Demo(demo::DemoArgs),
    /// Be the function of a provider, as its own binary is: for the demo, where that binary is not at hand
    #[command(hide = true)]
    Function {
        /// Whose.
        provider: Provider,
    },
    /// Kill the real binaries while events are delivered, and compare the licenses with what was sold
    Crash(crash::CrashArgs),
    /// Measure what the release binaries cost, and compare it with their budgets
    Bench(bench::BenchArgs),
    /// Run the functions for arm64 on an emulated processor, and compare them with this machine's build
    Arm64(arm64::Arm64Args),
    /// Play the situations of situations/ against any server, and compare the licenses with what was paid for
    Compare(compare::CompareArgs),
    /// Run a Cryptlex sandbox until ctrl-c
    Sandbox {
        /// Where to listen.
        #[arg(long, default_value = "127.0.0.1:4000")]
        listen: SocketAddr,
    },
    /// Sign a body of events/ as of now, and post it to a function
    Send(send::SendArgs),
    /// List the bodies of events/, with what happened in each
    Cases {
        /// Another folder: `<folder>/<provider>/<case>.json` [default: the bodies that are built in]
        #[arg(long, value_name = "FOLDER")]
        events: Option<PathBuf>,
    },
    /// Print status and body of an answer that `cargo lambda invoke` writes to standard input
    Answer,
    /// Print what the ledger knows of a subscription, order, customer or event, and its licenses
    Show(records::ShowArgs),
    /// Tell how a license came to what it is: each fact of its purchase, and what that changed
    Explain(records::ExplainArgs),
    /// List purchases that wait for a mapping, an e-mail address or FastSpring's fulfillment
    Unmapped(records::UnmappedArgs),
    /// List the events that are not done, with their customers and reasons
    Failed(records::FailedArgs),
    /// Make a ledger file as small as its content, while its function is stopped
    Compact(records::CompactArgs),
    /// Deliver the kept body of an event again, signed as of now
    Replay(records::ReplayArgs),
    /// Sign a body of events/ as of now, and wrap it as an API gateway does
    Envelope(send::EnvelopeArgs),
}

#[tokio::main]
async fn main() -> ExitCode {
    let matches = help::grouped(Cli::command()).get_matches();
    let Cli { command } = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let result: Result<bool, Box<dyn std::error::Error>> = match command {
        Command::Demo(args) => demo::play(&args).await.map_err(Into::into),
        // It brings a runtime of its own.
        Command::Function { provider } => {
            let ended = tokio::task::block_in_place(|| function::run(provider));
            ended.map(|()| true).map_err(|fatal| -> Box<dyn std::error::Error> { fatal })
        }
        Command::Crash(args) => crash::run(&args).await.map_err(Into::into),
        Command::Bench(args) => bench::run(&args).await.map_err(Into::into),
        Command::Arm64(args) => arm64::run(&args).await.map_err(Into::into),
        Command::Compare(args) => compare::run(&args).await.map_err(Into::into),
        Command::Sandbox { listen } => {
            let served = sandbox::serve(listen, Settings::default()).await;
            served.map(|()| true).map_err(|e| {
                format!("cannot listen on {listen}: {e}. --listen says where to listen").into()
            })
        }
        Command::Send(args) => {
            send::command(&args).await.map(|delivery| delivery.status < 400).map_err(Into::into)
        }
        Command::Cases { events } => cases(events.as_deref()).map_err(Into::into),
        Command::Answer => std::io::read_to_string(std::io::stdin())
            .map_err(Into::into)
            .and_then(|answer| Ok(send::print_answer(answer.trim())? < 400)),
        Command::Show(args) => show(&args).await.map_err(Into::into),
        Command::Explain(args) => explain(&args).await.map_err(Into::into),
        Command::Unmapped(args) => unmapped(&args).await.map_err(Into::into),
        Command::Failed(args) => failed(&args).await.map_err(Into::into),
        Command::Compact(args) => {
            records::compact(&args).map(|text| print([text])).map(|()| true).map_err(Into::into)
        }
        Command::Replay(args) => replay(&args).await.map_err(Into::into),
        Command::Envelope(args) => send::write_envelope(&args).map(|()| true).map_err(Into::into),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("devkit: {error}");
            ExitCode::FAILURE
        }
    }
}

fn cases(events: Option<&Path>) -> Result<bool, corpus::CorpusError> {
    let cases = corpus::cases_in(events)?;
    let command = |case: &corpus::Case| format!("{} {}", case.provider, case.name);
    let width = cases.iter().map(|case| command(case).len()).max().unwrap_or_default();
    print(cases.iter().map(|it| format!("{:width$}  {}", command(it), it.description.what)));
    Ok(true)
}

async fn show(args: &records::ShowArgs) -> Result<bool, records::RecordsError> {
    let shown = records::show(&args.place.open().await?, args).await?;
    print([format!("{shown:#}")]);
    Ok(true)
}

async fn explain(args: &records::ExplainArgs) -> Result<bool, records::RecordsError> {
    let variable = |name: &str| std::env::var_os(name)?.into_string().ok();
    print(records::explain(&args.place.open().await?, args, variable).await?);
    Ok(true)
}

async fn unmapped(args: &records::UnmappedArgs) -> Result<bool, records::RecordsError> {
    let waiting = records::unmapped(&args.place.open().await?).await?;
    match waiting.is_empty() {
        true => print(["nothing waits for a mapping".to_owned()]),
        false => print(waiting),
    }
    Ok(true)
}

async fn failed(args: &records::FailedArgs) -> Result<bool, records::RecordsError> {
    let now = webhook_core::domain::clock::Clock::system().now();
    let failed = records::failed(&args.place.open().await?, now).await?;
    match failed.is_empty() {
        true => print(["every event is done, or waits for a mapping (devkit unmapped)".to_owned()]),
        false => print(failed),
    }
    Ok(true)
}

async fn replay(args: &records::ReplayArgs) -> Result<bool, records::RecordsError> {
    let send::Delivery { status, body, .. } =
        records::replay(&args.place.open().await?, args).await?;
    println!("{status}\n{body}");
    Ok(status < 400)
}

/// Until whoever reads has seen enough, as `head` has.
fn print(lines: impl IntoIterator<Item = String>) {
    let mut out = std::io::stdout().lock();
    for line in lines {
        if writeln!(out, "{line}").is_err() {
            return;
        }
    }
}
