//! As Stripe sends them, in payloads of both generations: before 2025-03-31 an invoice names its payment, since then
//! `invoice_payment.paid` does.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Teller, interval, mapping, price, seconds};
use crate::books::life::{Entry, Plan, Status, What};

const SUBSCRIPTION: &str = "sub_books";
const CUSTOMER: &str = "cus_books";

pub(super) fn tell(teller: &mut Teller<'_>, entry: &Entry) {
    let Entry { at, what, plan } = *entry;
    let soon = at + seconds(1);
    match what {
        What::Bought => bought(teller, at, plan),
        What::Paid(number) => {
            paid(teller, at, number, plan, "invoice-cycle");
            if plan.status != Status::Ended {
                updated(teller, soon, plan, "renewed", |_| ());
            }
        }
        What::Failed { from, through } => {
            // It is paid with the next payment, if ever.
            let number = teller.life.ledger.payments.iter().filter(|paid| paid.at < at).count();
            teller.tell(at, "failed", "invoice-payment-failed", |invoice| {
                named(invoice, number, plan, from, through);
                invoice["created"] = json!(at.as_second());
            });
            updated(teller, soon, plan, "past due", |_| ());
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
                paid(teller, soon, number, plan, "invoice-update-proration-only");
            }
        }
        What::Yearly(number) => {
            updated(teller, at, plan, "yearly", |_| ());
            paid(teller, soon, number, plan, "invoice-update");
        }
        What::Extended => updated(teller, at, plan, "trial extended", |data| {
            data["trial_end"] = json!(plan.through.as_second());
        }),
        What::Refund { of, number } => {
            let payment = &teller.life.ledger.payments[of];
            let refunds = payment.refunds[..=number].iter();
            // One that failed before this one is no part of the sum any more; only the last one ever fails.
            let back: u32 = refunds
                .enumerate()
                .filter(|(place, refund)| *place == number || !refund.failed)
                .map(|(_, refund)| refund.amount)
                .sum();
            let brought = payment.brought;
            teller.tell(at, "refunded", "charge-refunded", |charge| {
                of_payment(charge, of);
                charge["id"] = json!(format!("ch_{of}"));
                charge["amount"] = json!(brought);
                charge["amount_captured"] = json!(brought);
                charge["amount_refunded"] = json!(back);
                charge["refunded"] = json!(back == brought);
            });
        }
        What::RefundFailed { of, number } => {
            let amount = teller.life.ledger.payments[of].refunds[number].amount;
            teller.tell(at, "refund failed", "refund-failed", |refund| {
                of_payment(refund, of);
                refund["id"] = json!(format!("re_{of}_{number}"));
                refund["charge"] = json!(format!("ch_{of}"));
                refund["amount"] = json!(amount);
            });
        }
        What::Disputed(of) => {
            dispute(teller, at, of, "disputed", "dispute-created");
            dispute(teller, at, of, "funds withdrawn", "dispute-funds-withdrawn");
        }
        What::Won(of) => {
            dispute(teller, at, of, "dispute won", "dispute-won");
            dispute(teller, soon, of, "funds reinstated", "dispute-funds-reinstated");
        }
        What::Lost(of) => dispute(teller, at, of, "dispute lost", "dispute-lost"),
        What::Address => teller.tell(at, "address", "customer-updated", |customer| {
            customer["id"] = json!(CUSTOMER);
            customer["email"] = json!("new@example.com");
        }),
        What::Cancel => updated(teller, at, plan, "cancelled", |data| {
            data["cancel_at_period_end"] = json!(true);
            data["cancel_at"] = json!(plan.through.as_second());
        }),
        What::Ended => teller.tell(at, "ended", "subscription-deleted", |data| {
            described(data, plan);
            data["status"] = json!("canceled");
            data["canceled_at"] = json!(at.as_second());
            data["ended_at"] = json!(at.as_second());
        }),
        What::Addon | What::AddonGone => unreachable!("Stripe has no add-ons"),
    }
}

fn bought(teller: &mut Teller<'_>, at: Timestamp, plan: Plan) {
    let trial = plan.status == Status::Trial;
    teller.tell(at, "created", "subscription-created", |data| described(data, plan));
    let case = if trial { "checkout-trial" } else { "checkout-subscription" };
    teller.tell(at + seconds(1), "checkout", case, |session| {
        let [product, template] = mapping(plan);
        session["subscription"] = json!(SUBSCRIPTION);
        session["customer"] = json!(CUSTOMER);
        session["customer_details"]["email"] = json!("ada@example.com");
        session["customer_details"]["name"] = json!("Ada Example");
        session["invoice"] = json!("in_0");
        session["metadata"] =
            json!({"CRYPTLEX_PRODUCT_ID": product, "CRYPTLEX_LICENSE_TEMPLATE": template});
    });
    let case = if trial { "invoice-create-trial" } else { "invoice-create" };
    paid(teller, at + seconds(1), 0, plan, case);
}

