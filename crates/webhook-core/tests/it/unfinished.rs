//! An event that stopped in the middle, a newer one that takes it back, and only then the first one again, or never: the
//! licenses that work are as if both had come in order, wherever the first one stopped.

use std::time::Duration;

use devkit::sandbox::Fault;
use devkit::sign::Provider as Signer;
use serde_json::{Value, json};

use crate::support::function::Function;
use crate::support::{
    App, FASTSPRING, PADDLE, STRIPE, TIMING, body, edited, json as case, numbers, path_of,
};

const PATIENT: Duration = Duration::from_secs(25);

struct Story {
    name: &'static str,
    provider: Signer,
    before: &'static [&'static str],
    first: Vec<u8>,
    then: Vec<u8>,
}

/// How the first event stops at one of its calls.
#[derive(Debug, Clone, Copy)]
enum Stop {
    Refused,
    /// And so is whatever is tried from there on.
    Down,
    /// The effect is there, nobody heard of it, and nobody can look.
    DownAfter,
    KilledBefore,
    KilledAfter,
}

const STOPS: [Stop; 5] =
    [Stop::Refused, Stop::Down, Stop::DownAfter, Stop::KilledBefore, Stop::KilledAfter];

fn paddle(case: &str, id: &str, at: &str, edit: impl FnOnce(&mut Value)) -> Vec<u8> {
    edited(PADDLE, case, |event| {
        event["event_id"] = json!(id);
        event["occurred_at"] = json!(at);
        edit(&mut event["data"]);
    })
}

fn of_the_purchase(adjustment: &mut Value) {
    let purchase = &case(PADDLE, "transaction-web")["data"];
    adjustment["transaction_id"] = purchase["id"].clone();
    adjustment["subscription_id"] = purchase["subscription_id"].clone();
}

/// About the subscription of several seats.
fn fastspring(name: &str, id: &str, created: i64) -> Vec<u8> {
    let seats = &case(FASTSPRING, "charge-completed-seats")["events"][0]["data"]["subscription"];
    edited(FASTSPRING, name, |delivery| {
        let event = &mut delivery["events"][0];
        event["id"] = json!(id);
        event["created"] = json!(created);
        if event["type"] == "subscription.deactivated" {
            event["data"]["id"] = seats["id"].clone();
            event["data"]["subscription"] = seats["id"].clone();
        }
    })
}

fn seats(data: &mut Value, quantity: u32) {
    data["items"][0]["quantity"] = json!(quantity);
}

fn stories() -> Vec<Story> {
    let story = |name, provider, before, first, then| Story { name, provider, before, first, then };
    let bought: &[&str] = &["transaction-web"];
    let same = |_: &mut Value| {};
    vec![
        story(
            "a pause and its end",
            PADDLE,
            bought,
            body(PADDLE, "subscription-paused"),
            body(PADDLE, "subscription-resumed"),
        ),
        story(
            "a chargeback and its reversal",
            PADDLE,
            bought,
            paddle("adjustment-chargeback", "evt_back", "2026-09-25T04:00:00Z", of_the_purchase),
            paddle(
                "adjustment-chargeback-reverse",
                "evt_won",
                "2026-10-25T05:00:00Z",
                of_the_purchase,
            ),
        ),
        story(
            "more seats and fewer again",
            PADDLE,
            bought,
            paddle("subscription-updated-seats", "evt_more", "2026-09-12T10:00:00Z", |data| {
                seats(data, 4);
            }),
            paddle("subscription-updated-seats", "evt_fewer", "2026-09-13T10:00:00Z", |data| {
                seats(data, 2);
            }),
        ),
        story(
            "fewer seats and more again",
            PADDLE,
            &["transaction-web", "subscription-updated-seats"],
            paddle("subscription-updated-seats", "evt_fewer", "2026-09-13T10:00:00Z", |data| {
                seats(data, 1);
            }),
            paddle("subscription-updated-seats", "evt_more", "2026-09-14T10:00:00Z", |data| {
                seats(data, 4);
            }),
        ),
        story(
            "an end and a newer payment",
            PADDLE,
            bought,
            paddle("subscription-canceled", "evt_end", "2026-09-20T00:00:00Z", same),
            paddle("transaction-recurring", "evt_paid", "2026-10-01T01:00:00Z", same),
        ),
        story(
            "an end that deletes and a newer payment",
            FASTSPRING,
            &["order-subscription-seats"],
            fastspring("deactivated", "evt-end", 1_819_764_000_000),
            fastspring("charge-completed-seats", "evt-paid", 1_819_764_727_318),
        ),
        story(
            "another product and the first one again",
            STRIPE,
            &["checkout-subscription", "invoice-create"],
            body(STRIPE, "subscription-updated-product"),
            edited(STRIPE, "subscription-updated-product", |event| {
                event["id"] = json!("evt_back");
                event["created"] = json!(1_809_167_500);
                event["data"]["object"]["metadata"] = json!({
                    "CRYPTLEX_PRODUCT_ID": "11111111-1111-4111-8111-000000000001",
                    "CRYPTLEX_LICENSE_TEMPLATE": "66666666-6666-4666-8666-000000000001",
                });
            }),
        ),
    ]
}

