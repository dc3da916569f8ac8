//! What people are shown of the ledger, and what they deliver again out of it.

use std::sync::Arc;

use devkit::records::{
    CompactArgs, ExplainArgs, Place, RecordsError, ReplayArgs, ShowArgs, compact, explain, failed,
    replay, show, unmapped,
};
use devkit::sandbox::{ACCESS_TOKEN, Fault};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::net::TcpListener;
use webhook_core::domain::clock::Clock;
use webhook_core::domain::ids::EventId;
use webhook_core::ledger::{
    Admission, Body, Claim, ClaimScope, Dynamo, Embedded, EventKey, Expect, Ledger, Store, Term,
    Write,
};

use crate::support::moto::new_table;
use crate::support::{App, FASTSPRING, PADDLE, PRODUCT, SECRET, STRIPE, edited, json};

const SUBSCRIPTION: &str = "sub_1AdalPKdPqWvRn2LIFXNxh5R";

fn shown_of(app: &App, subject: &str) -> ShowArgs {
    ShowArgs {
        provider: STRIPE,
        subject: subject.to_owned(),
        place: Place { table: None, path: None },
        cryptlex_url: Some(app.sandbox.url()),
        cryptlex_token: Some(ACCESS_TOKEN.to_owned()),
    }
}

fn replayed(event: &str, url: &str) -> ReplayArgs {
    ReplayArgs {
        provider: STRIPE,
        event: event.to_owned(),
        place: Place { table: None, path: None },
        url: Some(url.to_owned()),
        secret: Some(SECRET.to_owned()),
        map: Vec::new(),
        skip: Vec::new(),
    }
}

/// `beside` reads what the functions of the application write.
async fn a_failed_renewal_is_seen_and_delivered_again(app: &App, beside: Ledger) {
    // Signatures are made as of now.
    app.pass(Clock::system().now().as_second() - app.now());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v2", listener.local_addr().unwrap());
    let router = app.instance(STRIPE, &app.sandbox.url(), &app.store());
    let server = tokio::spawn(async move { axum::serve(listener, router).await });

    app.cases(STRIPE, &["checkout-subscription"]).await;
    app.sandbox.fault(Fault::on("POST", "/renew").error_before(403));
    assert_eq!(app.case(STRIPE, "invoice-cycle").await.status, 400);
    let renewal = json(STRIPE, "invoice-cycle")["id"].as_str().unwrap().to_owned();

    let told = show(&beside, &shown_of(app, SUBSCRIPTION)).await.unwrap();
    let told = &told[0];
    let before = app.sandbox.licenses()[0].expires_at.unwrap().to_string();
    assert_eq!(told["licenses"][0]["license"], app.sandbox.licenses()[0].id);
    assert_eq!(told["licenses"][0]["slot"], format!("stripe/{SUBSCRIPTION}/-/1"));
    assert_eq!(instant(&told["licenses"][0]["atCryptlex"]["expiresAt"]), before);
    let event = told["events"].as_array().unwrap().iter().find(|event| event["id"] == renewal);
    assert!(event.unwrap()["record"].to_string().contains("403"), "{told:#}");
    for secret in ["@example.com", ACCESS_TOKEN, &app.sandbox.licenses()[0].key] {
        assert!(!told.to_string().contains(secret), "{told:#}");
    }

    let now = Timestamp::from_second(app.now()).unwrap();
    let customer = json(STRIPE, "checkout-subscription")["data"]["object"]["customer"].clone();
    let customer = customer.as_str().unwrap();
    let lines = failed(&beside, now).await.unwrap();
    let [line] = lines.as_slice() else { panic!("{lines:?}") };
    assert!(line.starts_with(&format!("stripe {renewal} (invoice.paid, ")), "{line}");
    let whom = format!("about subscription {SUBSCRIPTION}, customer {customer}, attempts: 1): ");
    assert!(line.contains(&whom) && line.contains("403"), "{line}");
    // The event and the customer lead to the subscription, too.
    for (id, first) in [(renewal.as_str(), "event"), (customer, "customer")] {
        let found = show(&beside, &shown_of(app, id)).await.unwrap();
        assert_eq!(found[0][first], id, "{found:#}");
        let subjects = found.as_array().unwrap().iter().map(|shown| &shown["subject"]);
        let subscription = format!("subject/stripe/subscription/{SUBSCRIPTION}");
        assert!(subjects.into_iter().any(|subject| *subject == subscription), "{found:#}");
        let texts = [found.to_string(), line.clone()].concat();
        for secret in ["@example.com", ACCESS_TOKEN, "email", &app.sandbox.licenses()[0].key] {
            assert!(!texts.contains(secret), "{secret}: {texts}");
        }
    }

    let answer = replay(&beside, &replayed(&renewal, &url)).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(app.ends(), ["2028-09-01"]);
    assert_eq!(failed(&beside, now).await.unwrap(), Vec::<String>::new());
    let writes = app.writes();
    let answer = replay(&beside, &replayed(&renewal, &url)).await.unwrap();
    assert_eq!((answer.status, app.writes()), (200, writes), "a duplicate");

    let unknown = show(&beside, &shown_of(app, "sub_unknown")).await.unwrap_err();
    assert_eq!(unknown.to_string(), unknown_text("sub_unknown"));
    let unknown = replay(&beside, &replayed("evt_unknown", &url)).await.unwrap_err();
    assert_eq!(unknown.to_string(), unknown_text("event evt_unknown"));
    server.abort();
}

