//! What a subscription is changed to, with add-ons and bundles, and where nobody knows what was bought.

use devkit::sandbox::License;
use serde_json::{Value, json};

use crate::support::{App, FASTSPRING, PADDLE, PRODUCT, STRIPE, body, edited, json, path_of};

const SUBSCRIPTION: &str = "8nu4GK0DC54E6ff8HSVurg";

fn product(n: u32) -> Value {
    json!({"cryptlex_product_id": format!("11111111-1111-4111-8111-00000000000{n}"),
           "cryptlex_license_template_id": "66666666-6666-4666-8666-000000000001"})
}

/// `subscription.updated` of a subscription with one of a product, ten days after it was bought.
fn updated(path: &str, attributes: &Value, more: Value) -> Vec<u8> {
    let mut subscription = json!({
        "id": SUBSCRIPTION, "subscription": SUBSCRIPTION, "state": "active", "product": path,
        "quantity": 1, "attributes": attributes, "next": 1_819_756_800_000_i64,
    });
    subscription.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let event = json!({"id": format!("evt-{path}"), "type": "subscription.updated", "live": true,
                       "created": 1_789_084_800_000_i64, "data": subscription});
    serde_json::to_vec(&json!({"events": [event]})).unwrap()
}

/// A charge that does not list what it bills: from here on the change counts.
fn charged() -> Vec<u8> {
    let event = json!({"id": "evt-charged", "type": "subscription.charge.completed", "live": true,
        "created": 1_789_084_801_000_i64,
        "data": {"status": "successful", "timestamp": 1_789_084_801_000_i64, "order": "ord-charged",
            "subscription": {"id": SUBSCRIPTION, "state": "active", "next": 1_819_756_800_000_i64}}});
    serde_json::to_vec(&json!({"events": [event]})).unwrap()
}

fn listed() -> Value {
    json!({"addons": [{"product": "priority-support", "quantity": 1, "sku": null}]})
}

fn of(app: &App, product: char) -> Vec<License> {
    let all = app.sandbox.licenses().into_iter();
    all.filter(|license| license.product_id.ends_with(product)).collect()
}

async fn done(app: &App, provider: devkit::sign::Provider, body: &[u8]) {
    for path in [provider.path(), "/v1"] {
        let answer = app.deliver(provider, path, body).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    }
}

#[tokio::test]
async fn an_add_on_outlives_a_switch_of_its_parent() {
    for (path, to, running) in [("pro-monthly", product(1), '1'), ("enterprise", product(2), '2')] {
        for lost in [false, true] {
            let mut app = App::start().await;
            app.cases(FASTSPRING, &["order-addon-first"]).await;
            if lost {
                app.restart();
            }
            done(&app, FASTSPRING, &updated(path, &to, listed())).await;
            done(&app, FASTSPRING, &charged()).await;
            let support = of(&app, '4');
            assert_eq!((support.len(), support[0].suspended), (1, false), "{path} {lost}");
            // Of what nobody knows how it was before, nothing is replaced.
            let kept = usize::from(lost && path == "enterprise");
            let left = app.sandbox.licenses().into_iter().filter(|license| !license.revoked);
            assert_eq!((of(&app, running).len(), left.count()), (1, 2 + kept), "{path}");
        }
    }
}

#[tokio::test]
async fn an_add_on_no_longer_listed_is_suspended_and_never_deleted() {
    for lost in [false, true] {
        let mut app = App::start().await;
        app.cases(FASTSPRING, &["order-addon-first"]).await;
        if lost {
            app.restart();
        }
        let without = updated("pro-annual", &product(1), json!({"addons": []}));
        done(&app, FASTSPRING, &without).await;
        done(&app, FASTSPRING, &charged()).await;
        // Of what nobody knows how it was before, the first description takes nothing away.
        assert_eq!(of(&app, '4')[0].suspended, !lost);
        assert_eq!(app.sandbox.licenses().len(), 2);
    }
}

