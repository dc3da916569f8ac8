//! The page for people, over HTTP.

use reqwest::{StatusCode, header::HeaderMap};
use serde_json::{Value, json};

use super::{
    super::{Announcement, Sandbox, Settings, catalogue::*},
    Api, user,
};

impl Api {
    async fn page_with(&self, headers: &[(&str, &str)]) -> (StatusCode, HeaderMap, String) {
        let mut request = self.http.get(format!("{}/", self.sandbox.url()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status(), answer.headers().clone());
        (status, headers, answer.text().await.unwrap())
    }

    async fn page(&self) -> String {
        let (status, _, html) = self.page_with(&[]).await;
        assert_eq!(status, 200);
        html
    }

    fn begin(&self, event: &str, about: Option<&str>) -> u64 {
        let about = about.map(str::to_owned);
        self.sandbox.begin_delivery(Announcement { event: event.to_owned(), about })
    }

    async fn ask(&self, path: &str) {
        self.status(&format!("GET /v3/{path}"), Value::Null).await;
    }
}

/// The rows of a table, without tags: cells are separated by `|`, rows are lines.
fn rows(html: &str, live: &str) -> String {
    let (_, part) = html.split_once(&format!("data-live=\"{live}\">")).expect(live);
    let end = if live == "log" { "</table>" } else { "</tbody>" };
    let (part, _) = part.split_once(end).expect("it ends");
    let mut rows = Vec::new();
    for row in part.split("<tr").skip(1) {
        let (_, row) = row.split_once('>').expect("a tag ends");
        let row = row.replace("</td><td", "|<td").replace("</td>\n<td", "|<td");
        let (mut text, mut inside) = (String::new(), true);
        for letter in row.replace("><", "> <").chars() {
            match letter {
                '<' => inside = false,
                '>' => inside = true,
                _ if inside => text.push(letter),
                _ => {}
            }
        }
        let cells =
            text.split('|').map(|cell| cell.split_whitespace().collect::<Vec<_>>().join(" "));
        rows.push(cells.collect::<Vec<_>>().join(" | "));
    }
    rows.join("\n")
}

#[tokio::test]
async fn an_empty_sandbox_says_so() {
    let html = Api::start().await.page().await;
    assert_eq!(rows(&html, "licenses"), "No licenses yet");
    assert_eq!(rows(&html, "customers"), "No customers yet");
    assert!(rows(&html, "log").ends_with("No calls yet"));
    assert!(html.contains(r#"<span id="summary" role="status">No licenses yet</span>"#));
    assert!(html.contains(r#"<span id="clock">2026-09-01</span>"#));
}

#[tokio::test]
async fn licenses_show_product_customer_end_and_status_newest_first() {
    let api = Api::start().await;
    let ada = api.ok("POST /v3/users", user("ada@example.com")).await;
    let seed = |key: &str, more: Value| {
        let mut license = json!({ "id": key, "key": key, "productId": YEARLY_PRODUCT });
        license.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        api.sandbox.insert_license(license);
    };
    seed("k1", json!({ "user": ada, "expiresAt": "2027-09-01T00:00:00Z" }));
    seed("k2", json!({ "suspended": true, "expiresAt": "2026-08-01T12:30:00Z" }));
    seed("k3", json!({ "revoked": true, "suspended": true, "productId": MONTHLY_PRODUCT }));
    seed("k4", json!({ "expiresAt": "2026-09-01T00:00:00Z", "productId": "of nobody" }));
    seed("k5", json!({ "expiresAt": null, "productId": PERPETUAL_PRODUCT }));
    let on_activation = json!({
        "licenseTemplateId": YEARLY_ON_ACTIVATION_TEMPLATE, "productId": YEARLY_PRODUCT, "key": "k6",
    });
    seed("k6", on_activation);

    let html = api.page().await;
    let ends = rows(&html, "licenses");
    let ends: Vec<&str> = ends.lines().collect();
    assert_eq!(
        ends,
        [
            "yearly k6 | nobody | set on activation | active",
            "lifetime k5 | nobody | never | active",
            "of nobody k4 | nobody | 2026-09-01 | expired",
            "monthly k3 | nobody | 2026-10-01 | revoked",
            "yearly k2 | nobody | 2026-08-01 12:30 | suspended",
            "yearly k1 | Ada ada@example.com | 2027-09-01 | active",
        ]
    );
    assert_eq!(rows(&html, "customers"), "Ada | ada@example.com | 1");
    assert!(html.contains(">6 licenses: 3 active, 1 suspended, 1 revoked, 1 expired<"));

    api.sandbox.set_now("2028-01-01T00:00:00Z".parse().unwrap());
    let html = api.page().await;
    assert!(rows(&html, "licenses").ends_with("| 2027-09-01 | expired"));
    assert!(html.contains(r#"<span id="clock">2028-01-01</span>"#));
}

#[tokio::test]
async fn calls_show_their_event_newest_first() {
    let api = Api::start().await;
    api.ask("before").await;
    let checkout = api.begin("stripe checkout", Some("Ada buys a year"));
    api.ask("users/1").await;
    api.ask("users/2").await;
    api.sandbox.end_delivery(checkout, Some(200));
    let again = api.begin("stripe checkout", None);
    api.sandbox.end_delivery(again, Some(200));
    api.ask("between").await;
    let (first, second) = (api.begin("stripe a", None), api.begin("stripe b", None));
    api.ask("whose").await;
    api.sandbox.end_delivery(second, None);
    api.sandbox.end_delivery(first, Some(503));
    let log = rows(&api.page().await, "log");
    let log: Vec<&str> = log.lines().collect();
    assert_eq!(
        log,
        [
            "Call Answer",
            "GET /v3/whose | 404",
            "stripe b · 2026-09-01 · not answered",
            "stripe a · 2026-09-01 · answered 503",
            "GET /v3/between | 404",
            "stripe checkout · 2026-09-01 · answered 200 · no call was needed",
            "Ada buys a year stripe checkout · 2026-09-01 · answered 200",
            "GET /v3/users/2 | 404",
            "GET /v3/users/1 | 404",
            "GET /v3/before | 404",
        ]
    );
    assert_eq!(api.status("DELETE /sandbox/calls", Value::Null).await, 204);
    assert!(rows(&api.page().await, "log").ends_with("No calls yet"));
}

#[tokio::test]
async fn groups_of_interleaved_events_have_keys_of_their_own() {
    let api = Api::start().await;
    let (first, second) = (api.begin("stripe a", None), api.begin("stripe b", None));
    api.sandbox.end_delivery(second, Some(200));
    api.ask("users/1").await;
    let third = api.begin("stripe c", None);
    api.ask("users/2").await;
    api.sandbox.end_delivery(third, Some(200));
    api.ask("users/3").await;
    api.sandbox.end_delivery(first, Some(200));
    api.ask("users/4").await;
    let html = api.page().await;
    let keys: Vec<&str> = html
        .split("<tbody data-key=\"")
        .skip(1)
        .map(|part| part.split_once('"').expect("an attribute ends").0)
        .collect();
    let keys: Vec<&str> = keys.into_iter().filter(|key| *key != "none").collect();
    let newest_first = ["call-3", "call-2", "call-1", "event-3", "call-0", "event-2", "event-1"];
    assert_eq!(keys, newest_first);
}

#[tokio::test]
async fn events_are_announced_over_http() {
    let api = Api::start().await;
    let announced = json!({ "event": "paddle transaction-web", "about": "a purchase" });
    let id = api.ok("POST /sandbox/deliveries", announced).await["id"].clone();
    api.ask("users/1").await;
    let calls = api.ok("GET /sandbox/calls", Value::Null).await;
    assert_eq!(calls[0]["during"], id);
    let end = format!("PUT /sandbox/deliveries/{id}");
    assert_eq!(api.status(&end, json!({ "answered": 200 })).await, 204);
    assert_eq!(api.status(&end, json!({ "answered": 200 })).await, 404);
    api.ask("users/1").await;
    let calls = api.ok("GET /sandbox/calls", Value::Null).await;
    assert_eq!(calls[1].get("during"), None);
    let deliveries = api.ok("GET /sandbox/deliveries", Value::Null).await;
    assert_eq!(
        deliveries,
        json!([{
            "id": 1, "event": "paddle transaction-web", "about": "a purchase",
            "at": "2026-09-01T00:00:00.0000000Z", "answered": 200, "over": true,
        }])
    );
    for wrong in [json!({}), json!({ "event": 1 }), json!({ "event": "x", "why": "y" })] {
        assert_eq!(api.status("POST /sandbox/deliveries", wrong).await, 400);
    }
}

#[tokio::test]
async fn announcements_and_bodies_that_are_too_long_are_refused() {
    let api = Api::start().await;
    let announce = "POST /sandbox/deliveries";
    for (length, status) in [(1_000, 200), (1_001, 400), (70_000, 413)] {
        let text = "é".repeat(length);
        for long in [json!({ "event": text }), json!({ "event": "x", "about": text })] {
            assert_eq!(api.status(announce, long).await, status, "{length}");
        }
    }
    assert_eq!(api.sandbox.deliveries().len(), 2);
    // The API itself takes what Cryptlex takes.
    assert_eq!(api.status("POST /v3/users", json!({ "x": "y".repeat(70_000) })).await, 400);
}

#[tokio::test]
async fn an_event_is_not_said_to_need_no_call_if_calls_were_cleared() {
    let api = Api::start().await;
    for (calls, claimed) in [(1, false), (0, true)] {
        let id = api.begin("stripe a", None);
        for _ in 0..calls {
            api.ask("users/1").await;
        }
        assert_eq!(api.status("DELETE /sandbox/calls", Value::Null).await, 204);
        api.sandbox.end_delivery(id, Some(200));
        let html = api.page().await;
        assert!(html.contains("stripe a"));
        assert_eq!(html.contains("no call was needed"), claimed, "{calls}");
        assert_eq!(api.status("DELETE /sandbox/calls", Value::Null).await, 204);
    }
}

#[tokio::test]
async fn a_delivery_from_before_a_reset_ends_no_other_one() {
    let api = Api::start().await;
    let before = api.begin("stripe a", None);
    assert_eq!(api.status("POST /sandbox/reset", Value::Null).await, 204);
    let after = api.begin("stripe b", None);
    let end = format!("PUT /sandbox/deliveries/{before}");
    assert_eq!(api.status(&end, json!({ "answered": 200 })).await, 404);
    assert!(api.sandbox.end_delivery(after, Some(200)));
}

#[tokio::test]
async fn hostile_text_is_shown_as_isolated_text() {
    let api = Api::start().await;
    let hostile = "<script>alert(1)</script>\"'&\u{202e}tfel";
    let escaped = "&#60;script&#62;alert(1)&#60;/script&#62;&#34;&#39;&#38;\u{202e}tfel";
    let id = api.sandbox.insert_user(json!({ "firstName": hostile, "email": hostile }));
    api.sandbox.insert_license(json!({
        "id": hostile, "key": hostile, "productId": hostile, "user": { "id": id },
    }));
    api.begin(hostile, Some(hostile));
    api.ask("users/%3Cscript%3Ealert(1)%3C%2Fscript%3E%22'%26%E2%80%AEtfel").await;
    let html = api.page().await;
    // Product, key, name and e-mail of the license; name and e-mail of the customer; both texts of the event; the path.
    assert_eq!(html.matches(escaped).count(), 4 + 2 + 2 + 1 + 1);
    assert_eq!(html.matches(&format!("data-key=\"{escaped}\"")).count(), 1);
    for part in html.split(escaped).take(html.matches(escaped).count()) {
        let tag = &part[part.rfind('<').unwrap()..];
        assert!(tag.starts_with("<bdi") || tag.ends_with("data-key=\""), "{tag}");
    }
    assert!(!html.contains("<script>alert"));
    assert!(!html.contains(hostile));
}

#[tokio::test]
async fn the_page_stays_short_with_thousands_of_rows() {
    let api = Api::start().await;
    let long = "x".repeat(10_000);
    for number in 0..3_000 {
        let id = api.sandbox.insert_user(json!({ "firstName": long, "email": number.to_string() }));
        let key = format!("{number} {long}");
        let license = json!({ "key": key, "productId": YEARLY_PRODUCT, "user": { "id": id } });
        api.sandbox.insert_license(license);
        let delivery = api.begin(&long, None);
        api.sandbox.end_delivery(delivery, Some(200));
    }
    for _ in 0..150 {
        api.ask(&format!("users/{long}")).await;
    }
    let html = api.page().await;
    assert!(html.len() < 250_000, "{}", html.len());
    for live in ["licenses", "customers"] {
        let rows = rows(&html, live);
        assert_eq!(rows.lines().count(), 101);
        assert!(rows.ends_with("\nand 2900 more"));
    }
    assert!(rows(&html, "licenses").starts_with("yearly 2999 xxx"));
    assert!(html.contains(&format!("<bdi>{}…</bdi>", "x".repeat(120))));
    assert!(rows(&html, "log").ends_with("\nand 50 more"));
    assert!(html.contains(">3000 licenses: 3000 active<"));
}

#[tokio::test]
async fn only_the_page_itself_may_run_or_be_asked() {
    let (_, headers, html) = Api::start().await.page_with(&[]).await;
    assert_eq!(headers["content-type"], "text/html; charset=utf-8");
    assert_eq!(headers["cache-control"], "no-store");
    assert_eq!(headers["x-content-type-options"], "nosniff");
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains('*') && !policy.contains("http"));
    for kept_out in ["base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"] {
        assert!(policy.contains(kept_out), "{policy}");
    }
    // Nothing is fetched from anywhere, and no attribute runs.
    for outside in ["src=", "https://", "@import", "url(", "onclick", "style=\"", "javascript:"] {
        assert!(!html.contains(outside), "{outside}");
    }
}

#[tokio::test]
async fn the_page_is_sent_again_only_when_it_changed() {
    let api = Api::start().await;
    let (_, headers, _) = api.page_with(&[]).await;
    let tag = headers["etag"].to_str().unwrap().to_owned();
    let (status, headers, html) = api.page_with(&[("if-none-match", &tag)]).await;
    assert_eq!(
        (status.as_u16(), headers["etag"].to_str().unwrap(), html.as_str()),
        (304, &*tag, "")
    );

    api.sandbox.insert_user(json!({ "firstName": "Ada", "email": "ada@example.com" }));
    let (status, headers, html) = api.page_with(&[("if-none-match", &tag)]).await;
    assert_eq!(status, 200);
    assert_ne!(headers["etag"], tag.as_str());
    assert!(html.contains("ada@example.com"));
    // Looking is no call of the API.
    assert!(api.sandbox.calls().is_empty());
}

#[tokio::test]
async fn other_web_pages_neither_look_nor_change_anything() {
    let api = Api::start().await;
    for headers in [[("host", "shop.example.com")], [("origin", "https://shop.example.com")]] {
        let (status, _, html) = api.page_with(&headers).await;
        assert_eq!(status, 421, "{headers:?}");
        assert!(html.contains("FOREIGN_ORIGIN"), "{html}");
        let reset = api.http.post(format!("{}/sandbox/reset", api.sandbox.url()));
        let [(name, value)] = headers;
        assert_eq!(reset.header(name, value).send().await.unwrap().status(), 421);
    }
    let own = api.sandbox.url();
    assert_eq!(api.page_with(&[("origin", &own)]).await.0, 200);
}

#[tokio::test]
async fn a_sandbox_for_other_machines_has_the_names_of_its_own() {
    let everywhere = (std::net::Ipv4Addr::UNSPECIFIED, 0).into();
    let sandbox = Sandbox::start_on(everywhere, Settings::default()).await.unwrap();
    let api = Api { sandbox, http: crate::send::client(1) };
    let named = ("host", "build.example.com:4000");
    assert_eq!(api.page_with(&[named]).await.0, 200);
    assert_eq!(api.page_with(&[named, ("origin", "http://build.example.com:4000")]).await.0, 200);
    assert_eq!(api.page_with(&[named, ("origin", "https://shop.example.com")]).await.0, 421);
}
