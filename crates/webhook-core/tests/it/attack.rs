//! What a buyer might try who controls the network, the times at which they pay, and how often.

use serde_json::{Value, json};

use crate::support::clock::DAY;
use crate::support::first_year::{
    about_the_first_payment, bought, end_of_the_year, link_of_the_first_invoice,
};
use crate::support::stores::Small;
use crate::support::{App, FASTSPRING, PADDLE, STRIPE, edited, json, path_of};

/// So many facts of a kind are kept of a subscription, and a few.
const FLOOD: i64 = 66;

/// The card is refused once more: who opens the hosted invoice may do that as often as they like.
fn refused(number: i64, at: i64) -> Vec<u8> {
    edited(STRIPE, "invoice-payment-failed", |event| {
        event["id"] = json!(format!("evt_refused_{number}"));
        event["created"] = json!(at);
    })
}

/// Later failures add nothing: who lets their card be refused often enough would run for ever.
#[tokio::test]
async fn grace_counts_from_the_first_of_many_failures() {
    let (app, _) = bought(&[("GRACE_DAYS", "7")]).await;
    let failed = json(STRIPE, "invoice-payment-failed")["created"].as_i64().unwrap();
    app.accepts(STRIPE, &refused(0, failed)).await;
    assert_eq!(app.ends(), ["2027-09-08"]);
    for number in 1..=FLOOD {
        app.accepts(STRIPE, &refused(number, failed + 5 * DAY + number * 60)).await;
    }
    assert_eq!(app.ends(), ["2027-09-08"]);
}

/// An end is never forgotten: who cancels at once and is refunded for the rest gets a revoked license back.
#[tokio::test]
async fn an_end_is_remembered_through_many_failures() {
    for grace in ["7", "0"] {
        let (app, paid) = bought(&[("GRACE_DAYS", grace)]).await;
        let end = edited(STRIPE, "subscription-deleted", |event| {
            event["created"] = json!(paid + 30 * DAY);
        });
        app.accepts(STRIPE, &end).await;
        assert_eq!(app.ends(), ["2027-09-01 revoked"]);
        for number in 1..=FLOOD {
            app.accepts(STRIPE, &refused(number, paid + 31 * DAY + number * 60)).await;
        }
        assert_eq!(app.ends(), ["2027-09-01 revoked"], "grace {grace}");
    }
}

/// The same, where what is tried again is an old invoice of a period that was paid otherwise: no failure counts either.
#[tokio::test]
async fn an_end_is_remembered_through_many_tries_of_an_old_invoice() {
    let (app, paid) = bought(&[]).await;
    let end = edited(STRIPE, "subscription-deleted", |event| {
        event["created"] = json!(paid + 30 * DAY);
    });
    app.accepts(STRIPE, &end).await;
    for number in 1..=FLOOD {
        let mut event: Value =
            serde_json::from_slice(&refused(number, paid + 31 * DAY + number * 60)).unwrap();
        let invoice = &mut event["data"]["object"];
        invoice["created"] = json!(paid);
        for line in invoice["lines"]["data"].as_array_mut().unwrap() {
            line["period"] = json!({"start": paid, "end": paid + 30 * DAY});
        }
        app.accepts(STRIPE, &serde_json::to_vec(&event).unwrap()).await;
    }
    // From before the end, and told late.
    let seats = edited(STRIPE, "subscription-updated-seats", |event| {
        event["created"] = json!(paid + 20 * DAY);
    });
    app.accepts(STRIPE, &seats).await;
    assert_eq!(app.ends(), ["2027-09-01 revoked"]);
}

fn change_of_paddle(number: i64, period: &Value) -> Vec<u8> {
    edited(PADDLE, "transaction-update", |event| {
        event["event_id"] = json!(format!("evt_change_{number}"));
        let at = format!("2026-09-{:02}T00:{:02}:08Z", 16 + number / 60, number % 60);
        event["occurred_at"] = json!(at);
        event["data"]["id"] = json!(format!("txn_change_{number}"));
        event["data"]["billing_period"] = period.clone();
        event["data"]["details"]["totals"]["total"] = json!("1");
    })
}

