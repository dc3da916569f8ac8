//! What a ledger cannot remember is refused before the first license, and what is there already goes on.

use std::sync::Arc;

use devkit::sandbox::Settings;
use devkit::sign::Provider as Signer;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use webhook_core::ledger::{Capacity, Committed, Store, StoreError, Versioned, Write};

use crate::moto::new_table;
use crate::support::{App, FASTSPRING, PADDLE, STRIPE, edited, path_of};

/// A ledger with room for so many.
struct Small {
    inner: Arc<dyn Store>,
    licenses: u64,
}

impl Store for Small {
    fn read<'a>(
        &'a self,
        keys: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<Option<Versioned>>, StoreError>> {
        self.inner.read(keys)
    }

    fn commit<'a>(&'a self, writes: &'a [Write]) -> BoxFuture<'a, Result<Committed, StoreError>> {
        self.inner.commit(writes)
    }

    fn list<'a>(
        &'a self,
        prefix: &'a str,
    ) -> BoxFuture<'a, Result<Vec<(String, Versioned)>, StoreError>> {
        self.inner.list(prefix)
    }

    fn capacity(&self) -> Capacity {
        Capacity { licenses: self.licenses, engine: "a small ledger" }
    }
}

const SEATS: [(&str, &str); 1] = [("CRYPTLEX_MAPPINGS_QUANTITY", "total_licenses")];

fn in_room_for(app: &mut App, licenses: u64) {
    let inner = app.store();
    app.restart_over(Arc::new(Small { inner, licenses }));
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
async fn what_is_larger_already_goes_on() {
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