fn unknown_text(what: &str) -> String {
    format!(
        "the ledger knows nothing of stripe {what}. Is it the id that the provider shows, and the ledger of that function?"
    )
}

fn instant(value: &Value) -> String {
    value.as_str().unwrap().parse::<Timestamp>().unwrap().to_string()
}

fn looked_at(store: Arc<dyn Store>) -> Ledger {
    Ledger::new(store, SignedDuration::ZERO, SignedDuration::ZERO)
}

#[tokio::test]
async fn records_in_a_file_are_shown_and_replayed_during_service() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.redb");
    let mut app = App::start().await;
    app.restart_over(Arc::new(Embedded::file(&path, app.clock())));
    app.cases(STRIPE, &["product-created", "checkout-setup"]).await;
    let beside = Place { table: None, path: Some(path.clone()) };
    let missing = beside.open().await.unwrap();
    assert!(show(&missing, &shown_of(&app, SUBSCRIPTION)).await.is_err(), "no file yet");
    let beside = looked_at(Arc::new(Embedded::file_to_read(&path, app.clock())));
    a_failed_renewal_is_seen_and_delivered_again(&app, beside).await;
}

#[tokio::test]
async fn records_in_a_table_are_shown_and_replayed() {
    let table = new_table().await;
    let mut app = App::start().await;
    app.restart_over(Arc::<Dynamo>::clone(&table));
    a_failed_renewal_is_seen_and_delivered_again(&app, looked_at(table)).await;
}

#[tokio::test]
async fn events_that_wait_for_a_mapping_are_listed_and_delivered() {
    for (provider, case, line, made) in [
        (PADDLE, "transaction-unmapped", "", 1),
        (FASTSPRING, "order-partly-mapped", "", 1),
        (STRIPE, "checkout-subscription", "any", 1),
    ] {
        let app = App::start().await;
        app.pass(Clock::system().now().as_second() - app.now());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}{}", listener.local_addr().unwrap(), provider.path());
        let router = app.instance(provider, &app.sandbox.url(), &app.store());
        let server = tokio::spawn(async move { axum::serve(listener, router).await });
        let delivered = edited(provider, case, |event| {
            if provider == STRIPE {
                event["data"]["object"]["metadata"] = serde_json::json!({});
            }
        });
        let answer = app.deliver(provider, provider.path(), &delivered).await;
        assert_eq!(answer.status, 400, "{provider} {}", answer.body);
        let before = app.sandbox.licenses().len();
        let ledger = looked_at(app.store());
        let waiting = unmapped(&ledger).await.unwrap();
        assert_eq!(waiting.len(), 1, "{waiting:?}");
        let event = waiting[0].split(' ').nth(1).unwrap().to_owned();
        let named = waiting[0].split("Cryptlex product: ").nth(1).unwrap();
        let named = if line.is_empty() { named.split(':').next().unwrap() } else { line };
        let map = format!("{named}={PRODUCT}:66666666-6666-4666-8666-000000000001");
        let args = |map: &str, skip: &[&str]| ReplayArgs {
            provider,
            map: vec![map.parse().unwrap()],
            skip: skip.iter().map(|line| (*line).to_owned()).collect(),
            ..replayed(&event, &url)
        };
        let mut skip = &[][..];
        if provider == PADDLE {
            // A line that is paid and left out would never get a license.
            let text = replay(&ledger, &args(&map, skip)).await.unwrap_err().to_string();
            let left = "other lines without a mapping: pri_01khhw06ky16aj7e1nrxfg9mt2. Add --map";
            assert!(text.contains(left), "{text}");
            skip = &["pri_01khhw06ky16aj7e1nrxfg9mt2"];
        }
        let answer = replay(&ledger, &args(&map, skip)).await.unwrap();
        assert_eq!(answer.status, 200, "{provider} {}", answer.body);
        assert!(app.sandbox.licenses().len() >= before + made, "{provider}");
        assert_eq!(unmapped(&ledger).await.unwrap(), Vec::<String>::new());
        if provider != STRIPE {
            let text = replay(&ledger, &args("nothing=a:b", &[])).await.unwrap_err().to_string();
            assert_eq!(text, "the event has no line nothing. `devkit unmapped` names its lines");
        }
        server.abort();
    }
}

