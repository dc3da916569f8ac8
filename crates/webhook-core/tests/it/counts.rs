//! What is counted and logged of deliveries that never come to their events: alarms hang on it.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::Request;
use serde_json::json;
use webhook_core::http::router::DamagedBody;
use webhook_core::providers::Stripe;

use crate::support::logs::Log;
use crate::support::metrics::Counters;
use crate::support::stores::Silent;
use crate::support::{Answer, App, PADDLE, STRIPE, TIMING, body, edited};

/// Two deliveries: how many failed, how many were rejected, and the lines about them.
async fn twice(app: &App, request: impl Fn() -> Request<Body>) -> (u64, u64, Vec<String>) {
    let (counted, lines) = (Counters::default(), Log::listen());
    let _recorder = metrics::set_default_local_recorder(&counted);
    for _ in 0..2 {
        let answer: Answer = app.request(STRIPE, request()).await;
        assert_eq!(answer.status, 400 + 13 * u16::from(answer.body.contains("1 MiB")));
    }
    (counted.of("EventsFailed"), counted.of("WebhooksRejected"), lines.errors())
}

#[tokio::test]
async fn a_genuine_delivery_that_is_refused_is_counted_and_logged() {
    let purchase = body(STRIPE, "checkout-payment");
    for (variable, text) in [
        ("STRIPE_WEBHOOK_SECRET", "STRIPE_WEBHOOK_SECRET was not found"),
        ("CRYPTLEX_PRODUCT_ID", "CRYPTLEX_PRODUCT_ID was not found"),
        ("GRACE_DAYS", "GRACE_DAYS must be"),
    ] {
        let value = if variable == "GRACE_DAYS" { "x" } else { "unset" };
        let app = App::with(<_>::default(), &[(variable, value)]).await;
        let (failed, rejected, errors) = twice(&app, || app.signed(STRIPE, "/v1", &purchase)).await;
        assert_eq!((failed, rejected), (2, 0), "{variable}");
        assert!(errors.iter().any(|line| line.contains(text)), "{variable}: {errors:?}");
    }
    let app = App::start().await;
    for unreadable in [&b"{"[..], b"{}", b"[]"] {
        let (failed, rejected, errors) =
            twice(&app, || app.signed(STRIPE, "/v1", unreadable)).await;
        assert_eq!((failed, rejected, errors.len()), (2, 0, 2), "{errors:?}");
    }
}

#[tokio::test]
async fn an_unproven_delivery_is_counted_and_logged_once_a_minute() {
    let app = App::with(<_>::default(), &[("CRYPTLEX_ACCESS_TOKEN", "unset")]).await;
    let (failed, _, errors) =
        twice(&app, || Request::post("/v1").body(Body::empty()).unwrap()).await;
    let lines = errors.iter().filter(|line| line.contains("cannot be handled")).count();
    assert_eq!((failed, lines), (2, 1), "{errors:?}");

    let app = App::start().await;
    let (failed, rejected, errors) =
        twice(&app, || app.signed(STRIPE, "/v1", &vec![b' '; 1024 * 1024 + 1])).await;
    assert_eq!((failed, rejected, errors.len()), (0, 2, 1), "{errors:?}");
    assert!(errors[0].contains("larger than 1 MiB"), "{errors:?}");
    app.pass(60);
    let damaged = || {
        let damaged = DamagedBody("the gateway's base64 of the body cannot be decoded");
        Request::post("/v1").extension(damaged).body(Body::empty()).unwrap()
    };
    let (failed, rejected, errors) = twice(&app, damaged).await;
    assert_eq!((failed, rejected, errors.len()), (0, 2, 1), "{errors:?}");

    // A signature that proves nothing, with whoever sent it.
    let app = App::start().await;
    let purchase = body(STRIPE, "checkout-payment");
    let forged = || {
        let mut request = app.signed(STRIPE, "/v1", &purchase);
        *request.body_mut() = Body::from("{}");
        let peer = std::net::SocketAddr::from(([192, 0, 2, 66], 50_000));
        request.extensions_mut().insert(axum::extract::ConnectInfo(peer));
        request
    };
    let (failed, rejected, errors) = twice(&app, forged).await;
    assert_eq!((failed, rejected, errors.len()), (0, 2, 1), "{errors:?}");
    assert!(errors[0].contains("192.0.2.66"), "{errors:?}");

    // A stranger at a path that nobody configured is no failure.
    let app = App::with(<_>::default(), &[("CRYPTLEX_PRODUCT_ID", "unset")]).await;
    let (failed, rejected, _) =
        twice(&app, || Request::post("/v1").body(Body::empty()).unwrap()).await;
    assert_eq!((failed, rejected), (0, 2));
}

#[tokio::test]
async fn a_queued_message_without_configuration_is_a_failure() {
    let app = App::with(<_>::default(), &[("CRYPTLEX_ACCESS_TOKEN", "unset")]).await;
    let service = app.service::<Stripe>(app.store(), TIMING);
    let counted = Counters::default();
    let _recorder = metrics::set_default_local_recorder(&counted);
    let why = service.resume("{}", Duration::from_secs(1)).await.unwrap_err();
    assert!(why.contains("CRYPTLEX_ACCESS_TOKEN was not found"), "{why}");
    assert_eq!(counted.of("EventsFailed"), 1);
}

/// Whoever waited for something else, and has little time left, is no reason to look at the ledger.
#[tokio::test]
async fn a_late_ledger_counts_only_if_it_had_time() {
    let app = App::start().await;
    let service = app.service::<Stripe>(Arc::new(Silent), TIMING);
    let message = json!({"provider": "stripe", "event": "evt_1"}).to_string();
    for (milliseconds, counts) in [(50, 0), (1_000, 1)] {
        let counted = Counters::default();
        let _recorder = metrics::set_default_local_recorder(&counted);
        let why = service.resume(&message, Duration::from_millis(milliseconds)).await.unwrap_err();
        assert_eq!(why, "ledger: no answer in time");
        assert_eq!(counted.of("LedgerFailed"), counts, "{milliseconds} ms");
    }
}

#[tokio::test]
async fn no_text_of_a_body_makes_a_line_of_the_log() {
    let app = App::start().await;
    let lines = Log::listen();
    let forged = "pri\n2026-01-01T00:00:00Z ERROR forged \u{1b}[31m";
    let body = edited(PADDLE, "transaction-unmapped", |event| {
        for item in event["data"]["items"].as_array_mut().unwrap() {
            item["price"]["id"] = json!(forged);
        }
        for line in event["data"]["details"]["line_items"].as_array_mut().unwrap() {
            line["price_id"] = json!(forged);
        }
    });
    let answer = app.deliver(PADDLE, "/v1", &body).await;
    assert_eq!(answer.status, 400);
    assert!(answer.message().contains("forged"), "{}", answer.body);
    let log = lines.text();
    assert!(log.contains("forged"), "{log}");
    let is_forged = |line: &str| line.starts_with("2026-01-01") || line.contains('\u{1b}');
    assert!(!log.lines().any(is_forged), "{log}");
}
