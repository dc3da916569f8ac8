//! The first of a month: renewals that come faster than Cryptlex's limit lets them through.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::growth::Scratch;
use super::load::{Event, PROVIDER};
use super::queued::function_gets;
use super::served::{deliver, purchase};
use super::table::Row;
use super::{
    BenchArgs, BenchError, Environment, at, environment, function_at, milliseconds, on_aws,
    server_at,
};
use crate::envelope::queued;
use crate::moto::Moto;
use crate::runtime_api::Function;
use crate::sandbox::{License, Sandbox, Settings};
use crate::send::{client, now_unix, post_by};

/// Of Cryptlex, in five seconds.
const LIMIT: usize = 50;
const FAR_MS: u64 = 80;
/// A read and a write of one license.
const CALLS: usize = 2;
const CONNECTIONS: usize = 8;
/// They come within a minute.
const WITHIN: Duration = Duration::from_secs(60);
/// Without a renewal for so long, nobody is at it any more: the provider delivers again.
const IDLE: Duration = Duration::from_secs(20);
const MOST_ROUNDS: usize = 20;
/// A look takes time of the sandbox.
const LOOK_EVERY: Duration = Duration::from_secs(1);

pub(super) async fn measure(args: &BenchArgs) -> Result<Vec<Row>, BenchError> {
    let mut rows = on_a_server(args).await?;
    rows.extend(in_lambda(args).await?);
    Ok(rows)
}

/// From here on as far away, and as strict, as Cryptlex is.
fn limited(sandbox: &Sandbox) {
    sandbox.configure(|settings| {
        settings.latency_ms = FAR_MS;
        settings.rate_limit = u32::try_from(LIMIT).ok();
    });
    sandbox.clear_calls();
}

fn with_limit(variables: &Environment) -> Vec<(&'static str, String)> {
    let mut variables = variables.to_vec();
    variables.retain(|(name, _)| *name != "CRYPTLEX_REQUESTS_PER_5S");
    variables.push(("CRYPTLEX_REQUESTS_PER_5S", LIMIT.to_string()));
    variables
}

async fn on_a_server(args: &BenchArgs) -> Result<Vec<Row>, BenchError> {
    let sandbox = Sandbox::start(Settings::default()).await.map_err(at("the sandbox"))?;
    let file = format!("devkit-bench-{}-burst", std::process::id());
    let ledger = Scratch(std::env::temp_dir().join(file));
    let mut variables = environment(PROVIDER, &sandbox);
    variables.push(("LEDGER_PATH", ledger.0.display().to_string()));
    let before = server_at(&args.binary(PROVIDER), &variables).await?;
    deliver(before.url(), CONNECTIONS, 0..args.renewals / CONNECTIONS, purchase).await?;
    before.stop().await.map_err(at("the server"))?;
    let sold = sold(&sandbox);
    limited(&sandbox);
    let server = server_at(&args.binary(PROVIDER), &with_limit(&variables)).await?;

    let renewals = args.renewals / CONNECTIONS * CONNECTIONS;
    let began = Instant::now();
    let url: Arc<str> = format!("{}{}", server.url(), PROVIDER.path()).into();
    let bought = tokio::spawn(bought_meanwhile(Arc::clone(&url), began + WITHIN / 2));
    let mut left: Vec<usize> = (0..renewals).collect();
    let (mut in_time, mut rounds) = (0, 0);
    loop {
        left = delivered(&url, left).await?;
        if rounds == 0 {
            in_time = renewals - left.len();
        }
        if until_idle(&sandbox, &sold, renewals).await || rounds == MOST_ROUNDS {
            break;
        }
        rounds += 1;
    }
    let took = began.elapsed().as_secs_f64();
    let bought = bought.await.map_err(|panic| BenchError::Wrong(panic.to_string()))??;
    let (logs, calls) = (server.logs(), sandbox.calls());
    server.stop().await.map_err(at("the server"))?;
    let done = renewed(&sandbox, &sold);
    let own_time = (5 * ((CALLS * renewals - 1) / LIMIT)) as f64;
    let floor = Row::of(
        format!("{CALLS} calls for each of {renewals} renewals: the limit's own time"),
        "s",
        vec![own_time],
    );
    let row = |what: &str, unit, value: usize| {
        Row::of(format!("of {renewals} renewals in a minute, {what}"), unit, vec![value as f64])
    };
    Ok(vec![
        row("done", "events", done),
        row("answered in time", "events", in_time),
        Row::of(format!("{renewals} renewals in a minute, until all are done"), "s", vec![took])
            .over(&floor, 1.15),
        floor,
        row("rounds of redelivery", "rounds", rounds).at_most(0.0),
        row("calls of Cryptlex", "calls", calls.len()).at_most((CALLS * renewals + 5) as f64),
        row("refused with 429", "calls", refused(&calls)).at_most(0.0),
        row("cut off by their own deadline", "events", lines(&logs, "no time was left for"))
            .at_most(0.0),
        row("writes of unknown outcome", "events", lines(&logs, "is not known yet")).at_most(0.0),
        Row::of("a purchase amid them, until it has its license", "ms", vec![bought])
            .at_most(10_000.0),
    ])
}

