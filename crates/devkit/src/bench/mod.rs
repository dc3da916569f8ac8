//! `devkit bench`: what the release binaries cost on this machine, next to their budgets.
//!
//! Ratios are to the least that a function can be, measured in the same run. Cryptlex is the sandbox and AWS is moto, both
//! on loopback and on the same processors: what they take is in every figure but processor time and memory.

mod burst;
mod growth;
mod load;
pub mod own_work;
mod process;
mod queued;
mod served;
mod start;
mod table;
mod whole;
mod work;

use std::io;
use std::path::{Path, PathBuf};

use crate::corpus::CorpusError;
use crate::moto::{Moto, MotoError};
use crate::runtime_api::{Function, InvokeError, Server};
use crate::sandbox::{ACCESS_TOKEN, Sandbox};
use crate::send::SendError;
use crate::sign::Provider;
use table::Row;

/// Arguments of `devkit bench`.
#[derive(Debug, Clone, clap::Args)]
pub struct BenchArgs {
    /// Where the functions are, each a folder with its `bootstrap` and `bootstrap.zip`
    #[arg(long, default_value = "target/lambda")]
    pub functions: PathBuf,
    /// The least that a function can be, to compare with
    #[arg(long, default_value = "target/floor/release/floor")]
    pub floor: PathBuf,
    /// The least that a server in Node.js can be; measured if Node.js is installed
    #[arg(long, default_value = "bench/least.mjs")]
    pub node: PathBuf,
    /// Starts of each kind
    #[arg(long, default_value_t = 30)]
    pub starts: usize,
    /// Warm events of each kind
    #[arg(long, default_value_t = 500)]
    pub events: usize,
    /// Events that a server gets in a row
    #[arg(long, default_value_t = 100_000)]
    pub many: usize,
    /// Renewals of a burst
    #[arg(long, default_value_t = 1_000)]
    pub renewals: usize,
    /// Measure nothing but the burst
    #[arg(long)]
    pub burst: bool,
    /// A Markdown file whose results to replace
    #[arg(long)]
    pub write: Option<PathBuf>,
}

