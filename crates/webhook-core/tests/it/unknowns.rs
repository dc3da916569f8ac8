//! What Cryptlex's documentation leaves open is a switch of the sandbox; our side works at every setting.

use devkit::sandbox::{
    ExpiryOrInterval, MetadataFilters, MetadataPatch, PatchOfFixedField, Precision,
    RenewWithoutExpiry, Settings, Verdict,
};
use serde_json::json;

use crate::support::{App, FASTSPRING, PADDLE, PRODUCT, STRIPE, end_of};

fn with(change: impl FnOnce(&mut Settings)) -> Settings {
    let mut settings = Settings::default();
    change(&mut settings);
    settings
}

fn every_setting() -> Vec<(&'static str, Settings)> {
    vec![
        ("a taken e-mail is 400", with(|s| s.user_conflict_status = 400)),
        ("a taken e-mail is 409", with(|s| s.user_conflict_status = 409)),
        ("a taken key is 400", with(|s| s.license_conflict_status = 400)),
        ("an unknown user is 400", with(|s| s.unknown_user_status = 400)),
        ("pages of one", with(|s| s.default_page_size = 1)),
        ("pages of ten", with(|s| s.default_page_size = 10)),
        (
            "renew without expiry is 400",
            with(|s| s.renew_without_expiry = RenewWithoutExpiry::Refuse400),
        ),
        (
            "renew without expiry is 409",
            with(|s| s.renew_without_expiry = RenewWithoutExpiry::Refuse409),
        ),
        (
            "renew without expiry is taken",
            with(|s| s.renew_without_expiry = RenewWithoutExpiry::AcceptUnchanged),
        ),
        (
            "metadata filters match one item",
            with(|s| s.metadata_filters = MetadataFilters::SameItem),
        ),
        (
            "metadata filters match any items",
            with(|s| s.metadata_filters = MetadataFilters::AnyItem),
        ),
        ("metadata is merged", with(|s| s.metadata_patch = MetadataPatch::MergeByKey)),
        ("metadata is replaced", with(|s| s.metadata_patch = MetadataPatch::Replace)),
        ("e-mails are compared by letter", with(|s| s.email_filter_case_sensitive = true)),
        ("a past expiry is taken", with(|s| s.expires_at_in_past = Verdict::Accept)),
        ("a null expiry is refused", with(|s| s.expires_at_null = Verdict::Refuse400)),
        ("expiry in seconds", with(|s| s.expires_at_precision = Precision::Seconds)),
        ("expiry in milliseconds", with(|s| s.expires_at_precision = Precision::Milliseconds)),
        ("expiry wins over interval", with(|s| s.expiry_or_interval = ExpiryOrInterval::Expiry)),
        ("interval wins over expiry", with(|s| s.expiry_or_interval = ExpiryOrInterval::Interval)),
        (
            "fixed fields are refused",
            with(|s| s.patch_of_fixed_field = PatchOfFixedField::Refuse400),
        ),
        ("stale lists", with(|s| s.stale_lists = 1)),
        ("very stale lists", with(|s| s.stale_lists = 5)),
    ]
}

/// One story per provider, each event twice.
const STORIES: [(devkit::sign::Provider, &[&str]); 4] = [
    (STRIPE, &["customer-created", "checkout-subscription", "invoice-create", "invoice-cycle"]),
    (
        FASTSPRING,
        &[
            "order-addon-first",
            "order-subscription-trial",
            "order-subscription-seats",
            "charge-completed-seats",
        ],
    ),
    (
        PADDLE,
        &["transaction-web", "customer-created", "transaction-recurring", "subscription-canceled"],
    ),
    (PADDLE, &["customer-created", "transaction-web", "transaction-charge", "subscription-paused"]),
];

#[tokio::test]
async fn every_setting_gives_the_same_licenses() {
    let mut expected = Vec::new();
    for (provider, story) in STORIES {
        let app = App::start().await;
        app.cases(provider, story).await;
        expected.push(app.licenses());
    }
    for (name, settings) in every_setting() {
        for ((provider, story), expected) in STORIES.iter().zip(&expected) {
            let app = App::with(settings.clone(), &[]).await;
            for case in *story {
                for _ in 0..2 {
                    let answer = app.case(*provider, case).await;
                    assert_eq!(answer.status, 200, "{name}, {case}: {}", answer.body);
                }
            }
            assert_eq!(&app.licenses(), expected, "{name}, {story:?}");
        }
    }
}

