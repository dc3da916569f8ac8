//! Calls that fail, and what the next delivery makes of it.

use devkit::sandbox::Fault;

use crate::support::gates::{Delivery, Next};
use crate::support::{App, FASTSPRING, PADDLE, STRIPE, body};

#[tokio::test]
async fn a_lost_answer_to_a_write_changes_nothing_more() {
    for (provider, purchase, renewal) in [
        (STRIPE, "checkout-subscription", "invoice-cycle"),
        (FASTSPRING, "order-subscription", "charge-completed"),
        (PADDLE, "transaction-web", "transaction-recurring"),
    ] {
        let calm = App::start().await;
        calm.cases(provider, &[purchase, renewal]).await;
        for lose_ledger in [false, true] {
            let mut app = App::start().await;
            app.sandbox.fault(Fault::on("POST", "/v3/licenses").dropped_answer());
            app.sandbox.fault(Fault::on("POST", "/renew").dropped_answer());
            for case in [purchase, renewal] {
                assert_eq!(app.case(provider, case).await.status, 200, "a look finds the effect");
                if lose_ledger {
                    app.restart();
                }
                app.cases(provider, &[case]).await;
            }
            assert_eq!(app.licenses(), calm.licenses());
        }
    }
}

#[tokio::test]
async fn a_write_with_unknown_outcome_keeps_others_away_until_settled() {
    for (case, fault) in [
        ("order-subscription", Fault::on("POST", "/v3/licenses").late()),
        ("charge-completed", Fault::on("POST", "/renew").late()),
    ] {
        for arrives in [true, false] {
            let app = App::with(<_>::default(), &[("DEADLINE_MS", "10000")]).await;
            if case == "charge-completed" {
                app.cases(FASTSPRING, &["order-subscription"]).await;
            }
            app.sandbox.fault(fault.clone());
            let first = app.case(FASTSPRING, case).await;
            assert!(
                first.message().contains("the next delivery looks whether it had an effect"),
                "{}",
                first.body
            );
            let second = app.case(FASTSPRING, case).await;
            assert!(
                second.message().contains("is being worked on by another delivery"),
                "{}",
                second.body
            );
            assert!(
                second.retry_after.is_some_and(|after| (30..=45).contains(&after)),
                "{second:?}"
            );
            if arrives {
                assert_eq!(app.sandbox.release_late(), 1);
            }
            app.pass(45);
            app.cases(FASTSPRING, &[case, case]).await;
            let end = if case == "charge-completed" { "2028-09-01" } else { "2027-09-01" };
            assert_eq!(app.ends(), [end], "{case}, arrives: {arrives}");
        }
    }
}

#[tokio::test]
async fn a_process_frozen_past_its_deadline_sends_nothing() {
    for (case, writes) in [("order-plain", 2), ("order-subscription", 2)] {
        for freeze_at in 1..=3 {
            let app = App::start().await;
            let body = body(FASTSPRING, case);
            let mut delivery = Delivery::begin(&app, FASTSPRING, "/v1", &body).await;
            let mut calls = 0;
            loop {
                let next = delivery.next().await.next;
                if next == Next::Answered {
                    break;
                }
                calls += usize::from(next == Next::Cryptlex);
                if next == Next::Cryptlex && calls == freeze_at {
                    app.pass(60);
                }
                delivery.go_on(next).await;
            }
            assert_eq!(delivery.status(), Some(400), "{case}, frozen at call {freeze_at}");
            assert!(app.writes().len() < writes, "{case}: {:?}", app.writes());
            app.cases(FASTSPRING, &[case]).await;
            assert_eq!((app.sandbox.licenses().len(), app.writes().len()), (1, writes));
        }
    }
}

