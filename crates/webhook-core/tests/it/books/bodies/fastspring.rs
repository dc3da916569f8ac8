//! As FastSpring sends them, with expansion on.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Teller, interval, mapping, price, seconds};
use crate::books::life::{Entry, Plan, Status, What};

const SUBSCRIPTION: &str = "subscription-of-books";
const ACCOUNT: &str = "account-of-books";
const ADDON: &str = "priority-support";

pub(super) fn tell(teller: &mut Teller<'_>, entry: &Entry) {
    let Entry { at, what, plan } = *entry;
    let soon = at + seconds(1);
    match what {
        What::Bought => bought(teller, at, plan),
        What::Paid(number) => charged(teller, at, number, plan),
        What::Failed { .. } => updated(teller, at, plan, "failed", "payment-overdue"),
        What::Paused => updated(teller, at, plan, "paused", "paused"),
        What::Resumed => updated(teller, at, plan, "resumed", "resumed"),
        What::Changed(payment) => {
            updated(teller, at, plan, "changed", "updated-seats");
            if let Some(number) = payment {
                charged(teller, soon, number, plan);
            }
        }
        What::Yearly(number) => {
            updated(teller, at, plan, "yearly", "updated-seats");
            charged(teller, soon, number, plan);
        }
        What::Extended => updated(teller, at, plan, "trial extended", "updated-seats"),
        What::Refund { of, number } => {
            let payment = &teller.life.ledger.payments[of];
            let (amount, brought) = (payment.refunds[number].amount, payment.brought);
            let is_full = amount == brought;
            let case = if is_full { "return-subscription" } else { "return-partial" };
            teller.tell(at, "refunded", case, |data| {
                data["return"] = json!(format!("return-{of}-{number}"));
                data["account"]["id"] = json!(ACCOUNT);
                data["currency"] = json!("EUR");
                data["original"]["currency"] = json!("EUR");
                data["totalReturn"] = json!(amount);
                data["subtotal"] = json!(amount);
                let original = &mut data["original"];
                original["id"] = json!(order(of));
                original["order"] = json!(order(of));
                original["total"] = json!(brought);
                original["subtotal"] = json!(brought);
                let item = &mut data["items"][0];
                item["subtotal"] = json!(amount);
                // A partial one has the name where a full one has the path.
                let name = if is_full { price(plan, "") } else { "The product".to_owned() };
                item["product"] = json!(name);
            });
        }
        What::Disputed(of) => chargeback(teller, at, of, "disputed", "chargeback"),
        What::Won(of) => chargeback(teller, at, of, "dispute won", "chargeback-won"),
        What::Addon => teller.tell(at, "add-on", "order-addon-later", |data| {
            ordered(data, &format!("order-addon-{at}"), 100);
            let item = &mut data["items"][0];
            item["product"] = json!(ADDON);
            item["parentSubscription"] = json!(SUBSCRIPTION);
            item["driver"] = json!({"type": "addon", "path": price(plan, "")});
            item["subtotal"] = json!(100);
        }),
        What::AddonGone => updated(teller, at, plan, "add-on gone", "updated-seats"),
        What::Address => teller.tell(at, "address", "account-updated", |data| {
            data["id"] = json!(ACCOUNT);
            data["account"] = json!(ACCOUNT);
            data["contact"]["email"] = json!("new@example.com");
        }),
        What::Cancel => updated(teller, at, plan, "cancelled", "canceled"),
        What::Ended => teller.tell(at, "ended", "deactivated", |data| {
            expanded(data, plan);
            data["end"] = json!(at.as_millisecond());
            data["deactivationDate"] = json!(at.as_millisecond());
        }),
        What::RefundFailed { .. } | What::Lost(_) => unreachable!("FastSpring does not tell it"),
    }
}

fn bought(teller: &mut Teller<'_>, at: Timestamp, plan: Plan) {
    let trial = plan.status == Status::Trial;
    let case = if trial { "order-subscription-trial" } else { "order-subscription" };
    let brought = teller.life.ledger.payments[0].brought;
    // It comes before its order.
    updated(teller, at, plan, "activated", "activated");
    teller.tell(at, "order", case, |data| {
        ordered(data, &order(0), brought);
        let item = &mut data["items"][0];
        item["product"] = json!(price(plan, ""));
        item["quantity"] = json!(plan.seats);
        item["subtotal"] = json!(brought);
        item["attributes"] = attributes(plan);
        described(&mut item["subscription"], plan);
    });
}

