//! Every body of `events/`: what it is read as, and which calls it causes. A case without a snapshot fails, and so does
//! a snapshot without a case.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use devkit::corpus::{Case, cases};
use devkit::sandbox::{Call, Settings};
use devkit::sign::{Provider as Signer, sign};
use http::{HeaderMap, HeaderValue};
use jiff::Timestamp;
use webhook_core::domain::command::Notice;
use webhook_core::domain::ids::ProductId;
use webhook_core::providers::inbound::Inbound;
use webhook_core::providers::signature::{Secrets, Tolerance, verify};
use webhook_core::providers::{FastSpring, Paddle, ProductLookup, Provider, Stripe};

use crate::support::{App, PRODUCT, SECRET, path_of};

/// What must have happened before a case makes sense.
pub(crate) fn before(provider: Signer, case: &str) -> &'static [&'static str] {
    match (provider, case) {
        (Signer::Stripe, "invoice-create") => &["checkout-subscription"],
        (Signer::Stripe, "invoice-create-trial") => &["checkout-trial"],
        (Signer::Stripe, "invoice-cycle-trial") => &["checkout-trial", "invoice-create-trial"],
        (Signer::Stripe, "invoice-cycle-old" | "invoice-subscription-reason") => {
            &["invoice-create-old"]
        }
        (
            Signer::Stripe,
            "invoice-cycle"
            | "invoice-cycle-both"
            | "invoice-update"
            | "invoice-update-proration-only"
            | "invoice-threshold"
            | "invoice-payment-failed"
            | "invoice-payment-failed-manual"
            | "invoice-payment-action-required"
            | "subscription-created"
            | "subscription-updated-seats"
            | "subscription-updated-fewer-seats"
            | "subscription-updated-product"
            | "subscription-updated-past-due"
            | "subscription-updated-unpaid"
            | "subscription-updated-pause-collection"
            | "subscription-updated-cancel-at-period-end"
            | "subscription-paused"
            | "subscription-deleted",
        ) => &["checkout-subscription", "invoice-create"],
        (Signer::Stripe, "invoice-payment-paid") => {
            &["checkout-subscription", "invoice-create", "invoice-cycle"]
        }
        (Signer::Stripe, "charge-refunded" | "charge-refunded-partial") => {
            &["checkout-subscription", "invoice-create", "invoice-cycle", "invoice-payment-paid"]
        }
        (Signer::Stripe, "charge-refunded-old") => &["invoice-create-old", "invoice-cycle-old"],
        (Signer::Stripe, "subscription-updated-active") => {
            &["checkout-subscription", "invoice-create", "subscription-updated-past-due"]
        }
        (Signer::Stripe, "subscription-updated-pause-collection-over") => {
            &["checkout-subscription", "invoice-create", "subscription-updated-pause-collection"]
        }
        (Signer::Stripe, "subscription-trial-will-end") => {
            &["checkout-trial", "invoice-create-trial"]
        }
        (Signer::Stripe, "customer-updated" | "customer-deleted" | "payment-method-attached") => {
            &["customer-created"]
        }
        (Signer::Stripe, "payment-method-detached") => {
            &["customer-created", "payment-method-attached"]
        }
        (Signer::Stripe, "charge-refunded-one-time" | "dispute-created" | "dispute-inquiry") => {
            &["checkout-payment"]
        }
        (Signer::Stripe, "refund-failed") => &["checkout-payment", "charge-refunded-one-time"],
        (Signer::Stripe, "dispute-won" | "dispute-lost") => {
            &["checkout-payment", "dispute-created"]
        }
        (Signer::Stripe, "dispute-inquiry-closed" | "dispute-funds-withdrawn") => {
            &["checkout-payment", "dispute-inquiry"]
        }
        (Signer::Stripe, "dispute-updated" | "dispute-funds-reinstated") => {
            &["checkout-payment", "dispute-inquiry", "dispute-funds-withdrawn"]
        }
        (Signer::Stripe, "subscription-resumed") => {
            &["checkout-subscription", "invoice-create", "subscription-paused"]
        }
        (
            Signer::Fastspring,
            "order-addon-later"
            | "charge-completed"
            | "charge-completed-late"
            | "charge-completed-not-expanded"
            | "charge-completed-on-demand"
            | "payment-overdue"
            | "charge-failed"
            | "charge-failed-active"
            | "activated"
            | "canceled"
            | "paused"
            | "pause-scheduled"
            | "return-subscription"
            | "deactivated",
        ) => &["order-subscription"],
        (Signer::Fastspring, "uncanceled") => &["order-subscription", "canceled"],
        (Signer::Fastspring, "resumed") => &["order-subscription", "paused"],
        (
            Signer::Fastspring,
            "charge-completed-seats"
            | "updated-seats"
            | "updated-fewer-seats"
            | "updated-not-expanded"
            | "updated-product",
        ) => &["order-subscription-seats"],
        (
            Signer::Fastspring,
            "return-full" | "return-partial" | "return-incomplete" | "chargeback",
        ) => &["order-plain"],
        (Signer::Fastspring, "chargeback-won") => &["order-plain", "chargeback"],
        (
            Signer::Paddle,
            "transaction-update"
            | "transaction-update-one-time-only"
            | "transaction-charge"
            | "transaction-charge-recurring"
            | "transaction-payment-method-change"
            | "transaction-recurring"
            | "transaction-recurring-resume"
            | "subscription-paused"
            | "subscription-canceled"
            | "subscription-created"
            | "subscription-updated-seats"
            | "subscription-updated-fewer-seats"
            | "subscription-updated-price"
            | "subscription-updated-product"
            | "subscription-updated-scheduled-cancel"
            | "subscription-past-due"
            | "customer-created"
            | "customer-imported",
        ) => &["transaction-web"],
        (Signer::Paddle, "subscription-resumed") => &["transaction-web", "subscription-paused"],
        (Signer::Paddle, "customer-updated") => &["transaction-web", "customer-created"],
        (
            Signer::Paddle,
            "adjustment-refund-pending" | "adjustment-refund" | "adjustment-refund-partial",
        ) => &["transaction-web", "transaction-recurring"],
        (
            Signer::Paddle,
            "adjustment-refund-one-time"
            | "adjustment-chargeback"
            | "adjustment-chargeback-warning",
        ) => &["transaction-one-time"],
        (Signer::Paddle, "adjustment-chargeback-reverse") => {
            &["transaction-one-time", "adjustment-chargeback"]
        }
        (Signer::Paddle, "transaction-recurring-trial") => &["transaction-trial"],
        _ => &[],
    }
}

