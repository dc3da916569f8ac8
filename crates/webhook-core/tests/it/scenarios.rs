//! Stories that somebody thought up to break it, each once broken: a customer locked out, or served for free.

use devkit::sandbox::{Fault, Precision};
use http::StatusCode;
use serde_json::{Value, json};

use crate::support::clock::{DAY, SEPTEMBER};
use crate::support::licenses::by_hand;
use crate::support::topics::Topic;
use crate::support::{
    App, FASTSPRING, PADDLE, PRODUCT, STRIPE, body, date_event, edited, rename_event,
};
use devkit::sign::Provider as Signer;

/// A case with another id and time.
fn at(provider: Signer, case: &str, id: &str, time: &str) -> Vec<u8> {
    edited(provider, case, |delivery| {
        rename_event(provider, delivery, id);
        date_event(provider, delivery, time.parse().unwrap());
    })
}

fn stripe(kind: &str, id: &str, created: i64) -> Vec<u8> {
    let object = json!({"id": "sub_1AdalPKdPqWvRn2LIFXNxh5R"});
    let event = json!({"id": id, "object": "event", "type": kind, "created": created, "data": {"object": object}});
    serde_json::to_vec(&event).unwrap()
}

#[tokio::test]
async fn seats_that_are_made_after_a_renewal_run_as_long_as_it_paid() {
    let app = App::start().await;
    app.sandbox.fault(Fault::on("POST", "/v3/licenses").skip(1).error_before(400).times(9));
    assert_eq!(app.case(FASTSPRING, "order-subscription-seats").await.status, 400);
    app.sandbox.clear_faults();
    let cases = ["charge-completed-seats", "order-subscription-seats", "charge-completed-seats"];
    app.cases(FASTSPRING, &cases).await;
    assert_eq!(app.ends(), ["2028-09-01"; 3]);

    let seats = [("CRYPTLEX_MAPPINGS_QUANTITY", "total_licenses")];
    let app = App::with(<_>::default(), &seats).await;
    app.cases(STRIPE, &["checkout-subscription", "invoice-cycle", "invoice-create"]).await;
    assert_eq!(app.ends(), ["2028-09-01"; 3]);
}

#[tokio::test]
async fn a_late_first_invoice_cuts_no_newer_payment() {
    let period = |case: &str, created: i64, start: i64, end: i64| {
        edited(STRIPE, case, |event| {
            event["created"] = json!(created);
            for line in event["data"]["object"]["lines"]["data"].as_array_mut().unwrap() {
                line["period"] = json!({"start": start, "end": end});
            }
        })
    };
    let trial = period("invoice-create-trial", SEPTEMBER + 1, SEPTEMBER, SEPTEMBER + DAY);
    let paid = period(
        "invoice-cycle-trial",
        SEPTEMBER + DAY + 3600,
        SEPTEMBER + DAY,
        SEPTEMBER + 366 * DAY,
    );
    for order in [[&trial, &paid], [&paid, &trial]] {
        let app = App::start().await;
        app.cases(STRIPE, &["checkout-trial"]).await;
        for invoice in order {
            app.accepts(STRIPE, invoice).await;
        }
        assert_eq!(app.ends(), ["2027-09-02"]);
    }
}

#[tokio::test]
async fn a_pause_outlives_an_update_that_pays_for_something_else() {
    let pause = at(PADDLE, "subscription-paused", "evt_pause", "2026-09-15T00:00:00Z");
    let update = body(PADDLE, "transaction-update-one-time-only");
    for order in [[&pause, &update], [&update, &pause]] {
        let app = App::start().await;
        app.cases(PADDLE, &["customer-created", "transaction-web"]).await;
        for event in order {
            app.accepts(PADDLE, event).await;
        }
        assert_eq!(app.ends(), ["2026-10-01 suspended", "2026-10-01 suspended", "never"]);
    }
}

#[tokio::test]
async fn renewals_of_other_things_an_account_sells_are_acknowledged() {
    let app = App::with(<_>::default(), &[("UNMAPPED", "accept")]).await;
    let session = edited(STRIPE, "checkout-subscription", |event| {
        event["data"]["object"]["metadata"] = json!({});
    });
    app.accepts(STRIPE, &session).await;
    app.cases(STRIPE, &["invoice-create", "invoice-cycle"]).await;
    assert!(app.sandbox.licenses().is_empty());
}

