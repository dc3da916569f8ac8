//! Paddle.

use serde_json::{Value, json};

use super::super::Paddle;
use super::{PRODUCT, TEMPLATE, back, command, commands, dollars, else_buys, reversal, unpriced};
use crate::domain::command::{Action, Funds, Payment, SubjectKind, Sum};

fn event(kind: &str, data: &Value) -> Value {
    json!({"event_id": "evt_1", "event_type": kind, "occurred_at": "2026-09-01T00:00:00Z", "data": data})
}

fn product(named: bool) -> Value {
    let names = json!({"cryptlex_product_id": PRODUCT, "cryptlex_license_template_id": TEMPLATE});
    json!({"id": "pro_1", "custom_data": if named { names } else { json!(null) }})
}

/// Of the price `pri_month` that recurs, and `pri_once`.
fn transaction(origin: &str, lines: &[Value], totals: &Value) -> Value {
    let month = json!({"id": "pri_month", "billing_cycle": {"interval": "month", "frequency": 1}});
    let once = json!({"id": "pri_once", "billing_cycle": null});
    let data = json!({
        "id": "txn_1", "origin": origin, "customer_id": "ctm_1", "subscription_id": "sub_1", "currency_code": "USD",
        "items": [{"price": month, "quantity": 1}, {"price": once, "quantity": 1}],
        "details": {"totals": totals, "line_items": lines},
        "billing_period": {"starts_at": "2026-09-01T00:00:00Z", "ends_at": "2026-10-01T00:00:00Z"},
    });
    event("transaction.completed", &data)
}

fn line(id: &str, price: &str, total: &Value) -> Value {
    json!({"id": id, "price_id": price, "quantity": 2, "totals": {"total": total}, "product": product(true)})
}

fn items(payment: &Payment) -> Vec<(&str, Option<i64>)> {
    payment.items.iter().map(|item| (item.id.as_str(), item.value)).collect()
}

#[test]
fn each_subject_has_its_own_items_of_the_whole_sum() {
    let lines = [
        line("txnitm_1", "pri_month", &json!("40000")),
        line("txnitm_2", "pri_once", &json!("9900")),
        line("", "pri_once", &json!("1")),
        line("txnitm_3", "pri_once", &json!("-1")),
    ];
    let totals = json!({"total": "49900"});
    for origin in ["web", "subscription_recurring"] {
        let commands = commands::<Paddle>(&transaction(origin, &lines, &totals));
        let [subscription, order] = &commands[..] else { panic!("{commands:?}") };
        assert_eq!(subscription.subject.kind, SubjectKind::Subscription);
        assert_eq!(items(&subscription.payment), [("txnitm_1", Some(40_000))]);
        assert_eq!(items(&order.payment), [("txnitm_2", Some(9900)), ("txnitm_3", None)]);
        for command in &commands {
            assert_eq!(command.payment.amount, dollars(49_900));
        }
        let starts = [&subscription.payment, &order.payment].map(|payment| payment.starts);
        assert_eq!(starts, ["2026-09-01T00:00:00Z".parse().ok(), None]);
    }
}

#[test]
fn an_unreadable_total_is_left_out() {
    let lines = [line("txnitm_1", "pri_month", &json!("1"))];
    let read = |totals: Value| {
        commands::<Paddle>(&transaction("web", &lines, &totals)).remove(0).payment.amount
    };
    assert_eq!(read(json!({"total": "100", "grand_total": "90"})), dollars(100));
    assert_eq!(read(json!({"grand_total": "90"})), dollars(90));
    for nonsense in [json!(null), json!("much"), json!("-1"), json!("1e99"), json!({})] {
        assert_eq!(read(json!({ "total": nonsense })), None);
    }
}

#[test]
fn an_unreadable_start_is_left_out() {
    let lines = [line("txnitm_1", "pri_month", &json!("1"))];
    let mut renewal = transaction("subscription_recurring", &lines, &json!({}));
    renewal["data"]["billing_period"]["starts_at"] = json!("soon");
    let command = command::<Paddle>(&renewal);
    assert_eq!(command.payment.starts, None);
    assert!(matches!(command.action, Action::Renew(_)));
}

