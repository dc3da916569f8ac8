//! The deployed binary with everything that AWS gives it: its secret, its ledger and its queue are moto's.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use devkit::corpus::case;
use devkit::envelope::{Gateway, queued, wrap};
use devkit::moto::Moto;
use devkit::runtime_api::{Function, Invocation};
use devkit::sandbox::{ACCESS_TOKEN, Fault, Sandbox, Settings, catalogue};
use devkit::send::now_unix;
use devkit::sign::{Provider, sign};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

const BINARY: &str = env!("CARGO_BIN_EXE_stripe-webhook");
/// A busy machine is no failure.
const PATIENCE: Duration = Duration::from_secs(120);
const OLD: &str = "whsec_old_not_a_secret";
const NEW: &str = "whsec_new_not_a_secret";

struct Aws {
    moto: Moto,
    sandbox: Sandbox,
    queue: String,
}

impl Aws {
    async fn start() -> Self {
        let moto = Moto::start().await.unwrap();
        moto.create_ledger("ledger").await.unwrap();
        // moto loads what it needs with the first call of a kind, and takes its time.
        let first = json!({"RequestItems": {"ledger": {"Keys": [{"key": {"S": "none"}}]}}});
        moto.call("dynamodb", "DynamoDB_20120810.BatchGetItem", &first).await.unwrap();
        let first = json!({"TransactItems": [{"Update": {
            "TableName": "ledger", "Key": {"key": {"S": "none"}},
            "UpdateExpression": "SET #v = :v", "ConditionExpression": "attribute_not_exists(#v)",
            "ExpressionAttributeNames": {"#v": "version"}, "ExpressionAttributeValues": {":v": {"N": "1"}},
        }}]});
        moto.call("dynamodb", "DynamoDB_20120810.TransactWriteItems", &first).await.unwrap();
        let queue = moto.create_queue("overflow").await.unwrap();
        let sandbox = Sandbox::start(Settings::default()).await.unwrap();
        Self { moto, sandbox, queue }
    }

    fn secret(&self, webhook: &str, token: &str) -> Value {
        let text = json!({
            "STRIPE_WEBHOOK_SECRET": webhook, "CRYPTLEX_ACCESS_TOKEN": token,
            "CRYPTLEX_WEB_API_BASE_URL": self.sandbox.url(),
        });
        json!({"Name": "payments", "SecretId": "payments", "SecretString": text.to_string()})
    }

    async fn manager(&self, action: &str, body: &Value) {
        let target = format!("secretsmanager.{action}");
        self.moto.call("secretsmanager", &target, body).await.unwrap();
    }

    async fn function(&self) -> Function {
        self.function_with(&[]).await
    }

    async fn function_with(&self, others: &[(&str, &str)]) -> Function {
        let mut environment = vec![
            ("SECRETS_ID", "payments"),
            ("CRYPTLEX_PRODUCT_ID", catalogue::YEARLY_PRODUCT),
            ("CRYPTLEX_REQUESTS_PER_5S", "0"),
            ("DEADLINE_MS", "60000"),
            ("LEDGER_TABLE", "ledger"),
            ("OVERFLOW_QUEUE_URL", self.queue.as_str()),
            ("AWS_ENDPOINT_URL", self.moto.url()),
            ("AWS_REGION", self.moto.region()),
        ];
        environment.extend_from_slice(others);
        Function::start(Path::new(BINARY), &environment).await.unwrap()
    }

    fn slots(&self) -> Vec<String> {
        let slot = |license: &devkit::sandbox::License| {
            let found = license.metadata.iter().find(|item| item.key == "license_slot");
            found.unwrap().value.clone()
        };
        let mut slots: Vec<String> = self.sandbox.licenses().iter().map(slot).collect();
        slots.sort();
        slots
    }
}

/// A purchase of its own, signed.
async fn buy(function: &Function, secret: &str, number: u32) -> (u64, String) {
    let mut event: Value =
        serde_json::from_slice(&case(Provider::Stripe, "checkout-payment").unwrap().body).unwrap();
    event["id"] = json!(format!("evt_{number}"));
    event["data"]["object"]["id"] = json!(format!("cs_{number}"));
    event["data"]["object"]["payment_intent"] = json!(format!("pi_{number}"));
    let body = event.to_string();
    let signature = sign(Provider::Stripe, secret, body.as_bytes(), now_unix());
    let headers = [("stripe-signature", signature.as_str())];
    let request = wrap(Gateway::Rest, false, "POST", "/v1", &headers, body.as_bytes());
    match function.invoke(&request, PATIENCE).await.unwrap() {
        Invocation::Response(answer) => {
            (answer["statusCode"].as_u64().unwrap(), answer["body"].as_str().unwrap().to_owned())
        }
        Invocation::Error(error) => panic!("{error}"),
    }
}