#[tokio::test]
async fn a_renewal_before_its_purchase_is_acknowledged_and_kept() {
    for (provider, renewal, purchase, ends) in [
        (STRIPE, "invoice-cycle", "checkout-subscription", &["2028-09-01"][..]),
        (FASTSPRING, "charge-completed", "order-subscription", &["2028-09-01"]),
        (
            PADDLE,
            "transaction-recurring",
            "transaction-web",
            &["2026-11-01", "2026-11-01", "never"],
        ),
    ] {
        for (unmapped, acknowledged) in [("error", false), ("accept", true)] {
            let app = App::with(<_>::default(), &[("UNMAPPED", unmapped)]).await;
            let answer = app.case(provider, renewal).await;
            // The others name the product.
            assert_eq!(
                answer.status == 200,
                acknowledged || provider != STRIPE,
                "{provider} {unmapped}: {}",
                answer.body
            );
            app.cases(provider, &[purchase, renewal]).await;
            assert_eq!(app.ends(), ends, "{provider} {unmapped}");
        }
    }
    // One that does not say until when it paid cannot be kept.
    let app = App::with(<_>::default(), &[("UNMAPPED", "accept")]).await;
    assert_ne!(app.case(FASTSPRING, "charge-completed-not-expanded").await.status, 200);
    // A subscription whose product is known is ours, whatever else is sold.
    let app = App::with(<_>::default(), &[("UNMAPPED", "accept")]).await;
    app.cases(STRIPE, &["subscription-updated-product"]).await;
    assert_ne!(app.case(STRIPE, "invoice-cycle").await.status, 200);
}

#[tokio::test]
async fn a_large_quantity_is_refused_only_where_it_means_licenses() {
    let units = |case: &str, pointer: &str, provider| {
        edited(provider, case, |body| *body.pointer_mut(pointer).unwrap() = json!(20_000))
    };
    let line = "/data/object/lines/data/0/quantity";
    for (quantity_means, status) in
        [("one", 200), ("allowed_activations", 200), ("total_licenses", 400)]
    {
        let app =
            App::with(<_>::default(), &[("CRYPTLEX_MAPPINGS_QUANTITY", quantity_means)]).await;
        let answer = app.deliver(STRIPE, "/v1", &units("invoice-create", line, STRIPE)).await;
        assert_eq!(answer.status, status, "{quantity_means}: {}", answer.body);
        assert_eq!(app.sandbox.licenses().len(), usize::from(status == 200));
    }
    // The sum counts, not the line.
    let item = |n: i32| {
        json!({"product": format!("p{n}"), "quantity": 10_000, "attributes": {
            "cryptlex_product_id": PRODUCT, "cryptlex_license_template_id": "66666666-6666-4666-8666-000000000001"}})
    };
    let order = edited(FASTSPRING, "order-plain", |batch| {
        batch["events"][0]["data"]["items"] = (0..10).map(item).collect();
    });
    let app = App::start().await;
    assert_eq!(app.deliver(FASTSPRING, "/v1", &order).await.status, 400);
    assert!(app.writes().is_empty());
}

#[tokio::test]
async fn licenses_deleted_by_hand_keep_no_other_from_renewal() {
    let app = App::with(<_>::default(), &[("CRYPTLEX_REQUESTS_PER_5S", "40")]).await;
    let order = edited(FASTSPRING, "order-subscription-seats", |batch| {
        batch["events"][0]["data"]["items"][0]["quantity"] = json!(60);
    });
    app.accepts(FASTSPRING, &order).await;
    for license in app.sandbox.licenses().iter().skip(5) {
        by_hand(&app, reqwest::Method::DELETE, &license.id, Value::Null).await;
    }
    app.sandbox.clear_calls();
    app.cases(FASTSPRING, &["charge-completed-seats"]).await;
    assert_eq!(app.ends(), ["2028-09-01"; 5]);
    let looks = app.sandbox.calls().len();
    let again =
        at(FASTSPRING, "charge-completed-seats", "another-charge", "2027-09-01T02:12:11.043Z");
    app.sandbox.clear_calls();
    app.accepts(FASTSPRING, &again).await;
    assert!(app.sandbox.calls().len() < looks - 50, "what is gone is looked for again and again");
}

