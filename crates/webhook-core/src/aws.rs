//! AWS as its SDK finds it: region and credentials are looked for once in a process, when the first service needs them.

use std::sync::Arc;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use tokio::sync::OnceCell;

/// Doubled with each try. The SDK's own first wait, a second, is a quarter of what Paddle allows for everything.
const FIRST_WAIT: Duration = Duration::from_millis(50);

/// What the clients of all services have in common; how long each of them waits is its own business.
#[derive(Debug, Clone, Default)]
pub struct Aws(Arc<OnceCell<SdkConfig>>);

impl Aws {
    /// What was found before.
    pub fn of(config: SdkConfig) -> Self {
        Self(Arc::new(OnceCell::new_with(Some(config))))
    }

    /// Calls nobody: credentials are fetched with the first request.
    pub(crate) async fn config(&self) -> &SdkConfig {
        let look = || {
            let retries = RetryConfig::standard().with_initial_backoff(FIRST_WAIT);
            Box::pin(
                aws_config::defaults(BehaviorVersion::v2026_01_12()).retry_config(retries).load(),
            )
        };
        self.0.get_or_init(look).await
    }
}
