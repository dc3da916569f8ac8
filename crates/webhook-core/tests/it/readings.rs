//! What an invoice or a description of Stripe says, in the smallest bodies: one situation each, in every order that counts.

use http::StatusCode;
use serde_json::{Value, json};

use crate::support::clock::{DAY, SEPTEMBER};
use crate::support::topics::Topic;
use crate::support::{App, FASTSPRING, PADDLE, STRIPE, edited};

const OCTOBER: i64 = SEPTEMBER + 30 * DAY;
const NOVEMBER: i64 = OCTOBER + 31 * DAY;
const DECEMBER: i64 = NOVEMBER + 30 * DAY;

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
    let mut charge = proration(9000, 1, [SEPTEMBER + 9, year]);
    charge["pricing"]["price_details"]["price"] = json!("price_year");
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

fn dispute(kind: &str, created: i64, status: &str) -> Vec<u8> {
    let id = format!("evt_{kind}_{created}");
    let dispute = json!({"id": "du_1", "object": "dispute", "charge": "ch_1", "payment_intent": "pi_1",
        "created": SEPTEMBER + DAY, "status": status});
    event(&id, &format!("charge.dispute.{kind}"), created, dispute)
}

fn linked() -> Vec<u8> {
    let paid = json!({"id": "inpay_1", "object": "invoice_payment", "invoice": "in_first", "status": "paid",
        "payment": {"type": "payment_intent", "payment_intent": "pi_1"}});
    event("evt_linked", "invoice_payment.paid", SEPTEMBER + 1, paid)
}

#[tokio::test]
async fn a_dispute_suspends_while_its_funds_are_gone() {
    let inquiry = || dispute("created", SEPTEMBER + DAY, "warning_needs_response");
    let withdrawn = || dispute("funds_withdrawn", SEPTEMBER + 9 * DAY, "needs_response");
    let updated = |status| dispute("updated", SEPTEMBER + 9 * DAY, status);
    let reinstated = || dispute("funds_reinstated", SEPTEMBER + 15 * DAY, "won");
    for (told, end) in [
        (vec![inquiry()], "2026-10-01"),
        (vec![inquiry(), withdrawn()], "2026-10-01 suspended"),
        (vec![inquiry(), updated("needs_response")], "2026-10-01 suspended"),
        (vec![inquiry(), updated("under_review")], "2026-10-01 suspended"),
        (vec![inquiry(), updated("warning_under_review")], "2026-10-01"),
        (vec![inquiry(), updated("prevented")], "2026-10-01"),
        (vec![inquiry(), updated("one that nobody knows")], "2026-10-01"),
        (vec![inquiry(), updated("")], "2026-10-01"),
        (vec![inquiry(), withdrawn(), updated("won")], "2026-10-01 suspended"),
        (vec![inquiry(), withdrawn(), reinstated()], "2026-10-01"),
        (vec![inquiry(), updated("needs_response"), reinstated()], "2026-10-01"),
        (vec![dispute("created", SEPTEMBER + DAY, "needs_response"), reinstated()], "2026-10-01"),
        (
            vec![withdrawn(), reinstated(), dispute("closed", SEPTEMBER + 15 * DAY, "won")],
            "2026-10-01",
        ),
    ] {
        let bought = [first(1), linked()];
        let in_order: Vec<&Vec<u8>> = bought.iter().chain(&told).collect();
        let reversed: Vec<&Vec<u8>> = bought.iter().chain(told.iter().rev()).collect();
        for order in [in_order, reversed] {
            assert_eq!(ends(&[], &order).await, [end]);
        }
    }
}

#[tokio::test]
async fn a_dispute_told_late_counts_from_when_the_funds_went() {
    let october =
        invoice("in_2", OCTOBER + 3600, "subscription_cycle", &[line(1, [OCTOBER, NOVEMBER])]);
    let before = dispute("funds_withdrawn", SEPTEMBER + 9 * DAY, "needs_response");
    let after = dispute("updated", OCTOBER + 9 * DAY, "under_review");
    let (first, linked) = (first(1), linked());
    for order in [[&before, &after], [&after, &before]] {
        let events = [&[&first, &linked, &october], &order[..]].concat();
        assert_eq!(ends(&[], &events).await, ["2026-11-01 suspended"]);
    }
    let events = [&first, &linked, &october, &after];
    assert_eq!(ends(&[], &events).await, ["2026-11-01"], "October had made up for it");
}

