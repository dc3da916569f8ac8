use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

/// As much of a runtime as the emulator needs to see.
struct FakeFunction {
    base: String,
    client: reqwest::Client,
}

impl FakeFunction {
    fn of(api: &RuntimeApi) -> FakeFunction {
        FakeFunction {
            base: format!("http://{}/2018-06-01/runtime", api.address()),
            client: crate::send::client(1),
        }
    }

    async fn ask(&self) -> (http::HeaderMap, Value) {
        let url = format!("{}/invocation/next", self.base);
        let response = self.client.get(url).send().await.unwrap();
        assert_eq!(response.status(), 200);
        (response.headers().clone(), response.json().await.unwrap())
    }

    async fn tell(&self, path: &str, body: &str) -> u16 {
        let url = format!("{}/{path}", self.base);
        self.client.post(url).body(body.to_owned()).send().await.unwrap().status().as_u16()
    }

    /// Answers one event and returns its headers.
    async fn work(&self, kind: &str, body: &str) -> http::HeaderMap {
        let (headers, _) = self.ask().await;
        assert_eq!(self.tell(&format!("invocation/{}/{kind}", id(&headers)), body).await, 202);
        headers
    }
}

fn id(headers: &http::HeaderMap) -> &str {
    headers["lambda-runtime-aws-request-id"].to_str().unwrap()
}

#[tokio::test]
async fn an_event_is_handed_out_and_its_response_comes_back() {
    let api = RuntimeApi::start().await.unwrap();
    let function = FakeFunction::of(&api);
    let event = json!({"path": "/v1", "body": "é"});
    let before_ms = since_1970().as_millis();
    let echo = async {
        let (headers, event) = function.ask().await;
        let answer = json!({"statusCode": 200, "echo": event}).to_string();
        let path = format!("invocation/{}/response", id(&headers));
        assert_eq!(function.tell(&path, &answer).await, 202);
        headers
    };
    let (answer, headers) = tokio::join!(api.invoke(&event, PATIENCE), echo);

    assert_eq!(
        answer.unwrap(),
        Invocation::Response(json!({"statusCode": 200, "echo": {"path": "/v1", "body": "é"}}))
    );
    let deadline_ms: u128 =
        headers["lambda-runtime-deadline-ms"].to_str().unwrap().parse().unwrap();
    let told = before_ms + PATIENCE.as_millis()..=since_1970().as_millis() + PATIENCE.as_millis();
    assert!(told.contains(&deadline_ms));
    assert!(headers.contains_key("lambda-runtime-invoked-function-arn"));
    assert!(headers.contains_key("lambda-runtime-trace-id"));
}

#[tokio::test]
async fn a_function_answers_one_event_after_another() {
    let api = RuntimeApi::start().await.unwrap();
    let function = FakeFunction::of(&api);
    let (event, error) = (json!({}), r#"{"errorType":"E","errorMessage":"m"}"#);

    let (answer, first) = tokio::join!(api.invoke(&event, PATIENCE), function.work("error", error));
    assert_eq!(answer.unwrap(), Invocation::Error(json!({"errorType": "E", "errorMessage": "m"})));

    let (answer, second) =
        tokio::join!(api.invoke(&event, PATIENCE), function.work("response", "7"));
    assert_eq!(answer.unwrap(), Invocation::Response(json!(7)));
    assert_ne!(id(&first), id(&second));
}

#[tokio::test]
async fn an_answer_that_is_not_json_is_the_callers_error() {
    let api = RuntimeApi::start().await.unwrap();
    let function = FakeFunction::of(&api);
    let event = json!({});
    let (answer, _) = tokio::join!(api.invoke(&event, PATIENCE), function.work("response", "oops"));
    assert!(matches!(answer, Err(InvokeError::NotJson(text)) if text == "oops"));
}

#[tokio::test]
async fn an_answer_after_the_timeout_is_refused() {
    let api = RuntimeApi::start().await.unwrap();
    let function = FakeFunction::of(&api);
    let event = json!({});
    let (answer, (headers, _)) =
        tokio::join!(api.invoke(&event, Duration::from_millis(20)), function.ask());
    assert!(matches!(answer, Err(InvokeError::TimedOut(_))));
    assert_eq!(function.tell(&format!("invocation/{}/response", id(&headers)), "1").await, 400);
}

#[tokio::test]
async fn an_event_whose_caller_gave_up_is_not_handed_out() {
    let api = RuntimeApi::start().await.unwrap();
    let function = FakeFunction::of(&api);
    let (abandoned, event) = (json!("abandoned"), json!("awaited"));
    tokio::select! {
        biased;
        _ = api.invoke(&abandoned, PATIENCE) => panic!("nobody asked"),
        () = std::future::ready(()) => {}
    }
    let work = async {
        let (headers, event) = function.ask().await;
        function.tell(&format!("invocation/{}/response", id(&headers)), &event.to_string()).await
    };
    let (answer, _) = tokio::join!(api.invoke(&event, PATIENCE), work);
    assert_eq!(answer.unwrap(), Invocation::Response(json!("awaited")));
}

#[tokio::test]
async fn a_failed_start_ends_the_invocation_that_waits_for_it() {
    let api = RuntimeApi::start().await.unwrap();
    let function = FakeFunction::of(&api);
    assert_eq!(api.init_error(), None);
    let event = json!({});
    let (answer, status) = tokio::join!(
        api.invoke(&event, PATIENCE),
        function.tell("init/error", r#"{"errorType":"I"}"#)
    );
    assert_eq!(status, 202);
    assert!(matches!(answer, Err(InvokeError::Init(error)) if error == json!({"errorType": "I"})));
    assert_eq!(api.init_error(), Some(json!({"errorType": "I"})));
}

#[tokio::test]
async fn a_function_is_ready_when_it_has_asked() {
    let api = RuntimeApi::start().await.unwrap();
    let function = FakeFunction::of(&api);
    tokio::select! {
        biased;
        () = api.ready() => {}
        _ = function.ask() => panic!("there is no event"),
    }
}

#[tokio::test]
async fn unknown_ids_and_paths_are_refused() {
    let api = RuntimeApi::start().await.unwrap();
    let function = FakeFunction::of(&api);
    assert_eq!(function.tell("invocation/unknown/response", "1").await, 400);
    assert_eq!(function.tell("invocation/next", "").await, 404);
}
