//! What a function works with in addition to Cryptlex: its ledger, a topic, a queue.

use std::time::Duration;

use super::Ledger;
use super::problem::{Problem, Warning};
use super::reader::{Reader, web_address};

/// What a function works with in addition to Cryptlex: nothing of it is secret.
#[derive(Debug, Clone)]
pub struct Backends {
    /// `LEDGER_TABLE` or `LEDGER_PATH`, and what belongs to it.
    pub ledger: Ledger,
    /// For what people should look at.
    pub topics: Topics,
    /// `OVERFLOW_QUEUE_URL`: an SQS queue for events that take longer than their provider waits.
    pub overflow: Option<String>,
}

/// SNS topics.
#[derive(Debug, Clone, Default)]
pub struct Topics {
    /// `NOTIFICATION_TOPIC_ARN`.
    pub operations: Option<String>,
    /// `BUSINESS_TOPIC_ARN`: for what is about a customer's money or trial; without it that goes to the other one.
    pub business: Option<String>,
}

impl<R: Fn(&str) -> Option<String>> Reader<R> {
    pub(super) fn backends(&mut self, deadline: Duration) -> Backends {
        let ledger = self.ledger(deadline);
        let operations = self.topic("NOTIFICATION_TOPIC_ARN");
        let topics = Topics { operations, business: self.topic("BUSINESS_TOPIC_ARN") };
        Backends { ledger, topics, overflow: self.overflow() }
    }

    fn topic(&mut self, variable: &'static str) -> Option<String> {
        let topic = self.optional(variable)?;
        let parts: Vec<&str> = topic.split(':').collect();
        let is_topic = matches!(parts.as_slice(), ["arn", _, "sns", region, _, name] if !region.is_empty() && !name.is_empty());
        if !is_topic {
            self.problems.push(Problem::Invalid {
                variable,
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
        if !self.is_in_lambda() {
            self.warn(Warning::QueueNotRead);
            return None;
        }
        Some(url)
    }
}
