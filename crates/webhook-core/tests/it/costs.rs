//! What an event costs in calls that wait for one another: a count, which is the same on every machine.

use std::time::Duration;

use devkit::sandbox::{Settings, catalogue};
use devkit::sign::Provider as Signer;
use serde_json::json;

use crate::corpus::{path, prepare};
use crate::support::gates::{Delivery, Next};
use crate::support::{App, FASTSPRING, PADDLE, STRIPE, body};

/// Calls that should go side by side and do not would be waited for for ever.
const PATIENCE: Duration = Duration::from_secs(60);
const SUBSCRIPTION: &str = "sub_1AdalPKdPqWvRn2LIFXNxh5R";

/// The ledger is read, the event is claimed in it, and what became of it is written: whatever the event.
const READ: [&str; 1] = ["read"];
const COMMIT: [&str; 1] = ["commit"];

/// What it waits for, one after the other. The calls of one list go side by side.
async fn waits(app: &App, provider: Signer, case: &str, expected: &[&[&str]]) {
    let body = body(provider, case);
    let mut delivery = Delivery::begin(app, provider, path(provider, case), &body).await;
    for (number, step) in expected.iter().enumerate() {
        let next = delivery.next().await.next;
        let found = match next {
            Next::Cryptlex => delivery.side_by_side(step.len()).await,
            Next::Read | Next::Poll | Next::Commit | Next::Answered => {
                delivery.go_on(next).await;
                vec![format!("{next:?}").to_lowercase()]
            }
        };
        assert_eq!(found, *step, "{provider} {case}, step {number}");
    }
    assert_eq!(delivery.next().await.next, Next::Answered, "{provider} {case}");
    assert_eq!(delivery.status(), Some(200), "{provider} {case}");
}

async fn costs(provider: Signer, case: &str, calls: &[&[&str]]) {
    costs_after(&[], provider, case, calls).await;
}

async fn costs_after(earlier: &[&str], provider: Signer, case: &str, calls: &[&[&str]]) {
    let app = App::start().await;
    app.cases(provider, earlier).await;
    prepare(&app, provider, case).await;
    let expected = [&[&READ[..], &COMMIT][..], calls, &[&COMMIT[..]]].concat();
    let waits = waits(&app, provider, case, &expected);
    let in_time = tokio::time::timeout(PATIENCE, waits).await;
    assert!(in_time.is_ok(), "{provider} {case}: calls wait for one another");
}

#[tokio::test]
async fn a_new_customers_purchase_waits_for_three_calls() {
    let look = ["GET /v3/licenses", "GET /v3/users"];
    let make: [&[&str]; 3] = [&look, &["POST /v3/users"], &["POST /v3/licenses"]];
    costs(STRIPE, "checkout-subscription", &make).await;
}

#[tokio::test]
async fn a_known_customers_purchase_waits_for_two_calls() {
    let calls: [&[&str]; 2] = [&["GET /v3/licenses"], &["POST /v3/licenses"]];
    costs_after(&["customer-created"], STRIPE, "checkout-subscription", &calls).await;
}

/// The same body with other ids: their last characters are others.
fn with_other(ids: &[&str], body: Vec<u8>) -> Vec<u8> {
    let mut text = String::from_utf8(body).unwrap();
    for id in ids {
        assert!(text.contains(id), "{id} is not in the body");
        text = text.replace(id, &format!("{}2222", &id[..id.len() - 4]));
    }
    text.into_bytes()
}

async fn calls_of(app: &App, provider: Signer, case: &str, body: &[u8]) -> Vec<String> {
    let before = app.sandbox.calls().len();
    let answer = app.deliver(provider, path(provider, case), body).await;
    assert_eq!(answer.status, 200, "{provider} {case}");
    let calls = app.sandbox.calls();
    calls[before..].iter().map(|call| format!("{} {}", call.method, call.path)).collect()
}

