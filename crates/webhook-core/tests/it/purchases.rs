//! What a payment buys, story by story.

use devkit::sandbox::Fault;
use serde_json::{Value, json};

use crate::support::{
    App, FASTSPRING, PADDLE, PRODUCT, STRIPE, body, edited, json as case_json, path_of,
};

#[tokio::test]
async fn stripe_checkout_and_first_invoice_give_one_license() {
    for path in ["/v1", "/v2", "/stripe/v1", "/stripe/v2"] {
        for order in [
            ["checkout-subscription", "invoice-create"],
            ["invoice-create", "checkout-subscription"],
        ] {
            let app = App::start().await;
            for case in order.into_iter().chain(order) {
                let answer = app.deliver(STRIPE, path, &body(STRIPE, case)).await;
                assert_eq!(answer.status, 200, "{path} {case}: {}", answer.body);
            }
            let [license] = &app.licenses()[..] else {
                panic!("{path} {order:?}: {:?}", app.licenses())
            };
            assert!(
                license.ends_with("/-/1 product 1 until 2027-09-01 for ada@example.com"),
                "{license}"
            );
        }
    }
}

#[tokio::test]
async fn a_quantity_known_to_the_invoice_alone_counts() {
    for order in
        [["checkout-subscription", "invoice-create"], ["invoice-create", "checkout-subscription"]]
    {
        for (means, licenses, activations) in
            [("one", 1, 1), ("total_licenses", 3, 1), ("allowed_activations", 1, 3)]
        {
            let app = App::with(<_>::default(), &[("CRYPTLEX_MAPPINGS_QUANTITY", means)]).await;
            app.cases(STRIPE, &order).await;
            let made = app.sandbox.licenses();
            assert_eq!(made.len(), licenses, "{means} {order:?}");
            if means == "allowed_activations" {
                assert_eq!(json!(made[0])["allowedActivations"], json!(activations), "{order:?}");
            }
        }
    }
}

#[tokio::test]
async fn three_fastspring_orders_in_one_post_give_three_licenses() {
    let app = App::start().await;
    let answer = app.case(FASTSPRING, "batch-three-orders").await;
    assert_eq!((answer.status, app.sandbox.users().len()), (200, 3), "{}", answer.body);
    assert_eq!(app.sandbox.licenses().len(), 4, "one of them bought two");
}

#[tokio::test]
async fn all_licenses_of_a_subscription_are_renewed_over_all_pages() {
    for (seats, page_size) in [(25, 10), (230, 100)] {
        let app = App::start().await;
        app.sandbox.configure(|settings| settings.default_page_size = page_size);
        let order = edited(FASTSPRING, "order-subscription-seats", |batch| {
            let items = batch["events"][0]["data"]["items"].as_array_mut().unwrap();
            items[0]["quantity"] = json!(seats);
        });
        assert_eq!(app.deliver(FASTSPRING, "/v1", &order).await.status, 200);
        app.cases(FASTSPRING, &["charge-completed-seats", "charge-completed-seats"]).await;
        assert_eq!(app.ends(), vec!["2028-09-01"; seats]);
    }
}

#[tokio::test]
async fn an_order_with_a_failed_creation_is_completed_by_redelivery() {
    for fault in [
        Fault::on("POST", "/v3/licenses").skip(1).error_before(400),
        Fault::on("POST", "/v3/licenses").skip(1).error_before(500).times(9),
        Fault::on("POST", "/v3/licenses").skip(1).error_before(403),
    ] {
        let app = App::start().await;
        app.sandbox.fault(fault);
        let first = app.case(FASTSPRING, "order-subscription-seats").await;
        assert_eq!(first.status, 400, "{}", first.body);
        assert!(
            first.message().contains("not done: create license fastspring/"),
            "{}",
            first.message()
        );
        app.sandbox.clear_faults();
        app.cases(FASTSPRING, &["order-subscription-seats"]).await;
        assert_eq!(app.ends(), ["2027-09-01"; 3]);
    }
}

