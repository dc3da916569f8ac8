//! Payments that brought nothing: what they are worth when the money of another one is back.

use devkit::sign::Provider as Signer;
use serde_json::json;

use crate::support::clock::DAY;
use crate::support::first_year::{about_the_first_payment, link_of_the_first_invoice};
use crate::support::{App, FASTSPRING, PADDLE, STRIPE, edited, json};

/// A purchase, a payment of nothing for the time from `starts` on, and the refund of the purchase.
struct Story {
    provider: Signer,
    purchase: Vec<Vec<u8>>,
    for_nothing: fn(starts: i64) -> Vec<u8>,
    refund: Vec<u8>,
    /// When the purchase was made, and until when it paid.
    period: [i64; 2],
}

fn of_stripe() -> Story {
    let line = json(STRIPE, "invoice-create")["data"]["object"]["lines"]["data"][0].clone();
    let period = ["start", "end"].map(|bound| line["period"][bound].as_i64().unwrap());
    let for_nothing = |starts: i64| {
        edited(STRIPE, "invoice-update-proration-only", |event| {
            event["created"] = json!(starts + 60);
            let invoice = &mut event["data"]["object"];
            (invoice["created"], invoice["amount_paid"]) = (json!(starts), json!(0));
            let lines = invoice["lines"]["data"].as_array_mut().unwrap();
            lines[0]["amount"] = json!(-3_000);
            lines[1]["amount"] = json!(3_000);
            lines[1]["period"] = json!({"start": starts, "end": starts + 30 * DAY});
        })
    };
    Story {
        provider: STRIPE,
        purchase: ["checkout-subscription", "invoice-create"]
            .map(|case| crate::support::body(STRIPE, case))
            .into_iter()
            .chain([link_of_the_first_invoice()])
            .collect(),
        for_nothing,
        refund: about_the_first_payment("charge-refunded", period[1] + 40 * DAY),
        period,
    }
}

fn of_fastspring() -> Story {
    let for_nothing = |starts: i64| {
        edited(FASTSPRING, "charge-completed", |batch| {
            let event = &mut batch["events"][0];
            event["created"] = json!((starts + 60) * 1_000);
            let charge = &mut event["data"];
            charge["total"] = json!(0.0);
            charge["subscription"]["next"] = json!((starts + 30 * DAY) * 1_000);
        })
    };
    let purchase = edited(FASTSPRING, "order-subscription", |_| ());
    let order = json(FASTSPRING, "order-subscription")["events"][0]["data"].clone();
    let next = order["items"][0]["subscription"]["next"].as_i64().unwrap() / 1_000;
    let refund = edited(FASTSPRING, "return-subscription", |batch| {
        batch["events"][0]["created"] = json!((next + 40 * DAY) * 1_000);
    });
    let period = [order["changed"].as_i64().unwrap() / 1_000, next];
    Story { provider: FASTSPRING, purchase: vec![purchase], for_nothing, refund, period }
}

fn of_paddle() -> Story {
    let in_words = |at: i64| json!(jiff::Timestamp::from_second(at).unwrap().to_string());
    let for_nothing = |starts: i64| {
        let in_words = |at: i64| json!(jiff::Timestamp::from_second(at).unwrap().to_string());
        edited(PADDLE, "transaction-update", |event| {
            event["occurred_at"] = in_words(starts + 60);
            // What credit paid is in the total.
            event["data"]["details"]["totals"]["credit"] = json!("6532");
            event["data"]["details"]["totals"]["grand_total"] = json!("0");
            let period =
                json!({"starts_at": in_words(starts), "ends_at": in_words(starts + 30 * DAY)});
            event["data"]["billing_period"] = period;
        })
    };
    let bought = json(PADDLE, "transaction-web")["data"].clone();
    let period = ["starts_at", "ends_at"].map(|bound| {
        let at: jiff::Timestamp =
            bought["billing_period"][bound].as_str().unwrap().parse().unwrap();
        at.as_second()
    });
    let refund = edited(PADDLE, "adjustment-refund", |event| {
        event["occurred_at"] = in_words(period[1] + 40 * DAY);
        event["data"]["transaction_id"] = bought["id"].clone();
    });
    let purchase = vec![edited(PADDLE, "transaction-web", |_| ())];
    Story { provider: PADDLE, purchase, for_nothing, refund, period }
}

/// Credit pays for a switch of the plan, and then the money goes back that the credit is from. A period that follows the
/// refunded one was given away.
#[tokio::test]
async fn a_period_paid_by_credit_makes_up_for_no_refund_of_it() {
    for Story { provider, purchase, for_nothing, refund, period } in
        [of_stripe(), of_fastspring(), of_paddle()]
    {
        let [starts, ends] = period;
        for (starts, runs) in [(starts + 5 * DAY, false), (ends, true)] {
            let payment = for_nothing(starts);
            for told in [[&payment, &refund], [&refund, &payment]] {
                let app = App::start().await;
                for event in &purchase {
                    app.accepts(provider, event).await;
                }
                for event in told {
                    app.accepts(provider, event).await;
                }
                let mut now = app.ends();
                now.retain(|end| !end.starts_with("never"));
                let is_running = !now.iter().any(|end| end.ends_with("suspended"));
                assert_eq!(is_running, runs, "{provider} from {starts}: {now:?}");
            }
        }
    }
}
