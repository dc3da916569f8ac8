//! What a ledger cannot remember is refused before the first license, and what is there already goes on.

use std::sync::Arc;

use devkit::sandbox::Settings;
use devkit::sign::Provider as Signer;
use serde_json::{Value, json};
use webhook_core::ledger::Store;

use crate::support::moto::new_table;
use crate::support::stores::{ITEM, Small};
use crate::support::{App, FASTSPRING, PADDLE, STRIPE, edited, path_of};

const SEATS: [(&str, &str); 1] = [("CRYPTLEX_MAPPINGS_QUANTITY", "total_licenses")];

fn in_room_for(app: &mut App, licenses: u64) {
    app.restart_over(Small::licenses(app.store(), licenses));
}

fn in_items(app: &mut App) {
    app.restart_over(Small::items(app.store()));
}

/// A purchase and later events of the same subscription, with so many seats.
fn bodies(provider: Signer, seats: u32) -> Vec<Vec<u8>> {
    let with = |case: &str, place: &str| {
        edited(provider, case, |event| *event.pointer_mut(place).unwrap() = json!(seats))
    };
    let as_it_is = |case| edited(provider, case, |_: &mut Value| {});
    match provider {
        FASTSPRING => vec![
            with("order-subscription", "/events/0/data/items/0/quantity"),
            as_it_is("charge-completed"),
            as_it_is("deactivated"),
        ],
        PADDLE => vec![
            with("transaction-web", "/data/details/line_items/0/quantity"),
            as_it_is("transaction-recurring"),
            as_it_is("subscription-canceled"),
        ],
        STRIPE => vec![as_it_is("checkout-subscription")],
    }
}

#[tokio::test]
async fn more_than_fits_is_refused_before_the_first_license() {
    for provider in [FASTSPRING, PADDLE] {
        let mut app = App::with(Settings::default(), &SEATS).await;
        in_room_for(&mut app, 4);
        let purchase = bodies(provider, 5).remove(0);
        for _ in 0..2 {
            let answer = app.deliver(provider, path_of(provider), &purchase).await;
            assert_eq!(answer.status, 400, "{provider}");
            for said in ["5 licenses", "a small ledger has room for 4", "allowed_activations"] {
                assert!(answer.body.contains(said), "{provider}: {}", answer.body);
            }
        }
        let made = app.writes().into_iter().filter(|call| call == "POST /v3/licenses").count();
        assert_eq!(made, 0, "{provider}");
        let lifecycle = format!("/webhooks/{}", provider.name());
        assert_eq!(app.deliver(provider, &lifecycle, &purchase).await.status, 500, "{provider}");
        let fits = bodies(provider, 4).remove(0);
        assert_eq!(app.deliver(provider, path_of(provider), &fits).await.status, 200);
    }
}

#[tokio::test]
async fn more_seats_than_fit_are_refused_before_the_first() {
    let mut app = App::with(Settings::default(), &SEATS).await;
    in_room_for(&mut app, 4);
    app.cases(PADDLE, &["transaction-web"]).await;
    let (before, calls) = (app.licenses(), app.writes().len());
    let more = edited(PADDLE, "subscription-updated-seats", |event| {
        event["data"]["items"][0]["quantity"] = json!(5);
    });
    let answer = app.deliver(PADDLE, "/v1", &more).await;
    assert_eq!((answer.status, app.writes().len()), (400, calls), "{}", answer.body);
    assert!(answer.body.contains("a small ledger has room for 4"), "{}", answer.body);
    assert_eq!(app.licenses(), before);
}

#[tokio::test]
async fn a_subscription_that_is_too_large_already_goes_on() {
    for (provider, ended) in [(FASTSPRING, 0), (PADDLE, 5)] {
        let mut app = App::with(Settings::default(), &SEATS).await;
        let [purchase, renewal, end] = &bodies(provider, 5)[..] else { panic!("three events") };
        assert_eq!(app.deliver(provider, path_of(provider), purchase).await.status, 200);
        in_room_for(&mut app, 3);
        let again = edited_id(purchase);
        for body in [&again, renewal, end] {
            let answer = app.deliver(provider, path_of(provider), body).await;
            assert_eq!(answer.status, 200, "{provider}: {}", answer.body);
        }
        let revoked = app.sandbox.licenses().iter().filter(|license| license.revoked).count();
        assert_eq!(revoked, ended, "{provider}");
    }
}

/// The same under another event id.
fn edited_id(body: &[u8]) -> Vec<u8> {
    let mut event: Value = serde_json::from_slice(body).unwrap();
    for place in ["/event_id", "/events/0/id"] {
        if let Some(id) = event.pointer_mut(place) {
            *id = json!("told_again");
        }
    }
    serde_json::to_vec(&event).unwrap()
}

/// Its table holds items of 400 KB.
#[tokio::test]
async fn a_table_refuses_six_thousand_licenses_at_once() {
    let store: Arc<dyn Store> = new_table().await;
    let mut app = App::with(Settings::default(), &SEATS).await;
    app.restart_over(store);
    let answer = app.deliver(FASTSPRING, "/v1", &bodies(FASTSPRING, 6_000).remove(0)).await;
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("a DynamoDB table has room for 3000"), "{}", answer.body);
    assert_eq!(app.sandbox.licenses().len(), 0);
}