const SEATS: (&str, &str) = ("CRYPTLEX_MAPPINGS_QUANTITY", "total_licenses");
const ACTIVATIONS: (&str, &str) = ("CRYPTLEX_MAPPINGS_QUANTITY", "allowed_activations");

fn of_item(mut line: Value, item: &str, price: &str) -> Value {
    line["parent"]["subscription_item_details"]["subscription_item"] = json!(item);
    line["pricing"]["price_details"]["price"] = json!(price);
    line
}

/// The subscription, with items of a price and a quantity.
fn described(created: i64, items: &[(&str, Value)]) -> Vec<u8> {
    let item = |(price, quantity): &(&str, Value)| {
        json!({"id": format!("si_{price}"), "price": {"id": price, "recurring": {"usage_type": "licensed"}},
            "quantity": quantity})
    };
    let items: Vec<Value> = items.iter().map(item).collect();
    let subscription = json!({"id": "sub_1", "object": "subscription", "customer": "cus_1", "status": "active",
        "items": {"data": items}});
    event(
        &format!("evt_described_{created}"),
        "customer.subscription.updated",
        created,
        subscription,
    )
}

#[tokio::test]
async fn one_item_gives_the_quantity_in_any_order_of_items() {
    let period = [SEPTEMBER, OCTOBER];
    let seats = || of_item(line(3, period), "si_seats", "price_seats");
    let fee = || of_item(line(1, period), "si_fee", "price_fee");
    for lines in [[seats(), fee()], [fee(), seats()]] {
        for items in [["price_seats", "price_fee"], ["price_fee", "price_seats"]] {
            let bought = invoice("in_first", SEPTEMBER + 1, "subscription_create", &lines);
            let items = items.map(|price| (price, json!(if price == "price_fee" { 1 } else { 3 })));
            let events = [&bought, &described(SEPTEMBER + DAY, &items)];
            end_as(&[SEATS], &events, &["2026-10-01"; 3]).await;
        }
    }
}

#[tokio::test]
async fn tiers_of_an_item_add_up_but_not_items() {
    let period = [SEPTEMBER, OCTOBER];
    let tier = |quantity, item: &str| of_item(line(quantity, period), item, "price_tiers");
    let flat = || {
        let mut line = tier(0, "si_1");
        line["amount"] = json!(500);
        line
    };
    for (lines, licenses) in [
        (vec![tier(2, "si_1"), tier(3, "si_1")], 5),
        (vec![tier(2, "si_1"), flat(), tier(3, "si_1")], 5),
        (vec![tier(2, "si_1"), tier(3, "si_2")], 3),
        (vec![proration(100, 9, period), tier(2, "si_1")], 2),
        (vec![flat()], 1),
    ] {
        let bought = invoice("in_first", SEPTEMBER + 1, "subscription_create", &lines);
        assert_eq!(ends(&[SEATS], &[&bought]).await.len(), licenses, "{lines:?}");
    }
}

