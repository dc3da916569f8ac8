//! Who may call, and how often.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use axum::body::Body;
use axum::extract::ConnectInfo;
use devkit::sign::Provider as Signer;
use http::Request;
use http::request::Builder;
use serde_json::{Value, json};
use webhook_core::domain::clock::Clock;
use webhook_core::http::router::SourceAddress;
use webhook_core::infra::config::Rules;
use webhook_core::infra::limits::{Limits, TurnedAway};
use webhook_core::infra::networks::Networks;

use crate::support::{Answer, App, FASTSPRING, PADDLE, STRIPE, path_of};

/// Gets as far as to be told what it lacks.
const PASSED: u16 = 400;

async fn app(variables: &[(&str, &str)]) -> App {
    App::with(<_>::default(), variables).await
}

/// As the HTTP server says who called.
fn from_peer(request: Builder, address: &str) -> Builder {
    let ip: IpAddr = address.parse().unwrap();
    request.extension(ConnectInfo(SocketAddr::new(ip, 50_000)))
}

/// As a gateway says it.
fn from_gateway(request: Builder, address: &str) -> Builder {
    request.extension(SourceAddress(address.parse().unwrap()))
}

async fn send(app: &App, provider: Signer, request: Builder) -> Answer {
    app.request(provider, request.body(Body::empty()).unwrap()).await
}

/// How many of so many pass at this instant; the others must be told to wait.
async fn passed(app: &App, count: usize, request: impl Fn(usize) -> Builder) -> usize {
    let mut passed = 0;
    for n in 0..count {
        let answer = send(app, STRIPE, request(n)).await;
        if answer.status == PASSED {
            passed += 1;
        } else {
            assert_eq!((answer.status, answer.retry_after), (429, Some(1)), "{}", answer.body);
            assert!(answer.message().starts_with("too many deliveries from "), "{}", answer.body);
        }
    }
    passed
}

/// Whether a request with these values of `X-Forwarded-For` gets in.
async fn forwarded(app: &App, request: Builder, values: &[&str]) -> bool {
    let with = values.iter().fold(request, |r, value| r.header("x-forwarded-for", *value));
    let answer = send(app, STRIPE, with).await;
    assert!([PASSED, 403].contains(&answer.status), "{}", answer.body);
    answer.status == PASSED
}

#[tokio::test]
async fn a_hundred_at_once_and_a_thousand_a_minute_from_each_source() {
    let app = app(&[]).await;
    for insert in [from_peer, from_gateway] {
        let (path, other) = ("/v1", "203.0.113.8");
        assert_eq!(passed(&app, 150, |_| insert(Request::post(path), "203.0.113.7")).await, 100);
        assert_eq!(passed(&app, 100, |_| insert(Request::post(path), other)).await, 100);
        assert_eq!(passed(&app, 1, |_| insert(Request::post(path), other)).await, 0);
        app.pass(60);
        assert_eq!(passed(&app, 150, |_| insert(Request::post(path), "203.0.113.7")).await, 100);
        // One each 60 ms: sixteen and two thirds a second.
        app.pass(3);
        assert_eq!(passed(&app, 150, |_| insert(Request::post(path), "203.0.113.7")).await, 50);
        app.pass(60);
    }
    // Every path counts.
    let paths = ["/v1", "/v2", "/stripe/v1", "/stripe/v2"];
    let any = |n: usize| from_peer(Request::post(paths[n % 4]), "203.0.113.7");
    assert_eq!(passed(&app, 150, any).await, 100);
    assert!(app.sandbox.calls().is_empty());
}

#[tokio::test]
async fn each_contract_is_told_to_wait_in_its_own_form() {
    let app = app(&[("RATE_LIMIT_PER_MINUTE", "6"), ("RATE_LIMIT_BURST", "1")]).await;
    for provider in Signer::ALL {
        let request = || from_peer(Request::post(path_of(provider)), "203.0.113.7");
        assert_eq!(send(&app, provider, request()).await.status, PASSED);
        let answer = send(&app, provider, request()).await;
        assert_eq!((answer.status, answer.retry_after), (429, Some(10)));
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(
            body,
            json!({ "message": "too many deliveries from 203.0.113.7: see RATE_LIMIT_PER_MINUTE" })
        );
    }
}

