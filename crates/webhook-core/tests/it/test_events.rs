//! Test money buys no license that works, but where somebody tries something.

use devkit::sandbox::Settings;
use devkit::sign::Provider as Signer;
use http::Request;
use serde_json::{Value, json};

use crate::support::{Answer, App, FASTSPRING, PADDLE, STRIPE, edited};

const REFUSED: &str = "test event refused (TEST_EVENTS)";

/// The purchase of a provider, with something else in its envelope, and in its data.
fn purchase(provider: Signer, envelope: &Value, data: &Value) -> Vec<u8> {
    let case = match provider {
        STRIPE => "checkout-subscription",
        FASTSPRING => "order-subscription",
        PADDLE => "transaction-web",
    };
    let fill = |object: &mut Value, with: &Value| {
        let with = with.as_object().cloned().unwrap_or_default();
        object.as_object_mut().unwrap().extend(with);
    };
    edited(provider, case, |delivery| match provider {
        FASTSPRING => {
            fill(&mut delivery["events"][0], envelope);
            fill(&mut delivery["events"][0]["data"], data);
        }
        STRIPE | PADDLE => {
            fill(delivery, envelope);
            fill(&mut delivery["data"], data);
        }
    })
}

async fn app(setting: &str) -> App {
    App::with(Settings::default(), &[("TEST_EVENTS", setting)]).await
}

async fn health(app: &App, provider: Signer) -> Answer {
    app.request(provider, Request::get("/health").body(axum::body::Body::empty()).unwrap()).await
}

#[tokio::test]
async fn test_money_is_refused_where_one_secret_signs_both() {
    let (none, test) = (json!({}), json!({"live": false}));
    let connected = json!({"account": "acct_1", "livemode": false});
    for (provider, envelope, data, auto, refuse) in [
        (STRIPE, json!({"livemode": false}), &none, false, true),
        (STRIPE, connected, &none, true, true),
        (STRIPE, json!({"account": {"id": "acct_1"}, "livemode": "false"}), &none, true, true),
        (STRIPE, json!({"account": null, "livemode": false}), &none, false, true),
        (STRIPE, json!({"account": "acct_1", "livemode": true}), &none, false, false),
        (STRIPE, json!({"account": "acct_1", "livemode": null}), &none, false, false),
        (STRIPE, json!({"account": "acct_1", "livemode": 0}), &none, false, false),
        (FASTSPRING, test.clone(), &none, true, true),
        (FASTSPRING, none.clone(), &test, true, true),
        (FASTSPRING, json!({"live": null}), &test, true, true),
        (FASTSPRING, json!({"live": null}), &json!({"live": null}), false, false),
        (FASTSPRING, json!({"live": []}), &json!({"live": {}}), false, false),
        (FASTSPRING, none.clone(), &none, false, false),
        (PADDLE, test.clone(), &test, false, false),
    ] {
        let body = purchase(provider, &envelope, data);
        for (setting, refused) in [("auto", auto), ("refuse", refuse), ("accept", false)] {
            for (path, text) in [("/v1", "message"), (lifecycle(provider), "status")] {
                let app = app(setting).await;
                let answer = app.deliver(provider, path, &body).await;
                let what =
                    format!("{provider} {envelope} {data} {setting} {path}: {}", answer.body);
                assert_eq!(answer.status, 200, "{what}");
                let told: Value = serde_json::from_str(&answer.body).unwrap();
                assert_eq!(told[text] == REFUSED, refused, "{what}");
                assert_eq!(app.sandbox.licenses().is_empty(), refused, "{what}");
                assert_eq!(app.sandbox.calls().is_empty(), refused, "{what}");
                assert_eq!(health(&app, provider).await.body.contains(REFUSED), refused, "{what}");
            }
        }
    }
}

fn lifecycle(provider: Signer) -> &'static str {
    match provider {
        STRIPE => "/webhooks/stripe",
        FASTSPRING => "/webhooks/fastspring",
        PADDLE => "/webhooks/paddle",
    }
}

#[tokio::test]
async fn live_events_are_handled_in_a_batch_with_test_events() {
    let live = purchase(FASTSPRING, &json!({}), &json!({}));
    let mut batch: Value = serde_json::from_slice(&live).unwrap();
    let mut test = batch["events"][0].clone();
    test["id"] = json!("evt-test");
    test["live"] = json!(false);
    test["data"]["id"] = json!("ord-test");
    test["data"]["order"] = json!("ord-test");
    // What is refused is not even understood.
    let nonsense = json!({"id": "evt-nonsense", "type": "order.completed", "live": false});
    batch["events"].as_array_mut().unwrap().extend([test, nonsense]);
    let app = app("auto").await;
    let body = serde_json::to_vec(&batch).unwrap();
    let answer = app.deliver(FASTSPRING, "/webhooks/fastspring", &body).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"status":"success"}"#));
    assert_eq!(app.sandbox.licenses().len(), 1);
}
