//! What an invoice or a description of Stripe says, in the smallest bodies: one situation each, in every order that counts.

use serde_json::{Value, json};

use crate::support::{App, STRIPE};

const DAY: i64 = 86_400;
/// 2026-09-01
const SEPTEMBER: i64 = 1_788_220_800;
const OCTOBER: i64 = SEPTEMBER + 30 * DAY;
const NOVEMBER: i64 = OCTOBER + 31 * DAY;

fn event(id: &str, kind: &str, created: i64, object: Value) -> Vec<u8> {
    let data = json!({ "object": object });
    let event =
        json!({"id": id, "object": "event", "type": kind, "created": created, "data": data});
    serde_json::to_vec(&event).unwrap()
}

/// Of the subscription `sub_1`; the event has the invoice's id.
fn invoice(id: &str, created: i64, reason: &str, lines: &[Value]) -> Vec<u8> {
    event(id, "invoice.paid", created, bill(id, created, reason, lines))
}

fn bill(id: &str, created: i64, reason: &str, lines: &[Value]) -> Value {
    json!({
        "id": id, "object": "invoice", "billing_reason": reason, "created": created,
        "customer": "cus_1", "customer_email": "ada@example.com", "customer_name": "Ada Example",
        "parent": {"type": "subscription_details", "subscription_details": {"subscription": "sub_1", "metadata": {}}},
        "lines": {"data": lines, "has_more": false},
    })
}

/// Of the item `si_1` with the price `price_1`.
fn line(quantity: u32, [start, end]: [i64; 2]) -> Value {
    json!({
        "amount": 1000 * quantity, "quantity": quantity, "period": {"start": start, "end": end},
        "parent": {"type": "subscription_item_details", "subscription_item_details":
            {"subscription": "sub_1", "subscription_item": "si_1", "proration": false}},
        "pricing": {"price_details": {"price": "price_1"}},
    })
}

fn proration(amount: i64, quantity: u32, period: [i64; 2]) -> Value {
    let mut line = line(quantity, period);
    line["amount"] = json!(amount);
    line["parent"]["subscription_item_details"]["proration"] = json!(true);
    line
}

/// The purchase of September.
fn first(quantity: u32) -> Vec<u8> {
    let period = [SEPTEMBER, OCTOBER];
    invoice("in_first", SEPTEMBER + 1, "subscription_create", &[line(quantity, period)])
}

/// What becomes of licenses, monthly ones if nothing else is said; all are delivered until each is answered 200.
async fn ends(variables: &[(&str, &str)], events: &[&Vec<u8>]) -> Vec<String> {
    let monthly = ("CRYPTLEX_PRODUCT_ID", devkit::sandbox::catalogue::MONTHLY_PRODUCT);
    let app = App::with(<_>::default(), &[&[monthly], variables].concat()).await;
    let mut left: Vec<&Vec<u8>> = events.to_vec();
    while !left.is_empty() {
        let mut undone = Vec::new();
        let mut last = String::new();
        for event in &left {
            let answer = app.deliver(STRIPE, "/v1", event).await;
            if answer.status != 200 {
                undone.push(*event);
                last = answer.body;
            }
        }
        assert!(undone.len() < left.len(), "{last}");
        left = undone;
    }
    app.ends()
}

/// In the order told, and reversed.
async fn end_as(variables: &[(&str, &str)], events: &[&Vec<u8>], expected: &[&str]) {
    let reversed: Vec<&Vec<u8>> = events.iter().rev().copied().collect();
    for order in [events, reversed.as_slice()] {
        assert_eq!(ends(variables, order).await, expected);
    }
}

#[tokio::test]
async fn a_charged_proration_pays_its_period() {
    let year = SEPTEMBER + 365 * DAY;
    let to_years = |charge: Value| {
        let credit = proration(-900, 1, [SEPTEMBER + 9, OCTOBER]);
        invoice("in_year", SEPTEMBER + 10, "subscription_update", &[credit, charge])
    };
    let charge = proration(9000, 1, [SEPTEMBER + 9, year]);
    end_as(&[], &[&first(1), &to_years(charge.clone())], &["2027-09-01"]).await;
    for amount in [json!("9000"), json!("9000.00"), json!(9000.0)] {
        let mut charge = charge.clone();
        charge["amount"] = amount;
        end_as(&[], &[&first(1), &to_years(charge)], &["2027-09-01"]).await;
    }
    for amount in [json!(null), json!(0), json!("much"), json!({}), json!(-9000)] {
        let mut charge = charge.clone();
        charge["amount"] = amount;
        end_as(&[], &[&first(1), &to_years(charge)], &["2026-10-01"]).await;
    }
}

#[tokio::test]
async fn a_proration_that_shortens_takes_no_paid_time() {
    let year = SEPTEMBER + 365 * DAY;
    let first =
        invoice("in_first", SEPTEMBER + 1, "subscription_create", &[line(1, [SEPTEMBER, year])]);
    let lines =
        [proration(-9000, 1, [SEPTEMBER + 9, year]), proration(900, 1, [SEPTEMBER + 9, OCTOBER])];
    let to_months = invoice("in_month", SEPTEMBER + 10, "subscription_update", &lines);
    end_as(&[], &[&first, &to_months], &["2027-09-01"]).await;
}

#[tokio::test]
async fn a_seat_added_to_an_unpaid_period_does_not_pay_it() {
    let lines = [
        proration(-900, 1, [OCTOBER + DAY, NOVEMBER]),
        proration(1800, 2, [OCTOBER + DAY, NOVEMBER]),
    ];
    let seat = invoice("in_seat", OCTOBER + DAY, "subscription_update", &lines);
    end_as(&[], &[&first(1), &seat], &["2026-10-01"]).await;
}
