//! The overflow queue: it takes events that need more time than their provider waits.
//!
//! Only the name of an event is queued. The ledger holds its verified body and what was done of it. So a message that comes
//! twice, or at the same time as another delivery of the event, has no effect of its own.

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::ProvideErrorMetadata as _;
use serde::{Deserialize, Serialize};

use crate::domain::ids::EventId;
use crate::infra::aws::Aws;
use crate::infra::trouble::Trouble;

/// An SQS queue.
#[derive(Debug, Clone)]
pub struct Overflow {
    client: Client,
    url: String,
    trouble: Trouble,
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
#[error(
    "the queue of OVERFLOW_QUEUE_URL does not take it: {0}. The function needs sqs:SendMessage on it"
)]
pub struct NotQueued(String);

impl Overflow {
    /// The queue with this URL. Calls nobody yet.
    pub async fn of(url: &str, aws: &Aws) -> Self {
        let client = Client::new(aws.config().await);
        Self { client, url: url.to_owned(), trouble: Trouble::default() }
    }

    /// Why it took nothing the last time.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.last()
    }

    /// Once this is `Ok`, the event will be handled.
    pub async fn hand_over(&self, queued: &Queued, patience: Duration) -> Result<(), NotQueued> {
        let body = serde_json::to_string(queued).map_err(|e| NotQueued(e.to_string()))?;
        let send = self.client.send_message().queue_url(&self.url).message_body(body).send();
        let sent = match tokio::time::timeout(patience, send).await {
            Ok(sent) => sent.map_err(|error| {
                let code = error.as_service_error().and_then(|error| error.code());
                NotQueued(code.unwrap_or("the queue cannot be reached").to_owned())
            }),
            Err(_late) => Err(NotQueued("no answer in time".to_owned())),
        };
        match &sent {
            Ok(_) => self.trouble.is_over(),
            Err(NotQueued(why)) => {
                let name = self.url.rsplit('/').next().unwrap_or_default();
                let text = format!(
                    "The queue {name} takes no events: {why}. The function needs sqs:SendMessage on it"
                );
                self.trouble.tell(text);
            }
        }
        sent.map(|_| ())
    }
}