#[test]
fn a_renewal_buys_what_its_products_name() {
    let bought = |lines: &[Value]| {
        let renewal = transaction("subscription_recurring", lines, &json!({}));
        let commands = commands::<Paddle>(&renewal);
        else_buys(&commands[0]).cloned()
    };
    let named = line("txnitm_1", "pri_month", &json!("1"));
    let once = line("txnitm_2", "pri_once", &json!("1"));
    let mut foreign = named.clone();
    foreign["product"] = product(false);
    let mut countless = named.clone();
    countless["quantity"] = json!("many");
    let grant = bought(&[named, foreign.clone(), once.clone()]).unwrap();
    assert_eq!((grant.lines.len(), grant.lines[0].quantity, grant.foreign), (1, 2, true));
    assert!(grant.customer.is_some());
    assert_eq!(grant.paid_through, "2026-10-01T00:00:00Z".parse().ok());
    for nothing in [&[foreign, once][..], &[countless], &[]] {
        assert!(bought(nothing).is_none(), "{nothing:?}");
    }
}

fn adjustment(fields: &Value) -> Value {
    let mut data = json!({"id": "adj_1", "action": "refund", "status": "approved", "transaction_id": "txn_1",
        "currency_code": "USD", "totals": {"total": "5000"}});
    for (name, value) in fields.as_object().unwrap() {
        data[name] = value.clone();
    }
    event("adjustment.updated", &data)
}

#[test]
fn an_adjustment_states_the_amount_of_each_item() {
    let full = json!({"item_id": "txnitm_1", "type": "full", "amount": "5000"});
    let part = json!({"item_id": "txnitm_2", "type": "partial", "amount": "10", "totals": {"total": "12"}});
    let nameless = json!({"type": "partial", "amount": "10"});
    let silent = json!({"item_id": "txnitm_3", "amount": "-1"});
    let first = ("txnitm_1", Some(5000), Some(true));
    let second = ("txnitm_2", Some(12), Some(false));
    let cases = [
        (json!({"type": "full", "items": [part]}), Some(true), vec![]),
        (json!({"type": "partial", "items": [full]}), Some(false), vec![first]),
        (json!({"type": "partial", "items": [part]}), Some(false), vec![second]),
        (json!({"type": "partial", "items": [full, part]}), Some(false), vec![first, second]),
        (json!({"type": "partial", "items": [part, nameless]}), Some(false), vec![]),
        (json!({"items": [full]}), Some(false), vec![first]),
        (json!({"items": [silent]}), None, vec![("txnitm_3", None, None)]),
        (json!({}), None, vec![]),
    ];
    for (fields, is_whole, items) in cases {
        let body = adjustment(&fields);
        let told = reversal::<Paddle>(&body);
        assert_eq!(told.ids[0].as_str(), "txn_1");
        let back = told.back;
        assert_eq!((back.id.as_deref(), back.sum), (Some("adj_1"), Sum::Single));
        assert_eq!((back.amount, back.is_whole), (dollars(5000), is_whole), "{fields}");
        let named: Vec<_> =
            back.items.iter().map(|item| (item.id.as_str(), item.value, item.is_whole)).collect();
        assert_eq!(named, items, "{fields}");
    }
    let bare = adjustment(&json!({"currency_code": null, "totals": {"total": "-5"}}));
    assert_eq!(back::<Paddle>(&bare).amount, None);
    let bare = adjustment(&json!({ "currency_code": 7 }));
    assert_eq!(back::<Paddle>(&bare).amount, unpriced(5000));
}

#[test]
fn a_refund_that_was_reversed_is_taken_back() {
    let reversed = adjustment(&json!({"type": "full", "status": "reversed"}));
    assert_eq!(reversal::<Paddle>(&reversed).funds, Funds::Reinstated);
    // Its end has an adjustment of its own.
    let chargeback =
        adjustment(&json!({"action": "chargeback", "type": "full", "status": "reversed"}));
    assert!(matches!(command::<Paddle>(&chargeback).action, Action::Note(_)));
}

#[test]
fn a_subscription_that_begins_is_described() {
    let subscription = |items: Value| {
        json!({"id": "sub_1", "status": "trialing", "customer_id": "ctm_1", "items": items,
            "current_billing_period": {"starts_at": "2026-09-01T00:00:00Z", "ends_at": "2026-09-15T00:00:00Z"}})
    };
    let item = |quantity: Value| json!([{"quantity": quantity, "recurring": true, "price": {"id": "pri_month"}, "product": product(true)}]);
    for kind in ["created", "imported", "activated", "trialing"] {
        let body = event(&format!("subscription.{kind}"), &subscription(item(json!(2))));
        let told = command::<Paddle>(&body);
        let record = told.record.unwrap();
        let period = [record.period_start, record.period_end];
        let [starts, ends] = ["2026-09-01T00:00:00Z", "2026-09-15T00:00:00Z"];
        assert_eq!(period, [starts, ends].map(|at| at.parse().ok()));
        assert_eq!(told.subscribed.unwrap().lines[0].quantity, 2);
    }
}