/// A chargeback counts until it is reversed: 64 changes for a cent must not make it forgotten.
#[tokio::test]
async fn a_chargeback_is_remembered_through_many_paid_changes() {
    let app = App::start().await;
    app.cases(PADDLE, &["transaction-web"]).await;
    let first = json(PADDLE, "transaction-web")["data"].clone();
    let back = edited(PADDLE, "adjustment-chargeback", |event| {
        event["occurred_at"] = json!("2026-09-10T00:00:00Z");
        event["data"]["transaction_id"] = first["id"].clone();
        event["data"]["currency_code"] = first["currency_code"].clone();
    });
    app.accepts(PADDLE, &back).await;
    let recurring = |app: &App| {
        let mut ends = app.ends();
        ends.retain(|end| !end.starts_with("never"));
        ends
    };
    let disputed = recurring(&app);
    assert_eq!(disputed, ["2026-10-01 suspended", "2026-10-01 suspended"]);
    for number in 1..=FLOOD {
        app.accepts(PADDLE, &change_of_paddle(number, &first["billing_period"])).await;
    }
    let more = edited(PADDLE, "subscription-updated-seats", |event| {
        event["occurred_at"] = json!("2026-09-20T00:00:00Z");
        event["data"]["items"][0]["quantity"] = json!(5);
    });
    app.accepts(PADDLE, &more).await;
    let ends = recurring(&app);
    assert_eq!(ends.len(), 5);
    assert!(ends.iter().all(|end| end.ends_with("suspended")), "{ends:?}");
}

/// The subscription with so many seats, an hour after the one before it.
pub(crate) fn described(number: usize, seats: usize) -> Vec<u8> {
    edited(PADDLE, "subscription-updated-seats", |event| {
        event["event_id"] = json!(format!("evt_described_{number}"));
        event["occurred_at"] =
            json!(format!("2026-09-{:02}T{:02}:30:00Z", 10 + number / 24, number % 24));
        event["data"]["items"][0]["quantity"] = json!(seats);
    })
}

pub(crate) async fn renew_one_seat(app: &App) {
    let renewal = edited(PADDLE, "transaction-recurring", |event| {
        event["data"]["details"]["line_items"][0]["quantity"] = json!(1);
        event["data"]["items"][0]["quantity"] = json!(1);
    });
    app.accepts(PADDLE, &renewal).await;
}

/// Licenses of the subscription that are not suspended.
pub(crate) fn running(app: &App) -> usize {
    let ends = app.ends();
    ends.iter().filter(|end| !end.contains("suspended") && !end.starts_with("never")).count()
}

/// Seats that were given up are not paid. Once 64 descriptions have followed (each schedule of an end and each time it is
/// taken back is one), the next payment must not give them back.
#[tokio::test]
async fn seats_given_up_stay_so_through_many_descriptions() {
    let app = App::start().await;
    app.cases(PADDLE, &["transaction-web"]).await;
    app.accepts(PADDLE, &described(0, 20)).await;
    app.accepts(PADDLE, &described(1, 1)).await;
    assert_eq!(running(&app), 1);
    for number in 2..=67 {
        app.accepts(PADDLE, &described(number, 1)).await;
    }
    renew_one_seat(&app).await;
    assert_eq!(running(&app), 1, "{:?}", app.ends());
}

