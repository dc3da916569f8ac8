//! A topic of SNS that keeps what is published.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use devkit::sandbox::Settings;
use http::StatusCode;
use serde_json::Value;
use tokio::net::TcpListener;
use webhook_core::infra::aws::Aws;
use webhook_core::infra::config::Topics;
use webhook_core::infra::notify::Notifier;

use super::App;
use super::moto::sdk;

/// Its name.
const TOPIC: &str = "arn:aws:sns:eu-central-1:123456789012:licenses";

/// SNS, as far as one message is concerned.
pub(crate) struct Topic {
    published: Arc<Mutex<Vec<String>>>,
    pub(crate) notifier: Notifier,
    server: tokio::task::JoinHandle<()>,
}

/// For operations alone.
pub(crate) fn operations(topic: &str) -> Topics {
    Topics { operations: Some(topic.to_owned()), business: None }
}

impl Topic {
    pub(crate) async fn answering(status: StatusCode) -> Self {
        let published: Arc<Mutex<Vec<String>>> = Arc::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let publish = move |State(all): State<Arc<Mutex<Vec<String>>>>, text: String| async move {
            all.lock().unwrap().push(text);
            let xml = "<PublishResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><PublishResult><MessageId>1</MessageId></PublishResult></PublishResponse>";
            (status, xml)
        };
        let router = Router::new().route("/", post(publish)).with_state(Arc::clone(&published));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let aws = Aws::of(sdk(&url, "another-region"));
        let notifier = Notifier::of(&operations(TOPIC), &aws).await;
        Self { published, notifier, server }
    }

    pub(crate) async fn app(&self, variables: &[(&str, &str)]) -> App {
        let mut app = App::with(Settings::default(), variables).await;
        app.notifier = self.notifier.clone();
        app
    }

    /// The kinds of concern that were published.
    pub(crate) fn concerns(&self) -> Vec<String> {
        self.told().into_iter().map(|(concern, _)| concern).collect()
    }

    /// What was published: kind of concern, and the whole message.
    pub(crate) fn told(&self) -> Vec<(String, String)> {
        let published = self.published.lock().unwrap();
        let message = |form: &String| {
            assert!(form.starts_with("Action=Publish"), "{form}");
            let fields: Vec<(String, String)> = fields_of(form);
            let field = |name: &str| fields.iter().find(|(key, _)| key == name).unwrap().1.clone();
            assert_eq!(field("TopicArn"), TOPIC);
            let message: Value = serde_json::from_str(&field("Message")).unwrap();
            (message["notification"].as_str().unwrap().to_owned(), message.to_string())
        };
        published.iter().map(message).collect()
    }
}

fn fields_of(form: &str) -> Vec<(String, String)> {
    reqwest::Url::parse(&format!("http://form/?{form}"))
        .unwrap()
        .query_pairs()
        .into_owned()
        .collect()
}

impl Drop for Topic {
    fn drop(&mut self) {
        self.server.abort();
    }
}