#[tokio::test]
async fn failed_events_are_listed_oldest_first() {
    let mut app = App::start().await;
    app.sandbox.fault(Fault::anywhere().error_before(403).always());
    for (provider, case) in [
        (STRIPE, "checkout-subscription"),
        (FASTSPRING, "order-plain"),
        (PADDLE, "transaction-web"),
    ] {
        assert_eq!(app.case(provider, case).await.status, 400, "{provider} {case}");
        app.pass(1);
    }
    let ledger = looked_at(app.store());
    let now = |app: &App| Timestamp::from_second(app.now()).unwrap();
    let lines = failed(&ledger, now(&app)).await.unwrap();
    let providers: Vec<_> = lines.iter().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(providers, ["stripe", "fastspring", "paddle"]);
    for line in &lines {
        assert!(!line.contains("customer unknown") && !line.contains('@'), "{line}");
    }
    // Whoever began the next one died over it, which is sure only later.
    app.restart();
    let ledger = Ledger::new(app.store(), SignedDuration::ZERO, SignedDuration::from_hours(1));
    let event = EventKey {
        provider: "stripe",
        id: EventId::new("evt_dead").unwrap(),
        kind: "invoice.paid".to_owned(),
        live: None,
        contract: "v2".to_owned(),
    };
    let (about, body, began) = (ClaimScope::default(), Body::new(b"{}"), now(&app));
    let term = Term { now: began, until: began };
    let admitted: &Admission<'_> = &|_known| Box::pin(async { true });
    let claimed = ledger.claim(&event, &about, &body, term, admitted).await.unwrap();
    assert!(matches!(claimed, Claim::Acquired(_)));
    assert_eq!(failed(&ledger, began).await.unwrap(), Vec::<String>::new());
    app.pass(31 * 60);
    let lines = failed(&ledger, now(&app)).await.unwrap();
    let text = "(invoice.paid, since 2026-09-01T00:01:43Z, attempts: 1): \
                its process died before it was done; deliver it again with devkit replay";
    assert!(lines.len() == 1 && lines[0].ends_with(text), "{lines:?}");
}

