//! A secret of AWS Secrets Manager: what it may hold, and when it is read again.

use devkit::moto::Moto;
use serde_json::{Value, json};
use webhook_core::infra::secrets::Vault;

use crate::support::App;
use crate::support::moto::{DEADLINE, found, region};

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
async fn each_of_several_rotations_in_a_minute_is_found() {
    let (manager, app) = (Manager::start().await, App::start().await);
    let text = |secret: &str| json!({ NAME: secret }).to_string();
    manager.call("CreateSecret", json!({"Name": "s", "SecretString": text("first")})).await;
    let vault = manager.vault("s", &app).await;
    let held = vault.read_again(None).await.unwrap().unwrap();
    assert_eq!((held.get(NAME).as_deref(), held.get(BEFORE)), (Some("first"), None));

    let mut before = "first";
    for secret in ["second", "third", "fourth"] {
        let rotated = json!({"SecretId": "s", "SecretString": text(secret)});
        manager.call("PutSecretValue", rotated).await;
        app.pass(1);
        let held = vault.read_again(None).await.unwrap().unwrap();
        assert_eq!(held.get(NAME).as_deref(), Some(secret));
        assert_eq!(held.get(BEFORE).as_deref(), Some(before));
        before = secret;
    }
}

#[tokio::test]
async fn a_secret_is_read_in_vain_once_a_minute_for_a_source() {
    let (manager, app) = (Manager::start().await, App::start().await);
    let text = |secret: &str| json!({ NAME: secret }).to_string();
    manager.call("CreateSecret", json!({"Name": "s", "SecretString": text("first")})).await;
    let vault = manager.vault("s", &app).await;
    let [stranger, genuine] = ["192.0.2.66", "192.0.2.1"].map(|ip| Some(ip.parse().unwrap()));
    vault.read_again(None).await.unwrap().unwrap();
    assert!(vault.read_again(stranger).await.is_none(), "nothing changed");

    manager.call("PutSecretValue", json!({"SecretId": "s", "SecretString": text("second")})).await;
    app.pass(59);
    assert!(vault.read_again(stranger).await.is_none(), "it would have found the new one");
    let held = vault.read_again(genuine).await.unwrap().unwrap();
    assert_eq!(held.get(NAME).as_deref(), Some("second"));

    manager.call("PutSecretValue", json!({"SecretId": "s", "SecretString": text("third")})).await;
    app.pass(1);
    let held = vault.read_again(stranger).await.unwrap().unwrap();
    assert_eq!(held.get(NAME).as_deref(), Some("third"));
    app.pass(60);
    assert!(vault.read_again(genuine).await.is_none(), "nothing changed");
}

#[tokio::test]
async fn deliveries_side_by_side_share_one_read() {
    let (manager, app) = (Manager::start().await, App::start().await);
    let text = |secret: &str| json!({ NAME: secret }).to_string();
    manager.call("CreateSecret", json!({"Name": "s", "SecretString": text("first")})).await;
    let vault = manager.vault("s", &app).await;
    vault.read_again(None).await.unwrap().unwrap();
    for secret in ["second", "third"] {
        let rotated = json!({"SecretId": "s", "SecretString": text(secret)});
        manager.call("PutSecretValue", rotated).await;
        // The second of them must not use up the try that the next rotation needs.
        let genuine = Some("192.0.2.1".parse().unwrap());
        let (one, other) = tokio::join!(vault.read_again(genuine), vault.read_again(genuine));
        assert_eq!(one.unwrap().unwrap().get(NAME).as_deref(), Some(secret));
        assert!(other.is_none());
    }
}

#[tokio::test]
async fn an_impossible_secret_is_named_with_advice_but_not_shown() {
    let (manager, app) = (Manager::start().await, App::start().await);
    let text = |text: &str| json!({"SecretString": text});
    for (id, value, expected) in [
        ("gone", None, "the secret gone could not be read: it does not exist in this account"),
        (
            "empty",
            Some(json!({})),
            "the secret empty could not be read: it does not exist in this account",
        ),
        (
            "plain",
            Some(text("whsec_plain")),
            "the secret plain could not be read: it is not a JSON object",
        ),
        (
            "list",
            Some(text("[\"whsec_plain\"]")),
            "the secret list could not be read: it is not a JSON object",
        ),
        (
            "binary",
            Some(json!({"SecretBinary": "d2hzZWM="})),
            "the secret binary could not be read: it is binary",
        ),
    ] {
        if let Some(mut value) = value {
            value["Name"] = json!(id);
            manager.call("CreateSecret", value).await;
        }
        let read = manager.vault(id, &app).await.read_again(None).await;
        let error = read.unwrap().unwrap_err();
        let (why, public) = (error.to_string(), error.without_its_name());
        assert_eq!(public, why.replace(&format!("secret {id} "), "secret "));
        assert!(why.starts_with("SECRETS_ID: ") && why.contains(expected), "{why}");
        assert!(!why.contains("whsec"), "{why}");
    }
    // It is tried again, but not with every webhook.
    let vault = manager.vault("later", &app).await;
    assert!(vault.read_again(None).await.unwrap().is_err());
    assert!(vault.read_again(None).await.is_none());
    manager.call("CreateSecret", json!({"Name": "later", "SecretString": "{}"})).await;
    app.pass(60);
    assert!(vault.read_again(None).await.unwrap().is_ok());
}
