//! What FastSpring says of a subscription and means: pauses to come, charges that failed or have no next one, orders that
//! were paid and never fulfilled.

use std::sync::Arc;

use http::StatusCode;
use jiff::SignedDuration;
use serde_json::{Value, json};
use webhook_core::ledger::Ledger;

use crate::support::topics::Topic;
use crate::support::{App, FASTSPRING, PADDLE, edited};

/// A case whose subscription differs in some fields, as another event.
fn subscription(case: &str, id: &str, fields: &Value) -> Vec<u8> {
    edited(FASTSPRING, case, |batch| {
        let event = &mut batch["events"][0];
        event["id"] = json!(id);
        let data = &mut event["data"];
        let subscription = match data.get("state") {
            Some(_) => data,
            None => &mut data["subscription"],
        };
        let subscription = subscription.as_object_mut().unwrap();
        subscription.extend(fields.as_object().unwrap().clone());
    })
}

async fn bought() -> App {
    let app = App::start().await;
    app.cases(FASTSPRING, &["order-subscription"]).await;
    app
}

#[tokio::test]
async fn a_scheduled_pause_changes_nothing_until_it_begins() {
    let app = bought().await;
    let scheduled = app.case(FASTSPRING, "pause-scheduled").await;
    assert_eq!(
        scheduled.message(),
        "Recorded for subscription 8Iab57xtIQ-O2NzEHgshMQ: a pause is scheduled, and the subscription runs until then."
    );
    assert_eq!(app.ends(), ["2027-09-01"]);
    // The pause itself, and what FastSpring also sends when a scheduled one is called off.
    app.cases(FASTSPRING, &["paused"]).await;
    assert_eq!(app.ends(), ["2027-09-01 suspended"]);
    app.cases(FASTSPRING, &["resumed"]).await;
    assert_eq!(app.ends(), ["2027-09-01"]);
}

#[tokio::test]
async fn a_pause_is_scheduled_only_where_its_fields_say_so() {
    for (fields, suspended) in [
        (json!({"state": "active", "isPauseScheduled": true}), false),
        (json!({"state": "active", "isPauseScheduled": "true"}), false),
        (json!({"state": "trial", "isPauseScheduled": true}), false),
        (json!({"state": Value::Null, "isPauseScheduled": true}), false),
        (json!({"state": "paused", "isPauseScheduled": true}), true),
        (json!({"state": "paused", "isPauseScheduled": false}), true),
        (json!({"state": "active", "isPauseScheduled": false}), true),
        (json!({"state": "active", "isPauseScheduled": Value::Null}), true),
        (json!({"state": 7, "isPauseScheduled": "soon"}), true),
        (json!({"state": {}, "isPauseScheduled": [true]}), true),
    ] {
        let app = bought().await;
        app.accepts(FASTSPRING, &subscription("paused", "another-pause", &fields)).await;
        let end = if suspended { "2027-09-01 suspended" } else { "2027-09-01" };
        assert_eq!(app.ends(), [end], "{fields}");
    }
}

#[tokio::test]
async fn a_pause_that_paddle_schedules_changes_nothing_either() {
    let app = App::start().await;
    app.cases(PADDLE, &["transaction-web"]).await;
    let ends = app.ends();
    let scheduled = edited(PADDLE, "subscription-updated-scheduled-cancel", |event| {
        event["data"]["scheduled_change"]["action"] = json!("pause");
    });
    assert_eq!(app.deliver(PADDLE, "/v1", &scheduled).await.status, 200);
    assert_eq!(app.ends(), ends);
    app.cases(PADDLE, &["subscription-paused"]).await;
    assert_ne!(app.ends(), ends);
}

#[tokio::test]
async fn a_failed_charge_of_an_active_subscription_is_only_noted() {
    for (state, suspended) in [
        (json!("active"), false),
        (json!("trial"), false),
        (json!("canceled"), false),
        (json!("overdue"), true),
        (json!("sleepy"), true),
        (Value::Null, true),
        (json!(1), true),
    ] {
        for grace in ["0", "7"] {
            let topic = Topic::answering(StatusCode::OK).await;
            let mut app = App::with(<_>::default(), &[("GRACE_DAYS", grace)]).await;
            app.notifier = topic.notifier.clone();
            app.cases(FASTSPRING, &["order-subscription"]).await;
            let failed = subscription("charge-failed", "failed", &json!({"state": state}));
            app.accepts(FASTSPRING, &failed).await;
            let end = match (suspended, grace) {
                (false, _) => "2027-09-01",
                (true, "0") => "2027-09-01 suspended",
                (true, _) => "2027-09-08",
            };
            assert_eq!(app.ends(), [end], "{state}, grace {grace}");
            assert_eq!(topic.told().len(), 1, "{state}");
            assert_eq!(topic.told()[0].0, "payment_failed");
        }
    }
}

#[tokio::test]
async fn the_last_charge_counts_as_one_interval() {
    let app = bought().await;
    for _ in 0..2 {
        app.cases(FASTSPRING, &["charge-completed-on-demand"]).await;
        assert_eq!(app.ends(), ["2028-09-01"]);
    }
}

