//! Templates, and what is not let in or does not exist.

use serde_json::{Value, json};

use super::{super::catalogue::*, Api};

#[tokio::test]
async fn templates_can_be_read_and_other_calls_do_not_exist() {
    let api = Api::start().await;
    for (id, interval, trigger) in [
        (YEARLY_TEMPLATE, "P1Y", json!("creation")),
        (MONTHLY_TEMPLATE, "P1M", json!("creation")),
        (PERPETUAL_TEMPLATE, "", Value::Null),
        (YEARLY_ON_ACTIVATION_TEMPLATE, "P1Y", json!("activation")),
    ] {
        let template = api.ok(&format!("GET /v3/license-templates/{id}"), Value::Null).await;
        assert_eq!(template["subscriptionInterval"], interval);
        assert_eq!(template["subscriptionStartTrigger"], trigger);
        assert_eq!(template["requiredMetadataKeys"], json!([]));
    }
    for call in [
        "GET /v3/license-templates/x",
        "GET /v3/products",
        "GET /licenses",
        "PUT /v3/licenses",
        "POST /",
        "GET /v3/users/x",
        "POST /sandbox/nothing",
    ] {
        assert_eq!(api.status(call, Value::Null).await, 404, "{call}");
    }
}

#[tokio::test]
async fn only_the_token_is_let_in() {
    let api = Api::start().await;
    let url = format!("{}/v3/licenses", api.sandbox.url());
    for authorization in ["", "Bearer", "Bearer other", "sandbox-token", "Basic sandbox-token"] {
        let request = api.http.get(&url).header("authorization", authorization);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 401, "{authorization:?}");
        let error: Value = response.json().await.unwrap();
        assert_eq!(error["code"], "UNAUTHORIZED");
    }
}
