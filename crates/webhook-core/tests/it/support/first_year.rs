//! One year of Stripe: its purchase, and what refunds and disputes say of its payment.

use serde_json::json as value;

use super::{App, STRIPE, edited, json};

/// The payment of the first year, of which a refund or a dispute tells.
pub(crate) const FIRST_PAYMENT: &str = "pi_first";

/// The year is bought, and its payment is known. The application, and when the first invoice was made.
pub(crate) async fn bought(variables: &[(&str, &str)]) -> (App, i64) {
    let app = App::with(<_>::default(), variables).await;
    app.cases(STRIPE, &["checkout-subscription", "invoice-create"]).await;
    app.accepts(STRIPE, &link_of_the_first_invoice()).await;
    (app, json(STRIPE, "invoice-create")["created"].as_i64().unwrap())
}

/// When the year ends that is bought.
pub(crate) fn end_of_the_year() -> i64 {
    let period = &json(STRIPE, "invoice-create")["data"]["object"]["lines"]["data"][0]["period"];
    period["end"].as_i64().unwrap()
}

/// That the first invoice was paid by the first payment.
pub(crate) fn link_of_the_first_invoice() -> Vec<u8> {
    let first = json(STRIPE, "invoice-create")["data"]["object"]["id"].clone();
    edited(STRIPE, "invoice-payment-paid", |event| {
        event["id"] = value!("evt_first_payment");
        event["data"]["object"]["invoice"] = first;
        event["data"]["object"]["payment"]["payment_intent"] = value!(FIRST_PAYMENT);
    })
}

pub(crate) fn about_the_first_payment(case: &str, created: i64) -> Vec<u8> {
    edited(STRIPE, case, |event| {
        event["created"] = value!(created);
        event["data"]["object"]["payment_intent"] = value!(FIRST_PAYMENT);
    })
}