#[tokio::test]
async fn sources_are_told_apart_by_address_or_by_network() {
    let variables = [("RATE_LIMIT_PER_MINUTE", "60"), ("RATE_LIMIT_BURST", "10")];
    let app = app(&variables).await;
    let post = || Request::post("/v1");
    // A network that one customer has.
    assert_eq!(passed(&app, 20, |n| from_peer(post(), &format!("2001:db8::{n:x}:1"))).await, 10);
    assert_eq!(passed(&app, 20, |n| from_peer(post(), &format!("2001:db8:0:1::{n:x}"))).await, 10);
    assert_eq!(passed(&app, 20, |n| from_peer(post(), &format!("2001:db8:1:{n:x}::1"))).await, 20);
    // One address in two forms.
    let forms = ["192.0.2.1", "::ffff:192.0.2.1"];
    assert_eq!(passed(&app, 20, |n| from_peer(post(), forms[n % 2])).await, 10);
    assert_eq!(passed(&app, 20, |n| from_peer(post(), &format!("192.0.2.{}", n + 2))).await, 20);
    // What a caller says of itself does not make it another one.
    let forged = |n: usize| {
        from_peer(post(), "192.0.2.99").header("x-forwarded-for", format!("198.51.100.{n}"))
    };
    assert_eq!(passed(&app, 20, forged).await, 10);
    // No address: nobody to tell apart.
    assert_eq!(passed(&app, 20, |_| post()).await, 20);
}

#[tokio::test]
async fn a_rate_of_zero_is_not_a_limit() {
    let app = app(&[("RATE_LIMIT_PER_MINUTE", "0"), ("RATE_LIMIT_BURST", "1")]).await;
    let request = |_| from_peer(Request::post("/v1"), "203.0.113.7");
    assert_eq!(passed(&app, 150, request).await, 150);
}

#[tokio::test]
async fn a_trusted_proxy_names_the_source_to_count() {
    let app = app(&[("TRUSTED_PROXIES", "10.0.0.0/8"), ("RATE_LIMIT_BURST", "10")]).await;
    let behind = |caller: &str| {
        from_peer(Request::post("/v1"), "10.0.0.1").header("x-forwarded-for", caller)
    };
    assert_eq!(passed(&app, 20, |_| behind("203.0.113.7")).await, 10);
    assert_eq!(passed(&app, 20, |n| behind(&format!("192.0.2.{n}, 203.0.113.7"))).await, 0);
    assert_eq!(passed(&app, 20, |_| behind("203.0.113.8")).await, 10);
}

#[tokio::test]
async fn only_allowed_addresses_get_in() {
    let list = "203.0.113.7, 198.51.100.0/24 2001:db8::/32";
    let app = app(&[("IP_ALLOWLIST", list)]).await;
    for (address, allowed) in [
        ("203.0.113.7", true),
        ("::ffff:203.0.113.7", true),
        ("198.51.100.0", true),
        ("198.51.100.255", true),
        ("2001:db8:ffff::1", true),
        ("203.0.113.8", false),
        ("::ffff:203.0.113.8", false),
        ("198.51.101.0", false),
        ("2001:db9::1", false),
        ("::1", false),
    ] {
        for insert in [from_peer, from_gateway] {
            for path in ["/v1", "/v2", "/stripe/v1"] {
                let answer = send(&app, STRIPE, insert(Request::post(path), address)).await;
                let expected = if allowed { PASSED } else { 403 };
                assert_eq!(answer.status, expected, "{address}: {}", answer.body);
            }
        }
    }
    let refused = send(&app, STRIPE, from_peer(Request::post("/v1"), "203.0.113.8")).await;
    let text = "deliveries from 203.0.113.8 are not allowed: IP_ALLOWLIST does not name it";
    assert_eq!((refused.message(), refused.retry_after), (text.to_owned(), None));
    assert_eq!(send(&app, STRIPE, Request::post("/v1")).await.status, 403);
    // Whatever they say of themselves: no proxy is trusted.
    for values in [&["203.0.113.7"][..], &["203.0.113.7, 203.0.113.7"], &["203.0.113.7"; 2]] {
        for insert in [from_peer, from_gateway] {
            assert!(!forwarded(&app, insert(Request::post("/v1"), "192.0.2.66"), values).await);
        }
        assert!(!forwarded(&app, Request::post("/v1"), values).await);
    }
    // A gateway's word goes before the peer's.
    let both = from_gateway(from_peer(Request::post("/v1"), "203.0.113.7"), "192.0.2.66");
    assert_eq!(send(&app, STRIPE, both).await.status, 403);
    assert!(app.sandbox.calls().is_empty());
}

