//! Calls about one license.

use serde_json::{Value, json};

use super::{
    super::{StartTrigger, Template, catalogue::*},
    Api, item, product, user,
};

const NOBODY: &str = "05e70000-0000-4000-8000-000000000099";

#[tokio::test]
async fn a_license_has_the_shape_of_the_reference() {
    let api = Api::start().await;
    let ada = api.ok("POST /v3/users", user("ada@example.com")).await;
    let fields = json!({
        "productId": YEARLY_PRODUCT,
        "licenseTemplateId": MONTHLY_TEMPLATE,
        "userId": ada["id"],
        "entitlementSetId": null,
        "maxAllowedReleaseVersion": "2.1",
        "allowClientLeaseDuration": true,
        "metadata": [item("subscription_id", "sub_1")],
    });
    let (status, license) = api.call("POST /v3/licenses", fields).await;
    assert_eq!(status, 201);
    for (pointer, expect) in [
        ("/id", json!("11ce05e0-0000-4000-8000-000000000001")),
        ("/key", json!("SANDBOX-KEY-000001")),
        ("/createdAt", json!("2026-09-01T00:00:00.0000010Z")),
        ("/updatedAt", json!("2026-09-01T00:00:00.0000010Z")),
        ("/expiresAt", json!("2026-10-01T00:00:00.0000000Z")),
        ("/subscriptionInterval", json!("P1M")),
        ("/subscriptionStartTrigger", json!("creation")),
        ("/perpetual", json!(false)),
        ("/suspended", json!(false)),
        ("/revoked", json!(false)),
        ("/allowedActivations", json!(1)),
        ("/allowClientLeaseDuration", json!(true)),
        ("/maxAllowedReleaseVersion", json!("2.1")),
        ("/productId", json!(YEARLY_PRODUCT)),
        ("/user/id", ada["id"].clone()),
        ("/user/email", json!("ada@example.com")),
        ("/metadata/0/id", json!("0e7ada7a-0000-4000-8000-000000000001")),
        ("/metadata/0/key", json!("subscription_id")),
        ("/metadata/0/value", json!("sub_1")),
        ("/metadata/0/viewPermissions", json!([])),
        ("/metadata/0/createdAt", json!("2026-09-01T00:00:00.0000000Z")),
    ] {
        assert_eq!(license.pointer(pointer), Some(&expect), "{pointer}");
    }
    assert_eq!(license.get("userId"), None);
    assert_eq!(license.get("templateId"), None);
    let path = format!("/v3/licenses/{}", license["id"].as_str().unwrap());
    assert_eq!(api.call(&format!("GET {path}"), Value::Null).await, (200, license));
    assert_eq!(api.sandbox.licenses()[0].template_id.as_deref(), Some(MONTHLY_TEMPLATE));
}

#[tokio::test]
async fn interval_and_trigger_decide_the_first_expiry() {
    let api = Api::start().await;
    for (fields, interval, expires_at) in [
        (json!({}), "P1Y", Some("2027-09-01T00:00:00.0000000Z")),
        (json!({"subscriptionInterval": null}), "P1Y", Some("2027-09-01T00:00:00.0000000Z")),
        (json!({"subscriptionInterval": ""}), "", None),
        (json!({"subscriptionInterval": "P30D"}), "P30D", Some("2026-10-01T00:00:00.0000000Z")),
        (json!({"productId": MONTHLY_PRODUCT}), "P1M", Some("2026-10-01T00:00:00.0000000Z")),
        (json!({"productId": PERPETUAL_PRODUCT}), "", None),
        (
            json!({"productId": PERPETUAL_PRODUCT, "subscriptionInterval": "P1M"}),
            "P1M",
            Some("2026-10-01T00:00:00.0000000Z"),
        ),
        (json!({"licenseTemplateId": YEARLY_ON_ACTIVATION_TEMPLATE}), "P1Y", None),
        (json!({"subscriptionStartTrigger": "activation"}), "P1Y", None),
        (
            json!({"expiresAt": "2026-12-24T18:00:00+01:00"}),
            "P1Y",
            Some("2026-12-24T17:00:00.0000000Z"),
        ),
        (json!({"createdAt": "2024-02-29T00:00:00Z"}), "P1Y", Some("2025-02-28T00:00:00.0000000Z")),
    ] {
        let license = api.ok("POST /v3/licenses", product(fields.clone())).await;
        assert_eq!(license["subscriptionInterval"], interval, "{fields}");
        assert_eq!(license["expiresAt"].as_str(), expires_at, "{fields}");
        assert_eq!(license["perpetual"], interval.is_empty() && expires_at.is_none(), "{fields}");
    }
}

