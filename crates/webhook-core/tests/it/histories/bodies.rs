//! Webhook bodies for the events of a life: those of the corpus, with this life's ids, times and quantities.

use devkit::sign::Provider;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::life::{Payment, Sketch, Status, What};
use crate::support::vendor::Term;
use crate::support::{edited, json as case_json};

pub(super) const STRIPE_SUBSCRIPTION: &str = "sub_1AdalPKdPqWvRn2LIFXNxh5R";
pub(super) const FASTSPRING_SUBSCRIPTION: &str = "8Iab57xtIQ-O2NzEHgshMQ";
pub(super) const PADDLE_SUBSCRIPTION: &str = "sub_01m1d484nfq1rrzzyyrn0g6kw7";
const PADDLE_CUSTOMER: &str = "ctm_01m1d3yt1we2989nemfgfxp6k4";
pub(super) const ONE_TIME_PRICE: &str = "pri_01khhw0705x27zmpqr34g9v5wx";

/// Product and template of the sandbox.
fn mapping(term: Term) -> [String; 2] {
    let number = if term == Term::Year { 1 } else { 2 };
    [
        format!("11111111-1111-4111-8111-00000000000{number}"),
        format!("66666666-6666-4666-8666-00000000000{number}"),
    ]
}

/// By which a refund or a dispute names what it takes back.
fn payment(provider: Provider, payment: Payment) -> String {
    match (provider, payment) {
        (Provider::Stripe, Payment::First) => "pi_first".to_owned(),
        (Provider::Stripe, Payment::Later(number)) => format!("pi_life{number}"),
        (Provider::Fastspring, Payment::First) => "order".to_owned(),
        (Provider::Fastspring, Payment::Later(number)) => format!("charge{number}"),
        (Provider::Paddle, Payment::First) => transaction(0),
        (Provider::Paddle, Payment::Later(number)) => format!("txn_renewal{number}"),
    }
}

/// The id of a purchase or charge in addition to the subscription.
pub(super) fn transaction(number: usize) -> String {
    format!("txn_life{number}")
}

pub(super) fn body(
    sketch: &Sketch,
    number: usize,
    at: Timestamp,
    what: What,
    seats: u32,
) -> Vec<u8> {
    match sketch.provider {
        Provider::Stripe => stripe(sketch, number, at, what, seats),
        Provider::Fastspring => fastspring(sketch, number, at, what, seats),
        Provider::Paddle => paddle(sketch, number, at, what, seats),
    }
}

/// The same delivery, sent again by hand: a new id where the provider gives one.
pub(super) fn resent(provider: Provider, body: &[u8], time: usize) -> Vec<u8> {
    let mut value: Value = serde_json::from_slice(body).unwrap();
    let id = match provider {
        Provider::Stripe => return body.to_vec(),
        Provider::Fastspring => &mut value["events"][0]["id"],
        Provider::Paddle => &mut value["notification_id"],
    };
    *id = json!(format!("{}-resent{time}", id.as_str().unwrap()));
    serde_json::to_vec(&value).unwrap()
}

fn stripe(sketch: &Sketch, number: usize, at: Timestamp, what: What, seats: u32) -> Vec<u8> {
    let case = match what {
        What::Checkout if sketch.trial => "checkout-trial",
        What::Checkout => "checkout-subscription",
        What::FirstInvoice { .. } if sketch.trial => "invoice-create-trial",
        What::FirstInvoice { .. } => "invoice-create",
        What::Paid { .. } => "invoice-cycle",
        What::Failed => "invoice-payment-failed",
        What::Paused => "subscription-paused",
        What::Resumed => "subscription-resumed",
        What::Changed { .. } => "subscription-updated-seats",
        What::Refunded(_) => "charge-refunded",
        What::Disputed(_) => "dispute-created",
        What::DisputeWon(_) => "dispute-won",
        What::Ended => "subscription-deleted",
        What::Customer | What::Order { .. } | What::BoughtBeside(_) => {
            unreachable!("Stripe does not tell it so")
        }
    };
    let billed = |object: &mut Value| {
        object["id"] = json!(format!("in_life{number}"));
        object["parent"]["subscription_details"]["subscription"] = json!(STRIPE_SUBSCRIPTION);
    };
    let invoice = |object: &mut Value, from: Timestamp, through: Timestamp, paid: Payment| {
        billed(object);
        object["created"] = json!(from.as_second());
        object["payment_intent"] = json!(payment(Provider::Stripe, paid));
        object["customer"] = json!("cus_UOM4YOIUd3xZ0G");
        object["customer_email"] = json!("ada@example.com");
        object["customer_name"] = json!("Ada Example");
        let line = &mut object["lines"]["data"][0];
        line["parent"]["subscription_item_details"]["subscription"] = json!(STRIPE_SUBSCRIPTION);
        line["period"] = json!({"start": from.as_second(), "end": through.as_second()});
        line["quantity"] = json!(seats);
    };
    edited(Provider::Stripe, case, |event| {
        event["id"] = json!(format!("evt_life{number}"));
        event["created"] = json!(at.as_second());
        let object = &mut event["data"]["object"];
        match what {
            What::Checkout => {
                let [product, template] = mapping(sketch.term);
                object["subscription"] = json!(STRIPE_SUBSCRIPTION);
                object["customer"] = json!("cus_UOM4YOIUd3xZ0G");
                object["customer_details"]["email"] = json!("ada@example.com");
                object["customer_details"]["name"] = json!("Ada Example");
                object["metadata"] =
                    json!({"CRYPTLEX_PRODUCT_ID": product, "CRYPTLEX_LICENSE_TEMPLATE": template});
            }
            What::FirstInvoice { through } => {
                invoice(object, sketch.start, through, Payment::First);
            }
            What::Paid { from, through } => invoice(object, from, through, Payment::Later(number)),
            What::Failed => {
                billed(object);
                // A renewal, for a time that nothing has paid.
                object["created"] = json!(at.as_second());
                object["lines"]["data"][0]["period"] =
                    json!({"start": at.as_second(), "end": at.as_second() + 366 * 86_400});
            }
            What::Changed { status } => {
                object["id"] = json!(STRIPE_SUBSCRIPTION);
                object["status"] = json!(match status {
                    Status::Active => "active",
                    Status::Paused => "paused",
                    Status::PastDue => "past_due",
                });
                object["items"]["data"][0]["quantity"] = json!(seats);
            }
            What::Refunded(paid) | What::Disputed(paid) | What::DisputeWon(paid) => {
                object["payment_intent"] = json!(payment(Provider::Stripe, paid));
            }
            What::Paused
            | What::Resumed
            | What::Ended
            | What::Customer
            | What::Order { .. }
            | What::BoughtBeside(_) => object["id"] = json!(STRIPE_SUBSCRIPTION),
        }
    })
}

