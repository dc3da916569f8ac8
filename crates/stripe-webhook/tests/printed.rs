//! The numbers that the deployed binary prints in each situation that must ring an alarm. `deploy/alarms.py` feeds these lines
//! to the alarms of `template.yaml`: what is printed and what rings are held together by `deploy/printed`.
//!
//! `PRINTED=write cargo test -p stripe-webhook --test printed` writes them anew; the change is for `git diff` to show.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::path::Path;
use std::time::Duration;

use devkit::corpus::case;
use devkit::envelope::{Gateway, queued, wrap};
use devkit::moto::Moto;
use devkit::runtime_api::{Function, Invocation};
use devkit::sandbox::{ACCESS_TOKEN, Fault, Sandbox, Settings, catalogue};
use devkit::send::now_unix;
use devkit::sign::{Provider, sign};
use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_stripe-webhook");
/// A busy machine is no failure.
const PATIENCE: Duration = Duration::from_secs(120);
const SECRET: &str = "whsec_not_a_secret";
/// One that Stripe publishes.
const OF_STRIPE: &str = "3.18.12.63";
const AN_HOUR: i64 = 3600;

struct Stack {
    moto: Moto,
    sandbox: Sandbox,
    queue: String,
}

impl Stack {
    async fn start() -> Self {
        let moto = Moto::start().await.unwrap();
        moto.create_ledger("ledger").await.unwrap();
        let queue = moto.create_queue("overflow").await.unwrap();
        let sandbox = Sandbox::start(Settings::default()).await.unwrap();
        Self { moto, sandbox, queue }
    }

    /// As the template sets it up, with other values for some variables.
    async fn function(&self, others: &[(&str, &str)]) -> Function {
        let url = self.sandbox.url();
        let mut environment = vec![
            ("STACK_NAME", "stack"),
            ("STRIPE_WEBHOOK_SECRET", SECRET),
            ("CRYPTLEX_ACCESS_TOKEN", ACCESS_TOKEN),
            ("CRYPTLEX_WEB_API_BASE_URL", &url),
            ("CRYPTLEX_PRODUCT_ID", catalogue::YEARLY_PRODUCT),
            ("CRYPTLEX_REQUESTS_PER_5S", "0"),
            ("DEADLINE_MS", "60000"),
            ("LEDGER_TABLE", "ledger"),
            ("OVERFLOW_QUEUE_URL", &self.queue),
            ("AWS_ENDPOINT_URL", self.moto.url()),
            ("AWS_REGION", self.moto.region()),
        ];
        environment.retain(|(name, _)| others.iter().all(|(other, _)| name != other));
        environment.extend_from_slice(others);
        Function::start(Path::new(BINARY), &environment).await.unwrap()
    }
}

fn body(name: &str) -> Vec<u8> {
    case(Provider::Stripe, name).unwrap().body
}

/// A delivery from an address of Stripe's.
async fn deliver(function: &Function, body: &[u8], secret: &str, signed_at: i64) {
    let signature = sign(Provider::Stripe, secret, body, signed_at);
    let headers = [("stripe-signature", signature.as_str())];
    let mut request = wrap(Gateway::Rest, false, "POST", "/webhooks/stripe", &headers, body);
    request["requestContext"]["identity"]["sourceIp"] = json!(OF_STRIPE);
    let answer = function.invoke(&request, PATIENCE).await.unwrap();
    assert!(matches!(answer, Invocation::Response(_)), "{answer:?}");
}

const PURCHASE: &str = "checkout-payment";

/// What it printed, without what differs from run to run.
async fn printed(function: Function) -> String {
    let logs = function.stop().await.unwrap().logs;
    let lines = logs.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut documents = Vec::new();
    for mut line in lines.filter(|line| line.get("_aws").is_some()) {
        line["_aws"]["Timestamp"] = json!(0);
        for value in line.as_object_mut().unwrap().values_mut() {
            if let Some(durations) = value.as_array_mut() {
                *durations = vec![json!(1.0); durations.len()];
            }
        }
        documents.push(format!("{line}\n"));
    }
    documents.concat()
}

/// The same as in the file of the scenario.
#[expect(clippy::disallowed_methods, reason = "it is asked for the test, and not for the function")]
fn check(scenario: &str, printed: &str) {
    let file = format!("{}/../../deploy/printed/{scenario}.jsonl", env!("CARGO_MANIFEST_DIR"));
    if std::env::var("PRINTED").as_deref() == Ok("write") {
        std::fs::write(&file, printed).unwrap();
    }
    let known = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(printed, known, "{file} tells something else");
}

#[tokio::test]
async fn an_expired_token_logs_what_its_alarm_counts() {
    let stack = Stack::start().await;
    let function = stack.function(&[("CRYPTLEX_ACCESS_TOKEN", "an-old-token")]).await;
    deliver(&function, &body(PURCHASE), SECRET, now_unix()).await;
    check("token-expired", &printed(function).await);
}

#[tokio::test]
async fn a_wrong_secret_logs_what_its_alarm_counts() {
    let stack = Stack::start().await;
    let function = stack.function(&[]).await;
    deliver(&function, &body(PURCHASE), "whsec_of_another_endpoint", now_unix()).await;
    check("secret-wrong", &printed(function).await);
}

#[tokio::test]
async fn a_wrong_clock_logs_what_its_alarm_counts() {
    let stack = Stack::start().await;
    let function = stack.function(&[]).await;
    deliver(&function, &body(PURCHASE), SECRET, now_unix() - AN_HOUR).await;
    check("clock-wrong", &printed(function).await);
}

#[tokio::test]
async fn an_outage_of_cryptlex_logs_what_its_alarms_count() {
    let stack = Stack::start().await;
    let function = stack.function(&[]).await;
    stack.sandbox.fault(Fault::anywhere().error_before(503).always());
    deliver(&function, &body(PURCHASE), SECRET, now_unix()).await;
    let first_try = queued(&stack.moto.receive(&stack.queue).await.unwrap());
    let answer = function.invoke(&first_try, PATIENCE).await.unwrap();
    assert!(matches!(answer, Invocation::Response(_)), "{answer:?}");
    check("cryptlex-down", &printed(function).await);
}

#[tokio::test]
async fn a_purchase_without_a_mapping_logs_what_its_alarm_counts() {
    let stack = Stack::start().await;
    let function = stack.function(&[("CRYPTLEX_PRODUCT_ID", "")]).await;
    let mut event: Value = serde_json::from_slice(&body(PURCHASE)).unwrap();
    event["data"]["object"]["metadata"] = json!({});
    deliver(&function, event.to_string().as_bytes(), SECRET, now_unix()).await;
    check("unmapped", &printed(function).await);
}

#[tokio::test]
async fn a_missing_table_logs_what_its_alarm_counts() {
    let stack = Stack::start().await;
    let function = stack.function(&[("LEDGER_TABLE", "gone")]).await;
    deliver(&function, &body(PURCHASE), SECRET, now_unix()).await;
    check("table-gone", &printed(function).await);
}

#[tokio::test]
async fn a_topic_that_refuses_logs_what_its_alarm_counts() {
    let stack = Stack::start().await;
    let arn = "arn:aws:sns:eu-central-1:123456789012:gone";
    let topics = [("NOTIFICATION_TOPIC_ARN", arn), ("BUSINESS_TOPIC_ARN", arn)];
    let function = stack.function(&topics).await;
    deliver(&function, &body("subscription-trial-will-end"), SECRET, now_unix()).await;
    check("sns-refused", &printed(function).await);
}