/// Why nothing could be measured.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// A body of the corpus.
    #[error(transparent)]
    Corpus(#[from] CorpusError),
    /// A function.
    #[error(transparent)]
    Invoke(#[from] InvokeError),
    /// A server.
    #[error(transparent)]
    Send(#[from] SendError),
    /// AWS.
    #[error(transparent)]
    Moto(#[from] MotoError),
    /// A file, a process or the sandbox.
    #[error("{0}: {1}")]
    Io(String, io::Error),
    /// What was measured was not the work that was meant.
    #[error("{0}")]
    Wrong(String),
}

/// Variables with their values.
type Environment = [(&'static str, String)];

/// The lines between which the file has the results.
const RESULTS: [&str; 2] = ["<!-- results -->\n", "<!-- end of results -->\n"];

/// Prints the table; true if every budget is met.
pub async fn run(args: &BenchArgs) -> Result<bool, BenchError> {
    if args.burst {
        let rows = burst::measure(args).await?;
        println!("{}\n{}", machine(), table::table(&rows));
        return Ok(rows.iter().all(|row| row.is_met() != Some(false)));
    }
    let mut rows = own_work::measure();
    rows.extend(start::measure(args).await?);
    rows.extend(work::measure(args).await?);
    rows.push(served::measure(args).await?);
    rows.extend(growth::measure(args).await?);
    rows.extend(queued::measure(args).await?);
    rows.extend(burst::measure(args).await?);
    rows.extend(whole::measure(args).await?);
    rows.extend(sizes(&args.functions)?);
    println!("{}\n{}", machine(), table::table(&rows));
    if let Some(file) = &args.write {
        write(file, &rows)?;
    }
    Ok(rows.iter().all(|row| row.is_met() != Some(false)))
}

fn sizes(functions: &Path) -> Result<Vec<Row>, BenchError> {
    let mut rows = Vec::new();
    for provider in Provider::ALL {
        let zip = functions.join(provider.binary()).join("bootstrap.zip");
        let bytes = std::fs::metadata(&zip).map_err(at(&zip.display().to_string()))?.len();
        let megabytes = u32::try_from(bytes).map_or(f64::INFINITY, f64::from) / 1e6;
        rows.push(
            Row::of(format!("zip of {}", provider.binary()), "MB", vec![megabytes]).at_most(5.0),
        );
    }
    Ok(rows)
}

fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = read("/proc/sys/kernel/osrelease");
    format!("{} with {cores} cores, Linux {}", model.unwrap_or("a processor"), kernel.trim())
}

fn write(file: &Path, rows: &[Row]) -> Result<(), BenchError> {
    let io = || at(&file.display().to_string());
    let text = std::fs::read_to_string(file).map_err(io())?;
    let [begin, end] = RESULTS;
    let parts = text.split_once(begin).and_then(|(head, rest)| Some((head, rest.split_once(end)?)));
    let Some((head, (_, tail))) = parts else {
        return Err(BenchError::Wrong(format!("{} has no {}", file.display(), begin.trim())));
    };
    let results = format!("\nOn {}:\n\n{}\n", machine(), table::markdown(rows));
    std::fs::write(file, [head, begin, &results, end, tail].concat()).map_err(io())
}

fn at(what: &str) -> impl Fn(io::Error) -> BenchError + use<> {
    let what = what.to_owned();
    move |error| BenchError::Io(what.clone(), error)
}

/// A function that asks the sandbox, and has no limit of its own.
fn environment(provider: Provider, sandbox: &Sandbox) -> Vec<(&'static str, String)> {
    vec![
        (provider.secret_variable(), provider.demo_secret().to_owned()),
        ("CRYPTLEX_ACCESS_TOKEN", ACCESS_TOKEN.to_owned()),
        // One call less for a purchase: as before it was set by default.
        ("EXPIRY_LEEWAY_HOURS", "0".to_owned()),
        ("CRYPTLEX_WEB_API_BASE_URL", sandbox.url()),
        ("CRYPTLEX_REQUESTS_PER_5S", "0".to_owned()),
        ("RATE_LIMIT_PER_MINUTE", "0".to_owned()),
        ("CONNECTIONS_PER_SOURCE", "0".to_owned()),
    ]
}

/// With a table that must be there, and a queue and a topic that need not.
fn on_aws(moto: &Moto) -> Vec<(&'static str, String)> {
    vec![
        ("AWS_REGION", moto.region().to_owned()),
        ("AWS_ENDPOINT_URL", moto.url().to_owned()),
        ("LEDGER_TABLE", "ledger".to_owned()),
        ("OVERFLOW_QUEUE_URL", format!("{}/123456789012/overflow", moto.url())),
        ("NOTIFICATION_TOPIC_ARN", format!("arn:aws:sns:{}:123456789012:told", moto.region())),
    ]
}

impl BenchArgs {
    fn binary(&self, provider: Provider) -> PathBuf {
        self.functions.join(provider.binary()).join("bootstrap")
    }
}

async fn function_at(binary: &Path, environment: &Environment) -> Result<Function, BenchError> {
    let function = Function::start(binary, &borrowed(environment)).await;
    function.map_err(at(&binary.display().to_string()))
}

async fn server_at(binary: &Path, environment: &Environment) -> Result<Server, BenchError> {
    let server = Server::start(binary, &borrowed(environment)).await;
    server.map_err(at(&binary.display().to_string()))
}

/// The number of a process that must not have ended.
fn running(id: Option<u32>) -> Result<u32, BenchError> {
    id.ok_or_else(|| BenchError::Wrong("the process ended".to_owned()))
}

fn borrowed(variables: &Environment) -> Vec<(&'static str, &str)> {
    variables.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

fn milliseconds(time: std::time::Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