#[tokio::test]
async fn an_add_on_of_an_update_is_granted_if_it_names_its_product() {
    for (attributes, status, licenses) in [
        (product(4), 200, 2),
        (json!({}), 200, 1),
        (json!({"cryptlex_product_id": PRODUCT}), 400, 1),
    ] {
        let app = App::start().await;
        let alone = edited(FASTSPRING, "order-addon-first", |batch| {
            batch["events"][0]["data"]["items"].as_array_mut().unwrap().remove(0);
        });
        done(&app, FASTSPRING, &alone).await;
        let support = json!({"product": "priority-support", "attributes": attributes});
        let more = json!({"addons": [{"product": support, "quantity": 1}]});
        let update = updated("pro-annual", &product(1), more);
        app.deliver(FASTSPRING, "/v1", &charged()).await;
        let answer = app.deliver(FASTSPRING, "/v1", &update).await;
        assert_eq!(answer.status, status, "{}", answer.body);
        assert_eq!(app.ends(), vec!["2027-09-01"; licenses]);
    }
}

#[tokio::test]
async fn an_update_of_an_unlicensed_bundle_leaves_its_members() {
    for more in [json!({}), json!({"addons": []})] {
        for lost in [false, true] {
            let mut app = App::start().await;
            app.cases(FASTSPRING, &["order-bundle-subscription"]).await;
            let before = app.licenses();
            if lost {
                app.restart();
            }
            let bundle = json!({"cryptlex_is_bundle": "true"});
            let mut more = more.clone();
            more["id"] = json!("fkxOeEPD2mwscEkRnxMYpw");
            done(&app, FASTSPRING, &updated("mega-bundle-annual", &bundle, more)).await;
            assert_eq!(app.licenses(), before, "{lost}");
        }
    }
}

#[tokio::test]
async fn an_add_on_with_a_subscription_of_its_own_pays_for_itself() {
    let app = App::start().await;
    let order = edited(FASTSPRING, "order-subscription-trial", |batch| {
        let item = &mut batch["events"][0]["data"]["items"][0];
        item["driver"] = json!({"type": "addon", "path": "another"});
        item["isAddon"] = json!(true);
    });
    let plain = App::start().await;
    plain.cases(FASTSPRING, &["order-subscription-trial"]).await;
    done(&app, FASTSPRING, &order).await;
    assert_eq!(app.ends(), plain.ends(), "the trial ends");
    // It is charged and changed as any other.
    let mut update = json(FASTSPRING, "updated-seats");
    let item = &json(FASTSPRING, "order-subscription-trial")["events"][0]["data"]["items"][0];
    let subscription = &item["subscription"];
    for (field, value) in [
        ("id", &subscription["id"]),
        ("subscription", &subscription["id"]),
        ("product", &item["product"]),
        ("attributes", &item["attributes"]),
        ("quantity", &json!(1)),
    ] {
        update["events"][0]["data"][field] = value.clone();
    }
    done(&app, FASTSPRING, &serde_json::to_vec(&update).unwrap()).await;
    assert_eq!(app.ends(), plain.ends());
}

#[tokio::test]
async fn an_add_on_listed_before_its_parent_ends_with_the_parent() {
    let early = edited(FASTSPRING, "order-addon-later", |batch| {
        let item = &mut batch["events"][0]["data"]["items"][0];
        item["attributes"]["cryptlex_license_template_id"] =
            json!("66666666-6666-4666-8666-000000000001");
    });
    let monthly = edited(FASTSPRING, "order-subscription", |batch| {
        let item = &mut batch["events"][0]["data"]["items"][0];
        item["attributes"]["cryptlex_license_template_id"] =
            json!("66666666-6666-4666-8666-000000000002");
        item["subscription"]["next"] = json!(1_790_812_800_000_i64);
    });
    for leeway in ["0", "3"] {
        let app = App::with(<_>::default(), &[("EXPIRY_LEEWAY_HOURS", leeway)]).await;
        done(&app, FASTSPRING, &early).await;
        assert_eq!(app.ends(), ["2027-09-01"]);
        done(&app, FASTSPRING, &monthly).await;
        assert_eq!(app.ends(), ["2026-10-01"; 2]);
        let ends: Vec<_> = app.sandbox.licenses().iter().map(|l| l.expires_at).collect();
        assert_eq!(ends[0], ends[1], "{leeway}");
    }
    // Somebody moved it since: then it was meant.
    let app = App::start().await;
    done(&app, FASTSPRING, &early).await;
    let url = format!("{}/v3/licenses/{}", app.sandbox.url(), app.sandbox.licenses()[0].id);
    let moved = devkit::send::client(0)
        .patch(format!("{url}/expires-at"))
        .bearer_auth(devkit::sandbox::ACCESS_TOKEN)
        .json(&json!({"expiresAt": "2027-01-01T00:00:00Z"}));
    assert!(moved.send().await.unwrap().status().is_success());
    done(&app, FASTSPRING, &monthly).await;
    assert_eq!(app.ends(), ["2026-10-01", "2027-01-01"]);
}