fn fastspring(sketch: &Sketch, number: usize, at: Timestamp, what: What, seats: u32) -> Vec<u8> {
    let case = match what {
        What::Order { .. } if sketch.trial => "order-subscription-trial",
        What::Order { .. } => "order-subscription",
        What::Paid { .. } => "charge-completed",
        What::Failed => "payment-overdue",
        What::Paused => "paused",
        What::Resumed => "resumed",
        What::Changed { .. } => "updated-seats",
        What::Refunded(_) => "return-subscription",
        What::Disputed(_) => "chargeback",
        What::Ended => "deactivated",
        What::Customer
        | What::Checkout
        | What::FirstInvoice { .. }
        | What::DisputeWon(_)
        | What::BoughtBeside(_) => unreachable!("FastSpring does not tell it so"),
    };
    let subscription = |object: &mut Value, next: Option<Timestamp>| {
        object["id"] = json!(FASTSPRING_SUBSCRIPTION);
        object["subscription"] = json!(FASTSPRING_SUBSCRIPTION);
        object["quantity"] = json!(seats);
        object["intervalUnit"] = json!(if sketch.term == Term::Year { "year" } else { "month" });
        if let Some(next) = next {
            object["next"] = json!(next.as_millisecond());
        } else {
            object["next"] = Value::Null;
        }
    };
    let [product, template] = mapping(sketch.term);
    let attributes =
        json!({"cryptlex_product_id": product, "cryptlex_license_template_id": template});
    edited(Provider::Fastspring, case, |batch| {
        let event = &mut batch["events"][0];
        event["id"] = json!(format!("life{number}"));
        event["created"] = json!(at.as_millisecond());
        let data = &mut event["data"];
        match what {
            What::Order { through } => {
                data["id"] = json!(payment(Provider::Fastspring, Payment::First));
                data["order"] = data["id"].clone();
                let item = &mut data["items"][0];
                item["quantity"] = json!(seats);
                item["attributes"] = attributes;
                subscription(&mut item["subscription"], Some(through));
            }
            What::Paid { through, .. } => {
                data["timestamp"] = json!(at.as_millisecond());
                let paid = payment(Provider::Fastspring, Payment::Later(number));
                data["order"]["id"] = json!(paid);
                let [_, owner] = line_and_owner(sketch);
                data["order"]["customer"]["email"] = json!(owner);
                data["account"]["contact"]["email"] = json!(owner);
                data["order"]["recipients"] = json!([]);
                let item = &mut data["order"]["items"][0];
                item["product"] = json!(line_and_owner(sketch)[0]);
                (item["quantity"], item["attributes"]) = (json!(seats), attributes);
                subscription(&mut data["subscription"], Some(through));
            }
            What::Changed { status } => {
                subscription(data, None);
                data["state"] = json!(match status {
                    Status::Active => "active",
                    Status::Paused => "paused",
                    Status::PastDue => "overdue",
                });
                data["product"]["product"] = json!(line_and_owner(sketch)[0]);
                data["product"]["attributes"] = attributes.clone();
                data["attributes"] = attributes;
            }
            What::Refunded(paid) => {
                let order = json!(payment(Provider::Fastspring, paid));
                data["original"]["id"] = order.clone();
                data["original"]["order"] = order;
            }
            What::Disputed(paid) => data["order"] = json!(payment(Provider::Fastspring, paid)),
            What::Failed
            | What::Ended
            | What::Customer
            | What::Checkout
            | What::FirstInvoice { .. }
            | What::Paused
            | What::Resumed
            | What::DisputeWon(_)
            | What::BoughtBeside(_) => subscription(data, None),
        }
    })
}

