//! As Paddle sends them.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Teller, interval, mapping, price, seconds};
use crate::books::life::{Entry, Plan, Status, What};

const SUBSCRIPTION: &str = "sub_books";
const CUSTOMER: &str = "ctm_books";

pub(super) fn tell(teller: &mut Teller<'_>, entry: &Entry) {
    let Entry { at, what, plan } = *entry;
    let soon = at + seconds(1);
    match what {
        What::Bought => {
            customer(teller, at, "customer", "customer-created", "ada@example.com");
            paid(teller, soon, 0, plan, "transaction-api");
        }
        What::Paid(number) => {
            paid(teller, at, number, plan, "transaction-recurring");
            updated(teller, soon, plan, "renewed", |_| ());
        }
        What::Failed { .. } => {
            updated(teller, at, plan, "updated past due", |_| ());
            teller.tell(soon, "past due", "subscription-past-due", |data| described(data, plan));
        }
        What::Paused => {
            teller.tell(at, "paused", "subscription-paused", |data| described(data, plan));
        }
        What::Resumed => {
            teller.tell(at, "resumed", "subscription-resumed", |data| described(data, plan));
        }
        What::Changed(payment) => {
            updated(teller, at, plan, "changed", |_| ());
            if let Some(number) = payment {
                paid(teller, soon, number, plan, "transaction-update");
            }
        }
        What::Yearly(number) => {
            updated(teller, at, plan, "yearly", |_| ());
            paid(teller, soon, number, plan, "transaction-update");
        }
        What::Extended => updated(teller, at, plan, "trial extended", |_| ()),
        What::Refund { of, number } => {
            let payment = &teller.life.ledger.payments[of];
            let (amount, brought) = (payment.refunds[number].amount, payment.brought);
            let id = format!("adj_refund_{of}_{number}");
            let edit = |data: &mut Value| adjusted(data, &id, of, amount, brought);
            teller.tell(at, "refund asked for", "adjustment-refund-pending", edit);
            teller.tell(soon, "refunded", "adjustment-refund", edit);
        }
        What::Disputed(of) => chargeback(teller, at, of, "disputed", "adjustment-chargeback"),
        What::Won(of) => {
            chargeback(teller, at, of, "dispute won", "adjustment-chargeback-reverse");
        }
        What::Address => customer(teller, at, "address", "customer-updated", "new@example.com"),
        What::Cancel => updated(teller, at, plan, "cancelled", |data| {
            data["scheduled_change"] = json!({
                "action": "cancel", "effective_at": plan.through.to_string(), "resume_at": null,
            });
        }),
        What::Ended => {
            teller.tell(at, "ended", "subscription-canceled", |data| described(data, plan));
        }
        What::RefundFailed { .. } | What::Lost(_) | What::Addon | What::AddonGone => {
            unreachable!("Paddle does not tell it")
        }
    }
}

fn customer(
    teller: &mut Teller<'_>,
    at: Timestamp,
    says: &'static str,
    case: &'static str,
    email: &str,
) {
    teller.tell(at, says, case, |data| {
        data["id"] = json!(CUSTOMER);
        data["email"] = json!(email);
        data["name"] = json!("Ada Example");
    });
}

fn paid(teller: &mut Teller<'_>, at: Timestamp, number: usize, plan: Plan, case: &str) {
    let payment = &teller.life.ledger.payments[number];
    // Later, a trial may have been extended.
    let through = if number == 0 { plan.through } else { payment.through };
    let (from, brought) = (payment.from, payment.brought);
    teller.tell(at, "paid", case, |data| {
        data["id"] = json!(transaction(number));
        data["subscription_id"] = json!(SUBSCRIPTION);
        data["customer_id"] = json!(CUSTOMER);
        data["billing_period"] =
            json!({"starts_at": from.to_string(), "ends_at": through.to_string()});
        for time in ["billed_at", "created_at", "updated_at"] {
            data[time] = json!(at.to_string());
        }
        let totals = json!({"total": brought.to_string(), "subtotal": brought.to_string()});
        priced(&mut data["items"][0], plan);
        let line = &mut data["details"]["line_items"][0];
        line["id"] = json!(item(number));
        line["price_id"] = json!(price(plan, "pri_"));
        line["quantity"] = json!(plan.seats);
        line["totals"] = totals.clone();
        line["product"]["custom_data"] = custom_data(plan);
        line["product"]["id"] = json!(format!("pro_{}", plan.product));
        if line["proration"].is_object() {
            let period = data["billing_period"].clone();
            data["items"][0]["proration"]["billing_period"] = period.clone();
            data["details"]["line_items"][0]["proration"]["billing_period"] = period;
        }
        for (key, value) in totals.as_object().unwrap() {
            data["details"]["totals"][key] = value.clone();
        }
        data["details"]["totals"]["grand_total"] = json!(brought.to_string());
        data["payments"][0]["amount"] = json!(brought.to_string());
        data["payments"][0]["captured_at"] = json!(at.to_string());
    });
}