#[tokio::test]
async fn a_license_lapsed_long_ago_runs_to_the_paid_end() {
    let app = App::start().await;
    app.cases(FASTSPRING, &["order-subscription"]).await;
    // The renewal of 2027 was never paid; that of 2028 is.
    let late = edited(FASTSPRING, "charge-completed", |batch| {
        let event = &mut batch["events"][0];
        event["created"] = json!(1_859_328_000_000_i64);
        event["data"]["subscription"]["next"] = json!(1_882_915_200_000_i64);
    });
    assert_eq!(app.deliver(FASTSPRING, "/v1", &late).await.status, 200);
    assert_eq!(app.ends(), ["2029-09-01"]);
}

#[tokio::test]
async fn the_paid_period_wins_over_the_template() {
    // A yearly price with a monthly template is not locked out after a month.
    let app = App::start().await;
    let checkout = edited(STRIPE, "checkout-subscription", |event| {
        event["data"]["object"]["metadata"]["CRYPTLEX_LICENSE_TEMPLATE"] =
            json!("66666666-6666-4666-8666-000000000002");
    });
    assert_eq!(app.deliver(STRIPE, "/v2", &checkout).await.status, 200);
    assert_eq!(app.ends(), ["2026-10-01"]);
    app.cases(STRIPE, &["invoice-create"]).await;
    assert_eq!(app.ends(), ["2027-09-01"]);

    // A trial of a yearly plan ends after two weeks unless it is paid.
    let app = App::start().await;
    app.cases(STRIPE, &["checkout-trial", "invoice-create-trial"]).await;
    assert_eq!(app.ends(), ["2026-09-15"]);
    app.cases(STRIPE, &["invoice-cycle-trial"]).await;
    assert_eq!(app.ends(), ["2027-09-15"]);
    for (provider, trial, paid, end) in [
        (PADDLE, "transaction-trial", Some("transaction-recurring-trial"), "2027-09-15"),
        (FASTSPRING, "order-subscription-trial", None, "2026-09-15"),
    ] {
        let app = App::start().await;
        app.cases(provider, &[trial]).await;
        assert_eq!(app.ends(), ["2026-09-15"], "{provider}");
        if let Some(paid) = paid {
            app.cases(provider, &[paid]).await;
        }
        assert_eq!(app.ends(), [end], "{provider}");
    }
}

#[tokio::test]
async fn a_predecessors_licenses_are_renewed_with_metadata_unchanged() {
    for (key, provider, order, charge, product) in [
        ("stripe_subscription_id", STRIPE, "invoice-create", "invoice-cycle", PRODUCT),
        ("subscription_id", STRIPE, "checkout-subscription", "invoice-cycle", PRODUCT),
        (
            "fastspring_subscription_id",
            FASTSPRING,
            "order-subscription",
            "charge-completed",
            PRODUCT,
        ),
        (
            "paddle_subscription_id",
            PADDLE,
            "transaction-web",
            "transaction-recurring",
            "11111111-1111-4111-8111-000000000002",
        ),
    ] {
        let app = App::start().await;
        let subscription = subscription_of(provider, order);
        let owner =
            app.sandbox.insert_user(json!({"email": "old@example.com", "firstName": "Old"}));
        let interval = if provider == PADDLE { "P1M" } else { "P1Y" };
        let end = if provider == PADDLE { "2026-10-01T00:00:00Z" } else { "2027-09-01T00:00:00Z" };
        for _ in 0..2 {
            app.sandbox.insert_license(json!({
                "productId": product, "userId": owner, "subscriptionInterval": interval, "expiresAt": end,
                "createdAt": "2026-09-01T00:00:00Z",
                "metadata": [{"key": key, "value": subscription, "viewPermissions": []}],
            }));
        }
        app.cases(provider, &[order, charge]).await;
        let recurring: Vec<_> = app
            .sandbox
            .licenses()
            .into_iter()
            .filter(|license| license.product_id == product)
            .collect();
        assert_eq!(recurring.len(), 2, "{key}: {:?}", app.licenses());
        for license in recurring {
            assert_eq!(
                license.metadata.len(),
                1,
                "{key}: metadata of others is not ours to change"
            );
            assert!(
                license.expires_at.unwrap() > end.parse().unwrap(),
                "{key}: {:?}",
                app.licenses()
            );
        }
        let metadata_writes = app.sandbox.calls().iter().any(|call| {
            call.method == "PATCH"
                && call.body.as_ref().is_some_and(|body| body.get("metadata").is_some())
        });
        assert!(!metadata_writes, "{key}");
    }
}

