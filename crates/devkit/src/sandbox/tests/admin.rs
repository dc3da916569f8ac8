//! `/sandbox/...` and the server itself.

use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use super::{
    super::{MetadataPatch, Sandbox, Settings, catalogue::YEARLY_TEMPLATE},
    Api, product, user,
};

#[tokio::test]
async fn everything_can_be_done_over_http() {
    let api = Api::start().await;
    let clock = api.ok("PUT /sandbox/clock", json!({"now": "2027-01-31T12:00:00+01:00"})).await;
    assert_eq!(clock, json!({"now": "2027-01-31T11:00:00.0000000Z"}));
    assert_eq!(api.ok("GET /sandbox/clock", Value::Null).await, clock);
    assert_eq!(api.sandbox.now(), "2027-01-31T11:00:00Z".parse().unwrap());
    api.ok("POST /v3/users", user("ada@example.com")).await;
    api.license(json!({})).await;
    let state = api.ok("GET /sandbox/state", Value::Null).await;
    assert_eq!(state["licenses"][0]["expiresAt"], "2028-01-31T11:00:00.0000000Z");
    assert_eq!(state["users"][0]["email"], "ada@example.com");

    let calls = api.ok("GET /sandbox/calls", Value::Null).await;
    assert_eq!(calls[1]["path"], "/v3/licenses");
    assert_eq!(calls.as_array().unwrap().len(), 2);
    assert_eq!(api.status("DELETE /sandbox/calls", Value::Null).await, 204);
    assert_eq!(api.ok("GET /sandbox/calls", Value::Null).await, json!([]));

    let patch = json!({"metadataPatch": "replace", "rateLimit": 50});
    let settings = api.ok("PATCH /sandbox/settings", patch).await;
    assert_eq!(api.ok("GET /sandbox/settings", Value::Null).await, settings);
    assert_eq!(settings["userConflictStatus"], 409);
    assert_eq!(api.sandbox.settings().metadata_patch, MetadataPatch::Replace);
    for wrong in [json!({"metadataPatch": "guess"}), json!({"colour": "red"}), json!([])] {
        assert_eq!(api.status("PATCH /sandbox/settings", wrong).await, 400);
    }

    let fault = json!({"matches": {"method": "POST"}, "kind": "late"});
    let several = json!([fault, {"times": 2, "kind": {"delay": {"ms": 1}}}]);
    assert_eq!(api.ok("POST /sandbox/faults", fault).await, json!({"left": 1}));
    assert_eq!(api.ok("POST /sandbox/faults", several).await, json!({"left": 4}));
    api.send("POST /v3/licenses", product(json!({}))).await.unwrap_err();
    assert_eq!(api.status("DELETE /sandbox/faults", Value::Null).await, 204);
    assert_eq!(api.sandbox.faults_left(), 0);
    assert_eq!(api.ok("POST /sandbox/late", Value::Null).await, json!({"released": 1}));
    assert_eq!(api.sandbox.licenses().len(), 2);
    for (call, wrong) in [
        ("POST /sandbox/faults", json!({"kind": "earthquake"})),
        ("PUT /sandbox/clock", json!({"now": "noon"})),
        ("PUT /sandbox/clock", Value::Null),
    ] {
        assert_eq!(api.status(call, wrong).await, 400, "{call}");
    }

    assert_eq!(api.status("POST /sandbox/reset", Value::Null).await, 204);
    assert!(api.sandbox.licenses().is_empty() && api.sandbox.users().is_empty());
    assert_eq!(api.sandbox.now(), "2026-09-01T00:00:00Z".parse().unwrap());
    assert_eq!(api.sandbox.settings().rate_limit, None);
}