#[tokio::test]
async fn a_subscription_is_explained_from_its_ledger_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.redb");
    let mut app = App::start().await;
    let store: Arc<dyn Store> = Arc::new(Embedded::file(&path, app.clock()));
    app.restart_over(Arc::clone(&store));
    app.cases(STRIPE, &["checkout-subscription", "invoice-cycle"]).await;
    let license = app.sandbox.licenses()[0].clone();
    let [purchase, renewal] = ["checkout-subscription", "invoice-cycle"]
        .map(|case| json(STRIPE, case)["id"].as_str().unwrap().to_owned());
    let place = Place { table: None, path: Some(path) };
    let explained = async |id: &str, variable: fn(&str) -> Option<String>| {
        let args = ExplainArgs { id: id.to_owned(), place: place.clone() };
        explain(&args.place.open().await.unwrap(), &args, variable).await
    };
    let lines = explained(SUBSCRIPTION, |_| None).await.unwrap();
    let text = lines.join("\n");
    assert_eq!(lines[0], format!("stripe subscription {SUBSCRIPTION}"));
    let place_of = |what: &str| text.find(what).unwrap_or_else(|| panic!("{what}: {text}"));
    let order = [
        format!("{purchase}: ordered: 1 of product {PRODUCT}"),
        format!("-> licenses: 1 of product {PRODUCT}"),
        format!("{renewal}: paid for the time until 2028-09-01"),
        "-> end: until 2028-09-02".to_owned(),
        "what follows from it:\n  purchase: known and paid".to_owned(),
        format!("{} in slot stripe/{SUBSCRIPTION}/-/1", license.id),
    ];
    let places: Vec<usize> = order.iter().map(|what| place_of(what)).collect();
    assert!(places.is_sorted(), "{text}");
    for secret in ["@example.com", ACCESS_TOKEN, "email", &license.key] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    assert_eq!(explained(&license.id, |_| None).await.unwrap(), lines, "the license leads to it");

    let variable = |name: &str| (name == "GRACE_DAYS").then(|| "8".to_owned());
    let graced = explained(SUBSCRIPTION, variable).await.unwrap();
    assert!(graced[1].contains("8 days of grace"), "{graced:?}");
    let wrong = explained(SUBSCRIPTION, |name| (name == "GRACE_DAYS").then(|| "many".to_owned()));
    let wrong = wrong.await.unwrap_err().to_string();
    assert_eq!(
        wrong,
        "the policy of the function cannot be read from the variables: GRACE_DAYS must be 0 to 365 days."
    );
    let unknown = explained("sub_unknown", |_| None).await.unwrap_err().to_string();
    let start =
        "the ledger knows no subscription, order or license sub_unknown. Name the provider's id";
    assert!(unknown.starts_with(start) && unknown.contains("devkit show"), "{unknown}");

    let write = Write {
        key: format!("subject/stripe/subscription/{SUBSCRIPTION}"),
        expect: Expect::Anything,
        value: br#"{"format":99,"record":{}}"#.to_vec(),
        expires: None,
    };
    store.commit(&[write]).await.unwrap();
    for id in [SUBSCRIPTION, &license.id] {
        let newer = explained(id, |_| None).await.unwrap_err().to_string();
        assert!(newer.contains("a newer version (format 99, this one knows 2)"), "{newer}");
        assert!(newer.ends_with("look at it with the devkit of that version"), "{newer}");
    }
}

#[tokio::test]
async fn a_ledger_file_is_compacted_while_nobody_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.redb");
    let args = CompactArgs { path: path.clone() };
    let text = compact(&args).unwrap_err().to_string();
    assert!(text.ends_with("cannot be opened: No such file or directory (os error 2)"), "{text}");
    assert!(!path.exists(), "nothing is made");

    let held = Embedded::file(&path, Clock::system());
    let write = |n: usize, bytes: usize| Write {
        key: format!("record/{n:03}"),
        expect: Expect::Anything,
        value: vec![b'x'; bytes],
        expires: None,
    };
    for bytes in [100_000, 10] {
        let writes: Vec<Write> = (0..100).map(|n| write(n, bytes)).collect();
        held.commit(&writes).await.unwrap();
    }
    let before = held.list("").await.unwrap();
    let text = compact(&args).unwrap_err().to_string();
    assert!(text.contains("is held by another process: stop that one"), "{text}");
    assert_eq!(held.list("").await.unwrap(), before);
    drop(held);

    let size = || std::fs::metadata(&path).unwrap().len();
    let large = size();
    let text = compact(&args).unwrap();
    assert!(size() < large / 4, "{large} bytes became {}", size());
    assert_eq!(text, format!("{} took {large} bytes and takes {} now", path.display(), size()));
    let again = Embedded::file(&path, Clock::system());
    assert_eq!(again.list("").await.unwrap(), before, "nothing is lost");
    again.commit(&[write(7, 10)]).await.unwrap();
}

#[tokio::test]
async fn a_tool_without_a_ledger_says_how_to_name_one() {
    let nowhere = Place { table: None, path: None }.open().await;
    assert!(matches!(nowhere, Err(RecordsError::NoPlace)));
}
