//! However often and in whatever order events come, the licenses are those of one orderly delivery.

use devkit::corpus::cases;
use devkit::sandbox::Fault;
use devkit::sign::Provider as Signer;
use serde_json::json;

use crate::corpus::{path, prepare};
use crate::support::orders::orders;
use crate::support::{App, FASTSPRING, PADDLE, STRIPE, body, edited};

pub(crate) type State = (Vec<String>, Vec<String>);

/// Licenses and users, as far as they do not depend on the order of creation.
pub(crate) fn state(app: &App) -> State {
    let mut users: Vec<String> = app
        .sandbox
        .users()
        .iter()
        .map(|u| format!("{} {} {}", u.email, u.first_name, u.last_name))
        .collect();
    users.sort();
    (app.licenses(), users)
}

#[derive(Debug, Clone, Copy)]
enum Delivery {
    Once,
    Twice,
    Thrice,
    TwoAtOnce,
    TwiceAndTheLedgerLost,
}

async fn after(provider: Signer, case: &str, delivery: Delivery) -> State {
    let mut app = App::start().await;
    prepare(&app, provider, case).await;
    let (path, body) = (path(provider, case), body(provider, case));
    let first = match delivery {
        Delivery::TwoAtOnce => {
            let (one, two) = tokio::join!(
                app.deliver(provider, path, &body),
                app.deliver(provider, path, &body)
            );
            assert_eq!(one, two, "{provider} {case}");
            one
        }
        Delivery::Once | Delivery::Twice | Delivery::Thrice | Delivery::TwiceAndTheLedgerLost => {
            app.deliver(provider, path, &body).await
        }
    };
    let again = match delivery {
        Delivery::Once | Delivery::TwoAtOnce => 0,
        Delivery::Twice | Delivery::TwiceAndTheLedgerLost => 1,
        Delivery::Thrice => 2,
    };
    let writes = app.writes();
    if matches!(delivery, Delivery::TwiceAndTheLedgerLost) {
        app.restart();
    }
    for _ in 0..again {
        let next = app.deliver(provider, path, &body).await;
        assert_eq!(next.status, first.status, "{provider} {case}: {}", next.body);
    }
    // FastSpring deletes at the end, so a forgotten end looks for licenses and finds none.
    assert_eq!(app.writes(), writes, "{provider} {case} {delivery:?} wrote something more");
    state(&app)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_case_delivered_many_times_has_one_effect() {
    for case in cases() {
        let (provider, name) = (case.provider, case.name.as_str());
        let once = after(provider, name, Delivery::Once).await;
        for delivery in [
            Delivery::Twice,
            Delivery::Thrice,
            Delivery::TwoAtOnce,
            Delivery::TwiceAndTheLedgerLost,
        ] {
            assert_eq!(
                after(provider, name, delivery).await,
                once,
                "{provider} {name} {delivery:?}"
            );
        }
    }
}

/// A FastSpring event that somebody sends again by hand has a new id, a Paddle notification that is replayed too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_case_under_new_ids_has_the_same_effect() {
    let mut resent = 0;
    for case in cases() {
        let (provider, name) = (case.provider, case.name.as_str());
        let app = App::start().await;
        prepare(&app, provider, name).await;
        let first = app.deliver(provider, path(provider, name), &case.body).await;
        let (writes, before) = (app.writes(), state(&app));
        let again = edited(provider, name, |delivery| match provider {
            STRIPE => delivery["id"] = json!("evt_sent_again"),
            FASTSPRING => {
                for (number, event) in
                    delivery["events"].as_array_mut().unwrap().iter_mut().enumerate()
                {
                    event["id"] = json!(format!("sent-again-{number}"));
                }
            }
            PADDLE => {
                delivery["event_id"] = json!("evt_sent_again");
                delivery["notification_id"] = json!("ntf_sent_again");
            }
        });
        let second = app.deliver(provider, path(provider, name), &again).await;
        assert_eq!(second.status, first.status, "{provider} {name}: {}", second.body);
        assert_eq!(app.writes(), writes, "{provider} {name} wrote something more");
        assert_eq!(state(&app), before, "{provider} {name}");
        resent += usize::from(!writes.is_empty());
    }
    assert!(resent > 30, "{resent}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_checkout_and_its_invoice_at_once_are_one_purchase() {
    for path in ["/v1", "/v2"] {
        for _ in 0..20 {
            let app = App::start().await;
            let bodies = [
                "checkout-subscription",
                "invoice-create",
                "customer-created",
                "checkout-subscription",
            ]
            .map(|case| body(STRIPE, case));
            let [a, b, c, d] = &bodies;
            let answers = tokio::join!(
                app.deliver(STRIPE, path, a),
                app.deliver(STRIPE, path, b),
                app.deliver(STRIPE, path, c),
                app.deliver(STRIPE, path, d),
            );
            for answer in [answers.0, answers.1, answers.2, answers.3] {
                assert_eq!(answer.status, 200, "{}", answer.body);
            }
            assert_eq!((app.sandbox.licenses().len(), app.sandbox.users().len()), (1, 1));
            assert_eq!(app.ends(), ["2027-09-01"]);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paddle_customer_and_transaction_at_once_are_one_user() {
    for _ in 0..20 {
        let app = App::start().await;
        let (customer, transaction) =
            (body(PADDLE, "customer-created"), body(PADDLE, "transaction-web"));
        let (one, two) = tokio::join!(
            app.deliver(PADDLE, "/v1", &transaction),
            app.deliver(PADDLE, "/v1", &customer)
        );
        assert_eq!((one.status, two.status), (200, 200), "{} {}", one.body, two.body);
        assert_eq!((app.sandbox.licenses().len(), app.sandbox.users().len()), (3, 1));
        assert_eq!(app.sandbox.users()[0].email, "ada@example.com");
    }
}

#[tokio::test]
async fn a_renewal_without_product_waits_for_its_purchase() {
    let app = App::start().await;
    for _ in 0..2 {
        let early = app.case(STRIPE, "invoice-cycle").await;
        assert_eq!(early.status, 400, "{}", early.body);
        let says = "while attempting to renew licenses, no license of subscription ";
        assert!(early.message().starts_with(says));
    }
    let both = ["checkout-subscription", "invoice-cycle"];
    app.cases(STRIPE, &[both, both].concat()).await;
    assert_eq!(app.ends(), ["2028-09-01"]);
}

#[tokio::test]
async fn a_renewal_that_names_its_product_needs_no_purchase() {
    for (provider, purchase, renewal, seats, end) in [
        (FASTSPRING, "order-subscription", "charge-completed", 1, "2028-09-01"),
        (PADDLE, "transaction-web", "transaction-recurring", 2, "2026-11-01"),
    ] {
        let app = App::start().await;
        app.cases(provider, &[renewal, renewal]).await;
        assert_eq!(app.ends(), vec![end; seats], "{provider}");
        app.cases(provider, &[purchase, renewal, purchase, renewal]).await;
        let ends = app.ends();
        let ends: Vec<_> = ends.iter().filter(|end| *end != "never").collect();
        assert_eq!(ends, vec![end; seats], "{provider}: its purchase makes no second license");
    }
}

#[tokio::test]
async fn two_renewals_in_the_wrong_order_end_at_the_later_one() {
    let renewal = |id: &str, start: i64, end: i64| {
        let body = edited(STRIPE, "invoice-cycle", |event| {
            event["id"] = json!(id);
            event["created"] = json!(start + 3600);
            event["data"]["object"]["id"] = json!(format!("in_{id}"));
            event["data"]["object"]["lines"]["data"][0]["period"] =
                json!({"start": start, "end": end});
        });
        (id.to_owned(), body)
    };
    let first = renewal("evt_first", 1_819_756_800, 1_851_379_200);
    let second = renewal("evt_second", 1_851_379_200, 1_882_915_200);
    for order in [[&first, &second], [&second, &first]] {
        for is_lost in [false, true] {
            let mut app = App::start().await;
            app.cases(STRIPE, &["checkout-subscription", "invoice-create"]).await;
            if is_lost {
                app.restart();
            }
            for (id, body) in order.into_iter().chain(order) {
                let status = app.deliver(STRIPE, "/v2", body).await.status;
                assert_eq!(status, 200, "{id}, ledger lost: {is_lost}");
            }
            assert_eq!(app.ends(), ["2029-09-01"]);
        }
    }
}

#[tokio::test]
async fn a_renewal_before_its_session_outlives_a_lost_ledger() {
    let mut app = App::start().await;
    let renewal = body(STRIPE, "invoice-cycle");
    app.cases(STRIPE, &["invoice-create"]).await;
    assert_eq!(app.deliver(STRIPE, "/v2", &renewal).await.status, 400, "nothing can be renewed");
    app.restart();
    app.cases(STRIPE, &["checkout-subscription"]).await;
    assert_eq!(app.deliver(STRIPE, "/v2", &renewal).await.status, 200);
    assert_eq!(app.ends(), ["2028-09-01"]);
}

#[tokio::test]
async fn an_overdue_charge_and_an_end_come_in_any_order() {
    // By their own times: overdue 2027-09-01 12:00, charge 2027-09-02, end 2027-10-01.
    let at = |case: &str, created: i64| {
        edited(FASTSPRING, case, |batch| batch["events"][0]["created"] = json!(created))
    };
    let events = [
        at("payment-overdue", 1_819_800_000_000),
        at("charge-completed", 1_819_872_000_000),
        at("deactivated", 1_822_352_400_000),
    ];
    for (variable, ended) in [("suspend", "suspended"), ("revoke", "revoked")] {
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let app =
                App::with(<_>::default(), &[("CRYPTLEX_CANCELLATION_ACTION", variable)]).await;
            app.cases(FASTSPRING, &["order-subscription"]).await;
            for event in order {
                assert_eq!(
                    app.deliver(FASTSPRING, "/v1", &events[event]).await.status,
                    200,
                    "{order:?}"
                );
            }
            let [end] = &app.ends()[..] else { panic!("{order:?}: {:?}", app.ends()) };
            assert!(end.ends_with(ended), "{order:?}: {end}");
            // What an older charge paid for does not matter any more once its subscription has ended.
            let charged = order.iter().position(|e| *e == 1) < order.iter().position(|e| *e == 2);
            assert_eq!(end.starts_with("2028"), charged, "{order:?}: {end}");
        }
    }
}

#[tokio::test]
async fn an_event_that_was_answered_in_part_is_listed_in_part() {
    let app = App::start().await;
    app.sandbox.fault(Fault::on("POST", "/v3/users").skip(1).error_before(400));
    let partly = app.case(FASTSPRING, "batch-three-orders").await;
    assert_eq!(partly.status, 202);
    assert_eq!(partly.body, "M0OXhPbfQD4yS1pgAqkQvQ\neRG_oSmPxHBg_4mWudO50Q\n");
    let rest = app.case(FASTSPRING, "batch-three-orders").await;
    assert_eq!((rest.status, app.sandbox.licenses().len()), (200, 4), "{}", rest.body);
}

#[tokio::test]
async fn an_unknown_event_next_to_a_failing_one_is_listed_as_done() {
    let app = App::start().await;
    app.sandbox.fault(Fault::anywhere().error_before(401).always());
    let answer = app.case(FASTSPRING, "batch-purchase").await;
    let mut done: Vec<&str> = answer.body.lines().collect();
    done.sort_unstable();
    assert_eq!(
        (answer.status, done),
        (202, vec!["XXbwD6cUcJIlzUJzQrKAgw", "ivia51ZA3CwfawMojto7zg"])
    );
}

/// Delivered in that order; what is refused is delivered again after the others, as providers do.
async fn until_all_are_done(app: &App, provider: Signer, order: &[&'static str]) {
    let mut waiting = order.to_vec();
    for _ in 0..order.len() {
        let mut refused = Vec::new();
        for case in waiting {
            if app.deliver(provider, path(provider, case), &body(provider, case)).await.status
                != 200
            {
                refused.push(case);
            }
        }
        waiting = refused;
    }
    assert!(waiting.is_empty(), "{provider} {order:?}: {waiting:?} never got done");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_story_ends_the_same_in_any_order() {
    let mut tried = 0;
    for (provider, story) in [
        (
            STRIPE,
            &["customer-created", "checkout-subscription", "invoice-create", "invoice-cycle"][..],
        ),
        (STRIPE, &["checkout-trial", "invoice-create-trial", "invoice-cycle-trial"]),
        (
            STRIPE,
            &[
                "checkout-subscription",
                "invoice-create",
                "subscription-paused",
                "subscription-resumed",
            ],
        ),
        (STRIPE, &["invoice-create-old", "invoice-cycle-old", "invoice-subscription-reason"]),
        (
            FASTSPRING,
            &["order-subscription", "order-addon-later", "charge-completed", "payment-overdue"],
        ),
        (FASTSPRING, &["order-subscription-seats", "charge-completed-seats"]),
        (
            PADDLE,
            &[
                "customer-created",
                "transaction-web",
                "transaction-recurring",
                "subscription-paused",
            ],
        ),
        (PADDLE, &["transaction-trial", "transaction-recurring-trial"]),
        (
            PADDLE,
            &[
                "transaction-web",
                "transaction-update-one-time-only",
                "subscription-paused",
                "transaction-charge",
            ],
        ),
    ] {
        for variables in [
            &[][..],
            &[("CRYPTLEX_MAPPINGS_QUANTITY", "total_licenses"), ("EXPIRY_LEEWAY_HOURS", "2")],
            &[("CRYPTLEX_MAPPINGS_QUANTITY", "allowed_activations"), ("GRACE_DAYS", "5")],
        ] {
            let orderly = App::with(<_>::default(), variables).await;
            until_all_are_done(&orderly, provider, story).await;
            for order in orders(story) {
                let app = App::with(<_>::default(), variables).await;
                until_all_are_done(&app, provider, &order).await;
                assert_eq!(state(&app), state(&orderly), "{provider} {order:?} {variables:?}");
                tried += 1;
            }
        }
    }
    assert_eq!(tried, 3 * (24 + 6 + 24 + 6 + 24 + 2 + 24 + 2 + 24));
}