fn subscription_of(provider: devkit::sign::Provider, case: &str) -> String {
    let body = case_json(provider, case);
    let object = &body["data"]["object"];
    let found = [
        &object["subscription"],
        &object["parent"]["subscription_details"]["subscription"],
        &body["events"][0]["data"]["items"][0]["subscription"]["id"],
        &body["data"]["subscription_id"],
    ];
    found.iter().find_map(|value| value.as_str()).unwrap().to_owned()
}

#[tokio::test]
async fn a_second_purchase_of_the_same_product_is_another_license() {
    let app = App::start().await;
    app.cases(FASTSPRING, &["order-plain"]).await;
    let again = edited(FASTSPRING, "order-plain", |batch| {
        let event = &mut batch["events"][0];
        event["id"] = json!("another-event-0000000");
        event["data"]["id"] = json!("another-order-0000000");
        event["data"]["order"] = json!("another-order-0000000");
    });
    assert_eq!(app.deliver(FASTSPRING, "/v1", &again).await.status, 200);
    assert_eq!((app.sandbox.licenses().len(), app.sandbox.users().len()), (2, 1));
}

#[tokio::test]
async fn a_session_replaces_the_product_that_the_invoice_named() {
    let app = App::start().await;
    let invoice = edited(STRIPE, "invoice-create", |event| {
        event["data"]["object"]["parent"]["subscription_details"]["metadata"] = json!({
            "CRYPTLEX_PRODUCT_ID": "11111111-1111-4111-8111-000000000002",
            "CRYPTLEX_LICENSE_TEMPLATE": "66666666-6666-4666-8666-000000000002",
        });
    });
    for _ in 0..2 {
        assert_eq!(app.deliver(STRIPE, "/v2", &invoice).await.status, 200);
        app.cases(STRIPE, &["checkout-subscription"]).await;
    }
    let products: Vec<String> =
        app.licenses().iter().map(|l| l[l.find("product").unwrap()..].to_owned()).collect();
    let ada = "for ada@example.com";
    assert_eq!(
        products,
        [
            format!("product 1 until 2027-09-01 {ada}"),
            format!("product 2 until 2027-09-01 revoked {ada}")
        ]
    );
}

#[tokio::test]
async fn a_paddle_buyer_gets_their_own_user_in_any_order() {
    for order in [["customer-created", "transaction-web"], ["transaction-web", "customer-created"]]
    {
        for lost in [false, true] {
            let mut app = App::start().await;
            for case in order {
                app.cases(PADDLE, &[case]).await;
                if lost {
                    app.restart();
                }
            }
            let users = app.sandbox.users();
            assert_eq!(users.len(), 1, "{order:?} {lost}");
            assert_eq!(
                (users[0].email.as_str(), users[0].first_name.as_str()),
                ("ada@example.com", "Ada")
            );
            assert_eq!(app.sandbox.licenses().len(), 3);
        }
    }
}

