//! Who names the Cryptlex product of a Stripe purchase: metadata of the checkout session before metadata of the
//! subscription before the configuration, in whatever order their events come.

use serde_json::{Value, json};

use crate::support::clock::SEPTEMBER;
use crate::support::orders::orders;
use crate::support::{App, STRIPE, edited, path_of};

const BOTH: &str = "/webhooks/stripe";

fn product(number: u32) -> Value {
    json!({"CRYPTLEX_PRODUCT_ID": format!("11111111-1111-4111-8111-00000000000{number}"),
           "CRYPTLEX_LICENSE_TEMPLATE": "66666666-6666-4666-8666-000000000001"})
}

fn half(number: u32) -> Value {
    json!({"CRYPTLEX_PRODUCT_ID": product(number)["CRYPTLEX_PRODUCT_ID"]})
}

fn session(metadata: &Value) -> Vec<u8> {
    edited(STRIPE, "checkout-subscription", |event| {
        event["created"] = json!(SEPTEMBER + 2);
        event["data"]["object"]["metadata"] = metadata.clone();
    })
}

fn invoice(of_subscription: &Value) -> Vec<u8> {
    edited(STRIPE, "invoice-create", |event| {
        event["data"]["object"]["parent"]["subscription_details"]["metadata"] =
            of_subscription.clone();
    })
}

fn updated(created: i64, of_subscription: &Value) -> Vec<u8> {
    edited(STRIPE, "subscription-updated-active", |event| {
        event["id"] = json!(format!("evt_updated_{created}"));
        event["created"] = json!(created);
        event["data"]["object"]["metadata"] = of_subscription.clone();
    })
}

/// Product and end of the licenses that run.
fn running(app: &App) -> Vec<String> {
    let licenses = app.licenses();
    let running = licenses.iter().filter(|license| !license.contains("revoked"));
    running.map(|l| l[l.find("product").unwrap()..l.find(" for").unwrap()].to_owned()).collect()
}

/// What runs after all of them, in each order.
async fn end_with(events: &[Vec<u8>], path: &str, expected: &str) {
    let all: Vec<usize> = (0..events.len()).collect();
    for order in orders(&all) {
        let app = App::start().await;
        for event in order.iter().chain(&order) {
            let answer = app.deliver(STRIPE, path, &events[*event]).await;
            assert_eq!(
                answer.status,
                200,
                "{order:?} {event}: {} {:?}",
                answer.body,
                app.licenses()
            );
        }
        assert_eq!(running(&app), [expected], "{order:?}: {:?}", app.licenses());
    }
}

#[tokio::test]
async fn the_subscription_names_the_product_before_configuration() {
    let (nothing, named) = (json!({}), product(4));
    let events = [session(&nothing), invoice(&named), updated(SEPTEMBER + 1, &named)];
    end_with(&events, BOTH, "product 4 until 2027-09-01").await;
    end_with(&events[..2], BOTH, "product 4 until 2027-09-01").await;
    // The invoice may be of an API version that shows no metadata of the subscription.
    let events = [session(&nothing), invoice(&nothing), updated(SEPTEMBER + 1, &named)];
    end_with(&events, BOTH, "product 4 until 2027-09-01").await;
}

#[tokio::test]
async fn a_known_subscription_makes_no_provisional_license() {
    let app = App::start().await;
    for event in [updated(SEPTEMBER + 1, &product(4)), session(&json!({}))] {
        assert_eq!(app.deliver(STRIPE, BOTH, &event).await.status, 200);
    }
    assert_eq!(app.licenses().len(), 1, "{:?}", app.licenses());
    assert_eq!(running(&app), ["product 4 until 2027-09-01"]);
}

#[tokio::test]
async fn the_session_names_the_product_before_the_subscription() {
    let events = [session(&product(1)), invoice(&product(4)), updated(SEPTEMBER + 1, &product(4))];
    for path in [BOTH, path_of(STRIPE)] {
        end_with(&events, path, "product 1 until 2027-09-01").await;
    }
}

#[tokio::test]
async fn a_change_without_product_keeps_the_one_of_the_session() {
    let events = [session(&product(4)), invoice(&json!({})), updated(SEPTEMBER + 5, &json!({}))];
    end_with(&events, BOTH, "product 4 until 2027-09-01").await;
}

#[tokio::test]
async fn a_product_named_after_the_purchase_is_another_one() {
    let later = updated(SEPTEMBER + 86_400, &product(4));
    let events = [session(&product(1)), invoice(&product(1)), later];
    end_with(&events, BOTH, "product 4 until 2027-09-01").await;
}

#[tokio::test]
async fn a_session_without_metadata_is_mapped_by_its_subscription() {
    let app = App::start().await;
    let session = session(&json!({}));
    assert_eq!(app.deliver(STRIPE, "/v2", &session).await.status, 400);
    let named = updated(SEPTEMBER + 86_400, &product(4));
    assert_eq!(app.deliver(STRIPE, "/v2", &named).await.status, 200);
    let answer = app.deliver(STRIPE, "/v2", &session).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(running(&app), ["product 4 until 2027-09-01"]);
}

#[tokio::test]
async fn metadata_changes_nothing_where_configuration_alone_counts() {
    for (of_session, of_subscription) in
        [(product(4), product(4)), (half(4), half(4)), (json!({}), half(4))]
    {
        let events = [
            session(&of_session),
            invoice(&of_subscription),
            updated(SEPTEMBER + 86_400, &of_subscription),
        ];
        end_with(&events, "/v1", "product 1 until 2027-09-01").await;
    }
}

#[tokio::test]
async fn a_session_that_names_half_of_a_product_is_an_error() {
    let (session, invoice) = (session(&half(4)), invoice(&json!({})));
    for session_first in [true, false] {
        let app = App::start().await;
        if session_first {
            assert_eq!(app.deliver(STRIPE, BOTH, &session).await.status, 500);
        }
        assert_eq!(app.deliver(STRIPE, BOTH, &invoice).await.status, 200);
        for _ in 0..2 {
            assert_eq!(app.deliver(STRIPE, BOTH, &session).await.status, 500, "{session_first}");
        }
        assert_eq!(running(&app), ["product 1 until 2027-09-01"], "{session_first}");
        assert_eq!(app.licenses().len(), 1);
    }
}

#[tokio::test]
async fn a_first_invoice_needs_an_email_only_to_make_a_license() {
    let nobody = edited(STRIPE, "invoice-create", |event| {
        event["data"]["object"]["customer_email"] = json!(null);
    });
    for path in ["/v1", "/v2"] {
        let app = App::start().await;
        app.deliver(STRIPE, path, &session(&product(1))).await;
        let answer = app.deliver(STRIPE, path, &nobody).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(running(&app), ["product 1 until 2027-09-01"], "{path}");
    }
    let app = App::start().await;
    let answer = app.deliver(STRIPE, "/v1", &nobody).await;
    let text = "Customer email not found in invoice with ID: in_1hzOO6KdPqWvRn2LZGH9kzhg";
    assert_eq!((answer.status, answer.message().as_str()), (400, text));
}
