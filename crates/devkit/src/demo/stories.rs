//! What happens, step by step, and which licenses are owed then.

use crate::sign::Provider;

/// One delivery.
pub(super) struct Step {
    /// The day on which it happens, for Cryptlex.
    pub(super) day: &'static str,
    /// What it means, in a few words.
    pub(super) what: &'static str,
    /// The body, a file in `events/`.
    pub(super) case: &'static str,
    /// The licenses of the story afterwards.
    pub(super) owed: &'static [Owed],
}

/// So many licenses that are alike.
pub(super) struct Owed(pub(super) usize, pub(super) &'static str);

const fn step(
    day: &'static str,
    what: &'static str,
    case: &'static str,
    owed: &'static [Owed],
) -> Step {
    Step { day, what, case, owed }
}

/// The story of a provider's customers.
pub(super) fn of(provider: Provider) -> &'static [Step] {
    match provider {
        Provider::Stripe => STRIPE,
        Provider::Fastspring => FASTSPRING,
        Provider::Paddle => PADDLE,
    }
}

const STRIPE: &[Step] = &[
    step("2026-09-01", "Ada signs up", "customer-created", &[]),
    step(
        "2026-09-01",
        "Ada buys a year, by checkout",
        "checkout-subscription",
        &[Owed(1, "yearly until 2027-09-01")],
    ),
    step(
        "2026-09-01",
        "The invoice says three seats",
        "invoice-create",
        &[Owed(3, "yearly until 2027-09-01")],
    ),
    step(
        "2026-09-01",
        "Stripe repeats the checkout",
        "checkout-subscription",
        &[Owed(3, "yearly until 2027-09-01")],
    ),
    step(
        "2027-02-28",
        "Ada upgrades to five seats",
        "subscription-updated-seats",
        &[Owed(5, "yearly until 2027-09-01")],
    ),
    step(
        "2027-09-01",
        "A payment fails: grace begins",
        "invoice-payment-failed",
        &[Owed(5, "yearly until 2027-09-08")],
    ),
    step(
        "2027-09-01",
        "The next try succeeds",
        "invoice-cycle",
        &[Owed(5, "yearly until 2028-09-01")],
    ),
    step(
        "2027-09-01",
        "Stripe links the payment",
        "invoice-payment-paid",
        &[Owed(5, "yearly until 2028-09-01")],
    ),
    step(
        "2027-09-01",
        "Stripe repeats the renewal",
        "invoice-cycle",
        &[Owed(5, "yearly until 2028-09-01")],
    ),
    step(
        "2027-09-07",
        "Ada gets a partial refund",
        "charge-refunded-partial",
        &[Owed(5, "yearly until 2028-09-01")],
    ),
    step(
        "2027-09-08",
        "Ada gets a full refund",
        "charge-refunded",
        &[Owed(5, "yearly, suspended")],
    ),
    step(
        "2027-10-01",
        "The subscription ends",
        "subscription-deleted",
        &[Owed(5, "yearly, revoked")],
    ),
];

const FASTSPRING: &[Step] = &[
    step(
        "2026-09-01",
        "Bea buys a year",
        "order-subscription",
        &[Owed(1, "yearly until 2027-09-01")],
    ),
    step(
        "2026-09-01",
        "FastSpring repeats the order",
        "order-subscription",
        &[Owed(1, "yearly until 2027-09-01")],
    ),
    step(
        "2026-12-01",
        "Bea adds support, with the same end",
        "order-addon-later",
        &[Owed(1, "yearly until 2027-09-01"), Owed(1, "add-on until 2027-09-01")],
    ),
    step(
        "2027-09-01",
        "A charge fails: grace begins",
        "charge-failed",
        &[Owed(1, "yearly until 2027-09-08"), Owed(1, "add-on until 2027-09-08")],
    ),
    step(
        "2027-09-03",
        "The next try succeeds",
        "charge-completed-late",
        &[Owed(1, "yearly until 2028-09-01"), Owed(1, "add-on until 2028-09-01")],
    ),
    step(
        "2027-09-03",
        "FastSpring repeats the charge",
        "charge-completed-late",
        &[Owed(1, "yearly until 2028-09-01"), Owed(1, "add-on until 2028-09-01")],
    ),
    step("2027-10-01", "Bea has it ended at once", "deactivated", &[]),
    step(
        "2026-09-01",
        "Cal buys three seats",
        "order-subscription-seats",
        &[Owed(3, "yearly until 2027-09-01")],
    ),
    step(
        "2026-12-01",
        "Cal orders five, from the next charge on",
        "updated-seats",
        &[Owed(3, "yearly until 2027-09-01")],
    ),
    step(
        "2026-12-16",
        "Ada buys a lifetime license",
        "order-plain",
        &[Owed(3, "yearly until 2027-09-01"), Owed(1, "lifetime, no end")],
    ),
    step(
        "2026-12-17",
        "Ada gets a full refund",
        "return-full",
        &[Owed(3, "yearly until 2027-09-01"), Owed(1, "lifetime, suspended")],
    ),
];

const PADDLE: &[Step] = &[
    step(
        "2026-09-01",
        "A customer buys two monthly seats and a lifetime tool",
        "transaction-web",
        &[Owed(2, "monthly until 2026-10-01"), Owed(1, "lifetime, no end")],
    ),
    step(
        "2026-09-01",
        "Paddle repeats the transaction",
        "transaction-web",
        &[Owed(2, "monthly until 2026-10-01"), Owed(1, "lifetime, no end")],
    ),
    step(
        "2026-09-01",
        "Their name and e-mail arrive",
        "customer-created",
        &[Owed(2, "monthly until 2026-10-01"), Owed(1, "lifetime, no end")],
    ),
    step(
        "2026-09-12",
        "They upgrade to four seats",
        "subscription-updated-seats",
        &[Owed(4, "monthly until 2026-10-01"), Owed(1, "lifetime, no end")],
    ),
    step(
        "2026-10-01",
        "A payment fails: grace begins",
        "subscription-past-due",
        &[Owed(4, "monthly until 2026-10-08"), Owed(1, "lifetime, no end")],
    ),
    step(
        "2026-10-01",
        "The next try succeeds",
        "transaction-recurring",
        &[Owed(4, "monthly until 2026-11-01"), Owed(1, "lifetime, no end")],
    ),
    step(
        "2026-10-05",
        "They ask for a refund",
        "adjustment-refund-pending",
        &[Owed(4, "monthly until 2026-11-01"), Owed(1, "lifetime, no end")],
    ),
    step(
        "2026-10-06",
        "The refund is approved",
        "adjustment-refund",
        &[Owed(4, "monthly, suspended"), Owed(1, "lifetime, no end")],
    ),
    step(
        "2026-11-01",
        "They cancel",
        "subscription-canceled",
        &[Owed(4, "monthly, revoked"), Owed(1, "lifetime, no end")],
    ),
];
