//! What Paddle charges once, in addition to a running subscription: at once, or with the transaction of its next period.

use devkit::sandbox::Fault;
use serde_json::{Value, json};

use crate::support::{Answer, App, PADDLE, edited, json as case_json};

const PRODUCT_ID: &str = "cryptlex_product_id";
const TEMPLATE_ID: &str = "cryptlex_license_template_id";
const HALF_MAPPED: &str =
    "paid but not mapped to a Cryptlex product: pri_once: cryptlex_license_template_id is not set";

/// A one-time line as that of `transaction-charge`: the item, and the line with what its product says about Cryptlex.
fn charge(custom_data: &Value) -> (Value, Value) {
    let charge = case_json(PADDLE, "transaction-charge")["data"].clone();
    let (mut item, mut line) =
        (charge["items"][0].clone(), charge["details"]["line_items"][0].clone());
    item["price"]["id"] = json!("pri_once");
    line["price_id"] = json!("pri_once");
    line["product"]["custom_data"] = custom_data.clone();
    (item, line)
}

/// Its product names both ids.
fn mapped() -> Value {
    json!({PRODUCT_ID: "11111111-1111-4111-8111-000000000003", TEMPLATE_ID: "66666666-6666-4666-8666-000000000003"})
}

fn half_mapped() -> Value {
    json!({PRODUCT_ID: "11111111-1111-4111-8111-000000000003"})
}

/// The transaction of a case, with that charge in it.
fn charged_with(case: &str, custom_data: &Value) -> Vec<u8> {
    let (item, line) = charge(custom_data);
    edited(PADDLE, case, |event| {
        let transaction = &mut event["data"];
        transaction["items"].as_array_mut().unwrap().push(item);
        transaction["details"]["line_items"].as_array_mut().unwrap().push(line);
    })
}

fn with_another_id(body: &[u8]) -> Vec<u8> {
    let mut event: Value = serde_json::from_slice(body).unwrap();
    event["event_id"] = json!("evt_told_again");
    serde_json::to_vec(&event).unwrap()
}

async fn bought(variables: &[(&str, &str)]) -> App {
    let app = App::with(<_>::default(), variables).await;
    app.cases(PADDLE, &["transaction-web"]).await;
    app.sandbox.clear_calls();
    app
}

async fn tell(app: &App, body: &[u8]) -> Answer {
    app.deliver(PADDLE, "/v1", body).await
}

#[tokio::test]
async fn a_charge_left_for_the_next_period_is_granted_with_renewal() {
    for (case, end) in
        [("transaction-recurring", "2026-11-01"), ("transaction-update", "2026-10-15")]
    {
        let app = bought(&[]).await;
        let transaction = case_json(PADDLE, case)["data"]["id"].as_str().unwrap().to_owned();
        let renewal = charged_with(case, &mapped());
        app.accepts(PADDLE, &renewal).await;
        assert_eq!(app.ends(), [end, end, "never", "never"], "{case}");
        let slot = format!("paddle/{transaction}/pri_once/1 product 3");
        assert!(app.licenses()[3].starts_with(&slot), "{case}: {:?}", app.licenses());
        let writes = app.writes();
        assert_eq!(writes.len(), 3, "{case}: {writes:?}");
        app.accepts(PADDLE, &renewal).await;
        app.accepts(PADDLE, &with_another_id(&renewal)).await;
        assert_eq!(app.writes(), writes, "{case}");
    }
}

#[tokio::test]
async fn a_mapped_charge_alone_is_granted_and_resumes_nothing() {
    let update = edited(PADDLE, "transaction-update-one-time-only", |event| {
        event["data"]["details"]["line_items"][0]["product"]["custom_data"] = mapped();
    });
    let app = bought(&[]).await;
    app.cases(PADDLE, &["subscription-paused"]).await;
    app.accepts(PADDLE, &update).await;
    assert_eq!(app.ends(), ["2026-10-01 suspended", "2026-10-01 suspended", "never", "never"]);
}

#[tokio::test]
async fn the_remainder_of_another_recurring_price_is_not_a_charge() {
    for case in ["transaction-recurring", "transaction-update"] {
        let app = bought(&[]).await;
        app.cases(PADDLE, &[case]).await;
        let (ends, calls) = (app.ends(), app.sandbox.calls().len());
        // A credit for the price that was subscribed to before: it is a line, and no item any more.
        let (_, line) = charge(&mapped());
        let prorated = edited(PADDLE, case, |event| {
            let lines = event["data"]["details"]["line_items"].as_array_mut().unwrap();
            let mut old = line;
            old["price_id"] = json!("pri_yearly");
            old["proration"] = json!({"rate": "0.5", "billing_period": {
                "starts_at": "2026-09-01T00:00:00Z", "ends_at": "2027-09-01T00:00:00Z"}});
            lines.push(old);
        });
        // What needs no license is none either, and is not looked for.
        for renewal in [prorated, charged_with(case, &Value::Null)] {
            let app = bought(&[]).await;
            app.accepts(PADDLE, &renewal).await;
            assert_eq!(app.ends(), ends, "{case}");
            assert_eq!(app.sandbox.calls().len(), calls, "{case}");
        }
    }
}

