//! Stripe.

use serde_json::{Value, json};

use super::super::{ProductLookup, Stripe};
use super::{
    PRODUCT, TEMPLATE, back, command, commands, commands_on, configured, dollars, else_buys,
    meaning, payment, reversal, unpriced,
};
use crate::domain::command::{
    Action, Amount, Funds, Meaning, OfPayment, Payment, PaymentScope, Previous, ProductSource,
    Reason, Sum,
};
use crate::domain::ids::ProductId;

/// 2026-09-01
const SEPTEMBER: i64 = 1_788_220_800;
const OCTOBER: i64 = 1_790_812_800;
const YEAR: i64 = 1_819_756_800;

fn event(kind: &str, object: &Value) -> Value {
    json!({"id": "evt_1", "object": "event", "type": kind, "created": SEPTEMBER, "data": {"object": object}})
}

/// With these fields in place of the usual.
fn with(mut object: Value, fields: &Value) -> Value {
    for (name, value) in fields.as_object().unwrap() {
        object[name] = value.clone();
    }
    object
}

fn line(quantity: u32, [start, end]: [i64; 2]) -> Value {
    json!({
        "amount": 1000, "quantity": quantity, "period": {"start": start, "end": end},
        "parent": {"type": "subscription_item_details", "subscription_item_details":
            {"subscription": "sub_1", "subscription_item": "si_1", "proration": false}},
        "pricing": {"price_details": {"price": "price_1"}},
    })
}

fn invoice(fields: &Value) -> Value {
    let invoice = json!({
        "id": "in_1", "billing_reason": "subscription_cycle", "created": SEPTEMBER, "customer": "cus_1",
        "customer_email": "ada@example.com", "amount_paid": 24900, "currency": "usd",
        "parent": {"subscription_details": {"subscription": "sub_1", "metadata": {}}},
        "lines": {"data": [line(1, [SEPTEMBER, OCTOBER])]},
    });
    event("invoice.paid", &with(invoice, fields))
}

fn starts(lines: &[Value]) -> Option<i64> {
    let payment = payment::<Stripe>(&invoice(&json!({"lines": {"data": lines}})));
    payment.starts.map(jiff::Timestamp::as_second)
}

#[test]
fn an_invoice_tells_what_it_brought() {
    for reason in ["subscription_create", "subscription_cycle"] {
        let read = |paid: Value| {
            let fields = json!({"billing_reason": reason, "amount_paid": paid});
            payment::<Stripe>(&invoice(&fields)).amount
        };
        assert_eq!(read(json!(24900)), dollars(24900));
        assert_eq!(read(json!("24900")), dollars(24900));
        assert_eq!(read(json!(0)), dollars(0));
        for nonsense in [json!(-1), json!("much"), json!(1e300), json!(null), json!([])] {
            assert_eq!(read(nonsense), None);
        }
    }
    let read = |currency: Value| {
        payment::<Stripe>(&invoice(&json!({ "currency": currency }))).amount.unwrap()
    };
    assert_eq!(read(json!("EUR")).currency.as_deref(), Some("eur"));
    assert_eq!(read(json!("money")), Amount { value: 24900, currency: None });
}

#[test]
fn an_invoice_tells_when_its_period_begins() {
    let proration = |amount: i64, period| {
        let mut line = line(1, period);
        line["amount"] = json!(amount);
        line["parent"]["subscription_item_details"]["proration"] = json!(true);
        line
    };
    let month = line(1, [SEPTEMBER, OCTOBER]);
    assert_eq!(starts(std::slice::from_ref(&month)), Some(SEPTEMBER));
    let seat = proration(500, [SEPTEMBER + 9, OCTOBER]);
    assert_eq!(starts(&[seat.clone(), month.clone()]), Some(SEPTEMBER));
    let mut year = proration(9000, [SEPTEMBER + 9, YEAR]);
    year["pricing"] = json!({"price_details": {"price": "price_year"}});
    let year = [proration(-900, [SEPTEMBER + 9, OCTOBER]), year];
    assert_eq!(starts(&year), Some(SEPTEMBER + 9));
    let is_proration = |reason: &str, lines: &[Value]| {
        let fields = json!({"billing_reason": reason, "lines": {"data": lines}});
        let action = command::<Stripe>(&invoice(&fields)).action;
        matches!(action, Action::Renew(renew) if renew.scope == PaymentScope::Proration)
    };
    for (reason, lines, expected) in [
        ("subscription_update", &[seat.clone()][..], true),
        ("subscription_update", &[seat.clone(), month.clone()], false),
        ("subscription_update", &year, false),
        ("subscription_cycle", std::slice::from_ref(&seat), true),
        ("subscription_threshold", std::slice::from_ref(&seat), true),
        ("subscription_create", std::slice::from_ref(&seat), false),
    ] {
        assert_eq!(is_proration(reason, lines), expected, "{reason} {lines:?}");
    }
    let mut timeless = month;
    timeless["period"]["start"] = json!("soon");
    assert_eq!(starts(&[timeless]), None);
    // Usage: it pays for the described period, which begins later.
    assert_eq!(starts(&[line(1, [SEPTEMBER - 9, SEPTEMBER])]), None);
}

