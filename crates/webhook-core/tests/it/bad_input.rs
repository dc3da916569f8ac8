//! What must not get in, and what is said about it.

use std::collections::BTreeSet;

use axum::body::Body;
use devkit::corpus::{Case, Effect, cases};
use devkit::sign::{Provider as Signer, sign};
use http::{Method, Request};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{Answer, App, FASTSPRING, PADDLE, SECRET, STRIPE, body, edited, path_of};

async fn with_header(app: &App, provider: Signer, headers: &[&str], body: &[u8]) -> Answer {
    let mut request = Request::post(path_of(provider));
    for value in headers {
        request = request.header(provider.signature_header(), *value);
    }
    app.request(provider, request.body(Body::from(body.to_vec())).unwrap()).await
}

#[tokio::test]
async fn unsigned_deliveries_are_refused_without_an_outward_call() {
    for provider in Signer::ALL {
        let app = App::start().await;
        let body = b"{\"this is\": \"not even an event\"}";
        let header = provider.signature_header();
        let missing = with_header(&app, provider, &[], body).await;
        assert_eq!(
            (missing.status, missing.message()),
            (400, format!("No {header} header was found."))
        );
        let empty = with_header(&app, provider, &[""], body).await;
        assert_eq!(empty.message(), format!("No {header} header was found."));
        let genuine = sign(provider, SECRET, body, app.now());
        let other = sign(provider, "another_secret", body, app.now());
        let over_other_bytes = sign(provider, SECRET, b"other", app.now());
        let mut wrong = vec!["nonsense".to_owned(), other, over_other_bytes];
        if provider != Signer::Fastspring {
            wrong.push(sign(provider, SECRET, body, app.now() - 301));
            wrong.push(sign(provider, SECRET, body, app.now() + 301));
        }
        for value in &wrong {
            let answer = with_header(&app, provider, &[value], body).await;
            assert_eq!(answer.status, 400);
            assert!(
                answer.message().starts_with("Webhook signature verification failed: "),
                "{}",
                answer.body
            );
        }
        let twice = with_header(&app, provider, &[&genuine, &genuine], body).await;
        assert!(twice.message().ends_with("malformed"), "{}", twice.body);
        assert!(app.sandbox.calls().is_empty());
    }
}

#[tokio::test]
async fn wrong_paths_methods_and_sizes_are_refused() {
    let app = App::start().await;
    for (provider, method, path, status) in [
        (STRIPE, Method::GET, "/v1", 405),
        (STRIPE, Method::PUT, "/stripe/v2", 405),
        (STRIPE, Method::POST, "/health", 405),
        (STRIPE, Method::POST, "/v3", 404),
        (STRIPE, Method::POST, "/paddle/v1", 404),
        (STRIPE, Method::POST, "/", 404),
        (STRIPE, Method::GET, "/", 200),
        (PADDLE, Method::DELETE, "/", 404),
        (FASTSPRING, Method::POST, "/v2", 404),
        (PADDLE, Method::POST, "/paddle/v2", 404),
        (PADDLE, Method::POST, "/v1/", 404),
        (FASTSPRING, Method::GET, "/fastspring/health", 200),
        (PADDLE, Method::GET, "/health", 200),
    ] {
        let request = Request::builder().method(&method).uri(path).body(Body::empty()).unwrap();
        let answer = app.request(provider, request).await;
        assert_eq!(answer.status, status, "{provider} {method} {path}: {}", answer.body);
        assert!(serde_json::from_str::<Value>(&answer.body).is_ok(), "{}", answer.body);
    }
    let limit = 1024 * 1024;
    for (size, status) in [(limit, 400), (limit + 1, 413), (5 * limit, 413)] {
        let answer = app.deliver(STRIPE, "/v1", &vec![b' '; size]).await;
        assert_eq!(answer.status, status, "{size}: {}", answer.body);
    }
    assert!(app.sandbox.calls().is_empty());
}

