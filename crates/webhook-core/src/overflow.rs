//! The overflow queue: events that take longer than their provider waits go on without him.
//!
//! Only the name of an event is queued. Its body lies in the ledger, verified; what was done of it is known there too, so
//! a message that comes twice, or beside another delivery of the same event, has no effect of its own.

use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::ProvideErrorMetadata as _;
use serde::{Deserialize, Serialize};

use crate::ids::EventId;

/// Of one try; the SDK makes up to three, as long as the hand-over may take.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(2);

/// An SQS queue.
#[derive(Debug, Clone)]
pub struct Overflow {
    client: Client,
    url: String,
}

/// What is queued of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queued {
    /// `stripe`, `fastspring` or `paddle`.
    pub provider: String,
    /// The provider's id of it.
    pub event: EventId,
}

/// Why an event could not be queued, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("OVERFLOW_QUEUE_URL: {0} (it needs sqs:SendMessage)")]
pub struct NotQueued(String);

impl Overflow {
    /// The queue with this URL; region and credentials come from where the AWS SDK finds them. Calls nobody yet.
    pub async fn of(url: &str) -> Self {
        let limits = TimeoutConfig::builder()
            .connect_timeout(ATTEMPT_LIMIT)
            .operation_attempt_timeout(ATTEMPT_LIMIT)
            .build();
        let config = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .timeout_config(limits)
            .load()
            .await;
        Self::new(Client::new(&config), url)
    }

    /// A queue behind a client that was made before.
    pub fn new(client: Client, url: &str) -> Self {
        Self { client, url: url.to_owned() }
    }

    /// Once this is `Ok`, the event will be handled.
    pub async fn hand_over(&self, queued: &Queued, patience: Duration) -> Result<(), NotQueued> {
        let body = serde_json::to_string(queued).map_err(|e| NotQueued(e.to_string()))?;
        let send = self.client.send_message().queue_url(&self.url).message_body(body).send();
        match tokio::time::timeout(patience, send).await {
            Ok(Ok(_sent)) => Ok(()),
            Ok(Err(error)) => {
                let code = error.as_service_error().and_then(|error| error.code());
                Err(NotQueued(code.unwrap_or("the queue cannot be reached").to_owned()))
            }
            Err(_late) => Err(NotQueued("no answer in time".to_owned())),
        }
    }
}