/// An invoice may be paid in parts. Both are disputed in full, and each is told in what its bank exchanged it to: "a dispute of
/// at least half of the payment counts as all of it, because its amount may be exchanged".
#[tokio::test]
async fn disputes_of_all_parts_of_an_invoice_suspend_as_one() {
    let app = App::start().await;
    app.cases(STRIPE, &["checkout-subscription", "invoice-create"]).await;
    let invoice = json(STRIPE, "invoice-create");
    let paid = invoice["created"].as_i64().unwrap();
    for part in ["one", "two"] {
        let link = edited(STRIPE, "invoice-payment-paid", |event| {
            event["id"] = json!(format!("evt_part_{part}"));
            event["created"] = json!(paid + 1);
            let object = &mut event["data"]["object"];
            object["invoice"] = invoice["data"]["object"]["id"].clone();
            object["amount_paid"] = json!(12_450);
            object["payment"]["payment_intent"] = json!(format!("pi_{part}"));
        });
        app.accepts(STRIPE, &link).await;
    }
    for part in ["one", "two"] {
        let dispute = edited(STRIPE, "dispute-created", |event| {
            event["id"] = json!(format!("evt_dispute_{part}"));
            event["created"] = json!(paid + DAY);
            let object = &mut event["data"]["object"];
            object["id"] = json!(format!("du_{part}"));
            object["charge"] = json!(format!("ch_{part}"));
            object["payment_intent"] = json!(format!("pi_{part}"));
            object["amount"] = json!(12_300);
        });
        app.accepts(STRIPE, &dispute).await;
    }
    assert_eq!(app.ends(), ["2027-09-01 suspended"]);
}

/// An invoice for something small that is added within the year: its only line is a proration until the end of the year.
fn added(id: &str, at: i64, end: i64) -> Vec<u8> {
    edited(STRIPE, "invoice-update-proration-only", |event| {
        event["id"] = json!(format!("evt_{id}"));
        event["created"] = json!(at);
        let invoice = &mut event["data"]["object"];
        invoice["id"] = json!(format!("in_{id}"));
        invoice["created"] = json!(at);
        invoice["amount_paid"] = json!(100);
        let lines = invoice["lines"]["data"].as_array_mut().unwrap();
        lines.remove(0);
        lines[0]["amount"] = json!(100);
        lines[0]["period"] = json!({"start": at, "end": end});
    })
}

/// A lost dispute is an end. "A payment that ends with the period of an earlier one was for a change in between, and makes
/// up for nothing": one dollar must not give the disputed year back.
#[tokio::test]
async fn a_lost_dispute_is_not_taken_back_by_a_change_in_between() {
    for at_the_end in ["revoke", "delete", "suspend", "none"] {
        let (app, paid) = bought(&[("CRYPTLEX_CANCELLATION_ACTION", at_the_end)]).await;
        app.accepts(STRIPE, &about_the_first_payment("dispute-created", paid + DAY)).await;
        app.accepts(STRIPE, &about_the_first_payment("dispute-lost", paid + 60 * DAY)).await;
        let lost = app.ends();
        app.accepts(STRIPE, &added("small", paid + 70 * DAY, end_of_the_year())).await;
        assert_eq!(app.ends(), lost, "{at_the_end}");
    }
}

/// Who changes seats often pays often. The payment of the year must not be forgotten for it, and the license not with it.
#[tokio::test]
async fn many_changes_of_seats_lock_nobody_out_and_hide_no_refund() {
    let (app, paid) = bought(&[]).await;
    for number in 1..=FLOOD {
        let at = paid + 10 * DAY + number * 60;
        let invoice = format!("in_change_{number}");
        let change = edited(STRIPE, "invoice-update-proration-only", |event| {
            event["id"] = json!(format!("evt_change_{number}"));
            event["created"] = json!(at);
            let object = &mut event["data"]["object"];
            object["id"] = json!(invoice);
            object["created"] = json!(at);
            for line in object["lines"]["data"].as_array_mut().unwrap() {
                line["period"] = json!({"start": at, "end": end_of_the_year()});
            }
        });
        app.accepts(STRIPE, &change).await;
        let link = edited(STRIPE, "invoice-payment-paid", |event| {
            event["id"] = json!(format!("evt_change_paid_{number}"));
            event["created"] = json!(at);
            event["data"]["object"]["invoice"] = json!(invoice);
            event["data"]["object"]["payment"]["payment_intent"] =
                json!(format!("pi_change_{number}"));
        });
        app.accepts(STRIPE, &link).await;
    }
    assert_eq!(app.ends(), ["2027-09-01"]);
    app.accepts(STRIPE, &about_the_first_payment("charge-refunded", paid + 100 * DAY)).await;
    assert_eq!(app.ends(), ["2027-09-01 suspended"]);
}

