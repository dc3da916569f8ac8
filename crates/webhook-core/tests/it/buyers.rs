//! Purchases without an e-mail: they wait for the customer's own event, and are finished by it.

use devkit::sandbox::Fault;
use http::StatusCode;
use serde_json::{Value, json};

use crate::support::clock::{DAY, SEPTEMBER};
use crate::support::people::{Person, owner_of};
use crate::support::topics::Topic;
use crate::support::{App, PADDLE, STRIPE, edited};

/// The session or the first invoice of a subscription, of a customer whose e-mail it does not tell.
fn purchase(case: &str) -> Vec<u8> {
    edited(STRIPE, case, |event| {
        let object = &mut event["data"]["object"];
        object["customer"] = json!("cus_1");
        for email in ["customer_email", "customer_details"] {
            object[email] = json!(null);
        }
    })
}

fn customer(kind: &str, email: Value) -> Vec<u8> {
    let customer =
        json!({"id": "cus_1", "object": "customer", "email": email, "name": "Ada Example"});
    let event = json!({"id": format!("evt_{kind}_{email}"), "object": "event", "type": format!("customer.{kind}"),
        "created": SEPTEMBER + 60, "data": {"object": customer}});
    serde_json::to_vec(&event).unwrap()
}

fn ada() -> Vec<u8> {
    customer("created", json!("ada@example.com"))
}

async fn deliver(app: &App, body: &[u8]) -> u16 {
    app.deliver(STRIPE, "/webhooks/stripe", body).await.status
}

fn owners(app: &App) -> Vec<String> {
    let licenses = app.sandbox.licenses();
    licenses.iter().map(|license| license.user.as_ref().unwrap().email.clone()).collect()
}

const CASES: [&str; 3] = ["checkout-subscription", "checkout-payment", "invoice-create"];

#[tokio::test]
async fn a_purchase_without_email_goes_to_the_known_customer() {
    for case in CASES {
        let app = App::start().await;
        assert_eq!(deliver(&app, &ada()).await, 200);
        assert_eq!(deliver(&app, &purchase(case)).await, 200, "{case}");
        assert_eq!(owners(&app), ["ada@example.com"], "{case}");
        assert_eq!(app.sandbox.users().len(), 1);
    }
}

#[tokio::test]
async fn a_customers_event_finishes_their_waiting_purchases() {
    for case in CASES {
        for kind in ["created", "updated"] {
            let app = App::start().await;
            let answer = app.deliver(STRIPE, "/webhooks/stripe", &purchase(case)).await;
            assert!(answer.status == 503 && answer.retry_after.is_some(), "{case}");
            let nobody = customer("created", json!(null));
            assert_eq!(deliver(&app, &nobody).await, 200, "it tells no e-mail");
            assert!(app.sandbox.licenses().is_empty());
            let told = customer(kind, json!("ada@example.com"));
            assert_eq!(deliver(&app, &told).await, 200);
            assert_eq!(owners(&app), ["ada@example.com"], "{case}");
            app.sandbox.clear_calls();
            assert_eq!(deliver(&app, &purchase(case)).await, 200);
            assert_eq!(deliver(&app, &told).await, 200);
            assert!(app.sandbox.calls().is_empty(), "both are done");
        }
    }
}

#[tokio::test]
async fn a_session_and_an_invoice_that_wait_make_one_license() {
    let app = App::start().await;
    for case in ["checkout-subscription", "invoice-create"] {
        assert_eq!(deliver(&app, &purchase(case)).await, 503);
    }
    assert_eq!(deliver(&app, &ada()).await, 200);
    assert_eq!(app.ends(), ["2027-09-01"]);
}

