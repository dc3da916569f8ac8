//! Texts that users see: contracts word for word, quotations in the documentation, and what an operator is told.

mod quotations;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use webhook_core::domain::command::{Subject, SubjectKind};
use webhook_core::domain::contracts;
use webhook_core::domain::ids::{EventId, SubjectId};
use webhook_core::infra::config::load;
use webhook_core::ledger::{Admission, Body, Claim, ClaimScope, EventKey, Ledger, Term};
use webhook_core::providers::Stripe;

use crate::health::health;
use crate::support::logs::Log;
use crate::support::{App, STRIPE, TIMING};

/// Others compare these: whoever has to change a line in here breaks somebody's integration.
#[test]
fn contracts_are_word_for_word() {
    for (text, written_out) in [
        (contracts::LICENSE_CREATED, "License created successfully."),
        (contracts::LICENSES_CREATED, "Licenses created successfully."),
        (contracts::UPDATED, "License(s) updated successfully."),
        (contracts::RENEWED, "License(s) renewed successfully."),
        (contracts::SUSPENDED, "License(s) suspended successfully."),
        (contracts::RESUMED, "License(s) resumed successfully."),
        (contracts::REVOKED, "License(s) revoked successfully."),
        (contracts::CHANGED, "License(s) changed successfully."),
        (contracts::FAILURE_RECORDED, "Payment failure recorded successfully."),
        (contracts::USER_CREATED, "User created successfully."),
        (contracts::USER_UPDATED, "User updated successfully."),
        (contracts::SUCCESS, "success"),
        (contracts::FAILED, "Failed to process webhook event"),
        (contracts::NOT_VERIFIED, "Webhook signature verification failed"),
        (contracts::NOT_AN_EVENT, "Invalid payload encoding"),
        (contracts::TEST_REFUSED, "test event refused (TEST_EVENTS)"),
        (&contracts::ended("subscription sub_1"), "subscription sub_1 ended successfully."),
        (
            &contracts::not_handled("product.created"),
            "Webhook with event type product.created is not handled: ignored.",
        ),
        (&contracts::accepted("evt_1"), "Event evt_1 accepted for processing."),
        (&contracts::all_processed(3), "3 events processed successfully."),
        (
            &contracts::nothing_to_renew("subscription sub_1"),
            "while attempting to renew licenses, no license of subscription sub_1 was found",
        ),
        (
            &contracts::no_email("invoice with ID: in_1"),
            "Customer email not found in invoice with ID: in_1",
        ),
        (&contracts::no_header("stripe-signature"), "No stripe-signature header was found."),
        (&contracts::missing_header("x-fs-signature"), "Missing x-fs-signature header"),
        (&contracts::not_verified("why"), "Webhook signature verification failed: why"),
        (
            &contracts::not_found("CRYPTLEX_ACCESS_TOKEN"),
            "CRYPTLEX_ACCESS_TOKEN was not found in environment variables.",
        ),
        (
            &contracts::received("Stripe", "invoice.paid", "evt_1"),
            "Received Stripe webhook: invoice.paid (evt_1)",
        ),
        (&contracts::listening("127.0.0.1:3000"), "listening on http://127.0.0.1:3000"),
        (&contracts::processed("evt_1"), "Successfully processed webhook event evt_1"),
        (&contracts::failed("evt_1", "why"), "Failed to process webhook event evt_1: why"),
        (
            &contracts::close_to_threshold(240),
            "Webhook timestamp is close to threshold: 240 seconds old",
        ),
    ] {
        assert_eq!(text, written_out);
    }
}

#[tokio::test]
async fn duplicate_is_not_logged_as_processed_again() {
    let (app, log) = (App::start().await, Log::listen());
    for duplicates in 0..3 {
        app.cases(STRIPE, &["checkout-payment"]).await;
        assert_eq!(log.lines_with("Successfully processed webhook event evt_"), 1);
        assert_eq!(log.lines_with("is a duplicate: it was done before"), duplicates);
    }
}

