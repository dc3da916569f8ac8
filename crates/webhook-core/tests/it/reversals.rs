//! Refunds and disputes: whose licenses a payment that went back was for.

use serde_json::{Value, json};

use crate::support::first_year::{about_the_first_payment, link_of_the_first_invoice};
use crate::support::{App, FASTSPRING, PADDLE, STRIPE, body, edited, json};

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
    app.accepts(STRIPE, &link).await;
    app.cases(STRIPE, &["invoice-cycle", "invoice-payment-paid"]).await;
    let old = edited(STRIPE, "charge-refunded", |event| {
        event["id"] = json!("evt_old_refund");
        event["data"]["object"]["id"] = json!("ch_first");
        event["data"]["object"]["payment_intent"] = json!("pi_first");
    });
    app.accepts(STRIPE, &old).await;
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
    app.accepts(STRIPE, &next).await;
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
    app.accepts(PADDLE, &update("upgrade")).await;
    let refund = edited(PADDLE, "adjustment-refund", |event| {
        adjusted(event, "evt_refund", &first["id"]);
    });
    app.accepts(PADDLE, &refund).await;
    let refunded = ["2026-10-01 suspended", "2026-10-01 suspended", "never suspended"];
    assert_eq!(app.ends(), refunded);
    app.accepts(PADDLE, &update("another")).await;
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
    app.accepts(FASTSPRING, &returned(&later)).await;
    assert_eq!(app.ends(), running);
    let first = json(FASTSPRING, "order-subscription")["events"][0]["data"]["order"].clone();
    app.accepts(FASTSPRING, &returned(&first)).await;
    assert!(app.ends().iter().all(|end| end.ends_with("suspended")), "{:?}", app.ends());
}

#[tokio::test]
async fn a_return_is_of_the_whole_order_when_the_amounts_say_so() {
    let full = json!([{"product": "desktop-lifetime", "refundType": "Full Refund"}]);
    let part = json!([{"product": "Desktop (lifetime)", "refundType": "Partial Refund"}]);
    for (back, total, items, goes) in [
        // Gross and net.
        ((json!(118.8), json!(99)), (json!(118.8), json!(99)), &full, true),
        ((json!(118.8), json!(99)), (json!(143.8), json!(119.8)), &full, false),
        // The tax went back before.
        ((json!(99), json!(99)), (json!(118.8), json!(99)), &full, true),
        ((json!("118.8"), json!("99")), (json!("143.8"), json!("119.8")), &full, false),
        ((json!(null), json!(null)), (json!(143.8), json!(null)), &full, true),
        ((json!(118.8), json!(99)), (json!(118.8), json!(99)), &part, true),
        ((json!(20), json!(20)), (json!(118.8), json!(99)), &part, false),
        ((json!(0), json!(0)), (json!(0), json!(0)), &part, false),
    ] {
        let app = App::start().await;
        app.cases(FASTSPRING, &["order-mixed"]).await;
        let order = json(FASTSPRING, "order-mixed")["events"][0]["data"]["order"].clone();
        let returned = edited(FASTSPRING, "return-full", |batch| {
            let returned = &mut batch["events"][0]["data"];
            returned["original"]["id"] = order.clone();
            returned["original"]["order"] = order;
            (returned["original"]["total"], returned["original"]["subtotal"]) = total.clone();
            (returned["totalReturn"], returned["subtotal"]) = back.clone();
            returned["items"] = items.clone();
        });
        app.accepts(FASTSPRING, &returned).await;
        let suspended = app.ends().iter().all(|end| end.ends_with("suspended"));
        assert_eq!(suspended, goes, "{back:?} of {total:?}: {items}");
    }
}