/// The old shape names no product, so only `/v1` grants it.
pub(crate) fn path(provider: Signer, case: &str) -> &'static str {
    let old = [
        "invoice-create-old",
        "invoice-cycle-old",
        "invoice-subscription-reason",
        "charge-refunded-old",
    ];
    if old.contains(&case) { "/v1" } else { path_of(provider) }
}

pub(crate) async fn prepare(app: &App, provider: Signer, case: &str) {
    for earlier in before(provider, case) {
        let body = crate::support::body(provider, earlier);
        let answer = app.deliver(provider, path(provider, earlier), &body).await;
        assert_eq!(answer.status, 200, "{earlier} before {case}: {}", answer.body);
    }
    app.sandbox.clear_calls();
}

fn notices(case: &Case, source: &ProductLookup) -> Vec<Notice> {
    fn read<P: Provider>(case: &Case, source: &ProductLookup) -> Vec<Notice> {
        let now = 1_700_000_000;
        let header = sign(case.provider, SECRET, &case.body, now);
        let mut headers = HeaderMap::new();
        headers.insert(P::SIGNATURE_HEADER, HeaderValue::from_str(&header).unwrap());
        let inbound = Inbound { headers, body: case.body.clone(), source: None };
        let secrets = Secrets::new(SECRET, []).unwrap();
        let now = Timestamp::from_second(now).unwrap();
        P::read(&verify::<P>(inbound, &secrets, Tolerance(300), now).unwrap(), source).unwrap()
    }
    match case.provider {
        Signer::Stripe => read::<Stripe>(case, source),
        Signer::Fastspring => read::<FastSpring>(case, source),
        Signer::Paddle => read::<Paddle>(case, source),
    }
}

/// Calls that run side by side arrive in any order, so neighbours of one method are sorted.
fn transcript(calls: &[Call]) -> String {
    let mut lines: Vec<String> = calls
        .iter()
        .map(|call| {
            let body = call.body.as_ref().map(|body| {
                let mut body = body.clone();
                if body.get("password").is_some() {
                    body["password"] = "[random]".into();
                }
                format!(" {body}")
            });
            let status = call.status.map_or("dropped".to_owned(), |status| status.to_string());
            format!("{} {}{} -> {status}", call.method, call.path, body.unwrap_or_default())
        })
        .collect();
    for neighbours in lines.chunk_by_mut(|a, b| kind_of(a) == kind_of(b)) {
        neighbours.sort();
    }
    lines.join("\n")
}

/// Reads are one kind, writes differ by what is written: `POST /v3/users`.
fn kind_of(line: &str) -> String {
    let words = if line.starts_with("GET") { 1 } else { 3 };
    line.split_inclusive([' ', '/', '?']).take(words + 1).collect()
}

#[tokio::test]
async fn every_case_is_read_and_answered_as_its_snapshot_says() {
    let mut names = BTreeSet::new();
    for case in cases() {
        let (provider, name) = (case.provider, case.name.as_str());
        let mut text = String::new();
        let configured = ProductLookup::Configured(ProductId::new(PRODUCT).unwrap());
        let mut sources = vec![("", ProductLookup::Metadata)];
        if provider == Signer::Stripe {
            sources = vec![(" on /v1", configured), (" on /v2", ProductLookup::Metadata)];
        }
        for (on, source) in sources {
            let read = serde_json::to_string_pretty(&notices(&case, &source)).unwrap();
            writeln!(text, "# read as{on}\n{read}\n").unwrap();
        }
        let app = App::with(Settings::default(), &[]).await;
        prepare(&app, provider, name).await;
        let on = path(provider, name);
        let answer = app.deliver(provider, on, &case.body).await;
        writeln!(text, "# calls on {on}\n{}\n", transcript(&app.sandbox.calls())).unwrap();
        writeln!(text, "# answer\n{} {}\n", answer.status, answer.body).unwrap();
        writeln!(text, "# licenses\n{}", app.licenses().join("\n")).unwrap();
        let snapshot = format!("{provider}__{name}");
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(snapshot.clone(), text);
        });
        names.insert(format!("{snapshot}.snap"));
    }
    assert!(names.len() > 60, "the corpus is not there");
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/snapshots");
    for entry in std::fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        assert!(names.contains(&file) || file.ends_with(".snap.new"), "{file} belongs to no case");
    }
}
