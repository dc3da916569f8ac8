//! From exec until a function asks for its first event, and what its first event takes.

use std::path::Path;
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::load::{Event, PROVIDER};
use super::table::Row;
use super::{
    BenchArgs, BenchError, Environment, at, environment, function_at, milliseconds, on_aws,
};
use crate::moto::Moto;
use crate::runtime_api::{Function, Invocation};
use crate::sandbox::{ACCESS_TOKEN, Sandbox, Settings};

/// A busy machine is no failure.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

pub(super) async fn measure(args: &BenchArgs) -> Result<Vec<Row>, BenchError> {
    let binary = args.binary(PROVIDER);
    let sandbox = Sandbox::start(Settings::default()).await.map_err(at("the sandbox"))?;
    let moto = Moto::start().await?;
    let secret = json!({
        PROVIDER.secret_variable(): PROVIDER.demo_secret(),
        "CRYPTLEX_ACCESS_TOKEN": ACCESS_TOKEN,
        "CRYPTLEX_WEB_API_BASE_URL": sandbox.url(),
    });
    let secret = json!({"Name": "webhook", "SecretString": secret.to_string()});
    moto.call("secretsmanager", "secretsmanager.CreateSecret", &secret).await?;
    moto.create_ledger("ledger").await?;

    let address = moto.url().trim_start_matches("http://").to_owned();
    let one_request =
        vec![("ONE_REQUEST", address), ("AUTHORIZATION", moto.authorization("secretsmanager"))];
    let mut aws = on_aws(&moto);
    aws.push(("SECRETS_ID", "webhook".to_owned()));
    let plain = environment(PROVIDER, &sandbox);

    let (mut bare, mut floor, mut full, mut alone) = <(Vec<_>, Vec<_>, Vec<_>, Vec<_>)>::default();
    let mut first = Vec::new();
    // In turn, so that what the machine does meanwhile happens to all of them.
    for number in 0..args.starts {
        bare.push(started(&args.floor, &[]).await?.1);
        floor.push(started(&args.floor, &one_request).await?.1);
        full.push(started(&binary, &aws).await?.1);
        let (function, took) = started(&binary, &plain).await?;
        alone.push(took);
        let event = Event::Purchase { number, customer: number };
        first.push(milliseconds(timed(&function, event).await?));
        function.stop().await.map_err(at("the function"))?;
    }
    let floor = Row::of("start: hello world with one request to moto", "ms", floor);
    Ok(vec![
        Row::of("start: hello world", "ms", bare),
        Row::of("start: stripe-webhook with its AWS clients, the secret read", "ms", full)
            .over(&floor, 1.5),
        floor,
        Row::of("start: stripe-webhook without AWS", "ms", alone).at_most(12.0),
        Row::of("first event after the start: a new customer's purchase", "ms", first).at_most(5.0),
    ])
}

async fn started(binary: &Path, environment: &Environment) -> Result<(Function, f64), BenchError> {
    let before = Instant::now();
    let function = function_at(binary, environment).await?;
    function.ready().await?;
    Ok((function, milliseconds(before.elapsed())))
}

/// Until the answer is there; fails unless it is 200.
pub(super) async fn timed(function: &Function, event: Event) -> Result<Duration, BenchError> {
    let envelope = event.envelope()?;
    let before = Instant::now();
    let answer = function.invoke(&envelope, PATIENCE).await?;
    let took = before.elapsed();
    match answer {
        Invocation::Response(answer) if answer["statusCode"] == 200 => Ok(took),
        other => Err(BenchError::Wrong(format!("{event:?} was answered {other:?}"))),
    }
}