/// Two refunds in one second: the sum so far only grows, whatever the events are called.
#[tokio::test]
async fn the_larger_of_two_refunds_in_one_second_counts() {
    for [part, whole] in [["evt_a", "evt_z"], ["evt_z", "evt_a"]] {
        let (app, paid) = bought(&[]).await;
        let refund = |id: &str, sum: i64| {
            let mut event: Value =
                serde_json::from_slice(&about_the_first_payment("charge-refunded", paid + DAY))
                    .unwrap();
            event["id"] = json!(id);
            event["data"]["object"]["amount_refunded"] = json!(sum);
            event["data"]["object"]["refunded"] = json!(sum == 24_900);
            serde_json::to_vec(&event).unwrap()
        };
        app.accepts(STRIPE, &refund(part, 12_450)).await;
        app.accepts(STRIPE, &refund(whole, 24_900)).await;
        assert_eq!(app.ends(), ["2027-09-01 suspended"], "{part}, {whole}");
    }
}

/// A dispute is told before its payment, and much is told of it. How it ended must not be what is left out.
#[tokio::test]
async fn the_end_of_a_dispute_is_kept_for_a_payment_that_is_told_late() {
    for (ended, then) in [("dispute-won", "2027-09-01"), ("dispute-lost", "2027-09-01 revoked")] {
        let app = App::start().await;
        app.cases(STRIPE, &["checkout-subscription", "invoice-create"]).await;
        let paid = json(STRIPE, "invoice-create")["created"].as_i64().unwrap();
        app.accepts(STRIPE, &about_the_first_payment("dispute-created", paid + DAY)).await;
        for number in 1..=FLOOD {
            let mut event: Value = serde_json::from_slice(&about_the_first_payment(
                "dispute-updated",
                paid + 2 * DAY + number,
            ))
            .unwrap();
            event["id"] = json!(format!("evt_updated_{number}"));
            event["data"]["object"]["id"] =
                json(STRIPE, "dispute-created")["data"]["object"]["id"].clone();
            app.accepts(STRIPE, &serde_json::to_vec(&event).unwrap()).await;
        }
        app.accepts(STRIPE, &about_the_first_payment(ended, paid + 60 * DAY)).await;
        app.accepts(STRIPE, &link_of_the_first_invoice()).await;
        assert_eq!(app.ends(), [then], "{ended}");
    }
}

/// The same of a buyer of four lines who changes something now and then (of one line, after 688 payments): what each payment
/// bought is kept for ever, though it counts only where no purchase is known.
#[tokio::test]
async fn an_end_can_be_kept_after_many_changes() {
    let mut app = App::start().await;
    app.restart_over(Small::items(app.store()));
    app.cases(PADDLE, &["transaction-web"]).await;
    let period = json(PADDLE, "transaction-web")["data"]["billing_period"].clone();
    for number in 1..=300 {
        let mut change: Value = serde_json::from_slice(&change_of_paddle(number, &period)).unwrap();
        for list in ["/data/items", "/data/details/line_items"] {
            let list = change.pointer_mut(list).unwrap().as_array_mut().unwrap();
            let one = list[0].clone();
            list.clear();
            for n in 0..4 {
                let mut line = one.clone();
                let place = if line["price"].is_object() { "/price/id" } else { "/price_id" };
                *line.pointer_mut(place).unwrap() = json!(format!("pri_{n:026}"));
                list.push(line);
            }
        }
        let change = serde_json::to_vec(&change).unwrap();
        let answer = app.deliver(PADDLE, path_of(PADDLE), &change).await;
        assert_eq!(answer.status, 200, "change {number}: {}", answer.body);
    }
    app.cases(PADDLE, &["subscription-canceled"]).await;
    assert!(app.ends().iter().any(|end| end.ends_with("revoked")), "{:?}", app.ends());
}

