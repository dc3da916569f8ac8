//! AWS without AWS: a moto server, on loopback.

use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider};
use devkit::moto::Moto;
use webhook_core::infra::aws::Aws;
use webhook_core::ledger::Dynamo;

/// A busy machine is no failure.
pub(crate) const DEADLINE: Duration = Duration::from_secs(120);
pub(crate) const TABLE: &str = "ledger";

/// A region of its own, with nothing in it.
pub(crate) async fn region() -> Moto {
    Moto::start().await.unwrap_or_else(|error| panic!("{error}"))
}

/// An empty ledger in a region of its own.
pub(crate) async fn new_table() -> Arc<Dynamo> {
    table(&region().await).await
}

/// An empty ledger.
pub(crate) async fn table(moto: &Moto) -> Arc<Dynamo> {
    moto.create_ledger(TABLE).await.unwrap();
    Arc::new(dynamo(&found(moto), TABLE).await)
}

pub(crate) async fn dynamo(aws: &Aws, table: &str) -> Dynamo {
    Dynamo::of(table, DEADLINE, aws).await
}

/// As the functions find it.
pub(crate) fn found(moto: &Moto) -> Aws {
    Aws::of(sdk(moto.url(), moto.region()))
}

/// Whatever listens there, for callers who do not try again.
pub(crate) fn sdk(url: &str, region: &str) -> SdkConfig {
    let credentials = Credentials::new("not-a-key", "not-a-secret", None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .endpoint_url(url)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .region(Region::new(region.to_owned()))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .retry_config(RetryConfig::disabled())
        .build()
}