#[tokio::test]
async fn a_quantity_of_zero_suspends_until_there_are_seats_again() {
    let none = described(SEPTEMBER + DAY, &[("price_1", json!(0))]);
    let unsaid = described(SEPTEMBER + DAY, &[("price_1", json!(null))]);
    let back = described(SEPTEMBER + 2 * DAY, &[("price_1", json!(2))]);
    let suspended = ["2026-10-01 suspended"; 2];
    end_as(&[SEATS], &[&first(2), &none], &suspended).await;
    end_as(&[SEATS], &[&first(2), &none, &back], &["2026-10-01"; 2]).await;
    end_as(&[SEATS], &[&first(2), &unsaid], &["2026-10-01"; 2]).await;
    for means in [ACTIVATIONS, ("CRYPTLEX_MAPPINGS_QUANTITY", "one")] {
        end_as(&[means], &[&first(2), &none], &suspended[..1]).await;
        end_as(&[means], &[&first(2), &none, &back], &["2026-10-01"]).await;
    }
    let renewal = |quantity| {
        let lines = [line(quantity, [OCTOBER, NOVEMBER])];
        invoice(&format!("in_{quantity}"), OCTOBER + 3600, "subscription_cycle", &lines)
    };
    end_as(&[SEATS], &[&first(2), &none, &renewal(0)], &suspended).await;
    end_as(&[SEATS], &[&first(2), &none, &back, &renewal(2)], &["2026-11-01"; 2]).await;
    // Seats that were added and given up within the period are billed with it.
    let lines = [proration(100, 1, [SEPTEMBER + DAY, OCTOBER]), line(0, [OCTOBER, NOVEMBER])];
    let billed = invoice("in_late", OCTOBER + 3600, "subscription_cycle", &lines);
    end_as(&[SEATS], &[&first(2), &none, &billed], &suspended).await;
}

#[tokio::test]
async fn a_quantity_of_zero_leaves_activations_alone() {
    let app = App::with(<_>::default(), &[ACTIVATIONS]).await;
    for event in [first(3), described(SEPTEMBER + DAY, &[("price_1", json!(0))])] {
        assert_eq!(app.deliver(STRIPE, "/v1", &event).await.status, 200);
    }
    assert_eq!(app.sandbox.licenses()[0].allowed_activations, 3);
    for (provider, purchase, change, pointer) in [
        (FASTSPRING, "order-subscription-seats", "updated-seats", "/events/0/data/quantity"),
        (PADDLE, "transaction-web", "subscription-updated-seats", "/data/items/0/quantity"),
    ] {
        let app = App::with(<_>::default(), &[ACTIVATIONS]).await;
        app.cases(provider, &[purchase]).await;
        let before: Vec<_> = app.sandbox.licenses().iter().map(|l| l.allowed_activations).collect();
        let none =
            edited(provider, change, |event| *event.pointer_mut(pointer).unwrap() = json!(0));
        assert_eq!(app.deliver(provider, "/v1", &none).await.status, 200);
        if provider == FASTSPRING {
            // Its changes count with the next charge.
            let charge = edited(FASTSPRING, "charge-completed-seats", |batch| {
                batch["events"][0]["data"]["order"] = json!("ord-of-no-items");
            });
            assert_eq!(app.deliver(provider, "/v1", &charge).await.status, 200);
        }
        let after = app.sandbox.licenses();
        assert!(after.iter().any(|license| license.suspended), "{provider}");
        let after: Vec<_> = after.iter().map(|license| license.allowed_activations).collect();
        assert_eq!(after, before, "{provider}");
    }
}

fn renewal(id: &str, created: i64, period: [i64; 2]) -> Vec<u8> {
    invoice(id, created, "subscription_cycle", &[line(1, period)])
}

fn failed(id: &str, at: i64, bill: Value) -> Vec<u8> {
    event(&format!("evt_failed_{id}_{at}"), "invoice.payment_failed", at, bill)
}

fn failed_renewal(at: i64, period: [i64; 2]) -> Vec<u8> {
    let id = format!("in_{}", period[0]);
    failed(&id, at, bill(&id, period[0] + 3600, "subscription_cycle", &[line(1, period)]))
}

