//! A secret of AWS Secrets Manager: what it may hold, and when it is read again.

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::retry::RetryConfig;
use aws_sdk_secretsmanager::config::{BehaviorVersion, Credentials, Region};
use serde_json::{Value, json};
use webhook_core::secrets::Vault;

use crate::moto::Moto;
use crate::support::App;

const NAME: &str = "STRIPE_WEBHOOK_SECRET";
const BEFORE: &str = "STRIPE_WEBHOOK_SECRET_BEFORE_ROTATION";

struct Manager(Moto);

impl Manager {
    async fn start() -> Self {
        Self(Moto::start().await)
    }

    async fn call(&self, action: &str, body: Value) {
        let target = format!("secretsmanager.{action}");
        self.0.server().call("secretsmanager", &target, &body).await.unwrap();
    }

    /// By the clock of the application.
    fn vault(&self, id: &str, app: &App) -> Vault {
        let config = aws_sdk_secretsmanager::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .endpoint_url(self.0.server().url())
            .region(Region::new("eu-central-1"))
            .credentials_provider(Credentials::new("not-a-key", "not-a-secret", None, None, "test"))
            .retry_config(RetryConfig::disabled())
            .build();
        Vault::new(Client::from_conf(config), id, app.clock())
    }
}

#[tokio::test]
async fn a_rotated_secret_is_read_again_at_most_once_a_minute() {
    let (manager, app) = (Manager::start().await, App::start().await);
    let text = |secret: &str| json!({ NAME: secret }).to_string();
    manager.call("CreateSecret", json!({"Name": "s", "SecretString": text("first")})).await;
    let vault = manager.vault("s", &app);
    let held = vault.read_again().await.unwrap().unwrap();
    assert_eq!((held.get(NAME).as_deref(), held.get(BEFORE)), (Some("first"), None));

    let rotated = json!({"SecretId": "s", "SecretString": text("second")});
    manager.call("PutSecretValue", rotated).await;
    let held = vault.read_again().await.unwrap().unwrap();
    assert_eq!(held.get(NAME).as_deref(), Some("second"));
    assert_eq!(held.get(BEFORE).as_deref(), Some("first"));

    manager.call("PutSecretValue", json!({"SecretId": "s", "SecretString": text("third")})).await;
    app.pass(59);
    assert!(vault.read_again().await.is_none());
    app.pass(1);
    assert_eq!(vault.read_again().await.unwrap().unwrap().get(NAME).as_deref(), Some("third"));
    app.pass(60);
    assert!(vault.read_again().await.is_none(), "nothing changed");
}

#[tokio::test]
async fn what_cannot_be_a_secret_is_named_with_what_to_do_and_without_a_value() {
    let (manager, app) = (Manager::start().await, App::start().await);
    let text = |text: &str| json!({"SecretString": text});
    for (id, value, expected) in [
        ("gone", None, "there is no secret gone in this account and region"),
        ("empty", Some(json!({})), "there is no secret empty in this account and region"),
        ("plain", Some(text("whsec_plain")), "plain is no JSON object"),
        ("list", Some(text("[\"whsec_plain\"]")), "list is no JSON object"),
        ("binary", Some(json!({"SecretBinary": "d2hzZWM="})), "binary is binary"),
    ] {
        if let Some(mut value) = value {
            value["Name"] = json!(id);
            manager.call("CreateSecret", value).await;
        }
        let why = manager.vault(id, &app).read_again().await.unwrap().unwrap_err().to_string();
        assert!(why.starts_with("SECRETS_ID: ") && why.contains(expected), "{why}");
        assert!(!why.contains("whsec"), "{why}");
    }
    // It is tried again, but not with every webhook.
    let vault = manager.vault("later", &app);
    assert!(vault.read_again().await.unwrap().is_err());
    assert!(vault.read_again().await.is_none());
    manager.call("CreateSecret", json!({"Name": "later", "SecretString": "{}"})).await;
    app.pass(60);
    assert!(vault.read_again().await.unwrap().is_ok());
}
