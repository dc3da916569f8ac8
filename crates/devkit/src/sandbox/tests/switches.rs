//! Every setting does what it says.

use serde_json::{Value, json};

use super::{
    super::{
        BareFilters, ExpiryOrInterval, MetadataFilters, MetadataPatch, PatchOfFixedField,
        Precision, RenewWithoutExpiry, Verdict, catalogue::YEARLY_PRODUCT,
    },
    Api, item, product, user,
};

#[tokio::test]
async fn conflicts_and_unknown_users_have_the_set_status() {
    let api = Api::with(|settings| {
        settings.user_conflict_status = 400;
        settings.license_conflict_status = 400;
        settings.unknown_user_status = 400;
    })
    .await;
    api.ok("POST /v3/users", user("ada@example.com")).await;
    api.refused("POST /v3/users", user("ada@example.com"), 400, "'email'").await;
    let keyed = product(json!({"key": "0123456789abcdef"}));
    api.ok("POST /v3/licenses", keyed.clone()).await;
    api.refused("POST /v3/licenses", keyed, 400, "'key'").await;
    let nobody = product(json!({"userId": "05e70000-0000-4000-8000-000000000099"}));
    api.refused("POST /v3/licenses", nobody, 400, "user").await;
}

#[tokio::test]
async fn renewing_without_expiry_does_as_the_switch_says() {
    let api = Api::start().await;
    for (switch, interval, status) in [
        (RenewWithoutExpiry::Refuse400, "", 400),
        (RenewWithoutExpiry::Refuse409, "P1Y", 409),
        (RenewWithoutExpiry::AcceptUnchanged, "", 200),
    ] {
        api.sandbox.configure(|settings| settings.renew_without_expiry = switch);
        let license = json!({"subscriptionInterval": interval, "expiresAt": null});
        let id = api.sandbox.insert_license(license);
        let got = api.status(&format!("POST /v3/licenses/{id}/renew"), Value::Null).await;
        assert_eq!(got, status, "{switch:?}");
        assert_eq!(api.sandbox.license(&id).unwrap().expires_at, None);
    }
}

#[tokio::test]
async fn metadata_filters_match_one_item_or_any() {
    let api = Api::start().await;
    api.license(json!({"metadata": [item("a", "1"), item("b", "2")]})).await;
    for (switch, found) in [(MetadataFilters::SameItem, 0), (MetadataFilters::AnyItem, 1)] {
        api.sandbox.configure(|settings| settings.metadata_filters = switch);
        let query = "GET /v3/licenses?metadata.key[eq]=a&metadata.value[eq]=2";
        assert_eq!(api.listed(query).await.len(), found, "{switch:?}");
    }
}

#[tokio::test]
async fn metadata_is_merged_or_replaced_as_the_switch_says() {
    let api = Api::start().await;
    for (switch, expect) in [
        (MetadataPatch::MergeByKey, json!([["a", "1"], ["b", "3"], ["c", "4"]])),
        (MetadataPatch::Replace, json!([["b", "3"], ["c", "4"]])),
    ] {
        api.sandbox.configure(|settings| settings.metadata_patch = switch);
        let id = api.license(json!({"metadata": [item("a", "1"), item("b", "2")]})).await;
        let old = api.sandbox.license(&id).unwrap().metadata[1].id.clone();
        let patch = json!({"metadata": [item("b", "3"), item("c", "4")]});
        let license = api.ok(&format!("PATCH /v3/licenses/{id}"), patch).await;
        let items = license["metadata"].as_array().unwrap();
        let pairs: Vec<_> = items.iter().map(|it| json!([it["key"], it["value"]])).collect();
        assert_eq!(json!(pairs), expect, "{switch:?}");
        assert!(items.iter().any(|it| it["id"] == json!(old)));
    }
    api.sandbox.configure(|settings| settings.metadata_patch = MetadataPatch::MergeByKey);
    let many: Vec<_> = (0..50).map(|number| item(&format!("k{number}"), "")).collect();
    let id = api.license(json!({ "metadata": many })).await;
    let patch = json!({"metadata": [item("one more", "")]});
    api.refused(&format!("PATCH /v3/licenses/{id}"), patch, 400, "more than 50").await;
    assert_eq!(api.sandbox.license(&id).unwrap().metadata.len(), 50);
}

#[tokio::test]
async fn new_items_stay_out_of_stale_lists() {
    let api = Api::with(|settings| settings.stale_lists = 2).await;
    let id = api.license(json!({})).await;
    assert_eq!(api.status(&format!("GET /v3/licenses/{id}"), Value::Null).await, 200);
    api.ok("POST /v3/users", user("ada@example.com")).await;
    api.sandbox.insert_license(json!({}));
    for expect in [&[2][..], &[2], &[1, 2]] {
        assert_eq!(api.listed("GET /v3/licenses").await, expect);
    }
    for expect in [&[][..], &[], &[1]] {
        assert_eq!(api.listed("GET /v3/users?email[eq]=ada@example.com").await, expect);
    }
}

#[tokio::test]
async fn text_filters_match_as_the_switch_says() {
    let api = Api::with(|settings| settings.email_filter_case_sensitive = true).await;
    api.ok("POST /v3/users", user("ada@example.com")).await;
    assert!(api.listed("GET /v3/users?email[eq]=Ada@example.com").await.is_empty());
    assert_eq!(api.listed("GET /v3/users?email[eq]=ada@example.com").await, [1]);

    api.license(json!({"metadata": [item("a", "sub_12")]})).await;
    for (switch, found) in [(BareFilters::Contains, 1), (BareFilters::Exact, 0)] {
        api.sandbox.configure(|settings| settings.bare_filters = switch);
        let got = api.listed("GET /v3/licenses?metadata.value=sub_1").await;
        assert_eq!(got.len(), found, "{switch:?}");
    }
}