/// The limit of Cryptlex is 50 calls in 5 seconds: this is how many customers can be served on the first of a month. An end
/// that is told with the purchase is moved once more where there is leeway.
#[tokio::test]
async fn purchases_make_as_few_calls_as_possible() {
    for (provider, case, ids) in [
        (
            STRIPE,
            "checkout-subscription",
            &["evt_1Vm46dKdPqWvRn2LNCGxvsdL", SUBSCRIPTION, "in_1hzOO6KdPqWvRn2LZGH9kzhg"][..],
        ),
        (STRIPE, "checkout-payment", &[]),
        (
            FASTSPRING,
            "order-subscription",
            &["oNKRR0yEGa9Tjk4o01bLXw", "G1EIP87HRcEzKYynY6H_og", "8Iab57xtIQ-O2NzEHgshMQ"],
        ),
        (
            PADDLE,
            "transaction-api",
            &[
                "evt_01m1d48bcrffg41wxk1efpah64",
                "txn_01m1d487hsbq3x2mddgcb04rcy",
                "sub_01m1d484bbrk2h0zh4fwgme3w7",
            ],
        ),
    ] {
        for (leeway, of_a_new_customer, of_a_known_one) in [("0", 4, 2), ("24", 5, 3)] {
            let app = App::with(Settings::default(), &[("EXPIRY_LEEWAY_HOURS", leeway)]).await;
            let first = body(provider, case);
            let calls = calls_of(&app, provider, case, &first).await;
            assert!(calls.len() <= of_a_new_customer, "{provider} {case}, {leeway} h: {calls:#?}");
            assert_eq!(app.sandbox.licenses().len(), 1, "{provider} {case}");
            if ids.is_empty() {
                continue;
            }
            let calls = calls_of(&app, provider, case, &with_other(ids, first)).await;
            assert!(calls.len() <= of_a_known_one, "{provider} {case}, {leeway} h: {calls:#?}");
            assert_eq!(app.sandbox.licenses().len(), 2, "{provider} {case}");
        }
    }
}

/// A second update of the same says nothing new.
#[tokio::test]
async fn an_event_without_news_makes_no_call() {
    let app = App::start().await;
    app.cases(STRIPE, &["checkout-subscription", "invoice-create"]).await;
    let case = "subscription-updated-active";
    let update = body(STRIPE, case);
    let again = with_other(&["evt_1sAHInKdPqWvRn2LA4IlANWV"], update.clone());
    calls_of(&app, STRIPE, case, &update).await;
    assert_eq!(calls_of(&app, STRIPE, case, &again).await, Vec::<String>::new());
}

/// The ledger knows the one license by its id, and two by the one list that we write into.
#[tokio::test]
async fn a_renewal_waits_for_two_calls() {
    let (read, list) = ("GET /v3/licenses/*", "GET /v3/licenses");
    let renew = "POST /v3/licenses/*/renew";
    costs(STRIPE, "invoice-cycle", &[&[read], &[renew]]).await;
    costs(FASTSPRING, "charge-completed", &[&[read], &[renew]]).await;
    // Two licenses, side by side.
    costs(PADDLE, "transaction-recurring", &[&[list], &[renew; 2]]).await;
}

/// Nobody knows what there is: the predecessor's licenses may be among it.
#[tokio::test]
async fn a_renewal_without_its_purchase_reads_the_list() {
    let (list, renew) = ("GET /v3/licenses", "POST /v3/licenses/*/renew");
    let user = "GET /v3/users";
    for (provider, case, look, renewals) in [
        (STRIPE, "invoice-cycle", &[list][..], 1),
        // They name their product, and may be the purchase: for that the buyer is claimed, too.
        (FASTSPRING, "charge-completed", &[list, user], 1),
        (PADDLE, "transaction-recurring", &[list, user], 2),
    ] {
        let mut app = App::start().await;
        prepare(&app, provider, case).await;
        app.restart();
        let renewals = vec![renew; renewals];
        let reads: &[&[&str]] = if provider == STRIPE { &[&READ] } else { &[&READ, &READ] };
        let rest: [&[&str]; 4] = [&COMMIT, look, &renewals, &COMMIT];
        let expected = [reads, &rest].concat();
        let waits = waits(&app, provider, case, &expected);
        tokio::time::timeout(PATIENCE, waits).await.expect("calls wait for one another");
    }
}

/// Pages of a hundred, until one is not full; each license is renewed by itself.
#[tokio::test]
async fn calls_of_a_renewal_grow_with_its_licenses_alone() {
    for (licenses, pages) in [(1, 1), (99, 1), (250, 3), (500, 6)] {
        let app = App::start().await;
        for _ in 0..licenses {
            app.sandbox.insert_license(json!({
                "productId": catalogue::YEARLY_PRODUCT, "subscriptionInterval": "P1Y",
                "createdAt": "2026-09-01T00:00:00Z", "expiresAt": "2027-09-01T00:00:00Z",
                "metadata": [{"key": "subscription_id", "value": SUBSCRIPTION, "viewPermissions": []}],
            }));
        }
        app.cases(STRIPE, &["invoice-cycle"]).await;
        let count =
            |method| app.sandbox.calls().iter().filter(|call| call.method == method).count();
        assert_eq!((count("GET"), count("POST")), (pages, licenses), "{licenses} licenses");
    }
}
