//! Whether an event costs more when there is more: events in the ledger, licenses of a subscription.

use std::ops::Range;
use std::path::PathBuf;

use serde_json::json;

use super::load::{Event, PROVIDER};
use super::process::{memory_now, peak_memory, spent};
use super::served::{deliver, purchase};
use super::start::timed;
use super::table::Row;
use super::{BenchArgs, BenchError, at, environment, function_at, running, server_at};
use crate::runtime_api::Server;
use crate::sandbox::{Sandbox, Settings, catalogue};

const CONNECTIONS: usize = 64;
/// Of each connection, before anything is measured.
const PURCHASES: usize = 16;
/// Of an event's id: a process that grows by less remembers nothing of each event.
const ID_BYTES: usize = 24;
/// Of each tenth of the events: so many values.
const PARTS: usize = 10;
const FEW_LICENSES: usize = 50;
const MANY_LICENSES: usize = 500;

pub(super) async fn measure(args: &BenchArgs) -> Result<Vec<Row>, BenchError> {
    let mut rows = events(args).await?;
    rows.extend(licenses(args).await?);
    Ok(rows)
}

/// Compares a server whose ledger holds many events with one whose ledger is young. They take turns, so that both have the same machine.
async fn events(args: &BenchArgs) -> Result<Vec<Row>, BenchError> {
    let tenth = (args.many / CONNECTIONS / 10).max(PARTS);
    let (old, young) =
        (Remembering::start(args, "old").await?, Remembering::start(args, "young").await?);
    let parts = |of: usize| {
        let bounds = move |part| of * tenth + part * tenth / PARTS;
        (0..PARTS).map(move |part| bounds(part)..bounds(part + 1))
    };
    // It takes and gives back memory all the time: one look would be chance.
    let (mut before, mut after) = (Vec::new(), Vec::new());
    let (mut first, mut last) = (Vec::new(), Vec::new());
    old.deliver(0..tenth).await?;
    for part in parts(1) {
        old.deliver(part).await?;
        before.push(old.memory()?);
    }
    old.deliver(2 * tenth..9 * tenth).await?;
    for (early, late) in parts(0).zip(parts(9)) {
        first.push(young.deliver(early).await?);
        last.push(old.deliver(late).await?);
        after.push(old.memory()?);
    }
    let [before, after] = [before, after].map(|looks| Row::of("", "MiB", looks).percentile(50));
    let peak = peak_memory(old.id).map_err(at("the server"))?;
    for server in [old, young] {
        server.server.stop().await.map_err(at("the server"))?;
    }
    let many = CONNECTIONS * tenth * 10;
    // A search tree grows with the logarithm of what it holds.
    let deeper = (many as f64).ln() / (many as f64 / 10.0).ln();
    let first = Row::of(format!("processor time of the first tenth of {many} events"), "ms", first);
    Ok(vec![
        Row::of(format!("memory at most, {many} events over 64 connections"), "MiB", vec![peak])
            .at_most(40.0),
        Row::of(
            "memory: growth from the second to the last tenth of them",
            "MiB",
            vec![after - before],
        )
        .at_most((CONNECTIONS * tenth * 8 * ID_BYTES) as f64 / (1024.0 * 1024.0)),
        Row::of(format!("processor time of the last tenth of {many} events"), "ms", last)
            .over(&first, deeper),
        first,
    ])
}

/// A server with its ledger in a file, and a Cryptlex of its own.
struct Remembering {
    server: Server,
    id: u32,
    _sandbox: Sandbox,
    _ledger: Scratch,
}

impl Remembering {
    async fn start(args: &BenchArgs, name: &str) -> Result<Remembering, BenchError> {
        let sandbox = Sandbox::start(Settings::default()).await.map_err(at("the sandbox"))?;
        let file = format!("devkit-bench-{}-{name}", std::process::id());
        let ledger = Scratch(std::env::temp_dir().join(file));
        let mut variables = environment(PROVIDER, &sandbox);
        variables.push(("LEDGER_PATH", ledger.0.display().to_string()));
        let server = server_at(&args.binary(PROVIDER), &variables).await?;
        let id = running(server.id())?;
        deliver(server.url(), CONNECTIONS, 0..PURCHASES, purchase).await?;
        Ok(Remembering { server, id, _sandbox: sandbox, _ledger: ledger })
    }

    fn memory(&self) -> Result<f64, BenchError> {
        memory_now(self.id).map_err(at("the server"))
    }

    /// What each event takes that it remembers.
    async fn deliver(&self, each: Range<usize>) -> Result<f64, BenchError> {
        let events = (CONNECTIONS * each.len()) as f64;
        let noted = |number| Event::Noted { number };
        let work = deliver(self.server.url(), CONNECTIONS, each, noted);
        Ok(spent(self.id, async { work.await.map(drop) }).await? / events)
    }
}

/// A renewal of a subscription that has many of them.
async fn licenses(args: &BenchArgs) -> Result<Vec<Row>, BenchError> {
    let sandbox = Sandbox::start(Settings::default()).await.map_err(at("the sandbox"))?;
    let variables = environment(PROVIDER, &sandbox);
    let function = function_at(&args.binary(PROVIDER), &variables).await?;
    timed(&function, Event::Ignored { number: 0 }).await?;
    let id = running(function.id())?;
    let mut costs = [Vec::new(), Vec::new()];
    for round in 0..4 {
        for (which, licenses) in [FEW_LICENSES, MANY_LICENSES].into_iter().enumerate() {
            let number = 10 * round + which;
            for _ in 0..licenses {
                sandbox.insert_license(json!({
                    "productId": catalogue::YEARLY_PRODUCT, "subscriptionInterval": "P1Y",
                    "createdAt": "2026-09-01T00:00:00Z", "expiresAt": "2027-09-01T00:00:00Z",
                    "metadata": [{"key": "subscription_id", "value": Event::subscription(number), "viewPermissions": []}],
                }));
            }
            let work = async { timed(&function, Event::Renewal { number }).await.map(drop) };
            costs[which].push(spent(id, work).await? / licenses as f64);
        }
    }
    function.stop().await.map_err(at("the function"))?;
    let [few, many] = costs;
    let what = |licenses| format!("processor time of a renewal of {licenses} licenses, for each");
    let few = Row::of(what(FEW_LICENSES), "ms", few);
    Ok(vec![Row::of(what(MANY_LICENSES), "ms", many).over(&few, 1.1), few])
}

/// A file that is gone when it is done with.
pub(super) struct Scratch(pub(super) PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).ok();
    }
}
