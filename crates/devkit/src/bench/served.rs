//! A server under load: how long the slowest wait, and whether its memory grows.

use std::sync::Arc;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::load::{Event, PROVIDER};
use super::process::{memory_now, peak_memory};
use super::table::Row;
use super::{BenchArgs, BenchError, at, environment, milliseconds, server_at};
use crate::sandbox::{Sandbox, Settings};
use crate::send::{now_unix, post};

const FAR_MS: u64 = 50;
/// Of each connection.
const DELIVERIES: usize = 40;

pub(super) async fn measure(args: &BenchArgs) -> Result<Vec<Row>, BenchError> {
    let mut rows = vec![slowest(args).await?];
    rows.extend(memory(args).await?);
    Ok(rows)
}

/// As many at once as there are connections; gives what each delivery took.
async fn deliver(
    url: &str,
    connections: usize,
    each: usize,
    event: fn(usize) -> Event,
) -> Result<Vec<f64>, BenchError> {
    let url = Arc::new(format!("{url}{}", PROVIDER.path()));
    let mut senders = JoinSet::new();
    for connection in 0..connections {
        let url = Arc::clone(&url);
        senders.spawn(async move {
            let mut took = Vec::with_capacity(each);
            for number in 0..each {
                let event = event(connection * each + number);
                let body = event.body()?;
                let before = Instant::now();
                let answer =
                    post(&url, PROVIDER, PROVIDER.demo_secret(), &body, now_unix()).await?;
                took.push(milliseconds(before.elapsed()));
                if answer.status != 200 {
                    let (status, body) = (answer.status, answer.body);
                    return Err(BenchError::Wrong(format!("{event:?}: {status} {body}")));
                }
            }
            Ok(took)
        });
    }
    let mut all = Vec::with_capacity(connections * each);
    while let Some(sender) = senders.join_next().await {
        all.extend(sender.map_err(|panic| BenchError::Wrong(panic.to_string()))??);
    }
    Ok(all)
}

fn purchase(number: usize) -> Event {
    Event::Purchase { number, customer: number }
}

async fn slowest(args: &BenchArgs) -> Result<Row, BenchError> {
    let settings = Settings { latency_ms: FAR_MS, ..Settings::default() };
    let sandbox = Sandbox::start(settings).await.map_err(at("the sandbox"))?;
    let server = server_at(&args.binary(PROVIDER), &environment(PROVIDER, &sandbox)).await?;
    let took = deliver(server.url(), 16, DELIVERIES, purchase).await?;
    server.stop().await.map_err(at("the server"))?;
    let slowest = Row::of("", "ms", took).percentile(99);
    let what = format!("99th percentile of purchases over 16 connections, Cryptlex at {FAR_MS} ms");
    Ok(Row::of(what, "ms", vec![slowest]).at_most(1000.0))
}

async fn memory(args: &BenchArgs) -> Result<Vec<Row>, BenchError> {
    let sandbox = Sandbox::start(Settings::default()).await.map_err(at("the sandbox"))?;
    let server = server_at(&args.binary(PROVIDER), &environment(PROVIDER, &sandbox)).await?;
    let id = server.id().ok_or_else(|| BenchError::Wrong("the server ended".to_owned()))?;
    deliver(server.url(), 64, 16, purchase).await?;
    let tenth = (args.many / 640).max(1);
    let ignored = |number| Event::Ignored { number };
    let mut sizes = Vec::new();
    for _ in 0..10 {
        deliver(server.url(), 64, tenth, ignored).await?;
        sizes.push(memory_now(id).map_err(at("the server"))?);
    }
    let peak = peak_memory(id).map_err(at("the server"))?;
    server.stop().await.map_err(at("the server"))?;
    let (first, last) = (sizes[0], sizes[sizes.len() - 1]);
    let many = 640 * tenth;
    Ok(vec![
        Row::of(format!("memory at most, {many} events over 64 connections"), "MiB", vec![peak])
            .at_most(40.0),
        Row::of("of it, growth after the first tenth", "MiB", vec![last - first]).at_most(1.0),
    ])
}
