//! A second round of attacks: what a buyer, a network and a genuine body of tomorrow may do.

use devkit::sandbox::Fault;
use serde_json::{Value, json};

use crate::attack::{described, renew_one_seat, running};
use crate::support::clock::DAY;
use crate::support::first_year::{bought, end_of_the_year};
use crate::support::{App, FASTSPRING, PADDLE, STRIPE, edited, json, path_of};

fn past_due(begins: i64, ends: i64) -> Vec<u8> {
    edited(STRIPE, "subscription-updated-past-due", |event| {
        event["created"] = json!(begins + DAY);
        let items = event["data"]["object"]["items"]["data"].as_array_mut().unwrap();
        for item in items {
            item["current_period_start"] = json!(begins);
            item["current_period_end"] = json!(ends);
        }
    })
}

/// An invoice whose only positive line is a proration of one dollar, from `at` until `end`.
fn added(at: i64, end: i64, edit: impl FnOnce(&mut Value)) -> Vec<u8> {
    edited(STRIPE, "invoice-update-proration-only", |event| {
        event["id"] = json!("evt_small");
        event["created"] = json!(at);
        let invoice = &mut event["data"]["object"];
        invoice["id"] = json!("in_small");
        invoice["created"] = json!(at);
        invoice["amount_paid"] = json!(100);
        let lines = invoice["lines"]["data"].as_array_mut().unwrap();
        let credit = lines.remove(0);
        lines[0]["amount"] = json!(100);
        lines[0]["period"] = json!({"start": at, "end": end});
        lines.push(credit);
        lines.swap(0, 1);
        edit(invoice);
    })
}

async fn a_dollar_pays_no_year(edit: impl Fn(&mut Value)) {
    let begins = end_of_the_year();
    let ends = begins + 366 * DAY;
    let (app, _) = bought(&[]).await;
    app.accepts(STRIPE, &past_due(begins, ends)).await;
    assert_eq!(app.ends(), ["2027-09-01 suspended"]);
    app.accepts(STRIPE, &added(begins + 5 * DAY, ends, edit)).await;
    assert_eq!(app.ends(), ["2027-09-01 suspended"]);
}

/// "A proration without a credit pays for a new period only if it begins where a known period begins or ends": whatever the
/// invoice was made for. What was added waits for the next invoice; usage may bring that early.
#[tokio::test]
async fn a_dollar_on_a_threshold_invoice_pays_no_year() {
    a_dollar_pays_no_year(|invoice| {
        invoice["billing_reason"] = json!("subscription_threshold");
        invoice["lines"]["data"].as_array_mut().unwrap().remove(0);
    })
    .await;
}

/// The same on the invoice of another item's cycle, such as a monthly one beside the year.
#[tokio::test]
async fn a_dollar_on_an_invoice_of_another_cycle_pays_no_year() {
    a_dollar_pays_no_year(|invoice| {
        invoice["billing_reason"] = json!("subscription_cycle");
        invoice["lines"]["data"].as_array_mut().unwrap().remove(0);
    })
    .await;
}

/// A credit for another item, such as a monthly one that is removed with the same click, is no credit for what is added.
#[tokio::test]
async fn a_dollar_next_to_an_unrelated_credit_pays_no_year() {
    let begins = end_of_the_year();
    a_dollar_pays_no_year(|invoice| {
        let credit = &mut invoice["lines"]["data"][0];
        credit["amount"] = json!(-1);
        credit["period"] = json!({"start": begins + 5 * DAY, "end": begins + 30 * DAY});
    })
    .await;
}

/// Changes of seats within the year that is not paid: each has a credit and a charge, and there are more of them than a
/// webhook lists. "The same where the paying line is on another page" is said of a renewal.
#[tokio::test]
async fn many_changes_on_one_invoice_pay_no_year() {
    let begins = end_of_the_year();
    a_dollar_pays_no_year(|invoice| {
        let credit = &mut invoice["lines"]["data"][0];
        credit["amount"] = json!(-1);
        credit["period"] = json!({"start": begins + 5 * DAY, "end": begins + 366 * DAY});
        invoice["lines"]["has_more"] = json!(true);
        invoice["lines"]["total_count"] = json!(12);
    })
    .await;
}