#[tokio::test]
async fn the_last_hop_before_the_trusted_proxies_counts() {
    let app =
        app(&[("IP_ALLOWLIST", "203.0.113.7"), ("TRUSTED_PROXIES", "10.0.0.0/8 192.0.2.1")]).await;
    for (values, allowed) in [
        (&["203.0.113.7"][..], true),
        (&["203.0.113.7:4711"], true),
        (&["::ffff:203.0.113.7"], true),
        (&["[::ffff:203.0.113.7]:4711"], true),
        (&["203.0.113.7,10.9.9.9 ,\t192.0.2.1"], true),
        (&["203.0.113.7", "10.9.9.9", "192.0.2.1"], true),
        (&["192.0.2.66, 203.0.113.7", "10.9.9.9"], true),
        (&["garbage, 203.0.113.7"], true),
        // The one that a proxy saw, not those that it was told of.
        (&["203.0.113.7, 192.0.2.66"], false),
        (&["203.0.113.7", "192.0.2.66"], false),
        (&["203.0.113.7", "192.0.2.66, 10.9.9.9"], false),
        (&["203.0.113.7, 10.9.9.9, 192.0.2.66, 10.9.9.9"], false),
        // Nothing beyond what cannot be read.
        (&["203.0.113.7, garbage"], false),
        (&["203.0.113.7, unknown, 10.9.9.9"], false),
        (&["203.0.113.7,"], false),
        (&["203.0.113.7", ""], false),
        (&["203.0.113.7, \u{e4}"], false),
        (&["203.0.113.7/32"], false),
        (&[""], false),
        (&[], false),
        (&["10.9.9.9, 192.0.2.1"], false),
    ] {
        for peer in ["10.0.0.1", "::ffff:10.0.0.1"] {
            for insert in [from_peer, from_gateway] {
                let got_in = forwarded(&app, insert(Request::post("/v1"), peer), values).await;
                assert_eq!(got_in, allowed, "{values:?}");
            }
        }
        let stranger = from_peer(Request::post("/v1"), "192.0.2.66");
        assert!(!forwarded(&app, stranger, values).await, "{values:?}");
    }
}

#[tokio::test]
async fn the_published_addresses_are_the_providers_own() {
    let app = app(&[("IP_ALLOWLIST", "provider")]).await;
    for (address, owner) in [
        ("3.18.12.63", Some(STRIPE)),
        ("35.157.207.129", Some(STRIPE)),
        ("54.187.216.72", Some(STRIPE)),
        ("107.23.30.83", Some(FASTSPRING)),
        ("34.232.58.13", Some(PADDLE)),
        ("100.20.172.113", Some(PADDLE)),
        ("203.0.113.7", None),
    ] {
        for provider in Signer::ALL {
            let request = from_peer(Request::post(path_of(provider)), address);
            let expected = if owner == Some(provider) { PASSED } else { 403 };
            assert_eq!(
                send(&app, provider, request).await.status,
                expected,
                "{provider} {address}"
            );
        }
    }
    let own = [("IP_ALLOWLIST", "provider 203.0.113.7")];
    let app = self::app(&own).await;
    for (address, expected) in [("3.18.12.63", PASSED), ("203.0.113.7", PASSED), ("::1", 403)] {
        let request = from_peer(Request::post("/v1"), address);
        assert_eq!(send(&app, STRIPE, request).await.status, expected, "{address}");
    }
}

#[tokio::test]
async fn a_refused_caller_is_told_nothing_and_not_read() {
    let variables = [
        ("CRYPTLEX_ACCESS_TOKEN", "unset"),
        ("IP_ALLOWLIST", "203.0.113.7"),
        ("RATE_LIMIT_BURST", "1"),
    ];
    let app = app(&variables).await;
    for (address, status, reads) in
        [("192.0.2.66", 403, 0), ("203.0.113.7", 400, 1), ("203.0.113.7", 429, 0)]
    {
        let asked = Arc::new(AtomicUsize::new(0));
        let asks = Arc::clone(&asked);
        let body = Body::from_stream(futures_util::stream::poll_fn(move |_| {
            asks.fetch_add(1, Ordering::SeqCst);
            Poll::Ready(None::<Result<Vec<u8>, std::io::Error>>)
        }));
        let request = from_peer(Request::post("/v1"), address).body(body).unwrap();
        let answer = app.request(STRIPE, request).await;
        assert_eq!(answer.status, status, "{}", answer.body);
        assert_eq!(answer.message().contains("CRYPTLEX_ACCESS_TOKEN"), status == 400);
        assert_eq!(asked.load(Ordering::SeqCst), reads, "{status}");
    }
}