fn paid(teller: &mut Teller<'_>, at: Timestamp, number: usize, plan: Plan, case: &str) {
    let old = teller.life.sketch.old;
    let payment = &teller.life.ledger.payments[number];
    // Later, a trial may have been extended.
    let through = if number == 0 { plan.through } else { payment.through };
    let (from, brought) = (payment.from, payment.brought);
    let before = number.checked_sub(1);
    let credited = before.map(|before| teller.life.ledger.payments[before].through);
    teller.tell(at, "invoice paid", case, |invoice| {
        named(invoice, number, plan, from, through);
        let lines = invoice["lines"]["data"].as_array_mut().unwrap();
        if let ([credit, _], Some(end)) = (lines.as_mut_slice(), credited) {
            credit["period"]["end"] = json!(end.as_second());
        }
        invoice["created"] = json!(at.as_second());
        invoice["effective_at"] = json!(at.as_second());
        invoice["status_transitions"]["paid_at"] = json!(at.as_second());
        invoice["amount_due"] = json!(brought);
        invoice["amount_paid"] = json!(brought);
        if old && brought > 0 {
            invoice["payment_intent"] = json!(format!("pi_{number}"));
            invoice["charge"] = json!(format!("ch_{number}"));
        }
    });
    if !old && brought > 0 {
        teller.tell(at, "payment of the invoice", "invoice-payment-paid", |data| {
            data["id"] = json!(format!("inpay_{number}"));
            data["invoice"] = json!(format!("in_{number}"));
            data["payment"]["payment_intent"] = json!(format!("pi_{number}"));
            data["amount_paid"] = json!(brought);
            data["status_transitions"]["paid_at"] = json!(at.as_second());
        });
    }
}

/// An invoice of the subscription for a period.
fn named(invoice: &mut Value, number: usize, plan: Plan, from: Timestamp, through: Timestamp) {
    invoice["id"] = json!(format!("in_{number}"));
    invoice["customer"] = json!(CUSTOMER);
    invoice["customer_email"] = json!("ada@example.com");
    invoice["customer_name"] = json!("Ada Example");
    let [product, template] = mapping(plan);
    invoice["parent"]["subscription_details"] = json!({
        "subscription": SUBSCRIPTION,
        "metadata": {"CRYPTLEX_PRODUCT_ID": product, "CRYPTLEX_LICENSE_TEMPLATE": template},
    });
    // The last line is what is paid for; a credit may come before it.
    let lines = invoice["lines"]["data"].as_array_mut().unwrap();
    for (place, line) in lines.iter_mut().enumerate() {
        line["id"] = json!(format!("il_{number}_{place}"));
        line["parent"]["subscription_item_details"]["subscription"] = json!(SUBSCRIPTION);
        line["parent"]["subscription_item_details"]["subscription_item"] = json!("si_books");
        line["quantity"] = json!(plan.seats);
        line["pricing"]["price_details"]["price"] = json!(price(plan, "price_"));
        line["period"] = json!({"start": from.as_second(), "end": through.as_second()});
    }
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
    data["customer"] = json!(CUSTOMER);
    data["status"] = json!(match plan.status {
        Status::Trial => "trialing",
        Status::Active => "active",
        Status::PastDue => "past_due",
        Status::Paused => "paused",
        Status::Ended => "canceled",
    });
    let [product, template] = mapping(plan);
    data["metadata"] =
        json!({"CRYPTLEX_PRODUCT_ID": product, "CRYPTLEX_LICENSE_TEMPLATE": template});
    data["quantity"] = json!(plan.seats);
    let item = &mut data["items"]["data"][0];
    item["id"] = json!("si_books");
    item["subscription"] = json!(SUBSCRIPTION);
    item["quantity"] = json!(plan.seats);
    item["current_period_start"] = json!(plan.from.as_second());
    item["current_period_end"] = json!(plan.through.as_second());
    item["price"]["id"] = json!(price(plan, "price_"));
    item["price"]["recurring"]["interval"] = json!(interval(plan.term));
    item["plan"]["id"] = json!(price(plan, "price_"));
    item["plan"]["interval"] = json!(interval(plan.term));
}

fn dispute(
    teller: &mut Teller<'_>,
    at: Timestamp,
    of: usize,
    says: &'static str,
    case: &'static str,
) {
    let payment = &teller.life.ledger.payments[of];
    let (left, opened) = (payment.disputed(), payment.dispute.map_or(at, |it| it.opened));
    teller.tell(at, says, case, |dispute| {
        of_payment(dispute, of);
        dispute["created"] = json!(opened.as_second());
        let moves = dispute["balance_transactions"].as_array_mut().unwrap();
        for (place, funds) in moves.iter_mut().enumerate() {
            let (time, sum) =
                if place == 0 { (opened, -i64::from(left)) } else { (at, left.into()) };
            funds["created"] = json!(time.as_second());
            funds["amount"] = json!(sum);
            funds["id"] = json!(format!("txn_{of}_{place}"));
        }
        dispute["id"] = json!(format!("du_{of}"));
        dispute["charge"] = json!(format!("ch_{of}"));
        dispute["amount"] = json!(left);
    });
}

fn of_payment(object: &mut Value, number: usize) {
    object["payment_intent"] = json!(format!("pi_{number}"));
    object["customer"] = json!(CUSTOMER);
}