#[tokio::test]
async fn a_failed_payment_counts_while_its_period_is_unpaid() {
    let [october, november] = [[OCTOBER, NOVEMBER], [NOVEMBER, DECEMBER]];
    let october_fails = || failed_renewal(OCTOBER + 3600, october);
    let october_fails_again = || failed_renewal(NOVEMBER + 9 * DAY, october);
    let november_fails = || failed_renewal(NOVEMBER + 10 * DAY, november);
    let november_paid = || renewal("in_11", NOVEMBER + 3600, november);
    let past_due = || {
        let subscription = json!({"id": "sub_1", "object": "subscription", "status": "past_due"});
        event("evt_past_due", "customer.subscription.updated", NOVEMBER + 11 * DAY, subscription)
    };
    for (told, suspended, grace) in [
        (vec![october_fails()], "2026-10-01 suspended", "2026-10-08"),
        (vec![october_fails(), november_paid()], "2026-12-01", "2026-12-01"),
        (vec![november_paid(), october_fails_again()], "2026-12-01", "2026-12-01"),
        (
            vec![november_paid(), october_fails_again(), past_due()],
            "2026-12-01 suspended",
            "2026-12-01",
        ),
        // The failure of a payment that succeeded later.
        (
            vec![november_fails(), renewal("in_11", NOVEMBER + 12 * DAY, november)],
            "2026-12-01",
            "2026-12-01",
        ),
    ] {
        let told: Vec<&Vec<u8>> = told.iter().collect();
        let bought = first(1);
        let events = [&[&bought], &told[..]].concat();
        end_as(&[], &events, &[suspended]).await;
        end_as(&[("GRACE_DAYS", "7")], &events, &[grace]).await;
    }
    // What is suspended for two reasons is not resumed when one goes.
    let events = [first(1), october_fails_again(), past_due(), november_paid()];
    end_as(&[], &events.iter().collect::<Vec<_>>(), &["2026-12-01 suspended"]).await;
}

#[tokio::test]
async fn a_failed_charge_of_an_active_subscription_suspends_nothing() {
    for (state, end) in [("active", "2027-09-01"), ("overdue", "2027-09-01 suspended")] {
        let app = App::start().await;
        let failed = edited(FASTSPRING, "charge-failed", |batch| {
            batch["events"][0]["data"]["subscription"]["state"] = json!(state);
        });
        app.cases(FASTSPRING, &["order-subscription"]).await;
        assert_eq!(app.deliver(FASTSPRING, "/v1", &failed).await.status, 200);
        assert_eq!(app.ends(), [end], "{state}");
    }
}

/// Usage of a time that is over, billed then.
fn usage(id: &str, [start, end]: [i64; 2]) -> Vec<u8> {
    invoice(id, end + 3600, "subscription_cycle", &[line(7, [start, end - 300])])
}

fn period_described(period: [i64; 2], status: &str, cancels: bool) -> Vec<u8> {
    let [start, end] = period;
    let item = json!({"id": "si_1", "price": {"id": "price_1", "recurring": {"usage_type": "metered"}},
        "current_period_start": start, "current_period_end": end});
    let subscription = json!({"id": "sub_1", "object": "subscription", "status": status,
        "cancel_at_period_end": cancels, "items": {"data": [item]}});
    let kind = if status == "canceled" { "deleted" } else { "updated" };
    let at = if status == "canceled" { end } else { start };
    event(&format!("evt_{kind}_{at}"), &format!("customer.subscription.{kind}"), at, subscription)
}

#[tokio::test]
async fn usage_that_is_paid_renews_to_the_end_of_its_period() {
    let [october, november] = [[OCTOBER, NOVEMBER], [NOVEMBER, DECEMBER]];
    let until_november = [
        &first(1),
        &period_described(october, "active", false),
        &usage("in_9", [SEPTEMBER, OCTOBER]),
    ];
    end_as(&[], &until_november, &["2026-11-01"]).await;
    // The description of a later period is none of what was billed before it.
    let early = [
        &first(1),
        &period_described(november, "active", false),
        &usage("in_9", [SEPTEMBER, OCTOBER]),
    ];
    end_as(&[], &early, &["2026-11-01"]).await;
    end_as(&[], &[&first(1), &usage("in_9", [SEPTEMBER, OCTOBER])], &["2026-11-01"]).await;
}

