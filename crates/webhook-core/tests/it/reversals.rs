//! Refunds and disputes: whose licenses a payment that went back was for.

use devkit::sign::Provider as Signer;
use serde_json::{Value, json};

use crate::support::{App, FASTSPRING, PADDLE, STRIPE, edited, json, path_of};

async fn tell(app: &App, provider: Signer, body: &[u8]) {
    let answer = app.deliver(provider, path_of(provider), body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[tokio::test]
async fn a_refund_of_an_older_period_touches_no_license() {
    let app = App::start().await;
    app.cases(STRIPE, &["checkout-subscription", "invoice-create"]).await;
    let first = json(STRIPE, "invoice-create")["data"]["object"]["id"].clone();
    let link = edited(STRIPE, "invoice-payment-paid", |event| {
        event["id"] = json!("evt_first_payment");
        event["data"]["object"]["invoice"] = first;
        event["data"]["object"]["payment"]["payment_intent"] = json!("pi_first");
    });
    tell(&app, STRIPE, &link).await;
    app.cases(STRIPE, &["invoice-cycle", "invoice-payment-paid"]).await;
    let old = edited(STRIPE, "charge-refunded", |event| {
        event["id"] = json!("evt_old_refund");
        event["data"]["object"]["id"] = json!("ch_first");
        event["data"]["object"]["payment_intent"] = json!("pi_first");
    });
    tell(&app, STRIPE, &old).await;
    assert_eq!(app.ends(), ["2028-09-01"]);
    app.cases(STRIPE, &["charge-refunded"]).await;
    assert_eq!(app.ends(), ["2028-09-01 suspended"], "this one is of this year");
    let next = edited(STRIPE, "invoice-cycle", |event| {
        event["id"] = json!("evt_next_year");
        event["created"] = json!(1_851_379_300);
        event["data"]["object"]["id"] = json!("in_next_year");
        for line in event["data"]["object"]["lines"]["data"].as_array_mut().unwrap() {
            line["period"] = json!({"start": 1_851_379_200, "end": 1_882_915_200});
        }
    });
    tell(&app, STRIPE, &next).await;
    assert_eq!(app.ends(), ["2029-09-01"], "a later period was paid");
}

/// The event's own id, and a refund of `transaction`.
fn adjusted(event: &mut Value, id: &str, transaction: &Value) {
    event["event_id"] = json!(id);
    event["data"]["transaction_id"] = transaction.clone();
}

#[tokio::test]
async fn a_change_in_between_hides_no_refund_of_the_first_period() {
    let app = App::start().await;
    app.cases(PADDLE, &["transaction-web"]).await;
    let first = json(PADDLE, "transaction-web")["data"].clone();
    let update = |id: &str| {
        edited(PADDLE, "transaction-update", |event| {
            event["event_id"] = json!(format!("evt_{id}"));
            event["data"]["id"] = json!(format!("txn_{id}"));
            event["data"]["billing_period"] = first["billing_period"].clone();
        })
    };
    tell(&app, PADDLE, &update("upgrade")).await;
    let refund = edited(PADDLE, "adjustment-refund", |event| {
        adjusted(event, "evt_refund", &first["id"]);
    });
    tell(&app, PADDLE, &refund).await;
    let refunded = ["2026-10-01 suspended", "2026-10-01 suspended", "never suspended"];
    assert_eq!(app.ends(), refunded);
    tell(&app, PADDLE, &update("another")).await;
    assert_eq!(app.ends(), refunded, "their period was refunded");
    app.cases(PADDLE, &["transaction-recurring"]).await;
    let later = ["2026-11-01", "2026-11-01", "never suspended"];
    assert_eq!(app.ends(), later, "what was bought once is not paid again");
}

#[tokio::test]
async fn an_add_on_that_is_returned_takes_nothing_else_with_it() {
    let app = App::start().await;
    app.cases(FASTSPRING, &["order-subscription", "order-addon-later"]).await;
    let running = app.ends();
    let later = json(FASTSPRING, "order-addon-later")["events"][0]["data"]["order"].clone();
    let returned = |order: &Value| {
        edited(FASTSPRING, "return-subscription", |batch| {
            let event = &mut batch["events"][0];
            event["id"] = json!(format!("return-of-{order}"));
            event["data"]["original"]["id"] = order.clone();
            event["data"]["original"]["order"] = order.clone();
        })
    };
    tell(&app, FASTSPRING, &returned(&later)).await;
    assert_eq!(app.ends(), running);
    let first = json(FASTSPRING, "order-subscription")["events"][0]["data"]["order"].clone();
    tell(&app, FASTSPRING, &returned(&first)).await;
    assert!(app.ends().iter().all(|end| end.ends_with("suspended")), "{:?}", app.ends());
}

#[tokio::test]
async fn one_item_that_is_returned_of_several_is_not_the_order() {
    let app = App::start().await;
    app.cases(FASTSPRING, &["order-mixed"]).await;
    let running = app.ends();
    let order = json(FASTSPRING, "order-mixed")["events"][0]["data"]["order"].clone();
    let returned = |id: &str, back: f64| {
        edited(FASTSPRING, "return-full", |batch| {
            let event = &mut batch["events"][0];
            event["id"] = json!(id);
            event["data"]["original"]["id"] = order.clone();
            event["data"]["original"]["order"] = order.clone();
            event["data"]["original"]["total"] = json!(143.8);
            event["data"]["totalReturn"] = json!(back);
        })
    };
    tell(&app, FASTSPRING, &returned("one-item", 118.8)).await;
    assert_eq!(app.ends(), running);
    tell(&app, FASTSPRING, &returned("everything", 143.8)).await;
    assert!(app.ends().iter().all(|end| end.ends_with("suspended")), "{:?}", app.ends());
}

#[tokio::test]
async fn a_correction_that_is_refunded_is_not_the_period() {
    let mut app = App::start().await;
    app.cases(STRIPE, &["checkout-subscription", "invoice-create"]).await;
    // The ledger of a vendor who has just come here knows nothing of what was paid before.
    app.restart();
    app.cases(STRIPE, &["invoice-update-proration-only"]).await;
    let correction = json(STRIPE, "invoice-update-proration-only")["data"]["object"]["id"].clone();
    let link = edited(STRIPE, "invoice-payment-paid", |event| {
        event["data"]["object"]["invoice"] = correction;
    });
    tell(&app, STRIPE, &link).await;
    app.cases(STRIPE, &["charge-refunded"]).await;
    assert_eq!(app.ends(), ["2027-09-01"]);
}
