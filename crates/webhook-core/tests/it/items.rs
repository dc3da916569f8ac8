//! Refunds and chargebacks of some items of a Paddle transaction: what is back in full is suspended, and nothing else.

use http::StatusCode;
use serde_json::{Value, json};

use crate::support::topics::Topic;
use crate::support::{App, FASTSPRING, PADDLE, body, edited, json as case_json};

/// Two seats of a subscription, and a product that is bought once.
const BOTH: &str = "transaction-web";
const RUNNING: [&str; 3] = ["2026-10-01", "2026-10-01", "never"];

/// Items by their place in the transaction, each with its `type`; and fields of the adjustment itself.
fn adjusted(case: &str, items: &[(usize, Value)], fields: &Value) -> Vec<u8> {
    let transaction = case_json(PADDLE, case)["data"].clone();
    let item = |(place, kind): &(usize, Value)| {
        let line = &transaction["details"]["line_items"][*place];
        json!({"id": format!("adjitm_{place}"), "item_id": line["id"], "type": kind, "amount": "100"})
    };
    edited(PADDLE, "adjustment-refund-partial", |event| {
        event["event_id"] = json!(format!("evt_{items:?}_{fields}"));
        let data = event["data"].as_object_mut().unwrap();
        data["transaction_id"] = transaction["id"].clone();
        data["items"] = items.iter().map(item).collect();
        data.extend(fields.as_object().unwrap().clone());
    })
}

fn full(places: &[usize]) -> Vec<(usize, Value)> {
    places.iter().map(|place| (*place, json!("full"))).collect()
}

#[tokio::test]
async fn items_in_full_take_back_what_they_paid() {
    let once = ["2026-10-01", "2026-10-01", "never suspended"];
    let subscription = ["2026-10-01 suspended", "2026-10-01 suspended", "never"];
    let all = ["2026-10-01 suspended", "2026-10-01 suspended", "never suspended"];
    let none = json!({"type": null});
    for fields in [json!({}), none] {
        for (items, ends, notified) in [
            (full(&[1]), once, 0),
            (full(&[0]), subscription, 0),
            (full(&[0, 1]), all, 0),
            (full(&[1, 0, 1]), all, 0),
            (vec![(0, json!("partial")), (1, json!("full"))], once, 1),
            (vec![(0, json!("partial")), (1, json!("partial"))], RUNNING, 1),
            (vec![], RUNNING, 1),
        ] {
            let topic = Topic::answering(StatusCode::OK).await;
            let mut app = App::start().await;
            app.notifier = topic.notifier.clone();
            app.cases(PADDLE, &[BOTH]).await;
            let refund = adjusted(BOTH, &items, &fields);
            for _ in 0..2 {
                app.accepts(PADDLE, &refund).await;
                assert_eq!(app.ends(), ends, "{fields} {items:?}");
            }
            assert_eq!(topic.told().len(), notified, "{fields} {items:?}");
        }
    }
}

#[tokio::test]
async fn a_small_refund_without_type_suspends_nothing() {
    for case in [BOTH, "transaction-one-time"] {
        for kind in
            [json!("partial"), Value::Null, json!(1), json!({}), json!("Full "), json!("tax")]
        {
            for amount in [json!("100"), json!("1.00"), json!(100), json!(1e300), Value::Null] {
                let refund = adjusted(case, &[(0, kind.clone())], &json!({"type": null}));
                let mut refund: Value = serde_json::from_slice(&refund).unwrap();
                refund["data"]["items"][0]["amount"] = amount.clone();
                refund["data"]["currency_code"] = json!("JPY");
                let refund = serde_json::to_vec(&refund).unwrap();
                for first in [true, false] {
                    let app = App::start().await;
                    if first {
                        app.accepts(PADDLE, &refund).await;
                    }
                    app.cases(PADDLE, &[case]).await;
                    app.accepts(PADDLE, &refund).await;
                    let runs = app.ends().iter().all(|end| !end.contains("suspended"));
                    assert!(runs, "{case} {kind} {amount}: {:?}", app.ends());
                }
            }
        }
    }
}

/// The one-time transaction with a second product like the first.
fn two_at_once() -> Vec<u8> {
    edited(PADDLE, "transaction-one-time", |event| {
        let data = &mut event["data"];
        for place in ["/items", "/details/line_items"] {
            let lines = data.pointer_mut(place).unwrap().as_array_mut().unwrap();
            let mut second = lines[0].clone();
            second["id"] = json!("txnitm_second");
            match second.get("price_id") {
                Some(_) => second["price_id"] = json!("pri_second"),
                None => second["price"]["id"] = json!("pri_second"),
            }
            lines.push(second);
        }
    })
}

