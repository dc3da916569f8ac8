//! DynamoDB and SQS without AWS: a moto server of the test's own, on loopback.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use webhook_core::ledger::Dynamo;

/// Stopped when dropped.
pub(crate) struct Moto {
    server: devkit::moto::Moto,
    tables: AtomicUsize,
}

impl Moto {
    pub(crate) async fn start() -> Self {
        let server = devkit::moto::Moto::start().await.unwrap_or_else(|error| panic!("{error}"));
        Self { server, tables: AtomicUsize::new(0) }
    }

    pub(crate) fn server(&self) -> &devkit::moto::Moto {
        &self.server
    }

    pub(crate) fn client(&self) -> Client {
        client(self.server.url())
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
