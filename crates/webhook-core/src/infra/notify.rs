//! Telling people what they should do something about: a message to an SNS topic, or a line in the log.

use std::time::Duration;

use aws_sdk_sns::Client;
use aws_sdk_sns::config::{Builder, Region};
use serde_json::json;

use crate::domain::command::Concern;
use crate::domain::ids::EventId;
use crate::infra::aws::Aws;
use crate::infra::config::Topics;
use crate::infra::metrics::{Count, count};
use crate::infra::trouble::Trouble;

/// Where people are told: operators what they must mend, others what is about a customer's money or trial. Without a topic it
/// is the log.
#[derive(Debug, Clone, Default)]
pub struct Notifier {
    operations: Option<Topic>,
    business: Option<Topic>,
}

/// An SNS topic.
#[derive(Debug, Clone)]
struct Topic {
    client: Client,
    arn: String,
    trouble: Trouble,
}

impl Topic {
    /// In the region that its ARN names.
    async fn of(arn: Option<&str>, aws: &Aws) -> Option<Self> {
        let arn = arn?;
        let region = Region::new(arn.split(':').nth(3).unwrap_or_default().to_owned());
        let config = Builder::from(aws.config().await).region(region).build();
        let client = Client::from_conf(config);
        Some(Self { client, arn: arn.to_owned(), trouble: Trouble::default() })
    }
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
    /// Whether it is about a customer's money or trial, and nothing is to be mended.
    fn is_business(self) -> bool {
        match self {
            Self::TrialEnds
            | Self::PaymentNeedsAction
            | Self::PaymentFailed
            | Self::DisputeOpened => true,
            Self::Unmapped
            | Self::Undelivered
            | Self::UserKept
            | Self::UserRefused
            | Self::BuyerUnknown
            | Self::PaidWithoutLicense
            | Self::MadeAgain
            | Self::SubscriptionMoved
            | Self::PeriodPresumed
            | Self::PurchaseUnseen
            | Self::NothingReversed => false,
        }
    }

    /// One sentence: what happened, and what to do.
    pub fn advice(self) -> &'static str {
        match self {
            Self::TrialEnds => {
                "A trial ends soon. Its first payment follows unless the customer cancels."
            }
            Self::PaymentNeedsAction => {
                "A customer must confirm a payment with their bank. Ask them to, or their payment fails."
            }
            Self::PaymentFailed => {
                "A payment failed. If it keeps failing, ask the customer for another way to pay."
            }
            Self::Unmapped => {
                "A customer paid for something that names no Cryptlex product: name one at the provider, then deliver the event again."
            }
            Self::Undelivered => {
                "The provider did not fulfil a paid order, so no license was created. Fulfil it there, or create the license by hand."
            }
            Self::DisputeOpened => {
                "A customer disputes a payment: answer the dispute at the provider."
            }
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
                "A payment is for a license that does not exist: its purchase was never seen, or somebody deleted the license. Create the license by hand, or give the money back."
            }
            Self::MadeAgain => {
                "A payment came after its subscription ended and its licenses were deleted. New licenses were made: tell the customer."
            }
            Self::SubscriptionMoved => {
                "A subscription has another customer now. New licenses are theirs; existing ones stay with their user. Check whether those should move."
            }
            Self::PeriodPresumed => {
                "A payment did not say which period it is for. Check that its licenses run as long as it paid for."
            }
            Self::PurchaseUnseen => {
                "A payment named a Cryptlex product, and its purchase was never seen: its license was made from the payment. Check that the customer has no other license for it."
            }
            Self::NothingReversed => {
                "A refund or a dispute changed no license: check whether one should be suspended."
            }
        }
    }
}

impl Notifier {
    /// Calls nobody yet.
    pub async fn of(topics: &Topics, aws: &Aws) -> Self {
        let operations = Topic::of(topics.operations.as_deref(), aws).await;
        let business = Topic::of(topics.business.as_deref(), aws).await;
        Self { operations, business }
    }

    /// Why nobody could be told the last time, of each topic.
    pub fn trouble(&self) -> impl Iterator<Item = String> {
        let topics = self.operations.iter().chain(&self.business);
        topics.filter_map(|topic| topic.trouble.last())
    }

    /// Never fails: that nobody could be told is an error in the log.
    pub async fn send(&self, notification: &Notification<'_>, patience: Duration) {
        let Notification { concern, provider, event, kind, subject, text } = notification;
        let advice = concern.advice();
        let message = json!({
            "notification": concern, "advice": advice, "provider": provider, "event": event, "type": kind,
            "subject": subject, "message": text,
        });
        let business = self.business.as_ref().filter(|_| concern.is_business());
        let Some(Topic { client, arn, trouble }) = business.or(self.operations.as_ref()) else {
            tracing::warn!(provider, event.id = %event, subject, "Notification: {advice} {message}");
            return;
        };
        let publish = client
            .publish()
            .topic_arn(arn)
            .subject(format!("{provider}: {advice}").chars().take(99).collect::<String>())
            .message(message.to_string())
            .send();
        let failed = match tokio::time::timeout(patience, publish).await {
            Ok(Ok(_published)) => return trouble.is_over(),
            Ok(Err(error)) => {
                let service = error.as_service_error().and_then(|e| e.meta().code());
                service.unwrap_or("the topic cannot be reached").to_owned()
            }
            Err(_late) => "no answer in time".to_owned(),
        };
        count(Count::NotificationFailed);
        let name = arn.rsplit(':').next().unwrap_or_default();
        trouble.tell(format!(
            "The topic {name} takes no notifications: {failed}. The function needs sns:Publish on it"
        ));
        tracing::error!(
            provider,
            event.id = %event,
            subject,
            "Notification was not sent to {arn}: {failed}. The function needs sns:Publish on it: {message}",
        );
    }
}