async fn prepared(story: &Story) -> App {
    let app = App::start().await;
    app.cases(story.provider, story.before).await;
    app.sandbox.clear_calls();
    app
}

/// Delivered until it is answered as it may be.
async fn delivered(app: &App, story: &Story, body: &[u8], statuses: &[u16]) -> bool {
    let function = Function::start(app, story.provider, app.store(), TIMING);
    for _ in 0..4 {
        let status = function.deliver(app, path_of(story.provider), body, PATIENT).await;
        if statuses.contains(&status) {
            return true;
        }
        app.pass(60);
    }
    false
}

/// The licenses that work. What never came to be made is as good as what is suspended.
fn working(app: &App) -> Vec<String> {
    let mut licenses = app.licenses();
    licenses.retain(|license| !license.contains(" suspended") && !license.contains(" revoked"));
    licenses
}

/// What two deliveries are answered, how many calls the first one makes, and which licenses work then.
async fn calm(story: &Story, bodies: [&[u8]; 2]) -> ([u16; 2], usize, Vec<String>) {
    let app = prepared(story).await;
    let function = Function::start(&app, story.provider, app.store(), TIMING);
    let one = function.deliver(&app, path_of(story.provider), bodies[0], PATIENT).await;
    let calls = app.sandbox.calls().len();
    let two = function.deliver(&app, path_of(story.provider), bodies[1], PATIENT).await;
    ([one, two], calls, working(&app))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_half_done_event_does_not_block_the_one_that_reverses_it() {
    let (mut trials, mut told) = (0, 0);
    for story in stories() {
        told += 1;
        let ([first, then], calls, in_order) = calm(&story, [&story.first, &story.then]).await;
        assert!(first == 200 && calls > 1, "{}: {first} after {calls} calls", story.name);
        // What stopped before it had any effect is as if it came too late.
        let ([alone, late], _, too_late) = calm(&story, [&story.then, &story.first]).await;
        for (call, stop) in (0..calls).flat_map(|call| STOPS.map(|stop| (call, stop))) {
            let what = format!("{}: {stop:?} at call {call}", story.name);
            let app = prepared(&story).await;
            stopped(&app, &story, call, stop).await;
            let newer = delivered(&app, &story, &story.then, &[then, alone]).await;
            assert!(newer, "{what}: the newer one");
            let without_it = working(&app);
            assert!(
                without_it == in_order || without_it == too_late,
                "{what}, and not told again: {without_it:#?}"
            );
            let older = delivered(&app, &story, &story.first, &[first, late]).await;
            assert!(older, "{what}: the older one");
            let came_to = working(&app);
            assert!(came_to == in_order || came_to == too_late, "{what}: {came_to:#?}");
            trials += 1;
        }
    }
    let what = "an event stops at any of its calls, and a newer one reverses it";
    numbers::record(what, &[(told, "stories"), (trials, "trials")]);
}

async fn stopped(app: &App, story: &Story, call: usize, stop: Stop) {
    let from = |call: usize| Fault::anywhere().skip(u32::try_from(call).unwrap());
    let there = from(call);
    let faults = match stop {
        Stop::Refused => vec![there.error_before(400)],
        Stop::Down => vec![there.error_before(503).always()],
        Stop::DownAfter => vec![there.dropped_answer(), from(call).error_before(503).always()],
        Stop::KilledBefore => vec![there.hang_before()],
        Stop::KilledAfter => vec![there.hang_after()],
    };
    for fault in faults {
        app.sandbox.fault(fault);
    }
    let mut hits = app.sandbox.hits();
    let function = Function::start(app, story.provider, app.store(), TIMING);
    let delivery = function.deliver(app, path_of(story.provider), &story.first, PATIENT);
    match stop {
        Stop::Refused | Stop::Down | Stop::DownAfter => {
            delivery.await;
        }
        Stop::KilledBefore | Stop::KilledAfter => tokio::select! {
            _ = hits.wait_for(|hits| *hits > 0) => {}
            _ = delivery => {}
        },
    }
    app.sandbox.clear_faults();
    // Leases of the dead run out.
    app.pass(120);
}
