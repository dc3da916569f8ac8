//! Warm events of a function: processor time, memory, and how many calls of Cryptlex wait for one another.

use std::ops::Range;

use super::load::{Event, PROVIDER};
use super::process::{peak_memory, spent};
use super::served::{deliver, purchase};
use super::start::timed;
use super::table::Row;
use super::{
    BenchArgs, BenchError, at, environment, function_at, milliseconds, running, server_at,
};
use crate::runtime_api::{Function, Server};
use crate::sandbox::{Sandbox, Settings};

/// An event with this number.
type Make = fn(usize) -> Event;

/// Between two looks at the process.
const BATCH: usize = 25;
/// Of each kind, before anything is compared with Node.js.
const WARM: usize = 2_000;
/// Beyond the numbers of what is measured.
const OTHERS: usize = 1_000_000;
/// Of a Cryptlex that is far away.
const FAR_MS: u64 = 50;
/// So far away, a few tell as much as many.
const FEW: usize = 20;

pub(super) async fn measure(args: &BenchArgs) -> Result<Vec<Row>, BenchError> {
    let mut rows = near(args).await?;
    rows.extend(far(args).await?);
    Ok(rows)
}

/// What takes events, in a process whose time is looked at.
enum Host<'h> {
    /// By way of the Runtime API.
    Function(&'h Function),
    /// By one connection.
    Server(&'h Server),
}

impl Host<'_> {
    fn id(&self) -> Result<u32, BenchError> {
        match self {
            Host::Function(function) => running(function.id()),
            Host::Server(server) => running(server.id()),
        }
    }

    async fn deliver(&self, numbers: Range<usize>, event: Make) -> Result<(), BenchError> {
        match self {
            Host::Function(function) => {
                for number in numbers {
                    timed(function, event(number)).await?;
                }
                Ok(())
            }
            Host::Server(server) => deliver(server.url(), 1, numbers, event).await.map(drop),
        }
    }
}

/// The ledger is in memory.
async fn near(args: &BenchArgs) -> Result<Vec<Row>, BenchError> {
    let sandboxes = [sandbox(0).await?, sandbox(0).await?, sandbox(0).await?];
    let [of_function, of_server, of_node] =
        sandboxes.each_ref().map(|it| environment(PROVIDER, it));
    let floor = function_at(&args.floor, &[]).await?;
    let function = function_at(&args.binary(PROVIDER), &of_function).await?;
    let server = server_at(&args.binary(PROVIDER), &of_server).await?;
    let node = node(args, of_node).await?;
    let mut hosts = vec![Host::Function(&function), Host::Server(&server)];
    hosts.extend(node.as_ref().map(Host::Server));
    let hello = by_turns(args, &[Host::Function(&floor)], ignored).await?.remove(0);
    let hello = Row::of("processor time of an event: hello world", "ms", hello);
    let (mut rows, mut peaks) = (Vec::new(), Vec::new());
    for (what, budget, event) in [
        ("a new customer's purchase", 0.35, purchase as Make),
        ("a renewal", 0.2, |number| Event::Renewal { number }),
        ("an ignored event", 0.04, ignored),
    ] {
        let row = |host, spent| Row::of(format!("processor time of {what} {host}"), "ms", spent);
        let mut spent = by_turns(args, &hosts, event).await?.into_iter();
        let mut next = |host| spent.next().map(|spent| row(host, spent));
        let (of_function, of_server) = (next("as a function"), next("as a server"));
        let of_node = next("in Node.js at least");
        rows.extend(of_function.map(|row| row.at_most(budget).beside(&hello)));
        rows.extend(of_server.map(|row| row.at_most(budget)).map(|row| match &of_node {
            Some(of_node) => row.beside(of_node),
            None => row,
        }));
        rows.extend(of_node);
        peaks.push(peak_memory(running(function.id())?).map_err(at("the function"))?);
    }
    rows.insert(0, hello);
    let what = format!("memory at most, after {} purchases as a function", args.events);
    rows.push(Row::of(what, "MiB", peaks.into_iter().take(1).collect()).at_most(20.0));
    function.stop().await.map_err(at("the function"))?;
    Ok(rows)
}

/// The least that a server in Node.js can do, with its compiler done; where there is no Node.js, nothing is compared with it.
async fn node(
    args: &BenchArgs,
    mut variables: Vec<(&'static str, String)>,
) -> Result<Option<Server>, BenchError> {
    let asked = std::process::Command::new("node").args(["-p", "process.execPath"]).output();
    let program = asked.ok().and_then(|answer| String::from_utf8(answer.stdout).ok());
    let folder = program.as_deref().and_then(|program| program.rsplit_once('/'));
    let Some((folder, _)) = folder else { return Ok(None) };
    variables.push(("PATH", folder.to_owned()));
    let server = server_at(&args.node, &variables).await?;
    let renewal: Make = |number| Event::Renewal { number };
    for event in [ignored, purchase, renewal] {
        Host::Server(&server).deliver(OTHERS..OTHERS + WARM, event).await?;
    }
    Ok(Some(server))
}

/// What each process spends on an event, the mean of each batch; the first one is not counted.
async fn by_turns(
    args: &BenchArgs,
    hosts: &[Host<'_>],
    event: Make,
) -> Result<Vec<Vec<f64>>, BenchError> {
    let mut all: Vec<Vec<f64>> = hosts.iter().map(|_| Vec::new()).collect();
    for batch in 0..=args.events.div_ceil(BATCH) {
        for (host, values) in hosts.iter().zip(&mut all) {
            let work = host.deliver(batch * BATCH..(batch + 1) * BATCH, event);
            values.push(spent(host.id()?, work).await? / BATCH as f64);
        }
    }
    Ok(all.into_iter().map(|mut values| values.split_off(1)).collect())
}

fn ignored(number: usize) -> Event {
    Event::Ignored { number }
}

async fn sandbox(latency_ms: u64) -> Result<Sandbox, BenchError> {
    Sandbox::start(Settings { latency_ms, ..Settings::default() }).await.map_err(at("the sandbox"))
}

/// Latency that cannot be hidden, as a number of calls in sequence.
async fn far(args: &BenchArgs) -> Result<Vec<Row>, BenchError> {
    let sandbox = sandbox(FAR_MS).await?;
    let function = function_at(&args.binary(PROVIDER), &environment(PROVIDER, &sandbox)).await?;
    timed(&function, ignored(0)).await?;
    let mut rows = Vec::new();
    for (what, budget, event) in [
        ("a new customer's purchase", 3.0, purchase as Make),
        ("a known customer's purchase", 2.0, |number| Event::Purchase {
            number: 1_000_000 + number,
            customer: number,
        }),
        ("a renewal", 2.0, |number| Event::Renewal { number }),
    ] {
        let mut waited = Vec::new();
        for number in 1..=FEW {
            let took = timed(&function, event(number)).await?;
            waited.push((milliseconds(took) / FAR_MS as f64).floor());
        }
        let what = format!("Cryptlex at {FAR_MS} ms, calls in sequence for {what}");
        rows.push(Row::of(what, "calls", waited).at_most(budget));
    }
    function.stop().await.map_err(at("the function"))?;
    Ok(rows)
}