#[tokio::test]
async fn a_paddle_placeholders_licenses_move_to_the_user_with_email() {
    let mut app = App::start().await;
    app.sandbox.insert_user(
        json!({"email": "Ada@Example.com", "firstName": "Ada", "lastName": "Lovelace-Example"}),
    );
    app.cases(PADDLE, &["transaction-web"]).await;
    assert!(app.licenses()[0].ends_with("@cryptlexpaddle.com"), "{:?}", app.licenses());
    app.cases(PADDLE, &["customer-created"]).await;
    assert!(
        app.licenses().iter().all(|license| license.ends_with("for Ada@Example.com")),
        "{:?}",
        app.licenses()
    );
    // A found user gets no mark, so a process that remembers nothing waits for the customer's own event.
    app.restart();
    app.cases(PADDLE, &["transaction-charge"]).await;
    assert!(app.licenses()[3].ends_with("@cryptlexpaddle.com"), "{:?}", app.licenses());
    app.cases(PADDLE, &["customer-created"]).await;
    assert_eq!(app.sandbox.licenses().len(), 4);
    assert!(
        app.licenses().iter().all(|license| license.ends_with("for Ada@Example.com")),
        "{:?}",
        app.licenses()
    );
}

#[tokio::test]
async fn a_remembered_user_that_was_deleted_is_forgotten() {
    for status in [404, 400] {
        for (provider, customer, purchase) in [
            (PADDLE, "customer-created", "transaction-web"),
            (STRIPE, "customer-created", "checkout-subscription"),
        ] {
            let app = App::start().await;
            app.cases(provider, &[customer]).await;
            app.sandbox.reset();
            app.sandbox.configure(|settings| settings.unknown_user_status = status);
            app.cases(provider, &[purchase]).await;
            assert_eq!(app.sandbox.users().len(), 1, "{provider} {status}");
        }
    }
}

#[tokio::test]
async fn a_gift_belongs_to_its_recipient() {
    let app = App::start().await;
    app.cases(FASTSPRING, &["order-gift"]).await;
    assert!(app.licenses()[0].ends_with("for mia@example.com"), "{:?}", app.licenses());
}

#[tokio::test]
async fn a_recipient_under_the_account_of_the_buyer_is_not_the_buyer() {
    let gift = edited(FASTSPRING, "order-gift", |batch| {
        let order = &mut batch["events"][0]["data"];
        order["recipients"][0]["recipient"]["account"] = order["account"]["id"].clone();
    });
    let own = edited(FASTSPRING, "order-gift", |batch| {
        let event = &mut batch["events"][0];
        event["id"] = json!("own-event-0000000000000");
        event["data"]["id"] = json!("own-order-0000000000000");
        event["data"]["order"] = json!("own-order-0000000000000");
        event["data"]["recipients"] = json!([]);
    });
    for order in [[&gift, &own], [&own, &gift]] {
        let app = App::start().await;
        for body in order {
            assert_eq!(app.deliver(FASTSPRING, "/v1", body).await.status, 200);
        }
        let owners: Vec<String> =
            app.licenses().iter().map(|l| l[l.find("for ").unwrap()..].to_owned()).collect();
        assert_eq!(owners, ["for mia@example.com", "for leo@example.com"]);
    }
}

