//! Warm events of a function: processor time, memory, and how many calls of Cryptlex wait for one another.

use super::load::{Event, PROVIDER};
use super::process::{cpu, peak_memory};
use super::start::timed;
use super::table::Row;
use super::{BenchArgs, BenchError, at, environment, function_at, milliseconds, running};
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

/// The ledger is in memory.
async fn near(args: &BenchArgs) -> Result<Vec<Row>, BenchError> {
    let sandbox = Sandbox::start(Settings::default()).await.map_err(at("the sandbox"))?;
    let function = function_at(&args.binary(PROVIDER), &environment(PROVIDER, &sandbox)).await?;
    timed(&function, Event::Ignored { number: 0 }).await?;
    let id = running(function.id())?;
    let mut rows = Vec::new();
    for (what, budget, event) in [
        ("a new customer's purchase", 0.35, purchase as fn(usize) -> Event),
        ("a renewal", 0.2, |number| Event::Renewal { number }),
        ("an ignored event", 0.04, |number| Event::Ignored { number }),
    ] {
        let mut spent = Vec::new();
        for batch in 0..args.events.div_ceil(BATCH) {
            let before = cpu(id).map_err(at("the function"))?;
            for number in 1..=BATCH {
                timed(&function, event(batch * BATCH + number)).await?;
            }
            let after = cpu(id).map_err(at("the function"))?;
            spent.push(milliseconds(after - before) / BATCH as f64);
        }
        rows.push(Row::of(format!("processor time of {what}"), "ms", spent).at_most(budget));
    }
    let peak = peak_memory(id).map_err(at("the function"))?;
    let what = format!("memory at most, after {} events as a function", 3 * args.events);
    rows.push(Row::of(what, "MiB", vec![peak]).at_most(20.0));
    function.stop().await.map_err(at("the function"))?;
    Ok(rows)
}

/// Latency that cannot be hidden, as a number of calls in sequence.
async fn far(args: &BenchArgs) -> Result<Vec<Row>, BenchError> {
    let settings = Settings { latency_ms: FAR_MS, ..Settings::default() };
    let sandbox = Sandbox::start(settings).await.map_err(at("the sandbox"))?;
    let function = function_at(&args.binary(PROVIDER), &environment(PROVIDER, &sandbox)).await?;
    timed(&function, Event::Ignored { number: 0 }).await?;
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

fn purchase(number: usize) -> Event {
    Event::Purchase { number, customer: number }
}