#[tokio::test]
async fn a_waiting_purchase_survives_an_interrupted_customer_event() {
    let waiting = ["checkout-payment", "invoice-create"];
    // As many calls as both take.
    for call in 0..16 {
        for restart in [false, true] {
            let mut app = App::start().await;
            for case in waiting {
                assert_eq!(deliver(&app, &purchase(case)).await, 503);
            }
            app.sandbox.clear_calls();
            app.sandbox.fault(Fault::anywhere().skip(call).error_before(503).times(9));
            deliver(&app, &ada()).await;
            app.sandbox.clear_faults();
            // What may still be under way has arrived or died.
            app.pass(600);
            if restart {
                let store = app.store();
                app.restart_over(store);
            }
            assert_eq!(deliver(&app, &ada()).await, 200, "{call}");
            assert_eq!(owners(&app), ["ada@example.com"; 2], "{call} {restart}");
        }
    }
}

#[tokio::test]
async fn a_buyer_unknown_for_a_day_is_notified_once() {
    let topic = Topic::answering(StatusCode::OK).await;
    let app = topic.app(&[]).await;
    let created: Value = serde_json::from_slice(&purchase("invoice-create")).unwrap();
    let at = created["created"].as_i64().unwrap();
    app.pass(at + DAY - 1 - app.now());
    assert_eq!(deliver(&app, &purchase("invoice-create")).await, 503);
    assert!(topic.told().is_empty());
    app.pass(1);
    for _ in 0..2 {
        assert_eq!(deliver(&app, &purchase("invoice-create")).await, 200);
    }
    let told: Vec<String> = topic.told().into_iter().map(|(concern, _)| concern).collect();
    assert_eq!(told, ["buyer_unknown"]);
    assert!(app.sandbox.licenses().is_empty());
    // It still waits, and nobody delivers it again.
    assert_eq!(deliver(&app, &ada()).await, 200);
    assert_eq!(owners(&app), ["ada@example.com"]);
}

#[tokio::test]
async fn a_purchase_without_a_customer_waits_for_nobody() {
    let guest = edited(STRIPE, "checkout-payment", |event| {
        let object = &mut event["data"]["object"];
        for field in ["customer", "customer_email", "customer_details"] {
            object[field] = json!(null);
        }
    });
    let app = App::start().await;
    assert_eq!(deliver(&app, &guest).await, 503);
    assert_eq!(deliver(&app, &ada()).await, 200);
    assert!(app.sandbox.licenses().is_empty());
    app.pass(2 * DAY);
    assert_eq!(deliver(&app, &guest).await, 200, "nobody can make it succeed");
}

#[tokio::test]
async fn an_unmapped_waiting_purchase_hides_no_customer() {
    let app = App::with(<_>::default(), &[("CRYPTLEX_PRODUCT_ID", "unset")]).await;
    let unmapped = edited(STRIPE, "checkout-payment", |event| {
        let object = &mut event["data"]["object"];
        object["customer"] = json!("cus_1");
        object["customer_details"] = json!(null);
        object["customer_email"] = json!(null);
        object["metadata"] = json!({"CRYPTLEX_PRODUCT_ID": "half"});
    });
    assert_eq!(deliver(&app, &unmapped).await, 500);
    assert_eq!(deliver(&app, &purchase("checkout-subscription")).await, 503);
    assert_eq!(deliver(&app, &ada()).await, 200);
    assert_eq!(owners(&app), ["ada@example.com"]);
}

#[tokio::test]
async fn a_late_customer_event_sends_no_purchase_to_an_old_address() {
    let app = App::start().await;
    for email in ["old@example.com", "new@example.com"] {
        app.sandbox.insert_user(json!({"email": email, "firstName": "Ada", "role": "user"}));
    }
    let told = |email: &str, at: i64| {
        let mut event: Value = serde_json::from_slice(&customer("updated", json!(email))).unwrap();
        event["created"] = json!(SEPTEMBER + at);
        serde_json::to_vec(&event).unwrap()
    };
    for late in [told("new@example.com", 100), told("old@example.com", 1)] {
        assert_eq!(deliver(&app, &late).await, 200);
    }
    assert_eq!(deliver(&app, &purchase("checkout-payment")).await, 200);
    assert_eq!(owners(&app), ["new@example.com"]);
}

