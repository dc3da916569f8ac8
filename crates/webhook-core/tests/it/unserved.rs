//! Payments whose license is not there: what can be made is made, and of the rest a person is told once.

use axum::http::StatusCode;
use devkit::sign::Provider as Signer;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::clock::DAY;
use crate::support::licenses::by_hand;
use crate::support::topics::Topic;
use crate::support::{App, FASTSPRING, PADDLE, STRIPE, body, edited, json, path_of};

async fn status(app: &App, provider: Signer, body: &[u8]) -> u16 {
    app.deliver(provider, path_of(provider), body).await.status
}

#[tokio::test]
async fn a_payment_without_purchase_for_a_day_is_notified_once() {
    let topic = Topic::answering(StatusCode::OK).await;
    let app = topic.app(&[]).await;
    let renewal = body(STRIPE, "invoice-cycle");
    let at = json(STRIPE, "invoice-cycle")["created"].as_i64().unwrap();
    app.pass(at + DAY - 1 - app.now());
    assert_eq!(status(&app, STRIPE, &renewal).await, 400);
    assert!(topic.concerns().is_empty());
    app.pass(1);
    for _ in 0..2 {
        assert_eq!(status(&app, STRIPE, &renewal).await, 200);
    }
    assert_eq!(topic.concerns(), ["paid_without_license"]);
    // Its purchase may come all the same, and runs until what was paid.
    app.cases(STRIPE, &["checkout-subscription"]).await;
    assert_eq!(app.ends(), ["2028-09-01"]);
}

#[tokio::test]
async fn a_payment_for_a_deleted_license_is_notified() {
    for (provider, bought, renewal) in [
        (STRIPE, vec!["checkout-subscription", "invoice-create"], "invoice-cycle"),
        (FASTSPRING, vec!["order-subscription"], "charge-completed"),
    ] {
        let topic = Topic::answering(StatusCode::OK).await;
        let app = topic.app(&[]).await;
        app.cases(provider, &bought).await;
        let id = app.sandbox.licenses()[0].id.clone();
        by_hand(&app, Method::DELETE, &id, Value::Null).await;
        app.cases(provider, &[renewal, renewal]).await;
        assert!(app.sandbox.licenses().is_empty(), "{provider}: it is not made again");
        assert_eq!(topic.concerns(), ["paid_without_license"], "{provider}");
    }
}

#[tokio::test]
async fn a_payment_after_an_end_that_deleted_makes_new_licenses() {
    let topic = Topic::answering(StatusCode::OK).await;
    let app = topic.app(&[("CRYPTLEX_CANCELLATION_ACTION", "delete")]).await;
    app.cases(PADDLE, &["transaction-web"]).await;
    let end = edited(PADDLE, "subscription-canceled", |event| {
        event["occurred_at"] = json!("2026-09-20T00:00:00Z");
    });
    app.accepts(PADDLE, &end).await;
    let before = app.sandbox.licenses().len();
    app.cases(PADDLE, &["transaction-recurring", "transaction-recurring"]).await;
    assert!(app.sandbox.licenses().len() > before, "{:?}", app.licenses());
    assert_eq!(topic.concerns(), ["made_again"]);
}

#[tokio::test]
async fn a_refund_unknown_to_the_ledger_suspends_by_its_mark() {
    for lost in [false, true] {
        let mut app = App::start().await;
        app.cases(STRIPE, &["checkout-payment"]).await;
        if lost {
            app.restart();
        }
        let payment = json(STRIPE, "checkout-payment")["data"]["object"]["payment_intent"].clone();
        let refund = |case: &str| {
            edited(STRIPE, case, |event| {
                event["data"]["object"]["payment_intent"] = payment.clone();
            })
        };
        app.accepts(STRIPE, &refund("charge-refunded-one-time")).await;
        assert_eq!(app.ends(), ["never suspended"], "ledger lost: {lost}");
        app.accepts(STRIPE, &refund("refund-failed")).await;
        assert_eq!(app.ends(), ["never"], "ledger lost: {lost}");
    }
}

#[tokio::test]
async fn a_license_revoked_by_hand_stays_revoked_after_the_end() {
    let app = App::start().await;
    app.cases(STRIPE, &["checkout-subscription", "invoice-create"]).await;
    let id = app.sandbox.licenses()[0].id.clone();
    by_hand(&app, Method::PATCH, &id, json!({"revoked": true})).await;
    let paid = json(STRIPE, "invoice-create")["created"].as_i64().unwrap();
    let end = edited(STRIPE, "subscription-deleted", |event| {
        event["created"] = json!(paid + DAY);
    });
    app.accepts(STRIPE, &end).await;
    app.cases(STRIPE, &["invoice-cycle"]).await;
    assert!(app.ends()[0].ends_with("revoked"), "{:?}", app.ends());
}

/// Nobody knows whether the period is paid that something is added in. A description that tells where it begins does not say it.
#[tokio::test]
async fn an_addition_to_an_unknown_subscription_is_only_notified() {
    let topic = Topic::answering(StatusCode::OK).await;
    let app = topic.app(&[]).await;
    let metadata = json(STRIPE, "invoice-create-named")["data"]["object"]["parent"].clone();
    let metadata = metadata["subscription_details"]["metadata"].clone();
    let added = edited(STRIPE, "invoice-update-proration-only", |event| {
        let invoice = &mut event["data"]["object"];
        invoice["parent"]["subscription_details"]["metadata"] = metadata;
        invoice["lines"]["data"].as_array_mut().unwrap().remove(0);
    });
    assert_eq!(status(&app, STRIPE, &added).await, 200);
    assert_eq!(app.ends(), Vec::<String>::new());
    assert_eq!(topic.concerns(), ["paid_without_license"]);
    app.cases(STRIPE, &["subscription-updated-active"]).await;
    assert_eq!(app.ends(), Vec::<String>::new());
    // The next period is paid, and named.
    app.cases(STRIPE, &["invoice-cycle-both"]).await;
    assert_eq!(topic.concerns()[1..], Vec::<String>::new());
}