fn slot(number: u32) -> String {
    format!("stripe/cs_{number}/-/1")
}

#[tokio::test]
async fn a_rotation_under_traffic_loses_no_event_and_needs_no_deploy() {
    let aws = Aws::start().await;
    aws.manager("CreateSecret", &aws.secret(OLD, ACCESS_TOKEN)).await;
    let function = aws.function().await;
    assert_eq!(buy(&function, OLD, 1).await.0, 200);
    aws.manager("PutSecretValue", &aws.secret(NEW, ACCESS_TOKEN)).await;
    assert_eq!(buy(&function, OLD, 2).await.0, 200, "it is not read before there is a reason");
    assert_eq!(buy(&function, NEW, 3).await.0, 200);
    assert_eq!(buy(&function, OLD, 4).await.0, 200, "signed before the provider had the new one");
    let forged = buy(&function, "whsec_of_somebody_else", 5).await;
    assert_eq!(forged.0, 400, "{}", forged.1);
    assert_eq!(aws.slots(), [1, 2, 3, 4].map(slot), "{}", function.logs());
    let logs = function.stop().await.unwrap().logs;
    for secret in [OLD, NEW, ACCESS_TOKEN] {
        assert!(!logs.contains(secret), "{secret} leaked in a log");
    }
    assert!(logs.contains("The secret payments was read again"), "{logs}");
}

#[tokio::test]
async fn a_rotated_token_is_read_again_and_its_event_retried() {
    let aws = Aws::start().await;
    aws.manager("CreateSecret", &aws.secret(OLD, "an-old-token")).await;
    let function = aws.function().await;
    function.ready().await.unwrap();
    aws.manager("PutSecretValue", &aws.secret(OLD, ACCESS_TOKEN)).await;
    let answer = buy(&function, OLD, 1).await;
    assert_eq!(answer.0, 200, "{}", answer.1);
    assert_eq!(aws.slots(), [slot(1)]);
    // A rotation that was planned is no failure.
    let logs = function.stop().await.unwrap().logs;
    for failure in ["ERROR", "EventsFailed", "CryptlexTokenRefused"] {
        assert!(!logs.contains(failure), "{logs}");
    }
}

#[tokio::test]
async fn a_token_that_stays_refused_is_counted_and_logged_once() {
    let aws = Aws::start().await;
    aws.manager("CreateSecret", &aws.secret(OLD, "an-old-token")).await;
    let function = aws.function().await;
    assert_eq!(buy(&function, OLD, 1).await.0, 400);
    let logs = function.stop().await.unwrap().logs;
    for failure in
        ["Failed to process webhook event", "\"EventsFailed\":1", "\"CryptlexTokenRefused\":1"]
    {
        assert_eq!(logs.matches(failure).count(), 1, "{failure}: {logs}");
    }
}

#[tokio::test]
async fn an_unreadable_secret_is_answered_and_named_in_the_log() {
    let aws = Aws::start().await;
    let function = aws.function().await;
    let (status, text) = buy(&function, OLD, 1).await;
    assert_eq!(status, 400);
    assert!(text.contains("STRIPE_WEBHOOK_SECRET was not found"), "{text}");
    let health = wrap(Gateway::Rest, false, "GET", "/health", &[], b"");
    let Invocation::Response(health) = function.invoke(&health, PATIENCE).await.unwrap() else {
        panic!("the function failed")
    };
    let health = health["body"].as_str().unwrap();
    assert!(
        health.contains("the secret could not be read") && !health.contains("payments"),
        "{health}"
    );
    let logs = function.stop().await.unwrap().logs;
    assert!(logs.contains("SECRETS_ID: the secret payments could not be read"), "{logs}");
}

#[tokio::test]
async fn a_secret_does_not_hide_that_an_allowlist_is_wrong() {
    let aws = Aws::start().await;
    let mut secret = aws.secret(OLD, ACCESS_TOKEN);
    let mut held: Value = serde_json::from_str(secret["SecretString"].as_str().unwrap()).unwrap();
    held["IP_ALLOWLIST"] = json!("provider");
    secret["SecretString"] = json!(held.to_string());
    aws.manager("CreateSecret", &secret).await;
    let function = aws.function_with(&[("IP_ALLOWLIST", "nonsense")]).await;
    let (status, text) = buy(&function, OLD, 1).await;
    assert!(status == 400 && text.contains("IP_ALLOWLIST"), "{status} {text}");
    let logs = function.stop().await.unwrap().logs;
    assert!(!logs.contains("look for IP_ALLOWLIST"), "{logs}");
}

