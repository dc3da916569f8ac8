//! A secret of AWS Secrets Manager: what it may hold, and when it is read again.

use devkit::moto::Moto;
use serde_json::{Value, json};
use webhook_core::secrets::Vault;

use crate::moto::{DEADLINE, found, region};
use crate::support::App;

const NAME: &str = "STRIPE_WEBHOOK_SECRET";
const BEFORE: &str = "STRIPE_WEBHOOK_SECRET_BEFORE_ROTATION";

struct Manager(Moto);

impl Manager {
    async fn start() -> Self {
        Self(region().await)
    }

    async fn call(&self, action: &str, body: Value) {
        let target = format!("secretsmanager.{action}");
        self.0.call("secretsmanager", &target, &body).await.unwrap();
    }

    /// By the clock of the application.
    async fn vault(&self, id: &str, app: &App) -> Vault {
        Vault::of(id, DEADLINE, &found(&self.0), app.clock()).await
    }
}

#[tokio::test]
async fn a_rotated_secret_is_read_again_at_most_once_a_minute() {
    let (manager, app) = (Manager::start().await, App::start().await);
    let text = |secret: &str| json!({ NAME: secret }).to_string();
    manager.call("CreateSecret", json!({"Name": "s", "SecretString": text("first")})).await;
    let vault = manager.vault("s", &app).await;
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
        let why =
            manager.vault(id, &app).await.read_again().await.unwrap().unwrap_err().to_string();
        assert!(why.starts_with("SECRETS_ID: ") && why.contains(expected), "{why}");
        assert!(!why.contains("whsec"), "{why}");
    }
    // It is tried again, but not with every webhook.
    let vault = manager.vault("later", &app).await;
    assert!(vault.read_again().await.unwrap().is_err());
    assert!(vault.read_again().await.is_none());
    manager.call("CreateSecret", json!({"Name": "later", "SecretString": "{}"})).await;
    app.pass(60);
    assert!(vault.read_again().await.unwrap().is_ok());
}