fn session(fields: &Value) -> Value {
    let session = json!({
        "id": "cs_1", "mode": "payment", "payment_status": "paid", "payment_intent": "pi_1", "customer": null,
        "customer_details": {"email": "ada@example.com"}, "amount_total": 5000, "currency": "usd",
        "metadata": {"CRYPTLEX_PRODUCT_ID": PRODUCT, "CRYPTLEX_LICENSE_TEMPLATE_ID": TEMPLATE},
    });
    event("checkout.session.completed", &with(session, fields))
}

#[test]
fn a_session_that_is_not_paid_is_ordered() {
    let paid = command::<Stripe>(&session(&json!({})));
    assert_eq!(paid.payment.amount, dollars(5000));
    let unpaid = session(&json!({"payment_status": "unpaid"}));
    let ordered = command::<Stripe>(&unpaid);
    assert_eq!((&ordered.payments, &ordered.payment), (&paid.payments, &Payment::default()));
    let is_paid = |action| {
        let Action::Grant(grant) = action else { panic!("{action:?}") };
        (grant.is_paid, grant.lines)
    };
    let (paid, ordered) = (is_paid(paid.action), is_paid(ordered.action));
    assert_eq!((paid.0, ordered.0, paid.1 == ordered.1), (true, false, true));
}

#[test]
fn an_unpaid_session_is_never_refused() {
    let nothing = Reason::NothingToDo("the checkout session is not paid yet");
    for fields in [json!({"mode": null}), json!({"mode": "subscription"}), json!({"id": null})] {
        let unpaid = session(&with(json!({"payment_status": "unpaid"}), &fields));
        let Ok(Meaning::Ignore(reason)) = meaning::<Stripe>(&unpaid) else { panic!("{fields}") };
        assert_eq!(reason, nothing);
    }
}

fn charge(fields: &Value) -> Value {
    let charge =
        json!({"id": "ch_1", "payment_intent": "pi_1", "amount": 24900, "currency": "usd"});
    with(charge, fields)
}

fn of_payment(body: &Value) -> OfPayment {
    let command = command::<Stripe>(body);
    let Action::OfPayment(told) = command.action else { panic!("{command:?}") };
    told
}

#[test]
fn a_capture_tells_how_much_was_captured() {
    let captured = event("charge.captured", &charge(&json!({"amount_captured": 9900})));
    let told = of_payment(&captured);
    let OfPayment::Captured { amount, .. } = &told else { panic!("{told:?}") };
    assert_eq!(amount, &dollars(9900));
    let ids: Vec<String> = told.ids().iter().map(ToString::to_string).collect();
    assert_eq!(ids, ["pi_1", "ch_1"]);
    assert_eq!(command::<Stripe>(&captured).payments, []);
    let whole = of_payment(&event("charge.captured", &charge(&json!({"amount_captured": -1}))));
    assert!(matches!(whole, OfPayment::Captured { amount, .. } if amount == dollars(24900)));
}

fn sold(lines: &[(Value, &str)]) -> Value {
    let line = |(quantity, price): &(Value, &str)| {
        json!({"quantity": quantity, "parent": {"type": "invoice_item_details"},
            "pricing": {"price_details": {"price": price}}})
    };
    let lines: Vec<_> = lines.iter().map(line).collect();
    let payments = json!({"data": [{"payment": {"payment_intent": "pi_1"}}]});
    let fields = json!({"billing_reason": "manual", "parent": null, "payments": payments, "lines": {"data": lines}});
    invoice(&fields)
}

