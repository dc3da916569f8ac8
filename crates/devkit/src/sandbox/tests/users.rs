//! Calls about one user.

use serde_json::{Value, json};

use super::{Api, item, user};

#[tokio::test]
async fn a_user_has_the_shape_of_the_reference() {
    let api = Api::start().await;
    let mut fields = user("Ada@Example.com");
    fields["lastName"] = json!("Lovelace");
    fields["metadata"] = json!([item("paddle_customer_id", "ctm_1")]);
    let (status, ada) = api.call("POST /v3/users", fields).await;
    assert_eq!(status, 201);
    for (pointer, expect) in [
        ("/id", json!("05e70000-0000-4000-8000-000000000001")),
        ("/createdAt", json!("2026-09-01T00:00:00.0000010Z")),
        ("/name", json!("Ada Lovelace")),
        ("/email", json!("Ada@Example.com")),
        ("/role", json!("user")),
        ("/company", Value::Null),
        ("/metadata/0/value", json!("ctm_1")),
    ] {
        assert_eq!(ada.pointer(pointer), Some(&expect), "{pointer}");
    }
    assert_eq!(ada.get("password"), None);
    let path = format!("GET /v3/users/{}", ada["id"].as_str().unwrap());
    assert_eq!(api.call(&path, Value::Null).await, (200, ada));
}

#[tokio::test]
async fn wrong_users_are_refused_by_name() {
    let api = Api::start().await;
    api.ok("POST /v3/users", user("ada@example.com")).await;
    let with = |name: &str, value: Value| {
        let mut fields = user("new@example.com");
        fields[name] = value;
        fields
    };
    for (fields, status, about) in [
        (with("email", Value::Null), 400, "'email' is required"),
        (with("email", json!("nobody")), 400, "'email'"),
        (with("email", json!("ADA@example.com")), 409, "'email'"),
        (with("firstName", json!("")), 400, "'firstName'"),
        (with("firstName", Value::Null), 400, "'firstName'"),
        (with("password", json!("1234567")), 400, "'password'"),
        (with("role", json!("king")), 400, "'role'"),
        (with("role", Value::Null), 400, "'role'"),
        (with("phone", json!("1")), 400, "unknown field 'phone'"),
    ] {
        api.refused("POST /v3/users", fields, status, about).await;
    }
    assert_eq!(api.sandbox.users().len(), 1);
}

#[tokio::test]
async fn a_patch_of_a_user_shows_in_its_licenses() {
    let api = Api::start().await;
    let ada = api.ok("POST /v3/users", user("ada@example.com")).await;
    api.ok("POST /v3/users", user("bob@example.com")).await;
    let license = api.license(json!({"userId": ada["id"]})).await;
    let path = format!("PATCH /v3/users/{}", ada["id"].as_str().unwrap());
    let changed = api.ok(&path, json!({"email": "ada@new.org", "lastName": "King"})).await;
    assert_eq!((&changed["email"], &changed["firstName"]), (&json!("ada@new.org"), &json!("Ada")));
    let shown = api.sandbox.license(&license).unwrap().user.unwrap();
    assert_eq!((shown.email.as_str(), shown.name.as_str()), ("ada@new.org", "Ada King"));
    // The old address is free again, her own is not in her way, another's is.
    api.ok("POST /v3/users", user("ada@example.com")).await;
    api.ok(&path, json!({"email": "ADA@new.org"})).await;
    for (fields, status, about) in [
        (json!({"email": "Bob@example.com"}), 409, "'email'"),
        (json!({"password": "another password"}), 400, "'password' cannot be changed"),
        (json!({"firstName": null}), 400, "'firstName'"),
    ] {
        api.refused(&path, fields, status, about).await;
    }
    api.refused("PATCH /v3/users/nobody", json!({}), 404, "nobody").await;
}
