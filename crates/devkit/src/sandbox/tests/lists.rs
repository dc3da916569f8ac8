//! Filters, order and pages.

use serde_json::{Value, json};

use super::{
    super::catalogue::{MONTHLY_PRODUCT, YEARLY_PRODUCT},
    Api, item, user,
};

/// Two users; license 1 is Ada's, 2 Bob's, 3 nobody's.
async fn three_licenses() -> Api {
    let api = Api::start().await;
    api.ok("POST /v3/users", user("ada@example.com")).await;
    api.ok("POST /v3/users", user("bob+x@example.com")).await;
    let sandbox = &api.sandbox;
    sandbox.insert_license(json!({
        "userId": "05e70000-0000-4000-8000-000000000001",
        "key": "KEY-A",
        "expiresAt": "2026-01-01T00:00:00Z",
        "allowedActivations": 5,
        "metadata": [item("subscription_id", "sub_1"), item("plan", "gold 2+&é")],
    }));
    sandbox.insert_license(json!({
        "user": {"id": "05e70000-0000-4000-8000-000000000002"},
        "key": "KEY-B",
        "productId": MONTHLY_PRODUCT,
        "suspended": true,
        "tags": ["vip", "eu"],
        "metadata": [item("subscription_id", "sub_12"), item("other", "sub_1")],
    }));
    sandbox.insert_license(json!({"key": "KEY-C", "revoked": true, "subscriptionInterval": ""}));
    api
}

#[tokio::test]
async fn filters_select_and_empty_filters_do_not() {
    let api = three_licenses().await;
    let by_product = format!("productId[eq]={YEARLY_PRODUCT}");
    let by_products = format!("productId[in]={YEARLY_PRODUCT},{MONTHLY_PRODUCT}");
    for (query, expect) in [
        ("", &[1, 2, 3][..]),
        (&by_product, &[1, 3]),
        (&by_products, &[1, 2, 3]),
        ("userId[eq]=05e70000-0000-4000-8000-000000000001", &[1]),
        ("userId=05e70000-0000-4000-8000-000000000002", &[2]),
        ("user.email[eq]=BOB%2Bx@example.com", &[2]),
        ("user.email%5Beq%5D=bob%2Bx%40example.com", &[2]),
        ("user.email[in]=nobody@example.com,ada@example.com", &[1]),
        ("user.email=example", &[1, 2]),
        ("key[eq]=KEY-B", &[2]),
        ("key[eq]=key-b", &[]),
        ("key[ne]=KEY-B", &[1, 3]),
        ("key[in]=KEY-A,KEY-C", &[1, 3]),
        ("key[nin]=KEY-A,KEY-C", &[2]),
        ("key[ew]=-A", &[1]),
        ("key[sw]=KEY", &[1, 2, 3]),
        ("key[nc]=A", &[2, 3]),
        ("metadata.key[eq]=subscription_id&metadata.value[eq]=sub_1", &[1]),
        ("metadata.value[eq]=sub_1", &[1, 2]),
        ("metadata.key[eq]=plan&metadata.value[eq]=gold%202%2B%26%C3%A9", &[1]),
        ("metadata.value[eq]=gold+2%2B%26%C3%A9", &[1]),
        ("suspended[eq]=true", &[2]),
        ("suspended=false", &[1, 3]),
        ("revoked[in]=true", &[3]),
        ("perpetual[eq]=true", &[3]),
        ("expired[eq]=true", &[1]),
        ("expiresAt[lt]=2026-09-15T00:00:00Z", &[1]),
        ("expiresAt[gte]=2026-09-15T00:00:00Z", &[2]),
        ("allowedActivations[gt]=1", &[1]),
        ("tags[eq]=vip", &[2]),
        ("tags[ne]=vip", &[1, 3]),
        // The trap of the real one.
        ("metadata.value[eq]=", &[1, 2, 3]),
        ("metadata.key[eq]=subscription_id&metadata.value[eq]=", &[1, 2]),
        ("key[in]=", &[1, 2, 3]),
        ("userId[eq]=", &[1, 2, 3]),
        ("nonsense[eq]=", &[1, 2, 3]),
        ("limit=&page=&sort=", &[1, 2, 3]),
    ] {
        let got = api.listed(&format!("GET /v3/licenses?{query}")).await;
        assert_eq!(got, expect, "{query}");
    }
    for (query, expect) in [
        ("", &[1, 2][..]),
        ("email[eq]=ADA@example.com", &[1]),
        ("email=ada@example.com", &[1]),
        ("email=example", &[]),
        ("email[cn]=example", &[1, 2]),
        ("email[eq]=", &[1, 2]),
        ("role[eq]=user", &[1, 2]),
    ] {
        assert_eq!(api.listed(&format!("GET /v3/users?{query}")).await, expect, "{query}");
    }
}

#[tokio::test]
async fn wrong_queries_are_refused() {
    let api = three_licenses().await;
    for (query, about) in [
        ("licenses?colour[eq]=red", "unknown filter 'colour[eq]'"),
        ("licenses?email[eq]=ada@example.com", "unknown filter 'email[eq]'"),
        ("licenses?key[regex]=x", "unknown filter 'key[regex]'"),
        ("licenses?key[gt]=x", "unknown filter 'key[gt]'"),
        ("licenses?revoked[eq]=yes", "'revoked[eq]'"),
        ("licenses?expiresAt[lt]=now", "'expiresAt[lt]'"),
        ("licenses?limit=0", "between 1 and 100"),
        ("licenses?limit=101", "between 1 and 100"),
        ("licenses?limit=ten", "between 1 and 100"),
        ("licenses?page=0", "'page'"),
        ("licenses?sort=colour", "'colour'"),
        ("users?userId[eq]=1", "'userId[eq]'"),
    ] {
        api.refused(&format!("GET /v3/{query}"), Value::Null, 400, about).await;
    }
}

#[tokio::test]
async fn lists_come_in_pages_oldest_first() {
    let api = Api::start().await;
    for number in 1..=45 {
        api.sandbox.insert_license(json!({"notes": format!("{number:02}")}));
    }
    api.sandbox.insert_license(json!({"createdAt": "2020-01-01T00:00:00Z"}));
    for (query, first, length) in [
        ("", 46, 20),
        ("?limit=100", 46, 46),
        ("?limit=10&page=1", 46, 10),
        ("?limit=10&page=2", 10, 10),
        ("?page=3", 40, 6),
        ("?limit=10&page=5", 40, 6),
        ("?limit=1&sort=-createdAt", 45, 1),
        ("?limit=1&sort=-notes", 45, 1),
        ("?limit=1&sort=key", 1, 1),
    ] {
        let got = api.listed(&format!("GET /v3/licenses{query}")).await;
        assert_eq!((got[0], got.len()), (first, length), "{query}");
    }
    assert!(api.listed("GET /v3/licenses?limit=10&page=6").await.is_empty());
    assert!(api.listed("GET /v3/licenses?page=18446744073709551615").await.is_empty());
}
