//! Warm events of a function: processor time, memory, and how many calls of Cryptlex wait for one another.

use std::ops::Range;

use super::load::{Event, PROVIDER};
use super::process::{cpu, peak_memory};
use super::served::{deliver, purchase};
use super::start::timed;
use super::table::Row;
use super::{
    BenchArgs, BenchError, at, environment, function_at, milliseconds, running, server_at,
};
use crate::runtime_api::Function;
use crate::sandbox::{Sandbox, Settings};

/// Between two looks at the process.
const BATCH: usize = 25;
/// Of a Cryptlex that is far away.
const FAR_MS: u64 = 50;
/// So far away, a few tell as much as many.
const FEW: usize = 20;

pub(super) async fn measure(args: &BenchArgs) -> Result<Vec<Row>, BenchError> {
    let mut rows = near(args).await?;
    rows.extend(far(args).await?);
    Ok(rows)
}

/// The ledger is in memory. As a function the events come by way of the Runtime API, as a server by one connection.
async fn near(args: &BenchArgs) -> Result<Vec<Row>, BenchError> {
    let sandboxes = [sandbox(0).await?, sandbox(0).await?];
    let [of_function, of_server] = sandboxes.each_ref().map(|it| environment(PROVIDER, it));
    let floor = function_at(&args.floor, &[]).await?;
    let function = function_at(&args.binary(PROVIDER), &of_function).await?;
    let server = server_at(&args.binary(PROVIDER), &of_server).await?;
    let hello = spent(args, floor.id(), async |n| one_by_one(&floor, n, ignored).await);
    let mut rows = vec![Row::of("processor time of an event: hello world", "ms", hello.await?)];
    let mut peaks = Vec::new();
    for (what, budget, event) in [
        ("a new customer's purchase", 0.35, purchase as fn(usize) -> Event),
        ("a renewal", 0.2, |number| Event::Renewal { number }),
        ("an ignored event", 0.04, ignored),
    ] {
        let as_function =
            spent(args, function.id(), async |n| one_by_one(&function, n, event).await);
        let as_function = as_function.await?;
        let as_server = spent(args, server.id(), async |numbers| {
            deliver(server.url(), 1, numbers, event).await.map(drop)
        });
        for (host, spent) in [("function", as_function), ("server", as_server.await?)] {
            let what = format!("processor time of {what} as a {host}");
            rows.push(Row::of(what, "ms", spent).at_most(budget));
        }
        peaks.push(peak_memory(running(function.id())?).map_err(at("the function"))?);
    }
    let what = format!("memory at most, after {} purchases as a function", args.events);
    rows.push(Row::of(what, "MiB", peaks.into_iter().take(1).collect()).at_most(20.0));
    function.stop().await.map_err(at("the function"))?;
    Ok(rows)
}

/// What a process spends on an event, the mean of each batch; the first one is not counted.
async fn spent(
    args: &BenchArgs,
    id: Option<u32>,
    work: impl AsyncFn(Range<usize>) -> Result<(), BenchError>,
) -> Result<Vec<f64>, BenchError> {
    let id = running(id)?;
    let mut spent = Vec::new();
    for batch in 0..=args.events.div_ceil(BATCH) {
        let before = cpu(id).map_err(at("the process"))?;
        work(batch * BATCH..(batch + 1) * BATCH).await?;
        let after = cpu(id).map_err(at("the process"))?;
        spent.push(milliseconds(after - before) / BATCH as f64);
    }
    Ok(spent.split_off(1))
}

async fn one_by_one(
    function: &Function,
    numbers: Range<usize>,
    event: fn(usize) -> Event,
) -> Result<(), BenchError> {
    for number in numbers {
        timed(function, event(number)).await?;
    }
    Ok(())
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
        ("a new customer's purchase", 3.0, purchase as fn(usize) -> Event),
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