#[tokio::test]
async fn filters_that_match_too_much_touch_nobody_elses_license() {
    for filters in [MetadataFilters::SameItem, MetadataFilters::AnyItem] {
        let app = App::with(with(|s| s.metadata_filters = filters), &[]).await;
        app.cases(STRIPE, &["checkout-subscription"]).await;
        let subscription = "sub_1AdalPKdPqWvRn2LIFXNxh5R";
        // Key and value of the filter are on two items of another customer's license.
        let other = app.sandbox.insert_license(json!({
            "productId": PRODUCT, "expiresAt": "2027-09-01T00:00:00Z", "subscriptionInterval": "P1Y",
            "metadata": [
                {"key": "subscription_id", "value": "sub_other", "viewPermissions": []},
                {"key": "note", "value": subscription, "viewPermissions": []},
            ],
        }));
        app.cases(STRIPE, &["invoice-cycle", "subscription-deleted"]).await;
        assert_eq!(end_of(&app.sandbox.license(&other).unwrap()), "2027-09-01", "{filters:?}");
    }
}

#[tokio::test]
async fn placeholders_of_the_predecessor_are_never_looked_up() {
    let app = App::start().await;
    for key in ["stripe_subscription_id", "stripe_transaction_id", "subscription_id"] {
        for value in ["subscription_empty", "transaction_empty"] {
            app.sandbox.insert_license(json!({
                "productId": "11111111-1111-4111-8111-000000000003",
                "metadata": [{"key": key, "value": value, "viewPermissions": []}],
            }));
        }
    }
    for (field, value) in
        [("payment_intent", "transaction_empty"), ("payment_intent", ""), ("payment_intent", " ")]
    {
        let checkout = crate::support::edited(STRIPE, "checkout-payment", |event| {
            event["data"]["object"][field] = json!(value);
        });
        let answer = app.deliver(STRIPE, "/v2", &checkout).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    let own = app.licenses().into_iter().filter(|license| license.starts_with("stripe/")).count();
    assert_eq!(own, 1, "{:?}", app.licenses());
    for call in app.sandbox.calls() {
        assert!(!call.path.contains("_empty"), "{}", call.path);
        assert!(
            !call.path.contains("[eq]=&") && !call.path.ends_with("[eq]="),
            "an empty filter: {}",
            call.path
        );
    }
}

#[tokio::test]
async fn a_license_before_activation_is_renewed_without_a_call() {
    for renew in [
        RenewWithoutExpiry::Refuse400,
        RenewWithoutExpiry::Refuse409,
        RenewWithoutExpiry::AcceptUnchanged,
    ] {
        let app = App::with(with(|s| s.renew_without_expiry = renew), &[]).await;
        let order = crate::support::edited(FASTSPRING, "order-subscription", |batch| {
            let item = &mut batch["events"][0]["data"]["items"][0];
            item["attributes"]["cryptlex_license_template_id"] =
                json!("66666666-6666-4666-8666-000000000004");
        });
        assert_eq!(app.deliver(FASTSPRING, "/v1", &order).await.status, 200);
        app.cases(FASTSPRING, &["charge-completed"]).await;
        assert_eq!(app.ends(), ["never"]);
    }
}

#[tokio::test]
async fn a_user_is_found_under_any_spelling_of_their_email() {
    for case_sensitive in [false, true] {
        for (held, bought) in [
            ("Ada@Example.com", "Ada@Example.com"),
            ("ada@example.com", "Ada@Example.com"),
            ("ada@example.com", "ada@example.com"),
        ] {
            let app =
                App::with(with(|s| s.email_filter_case_sensitive = case_sensitive), &[]).await;
            app.sandbox.insert_user(json!({"email": held, "firstName": "Ada"}));
            let order = crate::support::edited(FASTSPRING, "order-plain", |batch| {
                batch["events"][0]["data"]["customer"]["email"] = json!(bought);
            });
            let answer = app.deliver(FASTSPRING, "/v1", &order).await;
            assert_eq!(
                (answer.status, app.sandbox.users().len()),
                (200, 1),
                "{held} {bought}: {}",
                answer.body
            );
        }
    }
}