/// Until it is answered 200, however often it has to be delivered.
async fn bought_meanwhile(url: Arc<str>, begin: Instant) -> Result<f64, BenchError> {
    sleep_until(begin).await;
    let body = Event::Purchase { number: 9_999_999, customer: 9_999_999 }.body()?;
    for _ in 0..100 {
        let secret = PROVIDER.demo_secret();
        let answer = post_by(&client(1), &url, PROVIDER, secret, &body, now_unix()).await?;
        if answer.status == 200 {
            break;
        }
        sleep(Duration::from_secs(5)).await;
    }
    Ok(milliseconds(begin.elapsed()))
}

/// Evenly within a minute; gives those that were not answered 200.
async fn delivered(url: &Arc<str>, numbers: Vec<usize>) -> Result<Vec<usize>, BenchError> {
    let (began, count) = (Instant::now(), u32::try_from(numbers.len()).unwrap_or(1));
    let mut deliveries = JoinSet::new();
    for (place, number) in (0..).zip(numbers) {
        let url = Arc::clone(url);
        deliveries.spawn(async move {
            sleep_until(began + WITHIN / count * place).await;
            let body = Event::Renewal { number }.body()?;
            let secret = PROVIDER.demo_secret();
            let answer = post_by(&client(1), &url, PROVIDER, secret, &body, now_unix()).await?;
            Ok::<_, BenchError>((number, answer.status))
        });
    }
    let mut left = Vec::new();
    while let Some(delivery) = deliveries.join_next().await {
        let (number, status) = delivery.map_err(|panic| BenchError::Wrong(panic.to_string()))??;
        if status != 200 {
            left.push(number);
        }
    }
    left.sort_unstable();
    Ok(left)
}

/// Whether all are renewed, once nobody is at it any more.
async fn until_idle(sandbox: &Sandbox, sold: &Sold, renewals: usize) -> bool {
    let (mut last, mut since) = (renewed(sandbox, sold), Instant::now());
    while last < renewals && since.elapsed() < IDLE {
        sleep(LOOK_EVERY).await;
        let now = renewed(sandbox, sold);
        if now > last {
            (last, since) = (now, Instant::now());
        }
    }
    last >= renewals
}

/// When each license ends that was sold before.
type Sold = BTreeMap<String, Option<Timestamp>>;

fn sold(sandbox: &Sandbox) -> Sold {
    sandbox.licenses().into_iter().map(|license| (license.id, license.expires_at)).collect()
}

fn renewed(sandbox: &Sandbox, sold: &Sold) -> usize {
    let now = sandbox.licenses();
    let is_renewed = |license: &&License| {
        sold.get(&license.id).is_some_and(|before| *before != license.expires_at)
    };
    now.iter().filter(is_renewed).count()
}

fn refused(calls: &[crate::sandbox::Call]) -> usize {
    calls.iter().filter(|call| call.status == Some(429)).count()
}

fn lines(logs: &str, what: &str) -> usize {
    logs.lines().filter(|line| line.contains(what)).count()
}

/// One instance, one event after the other; what it queues, afterwards.
async fn in_lambda(args: &BenchArgs) -> Result<Vec<Row>, BenchError> {
    let sandbox = Sandbox::start(Settings::default()).await.map_err(at("the sandbox"))?;
    let moto = Moto::start().await?;
    moto.create_ledger("ledger").await?;
    let queue = moto.create_queue("overflow").await?;
    let mut variables = environment(PROVIDER, &sandbox);
    variables.extend(on_aws(&moto));
    let binary = args.binary(PROVIDER);
    let renewals = args.renewals / 4;
    let before = function_at(&binary, &variables).await?;
    for number in 0..renewals {
        answered(&before, purchase(number)).await?;
    }
    drain(&before, &moto, &queue).await?;
    before.stop().await.map_err(at("the function"))?;
    let sold = sold(&sandbox);
    limited(&sandbox);
    let function = function_at(&binary, &with_limit(&variables)).await?;
    for number in 0..renewals {
        answered(&function, Event::Renewal { number }).await?;
    }
    let answered = renewed(&sandbox, &sold);
    drain(&function, &moto, &queue).await?;
    let (logs, calls) = (function.logs(), sandbox.calls());
    function.stop().await.map_err(at("the function"))?;
    let row = |what: &str, unit, value: usize| {
        Row::of(format!("of {renewals} renewals in Lambda, {what}"), unit, vec![value as f64])
    };
    Ok(vec![
        row("done", "events", renewed(&sandbox, &sold)),
        row("done while the provider waits", "events", answered),
        row("refused with 429", "calls", refused(&calls)).at_most(0.0),
        row("writes of unknown outcome", "events", lines(&logs, "is not known yet")).at_most(0.0),
    ])
}

/// Delivered again until it is answered 200: AWS on a busy machine may be too slow to queue anything.
async fn answered(function: &Function, event: Event) -> Result<(), BenchError> {
    for _ in 0..MOST_ROUNDS {
        let answer = function_gets(function, &event.envelope()?).await?;
        if answer["statusCode"] == 200 {
            return Ok(());
        }
    }
    Err(BenchError::Wrong(format!("{event:?} was never answered 200")))
}

/// What is queued, until nothing is.
async fn drain(function: &Function, moto: &Moto, queue: &str) -> Result<(), BenchError> {
    loop {
        let messages = moto.receive(queue).await?;
        if messages.is_empty() {
            return Ok(());
        }
        function_gets(function, &queued(&messages)).await?;
    }
}