fn paddle(sketch: &Sketch, number: usize, at: Timestamp, what: What, seats: u32) -> Vec<u8> {
    let case = match what {
        What::Customer => "customer-created",
        What::Order { .. } => purchase_case(sketch),
        What::Paid { .. } if sketch.term == Term::Year => "transaction-recurring-trial",
        What::Paid { .. } => "transaction-recurring",
        What::BoughtBeside(_) => "transaction-charge",
        What::Failed => "subscription-past-due",
        What::Paused => "subscription-paused",
        What::Resumed => "subscription-resumed",
        What::Changed { .. } => "subscription-updated-seats",
        What::Refunded(_) => "adjustment-refund",
        What::Disputed(_) => "adjustment-chargeback",
        What::DisputeWon(_) => "adjustment-chargeback-reverse",
        What::Ended => "subscription-canceled",
        What::Checkout | What::FirstInvoice { .. } => {
            unreachable!("Paddle does not tell it so")
        }
    };
    edited(Provider::Paddle, case, |event| {
        event["event_id"] = json!(format!("evt_life{number}"));
        event["notification_id"] = json!(format!("ntf_life{number}"));
        event["occurred_at"] = json!(at.to_string());
        let data = &mut event["data"];
        let period = |data: &mut Value, from: Timestamp, through: Timestamp| {
            data["subscription_id"] = json!(PADDLE_SUBSCRIPTION);
            data["customer_id"] = json!(PADDLE_CUSTOMER);
            data["billing_period"] =
                json!({"starts_at": from.to_string(), "ends_at": through.to_string()});
            data["items"][0]["quantity"] = json!(seats);
            data["details"]["line_items"][0]["quantity"] = json!(seats);
        };
        match what {
            What::Order { through } => {
                period(data, sketch.start, through);
                data["id"] = json!(payment(Provider::Paddle, Payment::First));
                if !sketch.one_time {
                    data["items"].as_array_mut().unwrap().truncate(1);
                    data["details"]["line_items"].as_array_mut().unwrap().truncate(1);
                }
            }
            What::Paid { from, through } => {
                // Of what was bought.
                let bought = case_json(Provider::Paddle, purchase_case(sketch))["data"].clone();
                data["items"] = json!([bought["items"][0]]);
                data["details"]["line_items"] = json!([bought["details"]["line_items"][0]]);
                period(data, from, through);
                data["id"] = json!(payment(Provider::Paddle, Payment::Later(number)));
            }
            What::Changed { status } => {
                data["id"] = json!(PADDLE_SUBSCRIPTION);
                data["status"] = json!(match status {
                    Status::Active => "active",
                    Status::Paused => "paused",
                    Status::PastDue => "past_due",
                });
                let item = &mut data["items"][0];
                item["quantity"] = json!(seats);
                item["price"]["id"] = json!(line_and_owner(sketch)[0]);
                let interval = if sketch.term == Term::Year { "year" } else { "month" };
                item["price"]["billing_cycle"]["interval"] = json!(interval);
                let [product, template] = mapping(sketch.term);
                item["product"]["custom_data"] = json!({
                    "cryptlex_product_id": product, "cryptlex_license_template_id": template,
                });
            }
            What::Refunded(paid) | What::Disputed(paid) | What::DisputeWon(paid) => {
                data["transaction_id"] = json!(payment(Provider::Paddle, paid));
                data["subscription_id"] = json!(PADDLE_SUBSCRIPTION);
            }
            What::BoughtBeside(which) => data["id"] = json!(transaction(which + 1)),
            What::Customer => data["id"] = json!(PADDLE_CUSTOMER),
            What::Paused
            | What::Ended
            | What::Checkout
            | What::FirstInvoice { .. }
            | What::Failed
            | What::Resumed => data["id"] = json!(PADDLE_SUBSCRIPTION),
        }
    })
}

fn purchase_case(sketch: &Sketch) -> &'static str {
    match (sketch.trial, sketch.term) {
        (true, _) => "transaction-trial",
        (false, Term::Year) => "transaction-api",
        (false, Term::Month) => "transaction-web",
    }
}

/// The line of the slot, and who gets the license.
pub(super) fn line_and_owner(sketch: &Sketch) -> [&'static str; 2] {
    match (sketch.provider, sketch.trial) {
        (Provider::Stripe, _) => ["-", "ada@example.com"],
        (Provider::Fastspring, true) => ["pro-annual-trial", "dan@example.com"],
        (Provider::Fastspring, false) => ["pro-annual", "bea@example.com"],
        (Provider::Paddle, true) => ["pri_01khhw07ey69vx8twsfqch1fzy", "ada@example.com"],
        (Provider::Paddle, false) if sketch.term == Term::Year => {
            ["pri_01khhw06tj6c27ytpa2me00x5n", "ada@example.com"]
        }
        (Provider::Paddle, false) => ["pri_01khhw06rgt9va7vb54pwyghrw", "ada@example.com"],
    }
}
