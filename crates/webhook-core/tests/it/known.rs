//! Of what the ledger knows, only what may have changed is read; what it may not know is still found.

use devkit::sandbox::Fault;
use serde_json::{Value, json};

use crate::support::licenses::by_hand;
use crate::support::{App, PRODUCT, STRIPE, body, path_of};

const SUBSCRIPTION: &str = "sub_1AdalPKdPqWvRn2LIFXNxh5R";
const PURCHASE: [&str; 2] = ["checkout-subscription", "invoice-create"];

fn lists(app: &App) -> usize {
    let calls = app.sandbox.calls();
    calls
        .iter()
        .filter(|call| call.method == "GET" && call.path.starts_with("/v3/licenses?"))
        .count()
}

fn insert(app: &App, key: &str) {
    app.sandbox.insert_license(json!({
        "productId": PRODUCT, "subscriptionInterval": "P1M",
        "createdAt": "2026-09-01T00:00:00Z", "expiresAt": "2026-10-01T00:00:00Z",
        "metadata": [{"key": key, "value": SUBSCRIPTION, "viewPermissions": []}],
    }));
}

async fn lists_of_a_renewal(app: &App) -> usize {
    let before = lists(app);
    app.cases(STRIPE, &["invoice-cycle"]).await;
    lists(app) - before
}

#[tokio::test]
async fn a_renewal_of_a_known_license_reads_no_list() {
    let app = App::start().await;
    app.cases(STRIPE, &PURCHASE).await;
    assert_eq!(lists_of_a_renewal(&app).await, 0);
}

/// What was there before the first purchase was told, in either of the predecessor's ways.
#[tokio::test]
async fn a_predecessors_license_is_renewed_together_with_ours() {
    for key in ["subscription_id", "stripe_subscription_id"] {
        for first in [true, false] {
            let mut app = App::start().await;
            if first {
                insert(&app, key);
            }
            app.cases(STRIPE, &PURCHASE).await;
            if !first {
                insert(&app, key);
                // Whoever lost the ledger knows of none of them.
                app.restart();
            }
            assert_eq!(lists_of_a_renewal(&app).await, 1, "{key} first {first}");
            let ends = app.ends();
            assert!(ends.iter().all(|end| end == &ends[0]), "{key} first {first}: {ends:?}");
        }
    }
}

#[tokio::test]
async fn a_half_done_purchase_is_continued_by_reading_the_list() {
    let app = App::start().await;
    app.sandbox.fault(Fault::on("POST", "/v3/licenses").error_before(503).always());
    let answer = app.case(STRIPE, PURCHASE[0]).await;
    assert_ne!(answer.status, 200);
    app.sandbox.clear_faults();
    app.cases(STRIPE, &PURCHASE).await;
    let before = lists(&app);
    app.sandbox.fault(Fault::on("POST", "/renew").error_before(400).always());
    let renewal = body(STRIPE, "invoice-cycle");
    assert_ne!(app.deliver(STRIPE, path_of(STRIPE), &renewal).await.status, 200);
    assert_eq!(lists(&app) - before, 0, "the purchase was done, so all is known");
}

#[tokio::test]
async fn a_license_deleted_by_hand_is_looked_for_everywhere() {
    let app = App::start().await;
    app.cases(STRIPE, &PURCHASE).await;
    let id = app.sandbox.licenses()[0].id.clone();
    by_hand(&app, reqwest::Method::DELETE, &id, Value::Null).await;
    insert(&app, "stripe_subscription_id");
    assert_eq!(lists_of_a_renewal(&app).await, 1);
}
