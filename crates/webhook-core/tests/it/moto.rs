//! DynamoDB without AWS: a moto server of the test's own, on loopback.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use webhook_core::ledger::Dynamo;

const PATIENCE: Duration = Duration::from_secs(60);

/// Stopped when dropped.
pub(crate) struct Moto {
    server: Child,
    url: String,
    tables: AtomicUsize,
}

impl Moto {
    pub(crate) async fn start() -> Self {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python = here.join("../../.venv/bin/python");
        let server = Command::new(&python)
            .arg(here.join("tests/moto_server.py"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        let mut server = server.unwrap_or_else(|error| {
            panic!("{}: {error}: `make moto` installs it", python.display())
        });
        let (tell, told) = tokio::sync::oneshot::channel();
        let log = server.stderr.take().unwrap();
        std::thread::spawn(move || announced(log, tell));
        let url = tokio::time::timeout(PATIENCE, told).await.unwrap().unwrap();
        Self { server, url, tables: AtomicUsize::new(0) }
    }

    pub(crate) fn client(&self) -> Client {
        client(&self.url)
    }

    /// An empty ledger under a name of its own.
    pub(crate) async fn new_table(&self) -> Arc<Dynamo> {
        let number = self.tables.fetch_add(1, Ordering::SeqCst);
        self.table(&format!("ledger-{number}")).await
    }

    /// An empty ledger.
    pub(crate) async fn table(&self, name: &str) -> Arc<Dynamo> {
        let client = self.client();
        let (key, hash) = (AttributeDefinition::builder(), KeySchemaElement::builder());
        let key = key.attribute_name("key").attribute_type(ScalarAttributeType::S).build().unwrap();
        let hash = hash.attribute_name("key").key_type(KeyType::Hash).build().unwrap();
        client
            .create_table()
            .table_name(name)
            .attribute_definitions(key)
            .key_schema(hash)
            .billing_mode(BillingMode::PayPerRequest)
            .send()
            .await
            .unwrap();
        Arc::new(Dynamo::new(client, name))
    }
}

/// Passes on where the server listens, and reads on, so that it never waits for somebody to read.
fn announced(log: std::process::ChildStderr, tell: tokio::sync::oneshot::Sender<String>) {
    let mut tell = Some(tell);
    for line in BufReader::new(log).lines().map_while(Result::ok) {
        let url = line.split_once("Running on ").map(|(_, url)| url.trim().to_owned());
        if let Some(url) = url
            && let Some(tell) = tell.take()
        {
            tell.send(url).ok();
        }
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        self.server.kill().ok();
        self.server.wait().ok();
    }
}

/// A client of whatever listens there, without patience.
pub(crate) fn client(url: &str) -> Client {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .endpoint_url(url)
        .region(Region::new("eu-central-1"))
        .credentials_provider(Credentials::new("not-a-key", "not-a-secret", None, None, "test"))
        .retry_config(aws_sdk_dynamodb::config::retry::RetryConfig::disabled())
        .build();
    Client::from_conf(config)
}