/// A license of the predecessor for the subscription of the corpus.
fn taken_over(app: &App, user: Option<&str>) {
    app.sandbox.insert_license(json!({
        "productId": PRODUCT, "userId": user, "expiresAt": "2027-09-01T00:00:00Z", "subscriptionInterval": "P1Y",
        "metadata": [{"key": "stripe_subscription_id", "value": "sub_1AdalPKdPqWvRn2LIFXNxh5R", "viewPermissions": []}],
    }));
}

#[tokio::test]
async fn a_subscription_of_the_predecessor_is_updated() {
    for path in ["/webhooks/stripe", "/v1", "/v2"] {
        let app = App::start().await;
        let user = app.sandbox.insert_user(json!({"email": "ada@example.com", "firstName": "Ada"}));
        taken_over(&app, Some(&user));
        for case in ["subscription-updated-past-due", "subscription-updated-active"] {
            let answer = app.deliver(STRIPE, path, &body(STRIPE, case)).await;
            assert_eq!(answer.status, 200, "{path} {case}: {}", answer.body);
        }
        assert_eq!(app.ends(), ["2027-09-01"]);
    }
}

#[tokio::test]
async fn more_seats_are_an_error_until_the_first_license_has_a_user() {
    let app = App::with(<_>::default(), &[("CRYPTLEX_MAPPINGS_QUANTITY", "total_licenses")]).await;
    taken_over(&app, None);
    let seats = body(STRIPE, "subscription-updated-seats");
    let answer = app.deliver(STRIPE, "/v1", &seats).await;
    assert_eq!(answer.status, 400);
    assert!(answer.message().contains("give one of them its user in Cryptlex"), "{}", answer.body);
    assert_eq!(app.ends(), ["2027-09-01"]);
}

/// The items of a Paddle subscription without what their products say: the price is all that there is.
fn without_products(event: &mut Value) {
    for item in event["data"]["items"].as_array_mut().unwrap() {
        item.as_object_mut().unwrap().remove("product");
    }
}

fn paddle(case: &str, edit: impl FnOnce(&mut Value)) -> Vec<u8> {
    edited(PADDLE, case, edit)
}

#[tokio::test]
async fn a_change_without_products_is_of_the_known_ones() {
    for case in ["subscription-updated-seats", "subscription-updated-fewer-seats"] {
        let whole = App::start().await;
        whole.cases(PADDLE, &["transaction-web", case]).await;
        let bare = App::start().await;
        let update = paddle(case, without_products);
        for event in [&body(PADDLE, "transaction-web"), &update, &update] {
            done(&bare, PADDLE, event).await;
        }
        assert_eq!(bare.licenses(), whole.licenses(), "{case}");
        // Told before its purchase, and after a loss of the ledger.
        let mut early = App::start().await;
        for event in [&update, &body(PADDLE, "transaction-web")] {
            done(&early, PADDLE, event).await;
        }
        assert_eq!(early.ends(), whole.ends(), "{case}");
        early.restart();
        done(&early, PADDLE, &update).await;
        assert_eq!(early.ends(), whole.ends(), "{case}");
    }
}

#[tokio::test]
async fn a_switch_back_to_the_first_price_needs_no_product() {
    let app = App::start().await;
    app.cases(PADDLE, &["transaction-web", "subscription-updated-product"]).await;
    let switched = app.licenses();
    let back = paddle("subscription-updated-seats", |event| {
        without_products(event);
        event["event_id"] = json!("evt_back");
        event["occurred_at"] = json!("2026-09-25T00:00:00Z");
        event["data"]["items"][0]["quantity"] = json!(2);
    });
    done(&app, PADDLE, &back).await;
    let first = "product 2 until 2026-10-01 for";
    let running =
        |licenses: &[String]| licenses.iter().filter(|license| license.contains(first)).count();
    assert_eq!((running(&switched), running(&app.licenses())), (0, 2), "{:?}", app.licenses());
}

