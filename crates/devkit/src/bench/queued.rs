//! An order that takes longer than its provider waits: it goes on in the overflow queue, as fast as Cryptlex lets it.

use serde_json::Value;
use tokio::time::Instant;

use super::load::delivery;
use super::start::PATIENCE;
use super::table::Row;
use super::{BenchArgs, BenchError, at, environment, function_at, on_aws};
use crate::corpus::Text;
use crate::envelope::queued;
use crate::moto::Moto;
use crate::runtime_api::{Function, Invocation};
use crate::sandbox::{Sandbox, Settings};
use crate::sign::Provider;

/// It waits five seconds.
const PROVIDER: Provider = Provider::Paddle;
/// One of them of another product.
const LICENSES: usize = 200;
/// Of Cryptlex, in five seconds.
const LIMIT: u32 = 50;

pub(super) async fn measure(args: &BenchArgs) -> Result<Vec<Row>, BenchError> {
    let settings = Settings { rate_limit: Some(LIMIT), ..Settings::default() };
    let sandbox = Sandbox::start(settings).await.map_err(at("the sandbox"))?;
    let moto = Moto::start().await?;
    moto.create_ledger("ledger").await?;
    let queue = moto.create_queue("overflow").await?;
    let mut variables = environment(PROVIDER, &sandbox);
    variables.extend(on_aws(&moto));
    variables.push(("CRYPTLEX_REQUESTS_PER_5S", LIMIT.to_string()));
    let function = function_at(&args.binary(PROVIDER), &variables).await?;
    function.ready().await?;

    let before = Instant::now();
    function_gets(&function, &order()?).await?;
    let answered = before.elapsed();
    let mut left = moto.receive(&queue).await?;
    while !left.is_empty() {
        let answer = function_gets(&function, &queued(&left)).await?;
        let failed = answer["batchItemFailures"].as_array().cloned().unwrap_or_default();
        left.retain(|message| {
            failed.iter().any(|item| item["itemIdentifier"] == message["MessageId"])
        });
    }
    let took = before.elapsed().as_secs_f64();
    let made = sandbox.licenses().len();
    if made != LICENSES {
        let logs = function.logs();
        return Err(BenchError::Wrong(format!("{made} licenses of {LICENSES}:\n{logs}")));
    }
    function.stop().await.map_err(at("the function"))?;

    let calls = sandbox.calls();
    let refused = calls.iter().filter(|call| call.status == Some(429)).count();
    let windows = (calls.len() - 1) / LIMIT as usize;
    let floor = Row::of(
        format!("{} calls of Cryptlex at {LIMIT} in 5 s: its limit's own time", calls.len()),
        "s",
        vec![5.0 * windows as f64],
    );
    let what = format!("an order of {LICENSES} seats through the overflow queue");
    Ok(vec![
        Row::of(what, "s", vec![took]).over(&floor, 1.1),
        floor,
        Row::of(
            format!("of the order of {LICENSES} seats, until the provider has an answer"),
            "s",
            vec![answered.as_secs_f64()],
        )
        .at_most(5.0),
        Row::of("of the calls of that order, refused with 429", "calls", vec![refused as f64])
            .at_most(0.0),
    ])
}

fn order() -> Result<Value, BenchError> {
    let mut text = Text::of(PROVIDER, "transaction-web")?;
    let quantity = |seats| format!("\"quantity\":{seats},");
    text.change(&quantity(2), &quantity(LICENSES - 1))?;
    Ok(delivery(PROVIDER, text.into_string().as_bytes()))
}

pub(super) async fn function_gets(function: &Function, event: &Value) -> Result<Value, BenchError> {
    match function.invoke(event, PATIENCE).await? {
        Invocation::Response(answer) => Ok(answer),
        Invocation::Error(error) => Err(BenchError::Wrong(error.to_string())),
    }
}
