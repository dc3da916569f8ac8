//! FastSpring.

use serde_json::{Value, json};

use super::super::FastSpring;
use super::{PRODUCT, TEMPLATE, back, command, commands, dollars, else_buys, payment, unpriced};
use crate::domain::command::{Action, Command, Payment, Sum};

/// 2026-10-01
const OCTOBER: i64 = 1_790_812_800_000;

fn event(kind: &str, data: &Value) -> Value {
    json!({"events": [{"id": "evt-1", "type": kind, "created": 1_788_220_800_000_i64, "data": data}]})
}

fn with(mut object: Value, fields: &Value) -> Value {
    for (name, value) in fields.as_object().unwrap() {
        object[name] = value.clone();
    }
    object
}

fn item(path: &str, fields: &Value) -> Value {
    let attributes =
        json!({"cryptlex_product_id": PRODUCT, "cryptlex_license_template_id": TEMPLATE});
    let item = json!({"product": path, "quantity": 2, "subtotal": 100.5, "attributes": attributes});
    with(item, fields)
}

fn items(payment: &Payment) -> Vec<(&str, Option<i64>)> {
    payment.items.iter().map(|item| (item.id.as_str(), item.value)).collect()
}

fn bills(payment: &Payment) -> Vec<(&str, u32)> {
    payment.bills.iter().map(|line| (line.path.as_str(), line.quantity)).collect()
}

fn order(items: &[Value]) -> Value {
    json!({"id": "ord-1", "completed": true, "currency": "USD", "total": 318.0, "account": "acc-1",
        "customer": {"first": "Ada", "email": "ada@example.com"}, "items": items})
}

#[test]
fn each_subject_has_its_own_items_of_the_order() {
    let items_of_order = [
        item("pro", &json!({"subscription": "sub-1"})),
        item(
            "support",
            &json!({"parentSubscription": "sub-1", "driver": {"type": "addon", "path": "pro"}}),
        ),
        item("lifetime", &json!({})),
        item("lifetime", &json!({"subtotal": "9.99"})),
        item("odd", &json!({"subtotal": "much"})),
        item("odd", &json!({"subtotal": 1})),
    ];
    let commands = commands::<FastSpring>(&event("order.completed", &order(&items_of_order)));
    let [subscription, order] = &commands[..] else { panic!("{commands:?}") };
    let of_subscription = [("pro", Some(100_500)), ("support", Some(100_500))];
    assert_eq!(items(&subscription.payment), of_subscription);
    assert_eq!(items(&order.payment), [("lifetime", Some(110_490)), ("odd", None)]);
    assert!(commands.iter().all(|command| command.payment.amount == dollars(318_000)));
}

#[test]
fn an_unreadable_total_is_left_out() {
    for total in [json!(null), json!("much"), json!(-1), json!(1e300)] {
        let order = with(order(&[item("pro", &json!({}))]), &json!({ "total": total }));
        assert_eq!(payment::<FastSpring>(&event("order.completed", &order)).amount, None);
    }
}

fn charge(fields: &Value) -> Value {
    let account = json!({"id": "acc-1", "contact": {"first": "Ada", "email": "ada@example.com"}});
    let charge = json!({"currency": "USD", "total": 2E+2, "status": "successful", "timestamp": OCTOBER,
        "account": account, "subscription": {"id": "sub-1", "next": OCTOBER}});
    event("subscription.charge.completed", &with(charge, fields))
}

fn billing(items: &[Value]) -> Value {
    json!({"order": {"id": "ord-9", "account": "acc-1", "items": items}})
}

fn charged(items: &[Value]) -> Vec<Command> {
    commands::<FastSpring>(&charge(&billing(items)))
}

#[test]
fn a_charge_tells_what_it_bills() {
    let due = |id: &str| json!({"id": id, "next": OCTOBER});
    let told = charged(&[
        item("pro", &json!({"subscription": due("sub-1")})),
        item(
            "support",
            &json!({"parentSubscription": "sub-1", "driver": {"type": "addon", "path": "pro"}}),
        ),
        item("other", &json!({"subscription": due("sub-2"), "quantity": 7})),
        item("gift", &json!({})),
    ]);
    let [own, other] = &told[..] else { panic!("{told:?}") };
    assert_eq!(bills(&own.payment), [("pro", 2), ("support", 2)]);
    assert_eq!(items(&own.payment), [("pro", Some(100_500)), ("support", Some(100_500))]);
    assert_eq!(bills(&other.payment), [("other", 7)]);
    for command in &told {
        assert_eq!(command.payment.amount, dollars(200_000));
        assert!(else_buys(command).is_some_and(|grant| grant.customer.is_some()));
    }
    let keys: Vec<_> = else_buys(own).unwrap().lines.iter().map(|line| line.key.as_str()).collect();
    assert_eq!(keys, ["pro", "addon:pro/support"]);
}

#[test]
fn a_charge_without_expansion_bills_nothing_known() {
    let told = command::<FastSpring>(&charge(&json!({"order": "ord-9", "subscription": "sub-1"})));
    let only_a_sum = Payment { amount: dollars(200_000), ..Payment::default() };
    assert_eq!(told.payment, only_a_sum);
    assert!(else_buys(&told).is_none());
}