#[tokio::test]
async fn health_is_for_everybody() {
    let app = app(&[("IP_ALLOWLIST", "203.0.113.7")]).await;
    for _ in 0..150 {
        let request = from_peer(Request::get("/health"), "192.0.2.66");
        assert_eq!(send(&app, STRIPE, request).await.status, 200);
        app.pass(1);
    }
}

#[tokio::test]
async fn health_warns_of_proxies_that_match_anybody() {
    let app = app(&[("TRUSTED_PROXIES", "0.0.0.0/0")]).await;
    let answer = send(&app, STRIPE, Request::get("/health")).await;
    assert_eq!(answer.status, 200);
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    let warnings = body["warnings"].as_array().unwrap();
    let about =
        |text: &&Value| text.as_str().unwrap().starts_with("TRUSTED_PROXIES names 0.0.0.0/0");
    assert_eq!(warnings.iter().filter(about).count(), 1, "{}", answer.body);
}

#[tokio::test]
async fn health_is_limited_for_each_source_alone() {
    let app = app(&[("TRUSTED_PROXIES", "10.0.0.0/8"), ("RATE_LIMIT_BURST", "10")]).await;
    let get = |path: &str, peer: &str| from_peer(Request::get(path), peer);
    for n in 0..60 {
        let path = ["/health", "/stripe/health"][n % 2];
        let answer = send(&app, STRIPE, get(path, "203.0.113.7")).await;
        match n < 30 {
            true => assert_eq!(answer.status, 200, "{n}"),
            false => assert_eq!((answer.status, answer.retry_after), (429, Some(1)), "{n}"),
        }
    }
    let refused = send(&app, STRIPE, get("/health", "203.0.113.7")).await;
    assert_eq!(refused.message(), "too many health checks from 203.0.113.7");
    // Others are answered, and deliveries are counted by themselves.
    assert_eq!(send(&app, STRIPE, get("/health", "203.0.113.8")).await.status, 200);
    assert_eq!(passed(&app, 10, |_| from_peer(Request::post("/v1"), "203.0.113.7")).await, 10);
    // Strangers behind a load balancer do not make it take the server for dead.
    for n in 0..60 {
        let stranger = get("/health", "10.0.0.1").header("x-forwarded-for", "203.0.113.9");
        let expected = if n < 30 { 200 } else { 429 };
        assert_eq!(send(&app, STRIPE, stranger).await.status, expected, "{n}");
        assert_eq!(send(&app, STRIPE, get("/health", "10.0.0.1")).await.status, 200, "{n}");
    }
    app.pass(60);
    assert_eq!(send(&app, STRIPE, get("/health", "203.0.113.7")).await.status, 200);
}

#[test]
fn a_refused_source_is_logged_once_a_minute() {
    let seconds = Arc::new(AtomicUsize::new(0));
    let told = Arc::clone(&seconds);
    let clock = Clock::new(move || {
        let seconds = i64::try_from(told.load(Ordering::SeqCst)).unwrap();
        jiff::Timestamp::from_second(seconds).unwrap()
    });
    let rules = Rules { allowed: Networks::parse("203.0.113.7", None), ..Rules::default() };
    let limits = Limits::new(rules, &clock);
    let is_news = |peer: Option<&str>| {
        let peer = peer.map(|address| address.parse().unwrap());
        let refused: TurnedAway = limits.admit(peer, &http::HeaderMap::new()).unwrap_err();
        limits.is_news(refused)
    };
    for _ in 0..3 {
        for source in [Some("192.0.2.66"), Some("192.0.2.67"), None] {
            assert!(is_news(source), "{source:?}");
            assert!(!is_news(source), "{source:?}");
        }
        seconds.fetch_add(60, Ordering::SeqCst);
    }
}