#[tokio::test]
async fn a_renewal_is_read_without_its_lines() {
    let renewal = edited(PADDLE, "transaction-recurring", |event| {
        event["data"].as_object_mut().unwrap().remove("details");
        event["data"]["items"][0]["price"]["billing_cycle"]["interval"] = json!("quarter");
    });
    let app = bought(&[]).await;
    app.accepts(PADDLE, &renewal).await;
    assert_eq!(app.ends(), ["2026-11-01", "2026-11-01", "never"]);
}

#[tokio::test]
async fn a_refund_of_the_renewal_takes_the_charge_back_with_it() {
    let renewal = charged_with("transaction-recurring", &mapped());
    let app = bought(&[]).await;
    app.accepts(PADDLE, &renewal).await;
    app.cases(PADDLE, &["adjustment-refund"]).await;
    // What the first transaction sold once stays paid.
    let ends = ["2026-11-01 suspended", "2026-11-01 suspended", "never", "never suspended"];
    assert_eq!(app.ends(), ends);
    // The refund of a charge in the middle of a period leaves the period paid.
    let change = edited(PADDLE, "adjustment-refund", |event| {
        event["data"]["transaction_id"] =
            case_json(PADDLE, "transaction-update")["data"]["id"].clone();
    });
    let period = case_json(PADDLE, "transaction-web")["data"]["billing_period"].clone();
    let mut update: Value =
        serde_json::from_slice(&charged_with("transaction-update", &mapped())).unwrap();
    update["data"]["billing_period"] = period;
    let app = bought(&[]).await;
    app.accepts(PADDLE, &serde_json::to_vec(&update).unwrap()).await;
    app.accepts(PADDLE, &change).await;
    assert_eq!(app.ends(), ["2026-10-01", "2026-10-01", "never", "never suspended"]);
}

#[tokio::test]
async fn a_charge_missed_by_its_renewal_is_granted_by_redelivery() {
    let renewal = charged_with("transaction-recurring", &mapped());
    let app = bought(&[]).await;
    // After both renewals.
    app.sandbox.fault(Fault::on("POST", "/v3/licenses").skip(2).error_before(400).times(9));
    assert_eq!(tell(&app, &renewal).await.status, 400);
    assert_eq!(app.ends(), ["2026-11-01", "2026-11-01", "never"]);
    app.sandbox.clear_faults();
    app.accepts(PADDLE, &renewal).await;
    assert_eq!(app.ends(), ["2026-11-01", "2026-11-01", "never", "never"]);
}

#[tokio::test]
async fn a_renewal_with_a_charge_may_come_before_its_purchase() {
    let renewal = charged_with("transaction-recurring", &mapped());
    for (unmapped, status, granted) in [("error", 200, 3), ("accept", 200, 3)] {
        let app = App::with(<_>::default(), &[("UNMAPPED", unmapped)]).await;
        assert_eq!(tell(&app, &renewal).await.status, status, "{unmapped}");
        assert_eq!(app.ends().len(), granted, "{unmapped}");
        app.cases(PADDLE, &["transaction-web"]).await;
        app.accepts(PADDLE, &renewal).await;
        assert_eq!(app.ends(), ["2026-11-01", "2026-11-01", "never", "never"], "{unmapped}");
    }
}

#[tokio::test]
async fn a_half_mapped_charge_waits_for_its_mapping() {
    for (case, sold) in [
        ("transaction-charge", &["2026-10-01", "2026-10-01", "never", "never"][..]),
        ("transaction-charge-recurring", &["2026-10-01", "2026-10-01", "never"]),
        ("transaction-recurring", &["2026-11-01", "2026-11-01", "never"]),
        ("transaction-update", &["2026-10-15", "2026-10-15", "never"]),
    ] {
        for (unmapped, status) in [("error", 400), ("accept", 200)] {
            let app = bought(&[("UNMAPPED", unmapped)]).await;
            for _ in 0..2 {
                let answer = tell(&app, &charged_with(case, &half_mapped())).await;
                assert_eq!(answer.status, status, "{case}: {}", answer.body);
                assert_eq!(answer.message(), HALF_MAPPED, "{case}");
                assert_eq!(app.ends(), sold, "{case}");
            }
            app.accepts(PADDLE, &charged_with(case, &mapped())).await;
            assert_eq!(app.ends().len(), sold.len() + 1, "{case}: {:?}", app.licenses());
        }
    }
}

/// Whatever is wrong with the charge, the period was paid for.
#[tokio::test]
async fn a_renewal_is_carried_out_though_its_charge_cannot_be_read() {
    for (field, value) in
        [("price_id", json!(null)), ("quantity", json!("many")), ("line_items", json!([]))]
    {
        let app = bought(&[]).await;
        let renewal = charged_with("transaction-recurring", &mapped());
        let mut event: Value = serde_json::from_slice(&renewal).unwrap();
        let details = &mut event["data"]["details"];
        match field {
            "line_items" => details[field] = value,
            of_a_line => {
                let lines = details["line_items"].as_array_mut().unwrap();
                lines.last_mut().unwrap()[of_a_line] = value;
            }
        }
        let answer = tell(&app, &serde_json::to_vec(&event).unwrap()).await;
        assert!(answer.body.contains(field), "{field}: {} {}", answer.status, answer.body);
        assert_eq!(answer.status, 400, "{}", answer.body);
        assert_eq!(app.ends(), ["2026-11-01", "2026-11-01", "never"], "{field}");
    }
}