#[tokio::test]
async fn the_clock_shows_only_years_that_answers_can_show() {
    let api = Api::start().await;
    for (now, status) in [
        ("-000001-01-01T00:00:00Z", 400),
        ("0000-12-31T23:59:59Z", 400),
        ("0001-01-01T00:00:00Z", 200),
        ("+010000-01-01T00:00:00Z", 400),
        ("9999-12-30T22:00:00.9999999Z", 200),
    ] {
        assert_eq!(api.status("PUT /sandbox/clock", json!({ "now": now })).await, status, "{now}");
        // Nothing that is reckoned from it lies beyond.
        let limit = json!({ "rateLimit": 50, "latencyMs": 0 });
        assert_eq!(api.status("PATCH /sandbox/settings", limit).await, 200);
        let late =
            json!({ "kind": { "throttle": { "retryAfterSecs": u32::MAX, "asDate": true } } });
        assert_eq!(api.status("POST /sandbox/faults", late).await, 200);
        assert_eq!(api.status("GET /v3/users", Value::Null).await, 429, "{now}");
        let made = api.status("POST /v3/users", user(&format!("{status}{now}@example.com"))).await;
        assert!(matches!(made, 200 | 201 | 400), "{now}: {made}");
        api.status("POST /v3/licenses", product(json!({}))).await;
        assert_eq!(api.send("GET /", Value::Null).await.unwrap().status(), 200, "{now}");
    }
}

#[tokio::test]
async fn seeds_are_taken_as_they_are() {
    let api = Api::start().await;
    let ada = api.sandbox.insert_user(json!({"email": "ada@example.com", "id": "ada"}));
    api.sandbox.insert_product("product", YEARLY_TEMPLATE);
    let id = api.sandbox.insert_license(json!({
        "id": "mine",
        "key": "short",
        "productId": "product",
        "user": {"id": ada},
        "createdAt": "2020-01-01T00:00:00Z",
        "expiresAt": "2021-01-01T00:00:00Z",
        "suspended": true,
    }));
    assert_eq!(id, "mine");
    let license = api.ok("GET /v3/licenses/mine", Value::Null).await;
    assert_eq!(license["user"]["email"], "ada@example.com");
    assert_eq!(license["createdAt"], "2020-01-01T00:00:00.0000000Z");
    assert_eq!(license["suspended"], true);
    // What one sandbox shows another can be seeded with.
    let other = Api::start().await;
    other.sandbox.insert_user(json!(api.sandbox.users()[0]));
    other.sandbox.insert_license(license);
    let (copy, original) = (other.sandbox.licenses(), api.sandbox.licenses());
    assert_eq!(copy[0].expires_at, original[0].expires_at);
    assert_eq!(copy[0].user, original[0].user);
}

#[tokio::test]
async fn a_dropped_sandbox_stops_and_frees_its_port() {
    let first = Api::start().await;
    let addr = first.sandbox.url().trim_start_matches("http://").parse().unwrap();
    first.ok("GET /v3/licenses", Value::Null).await;
    assert!(Sandbox::start_on(addr, Settings::default()).await.is_err());
    let Api { sandbox, http } = first;
    drop(sandbox);
    let url = format!("http://{addr}/v3/licenses");
    let answers = async { while http.get(&url).send().await.is_ok() {} };
    tokio::time::timeout(std::time::Duration::from_secs(10), answers).await.unwrap();
}

#[tokio::test]
async fn a_deserted_sandbox_carries_out_nothing_more() {
    let api = Api::start().await;
    api.sandbox.deserted().await.unwrap();
    let body = product(json!({})).to_string();
    let head =
        "POST /v3/licenses HTTP/1.1\r\nhost: sandbox\r\nauthorization: Bearer sandbox-token\r\n";
    let call = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
    let addr = api.sandbox.url().trim_start_matches("http://").to_owned();
    // These connections may not even be accepted when their client is gone; it takes back what nobody has read.
    for _ in 0..20 {
        let mut client = TcpStream::connect(&addr).await.unwrap();
        client.write_all(call.as_bytes()).await.unwrap();
    }
    api.sandbox.deserted().await.unwrap();
    let made = api.sandbox.licenses().len();
    api.listed("GET /v3/licenses").await;
    assert_eq!(api.sandbox.licenses().len(), made);

    let staying = TcpStream::connect(&addr).await.unwrap();
    let early = tokio::select! {
        biased;
        _ = api.sandbox.deserted() => true,
        _ = api.listed("GET /v3/licenses") => false,
    };
    assert!(!early);
    drop((staying, api.http));
    api.sandbox.deserted().await.unwrap();
}