#[test]
fn unreadable_fields_of_a_charge_are_left_out() {
    let own = |fields: &Value| item("pro", &with(json!({"subscription": "sub-1"}), fields));
    let told = |fields: &Value| charged(&[own(fields)]).remove(0);
    for quantity in [json!("many"), json!(-1), json!(null)] {
        assert_eq!(bills(&told(&json!({ "quantity": quantity })).payment), []);
    }
    assert_eq!(items(&told(&json!({"subtotal": -1})).payment), [("pro", None)]);
    assert_eq!(told(&json!({"product": null})).payment.items, []);
    assert!(else_buys(&told(&json!({"quantity": "many"}))).is_none());
    assert!(else_buys(&told(&json!({"attributes": {}}))).is_none());
    assert!(else_buys(&told(&json!({"attributes": {"cryptlex_product_id": PRODUCT}}))).is_none());
    let huge = charge(&json!({"total": 1e300, "order": "ord-9"}));
    assert_eq!(payment::<FastSpring>(&huge).amount, None);
}

#[test]
fn a_charge_of_an_unknown_buyer_names_their_account() {
    let fields = with(
        billing(&[item("pro", &json!({"subscription": "sub-1"}))]),
        &json!({"account": "acc-1"}),
    );
    let told = command::<FastSpring>(&charge(&fields));
    let grant = else_buys(&told).unwrap();
    assert!(grant.customer.is_none());
    assert_eq!(grant.nobody.as_ref().unwrap().id.as_ref().unwrap().as_str(), "acc-1");
}

fn returned(fields: &Value) -> Value {
    let returned = json!({"return": "ret-1", "completed": true, "currency": "USD", "totalReturn": 318.0,
        "original": {"id": "ord-1", "total": 318.0, "currency": "USD"},
        "items": [{"product": "pro", "quantity": 2, "display": "Pro", "refundType": "Full Refund", "subtotal": 200.0}]});
    event("return.created", &with(returned, fields))
}

#[test]
fn a_return_states_the_amount_of_each_item() {
    let part = json!({"items": [{"product": "Pro (annual)", "quantity": 0, "display": null,
        "refundType": "Partial Refund", "subtotal": 10.0}], "totalReturn": 10.0});
    let named = json!({"items": [{"product": "pro", "display": "Pro", "refundType": "Partial Refund",
        "subtotal": "much"}], "totalReturn": 10.0});
    let one_item = ("pro", Some(200_000), Some(true));
    let cases = [
        (json!({}), true, vec![]),
        (json!({"totalReturn": 218.0}), false, vec![one_item]),
        (part, false, vec![]),
        (named, false, vec![("pro", None, Some(false))]),
        (json!({"totalReturn": null}), true, vec![]),
        (json!({"totalReturn": null, "items": []}), false, vec![]),
        (json!({"currency": "EUR", "totalReturn": 1.0}), true, vec![]),
    ];
    for (fields, is_whole, items) in cases {
        let body = returned(&fields);
        let told = back::<FastSpring>(&body);
        assert_eq!((told.id.as_deref(), told.sum), (Some("ret-1"), Sum::Single));
        assert_eq!((told.of, told.is_whole), (dollars(318_000), Some(is_whole)), "{fields}");
        let named: Vec<_> =
            told.items.iter().map(|item| (item.id.as_str(), item.value, item.is_whole)).collect();
        assert_eq!(named, items, "{fields}");
    }
    assert_eq!(back::<FastSpring>(&returned(&json!({"totalReturn": 1.5}))).amount, dollars(1500));
    let undone = command::<FastSpring>(&returned(&json!({"completed": false}))).action;
    assert!(matches!(undone, Action::Note(_)), "{undone:?}");
}

#[test]
fn a_chargeback_tells_its_sum() {
    let body = |kind: &str, fields: &Value| {
        event(
            kind,
            &with(json!({"id": "cb-1", "order": "ord-1", "chargebackAmount": 318.0}), fields),
        )
    };
    for kind in ["chargeback.created", "chargeback.won"] {
        let told = back::<FastSpring>(&body(kind, &json!({})));
        assert_eq!((told.id.as_deref(), told.amount), (Some("cb-1"), unpriced(318_000)));
        let bare = back::<FastSpring>(&body(kind, &json!({"id": null, "chargebackAmount": "-1"})));
        assert_eq!((bare.id.as_deref(), bare.amount), (Some("ord-1"), None));
    }
}

#[test]
fn a_scheduled_pause_is_recorded() {
    for (flag, expected) in
        [(json!(true), Some(true)), (json!(false), Some(false)), (json!(null), None)]
    {
        let data = json!({"id": "sub-1", "state": "active", "isPauseScheduled": flag});
        let told = command::<FastSpring>(&event("subscription.canceled", &data));
        assert_eq!(told.record.unwrap().is_pause_scheduled, expected);
    }
}