/// A purchase of 50 lines, and the subscription with so many of each of them, `minute` minutes later.
fn lines_of(quantities: &[u32], minute: usize) -> [Vec<u8>; 2] {
    let price = |place: usize| format!("pri_of_a_line_with_a_long_name_{place:03}");
    let purchase = edited(PADDLE, "transaction-web", |event| {
        let data = &mut event["data"];
        let (item, line) = (data["items"][0].clone(), data["details"]["line_items"][0].clone());
        let items = quantities.iter().enumerate().map(|(place, quantity)| {
            let mut item = item.clone();
            (item["price"]["id"], item["quantity"]) = (json!(price(place)), json!(quantity));
            item
        });
        data["items"] = items.collect();
        let lines = quantities.iter().enumerate().map(|(place, quantity)| {
            let mut line = line.clone();
            line["id"] = json!(format!("txnitm_{place}"));
            (line["price_id"], line["quantity"]) = (json!(price(place)), json!(quantity));
            line
        });
        data["details"]["line_items"] = lines.collect();
    });
    let change = edited(PADDLE, "subscription-updated-seats", |event| {
        let (day, hour) = (12 + minute / 1_440, minute / 60 % 24);
        let now = format!("2026-09-{day}T{hour:02}:{:02}:00Z", minute % 60);
        event["event_id"] = json!(format!("evt_change_{minute}"));
        event["occurred_at"] = json!(now);
        let item = event["data"]["items"][0].clone();
        let items = quantities.iter().enumerate().map(|(place, quantity)| {
            let mut item = item.clone();
            (item["price"]["id"], item["quantity"]) = (json!(price(place)), json!(quantity));
            item
        });
        event["data"]["items"] = items.collect();
    });
    [purchase, change]
}

async fn facts_of_the_subscription(app: &App) -> (Value, usize) {
    let records = app.store().list("subject/paddle/subscription/").await.unwrap();
    let [(_, stored)] = &records[..] else { panic!("one subscription") };
    let record: Value = serde_json::from_slice(&stored.value).unwrap();
    (record["record"]["state"]["facts"].clone(), stored.value.len())
}

fn activations(app: &App) -> Vec<i64> {
    let mut allowed: Vec<i64> =
        app.sandbox.licenses().iter().map(|it| it.allowed_activations).collect();
    allowed.sort_unstable();
    allowed
}

const ACTIVATIONS: [(&str, &str); 1] = [("CRYPTLEX_MAPPINGS_QUANTITY", "allowed_activations")];

#[tokio::test]
async fn fifty_lines_can_all_change_for_ever() {
    let mut app = App::with(Settings::default(), &ACTIVATIONS).await;
    in_items(&mut app);
    let of = |change: u32| -> Vec<u32> { (0..50).map(|line| 1 + change * 50 + line).collect() };
    let [purchase, _] = lines_of(&of(0), 0);
    assert_eq!(app.deliver(PADDLE, "/v1", &purchase).await.status, 200);
    for change in 1..=40 {
        let [_, body] = lines_of(&of(change), usize::try_from(change).unwrap());
        let answer = app.deliver(PADDLE, "/v1", &body).await;
        assert_eq!(answer.status, 200, "change {change}: {}", answer.body);
    }
    let expected: Vec<i64> = of(40).into_iter().map(i64::from).collect();
    assert_eq!(activations(&app), expected);
    let (facts, bytes) = facts_of_the_subscription(&app).await;
    assert!(facts["dropped"].is_string(), "something is dropped, and the set says so");
    assert!((ITEM / 4..ITEM * 3 / 4).contains(&bytes), "{bytes} bytes");
    // What they end with, too.
    let renewed = edited(PADDLE, "transaction-recurring", |_| {});
    assert_eq!(app.deliver(PADDLE, "/v1", &renewed).await.status, 200);
    assert_eq!(app.case(PADDLE, "subscription-canceled").await.status, 200);
    assert!(app.sandbox.licenses().iter().all(|license| license.revoked));
}

#[tokio::test]
async fn fifty_lines_keep_every_fact_of_one_that_changes_often() {
    let mut app = App::with(Settings::default(), &ACTIVATIONS).await;
    in_items(&mut app);
    let mut quantities = [1; 50];
    let [purchase, _] = lines_of(&quantities, 0);
    assert_eq!(app.deliver(PADDLE, "/v1", &purchase).await.status, 200);
    for change in 1..=20 {
        quantities[7] = 1 + change;
        let [_, body] = lines_of(&quantities, usize::try_from(change).unwrap());
        assert_eq!(app.deliver(PADDLE, "/v1", &body).await.status, 200, "change {change}");
    }
    assert_eq!(activations(&app)[48..], [1, 21]);
    let (facts, bytes) = facts_of_the_subscription(&app).await;
    assert_eq!((facts["dropped"].as_str(), facts["lines"].as_array().unwrap().len()), (None, 70));
    assert!(bytes < ITEM / 8, "{bytes} bytes");
}