#[tokio::test]
async fn an_expiry_is_accepted_and_kept_as_the_switch_says() {
    let api = Api::start().await;
    let path = format!("PATCH /v3/licenses/{}/expires-at", api.license(json!({})).await);
    let precise = json!({"expiresAt": "2026-10-05T08:49:17.9361143Z"});
    for (switch, expect) in [
        (Precision::Full, "2026-10-05T08:49:17.9361143Z"),
        (Precision::Milliseconds, "2026-10-05T08:49:17.9360000Z"),
        (Precision::Seconds, "2026-10-05T08:49:17.0000000Z"),
    ] {
        api.sandbox.configure(|settings| settings.expires_at_precision = switch);
        assert_eq!(api.ok(&path, precise.clone()).await["expiresAt"], expect);
        assert_eq!(
            api.ok("POST /v3/licenses", product(precise.clone())).await["expiresAt"],
            expect
        );
    }
    api.sandbox.configure(|settings| settings.expires_at_in_past = Verdict::Refuse400);
    let past = json!({"expiresAt": "2026-08-31T00:00:00Z"});
    api.refused(&path, past.clone(), 400, "past").await;
    api.refused("POST /v3/licenses", product(past), 400, "past").await;
    api.sandbox.configure(|settings| settings.expires_at_null = Verdict::Accept);
    assert_eq!(api.ok(&path, json!({"expiresAt": null})).await["expiresAt"], Value::Null);
}

#[tokio::test]
async fn an_expiry_or_an_interval_wins_as_the_switch_says() {
    let api = Api::start().await;
    let both = json!({"subscriptionInterval": "P1M", "expiresAt": "2030-01-01T00:00:00Z"});
    for (switch, expect) in [
        (ExpiryOrInterval::Expiry, "2030-01-01T00:00:00.0000000Z"),
        (ExpiryOrInterval::Interval, "2026-10-01T00:00:00.0000000Z"),
    ] {
        api.sandbox.configure(|settings| settings.expiry_or_interval = switch);
        let license = api.ok("POST /v3/licenses", product(both.clone())).await;
        assert_eq!(license["expiresAt"], expect, "{switch:?}");
    }
}

#[tokio::test]
async fn fixed_fields_can_be_ignored_and_keys_must_fit_a_pattern() {
    let api = Api::with(|settings| {
        settings.patch_of_fixed_field = PatchOfFixedField::Ignore;
        settings.key_pattern_enforced = true;
    })
    .await;
    let path = format!("PATCH /v3/licenses/{}", api.license(json!({})).await);
    let fixed = json!({"subscriptionInterval": "P1M", "productId": "x", "notes": "n"});
    let license = api.ok(&path, fixed).await;
    assert_eq!(license["subscriptionInterval"], "P1Y");
    assert_eq!(license["productId"], YEARLY_PRODUCT);
    assert_eq!(license["notes"], "n");
    let key = json!({"key": "SANDBOX-KEY-000009"});
    api.refused(&path, key, 400, "pattern").await;
    let key = json!({"key": "ABCDEF-012345-ABCDEF-012345-ABCDEF-012345"});
    api.ok(&path, key).await;
}

#[tokio::test]
async fn page_size_and_token_follow_their_switches() {
    let api = Api::with(|settings| settings.default_page_size = 2).await;
    for _ in 0..3 {
        api.license(json!({})).await;
    }
    assert_eq!(api.listed("GET /v3/licenses").await, [1, 2]);
    api.sandbox.configure(|settings| settings.access_token = "another".to_owned());
    api.refused("GET /v3/licenses", Value::Null, 401, "token").await;
}

#[tokio::test]
async fn calls_over_the_rate_limit_have_no_effect() {
    let api = Api::with(|settings| settings.rate_limit = Some(2)).await;
    let header = |response: &reqwest::Response, name: &str| {
        let value = response.headers().get(name)?;
        Some(value.to_str().unwrap().to_owned())
    };
    for remaining in ["1", "0"] {
        let response = api.send("POST /v3/licenses", product(json!({}))).await.unwrap();
        assert_eq!(response.status(), 201);
        assert_eq!(header(&response, "x-rate-limit-limit").as_deref(), Some("5s"));
        assert_eq!(header(&response, "x-rate-limit-remaining").as_deref(), Some(remaining));
        assert!(header(&response, "x-rate-limit-reset").unwrap().starts_with("2026-09-01T00:00:0"));
    }
    let response = api.send("POST /v3/licenses", product(json!({}))).await.unwrap();
    assert_eq!(response.status(), 429);
    let secs: u32 = header(&response, "retry-after").unwrap().parse().unwrap();
    assert!((1..=5).contains(&secs));
    assert_eq!(response.json::<Value>().await.unwrap()["code"], "TOO_MANY_REQUESTS");
    assert_eq!(api.sandbox.licenses().len(), 2);
    api.sandbox.configure(|settings| settings.rate_limit = None);
    let response = api.send("GET /v3/licenses", Value::Null).await.unwrap();
    assert_eq!(header(&response, "x-rate-limit-remaining"), None);
}