#[tokio::test]
async fn a_change_to_a_shorter_period_is_paid_for_by_itself() {
    let yearly = |event: &mut Value| {
        event["data"]["billing_period"]["ends_at"] = json!("2027-09-01T00:00:00Z");
    };
    let web = edited(PADDLE, "transaction-web", yearly);
    let first = json(PADDLE, "transaction-web")["data"]["id"].clone();
    let refund = edited(PADDLE, "adjustment-refund", |event| {
        adjusted(event, "evt_refund", &first);
    });
    let running = |app: &App| app.ends().iter().filter(|end| !end.contains("susp")).count();
    for refund_comes_first in [true, false] {
        let app = App::start().await;
        app.accepts(PADDLE, &web).await;
        if refund_comes_first {
            app.accepts(PADDLE, &refund).await;
            assert_eq!(running(&app), 0);
        }
        app.cases(PADDLE, &["transaction-update"]).await;
        if !refund_comes_first {
            app.accepts(PADDLE, &refund).await;
        }
        app.cases(PADDLE, &["transaction-recurring"]).await;
        // The one-time line of the refunded transaction is not paid again; told too late, it is a person's to judge.
        assert_eq!(running(&app), 2, "refund first: {refund_comes_first}: {:?}", app.ends());
    }
}

#[tokio::test]
async fn the_refund_of_a_change_leaves_the_period_paid() {
    let app = App::start().await;
    app.cases(PADDLE, &["transaction-web"]).await;
    let first = json(PADDLE, "transaction-web")["data"].clone();
    let update = edited(PADDLE, "transaction-update", |event| {
        event["data"]["billing_period"] = first["billing_period"].clone();
    });
    app.accepts(PADDLE, &update).await;
    let running = app.ends();
    let change = json(PADDLE, "transaction-update")["data"]["id"].clone();
    let refund = edited(PADDLE, "adjustment-refund", |event| {
        adjusted(event, "evt_refund", &change);
    });
    app.accepts(PADDLE, &refund).await;
    assert_eq!(app.ends(), running);
}

#[tokio::test]
async fn a_license_refunded_before_it_is_made_is_made_suspended() {
    let app = App::start().await;
    app.cases(STRIPE, &["invoice-create"]).await;
    assert_eq!(app.ends(), Vec::<String>::new(), "only the session names the product");
    let first = json(STRIPE, "invoice-create")["data"]["object"]["id"].clone();
    let link = edited(STRIPE, "invoice-payment-paid", |event| {
        event["data"]["object"]["invoice"] = first;
    });
    app.accepts(STRIPE, &link).await;
    app.cases(STRIPE, &["charge-refunded", "checkout-subscription"]).await;
    assert!(!app.ends().is_empty());
    assert!(app.ends().iter().all(|end| end.ends_with("suspended")), "{:?}", app.ends());
}

#[tokio::test]
async fn a_later_charge_without_date_is_of_a_later_period() {
    let app = App::start().await;
    app.cases(FASTSPRING, &["order-not-expanded"]).await;
    let order = json(FASTSPRING, "order-not-expanded")["events"][0]["data"]["id"].clone();
    let subscription =
        json(FASTSPRING, "order-not-expanded")["events"][0]["data"]["items"][0]["subscription"]
            .clone();
    let charge = edited(FASTSPRING, "charge-completed-not-expanded", |batch| {
        batch["events"][0]["data"]["subscription"] = subscription;
    });
    app.accepts(FASTSPRING, &charge).await;
    let running = app.ends();
    let returned = edited(FASTSPRING, "return-full", |batch| {
        batch["events"][0]["data"]["original"]["id"] = order.clone();
        batch["events"][0]["data"]["original"]["order"] = order;
    });
    app.accepts(FASTSPRING, &returned).await;
    assert_eq!(app.ends(), running);
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
    app.accepts(STRIPE, &link).await;
    app.cases(STRIPE, &["charge-refunded"]).await;
    assert_eq!(app.ends(), ["2027-09-01"]);
}