/// What was paid after a refund is not "paid for a time before its end": whoever reads the answer looks for an end that nobody
/// told.
#[tokio::test]
async fn no_answer_claims_an_end_that_did_not_happen() {
    let (app, paid) = bought(&[("REFUND_ACTION", "revoke")]).await;
    app.accepts(STRIPE, &about_the_first_payment("charge-refunded", paid + DAY)).await;
    assert_eq!(app.ends(), ["2027-09-01 revoked"]);
    let small = added("small", paid + 70 * DAY, end_of_the_year());
    let answer = app.deliver(STRIPE, path_of(STRIPE), &small).await;
    assert_eq!(app.ends(), ["2027-09-01 revoked"]);
    assert!(!answer.message().contains("before its end"), "{}", answer.body);
}

/// The renewal is not paid, and a seat for one dollar is added: the year to come is not paid by it, whichever comes first.
#[tokio::test]
async fn a_dollar_for_an_addition_pays_no_unpaid_period() {
    let (year, begins) = (366 * DAY, end_of_the_year());
    let past_due = edited(STRIPE, "subscription-updated-past-due", |event| {
        event["created"] = json!(begins + DAY);
        let subscription = &mut event["data"]["object"];
        let items = subscription["items"]["data"].as_array_mut().unwrap();
        for item in items {
            item["current_period_start"] = json!(begins);
            item["current_period_end"] = json!(begins + year);
        }
    });
    let small = added("small", begins + 5 * DAY, begins + year);
    for told in [[&past_due, &small], [&small, &past_due]] {
        let (app, _) = bought(&[]).await;
        for event in told {
            app.accepts(STRIPE, event).await;
        }
        assert_eq!(app.ends(), ["2027-09-01 suspended"]);
        // With flexible billing a period that is paid comes as a proration, too.
        let mut period: Value =
            serde_json::from_slice(&added("period", begins, begins + year)).unwrap();
        for created in ["/created", "/data/object/created"] {
            *period.pointer_mut(created).unwrap() = json!(begins + 6 * DAY);
        }
        app.accepts(STRIPE, &serde_json::to_vec(&period).unwrap()).await;
        assert_eq!(app.ends(), ["2028-09-01"]);
    }
}

/// A charge of FastSpring that bills something prorated, and a chargeback of it.
fn charged_and_charged_back(case: &str, edit: impl FnOnce(&mut Value)) -> [Vec<u8>; 2] {
    let mut order = Value::Null;
    let charge = edited(FASTSPRING, case, |batch| {
        let charge = &mut batch["events"][0]["data"];
        charge["order"]["items"][0]["proratedItemTotal"] = json!(12.5);
        edit(charge);
        order = charge["order"]["id"].clone();
    });
    let at = serde_json::from_slice::<Value>(&charge).unwrap()["events"][0]["created"].as_i64();
    let back = edited(FASTSPRING, "chargeback", |batch| {
        let event = &mut batch["events"][0];
        event["id"] = json!("chargeback-of-the-charge");
        event["created"] = json!(at.unwrap() + 1_000 * DAY);
        let back = &mut event["data"];
        (back["id"], back["order"]) = (order.clone(), order.clone());
        for field in ["chargebackAmount", "currency"] {
            back.as_object_mut().unwrap().remove(field);
        }
    });
    [charge, back]
}

/// Who adds a seat on the day of the renewal has one prorated item among the others of the charge, and its chargeback is one
/// of the year. That of a seat which was added within the year is not.
#[tokio::test]
async fn a_renewal_with_a_change_is_charged_back_as_a_renewal() {
    for (next, ends) in [(None, "2028-09-01 suspended"), (Some(end_of_the_year()), "2027-09-01")] {
        let [charge, back] = charged_and_charged_back("charge-completed-seats", |charge| {
            if let Some(next) = next {
                charge["subscription"]["next"] = json!(next * 1_000);
            }
        });
        for told in [[&charge, &back], [&back, &charge]] {
            let app = App::start().await;
            app.cases(FASTSPRING, &["order-subscription-seats"]).await;
            for event in told {
                app.accepts(FASTSPRING, event).await;
            }
            assert_eq!(app.ends(), [ends; 3]);
        }
    }
}