#[tokio::test]
async fn attributes_that_are_numbers_are_read_as_text() {
    let order = |attributes: &Value| {
        edited(FASTSPRING, "order-subscription", |batch| {
            let item = &mut batch["events"][0]["data"]["items"][0];
            let all = item["attributes"].as_object_mut().unwrap();
            all.extend(attributes.as_object().unwrap().clone());
        })
    };
    for (release, sent) in [(json!(2.0), "2.0"), (json!(2.5), "2.5"), (json!("2.5.0"), "2.5.0")] {
        let app = App::start().await;
        app.accepts(FASTSPRING, &order(&json!({"cryptlex_max_allowed_release_version": release})))
            .await;
        let creation = app
            .sandbox
            .calls()
            .into_iter()
            .find(|call| call.method == "POST" && call.path.starts_with("/v3/licenses"));
        let body = creation.unwrap().body.unwrap();
        assert_eq!(body["maxAllowedReleaseVersion"], sent);
    }
    // What is no interval is named, whatever type it has.
    for wrong in [json!(30), json!("30"), json!(true), json!(-1.5)] {
        let app = App::start().await;
        let order = order(&json!({"cryptlex_license_subscription_interval": wrong}));
        let answer = app.deliver(FASTSPRING, "/v1", &order).await;
        let says = "pro-annual: cryptlex_license_subscription_interval: `";
        assert!(answer.message().contains(says), "{}", answer.body);
        assert!(app.sandbox.licenses().is_empty());
    }
    // What is neither text nor number says nothing.
    for nothing in [json!([]), json!({"P1M": 1}), Value::Null] {
        let app = App::start().await;
        app.accepts(
            FASTSPRING,
            &order(&json!({"cryptlex_license_subscription_interval": nothing})),
        )
        .await;
        assert_eq!(app.ends(), ["2027-09-01"]);
    }
    let app = App::start().await;
    let number = order(&json!({"cryptlex_license_template_id": 42}));
    let answer = app.deliver(FASTSPRING, "/v1", &number).await;
    assert!(answer.status == 400 && app.writes().iter().any(|call| call.contains("/v3/licenses")));
}

async fn waiting(app: &App) -> Vec<String> {
    let ledger = Ledger::new(app.store(), SignedDuration::ZERO, SignedDuration::ZERO);
    devkit::records::unmapped(&ledger).await.unwrap()
}

#[tokio::test]
async fn an_unfulfilled_order_is_notified_and_listed() {
    for unmapped in ["error", "accept"] {
        let topic = Topic::answering(StatusCode::OK).await;
        let mut app = App::with(<_>::default(), &[("UNMAPPED", unmapped)]).await;
        app.notifier = topic.notifier.clone();
        for _ in 0..3 {
            // No redelivery helps, so none is asked for.
            let answer = app.case(FASTSPRING, "fulfillment-failed").await;
            let says = "paid and not fulfilled: pro-annual: FastSpring sends no order.completed \
                        for it, so no license is made";
            assert_eq!((answer.status, answer.message().as_str()), (200, says));
        }
        assert!(app.sandbox.calls().is_empty());
        let told = topic.told();
        assert_eq!((told.len(), told[0].0.as_str()), (1, "undelivered"));
        assert_eq!(waiting(&app).await.len(), 1);
        // Somebody mended it, and the order is completed after all.
        app.cases(FASTSPRING, &["order-subscription", "fulfillment-failed"]).await;
        assert_eq!(app.ends(), ["2027-09-01"]);
        assert_eq!(waiting(&app).await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_failed_fulfillment_before_its_order_notifies_nobody() {
    let topic = Topic::answering(StatusCode::OK).await;
    let mut app = bought().await;
    app.notifier = topic.notifier.clone();
    app.restart_over(Arc::clone(&app.store()));
    app.cases(FASTSPRING, &["fulfillment-failed"]).await;
    assert_eq!((topic.told(), waiting(&app).await), (Vec::new(), Vec::new()));
}

#[tokio::test]
async fn fulfillment_fields_of_any_type_are_named_or_left_out() {
    for (field, wrong, status, says) in [
        ("subscription", Value::Null, 200, "paid and not fulfilled: pro-annual: "),
        ("subscription", json!(7), 200, "paid and not fulfilled: pro-annual: "),
        ("subscription", json!({"id": "sub"}), 200, "paid and not fulfilled: pro-annual: "),
        ("product", json!([]), 200, "paid and not fulfilled: subscription 8Iab57"),
        ("product", Value::Null, 200, "paid and not fulfilled: subscription 8Iab57"),
        ("reason", json!(1e300), 200, "paid and not fulfilled: pro-annual: "),
        ("type", json!(false), 200, "paid and not fulfilled: pro-annual: "),
    ] {
        let app = App::start().await;
        let failed = edited(FASTSPRING, "fulfillment-failed", |batch| {
            batch["events"][0]["data"][field] = wrong.clone();
        });
        let answer = app.deliver(FASTSPRING, "/v1", &failed).await;
        assert_eq!(answer.status, status, "{field} {wrong}: {}", answer.body);
        assert!(answer.message().starts_with(says), "{field} {wrong}: {}", answer.body);
    }
    let nobodys = edited(FASTSPRING, "fulfillment-failed", |batch| {
        let data = &mut batch["events"][0]["data"];
        (data["order"], data["subscription"]) = (json!(3), Value::Null);
    });
    let app = App::start().await;
    let answer = app.deliver(FASTSPRING, "/v1", &nobodys).await;
    let says = "order not found in fulfillment of event N0tFulf1lled-J6Cxai4zqg (event";
    assert!(answer.status == 400 && answer.message().starts_with(says), "{}", answer.body);
}