#[tokio::test]
async fn wrong_licenses_are_refused_by_name() {
    let api = Api::start().await;
    let mut strict = Template::new("t", "Strict", "P1Y", Some(StartTrigger::Creation));
    strict.id = "66666666-6666-4666-8666-000000000009".to_owned();
    strict.required_metadata_keys = vec!["order_id".to_owned()];
    let strict_id = strict.id.clone();
    api.sandbox.insert_template(strict);
    api.license(json!({"key": "0123456789abcdef"})).await;
    let unknown = "99999999-9999-4999-8999-999999999999";
    for (fields, status, about) in [
        (json!({"productId": null}), 400, "'productId' is required"),
        (json!({"productId": unknown}), 400, "'productId': no product"),
        (json!({"licenseTemplateId": unknown}), 400, "'licenseTemplateId': no template"),
        (json!({"licenseTemplateId": strict_id}), 400, "'order_id'"),
        (json!({"userId": NOBODY}), 404, "user"),
        (json!({"userId": ""}), 400, "'userId'"),
        (json!({"userEmails": []}), 400, "unknown field 'userEmails'"),
        (json!({"organizationId": unknown}), 400, "'organizationId'"),
        (json!({"key": "0123456789abcde"}), 400, "'key'"),
        (json!({"key": "0123456789abcdef"}), 409, "'key'"),
        (json!({"allowedActivations": "3"}), 400, "'allowedActivations'"),
        (json!({"entitlementSetId": "set"}), 400, "'entitlementSetId'"),
        (json!({"maxAllowedReleaseVersion": "1"}), 400, "'maxAllowedReleaseVersion'"),
        (json!({"subscriptionInterval": "monthly"}), 400, "'subscriptionInterval'"),
        (json!({"subscriptionInterval": "P9000Y"}), 400, "calendar"),
        (json!({"subscriptionStartTrigger": "purchase"}), 400, "'subscriptionStartTrigger'"),
        (json!({"metadata": [{"key": "a", "value": 1}]}), 400, "'metadata'"),
    ] {
        api.refused("POST /v3/licenses", product(fields), status, about).await;
    }
    api.refused("POST /v3/licenses", json!([]), 400, "not a JSON object").await;
    api.refused("POST /v3/licenses", Value::Null, 400, "not JSON").await;
    assert_eq!(api.sandbox.licenses().len(), 1);
    let fields = json!({"licenseTemplateId": strict_id, "metadata": [item("order_id", "1")]});
    api.license(fields).await;
}