/// "Usage that is billed afterwards pays for the described period that begins where its lines end, no later one": that of a
/// month within the year pays no year.
#[tokio::test]
async fn usage_of_a_month_pays_no_year_that_began_before_it() {
    let begins = end_of_the_year();
    let ends = begins + 366 * DAY;
    let (app, _) = bought(&[]).await;
    app.accepts(STRIPE, &past_due(begins, ends)).await;
    let usage = edited(STRIPE, "invoice-cycle", |event| {
        event["id"] = json!("evt_usage");
        event["created"] = json!(begins + 31 * DAY);
        let invoice = &mut event["data"]["object"];
        invoice["id"] = json!("in_usage");
        invoice["created"] = json!(begins + 31 * DAY);
        invoice["amount_paid"] = json!(10);
        for line in invoice["lines"]["data"].as_array_mut().unwrap() {
            line["amount"] = json!(10);
            line["period"] = json!({"start": begins, "end": begins + 30 * DAY});
        }
    });
    app.accepts(STRIPE, &usage).await;
    assert_eq!(app.ends(), ["2027-09-01 suspended"]);
}

/// A dispute of Stripe names itself: that another one was won, whose opening was not told, takes this one not back.
#[tokio::test]
async fn a_dispute_that_is_won_takes_no_other_dispute_with_it() {
    let app = App::start().await;
    app.cases(STRIPE, &["checkout-subscription", "invoice-create"]).await;
    let invoice = json(STRIPE, "invoice-create");
    let paid = invoice["created"].as_i64().unwrap();
    for (part, amount) in [("one", 20_000), ("two", 4_900)] {
        let link = edited(STRIPE, "invoice-payment-paid", |event| {
            event["id"] = json!(format!("evt_part_{part}"));
            event["created"] = json!(paid + 1);
            let object = &mut event["data"]["object"];
            object["invoice"] = invoice["data"]["object"]["id"].clone();
            object["amount_paid"] = json!(amount);
            object["payment"]["payment_intent"] = json!(format!("pi_{part}"));
        });
        app.accepts(STRIPE, &link).await;
    }
    let about = |case: &str, part: &str, amount: i64, at: i64| {
        edited(STRIPE, case, |event| {
            event["id"] = json!(format!("evt_{case}_{part}"));
            event["created"] = json!(at);
            let object = &mut event["data"]["object"];
            object["id"] = json!(format!("du_{part}"));
            object["charge"] = json!(format!("ch_{part}"));
            object["payment_intent"] = json!(format!("pi_{part}"));
            object["amount"] = json!(amount);
        })
    };
    app.accepts(STRIPE, &about("dispute-created", "one", 20_000, paid + DAY)).await;
    assert_eq!(app.ends(), ["2027-09-01 suspended"]);
    app.accepts(STRIPE, &about("dispute-won", "two", 4_900, paid + 5 * DAY)).await;
    assert_eq!(app.ends(), ["2027-09-01 suspended"]);
}

/// Seats that were given up stay so, however often the number of seats changes.
#[tokio::test]
async fn seats_given_up_stay_so_through_many_changes() {
    let app = App::start().await;
    app.cases(PADDLE, &["transaction-web"]).await;
    app.accepts(PADDLE, &described(0, 20)).await;
    app.accepts(PADDLE, &described(1, 1)).await;
    assert_eq!(running(&app), 1);
    for number in 2..=69 {
        app.accepts(PADDLE, &described(number, 1 + number % 2)).await;
    }
    app.accepts(PADDLE, &described(70, 1)).await;
    assert_eq!(running(&app), 1, "{:?}", app.ends());
    renew_one_seat(&app).await;
    assert_eq!(running(&app), 1, "{:?}", app.ends());
}

/// What nobody can read of the lines keeps no payment from counting.
#[tokio::test]
async fn a_change_to_an_interval_we_do_not_know_is_still_a_payment() {
    for case in ["transaction-recurring", "transaction-update"] {
        let app = App::start().await;
        app.cases(PADDLE, &["transaction-web"]).await;
        let end = json(PADDLE, case)["data"]["billing_period"]["ends_at"].clone();
        let paid = edited(PADDLE, case, |event| {
            event["data"]["items"][0]["price"]["billing_cycle"]["interval"] = json!("quarter");
        });
        let answer = app.deliver(PADDLE, path_of(PADDLE), &paid).await;
        assert_eq!(answer.status, 200, "{case}: {}", answer.body);
        let end = &end.as_str().unwrap()[..10];
        assert!(app.ends().contains(&end.to_owned()), "{case}: {:?}", app.ends());
    }
}

/// A reason of tomorrow for an invoice of a subscription, whose line pays for its next year.
#[tokio::test]
async fn an_invoice_with_an_unknown_billing_reason_is_not_lost() {
    let (app, _) = bought(&[]).await;
    let paid = edited(STRIPE, "invoice-cycle", |event| {
        event["data"]["object"]["billing_reason"] = json!("subscription_resume");
    });
    let answer = app.deliver(STRIPE, path_of(STRIPE), &paid).await;
    assert!(
        answer.status != 200 || app.ends() == ["2028-09-01"],
        "{}: {:?}",
        answer.body,
        app.ends()
    );
}