#[tokio::test]
async fn an_unknown_price_without_product_waits_or_is_not_ours() {
    let other = |event: &mut Value, beside: bool| {
        without_products(event);
        let items = event["data"]["items"].as_array_mut().unwrap();
        let mut unknown = items[0].clone();
        unknown["price"]["id"] = json!("pri_unknown");
        if !beside {
            items.clear();
        }
        items.push(unknown);
    };
    for (beside, status) in [(true, 200), (false, 400)] {
        let app = App::start().await;
        app.cases(PADDLE, &["transaction-web", "subscription-updated-seats"]).await;
        let ends = app.ends();
        let update = paddle("subscription-updated-seats", |event| {
            other(event, beside);
            event["event_id"] = json!("evt_unknown");
        });
        let answer = app.deliver(PADDLE, "/v1", &update).await;
        assert_eq!(answer.status, status, "{}", answer.body);
        assert_eq!(app.ends(), ends);
        if !beside {
            let says = "pri_unknown: the change does not say which Cryptlex product it is";
            assert!(answer.message().ends_with(says), "{}", answer.body);
        }
    }
    // What nothing is known of is nobody's business here.
    let app = App::start().await;
    let update = paddle("subscription-updated-seats", without_products);
    done(&app, PADDLE, &update).await;
    assert!(app.writes().is_empty());
}

#[tokio::test]
async fn products_of_any_type_are_none_or_say_nothing() {
    for wrong in [json!("pro_1"), json!(7), json!([]), Value::Null] {
        let app = App::start().await;
        app.cases(PADDLE, &["transaction-web"]).await;
        let update = paddle("subscription-updated-seats", |event| {
            event["data"]["items"][0]["product"] = wrong;
        });
        done(&app, PADDLE, &update).await;
        assert_eq!(app.ends().len(), 5);
    }
}

#[tokio::test]
async fn a_product_that_is_replaced_ends_as_the_vendor_chose() {
    for (at_the_end, then) in [
        ("revoke", "2027-09-01 revoked"),
        ("delete", "2027-09-01 revoked"),
        ("suspend", "2027-09-01 suspended"),
        ("none", "2027-09-01"),
    ] {
        let app = App::with(<_>::default(), &[("CRYPTLEX_CANCELLATION_ACTION", at_the_end)]).await;
        app.cases(STRIPE, &["checkout-subscription", "invoice-create"]).await;
        app.cases(STRIPE, &["subscription-updated-product"; 2]).await;
        assert_eq!(app.ends(), ["2027-09-01", then], "{at_the_end}");
    }
}

/// From 1 seat to 5 and to 3 within one second: `previous_attributes` tell which came last, and the ids of the events do not.
#[tokio::test]
async fn the_last_of_two_changes_in_one_second_counts() {
    let changed = |id: &str, from: u32, to: u32| {
        edited(STRIPE, "subscription-updated-seats", |event| {
            event["id"] = json!(id);
            let data = &mut event["data"];
            data["previous_attributes"]["items"]["data"][0]["quantity"] = json!(from);
            data["previous_attributes"]["quantity"] = json!(from);
            data["object"]["items"]["data"][0]["quantity"] = json!(to);
            data["object"]["quantity"] = json!(to);
        })
    };
    let (more, fewer) = (changed("evt_z", 1, 5), changed("evt_a", 5, 3));
    for told in [[&more, &fewer], [&fewer, &more]] {
        let variables = [("CRYPTLEX_MAPPINGS_QUANTITY", "total_licenses")];
        let app = App::with(<_>::default(), &variables).await;
        app.cases(STRIPE, &["checkout-subscription", "invoice-create"]).await;
        for event in told {
            let answer = app.deliver(STRIPE, path_of(STRIPE), event).await;
            assert_eq!(answer.status, 200, "{}", answer.body);
        }
        let ends = app.ends();
        let running = ends.iter().filter(|end| !end.ends_with("suspended")).count();
        assert_eq!(running, 3, "{ends:?}");
    }
}