#[tokio::test]
async fn usage_that_is_billed_at_the_end_buys_no_more_time() {
    let september = [SEPTEMBER, OCTOBER];
    let cancels = period_described(september, "active", true);
    let ended = period_described(september, "canceled", true);
    let last = usage("in_9", september);
    end_as(&[], &[&first(1), &cancels, &last], &["2026-10-01"]).await;
    let bought = first(1);
    for rest in [[&cancels, &ended, &last], [&last, &ended, &cancels], [&ended, &last, &cancels]] {
        // Who does not know that it ends presumes one more period, which the end takes back.
        let events = [&[&bought], &rest[..]].concat();
        assert!(ends(&[], &events).await[0].ends_with("revoked"));
        if rest[0] != &last {
            let none = [("CRYPTLEX_CANCELLATION_ACTION", "none")];
            assert_eq!(ends(&none, &events).await, ["2026-10-01"]);
        }
    }
}

#[tokio::test]
async fn usage_that_fails_belongs_to_the_period_that_billed_it() {
    let lines = [line(7, [SEPTEMBER, OCTOBER - 300])];
    let bill = || bill("in_9", OCTOBER + 3600, "subscription_cycle", &lines);
    let fails = failed("in_9", OCTOBER + 3600, bill());
    let fails_again = failed("in_9", NOVEMBER + 9 * DAY, bill());
    let described = period_described([OCTOBER, NOVEMBER], "active", false);
    end_as(&[], &[&first(1), &fails], &["2026-10-01 suspended"]).await;
    end_as(&[], &[&first(1), &described, &fails], &["2026-10-01 suspended"]).await;
    let paid = renewal("in_11", NOVEMBER + 3600, [NOVEMBER, DECEMBER]);
    end_as(&[], &[&first(1), &fails_again, &paid], &["2026-12-01"]).await;
}

#[tokio::test]
async fn a_period_that_no_event_told_is_assumed_and_notified() {
    let topic = Topic::answering(StatusCode::OK).await;
    let monthly = ("CRYPTLEX_PRODUCT_ID", devkit::sandbox::catalogue::MONTHLY_PRODUCT);
    let app = topic.app(&[monthly, ("UNMAPPED", "accept")]).await;
    // It was sold before we were connected, or is none of ours.
    let unknown = usage("in_0", [SEPTEMBER, OCTOBER]);
    assert_eq!(app.deliver(STRIPE, "/v1", &unknown).await.status, 200);
    let app = topic.app(&[monthly]).await;
    for event in
        [first(1), usage("in_9", [SEPTEMBER, OCTOBER]), usage("in_9", [SEPTEMBER, OCTOBER])]
    {
        assert_eq!(app.deliver(STRIPE, "/v1", &event).await.status, 200);
    }
    assert_eq!(app.ends(), ["2026-11-01"]);
    let told: Vec<String> = topic.told().into_iter().map(|(concern, _)| concern).collect();
    assert_eq!(told, ["period_presumed"]);
}

fn of_version(version: Value, body: &[u8]) -> Vec<u8> {
    let mut event: Value = serde_json::from_slice(body).unwrap();
    event["api_version"] = version;
    serde_json::to_vec(&event).unwrap()
}

#[tokio::test]
async fn old_versions_call_a_first_invoice_an_update() {
    let update = |id: &str, period: [i64; 2], quantity| {
        invoice(id, period[0] + 1, "subscription_update", &[line(quantity, period)])
    };
    let old = |body: Vec<u8>| of_version(json!("2018-05-21"), &body);
    let bought = old(update("in_1", [SEPTEMBER, OCTOBER], 2));
    end_as(&[SEATS], &[&bought], &["2026-10-01"; 2]).await;
    let changed = old(update("in_2", [OCTOBER, NOVEMBER], 3));
    assert_eq!(ends(&[SEATS], &[&bought, &changed]).await, ["2026-11-01"; 2]);
    // New versions have another name for it.
    for version in
        [json!("2018-10-31"), json!("2026-09-30.endive"), json!(null), json!(2018), json!({})]
    {
        let app = App::start().await;
        let update = of_version(version, &update("in_1", [SEPTEMBER, OCTOBER], 2));
        assert_eq!(app.deliver(STRIPE, "/v1", &update).await.status, 400);
    }
}

