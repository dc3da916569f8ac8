//! Every kind of fault: what the caller sees, and what happened.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    super::{Fault, FaultKind, catalogue::YEARLY_PRODUCT},
    Api, product,
};

const CREATE: &str = "POST /v3/licenses";

async fn create(api: &Api) -> reqwest::Result<reqwest::Response> {
    api.send(CREATE, product(json!({}))).await
}

#[tokio::test]
async fn errors_come_before_or_after_the_effect() {
    let on = || Fault::on("POST", "/v3/licenses");
    for (fault, status, effects, json) in [
        (on().error_before(503), 503, 0, true),
        (on().error_after(500), 500, 1, true),
        (on().html_error(502), 502, 0, false),
        (on().bad_json(), 201, 1, false),
    ] {
        let api = Api::start().await;
        let name = fault.kind.name();
        api.sandbox.fault(fault);
        let response = create(&api).await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{name}");
        let is_json = response.json::<Value>().await.is_ok();
        assert_eq!((is_json, api.sandbox.licenses().len()), (json, effects), "{name}");
        let call = &api.sandbox.calls()[0];
        assert_eq!((call.status, call.fault.as_deref()), (Some(status), Some(name.as_str())));
        assert_eq!(create(&api).await.unwrap().status(), 201);
    }
}

#[tokio::test]
async fn dropped_answers_close_the_connection() {
    let on = || Fault::on("POST", "/v3/licenses");
    for (fault, effects, after_release) in
        [(on().dropped_before(), 0, 0), (on().dropped_answer(), 1, 1), (on().late(), 0, 1)]
    {
        let api = Api::start().await;
        // A connection that was good before must not hide the fault behind a silent retry.
        api.ok("GET /v3/licenses", Value::Null).await;
        let name = fault.kind.name();
        api.sandbox.fault(fault);
        let error = create(&api).await.unwrap_err();
        assert!(!error.is_connect() && !error.is_timeout(), "{name}: {error:?}");
        assert_eq!(api.sandbox.licenses().len(), effects, "{name}");
        assert_eq!(api.sandbox.release_late(), after_release - effects, "{name}");
        assert_eq!(api.sandbox.licenses().len(), after_release, "{name}");
        let calls = api.sandbox.calls();
        assert_eq!(calls.len(), 2);
        assert_eq!((calls[1].status, calls[1].fault.as_deref()), (None, Some(name.as_str())));
    }
}

#[tokio::test]
async fn a_delayed_answer_is_of_a_call_that_happened() {
    let api = Api::start().await;
    api.sandbox.fault(Fault::anywhere().delay(1));
    assert_eq!(create(&api).await.unwrap().status(), 201);

    api.sandbox.fault(Fault::on("POST", "/licenses").delay(600_000));
    unanswered(&api, 2).await;
    api.sandbox.configure(|settings| settings.latency_ms = 600_000);
    unanswered(&api, 3).await;
}

/// Creates a license whose answer does not come for ten minutes.
async fn unanswered(api: &Api, licenses: usize) {
    let effect = async {
        while api.sandbox.licenses().len() < licenses {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        answer = create(api) => panic!("{answer:?}"),
        () = effect => {}
    }
}

#[tokio::test]
async fn throttling_says_when_to_come_back() {
    let api = Api::start().await;
    api.sandbox.fault(Fault::anywhere().throttle(3));
    api.sandbox.fault(Fault::anywhere().throttle_until(90));
    for expect in ["3", "Tue, 01 Sep 2026 00:01:30 GMT"] {
        let response = create(&api).await.unwrap();
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()["retry-after"], expect);
        assert_eq!(response.headers()["date"], "Tue, 01 Sep 2026 00:00:00 GMT");
    }
    assert!(api.sandbox.licenses().is_empty());
}

#[tokio::test]
async fn faults_hit_matching_calls_in_turn() {
    let api = Api::start().await;
    let id = api.license(json!({})).await;
    let renew = format!("POST /v3/licenses/{id}/renew");
    api.sandbox.fault(Fault::on("POST", "/renew").error_before(500).skip(1).times(2));
    api.sandbox
        .fault(Fault::on("GET", "productId[eq]=").meets(FaultKind::HtmlError { status: 504 }));
    assert_eq!(api.sandbox.faults_left(), 3);
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(api.status(&renew, Value::Null).await);
    }
    assert_eq!(statuses, [200, 500, 500, 200]);
    assert_eq!(api.sandbox.faults_left(), 1);
    let query = format!("GET /v3/licenses?productId%5Beq%5D={YEARLY_PRODUCT}");
    assert_eq!(api.send(&query, Value::Null).await.unwrap().status(), 504);
    api.sandbox.fault(Fault::anywhere().error_before(500).always());
    api.sandbox.clear_faults();
    assert_eq!(api.sandbox.faults_left(), 0);
    api.ok(&renew, Value::Null).await;
}

