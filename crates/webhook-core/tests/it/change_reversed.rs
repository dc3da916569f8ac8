//! The money of a change goes back while its period stays paid: no license is touched, and the vendor learns of it once.

use devkit::sign::Provider as Signer;
use http::StatusCode;
use serde_json::{Value, json};

use crate::support::clock::DAY;
use crate::support::first_year::link_of_the_first_invoice;
use crate::support::topics::Topic;
use crate::support::{FASTSPRING, PADDLE, STRIPE, body, edited, json};

/// A purchase, a change within its period, and what is told of the change's money.
struct Story {
    provider: Signer,
    purchase: Vec<Vec<u8>>,
    /// In every order, before or after the money went back.
    change: Vec<Vec<u8>>,
    refund: Vec<u8>,
    /// Of one dispute, the first of which opens it.
    dispute: Vec<Vec<u8>>,
    /// What a person must read of it.
    names: [String; 2],
}

fn of_stripe() -> Story {
    let first = json(STRIPE, "invoice-create")["data"]["object"].clone();
    let paid = first["created"].as_i64().unwrap();
    let end = first["lines"]["data"][0]["period"]["end"].clone();
    let at = paid + 10 * DAY;
    let change = edited(STRIPE, "invoice-update-proration-only", |event| {
        event["created"] = json!(at);
        let invoice = &mut event["data"]["object"];
        (invoice["id"], invoice["created"]) = (json!("in_change"), json!(at));
        for line in invoice["lines"]["data"].as_array_mut().unwrap() {
            line["period"] = json!({"start": at, "end": end});
        }
    });
    let link = edited(STRIPE, "invoice-payment-paid", |event| {
        event["id"] = json!("evt_change_paid");
        event["created"] = json!(at);
        event["data"]["object"]["invoice"] = json!("in_change");
        event["data"]["object"]["payment"]["payment_intent"] = json!("pi_change");
    });
    let about = |case: &str, days: i64| {
        edited(STRIPE, case, |event| {
            event["created"] = json!(at + days * DAY);
            let back = &mut event["data"]["object"];
            back["payment_intent"] = json!("pi_change");
            if case.starts_with("dispute") {
                (back["id"], back["amount"]) = (json!("du_change"), json!(8_368));
            }
        })
    };
    let dispute = ["dispute-created", "dispute-funds-withdrawn", "dispute-lost"];
    let dispute = dispute.into_iter().zip(1..).map(|(case, days)| about(case, days)).collect();
    let subscription =
        json(STRIPE, "checkout-subscription")["data"]["object"]["subscription"].clone();
    let cases = ["checkout-subscription", "invoice-create"];
    let purchase = cases.map(|case| body(STRIPE, case));
    Story {
        provider: STRIPE,
        purchase: purchase.into_iter().chain([link_of_the_first_invoice()]).collect(),
        change: vec![change, link],
        refund: about("charge-refunded", 1),
        dispute,
        names: ["pi_change".to_owned(), text(&subscription)],
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn of_fastspring() -> Story {
    let bought = json(FASTSPRING, "order-subscription")["events"][0]["data"].clone();
    let subscription = bought["items"][0]["subscription"].clone();
    let at = (bought["changed"].as_i64().unwrap() / 1_000 + 10 * DAY) * 1_000;
    let mut order = Value::Null;
    let change = edited(FASTSPRING, "charge-completed", |batch| {
        let event = &mut batch["events"][0];
        event["created"] = json!(at);
        let charge = &mut event["data"];
        charge["order"]["items"][0]["proratedItemTotal"] = json!(12.5);
        charge["subscription"]["next"] = subscription["next"].clone();
        order = charge["order"]["id"].clone();
    });
    let refund = edited(FASTSPRING, "return-subscription", |batch| {
        let event = &mut batch["events"][0];
        event["created"] = json!(at + DAY * 1_000);
        for name in ["id", "order"] {
            event["data"]["original"][name] = order.clone();
        }
    });
    let dispute = edited(FASTSPRING, "chargeback", |batch| {
        let event = &mut batch["events"][0];
        event["created"] = json!(at + DAY * 1_000);
        let back = &mut event["data"];
        (back["id"], back["order"]) = (order.clone(), order.clone());
        back["currency"] = json!("EUR");
        back["chargebackAmount"] = json!(240.0);
    });
    Story {
        provider: FASTSPRING,
        purchase: vec![body(FASTSPRING, "order-subscription")],
        change: vec![change],
        refund,
        dispute: vec![dispute],
        names: [text(&order), text(&subscription["id"])],
    }
}

fn of_paddle() -> Story {
    let bought = json(PADDLE, "transaction-web")["data"].clone();
    let change = edited(PADDLE, "transaction-update", |event| {
        event["data"]["billing_period"] = bought["billing_period"].clone();
    });
    let transaction = json(PADDLE, "transaction-update")["data"]["id"].clone();
    let about = |case: &str| {
        edited(PADDLE, case, |event| {
            event["occurred_at"] = json!("2026-09-20T00:00:00Z");
            event["data"]["transaction_id"] = transaction.clone();
            event["data"]["currency_code"] = bought["currency_code"].clone();
        })
    };
    Story {
        provider: PADDLE,
        purchase: vec![body(PADDLE, "transaction-web")],
        change: vec![change],
        refund: about("adjustment-refund"),
        dispute: vec![about("adjustment-chargeback")],
        names: [text(&transaction), text(&bought["subscription_id"])],
    }
}

#[tokio::test]
async fn a_refunded_change_stays_licensed_and_is_notified_once() {
    for story in [of_stripe(), of_fastspring(), of_paddle()] {
        for (kind, back) in [
            ("nothing_reversed", std::slice::from_ref(&story.refund)),
            ("dispute_opened", &story.dispute),
        ] {
            let changes = match &story.change[..] {
                [invoice, link] => vec![vec![invoice, link], vec![link, invoice]],
                change => vec![change.iter().collect()],
            };
            for change in changes {
                story.told_after(&change, kind, back).await;
                story.told_before(&change, back).await;
            }
        }
    }
}

impl Story {
    async fn told_after(&self, change: &[&Vec<u8>], kind: &str, back: &[Vec<u8>]) {
        let topic = Topic::answering(StatusCode::OK).await;
        let app = topic.app(&[]).await;
        for event in self.purchase.iter().chain(change.iter().copied()) {
            app.accepts(self.provider, event).await;
        }
        let running = app.ends();
        assert_eq!(topic.told(), [], "{}", self.provider);
        for event in back {
            app.accepts(self.provider, event).await;
        }
        assert_eq!(app.ends(), running, "{}", self.provider);
        let told = topic.told();
        assert_eq!(told.len(), 1, "{} {kind}: {told:?}", self.provider);
        assert_eq!(told[0].0, kind);
        self.is_told_in(&told[0].1);
    }

    /// What was told of an unknown payment becomes known with the change.
    async fn told_before(&self, change: &[&Vec<u8>], back: &[Vec<u8>]) {
        let topic = Topic::answering(StatusCode::OK).await;
        let app = topic.app(&[]).await;
        let (opening, rest) = back.split_first().unwrap();
        for event in self.purchase.iter().chain([opening]) {
            app.accepts(self.provider, event).await;
        }
        let before = topic.told().len();
        for event in change.iter().copied().chain(rest) {
            app.accepts(self.provider, event).await;
        }
        assert!(!app.ends().iter().any(|end| end.ends_with("suspended")), "{:?}", app.ends());
        let told = topic.told();
        assert_eq!(told.len(), before + 1, "{}: {told:?}", self.provider);
        assert_eq!(told[before].0, "nothing_reversed");
        self.is_told_in(&told[before].1);
    }

    fn is_told_in(&self, message: &str) {
        let says = ["still licensed", "lower the quantity"];
        for part in says.into_iter().chain(self.names.iter().map(String::as_str)) {
            assert!(message.contains(part), "{} {part}: {message}", self.provider);
        }
    }
}
