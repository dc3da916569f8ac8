//! One binary under both of its hosts: what a Lambda function answers, the same binary answers as a server.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::corpus::{case, cases};
use crate::envelope::{Gateway, wrap};
use crate::runtime_api::{Function, Invocation, Server};
use crate::sandbox::{ACCESS_TOKEN, Fault, License, Sandbox, Settings, catalogue};
use crate::send::{now_unix, post};
use crate::sign::{Provider, sign};

/// A busy machine is no failure.
const PATIENCE: Duration = Duration::from_secs(120);

/// Status, content type and body.
type Answer = (u16, String, String);

/// A sandbox, and the variables of a function that asks it.
pub(crate) struct Host {
    pub(crate) sandbox: Sandbox,
    pub(crate) variables: Vec<(&'static str, String)>,
}

impl Host {
    pub(crate) async fn new(provider: Provider) -> Self {
        let sandbox = Sandbox::start(Settings::default()).await.expect("a port on loopback");
        let variables = vec![
            (provider.secret_variable(), provider.demo_secret().to_owned()),
            ("CRYPTLEX_ACCESS_TOKEN", ACCESS_TOKEN.to_owned()),
            ("CRYPTLEX_WEB_API_BASE_URL", format!("{}/v3/", sandbox.url())),
            ("CRYPTLEX_PRODUCT_ID", catalogue::YEARLY_PRODUCT.to_owned()),
            ("CRYPTLEX_REQUESTS_PER_5S", "0".to_owned()),
            ("DEADLINE_MS", (PATIENCE.as_millis() / 2).to_string()),
            ("RUST_LOG", "trace,hyper=off,hyper_util=off,reqwest=off,mio=off".to_owned()),
        ];
        Self { sandbox, variables }
    }

    pub(crate) fn environment(&self) -> Vec<(&str, &str)> {
        self.variables.iter().map(|(name, value)| (*name, value.as_str())).collect()
    }

    /// Without ids: creations side by side get them in any order.
    pub(crate) fn licenses(&self) -> Vec<String> {
        let one = |license: &License| {
            let slot = license.metadata.iter().map(|item| item.value.as_str()).collect::<Vec<_>>();
            let owner = license.user.as_ref().map(|user| user.email.as_str());
            format!(
                "{slot:?} {owner:?} {:?} {} {}",
                license.expires_at, license.suspended, license.revoked
            )
        };
        let mut all: Vec<String> = self.sandbox.licenses().iter().map(one).collect();
        all.sort();
        all
    }