#[tokio::test]
async fn a_missing_variable_is_named_at_every_delivery() {
    for (provider, secret) in [
        (STRIPE, "STRIPE_WEBHOOK_SECRET"),
        (FASTSPRING, "FASTSPRING_WEBHOOK_SECRET"),
        (PADDLE, "PADDLE_WEBHOOK_SECRET"),
    ] {
        for variable in [secret, "CRYPTLEX_ACCESS_TOKEN", "CRYPTLEX_WEB_API_BASE_URL"] {
            let app = App::with(<_>::default(), &[(variable, "unset")]).await;
            let text = format!("{variable} was not found in environment variables.");
            for _ in 0..2 {
                let answer = app.deliver(provider, "/v1", b"{}").await;
                assert_eq!((answer.status, answer.message()), (400, text.clone()));
            }
            let health =
                app.request(provider, Request::get("/health").body(Body::empty()).unwrap()).await;
            let told: Value = serde_json::from_str(&health.body).unwrap();
            assert_eq!((health.status, &told["missing"]), (503, &json!([variable])));
        }
    }
}

/// Of nobody: its key was thrown away.
const AUTHORITY: &str = "\
-----BEGIN CERTIFICATE-----\n\
MIIBgzCCASmgAwIBAgIUbKOQdbIqxhHeTJkF+0KAU1f3WfUwCgYIKoZIzj0EAwIw\n\
FjEUMBIGA1UEAwwLSW52ZW50ZWQgQ0EwIBcNMjYxMTIyMDQxMDQzWhgPMjEyNjEw\n\
MjkwNDEwNDNaMBYxFDASBgNVBAMMC0ludmVudGVkIENBMFkwEwYHKoZIzj0CAQYI\n\
KoZIzj0DAQcDQgAE3LUgnPQzW2P89hm7OMFFS1vw4kwogy39pZtvc2r0V6b17PYF\n\
crP5I1CdwWGeADoLSB/+evA9PnN//giOM7x6eqNTMFEwHQYDVR0OBBYEFHle6l7i\n\
7D4VEKSgjtayBzCAn0KOMB8GA1UdIwQYMBaAFHle6l7i7D4VEKSgjtayBzCAn0KO\n\
MA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSAAwRQIgaQWKRhqRG20aYFvc\n\
6Ykmi3F9VkdObmTxh14lq+KmBP0CIQDCjdcwxyfoQe1AKN7gKdcNlKMvJeF6mOst\n\
SgyFS7a2ig==\n\
-----END CERTIFICATE-----";

#[tokio::test]
async fn own_authorities_must_be_certificates() {
    let not_der = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----";
    for (authorities, status) in
        [("unset", 200), (AUTHORITY, 200), ("/etc/ca.pem", 503), (not_der, 503)]
    {
        let own = "https://cryptlex.example.com";
        let variables =
            [("CRYPTLEX_WEB_API_BASE_URL", own), ("CRYPTLEX_CA_CERTIFICATES", authorities)];
        let app = App::with(<_>::default(), &variables).await;
        let health = app.request(STRIPE, Request::get("/health").body(Body::empty()).unwrap());
        let health = health.await;
        assert_eq!(health.status, status, "{authorities}: {}", health.body);
        assert_eq!(health.body.contains("CRYPTLEX_CA_CERTIFICATES"), status == 503);
    }
}

#[tokio::test]
async fn a_missing_product_is_an_error_on_v1_only() {
    let app = App::with(<_>::default(), &[("CRYPTLEX_PRODUCT_ID", "unset")]).await;
    let answer = app.deliver(STRIPE, "/v1", &body(STRIPE, "invoice-create")).await;
    assert_eq!(answer.message(), "CRYPTLEX_PRODUCT_ID was not found in environment variables.");
    app.cases(STRIPE, &["checkout-subscription"]).await;
    for (provider, warnings) in [(STRIPE, 1), (FASTSPRING, 0)] {
        let health =
            app.request(provider, Request::get("/health").body(Body::empty()).unwrap()).await;
        let told: Value = serde_json::from_str(&health.body).unwrap();
        assert_eq!((health.status, &told["status"]), (200, &json!("ok")));
        let about_it = told["warnings"].as_array().unwrap().iter();
        let about_it = about_it.filter(|it| it.to_string().contains("CRYPTLEX_PRODUCT_ID"));
        assert_eq!(about_it.count(), warnings);
    }
}

