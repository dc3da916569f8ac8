//! The sandbox over real HTTP.

mod access;
mod admin;
mod doors;
mod faults;
mod licenses;
mod lists;
mod page;
mod switches;
mod users;

use serde_json::{Value, json};

use super::{Sandbox, Settings, catalogue::YEARLY_PRODUCT, settings::ACCESS_TOKEN};

/// A sandbox and a client of it.
struct Api {
    sandbox: Sandbox,
    http: reqwest::Client,
}

impl Api {
    async fn start() -> Api {
        Api::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Settings)) -> Api {
        let mut settings = Settings::default();
        change(&mut settings);
        let http = crate::send::client(1);
        Api { sandbox: Sandbox::start(settings).await.unwrap(), http }
    }

    async fn send(&self, call: &str, body: Value) -> reqwest::Result<reqwest::Response> {
        let (method, path) = call.split_once(' ').unwrap();
        let url = format!("{}{path}", self.sandbox.url());
        let request = self.http.request(method.parse().unwrap(), url).bearer_auth(ACCESS_TOKEN);
        let request = if body.is_null() { request } else { request.json(&body) };
        request.send().await
    }

    /// Status and JSON; `null` for an empty body.
    async fn call(&self, call: &str, body: Value) -> (u16, Value) {
        let response = self.send(call, body).await.unwrap();
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        let json = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() };
        (status, json)
    }

    async fn status(&self, call: &str, body: Value) -> u16 {
        self.call(call, body).await.0
    }

    /// A call that must succeed.
    async fn ok(&self, call: &str, body: Value) -> Value {
        let (status, answer) = self.call(call, body).await;
        assert!(status < 300, "{call}: {status} {answer}");
        answer
    }

    /// A call that must be refused with a message about this.
    async fn refused(&self, call: &str, body: Value, status: u16, about: &str) {
        let (got, answer) = self.call(call, body.clone()).await;
        let message = answer["message"].as_str().unwrap_or_default();
        assert_eq!(got, status, "{call} {body}: {answer}");
        assert!(message.contains(about), "{call} {body}: {message:?} is not about {about:?}");
        assert!(answer["code"].is_string());
    }

    /// Creates a license of the yearly product with further fields; its id.
    async fn license(&self, fields: Value) -> String {
        let answer = self.ok("POST /v3/licenses", product(fields)).await;
        answer["id"].as_str().unwrap().to_owned()
    }

    /// Ids, or rather their last digit, of a list.
    async fn listed(&self, call: &str) -> Vec<u32> {
        let answer = self.ok(call, Value::Null).await;
        let last = |item: &Value| item["id"].as_str().unwrap()[24..].parse().unwrap();
        answer.as_array().unwrap().iter().map(last).collect()
    }
}

/// The fields of a license of the yearly product.
fn product(mut fields: Value) -> Value {
    if fields.get("productId").is_none() {
        fields["productId"] = json!(YEARLY_PRODUCT);
    }
    fields
}

fn user(email: &str) -> Value {
    json!({ "email": email, "firstName": "Ada", "password": "12345678", "role": "user" })
}

fn item(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": value, "viewPermissions": [] })
}