    /// What must not be in a log: everything that is secret or personal in the corpus.
    fn check_log(&self, provider: Provider, log: &str, expected: &str) {
        assert!(log.contains(expected), "{expected} was not logged:\n{log}");
        for secret in [
            provider.demo_secret(),
            ACCESS_TOKEN,
            "@example.com",
            "Example",
            "SANDBOX-KEY",
            "NOT-A-KEY",
        ] {
            let line = log.lines().find(|line| line.contains(secret));
            assert_eq!(line, None, "{secret} leaked in a log");
        }
    }
}

/// Delivers the whole corpus of a provider to its binary, as function behind every gateway and as server, and fails unless
/// every answer and every license is the same.
pub async fn agree(provider: Provider, binary: &Path) {
    let path = if provider == Provider::Stripe { "/stripe/v2" } else { "/v1" };
    let bodies: Vec<(String, Vec<u8>)> = cases()
        .into_iter()
        .filter(|case| case.provider == provider)
        .map(|case| (case.name, case.body))
        .collect();
    assert!(bodies.len() > 10, "the corpus is not there");

    let host = Host::new(provider).await;
    let server = Server::start(binary, &host.environment()).await.expect("the server starts");
    let mut served = Vec::new();
    for (_, body) in &bodies {
        let url = format!("{}{path}", server.url());
        let answer = post(&url, provider, provider.demo_secret(), body, now_unix())
            .await
            .expect("an answer");
        let content_type = answer.headers.get("content-type").and_then(|value| value.to_str().ok());
        let body = without_ids(&answer.body);
        served.push((answer.status, content_type.unwrap_or_default().to_owned(), body));
    }
    let licenses = host.licenses();
    let url = server.url().to_owned();
    assert!(is_healthy(binary, &url).await, "{}", server.logs());
    says_what_it_is(provider, binary, &url).await;
    let exit = server.stop().await.expect("the server stops when it is told to");
    assert!(exit.status.success(), "{}", exit.logs);
    host.check_log(provider, &exit.logs, "Received ");
    assert!(!is_healthy(binary, &url).await, "nobody listens there any more");

    let encodings =
        Gateway::ALL.into_iter().flat_map(|gateway| [(gateway, false), (gateway, true)]);
    for (gateway, base64) in encodings {
        let host = Host::new(provider).await;
        let function =
            Function::start(binary, &host.environment()).await.expect("the function starts");
        for ((name, body), expected) in bodies.iter().zip(&served) {
            let signature = sign(provider, provider.demo_secret(), body, now_unix());
            let headers = [
                ("Content-Type", "application/json"),
                (provider.signature_header(), signature.as_str()),
            ];
            let event = wrap(gateway, base64, "POST", path, &headers, body);
            let answer = answer_of(function.invoke(&event, PATIENCE).await.expect("an answer"));
            assert_eq!(&answer, expected, "{provider} {name} by {gateway:?}, base64: {base64}");
        }
        assert_eq!(host.licenses(), licenses, "{provider} by {gateway:?}");
        let exit = function.stop().await.expect("the function stops");
        host.check_log(provider, &exit.logs, "\"message\":\"Received ");
    }
}

/// Creations side by side get their ids in any order, and licenses are answered in the order of their ids.
pub(crate) fn without_ids(body: &str) -> String {
    let Ok(mut json) = serde_json::from_str::<Value>(body) else { return body.to_owned() };
    let Some(licenses) = json.pointer_mut("/data/licenses").and_then(Value::as_array_mut) else {
        return body.to_owned();
    };
    for license in licenses.iter_mut() {
        license["id"] = json!("..");
    }
    licenses.sort_by_key(ToString::to_string);
    json.to_string()
}

/// What a first visitor finds, in a browser and on the command line.
async fn says_what_it_is(provider: Provider, binary: &Path, url: &str) {
    let page = crate::send::client(0).get(format!("{url}/")).send().await.expect("an answer");
    let page = page.text().await.expect("a text");
    let path = format!("POST /webhooks/{}", provider.name());
    assert!(page.contains(provider.binary()) && page.contains(&path), "{page}");
    for (argument, says) in
        [("--version", provider.binary()), ("--help", provider.secret_variable())]
    {
        let output = Command::new(binary).arg(argument).output().await.expect("the binary runs");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains(says), "{argument}: {text}");
    }
    let refused = Command::new(binary).arg("serve").output().await.expect("the binary runs");
    let text = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && text.contains("see --help"), "{text}");
}

/// What a container's health check finds.
async fn is_healthy(binary: &Path, url: &str) -> bool {
    let port = url.rsplit(':').next().unwrap_or_default();
    let mut ask = Command::new(binary);
    ask.arg("--healthy").env("PORT", port).stdout(Stdio::null()).stderr(Stdio::null());
    ask.status().await.expect("the binary runs").success()
}