#[test]
fn a_one_off_invoice_states_its_quantity() {
    let tells = |lines: &[(Value, &str)]| {
        let command = command::<Stripe>(&sold(lines));
        let is_note = matches!(command.action, Action::Note(_));
        let Action::OfPayment(OfPayment::Quantity { quantity, .. }) = command.action else {
            assert!(is_note);
            return None;
        };
        Some(quantity)
    };
    assert_eq!(tells(&[(json!(5), "a")]), Some(5));
    assert_eq!(tells(&[(json!(5), "a"), (json!(2), "a"), (json!(6), "b")]), Some(7));
    for nothing in [json!(null), json!(0), json!(-1), json!(1.5), json!("many"), json!(1e12)] {
        assert_eq!(tells(&[(nothing, "a")]), None);
    }
    assert_eq!(tells(&[]), None);
    let most = json!(u32::MAX);
    assert_eq!(tells(&[(most.clone(), "a"), (most, "a")]), Some(u32::MAX));
    let told = of_payment(&sold(&[(json!(5), "a")]));
    let ids: Vec<String> = told.ids().iter().map(ToString::to_string).collect();
    assert_eq!(ids, ["in_1", "pi_1"]);
}

#[test]
fn a_payment_of_an_invoice_is_a_part_of_it() {
    let paid = |payment: Value| {
        let object = json!({"id": "inpay_1", "invoice": "in_1", "amount_paid": 9900, "currency": "usd",
            "payment": payment});
        event("invoice_payment.paid", &object)
    };
    let part = paid(json!({"payment_intent": "pi_1"}));
    let told = of_payment(&part);
    assert!(matches!(&told, OfPayment::Part { amount, .. } if *amount == dollars(9900)));
    let ids: Vec<String> = told.ids().iter().map(ToString::to_string).collect();
    assert_eq!(ids, ["pi_1", "in_1"]);
}

#[test]
fn a_refund_states_the_sum_returned_so_far() {
    let refunded = |fields: &Value| event("charge.refunded", &charge(fields));
    let part = refunded(&json!({"amount_refunded": 5000, "refunded": false}));
    let told = back::<Stripe>(&part);
    assert_eq!((told.sum, told.id.as_deref()), (Sum::SoFar, Some("ch_1")));
    assert_eq!((told.amount, told.of), (dollars(5000), dollars(24900)));
    assert_eq!(told.is_whole, Some(false));
    let whole = refunded(&json!({"amount_refunded": 24900, "refunded": true}));
    assert_eq!(back::<Stripe>(&whole).is_whole, Some(true));
    let silent = refunded(&json!({"amount": null, "currency": null}));
    let told = back::<Stripe>(&silent);
    assert_eq!((told.amount, told.of, told.is_whole), (None, None, None));
    let captured = refunded(&json!({"amount_captured": 9900}));
    assert_eq!(back::<Stripe>(&captured).of, dollars(9900));
}

#[test]
fn a_refund_that_failed_is_told_by_two_events() {
    let refund = |status: &str| json!({"id": "re_1", "charge": "ch_1", "payment_intent": "pi_1", "amount": 5000, "status": status});
    for kind in ["refund.failed", "refund.updated"] {
        let told = reversal::<Stripe>(&event(kind, &refund("failed")));
        assert_eq!((told.funds, told.back.sum), (Funds::Reinstated, Sum::Failed), "{kind}");
        assert_eq!((told.back.id.as_deref(), told.back.amount), (Some("ch_1"), unpriced(5000)));
        assert_eq!(told.back.refund.as_deref(), Some("re_1"));
    }
}

#[test]
fn a_dispute_tells_its_sum() {
    let object = json!({"id": "dp_1", "charge": "ch_1", "amount": 24900, "currency": "usd", "status": "lost"});
    for kind in ["created", "funds_withdrawn", "funds_reinstated", "closed"] {
        let told = back::<Stripe>(&event(&format!("charge.dispute.{kind}"), &object));
        assert_eq!((told.id.as_deref(), told.sum), (Some("dp_1"), Sum::Single), "{kind}");
        assert_eq!((told.amount, told.is_whole), (dollars(24900), None), "{kind}");
    }
}

fn subscription(fields: &Value) -> Value {
    let item = json!({"id": "si_1", "quantity": 3, "price": {"id": "price_1"}});
    with(json!({"id": "sub_1", "status": "active", "items": {"data": [item]}}), fields)
}

#[test]
fn a_subscription_that_is_created_tells_its_lines() {
    let created =
        command::<Stripe>(&event("customer.subscription.created", &subscription(&json!({}))));
    assert_eq!(created.subscribed.unwrap().lines[0].quantity, 3);
    let empty = event("customer.subscription.created", &subscription(&json!({"items": null})));
    assert_eq!(command::<Stripe>(&empty).subscribed, None);
    let updated =
        commands::<Stripe>(&event("customer.subscription.updated", &subscription(&json!({}))));
    assert!(
        updated.iter().all(|command| command.subscribed.is_none() && command.previous.is_none())
    );
}