/// Nobody delivers an acknowledged purchase again: it waits until it is made.
#[tokio::test]
async fn a_failed_waiting_purchase_is_tried_by_the_next_event() {
    for refused in ["/v3/licenses", "/v3/users"] {
        let app = App::start().await;
        app.pass(2 * DAY);
        assert_eq!(deliver(&app, &purchase("checkout-payment")).await, 200, "acknowledged");
        app.sandbox.fault(Fault::on("POST", refused).error_before(400).always());
        for _ in 0..4 {
            deliver(&app, &ada()).await;
        }
        assert!(app.sandbox.licenses().is_empty());
        app.sandbox.clear_faults();
        assert_eq!(deliver(&app, &customer("updated", json!("ada@example.com"))).await, 200);
        assert_eq!(owners(&app), ["ada@example.com"], "{refused}");
    }
}

#[tokio::test]
async fn a_deletion_before_the_address_forgets_no_waiting_purchase() {
    let app = App::start().await;
    app.pass(2 * DAY);
    assert_eq!(deliver(&app, &purchase("checkout-payment")).await, 200, "acknowledged");
    let deleted = edited(STRIPE, "customer-deleted", |event| {
        event["created"] = json!(SEPTEMBER + 1000);
        event["data"]["object"]["id"] = json!("cus_1");
    });
    assert_eq!(deliver(&app, &deleted).await, 200);
    assert_eq!(deliver(&app, &ada()).await, 200);
    assert_eq!(owners(&app), ["ada@example.com"]);
}

#[tokio::test]
async fn a_kept_user_is_notified_with_or_without_waiting_purchases() {
    for waits in [false, true] {
        let topic = Topic::answering(StatusCode::OK).await;
        let app = topic.app(&[]).await;
        if waits {
            assert_eq!(deliver(&app, &purchase("checkout-payment")).await, 503);
        }
        let mut moved: Value =
            serde_json::from_slice(&customer("updated", json!("new@example.com"))).unwrap();
        moved["data"]["previous_attributes"] = json!({"email": "old@example.com"});
        app.sandbox
            .insert_user(json!({"email": "old@example.com", "firstName": "Ada", "role": "user"}));
        assert_eq!(deliver(&app, &serde_json::to_vec(&moved).unwrap()).await, 200);
        let told: Vec<String> = topic.told().into_iter().map(|(concern, _)| concern).collect();
        assert_eq!(told, ["user_kept"], "{waits}");
    }
}

#[tokio::test]
async fn a_waiting_test_purchase_is_not_made_once_tests_are_refused() {
    let accepting = App::with(<_>::default(), &[("TEST_EVENTS", "accept")]).await;
    let mut test: Value = serde_json::from_slice(&purchase("checkout-payment")).unwrap();
    test["livemode"] = json!(false);
    let test = serde_json::to_vec(&test).unwrap();
    assert_eq!(deliver(&accepting, &test).await, 503);
    let mut refusing = App::with(<_>::default(), &[("TEST_EVENTS", "refuse")]).await;
    refusing.restart_over(accepting.store());
    assert_eq!(deliver(&refusing, &ada()).await, 200);
    assert!(refusing.sandbox.licenses().is_empty());
}

/// An address that Cryptlex does not take is told to a person; what its customer buys is made all the same.
#[tokio::test]
async fn a_paddle_purchase_after_a_refused_address_uses_placeholder() {
    let app = App::start().await;
    let ada = Person::new(PADDLE, "ctm_ada", "Ada Example");
    app.sandbox.fault(Fault::on("POST", "/v3/users").error_before(400).times(30));
    let told = ada.has(0, "ada@example.com");
    let mut answers = Vec::new();
    for _ in 0..4 {
        answers.push(told.deliver(&app).await);
    }
    app.sandbox.clear_faults();
    assert_eq!(answers.last(), Some(&200), "{answers:?}");
    ada.buys(1, "").done(&app).await;
    assert!(owner_of(&app, &ada.purchase(1)).ends_with("@cryptlexpaddle.com"));
}
