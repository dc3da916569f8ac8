//! Telling people what they should do something about: a message to an SNS topic, or a line in the log.

use std::time::Duration;

use aws_sdk_sns::Client;
use aws_sdk_sns::config::{Builder, Region};
use serde_json::json;

use crate::domain::command::Concern;
use crate::domain::ids::EventId;
use crate::infra::aws::Aws;

/// Where people are told.
#[derive(Debug, Clone)]
pub enum Notifier {
    /// No topic is configured: the log.
    Log,
    /// `NOTIFICATION_TOPIC_ARN`.
    Topic(Client, String),
}

/// What they are told. Nothing secret or personal is in it.
#[derive(Debug)]
pub struct Notification<'n> {
    /// What it is about.
    pub concern: Concern,
    /// `stripe`, `fastspring` or `paddle`.
    pub provider: &'static str,
    /// The event that says so.
    pub event: &'n EventId,
    /// Its type.
    pub kind: &'n str,
    /// Whose licenses it is about.
    pub subject: Option<String>,
    /// What became of the event.
    pub text: &'n str,
}

impl Concern {
    /// One sentence: what happened, and what to do.
    pub fn advice(self) -> &'static str {
        match self {
            Self::TrialEnds => "A trial ends soon.",
            Self::PaymentNeedsAction => "A customer must confirm a payment with their bank.",
            Self::PaymentFailed => "A payment failed.",
            Self::Unmapped => {
                "Something was paid for that no Cryptlex product is named for: name one, then deliver the event again."
            }
            Self::Undelivered => {
                "The provider did not fulfil a paid order, so no license was created. Fulfil it there, or create the license by hand."
            }
            Self::DisputeOpened => "A customer disputes a payment: answer the dispute.",
            Self::UserKept => {
                "A customer's e-mail address changed, and their Cryptlex user did not. Check whether their licenses should move."
            }
            Self::UserRefused => {
                "Cryptlex refused a user with a customer's address or name: correct it at the provider, or make the user by hand."
            }
            Self::BuyerUnknown => {
                "A purchase still lacks its customer's e-mail after 24 hours. Add the e-mail at the provider, or create the license by hand if the purchase names no customer."
            }
            Self::PaidWithoutLicense => {
                "A payment is for a license that is not there: its purchase was never seen, or somebody deleted the license. Create the license by hand, or give the money back."
            }
            Self::MadeAgain => {
                "A payment came after the end of its subscription, which had deleted the licenses: new ones were made. Tell the customer their new license."
            }
            Self::SubscriptionMoved => {
                "A subscription has another customer now: new licenses are theirs, and those that are there stay with their user. Check whether they should move."
            }
            Self::PeriodPresumed => {
                "A payment did not say which period it is for. Check that its licenses run as long as it paid for."
            }
            Self::PurchaseUnseen => {
                "A payment named a Cryptlex product, and its purchase was never seen: its license was made from the payment. Check that the customer has no other license for it."
            }
            Self::NothingReversed => {
                "A refund or a dispute changed no license: look whether one should be suspended."
            }
        }
    }
}

impl Notifier {
    /// The topic in the region that its ARN names.
    pub async fn of(topic: Option<&str>, aws: &Aws) -> Self {
        let Some(topic) = topic else { return Self::Log };
        let region = Region::new(topic.split(':').nth(3).unwrap_or_default().to_owned());
        let config = Builder::from(aws.config().await).region(region).build();
        Self::Topic(Client::from_conf(config), topic.to_owned())
    }

    /// Never fails: that nobody could be told is an error in the log.
    pub async fn send(&self, notification: &Notification<'_>, patience: Duration) {
        let Notification { concern, provider, event, kind, subject, text } = notification;
        let advice = concern.advice();
        let message = json!({
            "notification": concern, "advice": advice, "provider": provider, "event": event, "type": kind,
            "subject": subject, "message": text,
        });
        let Self::Topic(client, topic) = self else {
            tracing::warn!(provider, event.id = %event, subject, "Notification: {advice} {message}");
            return;
        };
        let publish = client
            .publish()
            .topic_arn(topic)
            .subject(format!("{provider}: {advice}").chars().take(99).collect::<String>())
            .message(message.to_string())
            .send();
        let failed = match tokio::time::timeout(patience, publish).await {
            Ok(Ok(_published)) => return,
            Ok(Err(error)) => {
                let service = error.as_service_error().and_then(|e| e.meta().code());
                service.unwrap_or("the topic cannot be reached").to_owned()
            }
            Err(_late) => "no answer in time".to_owned(),
        };
        tracing::error!(
            provider,
            event.id = %event,
            subject,
            "Notification was not sent to {topic}: {failed} (it needs sns:Publish): {message}",
        );
    }
}
