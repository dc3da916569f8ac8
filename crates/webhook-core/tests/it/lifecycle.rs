//! `/webhooks/<provider>`: its answers, and the life of a subscription after it was bought.

use devkit::corpus::Effect;
use devkit::sandbox::{Fault, Settings};
use devkit::sign::Provider as Signer;
use http::Request;
use serde_json::{Value, json};

use crate::corpus::{path, prepare};
use crate::deliveries::state;
use crate::support::{App, FASTSPRING, PADDLE, STRIPE, body, edited, json};

fn on(provider: Signer) -> &'static str {
    match provider {
        STRIPE => "/webhooks/stripe",
        FASTSPRING => "/webhooks/fastspring",
        PADDLE => "/webhooks/paddle",
    }
}

async fn tell(app: &App, provider: Signer, body: &[u8]) -> (u16, String) {
    let answer = app.deliver(provider, on(provider), body).await;
    (answer.status, answer.body)
}

/// Cases that must be answered 200.
async fn told(app: &App, provider: Signer, cases: &[&str]) {
    for case in cases {
        let answer = tell(app, provider, &body(provider, case)).await;
        assert_eq!(answer, (200, r#"{"status":"success"}"#.to_owned()), "{provider} {case}");
    }
}

const FAILED: &str = r#"{"error":"Failed to process webhook event"}"#;
const PURCHASES: [(Signer, &str); 3] = [
    (STRIPE, "checkout-subscription"),
    (FASTSPRING, "order-subscription"),
    (PADDLE, "transaction-web"),
];

#[tokio::test]
async fn answers_tell_monitoring_what_it_needs_to_know() {
    for (provider, purchase) in PURCHASES {
        let app = App::start().await;
        let good = body(provider, purchase);
        let unsigned = Request::post(on(provider)).body(good.clone().into()).unwrap();
        let answer = app.request(provider, unsigned).await;
        let missing = format!(r#"{{"error":"Missing {} header"}}"#, provider.signature_header());
        assert_eq!((answer.status, answer.body), (400, missing));
        for wrong in ["t=1,v1=00", "", " "] {
            let forged = Request::post(on(provider)).header(provider.signature_header(), wrong);
            let answer = app.request(provider, forged.body(good.clone().into()).unwrap()).await;
            let text = r#"{"error":"Webhook signature verification failed"}"#;
            assert_eq!((answer.status, answer.body.as_str()), (401, text), "{wrong:?}");
        }
        for nothing in [&b"\xff\xfe"[..], b"not json", b"{}", b"[]", b"null"] {
            let text = r#"{"error":"Invalid payload encoding"}"#.to_owned();
            assert_eq!(tell(&app, provider, nothing).await, (400, text), "{nothing:?}");
        }
        let large = tell(&app, provider, &vec![b' '; 1024 * 1024 + 1]).await;
        assert_eq!(large, (413, r#"{"error":"the body is larger than 1 MiB"}"#.to_owned()));
        app.sandbox.fault(Fault::on("POST", "/v3/licenses").error_before(403));
        assert_eq!(tell(&app, provider, &good).await, (500, FAILED.to_owned()), "a person's work");
        app.sandbox.fault(Fault::on("GET", "/v3/licenses").error_before(503).times(9));
        let answer = app.deliver(provider, on(provider), &good).await;
        assert_eq!((answer.status, answer.body.as_str()), (503, FAILED), "it passes by itself");
        assert!(answer.retry_after.is_some_and(|after| after > 0));
        app.sandbox.clear_faults();
        told(&app, provider, &[purchase, purchase]).await;
        assert!(!app.sandbox.licenses().is_empty());
        let bare = App::with(Settings::default(), &[("CRYPTLEX_ACCESS_TOKEN", "unset")]).await;
        let text = r#"{"error":"CRYPTLEX_ACCESS_TOKEN was not found in environment variables."}"#;
        assert_eq!(tell(&bare, provider, &good).await, (500, text.to_owned()));
    }
}

#[tokio::test]
async fn a_partly_done_batch_lists_its_done_events() {
    let app = App::start().await;
    let mut batch = json(FASTSPRING, "order-plain");
    let mut unmapped = json(FASTSPRING, "order-plain")["events"][0].clone();
    unmapped["id"] = json!("evt-unmapped");
    unmapped["data"]["id"] = json!("ord-unmapped");
    unmapped["data"]["order"] = json!("ord-unmapped");
    unmapped["data"]["items"][0]["attributes"] = json!({});
    unmapped["data"]["items"][0]["product"] = json!("not-ours");
    let done = batch["events"][0]["id"].as_str().unwrap().to_owned();
    batch["events"].as_array_mut().unwrap().push(unmapped);
    let answer = tell(&app, FASTSPRING, &serde_json::to_vec(&batch).unwrap()).await;
    assert_eq!(answer, (202, format!("{done}\n")));
}

#[tokio::test]
async fn stripe_metadata_names_the_product_before_configuration() {
    let without = App::with(Settings::default(), &[("CRYPTLEX_PRODUCT_ID", "unset")]).await;
    let nameless = edited(STRIPE, "checkout-subscription", |event| {
        event["data"]["object"]["metadata"] = json!({});
    });
    assert_eq!(tell(&without, STRIPE, &nameless).await.0, 500, "unmapped");
    told(&without, STRIPE, &["invoice-create"]).await;
    assert_eq!(without.sandbox.licenses().len(), 0, "only the session can tell the product");
    told(&without, STRIPE, &["checkout-subscription"]).await;
    assert_eq!(without.ends(), ["2027-09-01"]);
    let with = App::start().await;
    assert_eq!(tell(&with, STRIPE, &nameless).await.0, 200);
    assert_eq!(with.sandbox.licenses().len(), 1);
}

/// A license is named after the line that it was made for: the present one, if an older one is told later.
fn without_its_line(license: &str) -> String {
    let (slot, rest) = license.split_once(' ').unwrap();
    let parts: Vec<&str> = slot.split('/').collect();
    format!("{}/{} {rest}", parts[..2].join("/"), parts[parts.len() - 1])
}

/// Where an earlier event is delivered late, the licenses are those of the orderly delivery.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_case_before_its_prerequisites_has_the_same_effect() {
    let mut reordered = 0;
    for case in devkit::corpus::cases() {
        let (provider, name) = (case.provider, case.name.as_str());
        if case.before.is_empty() {
            continue;
        }
        let orderly = App::start().await;
        prepare(&orderly, provider, name).await;
        let answer = orderly.deliver(provider, path(provider, name), &case.body).await;
        assert_eq!(answer.status, 200, "{provider} {name}: {}", answer.body);
        let app = App::start().await;
        let mut waiting = vec![name];
        waiting.extend(case.before.iter().map(String::as_str));
        for _ in 0..4 {
            let mut refused = Vec::new();
            for event in waiting {
                let body = body(provider, event);
                if app.deliver(provider, path(provider, event), &body).await.status != 200 {
                    refused.push(event);
                }
            }
            waiting = refused;
        }
        assert!(waiting.is_empty(), "{provider} {name}: {waiting:?} were never done");
        // A purchase that comes after the end makes no license; nor does an end leave one that runs.
        let running = |app: &App| -> Vec<String> {
            let (licenses, _) = state(app);
            let running = licenses.into_iter().filter(|license| !license.contains("revoked"));
            running.map(|license| without_its_line(&license)).collect()
        };
        assert_eq!(running(&app), running(&orderly), "{provider} {name}");
        reordered += 1;
    }
    assert!(reordered > 40, "{reordered}");
}

const PAYMENT: &str = "pi_3SKpZPKdPqWvRn2L1r6qtfgL";

/// The dispute of the corpus, about the payment of the renewal.
fn dispute(case: &str) -> Vec<u8> {
    edited(STRIPE, case, |event| {
        event["created"] = json!(1_820_000_000 + i64::from(case == "dispute-won") * 9_000_000);
        event["data"]["object"]["payment_intent"] = json!(PAYMENT);
    })
}

fn active_at(id: &str, second: i64) -> Vec<u8> {
    edited(STRIPE, "subscription-updated-active", |event| {
        event["id"] = json!(id);
        event["created"] = json!(second);
    })
}

#[tokio::test]
async fn a_disputed_license_stays_suspended_until_the_dispute_is_won() {
    let app = App::start().await;
    told(&app, STRIPE, &["checkout-subscription", "invoice-create", "invoice-cycle"]).await;
    told(&app, STRIPE, &["invoice-payment-paid"]).await;
    assert_eq!(tell(&app, STRIPE, &dispute("dispute-created")).await.0, 200);
    assert_eq!(app.ends(), ["2028-09-01 suspended"]);
    for n in 0..5 {
        let update = active_at(&format!("evt_active_{n}"), 1_820_100_000 + n);
        assert_eq!(tell(&app, STRIPE, &update).await.0, 200);
        assert_eq!(app.ends(), ["2028-09-01 suspended"]);
    }
    assert_eq!(tell(&app, STRIPE, &dispute("dispute-won")).await.0, 200);
    assert_eq!(app.ends(), ["2028-09-01"]);
}

#[tokio::test]
async fn a_won_dispute_does_not_resume_a_paused_license() {
    let app = App::start().await;
    told(&app, STRIPE, &["checkout-subscription", "invoice-create", "invoice-cycle"]).await;
    told(&app, STRIPE, &["invoice-payment-paid"]).await;
    assert_eq!(tell(&app, STRIPE, &dispute("dispute-created")).await.0, 200);
    let pause =
        edited(STRIPE, "subscription-paused", |event| event["created"] = json!(1_820_200_000));
    assert_eq!(tell(&app, STRIPE, &pause).await.0, 200);
    assert_eq!(tell(&app, STRIPE, &dispute("dispute-won")).await.0, 200);
    assert_eq!(app.ends(), ["2028-09-01 suspended"]);
}

#[tokio::test]
async fn a_lost_dispute_follows_the_policy() {
    for (action, ends) in [
        ("revoke", vec!["never suspended revoked"]),
        ("delete", vec![]),
        ("suspend", vec!["never suspended"]),
        ("none", vec!["never suspended"]),
    ] {
        let variables = [("CRYPTLEX_CANCELLATION_ACTION", action)];
        let app = App::with(Settings::default(), &variables).await;
        told(&app, STRIPE, &["checkout-payment", "dispute-created", "dispute-lost"]).await;
        assert_eq!(app.ends(), ends, "{action}");
    }
}

#[tokio::test]
async fn a_pause_of_collection_follows_the_policy() {
    let cases =
        ["subscription-updated-pause-collection", "subscription-updated-pause-collection-over"];
    for (policy, between) in [("note", "2027-09-01"), ("suspend", "2027-09-01 suspended")] {
        let app = App::with(Settings::default(), &[("PAUSE_COLLECTION", policy)]).await;
        told(&app, STRIPE, &["checkout-subscription", "invoice-create", cases[0]]).await;
        assert_eq!(app.ends(), [between]);
        told(&app, STRIPE, &[cases[1]]).await;
        assert_eq!(app.ends(), ["2027-09-01"]);
    }
}

fn seats(id: &str, second: i64, quantity: u32) -> Vec<u8> {
    edited(STRIPE, "subscription-updated-seats", |event| {
        event["id"] = json!(id);
        event["created"] = json!(second);
        event["data"]["object"]["items"]["data"][0]["quantity"] = json!(quantity);
    })
}

#[tokio::test]
async fn seats_come_and_go_and_no_key_is_lost() {
    let variables = [("CRYPTLEX_MAPPINGS_QUANTITY", "total_licenses")];
    let app = App::with(Settings::default(), &variables).await;
    told(&app, STRIPE, &["checkout-subscription", "invoice-create"]).await;
    assert_eq!(app.ends(), ["2027-09-01"; 3]);
    let ids =
        |app: &App| -> Vec<String> { app.sandbox.licenses().into_iter().map(|l| l.id).collect() };
    let three = ids(&app);
    assert_eq!(tell(&app, STRIPE, &seats("evt_5", 1_800_000_000, 5)).await.0, 200);
    assert_eq!(app.ends(), ["2027-09-01"; 5], "new seats end with the others");
    let five = ids(&app);
    assert_eq!(tell(&app, STRIPE, &seats("evt_2", 1_801_000_000, 2)).await.0, 200);
    let suspended = |app: &App| -> Vec<String> {
        let all = app.licenses();
        all.into_iter()
            .filter(|l| l.contains("suspended"))
            .map(|l| l.split(' ').next().unwrap().to_owned())
            .collect()
    };
    let slot = |n: u32| format!("stripe/sub_1AdalPKdPqWvRn2LIFXNxh5R/-/{n}");
    assert_eq!(suspended(&app), [slot(3), slot(4), slot(5)], "the highest first");
    told(&app, STRIPE, &["invoice-cycle"]).await;
    assert_eq!(suspended(&app), [slot(3), slot(4), slot(5)], "a payment buys no more seats");
    let late = seats("evt_old", 1_800_500_000, 9);
    assert_eq!(tell(&app, STRIPE, &late).await.0, 200);
    assert_eq!(suspended(&app).len(), 3, "an older change has no effect");
    assert_eq!(tell(&app, STRIPE, &seats("evt_4", 1_830_000_000, 4)).await.0, 200);
    assert_eq!(suspended(&app), [slot(5)]);
    assert_eq!(
        app.ends(),
        ["2027-09-01 suspended", "2028-09-01", "2028-09-01", "2028-09-01", "2028-09-01"],
        "what is given up is not renewed"
    );
    assert_eq!((ids(&app), &five[..3]), (five.clone(), &three[..]));
}

#[tokio::test]
async fn activations_follow_the_quantity() {
    let variables = [("CRYPTLEX_MAPPINGS_QUANTITY", "allowed_activations")];
    let app = App::with(Settings::default(), &variables).await;
    told(&app, STRIPE, &["checkout-subscription", "invoice-create"]).await;
    for (id, second, quantity) in [("evt_5", 1_800_000_000, 5), ("evt_2", 1_801_000_000, 2)] {
        assert_eq!(tell(&app, STRIPE, &seats(id, second, quantity)).await.0, 200);
        let licenses = app.sandbox.licenses();
        assert_eq!((licenses.len(), licenses[0].allowed_activations), (1, i64::from(quantity)));
    }
}

#[tokio::test]
async fn another_price_of_the_same_product_keeps_the_key() {
    let app = App::start().await;
    told(&app, PADDLE, &["transaction-web"]).await;
    let keys =
        |app: &App| -> Vec<String> { app.sandbox.licenses().into_iter().map(|l| l.key).collect() };
    let before = (keys(&app), app.licenses());
    told(&app, PADDLE, &["subscription-updated-price"]).await;
    assert_eq!((keys(&app), app.licenses()), before);
}

#[tokio::test]
async fn another_product_takes_over_where_the_old_one_ended() {
    let app = App::start().await;
    told(&app, PADDLE, &["transaction-web"]).await;
    let before = app.licenses();
    told(&app, PADDLE, &["subscription-updated-product"]).await;
    let after = app.licenses();
    let running: Vec<&String> = after.iter().filter(|l| !l.contains("revoked")).collect();
    assert_eq!(after.len(), before.len() + 2, "{after:#?}");
    assert_eq!(running.len(), before.len(), "{after:#?}");
    let ends = |licenses: &[String]| -> Vec<String> {
        let mut ends: Vec<String> = licenses
            .iter()
            .filter(|l| !l.contains("revoked"))
            .map(|l| l.split("until ").nth(1).unwrap().to_owned())
            .collect();
        ends.sort();
        ends
    };
    assert_eq!(ends(&after), ends(&before), "nothing was paid yet");
}

#[tokio::test]
async fn events_of_unknown_subjects_are_acknowledged() {
    // What is described needs no license either.
    let described = [
        (STRIPE, "subscription-updated-seats"),
        (STRIPE, "customer-deleted"),
        (FASTSPRING, "updated-seats"),
        (FASTSPRING, "canceled"),
        (PADDLE, "subscription-updated-seats"),
    ];
    let takes_a_license = [Effect::Suspends, Effect::Resumes, Effect::Revokes, Effect::Deletes];
    let mut told = 0;
    for case in devkit::corpus::cases() {
        let (provider, name) = (case.provider, case.name.as_str());
        let effect = &case.description.effect;
        let needs_one = effect.iter().all(|it| takes_a_license.contains(it));
        if needs_one || described.contains(&(provider, name)) {
            let app = App::start().await;
            assert_eq!(tell(&app, provider, &case.body).await.0, 200, "{provider} {name}");
            assert_eq!(app.writes(), Vec::<String>::new(), "{provider} {name}");
            told += 1;
        }
    }
    assert!(told > 30, "{told}");
    let app = App::start().await;
    let (status, _) = tell(&app, STRIPE, &body(STRIPE, "invoice-cycle")).await;
    assert_eq!(status, 503, "a payment is told again until its purchase is there");
}

#[tokio::test]
async fn a_status_that_nobody_documents_is_noted() {
    let app = App::start().await;
    told(&app, STRIPE, &["checkout-subscription", "invoice-create"]).await;
    let odd = edited(STRIPE, "subscription-updated-past-due", |event| {
        event["data"]["object"]["status"] = json!("sleepy");
        event["data"]["object"]["items"]["data"] = Value::Array(Vec::new());
    });
    assert_eq!(tell(&app, STRIPE, &odd).await.0, 200);
    let odd = edited(PADDLE, "adjustment-refund", |event| event["data"]["action"] = json!("gift"));
    assert_eq!(tell(&app, PADDLE, &odd).await.0, 200);
    assert_eq!(app.ends(), ["2027-09-01"]);
}

/// As Stripe sends them for payments, invoices and payment methods that belong to nothing else.
#[tokio::test]
async fn events_without_invoice_customer_or_reason_are_acknowledged() {
    let app = App::start().await;
    for (case, field) in [
        ("invoice-manual", "billing_reason"),
        ("invoice-payment-paid", "invoice"),
        ("payment-method-attached", "customer"),
    ] {
        let event = edited(STRIPE, case, |event| event["data"]["object"][field] = Value::Null);
        let (status, body) = tell(&app, STRIPE, &event).await;
        assert_eq!(status, 200, "{case}: {body}");
    }
    assert_eq!(app.writes(), Vec::<String>::new());
}

#[tokio::test]
async fn collection_resumes_under_any_status() {
    for status in ["past_due", "unpaid", "incomplete"] {
        // Days of grace, so that nothing else suspends.
        let variables = [("PAUSE_COLLECTION", "suspend"), ("GRACE_DAYS", "7")];
        let app = App::with(Settings::default(), &variables).await;
        told(&app, STRIPE, &["checkout-subscription", "invoice-create"]).await;
        told(&app, STRIPE, &["subscription-updated-pause-collection"]).await;
        assert_eq!(app.ends(), ["2027-09-01 suspended"]);
        let over = edited(STRIPE, "subscription-updated-pause-collection-over", |event| {
            event["data"]["object"]["status"] = json!(status);
        });
        assert_eq!(tell(&app, STRIPE, &over).await.0, 200);
        let unpaid = if status == "unpaid" { "2027-09-01 suspended" } else { "2027-09-01" };
        assert_eq!(app.ends(), [unpaid], "{status}");
        let active = active_at("evt_active_again", 1_820_000_000);
        assert_eq!(tell(&app, STRIPE, &active).await.0, 200);
        assert_eq!(app.ends(), ["2027-09-01"], "{status}");
    }
}

#[tokio::test]
async fn a_charge_renews_every_subscription_that_its_order_bills() {
    let app = App::start().await;
    told(&app, FASTSPRING, &["order-subscription", "order-subscription-seats"]).await;
    assert_eq!(tell(&app, FASTSPRING, &charged_together()).await.0, 200);
    assert_eq!(app.ends(), ["2028-09-01", "2028-09-02", "2028-09-02", "2028-09-02"]);
    // What the other one is may be no business of ours, and a purchase of it may be late.
    let app = App::start().await;
    told(&app, FASTSPRING, &["order-subscription"]).await;
    assert_eq!(tell(&app, FASTSPRING, &charged_together()).await.0, 200);
    assert_eq!(app.ends(), ["2028-09-01"]);
    told(&app, FASTSPRING, &["order-subscription-seats"]).await;
    assert_eq!(app.ends(), ["2028-09-01", "2028-09-02", "2028-09-02", "2028-09-02"]);
}

fn charged_together() -> Vec<u8> {
    edited(FASTSPRING, "charge-completed", |batch| {
        let seats = json(FASTSPRING, "charge-completed-seats")["events"][0]["data"].clone();
        let mut item = seats["order"]["items"][0].clone();
        item["subscription"] = seats["subscription"].clone();
        item["subscription"]["next"] = json!(1_851_465_600_000_i64);
        // It does not say what it is.
        item["attributes"] = Value::Null;
        item["subscription"]["attributes"] = Value::Null;
        let order = &mut batch["events"][0]["data"]["order"];
        order["items"].as_array_mut().unwrap().extend([item.clone(), item]);
    })
}

#[tokio::test]
async fn a_refund_finds_the_invoice_that_tells_its_payments() {
    let app = App::start().await;
    told(&app, STRIPE, &["checkout-subscription"]).await;
    let intent = json(STRIPE, "charge-refunded")["data"]["object"]["payment_intent"].clone();
    let invoice = edited(STRIPE, "invoice-create", |event| {
        event["data"]["object"]["payments"] = json!({"object": "list", "data": [
            {"object": "invoice_payment", "payment": {"type": "payment_intent", "payment_intent": intent}}]});
    });
    assert_eq!(tell(&app, STRIPE, &invoice).await.0, 200);
    told(&app, STRIPE, &["charge-refunded"]).await;
    assert_eq!(app.ends(), ["2027-09-01 suspended"]);
}