/// What a gateway can get wrong is answered, and the function lives on.
pub async fn survive(provider: Provider, binary: &Path) {
    let host = Host::new(provider).await;
    let function = Function::start(binary, &host.environment()).await.expect("the function starts");
    let status = async |event: &Value| {
        answer_of(function.invoke(event, PATIENCE).await.expect("an answer")).0
    };
    for gateway in Gateway::ALL {
        let wrap =
            |base64, method: &str, path: &str| wrap(gateway, base64, method, path, &[], b"{}");
        let mut damaged = wrap(true, "POST", "/v1");
        damaged["body"] = json!("this is not base64!");
        assert_eq!(status(&damaged).await, 400, "{gateway:?}");
        for (method, path, expected) in [
            (Method::GET, "/health", 200),
            (Method::GET, "/v1", 405),
            (Method::POST, "/nothing", 404),
            // What SQS sends to a function, somebody posts.
            (Method::POST, "/", 404),
            // Paths that no URL has.
            (Method::POST, "/v 1", 404),
            (Method::POST, "", 404),
            (Method::POST, "[", 404),
        ] {
            let answer = status(&wrap(false, method.as_str(), path)).await;
            assert_eq!(answer, expected, "{method} {path} by {gateway:?}");
        }
    }
    for host in ["a b", "[::", "example.com:99999", ""] {
        for gateway in Gateway::ALL {
            let mut event = wrap(gateway, false, "GET", "/health", &[], b"");
            for headers in ["headers", "multiValueHeaders"] {
                let Some(headers) = event[headers].as_object_mut() else { continue };
                for (_, value) in
                    headers.iter_mut().filter(|(it, _)| it.eq_ignore_ascii_case("host"))
                {
                    match value {
                        Value::Array(values) => *values = vec![json!(host)],
                        value => *value = json!(host),
                    }
                }
            }
            assert_eq!(status(&event).await, 200, "{host:?} by {gateway:?}");
        }
    }
    let health_check = json!({
        "requestContext": { "elb": { "targetGroupArn": "arn" } }, "httpMethod": "GET", "path": "/",
        "queryStringParameters": {}, "headers": { "user-agent": "ELB-HealthChecker/2.0" },
        "body": "", "isBase64Encoded": false,
    });
    assert_eq!(status(&health_check).await, 200);
    // What no header can be is left out; of what no request can be, it is refused. Neither crashes the function.
    let mut odd = health_check.clone();
    odd["headers"]["x-odd"] = json!("a\nb");
    odd["headers"]["x(y"] = json!("1");
    assert_eq!(status(&odd).await, 200);
    odd["httpMethod"] = json!("GE T");
    assert_eq!(status(&odd).await, 400);
    for event in [
        json!({}),
        json!([]),
        json!("text"),
        json!({"version": "2.0"}),
        json!({"httpMethod": 7}),
        json!({"Records": []}),
        json!({"Records": [{"eventSource": "aws:s3", "messageId": "1", "body": "{}"}]}),
        json!({"Records": [{"eventSource": "aws:sqs", "messageId": "1"}, {"eventSource": "aws:s3"}]}),
    ] {
        let outcome = function.invoke(&event, PATIENCE).await.expect("an answer");
        assert!(matches!(outcome, Invocation::Error(_)), "{event} gave {outcome:?}");
    }
    // An HTTP API puts a named stage before the path, in both of its formats.
    let mut format_1 = wrap(Gateway::Rest, false, "GET", "/prod/health", &[], b"");
    format_1["version"] = json!("1.0");
    assert_eq!(status(&format_1).await, 200);
    let mut staged = wrap(Gateway::HttpApi, false, "GET", "/prod/health", &[], b"");
    staged["requestContext"]["stage"] = json!("prod");
    assert_eq!(status(&staged).await, 200);
    assert!(host.sandbox.calls().is_empty());

    // Half a request does not keep a server alive that was told to stop.
    let mut environment = host.environment();
    environment.push(("DEADLINE_MS", "300"));
    let server = Server::start(binary, &environment).await.expect("the server starts");
    let address = server.url().trim_start_matches("http://").to_owned();
    let mut half = tokio::net::TcpStream::connect(address).await.expect("a connection");
    half.write_all(b"POST /v1 HTTP/1.1\r\nHo").await.expect("half a header");
    let exit = tokio::time::timeout(PATIENCE, server.stop()).await.expect("it stops");
    assert!(exit.expect("its end is seen").status.success());

    // Nothing is configured: every webhook is told so, and nothing crashes.
    let bare = Function::start(binary, &[]).await.expect("the function starts");
    let event = wrap(Gateway::Rest, false, "POST", "/v1", &[], b"{}");
    for _ in 0..2 {
        let answer = answer_of(bare.invoke(&event, PATIENCE).await.expect("an answer"));
        let text =
            format!("{} was not found in environment variables.", provider.secret_variable());
        let json: Value = serde_json::from_str(&answer.2).expect("JSON");
        assert_eq!((answer.0, json["message"].as_str()), (400, Some(text.as_str())));
    }
    let logs = bare.stop().await.expect("the function stops").logs;
    for variable in
        [provider.secret_variable(), "CRYPTLEX_ACCESS_TOKEN", "CRYPTLEX_WEB_API_BASE_URL"]
    {
        assert!(logs.contains(&format!("{variable} was not found")), "{logs}");
    }
}