#[tokio::test]
async fn a_license_that_was_made_again_by_hand_is_renewed() {
    let app = App::start().await;
    app.cases(FASTSPRING, &["order-subscription"]).await;
    let old = &app.sandbox.licenses()[0];
    let metadata: Vec<Value> = old
        .metadata
        .iter()
        .map(|item| json!({"key": item.key, "value": item.value, "viewPermissions": []}))
        .collect();
    by_hand(&app, reqwest::Method::DELETE, &old.id, Value::Null).await;
    app.sandbox.insert_license(json!({
        "productId": PRODUCT, "expiresAt": "2027-09-01T00:00:00Z", "subscriptionInterval": "P1Y", "metadata": metadata,
    }));
    app.cases(FASTSPRING, &["charge-completed"]).await;
    assert_eq!(app.ends(), ["2028-09-01"]);
}

#[tokio::test]
async fn a_replaced_product_stays_replaced_when_the_ledger_is_lost() {
    let named = |product: u32| {
        json!({"CRYPTLEX_PRODUCT_ID": format!("11111111-1111-4111-8111-00000000000{product}"),
               "CRYPTLEX_LICENSE_TEMPLATE": "66666666-6666-4666-8666-000000000001"})
    };
    let invoice = edited(STRIPE, "invoice-create", |event| {
        event["data"]["object"]["parent"]["subscription_details"]["metadata"] = named(1);
    });
    let session = edited(STRIPE, "checkout-subscription", |event| {
        event["data"]["object"]["metadata"] = named(4);
    });
    for policy in ["revoke", "suspend", "none"] {
        for again in [false, true] {
            let mut app =
                App::with(<_>::default(), &[("CRYPTLEX_CANCELLATION_ACTION", policy)]).await;
            app.accepts(STRIPE, &invoice).await;
            app.accepts(STRIPE, &session).await;
            app.restart();
            if again {
                app.accepts(STRIPE, &invoice).await;
            }
            app.cases(STRIPE, &["invoice-cycle"]).await;
            let bought =
                app.sandbox.licenses().into_iter().find(|l| l.product_id.ends_with('4')).unwrap();
            assert_eq!(
                bought.expires_at.unwrap().to_string(),
                "2028-09-01T00:00:00Z",
                "{policy} {again}"
            );
            let replaced =
                app.sandbox.licenses().into_iter().find(|l| l.product_id.ends_with('1')).unwrap();
            assert_eq!(
                replaced.expires_at.unwrap().to_string(),
                "2027-09-01T00:00:00Z",
                "{policy} {again}"
            );
        }
    }
}

#[tokio::test]
async fn a_placeholders_licenses_move_in_spite_of_stale_lists() {
    for stale_lists in [0, 1, 3] {
        let app = App::start().await;
        app.sandbox
            .insert_user(json!({"email": "ada@example.com", "firstName": "Ada", "lastName": "E"}));
        for _ in 0..3 {
            let users = format!("{}/v3/users?limit=1", app.sandbox.url());
            devkit::send::client(0)
                .get(users)
                .bearer_auth(devkit::sandbox::ACCESS_TOKEN)
                .send()
                .await
                .unwrap();
        }
        app.sandbox.configure(|settings| settings.stale_lists = stale_lists);
        app.cases(PADDLE, &["transaction-web", "customer-created", "customer-created"]).await;
        for license in app.licenses() {
            assert!(license.ends_with("for ada@example.com"), "{stale_lists}: {license}");
        }
    }
}

#[tokio::test]
async fn a_batch_of_rubbish_is_answered_in_a_sentence() {
    let app = App::start().await;
    let rubbish = vec![json!("rubbish"); 50_000];
    let batch = serde_json::to_vec(&json!({ "events": rubbish })).unwrap();
    let answer = app.deliver(FASTSPRING, "/v1", &batch).await;
    assert_eq!(answer.status, 400);
    assert!(answer.body.len() < 500, "{} bytes", answer.body.len());
    assert!(answer.message().ends_with("(and 49999 more)"), "{}", answer.body);
}

#[tokio::test]
async fn an_add_on_before_its_parent_still_ends_with_it() {
    for order in
        [["order-addon-later", "order-subscription"], ["order-subscription", "order-addon-later"]]
    {
        let app = App::start().await;
        app.cases(FASTSPRING, &order).await;
        assert_eq!(app.ends(), ["2027-09-01"; 2], "{order:?}");
        app.cases(FASTSPRING, &["charge-completed"]).await;
        assert_eq!(app.ends(), ["2028-09-01"; 2], "{order:?}");
    }
}