#[tokio::test]
async fn a_refund_of_one_of_two_items_suspends_nothing() {
    let one = adjusted("transaction-one-time", &full(&[0]), &json!({}));
    let both = {
        let mut adjustment: Value = serde_json::from_slice(&one).unwrap();
        adjustment["event_id"] = json!("evt_both");
        let second = json!({"item_id": "txnitm_second", "type": "full", "amount": "1"});
        adjustment["data"]["items"].as_array_mut().unwrap().insert(0, second);
        serde_json::to_vec(&adjustment).unwrap()
    };
    let purchase = two_at_once();
    for (refund, suspended) in [(&one, false), (&both, true)] {
        for order in [[&purchase, refund], [refund, &purchase]] {
            let topic = Topic::answering(StatusCode::OK).await;
            let mut app = App::start().await;
            app.notifier = topic.notifier.clone();
            for event in order {
                app.accepts(PADDLE, event).await;
            }
            let end = if suspended { "never suspended" } else { "never" };
            assert_eq!(app.ends(), [end; 2]);
            let is_news = !suspended || order[0] == refund;
            assert_eq!(topic.told().len(), usize::from(is_news), "{:?}", topic.told());
        }
    }
}

#[tokio::test]
async fn items_that_cost_nothing_need_no_refund() {
    let purchase = {
        let mut event: Value = serde_json::from_slice(&two_at_once()).unwrap();
        event["data"]["details"]["line_items"][1]["totals"]["total"] = json!("0");
        serde_json::to_vec(&event).unwrap()
    };
    let refund = adjusted("transaction-one-time", &full(&[0]), &json!({}));
    for order in [[&purchase, &refund], [&refund, &purchase]] {
        let app = App::start().await;
        for event in order {
            app.accepts(PADDLE, event).await;
        }
        assert_eq!(app.ends(), ["never suspended"; 2]);
    }
}

#[tokio::test]
async fn a_chargeback_of_items_ends_with_its_reverse_in_any_order() {
    let at = |event: Vec<u8>, id: &str, time: &str| {
        let mut event: Value = serde_json::from_slice(&event).unwrap();
        (event["event_id"], event["occurred_at"]) = (json!(id), json!(time));
        serde_json::to_vec(&event).unwrap()
    };
    let of =
        |action: &str| adjusted("transaction-one-time", &full(&[0]), &json!({"action": action}));
    let opened = at(of("chargeback"), "evt_opened", "2026-09-10T00:00:00Z");
    let over = at(of("chargeback_reverse"), "evt_over", "2026-10-10T00:00:00Z");
    let purchase = body(PADDLE, "transaction-one-time");
    for order in [
        [&purchase, &opened, &over],
        [&purchase, &over, &opened],
        [&opened, &purchase, &over],
        [&opened, &over, &purchase],
        [&over, &opened, &purchase],
        [&over, &purchase, &opened],
    ] {
        let app = App::start().await;
        for event in order {
            app.accepts(PADDLE, event).await;
        }
        assert_eq!(app.ends(), ["never"]);
    }
    let app = App::start().await;
    for event in [&purchase, &opened] {
        app.accepts(PADDLE, event).await;
    }
    assert_eq!(app.ends(), ["never suspended"]);
}

#[tokio::test]
async fn an_adjustment_suspends_nothing_it_does_not_name() {
    for (field, wrong) in [
        ("items", json!("all")),
        ("items", json!([7, null, "x"])),
        ("items", json!([{"type": "full"}])),
        ("items", json!([{"type": "full", "item_id": 7}])),
        ("items", json!([{"type": "full", "item_id": ""}])),
        ("items", json!([{"type": "full", "item_id": "txnitm_unknown"}])),
        ("items", Value::Null),
        ("type", json!(["full"])),
        ("type", json!("FULL")),
        ("status", json!("pending_approval")),
        ("action", json!(3)),
    ] {
        let app = App::start().await;
        app.cases(PADDLE, &[BOTH]).await;
        let refund = adjusted(BOTH, &[], &json!({field: wrong.clone()}));
        app.accepts(PADDLE, &refund).await;
        assert_eq!(app.ends(), RUNNING, "{field} {wrong}");
    }
    let app = App::start().await;
    let nameless = adjusted(BOTH, &full(&[0]), &json!({"transaction_id": 3, "id": "adj_1"}));
    let answer = app.deliver(PADDLE, "/v1", &nameless).await;
    let says = "transaction_id not found in adjustment with ID: adj_1 (event evt_";
    assert!(answer.status == 400 && answer.message().starts_with(says), "{}", answer.body);
}

#[tokio::test]
async fn amounts_of_another_currency_leave_a_return_to_its_items() {
    for (currency, kind, suspended) in [
        ("EUR", "Full Refund", true),
        ("EUR", "Partial Refund", false),
        ("JPY", "Full Refund", true),
        ("JPY", "Partial Refund", false),
    ] {
        let app = App::start().await;
        app.cases(FASTSPRING, &["order-plain"]).await;
        let returned = edited(FASTSPRING, "return-full", |batch| {
            let data = &mut batch["events"][0]["data"];
            (data["currency"], data["original"]["currency"]) = (json!(currency), json!("EUR"));
            // As a number it is more than was paid, and less than that in yen.
            data["totalReturn"] = if currency == "EUR" { json!("0.01") } else { json!(99_999) };
            data["subtotal"] = data["totalReturn"].clone();
            data["items"][0]["refundType"] = json!(kind);
            if currency == "EUR" && suspended {
                data["totalReturn"] = data["original"]["total"].clone();
            }
        });
        assert_eq!(app.deliver(FASTSPRING, "/v1", &returned).await.status, 200);
        let end = if suspended { "never suspended" } else { "never" };
        assert_eq!(app.ends(), [end], "{currency} {kind}");
    }
}
