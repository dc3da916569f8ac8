//! What Paddle charges once beside a running subscription: at once, or with the transaction of its next period.

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

async fn bought(variables: &[(&str, &str)]) -> App {
    let app = App::with(<_>::default(), variables).await;
    app.cases(PADDLE, &["transaction-web"]).await;
    app.sandbox.clear_calls();
    app
}

async fn tell(app: &App, body: &[u8]) -> Answer {
    app.deliver(PADDLE, "/v1", body).await
}

async fn done(app: &App, body: &[u8]) {
    let answer = tell(app, body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[tokio::test]
async fn a_half_mapped_charge_waits_for_its_mapping() {
    for (case, sold) in [
        ("transaction-charge", &["2026-10-01", "2026-10-01", "never", "never"][..]),
        ("transaction-charge-recurring", &["2026-10-01", "2026-10-01", "never"]),
    ] {
        for (unmapped, status) in [("error", 400), ("accept", 200)] {
            let app = bought(&[("UNMAPPED", unmapped)]).await;
            for _ in 0..2 {
                let answer = tell(&app, &charged_with(case, &half_mapped())).await;
                assert_eq!(answer.status, status, "{case}: {}", answer.body);
                assert_eq!(answer.message(), HALF_MAPPED, "{case}");
                assert_eq!(app.ends(), sold, "{case}");
            }
            done(&app, &charged_with(case, &mapped())).await;
            assert_eq!(app.ends().len(), sold.len() + 1, "{case}: {:?}", app.licenses());
        }
    }
}