#[tokio::test]
async fn an_add_on_bought_after_a_renewal_ends_with_its_parent() {
    let app = App::start().await;
    app.cases(FASTSPRING, &["order-subscription", "charge-completed"]).await;
    app.sandbox.set_now("2027-12-01T00:00:00Z".parse().unwrap());
    app.cases(FASTSPRING, &["order-addon-later"]).await;
    assert_eq!(app.ends(), ["2028-09-01"; 2]);
}

#[tokio::test]
async fn an_add_on_of_a_bundle_ends_with_the_bundle() {
    let app = App::start().await;
    app.cases(FASTSPRING, &["order-bundle-subscription"]).await;
    let add_on = edited(FASTSPRING, "order-addon-later", |batch| {
        batch["events"][0]["data"]["items"][0]["parentSubscription"] =
            json!("fkxOeEPD2mwscEkRnxMYpw");
    });
    app.accepts(FASTSPRING, &add_on).await;
    assert_eq!(app.ends(), ["2027-09-01", "2027-09-01", "never"]);
}

#[tokio::test]
async fn add_ons_without_a_parent_follow_their_own_templates() {
    let order = edited(FASTSPRING, "order-addon-later", |batch| {
        let items = batch["events"][0]["data"]["items"].as_array_mut().unwrap();
        items[0]["attributes"]["cryptlex_license_template_id"] =
            json!("66666666-6666-4666-8666-000000000002");
        items[0]["quantity"] = json!(2);
        let mut yearly = items[0].clone();
        yearly["product"] = json!("yearly-support");
        yearly["quantity"] = json!(1);
        yearly["attributes"]["cryptlex_license_template_id"] =
            json!("66666666-6666-4666-8666-000000000001");
        items.push(yearly);
    });
    let app = App::start().await;
    app.sandbox.fault(Fault::on("POST", "/v3/licenses").skip(1).error_before(401));
    assert_eq!(app.deliver(FASTSPRING, "/v1", &order).await.status, 400);
    app.accepts(FASTSPRING, &order).await;
    assert_eq!(app.ends(), ["2026-10-01", "2026-10-01", "2027-09-01"]);
}

#[tokio::test]
async fn an_order_with_an_add_on_settles_at_every_precision() {
    for precision in [Precision::Full, Precision::Milliseconds, Precision::Seconds] {
        let app = App::start().await;
        app.sandbox.configure(|settings| settings.expires_at_precision = precision);
        app.sandbox.set_now("2026-09-01T00:00:00.1234567Z".parse().unwrap());
        app.sandbox.fault(Fault::on("POST", "/v3/licenses").skip(1).error_before(401));
        assert_eq!(app.case(FASTSPRING, "order-addon-first").await.status, 400);
        app.sandbox.set_now("2026-09-01T00:00:01.7654321Z".parse().unwrap());
        app.cases(FASTSPRING, &["order-addon-first"]).await;
        assert_eq!(app.ends(), ["2027-09-01"; 2], "{precision:?}");
    }
}

#[tokio::test]
async fn an_unmapped_payment_counts_once_it_is_mapped() {
    let app = App::with(<_>::default(), &[("UNMAPPED", "accept")]).await;
    let session = edited(STRIPE, "checkout-subscription", |event| {
        event["data"]["object"]["metadata"] = json!({});
    });
    app.accepts(STRIPE, &session).await;
    app.cases(STRIPE, &["invoice-create", "invoice-cycle", "checkout-subscription"]).await;
    assert_eq!(app.deliver(STRIPE, "/v1", &session).await.status, 200);
    assert_eq!(app.ends(), ["2028-09-01"]);
}

#[tokio::test]
async fn a_failed_write_forgets_no_days_of_grace() {
    for days in ["10", "120"] {
        let app = App::with(<_>::default(), &[("GRACE_DAYS", days)]).await;
        app.cases(FASTSPRING, &["order-subscription", "payment-overdue"]).await;
        let charge = edited(FASTSPRING, "charge-completed-not-expanded", |batch| {
            batch["events"][0]["created"] = json!(1_820_000_000_000_i64);
            batch["events"][0]["data"]["timestamp"] = json!(1_820_000_000_000_i64);
        });
        app.sandbox.fault(Fault::on("PATCH", "/expires-at").error_before(401));
        assert_eq!(app.deliver(FASTSPRING, "/v1", &charge).await.status, 400);
        app.accepts(FASTSPRING, &charge).await;
        assert_eq!(app.ends(), ["2028-09-01"], "{days}");
    }
}

