//! AWS as its SDK finds it: region and credentials are looked for once in a process, when the first service needs them.

use std::sync::Arc;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use tokio::sync::OnceCell;

/// Doubled with each try. The SDK's own first wait, a second, is a quarter of what Paddle allows for everything.
const FIRST_WAIT: Duration = Duration::from_millis(50);

/// What the clients of all services have in common; how long each of them waits is its own business.
#[derive(Debug, Clone, Default)]
pub struct Aws(Arc<OnceCell<SdkConfig>>);

impl Aws {
    /// What was found before.
    pub fn of(config: SdkConfig) -> Self {
        let config = config.into_builder().http_client(https()).build();
        Self(Arc::new(OnceCell::new_with(Some(config))))
    }

    /// Calls nobody: credentials are fetched with the first request.
    pub(crate) async fn config(&self) -> &SdkConfig {
        let look = || {
            let retries = RetryConfig::standard().with_initial_backoff(FIRST_WAIT);
            let defaults = aws_config::defaults(BehaviorVersion::v2026_01_12());
            Box::pin(defaults.http_client(https()).retry_config(retries).load())
        };
        self.0.get_or_init(look).await
    }
}

/// The SDK's own client brings another TLS stack than the one that there is.
fn https() -> SharedHttpClient {
    Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
}