/// Kills the server with SIGKILL at every call that a story makes of Cryptlex, before its effect and after it. The next
/// server goes on over the same ledger file; every event is delivered until it is done, and the licenses are as if nobody
/// had died. Gives the number of deaths.
pub async fn die_anywhere(provider: Provider, binary: &Path, story: &[&str]) -> usize {
    let bodies: Vec<Vec<u8>> =
        story.iter().map(|name| case(provider, name).expect("a case of the corpus").body).collect();
    let calm = Host::new(provider).await;
    let server = Server::start(binary, &calm.environment()).await.expect("the server starts");
    for body in &bodies {
        assert_eq!(deliver(provider, &server, body).await, Some(200));
    }
    let (calls, expected) = (calm.sandbox.calls().len(), calm.licenses());
    for call in 0..calls {
        for effect in [false, true] {
            let folder = std::env::temp_dir()
                .join(format!("ledger-{provider}-{}-{call}-{effect}", std::process::id()));
            std::fs::create_dir_all(&folder).expect("a folder for the ledger");
            let ledger = folder.join("ledger").display().to_string();
            let mut host = Host::new(provider).await;
            host.variables.push(("LEDGER_PATH", ledger));
            // Nothing is under way any more when the next server starts: the sandbox has what it was sent.
            host.variables.push(("SETTLE_SECS", "0".to_owned()));
            let there = Fault::anywhere().skip(u32::try_from(call).expect("few calls"));
            host.sandbox.fault(if effect { there.hang_after() } else { there.hang_before() });
            let mut hits = host.sandbox.hits();
            let mut server =
                Server::start(binary, &host.environment()).await.expect("the server starts");
            let mut deaths = 0;
            for body in &bodies {
                let mut done = false;
                for _ in 0..3 {
                    let answer = tokio::select! {
                        answer = deliver(provider, &server, body) => answer,
                        _ = hits.wait_for(|hits| *hits > deaths) => None,
                    };
                    if answer.is_none() {
                        deaths += 1;
                        server.kill().await.expect("the server dies");
                        server = Server::start(binary, &host.environment())
                            .await
                            .expect("the server starts over the ledger of the dead one");
                    }
                    done = answer == Some(200);
                    if done {
                        break;
                    }
                }
                assert!(done, "{provider} {story:?}, killed at call {call}: never got done");
            }
            assert_eq!(deaths, 1, "{provider} {story:?}, call {call} was not made");
            assert_eq!(
                host.licenses(),
                expected,
                "{provider} {story:?}, killed at call {call}, effect: {effect}"
            );
            assert_eq!(host.sandbox.users().len(), calm.sandbox.users().len());
            drop(server);
            std::fs::remove_dir_all(&folder).expect("the folder of the ledger goes");
        }
    }
    calls * 2
}

async fn deliver(provider: Provider, server: &Server, body: &[u8]) -> Option<u16> {
    let url = format!("{}{}", server.url(), provider.path());
    let answer = post(&url, provider, provider.demo_secret(), body, now_unix()).await;
    answer.ok().map(|answer| answer.status)
}

fn answer_of(invocation: Invocation) -> Answer {
    match invocation {
        Invocation::Response(response) => {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            // A REST API gets every value of a header, and nothing in the other map.
            let header = |name: &str| {
                let every_value = &response["multiValueHeaders"][name][0];
                text(if every_value.is_null() { &response["headers"][name] } else { every_value })
            };
            let status =
                response["statusCode"].as_u64().and_then(|status| u16::try_from(status).ok());
            let body = without_ids(&text(&response["body"]));
            (status.unwrap_or(0), header("content-type"), body)
        }
        Invocation::Error(error) => panic!("the function failed: {error}"),
    }
}