#[tokio::test]
async fn an_add_on_bought_while_a_payment_is_overdue_resumes_nothing() {
    let app = App::start().await;
    app.cases(FASTSPRING, &["order-subscription"]).await;
    app.accepts(FASTSPRING, &at(FASTSPRING, "payment-overdue", "od", "2026-11-30T00:53:20Z")).await;
    app.cases(FASTSPRING, &["order-addon-later"]).await;
    assert_eq!(app.ends(), ["2027-09-01 suspended"; 2]);
}

#[tokio::test]
async fn days_of_grace_are_not_paid_for() {
    for (days, expected) in [("10", "2028-09-01"), ("120", "2028-09-01")] {
        let app = App::with(<_>::default(), &[("GRACE_DAYS", days)]).await;
        app.cases(FASTSPRING, &["order-subscription", "payment-overdue"]).await;
        let charge = edited(FASTSPRING, "charge-completed-not-expanded", |batch| {
            batch["events"][0]["created"] = json!(1_820_000_000_000_i64);
            batch["events"][0]["data"]["timestamp"] = json!(1_820_000_000_000_i64);
        });
        app.accepts(FASTSPRING, &charge).await;
        assert_eq!(app.ends(), [expected], "{days}");
    }
}

#[tokio::test]
async fn a_metered_line_without_a_quantity_does_not_count() {
    let app = App::with(<_>::default(), &[("CRYPTLEX_MAPPINGS_QUANTITY", "total_licenses")]).await;
    let invoice = edited(STRIPE, "invoice-create", |event| {
        let lines = event["data"]["object"]["lines"]["data"].as_array_mut().unwrap();
        let mut metered = lines[0].clone();
        metered["quantity"] = json!(0);
        lines.insert(0, metered);
    });
    assert_eq!(app.deliver(STRIPE, "/v1", &invoice).await.status, 200);
    assert_eq!(app.sandbox.licenses().len(), 3);
}

#[tokio::test]
async fn the_end_of_a_pause_does_not_take_back_the_end() {
    let app = App::with(<_>::default(), &[("CRYPTLEX_CANCELLATION_ACTION", "suspend")]).await;
    app.cases(STRIPE, &["checkout-subscription", "invoice-create"]).await;
    for (kind, time) in [("paused", 10), ("deleted", 20), ("resumed", 30)] {
        let event = stripe(
            &format!("customer.subscription.{kind}"),
            &format!("evt_{kind}"),
            SEPTEMBER + time * DAY,
        );
        app.accepts(STRIPE, &event).await;
    }
    assert_eq!(app.ends(), ["2027-09-01 suspended"]);
}

#[tokio::test]
async fn a_replayed_purchase_undoes_no_suspension_by_hand() {
    let app = App::start().await;
    app.cases(FASTSPRING, &["order-subscription"]).await;
    let id = app.sandbox.licenses()[0].id.clone();
    by_hand(&app, reqwest::Method::PATCH, &id, json!({"suspended": true})).await;
    let resent = edited(FASTSPRING, "order-subscription", |batch| {
        batch["events"][0]["id"] = json!("resent");
    });
    app.accepts(FASTSPRING, &resent).await;
    assert_eq!(app.ends(), ["2027-09-01 suspended"]);
    app.cases(FASTSPRING, &["charge-completed"]).await;
    assert_eq!(app.ends(), ["2028-09-01"]);
}

#[tokio::test]
async fn a_recipient_who_is_named_twice_is_one() {
    let app = App::start().await;
    let gift = edited(FASTSPRING, "order-gift", |batch| {
        let recipients = batch["events"][0]["data"]["recipients"].as_array_mut().unwrap();
        recipients.push(recipients[0].clone());
    });
    app.accepts(FASTSPRING, &gift).await;
    assert!(app.licenses()[0].ends_with("for mia@example.com"), "{:?}", app.licenses());
}

#[tokio::test]
async fn a_long_invoice_without_a_paying_line_is_notified() {
    let topic = Topic::answering(StatusCode::OK).await;
    let app = topic.app(&[]).await;
    app.cases(STRIPE, &["checkout-subscription", "invoice-create"]).await;
    let long = edited(STRIPE, "invoice-update-proration-only", |event| {
        event["data"]["object"]["billing_reason"] = json!("subscription_cycle");
        event["data"]["object"]["lines"]["has_more"] = json!(true);
    });
    let answer = app.deliver(STRIPE, "/v2", &long).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(app.ends(), ["2027-09-01"]);
    assert_eq!(topic.told()[0].0, "period_presumed");
}