#[tokio::test]
async fn an_error_names_the_call_and_the_cause_but_not_the_token() {
    for (fault, says) in [
        (
            Fault::on("GET", "/v3/licenses").error_before(401).always(),
            "Cryptlex refused the access token for GET /v3/licenses with status 401",
        ),
        (
            Fault::on("POST", "/v3/licenses").error_before(400).always(),
            "Cryptlex answered POST /v3/licenses with status 400",
        ),
        (
            Fault::on("POST", "/v3/users").html_error(503).always(),
            "Cryptlex answered POST /v3/users with status 503",
        ),
        (Fault::anywhere().dropped_before().always(), "Cryptlex gave no answer to GET /v3/"),
        (Fault::anywhere().bad_json().always(), "Cryptlex gave an unreadable answer to GET /v3/"),
    ] {
        let app = App::start().await;
        app.sandbox.fault(fault);
        let answer = app.case(FASTSPRING, "order-plain").await;
        assert_eq!(answer.status, 400);
        assert!(answer.message().starts_with(says), "{}", answer.message());
        assert!(!answer.body.contains(devkit::sandbox::ACCESS_TOKEN) && !answer.body.contains('@'));
        assert!(app.sandbox.licenses().is_empty());
        app.sandbox.clear_faults();
        app.pass(60);
        app.cases(FASTSPRING, &["order-plain"]).await;
        assert_eq!(app.sandbox.licenses().len(), 1);
    }
}

#[tokio::test]
async fn a_wrong_token_and_an_unreachable_cryptlex_are_told_apart() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (variable, value, says) in [
        (
            "CRYPTLEX_ACCESS_TOKEN",
            "wrong".to_owned(),
            "Cryptlex refused the access token for GET /v3/",
        ),
        (
            "CRYPTLEX_WEB_API_BASE_URL",
            format!("http://{closed}/v3"),
            "Cryptlex could not be reached for GET /v3/",
        ),
    ] {
        let app = App::with(<_>::default(), &[(variable, &value)]).await;
        let answer = app.case(FASTSPRING, "order-plain").await;
        assert_eq!(answer.status, 400);
        assert!(answer.message().starts_with(says), "{}", answer.message());
    }
}

#[tokio::test]
async fn everything_is_answered_within_the_deadline() {
    for fault in [
        Fault::anywhere().delay(60_000).always(),
        Fault::on("POST", "/v3/licenses").delay(60_000).always(),
        Fault::anywhere().throttle(60).always(),
        Fault::on("POST", "/v3/users").throttle_until(60).always(),
    ] {
        let app = App::with(<_>::default(), &[("DEADLINE_MS", "400")]).await;
        app.sandbox.fault(fault.clone());
        let began = tokio::time::Instant::now();
        let answer = app.case(FASTSPRING, "order-plain").await;
        // A creation that only its answer was late for is found by looking, if there is time.
        let created = app.sandbox.licenses().len() == 1;
        assert!(answer.status == 400 || created, "{}", answer.body);
        // Far above the deadline, far below the delays: this bounds the test, it measures nothing.
        assert!(began.elapsed().as_secs() < 10, "{fault:?}");
    }
}

#[tokio::test]
async fn throttling_is_waited_out_when_the_deadline_allows() {
    let app = App::start().await;
    app.sandbox.fault(Fault::on("GET", "/v3/users").throttle(0));
    app.sandbox.fault(Fault::on("POST", "/v3/licenses").throttle(0));
    app.cases(FASTSPRING, &["order-plain"]).await;
    assert_eq!(app.sandbox.licenses().len(), 1);

    let app = App::with(<_>::default(), &[("DEADLINE_MS", "1000")]).await;
    app.sandbox.fault(Fault::on("POST", "/v3/licenses").throttle(30));
    let answer = app.case(FASTSPRING, "order-plain").await;
    assert_eq!((answer.status, answer.retry_after), (400, Some(30)), "{}", answer.body);
    app.cases(FASTSPRING, &["order-plain"]).await;
}

#[tokio::test]
async fn the_request_limit_of_cryptlex_is_kept() {
    let app =
        App::with(<_>::default(), &[("CRYPTLEX_REQUESTS_PER_5S", "4"), ("DEADLINE_MS", "20000")])
            .await;
    app.cases(FASTSPRING, &["order-subscription-seats", "charge-completed-seats"]).await;
    assert_eq!(app.ends(), ["2028-09-01"; 3]);
}

#[tokio::test]
async fn a_fault_before_the_effect_is_retried_exactly_once() {
    let app = App::start().await;
    app.sandbox.fault(Fault::on("POST", "/v3/licenses").error_before(500).always());
    assert_eq!(app.case(FASTSPRING, "order-plain").await.status, 400);
    let creations = app.writes().iter().filter(|call| call.as_str() == "POST /v3/licenses").count();
    assert_eq!(creations, 2);
}
