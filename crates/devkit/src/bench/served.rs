//! A server under load: how long the slowest wait.

use std::ops::Range;
use std::sync::Arc;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::load::{Event, PROVIDER};
use super::table::Row;
use super::{BenchArgs, BenchError, at, environment, milliseconds, server_at};
use crate::sandbox::{Sandbox, Settings};
use crate::send::{client, now_unix, post_by};

const FAR_MS: u64 = 50;
/// Of each connection.
const DELIVERIES: usize = 40;

/// As many at once as there are connections, on each of them events of these numbers; gives what each delivery took.
pub(super) async fn deliver(
    url: &str,
    connections: usize,
    each: Range<usize>,
    event: fn(usize) -> Event,
) -> Result<Vec<f64>, BenchError> {
    let url = Arc::new(format!("{url}{}", PROVIDER.path()));
    let mut senders = JoinSet::new();
    for connection in 0..connections {
        let (url, each) = (Arc::clone(&url), each.clone());
        senders.spawn(async move {
            let client = client(1);
            let mut took = Vec::with_capacity(each.len());
            for number in each {
                let event = event(number * connections + connection);
                let body = event.body()?;
                let before = Instant::now();
                let secret = PROVIDER.demo_secret();
                let answer = post_by(&client, &url, PROVIDER, secret, &body, now_unix()).await?;
                took.push(milliseconds(before.elapsed()));
                if answer.status != 200 {
                    let (status, body) = (answer.status, answer.body);
                    return Err(BenchError::Wrong(format!("{event:?}: {status} {body}")));
                }
            }
            Ok(took)
        });
    }
    let mut all = Vec::with_capacity(connections * each.len());
    while let Some(sender) = senders.join_next().await {
        all.extend(sender.map_err(|panic| BenchError::Wrong(panic.to_string()))??);
    }
    Ok(all)
}

pub(super) fn purchase(number: usize) -> Event {
    Event::Purchase { number, customer: number }
}

pub(super) async fn measure(args: &BenchArgs) -> Result<Row, BenchError> {
    let settings = Settings { latency_ms: FAR_MS, ..Settings::default() };
    let sandbox = Sandbox::start(settings).await.map_err(at("the sandbox"))?;
    let server = server_at(&args.binary(PROVIDER), &environment(PROVIDER, &sandbox)).await?;
    let took = deliver(server.url(), 16, 0..DELIVERIES, purchase).await?;
    server.stop().await.map_err(at("the server"))?;
    let slowest = Row::of("", "ms", took).percentile(99);
    let what = format!("99th percentile of purchases over 16 connections, Cryptlex at {FAR_MS} ms");
    Ok(Row::of(what, "ms", vec![slowest]).at_most(1000.0))
}