#[tokio::test]
async fn a_cut_answer_without_a_body_is_no_answer_either() {
    let api = Api::start().await;
    let id = api.license(json!({})).await;
    api.sandbox.fault(Fault::on("DELETE", "").bad_json());
    let response = api.send(&format!("DELETE /v3/licenses/{id}"), Value::Null).await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.json::<Value>().await.is_err());
    assert!(api.sandbox.licenses().is_empty());
}

#[tokio::test]
async fn calls_are_logged_as_people_read_them() {
    let api = Api::start().await;
    api.listed("GET /v3/licenses?metadata.value[eq]=a%20b%2B&limit=100").await;
    api.ok("GET /sandbox/state", Value::Null).await;
    create(&api).await.unwrap();
    let url = format!("{}/v3/users", api.sandbox.url());
    api.http.post(url).bearer_auth("sandbox-token").body("{").send().await.unwrap();
    let calls = api.sandbox.calls();
    let lines: Vec<_> = calls.iter().map(|call| (call.path.as_str(), call.status)).collect();
    assert_eq!(
        lines,
        [
            ("/v3/licenses?metadata.value[eq]=a b+&limit=100", Some(200)),
            ("/v3/licenses", Some(201)),
            ("/v3/users", Some(400)),
        ]
    );
    assert_eq!(calls[0].body, None);
    assert_eq!(calls[1].body, Some(product(json!({}))));
    assert_eq!(calls[2].body, Some(json!("{")));
    api.sandbox.clear_calls();
    assert!(api.sandbox.calls().is_empty());
}

#[tokio::test]
async fn hung_calls_are_never_answered() {
    let on = || Fault::on("POST", "/v3/licenses");
    for (fault, effects) in [(on().hang_before(), 0), (on().hang_after(), 1)] {
        let api = Api::start().await;
        let (name, mut hits) = (fault.kind.name(), api.sandbox.hits());
        api.sandbox.fault(fault);
        // The client hangs up when the call is where the test wants to interrupt it.
        tokio::select! {
            answer = create(&api) => panic!("{name}: {answer:?}"),
            hit = hits.wait_for(|hits| *hits == 1) => drop(hit.unwrap()),
        }
        assert_eq!(api.sandbox.licenses().len(), effects, "{name}");
        let call = &api.sandbox.calls()[0];
        assert_eq!((call.status, call.fault.as_deref()), (None, Some(name.as_str())));
        let shown = api.ok("GET /sandbox/faults", Value::Null).await;
        assert_eq!(shown, json!({"left": 0, "hits": 1}));
        assert_eq!(create(&api).await.unwrap().status(), 201);
        assert_eq!(api.sandbox.licenses().len(), effects + 1, "{name}");
    }
}

#[tokio::test]
async fn a_hung_connection_stays_open() {
    let api = Api::start().await;
    api.sandbox.fault(Fault::anywhere().hang_before());
    let patience = Duration::from_millis(300);
    let url = format!("{}/v3/licenses", api.sandbox.url());
    let error = api.http.get(url).timeout(patience).send().await.unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
}

#[tokio::test]
async fn hits_are_counted_per_fault_and_begin_anew_after_a_reset() {
    let api = Api::start().await;
    let mut hits = api.sandbox.hits();
    api.sandbox.fault(Fault::on("GET", "/v3").error_before(500).times(2));
    for path in ["GET /v3/licenses", "POST /v3/users", "GET /v3/licenses", "GET /v3/licenses"] {
        api.send(path, Value::Null).await.unwrap();
    }
    assert_eq!(*hits.borrow_and_update(), 2);
    api.sandbox.fault(Fault::anywhere().late());
    create(&api).await.unwrap_err();
    assert_eq!(*hits.borrow_and_update(), 3);
    api.sandbox.reset();
    assert_eq!(*hits.borrow_and_update(), 0);
    assert_eq!(*api.sandbox.hits().borrow(), 0);
}