#[tokio::test]
async fn a_body_that_is_not_an_event_is_refused_as_such() {
    let app = App::start().await;
    let deep = [b"[".repeat(100_000), b"]".repeat(100_000)].concat();
    for body in [
        &b""[..],
        b"null",
        b"{",
        b"[]",
        b"\"text\"",
        b"42",
        b"{}",
        b"\xff\xfe{}",
        b"{\"id\":1e999}",
        b"{\"id\":7,\"type\":null}",
        b"{\"events\":7}",
        b"{\"id\":\"\",\"type\":\"x\"}",
        &deep,
    ] {
        for provider in Signer::ALL {
            let answer = app.deliver(provider, "/v1", body).await;
            assert_eq!(answer.status, 400, "{provider} {}", answer.body);
            assert!(answer.message().starts_with("the body is not "), "{provider} {}", answer.body);
        }
    }
    assert!(app.sandbox.calls().is_empty());
}

#[tokio::test]
async fn a_missing_field_is_named_with_its_event_and_object() {
    for (provider, case, pointer, says) in [
        (
            STRIPE,
            "invoice-create-named",
            "/data/object/customer_email",
            "Customer email not found in invoice with ID: in_1j9i00KdPqWvRn2LKWnjz0gB",
        ),
        (
            STRIPE,
            "checkout-payment",
            "/data/object/customer_details",
            "Customer email not found in checkout session with ID: cs_live_a1Vch17FJlNJEGu39wMOmlVCEgoIvZKnBcGztHiu3Bj08pkXG1VLsjxjmw",
        ),
        (
            STRIPE,
            "invoice-cycle",
            "/data/object/parent",
            "subscription not found in invoice with ID: in_15sQ2uKdPqWvRn2LOFAF0du1 (event evt_1RHkB8KdPqWvRn2LKIW2Sd8u, invoice.paid)",
        ),
        (
            STRIPE,
            "invoice-cycle",
            "/data/object/lines/data/0/period/end",
            "lines.data[].period.end not found in invoice with ID: in_15sQ2uKdPqWvRn2LOFAF0du1 (event evt_1RHkB8KdPqWvRn2LKIW2Sd8u, invoice.paid)",
        ),
        (
            STRIPE,
            "invoice-cycle",
            "/created",
            "created not found in event with ID: evt_1RHkB8KdPqWvRn2LKIW2Sd8u (event evt_1RHkB8KdPqWvRn2LKIW2Sd8u, invoice.paid)",
        ),
        (
            STRIPE,
            "invoice-cycle",
            "/data",
            "data not found in event with ID: evt_1RHkB8KdPqWvRn2LKIW2Sd8u (event evt_1RHkB8KdPqWvRn2LKIW2Sd8u, invoice.paid)",
        ),
        (
            STRIPE,
            "checkout-payment",
            "/data/object/metadata",
            "paid but not mapped to a Cryptlex product: checkout session with ID: cs_live_a1Vch17FJlNJEGu39wMOmlVCEgoIvZKnBcGztHiu3Bj08pkXG1VLsjxjmw: CRYPTLEX_PRODUCT_ID and CRYPTLEX_LICENSE_TEMPLATE are not set in its metadata",
        ),
        (
            PADDLE,
            "transaction-api",
            "/data/customer_id",
            "customer_id not found in transaction with ID: txn_01m1d487hsbq3x2mddgcb04rcy (event evt_01m1d48bcrffg41wxk1efpah64, transaction.completed)",
        ),
        (
            PADDLE,
            "transaction-api",
            "/data/subscription_id",
            "subscription_id not found in transaction with ID: txn_01m1d487hsbq3x2mddgcb04rcy (event evt_01m1d48bcrffg41wxk1efpah64, transaction.completed)",
        ),
        (
            PADDLE,
            "transaction-unmapped",
            "/data/nothing",
            "paid but not mapped to a Cryptlex product: pri_01khhw0713vqzb48t2cc68n9wk: cryptlex_product_id and cryptlex_license_template_id are not set; pri_01khhw06ky16aj7e1nrxfg9mt2: cryptlex_product_id and cryptlex_license_template_id are not set",
        ),
        (
            FASTSPRING,
            "order-plain",
            "/events/0/data/items",
            "items not found in order with ID: OvfrgaeGm2eqzt5ejigqQg (event u6qqho8zjUB-U93bYU-vdA, order.completed)",
        ),
        (
            FASTSPRING,
            "deactivated",
            "/events/0/created",
            "created not found in event with ID: WpZ1hgvWM1YcOk6QkEfmHg (event WpZ1hgvWM1YcOk6QkEfmHg, subscription.deactivated)",
        ),
    ] {
        let without = edited(provider, case, |value| {
            if let Some(field) = value.pointer_mut(pointer) {
                *field = Value::Null;
            }
        });
        let app = App::start().await;
        let answer = app.deliver(provider, path_of(provider), &without).await;
        assert_eq!((answer.status, answer.message().as_str()), (400, says), "{case} {pointer}");
        assert!(app.sandbox.licenses().is_empty());
    }
}