#[tokio::test]
async fn an_old_update_is_a_purchase_only_where_its_product_is_known() {
    let update =
        invoice("in_1", SEPTEMBER + 1, "subscription_update", &[line(1, [SEPTEMBER, OCTOBER])]);
    let nameless = of_version(json!("2018-05-21"), &update);
    let mut named: Value = serde_json::from_slice(&nameless).unwrap();
    named["data"]["object"]["parent"]["subscription_details"]["metadata"] = json!({
        "CRYPTLEX_PRODUCT_ID": devkit::sandbox::catalogue::MONTHLY_PRODUCT,
        "CRYPTLEX_LICENSE_TEMPLATE": devkit::sandbox::catalogue::MONTHLY_TEMPLATE,
    });
    let named = serde_json::to_vec(&named).unwrap();
    for (path, body, licenses) in [
        ("/v1", &nameless, 1),
        ("/v2", &nameless, 0),
        ("/webhooks/stripe", &nameless, 0),
        ("/v2", &named, 1),
        ("/webhooks/stripe", &named, 1),
    ] {
        let app = App::start().await;
        let answer = app.deliver(STRIPE, path, body).await;
        assert_eq!(
            (answer.status == 200, app.sandbox.licenses().len()),
            (licenses == 1, licenses),
            "{path}"
        );
    }
    // What ended or was deleted by hand is not bought again.
    let app = App::start().await;
    let ended = period_described([SEPTEMBER, OCTOBER], "canceled", false);
    for event in [&first(1), &ended] {
        assert_eq!(app.deliver(STRIPE, "/v1", event).await.status, 200);
    }
    assert_eq!(app.deliver(STRIPE, "/v1", &nameless).await.status, 200);
    assert_eq!(app.sandbox.licenses().len(), 1);
}

#[tokio::test]
async fn a_one_off_invoice_that_needs_action_is_notified() {
    let app = App::start().await;
    let mut bill = bill("in_once", SEPTEMBER, "manual", &[]);
    bill["parent"] = json!(null);
    for (kind, message) in [
        (
            "invoice.payment_action_required",
            "Recorded for invoice in_once: the customer must confirm a payment.",
        ),
        (
            "invoice.payment_failed",
            "Recorded for invoice in_once: the failed payment renews no subscription.",
        ),
    ] {
        let answer = app.deliver(STRIPE, "/v1", &event(kind, kind, SEPTEMBER, bill.clone())).await;
        assert_eq!((answer.status, answer.message().as_str()), (200, message));
    }
}

#[tokio::test]
async fn missing_fields_of_an_invoice_are_named() {
    let app = App::start().await;
    let broken = |edit: &dyn Fn(&mut Value)| {
        let mut event: Value =
            serde_json::from_slice(&usage("in_9", [SEPTEMBER, OCTOBER])).unwrap();
        edit(&mut event["data"]["object"]);
        serde_json::to_vec(&event).unwrap()
    };
    for (body, named) in [
        (
            broken(&|invoice| {
                invoice["created"] = json!(null);
                invoice["lines"] = json!({"data": [], "has_more": true});
            }),
            "created not found in invoice with ID: in_9",
        ),
        (
            broken(&|invoice| invoice["created"] = json!("soon")),
            "created in invoice with ID: in_9 is not",
        ),
        (
            broken(&|invoice| invoice["created"] = json!(9e15)),
            "created in invoice with ID: in_9 is not",
        ),
        (
            broken(&|invoice| invoice["lines"]["data"][0]["period"]["end"] = json!(9e15)),
            "end in line period",
        ),
        (
            broken(&|invoice| invoice["lines"]["data"][0]["quantity"] = json!("many")),
            "quantity in line",
        ),
    ] {
        let answer = app.deliver(STRIPE, "/v1", &body).await;
        assert_eq!(answer.status, 400);
        assert!(answer.message().contains(named), "{}", answer.body);
    }
}
