//! Says to a sandbox which event is being delivered, so that its page shows the event with the calls that it causes.

use std::time::Duration;

use serde_json::{Value, json};

use crate::sandbox::Announcement;
use crate::send::client;

/// A sandbox on this machine answers at once.
const PATIENCE: Duration = Duration::from_secs(2);

/// An event that a sandbox was told of, if there is a sandbox. The delivery is the same without one.
#[derive(Debug)]
pub struct Announced {
    client: reqwest::Client,
    /// Where to say that it is over.
    url: Option<String>,
}

impl Announced {
    /// Says that the event is delivered now.
    pub async fn begin(sandbox: &str, what: Announcement) -> Announced {
        let client = client(0);
        let url = format!("{}/sandbox/deliveries", sandbox.trim_end_matches('/'));
        let answer = client.post(&url).timeout(PATIENCE).json(&what).send().await;
        let id = match answer.and_then(reqwest::Response::error_for_status) {
            Ok(answer) => answer.json::<Value>().await.ok().and_then(|it| it["id"].as_u64()),
            Err(_) => None,
        };
        Announced { client, url: id.map(|id| format!("{url}/{id}")) }
    }

    /// Says that it was answered with a status, or not at all.
    pub async fn end(self, answered: Option<u16>) {
        if let Some(url) = self.url {
            let answer = json!({ "answered": answered });
            self.client.put(url).timeout(PATIENCE).json(&answer).send().await.ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::{Sandbox, Settings};

    fn checkout() -> Announcement {
        Announcement { event: "stripe checkout-subscription".to_owned(), about: None }
    }

    #[tokio::test]
    async fn a_sandbox_knows_the_event_until_it_is_over() {
        let sandbox = Sandbox::start(Settings::default()).await.unwrap();
        let announced = Announced::begin(&sandbox.url(), checkout()).await;
        let [delivery] = &sandbox.deliveries()[..] else { panic!("one was announced") };
        assert_eq!((&delivery.announcement, delivery.over), (&checkout(), false));
        announced.end(Some(200)).await;
        let [delivery] = &sandbox.deliveries()[..] else { panic!("one was announced") };
        assert_eq!((delivery.answered, delivery.over), (Some(200), true));
    }

    #[tokio::test]
    async fn a_missing_sandbox_changes_nothing() {
        let sandbox = Sandbox::start(Settings::default()).await.unwrap();
        let url = sandbox.url();
        drop(sandbox);
        let announced = Announced::begin(&url, checkout()).await;
        assert_eq!(announced.url, None);
        announced.end(None).await;
    }
}