/// "Of two Stripe descriptions of one second, the one whose `previous_attributes` show the values of the other is the newer":
/// also where what it shows is that nothing was paused.
#[tokio::test]
async fn a_pause_in_the_second_of_another_change_counts() {
    for [seats, pause] in [["evt_a", "evt_z"], ["evt_z", "evt_a"]] {
        let app = App::with(<_>::default(), &[("PAUSE_COLLECTION", "suspend")]).await;
        app.cases(STRIPE, &["checkout-subscription", "invoice-create"]).await;
        let at = json(STRIPE, "subscription-updated-pause-collection")["created"].clone();
        let more = edited(STRIPE, "subscription-updated-seats", |event| {
            event["id"] = json!(seats);
            event["created"] = at.clone();
        });
        let paused = edited(STRIPE, "subscription-updated-pause-collection", |event| {
            event["id"] = json!(pause);
            event["data"]["object"]["items"]["data"][0]["quantity"] = json!(5);
        });
        app.accepts(STRIPE, &more).await;
        app.accepts(STRIPE, &paused).await;
        assert_eq!(app.ends(), ["2027-09-01 suspended"], "{seats}, {pause}");
    }
}

/// The first year is refunded, and the next is paid by a charge that also bills a seat which was added that day.
#[tokio::test]
async fn a_fastspring_renewal_with_a_proration_restores_access() {
    let order = json(FASTSPRING, "order-subscription-seats")["events"][0].clone();
    let bought = order["created"].as_i64().unwrap();
    let back = edited(FASTSPRING, "chargeback", |batch| {
        let event = &mut batch["events"][0];
        event["created"] = json!(bought + 400 * DAY * 1_000);
        let back = &mut event["data"];
        (back["id"], back["order"]) = (order["data"]["id"].clone(), order["data"]["id"].clone());
        for field in ["chargebackAmount", "currency"] {
            back.as_object_mut().unwrap().remove(field);
        }
    });
    for prorated in [0.0, 12.5] {
        let app = App::start().await;
        app.cases(FASTSPRING, &["order-subscription-seats"]).await;
        let charge = edited(FASTSPRING, "charge-completed-seats", |batch| {
            batch["events"][0]["data"]["order"]["items"][0]["proratedItemTotal"] = json!(prorated);
        });
        app.accepts(FASTSPRING, &charge).await;
        let renewed = app.ends();
        app.accepts(FASTSPRING, &back).await;
        assert_eq!(app.ends(), renewed, "prorated {prorated}");
    }
}

/// "An event answers for its own facts only. What older facts still lack never fails a newer event": a change to more seats
/// than there is room for is told while Cryptlex does not answer, and not delivered again before the renewal.
#[tokio::test]
async fn too_many_seats_keep_no_renewal_from_counting() {
    let app = App::start().await;
    app.cases(PADDLE, &["transaction-web"]).await;
    let more = edited(PADDLE, "subscription-updated-seats", |event| {
        event["data"]["items"][0]["quantity"] = json!(20_000);
    });
    app.sandbox.fault(Fault::on("GET", "/v3/licenses").error_before(500).always());
    let answer = app.deliver(PADDLE, path_of(PADDLE), &more).await;
    assert!(answer.status != 200, "{}: {}", answer.status, answer.body);
    app.sandbox.clear_faults();
    app.pass(120);
    let renewal = app.case(PADDLE, "transaction-recurring").await;
    assert_eq!(renewal.status, 200, "{}", renewal.body);
    assert_eq!(app.ends(), ["2026-11-01", "2026-11-01", "never"]);
}

/// "One-time lines are about a subject of their own": what is sold once within the period that is not paid pays no period.
#[tokio::test]
async fn a_one_off_item_of_paddle_pays_no_unpaid_period() {
    let app = App::start().await;
    app.cases(PADDLE, &["transaction-web", "subscription-past-due"]).await;
    let recurring = |app: &App| {
        let mut ends = app.ends();
        ends.retain(|end| !end.starts_with("never"));
        ends
    };
    let unpaid = ["2026-10-01 suspended", "2026-10-01 suspended"];
    assert_eq!(recurring(&app), unpaid);
    let once = edited(PADDLE, "transaction-update-one-time-only", |event| {
        event["occurred_at"] = json!("2026-10-03T00:00:00Z");
        event["data"]["billing_period"] =
            json!({"starts_at": "2026-10-01T00:00:00Z", "ends_at": "2026-11-01T00:00:00Z"});
    });
    app.accepts(PADDLE, &once).await;
    assert_eq!(recurring(&app), unpaid);
}
