//! What a function works with in addition to Cryptlex: its ledger, a topic, a queue.

use std::time::Duration;

use super::Ledger;
use super::reader::{Problem, Reader, web_address};

/// What a function works with in addition to Cryptlex: nothing of it is secret.
#[derive(Debug, Clone)]
pub struct Backends {
    /// `LEDGER_TABLE` or `LEDGER_PATH`, and what belongs to it.
    pub ledger: Ledger,
    /// `NOTIFICATION_TOPIC_ARN`: an SNS topic for what people should look at.
    pub topic: Option<String>,
    /// `OVERFLOW_QUEUE_URL`: an SQS queue for events that take longer than their provider waits.
    pub overflow: Option<String>,
}

impl<R: Fn(&str) -> Option<String>> Reader<R> {
    pub(super) fn backends(&mut self, deadline: Duration) -> Backends {
        let (ledger, topic) = (self.ledger(deadline), self.topic());
        Backends { ledger, topic, overflow: self.overflow() }
    }

    fn topic(&mut self) -> Option<String> {
        let topic = self.optional("NOTIFICATION_TOPIC_ARN")?;
        let parts: Vec<&str> = topic.split(':').collect();
        let is_topic = matches!(parts.as_slice(), ["arn", _, "sns", region, _, name] if !region.is_empty() && !name.is_empty());
        if !is_topic {
            self.problems.push(Problem::Invalid {
                variable: "NOTIFICATION_TOPIC_ARN",
                wanted: "the ARN of an SNS topic, such as arn:aws:sns:eu-central-1:123456789012:licenses",
            });
            return None;
        }
        Some(topic)
    }

    /// Only Lambda brings what is queued back to the function.
    fn overflow(&mut self) -> Option<String> {
        let url = self.optional("OVERFLOW_QUEUE_URL")?;
        if web_address(&url).is_none_or(|url| url.path().len() <= 1) {
            self.problems.push(Problem::Invalid {
                variable: "OVERFLOW_QUEUE_URL",
                wanted: "the URL of an SQS queue, such as https://sqs.eu-central-1.amazonaws.com/123456789012/overflow",
            });
            return None;
        }
        if self.optional("AWS_LAMBDA_RUNTIME_API").is_none() {
            let text = "OVERFLOW_QUEUE_URL is not used: only in Lambda is a queue read";
            self.warnings.push(text.to_owned());
            return None;
        }
        Some(url)
    }
}