#[tokio::test]
async fn a_dispute_of_an_older_period_needs_no_renewal_to_be_told() {
    let renewed = json(STRIPE, "invoice-cycle")["created"].as_i64().unwrap();
    let dispute = about_the_first_payment("dispute-created", renewed + 172_800);
    let lost = about_the_first_payment("dispute-lost", renewed + 1_728_000);
    let renewal = body(STRIPE, "invoice-cycle");
    for order in [[&renewal, &dispute], [&dispute, &renewal]] {
        let app = App::start().await;
        app.cases(STRIPE, &["checkout-subscription", "invoice-create"]).await;
        app.accepts(STRIPE, &link_of_the_first_invoice()).await;
        for event in order {
            app.accepts(STRIPE, event).await;
        }
        assert_eq!(app.ends(), ["2028-09-01"]);
        app.accepts(STRIPE, &lost).await;
        assert_eq!(app.ends(), ["2028-09-01"]);
    }
}

#[tokio::test]
async fn a_reversal_won_after_the_first_invoice_restores_access() {
    let paid = json(STRIPE, "invoice-create")["created"].as_i64().unwrap();
    for (gone, back) in [("charge-refunded", "refund-failed"), ("dispute-created", "dispute-won")] {
        let app = App::start().await;
        app.cases(STRIPE, &["checkout-subscription"]).await;
        app.accepts(STRIPE, &link_of_the_first_invoice()).await;
        app.accepts(STRIPE, &about_the_first_payment(gone, paid + 86_400)).await;
        assert!(app.ends()[0].ends_with("suspended"), "{gone}");
        app.cases(STRIPE, &["invoice-create"]).await;
        assert_eq!(app.ends(), ["2027-09-01 suspended"], "{gone}: its own payment");
        app.accepts(STRIPE, &about_the_first_payment(back, paid + 864_000)).await;
        assert_eq!(app.ends(), ["2027-09-01"], "{back}");
    }
}

#[tokio::test]
async fn a_license_left_alone_at_the_end_runs_when_money_returns() {
    let paid = json(STRIPE, "invoice-create")["created"].as_i64().unwrap();
    let end = edited(STRIPE, "subscription-deleted", |event| {
        event["created"] = json!(paid + 172_800);
    });
    for (gone, back) in [("charge-refunded", "refund-failed"), ("dispute-created", "dispute-won")] {
        let app = App::with(<_>::default(), &[("CRYPTLEX_CANCELLATION_ACTION", "none")]).await;
        app.cases(STRIPE, &["checkout-subscription", "invoice-create"]).await;
        app.accepts(STRIPE, &link_of_the_first_invoice()).await;
        app.accepts(STRIPE, &about_the_first_payment(gone, paid + 86_400)).await;
        app.accepts(STRIPE, &end).await;
        assert_eq!(app.ends(), ["2027-09-01 suspended"], "{gone}");
        app.accepts(STRIPE, &about_the_first_payment(back, paid + 864_000)).await;
        assert_eq!(app.ends(), ["2027-09-01"], "{back}");
    }
}

#[tokio::test]
async fn a_chargeback_that_is_won_gives_the_license_back() {
    let order = json(FASTSPRING, "order-subscription")["events"][0]["data"]["order"].clone();
    let told = |case| {
        edited(FASTSPRING, case, |batch| batch["events"][0]["data"]["order"] = order.clone())
    };
    let (opened, won) = (told("chargeback"), told("chargeback-won"));
    for order in [[&opened, &won], [&won, &opened]] {
        let app = App::start().await;
        app.cases(FASTSPRING, &["order-subscription"]).await;
        for event in order {
            app.accepts(FASTSPRING, event).await;
        }
        assert_eq!(app.ends(), ["2027-09-01"]);
    }
    let app = App::start().await;
    app.cases(FASTSPRING, &["order-subscription"]).await;
    app.accepts(FASTSPRING, &opened).await;
    assert_eq!(app.ends(), ["2027-09-01 suspended"]);
    app.cases(FASTSPRING, &["charge-completed"]).await;
    assert_eq!(app.ends(), ["2028-09-01 suspended"], "a payment does not end it");
    app.accepts(FASTSPRING, &won).await;
    assert_eq!(app.ends(), ["2028-09-01"]);
}