#[tokio::test]
async fn an_event_without_envelope_stops_no_other_of_its_batch() {
    let app = App::start().await;
    let batch = edited(FASTSPRING, "batch-three-orders", |batch| {
        batch["events"][1] = json!("nonsense");
    });
    let answer = app.deliver(FASTSPRING, "/v1", &batch).await;
    assert_eq!(answer.status, 202);
    assert_eq!(answer.body, "M0OXhPbfQD4yS1pgAqkQvQ\neRG_oSmPxHBg_4mWudO50Q\n");
}

/// Names are cut in the middle of a pair of surrogates, and no number is too large for JSON.
#[tokio::test]
async fn a_payment_with_unreadable_text_or_numbers_is_accepted() {
    let app = App::start().await;
    let instead = |body: Vec<u8>, text: &str| {
        String::from_utf8(body).unwrap().replace("\"instead\"", text).into_bytes()
    };
    let purchase = edited(STRIPE, "checkout-payment", |event| {
        event["data"]["object"]["customer_details"]["name"] = json!("instead");
    });
    let answer = app.deliver(STRIPE, "/v1", &instead(purchase, r#""Ada \ud83d""#)).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let batch = edited(FASTSPRING, "batch-three-orders", |batch| {
        let other = json!({"id": "other", "type": "payoutEntry.created", "data": "instead"});
        batch["events"].as_array_mut().unwrap().push(other);
    });
    for text in [r#""\ude00""#, "1e999"] {
        let answer = app.deliver(FASTSPRING, "/v1", &instead(batch.clone(), text)).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    assert!(app.sandbox.licenses().len() > 3);
}

#[tokio::test]
async fn unknown_types_are_acknowledged_with_their_name() {
    let app = App::start().await;
    let is_ignored = |case: &Case| case.description.effect == [Effect::Ignored];
    let mut ignored: Vec<(Signer, Vec<u8>)> =
        cases().into_iter().filter(is_ignored).map(|case| (case.provider, case.body)).collect();
    // FastSpring's only such event comes in a batch.
    let alone = edited(FASTSPRING, "batch-purchase", |batch| {
        let events = batch["events"].as_array_mut().unwrap();
        events.retain(|event| event["type"] == "payoutEntry.created");
    });
    ignored.push((FASTSPRING, alone));
    let mut providers = BTreeSet::new();
    for (provider, body) in ignored {
        let event: Value = serde_json::from_slice(&body).unwrap();
        let places = ["/type", "/event_type", "/events/0/type"];
        let kind = places.iter().find_map(|place| event.pointer(place)?.as_str()).unwrap();
        let answer = app.deliver(provider, path_of(provider), &body).await;
        let text = format!("Webhook with event type {kind} is not handled: ignored.");
        assert_eq!((answer.status, answer.message()), (200, text));
        providers.insert(provider);
    }
    assert_eq!(providers.len(), 3);
    assert!(app.sandbox.calls().is_empty());
}

#[tokio::test]
async fn huge_numbers_are_errors() {
    let app = App::start().await;
    for (provider, case, pointer, value) in [
        (
            FASTSPRING,
            "order-subscription-seats",
            "/events/0/data/items/0/quantity",
            json!(4_000_000_000_u64),
        ),
        (FASTSPRING, "order-subscription-seats", "/events/0/data/items/0/quantity", json!(-3)),
        (FASTSPRING, "order-subscription-seats", "/events/0/data/items/0/quantity", json!(1.5)),
        (FASTSPRING, "order-subscription-seats", "/events/0/created", json!(1e300)),
        (
            STRIPE,
            "invoice-create-named",
            "/data/object/lines/data/0/period/end",
            json!(99_999_999_999_999_i64),
        ),
        (STRIPE, "invoice-create-named", "/created", json!(-1)),
        (PADDLE, "transaction-api", "/occurred_at", json!("yesterday")),
        (PADDLE, "transaction-api", "/data/items/0/price/billing_cycle/frequency", json!(0)),
        (
            PADDLE,
            "transaction-api",
            "/data/items/0/price/billing_cycle/frequency",
            json!(4_294_967_295_u32),
        ),
    ] {
        let body =
            edited(provider, case, |body| *body.pointer_mut(pointer).unwrap() = value.clone());
        let answer = app.deliver(provider, path_of(provider), &body).await;
        assert_eq!(answer.status, 400, "{case} {pointer} {value}: {}", answer.body);
        assert!(answer.message().contains(pointer.rsplit('/').next().unwrap()), "{}", answer.body);
    }
    assert!(app.sandbox.licenses().is_empty());
}

/// Every place in a JSON value.
fn pointers(value: &Value, at: &str, all: &mut Vec<String>) {
    all.push(at.to_owned());
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                pointers(
                    inner,
                    &format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")),
                    all,
                );
            }
        }
        Value::Array(items) => {
            for (index, inner) in items.iter().enumerate() {
                pointers(inner, &format!("{at}/{index}"), all);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Each place of each body is replaced by something of another kind: it may be refused or not, it may not panic.
#[tokio::test]
async fn no_change_of_any_body_makes_it_panic() {
    let odd = [
        Value::Null,
        json!(true),
        json!(-7),
        json!(1.5e300),
        json!(""),
        json!("\u{0}ä\u{a0}"),
        json!([]),
        json!([[]]),
        json!({}),
    ];
    let app = App::start().await;
    let mut deliveries = 0;
    for case in cases() {
        let value: Value = serde_json::from_slice(&case.body).unwrap();
        let mut places = Vec::new();
        pointers(&value, "", &mut places);
        for (index, place) in places.iter().enumerate() {
            let mut changed = value.clone();
            *changed.pointer_mut(place).unwrap() = odd[index % odd.len()].clone();
            let body = serde_json::to_vec(&changed).unwrap();
            let answer = app.deliver(case.provider, path_of(case.provider), &body).await;
            assert!(
                [200, 202, 400].contains(&answer.status),
                "{} {place}: {}",
                case.name,
                answer.body
            );
            assert!(!answer.body.contains("internal error"), "{} {place}", case.name);
            deliveries += 1;
        }
    }
    assert!(deliveries > 5_000, "only {deliveries} places");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..400), which in 0_usize..3) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let app = App::start().await;
            let provider = Signer::ALL[which];
            assert_eq!(app.deliver(provider, "/v1", &bytes).await.status, 400);
            assert!(app.sandbox.calls().is_empty());
        });
    }
}