fn updated(
    teller: &mut Teller<'_>,
    at: Timestamp,
    plan: Plan,
    says: &'static str,
    edit: impl FnOnce(&mut Value),
) {
    teller.tell(at, says, "subscription-updated-seats", |data| {
        described(data, plan);
        edit(data);
    });
}

fn described(data: &mut Value, plan: Plan) {
    data["id"] = json!(SUBSCRIPTION);
    data["customer_id"] = json!(CUSTOMER);
    data["status"] = json!(match plan.status {
        Status::Trial => "trialing",
        Status::Active => "active",
        Status::PastDue => "past_due",
        Status::Paused => "paused",
        Status::Ended => "canceled",
    });
    data["billing_cycle"] = json!({"interval": interval(plan.term), "frequency": 1});
    let is_billed = !matches!(plan.status, Status::Paused | Status::Ended);
    let through = is_billed.then(|| plan.through.to_string());
    data["next_billed_at"] = json!(through);
    data["current_billing_period"] = json!(
        through
            .as_ref()
            .map(|through| json!({"starts_at": plan.from.to_string(), "ends_at": through}))
    );
    let items = &mut data["items"][0];
    priced(items, plan);
    items["status"] = json!(if plan.status == Status::Trial { "trialing" } else { "active" });
    items["next_billed_at"] = json!(through);
    items["product"]["custom_data"] = custom_data(plan);
    items["product"]["id"] = json!(format!("pro_{}", plan.product));
}

fn priced(item: &mut Value, plan: Plan) {
    item["quantity"] = json!(plan.seats);
    item["price"]["id"] = json!(price(plan, "pri_"));
    item["price"]["product_id"] = json!(format!("pro_{}", plan.product));
    item["price"]["billing_cycle"] = json!({"interval": interval(plan.term), "frequency": 1});
}

fn custom_data(plan: Plan) -> Value {
    let [product, template] = mapping(plan);
    json!({"cryptlex_product_id": product, "cryptlex_license_template_id": template})
}

fn chargeback(
    teller: &mut Teller<'_>,
    at: Timestamp,
    of: usize,
    says: &'static str,
    case: &'static str,
) {
    let payment = &teller.life.ledger.payments[of];
    let (left, brought) = (payment.disputed(), payment.brought);
    let id = format!("adj_{case}_{of}");
    teller.tell(at, says, case, |data| adjusted(data, &id, of, left, brought));
}

fn adjusted(data: &mut Value, id: &str, of: usize, amount: u32, brought: u32) {
    let kind = if amount == brought { "full" } else { "partial" };
    data["id"] = json!(id);
    data["type"] = json!(kind);
    data["transaction_id"] = json!(transaction(of));
    data["subscription_id"] = json!(SUBSCRIPTION);
    data["customer_id"] = json!(CUSTOMER);
    let amount = amount.to_string();
    data["totals"]["total"] = json!(amount);
    data["totals"]["subtotal"] = json!(amount);
    let line = &mut data["items"][0];
    line["item_id"] = json!(item(of));
    line["type"] = json!(kind);
    line["amount"] = json!(amount);
    line["totals"]["total"] = json!(amount);
    line["totals"]["subtotal"] = json!(amount);
}

fn transaction(number: usize) -> String {
    format!("txn_{number}")
}

fn item(number: usize) -> String {
    format!("txnitm_{number}")
}