fn charged(teller: &mut Teller<'_>, at: Timestamp, number: usize, plan: Plan) {
    let payment = &teller.life.ledger.payments[number];
    let (brought, is_change) =
        (payment.brought, payment.kind == crate::books::ledger::Kind::Change);
    teller.tell(at, "charged", "charge-completed", |data| {
        data["timestamp"] = json!(at.as_millisecond());
        data["total"] = json!(brought);
        data["account"]["id"] = json!(ACCOUNT);
        data["account"]["contact"]["email"] = json!("ada@example.com");
        described(&mut data["subscription"], plan);
        let bill = &mut data["order"];
        bill["id"] = json!(order(number));
        bill["order"] = json!(order(number));
        bill["account"] = json!(ACCOUNT);
        bill["total"] = json!(brought);
        bill["customer"]["email"] = json!("ada@example.com");
        bill["recipients"] = json!([]);
        bill["subtotal"] = json!(brought);
        let item = &mut bill["items"][0];
        item["product"] = json!(price(plan, ""));
        item["quantity"] = json!(plan.seats);
        item["subscription"] = json!(SUBSCRIPTION);
        item["subtotal"] = json!(brought);
        item["attributes"] = attributes(plan);
        item["changeQuantity"] = json!(is_change);
        item["proratedItemTotal"] = json!(if is_change { brought } else { 0 });
    });
}

fn ordered(data: &mut Value, id: &str, brought: u32) {
    data["id"] = json!(id);
    data["order"] = json!(id);
    data["total"] = json!(brought);
    data["subtotal"] = json!(brought);
    data["account"]["id"] = json!(ACCOUNT);
    data["account"]["account"] = json!(ACCOUNT);
    data["account"]["contact"]["email"] = json!("ada@example.com");
    data["customer"]["email"] = json!("ada@example.com");
    let recipient = &mut data["recipients"][0]["recipient"];
    recipient["email"] = json!("ada@example.com");
    recipient["account"]["id"] = json!(ACCOUNT);
    recipient["account"]["account"] = json!(ACCOUNT);
}

fn updated(
    teller: &mut Teller<'_>,
    at: Timestamp,
    plan: Plan,
    says: &'static str,
    case: &'static str,
) {
    teller.tell(at, says, case, |data| expanded(data, plan));
}

/// The subscription, where its account and product are objects.
fn expanded(data: &mut Value, plan: Plan) {
    described(data, plan);
    data["account"] = json!({"id": ACCOUNT, "account": ACCOUNT});
    data["product"]["product"] = json!(price(plan, ""));
    data["product"]["attributes"] = attributes(plan);
}

/// The subscription, where its account and product are ids.
fn described(data: &mut Value, plan: Plan) {
    data["id"] = json!(SUBSCRIPTION);
    data["subscription"] = json!(SUBSCRIPTION);
    if data["account"].is_string() {
        data["account"] = json!(ACCOUNT);
    }
    if data["product"].is_string() {
        data["product"] = json!(price(plan, ""));
    }
    // What is cancelled for its end says so in its own event.
    if data["state"] != "canceled" {
        data["state"] = json!(match plan.status {
            Status::Trial => "trial",
            Status::Active => "active",
            Status::PastDue => "overdue",
            Status::Paused => "paused",
            Status::Ended => "deactivated",
        });
    }
    data["quantity"] = json!(plan.seats);
    data["intervalUnit"] = json!(interval(plan.term));
    data["next"] = json!(plan.through.as_millisecond());
    data["nextChargeDate"] = json!(plan.through.as_millisecond());
    data["attributes"] = attributes(plan);
    data["addons"] = match plan.addon {
        true => json!([{"product": ADDON, "quantity": 1}]),
        false => json!([]),
    };
}

fn attributes(plan: Plan) -> Value {
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
    let left = teller.life.ledger.payments[of].disputed();
    teller.tell(at, says, case, |data| {
        data["id"] = json!(order(of));
        data["order"] = json!(order(of));
        data["chargebackAmount"] = json!(left);
    });
}

fn order(number: usize) -> String {
    format!("order-{number}")
}