/// Somebody else bought with the same e-mail address, and one of the two has another now.
#[tokio::test]
async fn a_changed_email_of_one_customer_takes_no_licenses_of_another() {
    for (provider, purchase, place, change, of_customer) in [
        (
            STRIPE,
            "checkout-payment",
            "/data/object/id",
            "customer-updated",
            "/data/object/customer",
        ),
        (
            FASTSPRING,
            "order-plain",
            "/events/0/data/id",
            "account-updated",
            "/events/0/data/account",
        ),
    ] {
        for second_changes in [false, true] {
            let app = App::start().await;
            let change_of = case_json(provider, change);
            let changed = ["/data/object/id", "/events/0/data/id"];
            let first = changed.iter().find_map(|at| change_of.pointer(at)).unwrap().clone();
            let bought = |customer: &Value, id: &str| {
                edited(provider, purchase, |delivery| {
                    *delivery.pointer_mut(of_customer).unwrap() = customer.clone();
                    *delivery.pointer_mut(place).unwrap() = json!(id);
                    if let Some(intent) = delivery.pointer_mut("/data/object/payment_intent") {
                        *intent = json!(format!("pi_{id}"));
                    }
                    let event =
                        if provider == STRIPE { delivery } else { &mut delivery["events"][0] };
                    event["id"] = json!(format!("event_{id}"));
                })
            };
            let [one, other] = match second_changes {
                false => [first.clone(), json!("another_customer")],
                true => [json!("another_customer"), first.clone()],
            };
            let path = path_of(provider);
            for body in [bought(&one, "purchase_1"), bought(&other, "purchase_2")] {
                let answer = app.deliver(provider, path, &body).await;
                assert_eq!(answer.status, 200, "{}", answer.body);
            }
            let before = app.licenses();
            app.cases(provider, &[change]).await;
            assert_eq!(app.licenses(), before, "{provider}: they stay where they were");
            for (customer, id) in [(&other, "purchase_3"), (&one, "purchase_4")] {
                assert_eq!(app.deliver(provider, path, &bought(customer, id)).await.status, 200);
            }
            let owner = |id: &str| {
                let licenses = app.licenses();
                let license = licenses.iter().find(|license| license.contains(id)).unwrap();
                license[license.find("for ").unwrap()..].to_owned()
            };
            assert_ne!(owner("purchase_3"), owner("purchase_4"), "{provider}");
            let whose = if second_changes { "purchase_4" } else { "purchase_3" };
            assert_eq!(owner(whose), owner("purchase_1"), "{provider}: {whose}");
        }
    }
}

#[tokio::test]
async fn a_trial_stays_a_trial_next_to_any_purchase() {
    let lifetime = case_json(PADDLE, "transaction-web");
    let trial = edited(PADDLE, "transaction-trial", |event| {
        let data = &mut event["data"];
        let bought = &lifetime["data"];
        for place in ["/items", "/details/line_items"] {
            let line = bought.pointer(place).unwrap()[1].clone();
            data.pointer_mut(place).unwrap().as_array_mut().unwrap().push(line);
        }
        data["details"]["totals"]["total"] = json!("21666");
    });
    let app = App::start().await;
    assert_eq!(app.deliver(PADDLE, "/v1", &trial).await.status, 200);
    assert_eq!(app.ends(), ["2026-09-15", "never"]);
    // What it costs decides nothing: a paid trial is one, too.
    for total in ["0", "30000"] {
        let unpriced = edited(PADDLE, "transaction-trial", |event| {
            let details = &mut event["data"]["details"];
            details["line_items"][0].as_object_mut().unwrap().remove("totals");
            details["totals"]["total"] = json!(total);
        });
        let app = App::start().await;
        assert_eq!(app.deliver(PADDLE, "/v1", &unpriced).await.status, 200);
        assert_eq!(app.ends(), ["2026-09-15"]);
    }
}

#[tokio::test]
async fn a_partly_mapped_order_is_granted_and_reported_until_whole() {
    for (variable, status) in [("error", 400), ("accept", 200)] {
        let app = App::with(<_>::default(), &[("UNMAPPED", variable)]).await;
        for _ in 0..2 {
            let answer = app.case(FASTSPRING, "order-partly-mapped").await;
            assert_eq!(answer.status, status, "{}", answer.body);
            let text = "paid but not mapped to a Cryptlex product: legacy-tool: cryptlex_license_template_id is not set";
            assert_eq!(answer.message(), text);
            assert_eq!(app.sandbox.licenses().len(), 1);
        }
        // A redelivery is tried again in both modes: by then the product names its template.
        let mapped = edited(FASTSPRING, "order-partly-mapped", |batch| {
            let items = batch["events"][0]["data"]["items"].as_array_mut().unwrap();
            for item in items {
                item["attributes"]["cryptlex_license_template_id"] =
                    json!("66666666-6666-4666-8666-000000000003");
            }
        });
        assert_eq!(app.deliver(FASTSPRING, "/v1", &mapped).await.status, 200);
        assert_eq!(app.sandbox.licenses().len(), 2);
    }
}
