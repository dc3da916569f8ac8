//! Answers say what happened, and never what did not.

use devkit::sign::Provider as Signer;
use http::StatusCode;
use serde_json::{Value, json};

use crate::support::licenses::by_hand;
use crate::support::topics::Topic;
use crate::support::{App, FASTSPRING, PADDLE, STRIPE, edited, path_of, rename_event};

const STRIPE_ONE: &str = "subscription sub_1AdalPKdPqWvRn2LIFXNxh5R";
const FASTSPRING_ONE: &str = "subscription 8Iab57xtIQ-O2NzEHgshMQ";
const PADDLE_ONE: &str = "subscription sub_01m1d484nfq1rrzzyyrn0g6kw7";

/// As another event, so that it is handled and not told from memory.
async fn said(app: &App, provider: Signer, case: &str, id: &str) -> String {
    let body = edited(provider, case, |delivery| rename_event(provider, delivery, id));
    let answer = app.deliver(provider, path_of(provider), &body).await;
    assert_eq!(answer.status, 200, "{case}: {}", answer.body);
    answer.message()
}

#[tokio::test]
async fn no_license_means_no_claim_about_licenses() {
    for (provider, subject, suspending, resuming, ending) in [
        (
            STRIPE,
            STRIPE_ONE,
            &["subscription-paused", "invoice-payment-failed"][..],
            "subscription-resumed",
            "subscription-deleted",
        ),
        (
            FASTSPRING,
            FASTSPRING_ONE,
            &["paused", "charge-failed", "payment-overdue"],
            "resumed",
            "deactivated",
        ),
        (
            PADDLE,
            PADDLE_ONE,
            &["subscription-paused", "subscription-past-due"],
            "subscription-resumed",
            "subscription-canceled",
        ),
    ] {
        for case in suspending {
            let app = App::start().await;
            let says = format!("Recorded: {subject} has no license to suspend.");
            assert_eq!(said(&app, provider, case, "one").await, says, "{provider} {case}");
        }
        let app = App::start().await;
        let says =
            format!("Nothing to do: this event changes nothing about the licenses of {subject}.");
        assert_eq!(said(&app, provider, resuming, "one").await, says, "{provider}");
        let app = App::start().await;
        let says = format!("Recorded: {subject} ended. It has no license.");
        assert_eq!(said(&app, provider, ending, "one").await, says, "{provider}");
    }
}

#[tokio::test]
async fn a_done_change_is_not_claimed_twice() {
    for (provider, subject, bought, pause, resume) in [
        (
            STRIPE,
            STRIPE_ONE,
            &["checkout-subscription", "invoice-create"][..],
            "subscription-paused",
            "subscription-resumed",
        ),
        (FASTSPRING, FASTSPRING_ONE, &["order-subscription"], "paused", "resumed"),
        (PADDLE, PADDLE_ONE, &["transaction-web"], "subscription-paused", "subscription-resumed"),
    ] {
        let app = App::start().await;
        app.cases(provider, bought).await;
        let none =
            format!("Nothing to do: this event changes nothing about the licenses of {subject}.");
        assert_eq!(said(&app, provider, resume, "first").await, none);
        // The resumption was newer than the pause: in a story of its own.
        let app = App::start().await;
        app.cases(provider, bought).await;
        let suspended = "License(s) suspended successfully.";
        assert_eq!(said(&app, provider, pause, "one").await, suspended);
        let again =
            format!("Nothing to do: this event changes nothing about the licenses of {subject}.");
        assert_eq!(said(&app, provider, pause, "two").await, again);
        let resumed = "License(s) resumed successfully.";
        assert_eq!(said(&app, provider, resume, "three").await, resumed);
        let again = said(&app, provider, resume, "four").await;
        assert!(again == none || again.starts_with("Recorded for "), "{provider}: {again}");
    }
}

#[tokio::test]
async fn licenses_that_stay_suspended_are_not_called_resumed() {
    let app = App::start().await;
    app.cases(FASTSPRING, &["order-subscription", "paused"]).await;
    let order =
        crate::support::json(FASTSPRING, "order-subscription")["events"][0]["data"]["id"].clone();
    let chargeback = edited(FASTSPRING, "chargeback", |batch| {
        let data = &mut batch["events"][0]["data"];
        (data["id"], data["order"]) = (order.clone(), order);
    });
    assert_eq!(app.deliver(FASTSPRING, "/v1", &chargeback).await.status, 200);
    let says =
        format!("Recorded: the licenses of {FASTSPRING_ONE} stay suspended for another reason.");
    assert_eq!(said(&app, FASTSPRING, "resumed", "resumed").await, says);
    assert_eq!(app.ends(), ["2027-09-01 suspended"]);
}

#[tokio::test]
async fn a_payment_that_only_resumes_is_not_called_a_renewal() {
    // A change that was paid in between, up to where the license ends already.
    let app = App::start().await;
    app.cases(PADDLE, &["transaction-web", "subscription-past-due"]).await;
    let paid = edited(PADDLE, "transaction-recurring", |event| {
        event["data"]["billing_period"]["ends_at"] = json!("2026-10-01T00:00:00Z");
        event["occurred_at"] = json!("2026-10-04T00:00:00Z");
    });
    let again = edited(PADDLE, "transaction-recurring", |event| {
        event["event_id"] = json!("evt_paid");
        event["data"]["billing_period"]["ends_at"] = json!("2026-11-01T00:00:00Z");
    });
    let message = app.deliver(PADDLE, "/v1", &paid).await.message();
    assert!(!message.contains("renewed"), "{message}");
    let message = app.deliver(PADDLE, "/v1", &again).await.message();
    assert_eq!(message, "License(s) renewed successfully.");
}

#[tokio::test]
async fn a_paid_license_revoked_by_hand_is_not_said_to_run() {
    let app = App::start().await;
    app.cases(STRIPE, &["checkout-subscription", "invoice-create"]).await;
    let id = app.sandbox.licenses()[0].id.clone();
    by_hand(&app, reqwest::Method::PATCH, &id, json!({"revoked": true})).await;
    let message = app.case(STRIPE, "invoice-cycle").await.message();
    assert!(message.contains("stay revoked"), "{message}");
}

#[tokio::test]
async fn a_notification_claims_no_suspension_that_did_not_happen() {
    for (provider, case) in [
        (STRIPE, "invoice-payment-failed"),
        (FASTSPRING, "charge-failed"),
        (PADDLE, "subscription-past-due"),
    ] {
        let topic = Topic::answering(StatusCode::OK).await;
        let mut app = App::start().await;
        app.notifier = topic.notifier.clone();
        said(&app, provider, case, "one").await;
        let told = topic.told();
        assert_eq!((told.len(), told[0].0.as_str()), (1, "payment_failed"));
        let message: Value = serde_json::from_str(&told[0].1).unwrap();
        let message = message["message"].as_str().unwrap();
        assert!(message.ends_with("has no license to suspend."), "{provider}: {message}");
    }
}

#[tokio::test]
async fn a_customer_without_changes_is_not_called_updated() {
    for (provider, case, done) in [
        (STRIPE, "customer-created", "User created successfully."),
        (PADDLE, "customer-imported", "User created successfully."),
        // It does not say what changed, and nobody knows which user the account was.
        (FASTSPRING, "account-updated", "The address of customer "),
    ] {
        let app = App::start().await;
        let first = said(&app, provider, case, "one").await;
        assert!(first.starts_with(done), "{provider}: {first}");
        let again = said(&app, provider, case, "two").await;
        assert!(again.starts_with("Nothing to do: the user of customer "), "{provider}: {again}");
    }
}