#[tokio::test]
async fn event_that_waits_for_a_mapping_is_not_logged_as_processed() {
    let app = App::with(<_>::default(), &[("UNMAPPED", "accept")]).await;
    let log = Log::listen();
    let unmapped = crate::support::edited(STRIPE, "checkout-subscription", |event| {
        event["data"]["object"]["metadata"] = json!({});
    });
    assert_eq!(app.deliver(STRIPE, "/v2", &unmapped).await.status, 200);
    assert_eq!(log.lines_with("was accepted: paid but not mapped to a Cryptlex product"), 1);
    assert_eq!(log.lines_with("Successfully processed"), 0);
}

#[tokio::test]
async fn server_that_will_forget_says_so_when_it_starts() {
    let (app, log) = (App::start().await, Log::listen());
    app.service::<Stripe>(app.store(), TIMING);
    let text = "LEDGER_PATH is not set, so this server forgets what it handled when it stops.";
    assert_eq!(log.lines_with(text), 1);
    let (_, told) = health(&app).await;
    assert!(told["warnings"].to_string().contains(text), "{told}");
}

#[tokio::test]
async fn health_calls_a_wrong_variable_wrong_and_not_missing() {
    let variables = [("GRACE_DAYS", "x"), ("CRYPTLEX_ACCESS_TOKEN", "unset")];
    let app = App::with(<_>::default(), &variables).await;
    let (status, told) = health(&app).await;
    assert_eq!((status, &told["status"]), (503, &json!("not configured")));
    assert_eq!(told["missing"], json!(["CRYPTLEX_ACCESS_TOKEN"]));
    assert_eq!(told["wrong"], json!(["GRACE_DAYS"]));
    assert_eq!(told["problems"].as_array().unwrap().len(), 2);
}

#[test]
fn product_for_v1_is_not_missed_where_the_path_may_not_exist() {
    let warned = |lambda: bool| {
        let loaded = load::<Stripe>(|name| match name {
            "AWS_LAMBDA_RUNTIME_API" => lambda.then(|| "127.0.0.1:9001".to_owned()),
            "CRYPTLEX_WEB_API_BASE_URL" => Some("https://api.cryptlex.com".to_owned()),
            "STRIPE_WEBHOOK_SECRET" | "CRYPTLEX_ACCESS_TOKEN" => Some("x".to_owned()),
            _ => None,
        });
        assert!(loaded.config.is_ok());
        loaded.warnings.iter().any(|warning| warning.contains("CRYPTLEX_PRODUCT_ID"))
    };
    assert_eq!((warned(false), warned(true)), (true, false));
}

#[tokio::test]
async fn failed_invoice_alone_names_the_invoice_and_no_customer() {
    let app = App::start().await;
    let ledger = Ledger::new(app.store(), SignedDuration::ZERO, SignedDuration::from_hours(1));
    let id = SubjectId::new("in_1").unwrap();
    let invoice = Subject { provider: "stripe", kind: SubjectKind::Order, id };
    let event = EventKey {
        provider: "stripe",
        id: EventId::new("evt_1").unwrap(),
        kind: "invoice.paid".to_owned(),
        live: None,
        contract: "v2".to_owned(),
    };
    let about = ClaimScope { subjects: [invoice].into(), ..ClaimScope::default() };
    let now = Timestamp::from_second(app.now()).unwrap();
    let (term, admitted): (_, &Admission<'_>) =
        (Term { now, until: now }, &|_known| Box::pin(async { true }));
    let claimed = ledger.claim(&event, &about, &Body::new(b"{}"), term, admitted).await.unwrap();
    assert!(matches!(claimed, Claim::Acquired(_)));
    let later = now + SignedDuration::from_hours(1);
    let lines = devkit::records::failed(&ledger, later).await.unwrap();
    let line = format!("stripe evt_1 (invoice.paid, since {now}, about invoice in_1, attempts: 1)");
    assert!(lines.len() == 1 && lines[0].starts_with(&line), "{lines:?}");
}