#[tokio::test]
async fn a_patch_changes_what_it_names_and_nothing_else() {
    let api = Api::start().await;
    let ada = api.ok("POST /v3/users", user("ada@example.com")).await;
    let set = "22222222-2222-4222-8222-000000000001";
    let id = api.license(json!({"userId": ada["id"], "metadata": [item("a", "1")]})).await;
    let taken = api.license(json!({"key": "taken-taken-taken"})).await;
    let path = format!("PATCH /v3/licenses/{id}");
    api.sandbox.set_now("2026-09-02T00:00:00Z".parse().unwrap());
    let before = json!(api.sandbox.license(&id));
    let changed = api.ok(&path, json!({"suspended": true, "entitlementSetId": set})).await;
    for (name, value) in before.as_object().unwrap() {
        let expect = match name.as_str() {
            "suspended" => json!(true),
            "entitlementSetId" => json!(set),
            "updatedAt" => json!("2026-09-02T00:00:00.0000000Z"),
            _ => value.clone(),
        };
        assert_eq!(changed[name], expect, "{name}");
    }
    let cleared = api.ok(&path, json!({"userId": null, "entitlementSetId": null})).await;
    assert_eq!((&cleared["user"], &cleared["entitlementSetId"]), (&Value::Null, &Value::Null));
    assert_eq!(api.ok(&path, json!({"key": "free-free-free-free"})).await["id"], json!(id));
    assert_eq!(api.ok(&path, json!({"key": "free-free-free-free"})).await["id"], json!(id));

    for (fields, status, about) in [
        (json!({"productId": YEARLY_PRODUCT}), 400, "'productId' cannot be changed"),
        (json!({"licenseTemplateId": YEARLY_TEMPLATE}), 400, "'licenseTemplateId'"),
        (json!({"createdAt": "2026-01-01T00:00:00Z"}), 400, "'createdAt'"),
        (json!({"expiresAt": "2027-01-01T00:00:00Z"}), 400, "'expiresAt'"),
        (json!({"subscriptionInterval": "P1M"}), 400, "'subscriptionInterval'"),
        (json!({"suspended": null}), 400, "'suspended'"),
        (json!({"colour": "red"}), 400, "'colour'"),
        (json!({"key": "taken-taken-taken"}), 409, "'key'"),
        (json!({"userId": NOBODY}), 404, "user"),
    ] {
        api.refused(&path, fields, status, about).await;
    }
    assert_eq!(api.sandbox.license(&taken).unwrap().key, "taken-taken-taken");
}

#[tokio::test]
async fn renewing_adds_an_interval_to_the_expiry_each_time() {
    let api = Api::start().await;
    let posted = json!({"productId": MONTHLY_PRODUCT, "expiresAt": "2020-01-31T12:00:00Z"});
    let path = format!("POST /v3/licenses/{}/renew", api.license(posted).await);
    for (body, expect) in
        [(Value::Null, "2020-02-29T12:00:00.0000000Z"), (json!({}), "2020-03-29T12:00:00.0000000Z")]
    {
        let (status, license) = api.call(&path, body).await;
        assert_eq!((status, license["expiresAt"].as_str()), (200, Some(expect)));
    }
    api.refused(&path, json!({"months": 2}), 400, "renew").await;
}

#[tokio::test]
async fn expires_at_is_absolute() {
    let api = Api::start().await;
    let path = format!("PATCH /v3/licenses/{}/expires-at", api.license(json!({})).await);
    for (posted, expect) in [
        ("2026-10-05T08:49:17.936114Z", "2026-10-05T08:49:17.9361140Z"),
        ("2026-10-05T08:49:17.936114Z", "2026-10-05T08:49:17.9361140Z"),
        ("2019-01-01T00:00:00.123456789+00:00", "2019-01-01T00:00:00.1234567Z"),
    ] {
        let (status, license) = api.call(&path, json!({"expiresAt": posted})).await;
        assert_eq!((status, license["expiresAt"].as_str()), (200, Some(expect)));
    }
    for body in [json!({}), json!({"expiresAt": null}), json!({"expiresAt": "tomorrow"})] {
        api.refused(&path, body, 400, "'expiresAt'").await;
    }
    api.refused(&path, json!({"expiresAt": "2026-10-05T00:00:00Z", "x": 1}), 400, "'x'").await;
}

#[tokio::test]
async fn a_deleted_license_is_gone() {
    let api = Api::start().await;
    let id = api.license(json!({"key": "0123456789abcdef"})).await;
    let path = format!("/v3/licenses/{id}");
    assert_eq!(api.call(&format!("DELETE {path}"), Value::Null).await, (204, Value::Null));
    for call in [
        format!("DELETE {path}"),
        format!("GET {path}"),
        format!("PATCH {path}"),
        format!("POST {path}/renew"),
        format!("PATCH {path}/expires-at"),
    ] {
        api.refused(&call, json!({}), 404, &id).await;
    }
    // Its key is free again.
    api.license(json!({"key": "0123456789abcdef"})).await;
}
