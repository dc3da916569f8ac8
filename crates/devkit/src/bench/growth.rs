//! Whether an event costs more when there is more: events in the ledger, licenses of a subscription.

use std::path::PathBuf;

use serde_json::json;

use super::load::{Event, PROVIDER};
use super::process::{cpu, memory_now, peak_memory};
use super::served::{deliver, purchase};
use super::start::timed;
use super::table::Row;
use super::{
    BenchArgs, BenchError, at, environment, function_at, milliseconds, running, server_at,
};
use crate::sandbox::{Sandbox, Settings, catalogue};

const CONNECTIONS: usize = 64;
/// Of each connection, before anything is measured.
const PURCHASES: usize = 16;
const FEW_LICENSES: usize = 50;
const MANY_LICENSES: usize = 500;

pub(super) async fn measure(args: &BenchArgs) -> Result<Vec<Row>, BenchError> {
    let mut rows = events(args).await?;
    rows.extend(licenses(args).await?);
    Ok(rows)
}

/// A server with its ledger in a file gets events that it remembers.
async fn events(args: &BenchArgs) -> Result<Vec<Row>, BenchError> {
    let sandbox = Sandbox::start(Settings::default()).await.map_err(at("the sandbox"))?;
    let ledger = Scratch(std::env::temp_dir().join(format!("devkit-bench-{}", std::process::id())));
    let mut variables = environment(PROVIDER, &sandbox);
    variables.push(("LEDGER_PATH", ledger.0.display().to_string()));
    let server = server_at(&args.binary(PROVIDER), &variables).await?;
    let id = running(server.id())?;
    deliver(server.url(), CONNECTIONS, 0..PURCHASES, purchase).await?;
    let tenth = (args.many / CONNECTIONS / 10).max(1);
    let noted = |number| Event::Noted { number };
    let (mut sizes, mut costs) = (Vec::new(), Vec::new());
    for part in 0..10 {
        let before = cpu(id).map_err(at("the server"))?;
        deliver(server.url(), CONNECTIONS, part * tenth..(part + 1) * tenth, noted).await?;
        let after = cpu(id).map_err(at("the server"))?;
        costs.push(milliseconds(after - before) / (CONNECTIONS * tenth) as f64);
        sizes.push(memory_now(id).map_err(at("the server"))?);
    }
    let peak = peak_memory(id).map_err(at("the server"))?;
    server.stop().await.map_err(at("the server"))?;
    let many = CONNECTIONS * tenth * 10;
    let first =
        Row::of(format!("processor time of the first of {many} events"), "ms", vec![costs[0]]);
    Ok(vec![
        Row::of(format!("memory at most, {many} events over 64 connections"), "MiB", vec![peak])
            .at_most(40.0),
        Row::of("of it, growth after the first tenth", "MiB", vec![sizes[9] - sizes[0]])
            .at_most(1.0),
        Row::of("the same of the last tenth", "ms", vec![costs[9]]).over(&first, 1.1),
        first,
    ])
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
            let before = cpu(id).map_err(at("the function"))?;
            timed(&function, Event::Renewal { number }).await?;
            let after = cpu(id).map_err(at("the function"))?;
            costs[which].push(milliseconds(after - before) / licenses as f64);
        }
    }
    function.stop().await.map_err(at("the function"))?;
    let [few, many] = costs;
    let what = |licenses| format!("processor time of a renewal of {licenses} licenses, for each");
    let few = Row::of(what(FEW_LICENSES), "ms", few);
    Ok(vec![Row::of(what(MANY_LICENSES), "ms", many).over(&few, 1.1), few])
}

/// A file that is gone when it is done with.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).ok();
    }
}