#[test]
fn a_trial_is_a_period() {
    let ends = |fields: &Value| {
        let created = event("customer.subscription.created", &subscription(fields));
        let record = command::<Stripe>(&created).record.unwrap();
        [record.period_start, record.period_end].map(|at| at.map(jiff::Timestamp::as_second))
    };
    let trial = json!({"status": "trialing", "trial_start": SEPTEMBER, "trial_end": OCTOBER});
    assert_eq!(ends(&trial), [Some(SEPTEMBER), Some(OCTOBER)]);
    assert_eq!(ends(&with(trial.clone(), &json!({"status": "active"}))), [None, None]);
    let period = json!({"current_period_start": SEPTEMBER, "current_period_end": YEAR});
    assert_eq!(ends(&with(trial, &period)), [Some(SEPTEMBER), Some(YEAR)]);
}

#[test]
fn a_renewal_buys_what_its_metadata_names() {
    let named = json!({"CRYPTLEX_PRODUCT_ID": PRODUCT, "CRYPTLEX_LICENSE_TEMPLATE_ID": TEMPLATE});
    let renewal = |metadata: &Value, quantity: Value| {
        let mut line = line(1, [SEPTEMBER, OCTOBER]);
        line["quantity"] = quantity;
        let parent =
            json!({"subscription_details": {"subscription": "sub_1", "metadata": metadata}});
        invoice(&json!({"parent": parent, "lines": {"data": [line]}}))
    };
    let sources = [
        (ProductLookup::Metadata, true),
        (ProductLookup::MetadataOr(configured()), true),
        (ProductLookup::Configured(configured()), false),
    ];
    for (source, counts) in sources {
        let command = commands_on::<Stripe>(&renewal(&named, json!(3)), &source).remove(0);
        let bought = else_buys(&command);
        assert_eq!(bought.is_some(), counts, "{source:?}");
        if let Some(bought) = bought {
            assert_eq!(
                (bought.lines[0].quantity, bought.named_by),
                (3, ProductSource::Subscription)
            );
            assert!(bought.customer.is_some() && bought.paid_through.is_some());
        }
        let silent = commands_on::<Stripe>(&renewal(&json!({}), json!(3)), &source).remove(0);
        assert!(else_buys(&silent).is_none());
        let half = json!({"CRYPTLEX_PRODUCT_ID": PRODUCT});
        let half = commands_on::<Stripe>(&renewal(&half, json!(3)), &source).remove(0);
        assert!(else_buys(&half).is_none());
        let uncounted = commands_on::<Stripe>(&renewal(&named, json!(1.5)), &source).remove(0);
        assert!(else_buys(&uncounted).is_none());
    }
}

#[test]
fn an_update_states_the_previous_values() {
    let previous = |before: Value| {
        let mut updated = event("customer.subscription.updated", &subscription(&json!({})));
        updated["data"]["previous_attributes"] = before;
        let commands = commands::<Stripe>(&updated);
        let first = commands[0].previous.clone();
        assert!(commands.iter().all(|command| command.previous == first));
        first.map(|previous| *previous)
    };
    let item = json!({"id": "si_1", "quantity": 3, "current_period_end": OCTOBER, "price": {"id": "price_0"}});
    let before = json!({"status": "past_due", "items": {"data": [item]},
        "metadata": {"CRYPTLEX_PRODUCT_ID": PRODUCT}, "cancel_at_period_end": false, "pause_collection": null});
    let period_end = jiff::Timestamp::from_second(OCTOBER).ok();
    let expected = Previous {
        status: Some("past_due".to_owned()),
        plan: Some("price_0".to_owned()),
        quantity: Some(3),
        product: ProductId::new(PRODUCT).ok(),
        period_end,
        cancel_at_period_end: Some(false),
        collects: Some(true),
    };
    assert_eq!(previous(before), Some(expected));
    let old = json!({"quantity": 2, "plan": {"id": "plan_0"}, "current_period_end": OCTOBER});
    let plan = Some("plan_0".to_owned());
    let expected = Previous { plan, quantity: Some(2), period_end, ..Previous::default() };
    assert_eq!(previous(old), Some(expected));
    let nonsense = json!({"quantity": "many", "items": {"data": [{"quantity": -1}]}, "metadata": 7,
        "current_period_end": "soon", "status": "", "cancel_at_period_end": "no"});
    for nothing in [json!(null), json!({}), json!([]), json!({"cancel_at": null}), nonsense] {
        assert_eq!(previous(nothing), None);
    }
}