#[tokio::test]
async fn an_outage_is_answered_2xx_and_its_queue_is_done_afterwards() {
    let aws = Aws::start().await;
    aws.manager("CreateSecret", &aws.secret(OLD, ACCESS_TOKEN)).await;
    let function = aws.function().await;
    aws.sandbox.fault(Fault::anywhere().error_before(503).always());
    for number in 1..=3 {
        let (status, text) = buy(&function, OLD, number).await;
        assert_eq!(status, 200, "{text}");
        assert!(text.contains(&format!("Event evt_{number} accepted for processing.")), "{text}");
    }
    let mut messages = aws.moto.receive(&aws.queue).await.unwrap();
    assert_eq!(messages.len(), 3);
    messages.push(
        json!({"MessageId": "dangling", "Body": "{\"provider\":\"stripe\",\"event\":\"evt_9\"}"}),
    );
    let event = queued(&messages);

    let failed = |invocation: Invocation| match invocation {
        Invocation::Response(answer) => answer["batchItemFailures"].as_array().unwrap().len(),
        Invocation::Error(error) => panic!("{error}"),
    };
    assert_eq!(failed(function.invoke(&event, PATIENCE).await.unwrap()), 4, "it is not over yet");
    aws.sandbox.clear_faults();
    let Invocation::Response(answer) = function.invoke(&event, PATIENCE).await.unwrap() else {
        panic!("an error")
    };
    let dangling = json!([{"itemIdentifier": "dangling"}]);
    assert_eq!(answer["batchItemFailures"], dangling, "{}", function.logs());
    assert_eq!(aws.slots(), [1, 2, 3].map(slot));

    let logs = function.stop().await.unwrap().logs;
    let metrics: Vec<Value> = logs
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|line| line.get("_aws").is_some())
        .collect();
    let sum = |name: &str| metrics.iter().filter_map(|line| line[name].as_u64()).sum::<u64>();
    assert_eq!(sum("EventsDeferred"), 3);
    assert_eq!(sum("EventsApplied"), 3);
    assert_eq!(sum("QueuedEventsUnknown"), 2);
    assert!(sum("CryptlexCalls") >= 12);
    assert!(metrics.iter().all(|line| line["Provider"] == "stripe"));
}

/// A Secrets Manager that answers for both versions of a secret once, and then nobody any more; with the number of those
/// who wait in vain.
async fn failing_manager(secret: Value) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let in_vain = Arc::new(AtomicUsize::new(0));
    let waiting = Arc::clone(&in_vain);
    tokio::spawn(async move {
        let mut silent = Vec::new();
        for call in 0.. {
            let (mut stream, _) = listener.accept().await.unwrap();
            if call >= 2 {
                silent.push(stream);
                waiting.fetch_add(1, Ordering::SeqCst);
                continue;
            }
            let mut request = [0; 16 * 1024];
            while !String::from_utf8_lossy(&request).contains("VersionStage") {
                assert!(stream.read(&mut request).await.unwrap() > 0);
            }
            let text = secret.to_string();
            let head =
                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/x-amz-json-1.1";
            let answer = format!("{head}\r\nContent-Length: {}\r\n\r\n{text}", text.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (url, in_vain)
}

#[tokio::test]
async fn a_secret_that_is_slow_to_read_keeps_no_provider_waiting() {
    let sandbox = Sandbox::start(Settings::default()).await.unwrap();
    let held = json!({
        "STRIPE_WEBHOOK_SECRET": OLD, "CRYPTLEX_ACCESS_TOKEN": "an-old-token",
        "CRYPTLEX_WEB_API_BASE_URL": sandbox.url(),
    });
    let secret = json!({"Name": "payments", "SecretString": held.to_string()});
    let (url, in_vain) = failing_manager(secret).await;
    let environment = [
        ("SECRETS_ID", "payments"),
        ("CRYPTLEX_PRODUCT_ID", catalogue::YEARLY_PRODUCT),
        ("DEADLINE_MS", "1000"),
        ("AWS_ENDPOINT_URL", &url),
        ("AWS_REGION", "eu-central-1"),
    ];
    let function = Function::start(Path::new(BINARY), &environment).await.unwrap();
    function.ready().await.unwrap();
    for secret in [OLD, NEW] {
        let answer = buy(&function, secret, 1).await;
        assert_eq!(answer.0, 400, "{}", answer.1);
    }
    // For both versions once: the second and the third try come after more than the deadline, and within a minute nobody
    // asks again.
    assert_eq!(in_vain.load(Ordering::SeqCst), 2, "{}", function.logs());
}
