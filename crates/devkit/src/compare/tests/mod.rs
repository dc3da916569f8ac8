//! Servers that cannot be compared are named with what to do; a server that does everything wrong is judged so.

mod unreliable;

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::judge::Outcome;
use super::table;
use super::{Patience, Situation, Target, TargetError, compare, situations};
use crate::sandbox::{ACCESS_TOKEN, Sandbox, Settings};

const AT_ONCE: Patience =
    Patience { start: Duration::ZERO, pause: Duration::ZERO, most: Duration::ZERO };

/// Answers everything alike, after it asked Cryptlex so.
async fn server(status: u16, says: &'static str, asks: Option<(String, &'static str)>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            if let Some((url, token)) = &asks {
                let client = crate::send::client(0);
                client.get(url).bearer_auth(token).send().await.unwrap();
            }
            let mut request = Vec::new();
            while !is_whole(&request) {
                stream.read_buf(&mut request).await.unwrap();
            }
            let answer = format!(
                "HTTP/1.1 {status} .\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{says}",
                says.len()
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    url
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((headers, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = headers.lines().find_map(|line| line.strip_prefix("content-length: "));
    length.is_some_and(|length| length.parse() == Ok(body.len()))
}

fn one(name: &str) -> Vec<Situation> {
    let found: Vec<Situation> = situations().into_iter().filter(|it| it.name == name).collect();
    assert_eq!(found.len(), 1, "{name}");
    found
}

async fn error_of(sandbox: &Sandbox, url: &str) -> TargetError {
    let target: Target = url.parse().unwrap();
    let all = one("stripe-purchase-twice");
    compare(sandbox, &all, &[target], "1", AT_ONCE).await.unwrap_err()
}

#[tokio::test]
async fn servers_that_cannot_be_compared_are_named_with_a_remedy() {
    let sandbox = Sandbox::start(Settings::default()).await.unwrap();
    let error = error_of(&sandbox, "http://127.0.0.1:9/v1").await;
    assert!(matches!(error, TargetError::Silent { .. }), "{error}");
    assert!(error.to_string().to_lowercase().contains("connection refused"), "{error}");
    assert!(error.to_string().contains("export STRIPE_WEBHOOK_SECRET="), "{error}");

    let error = error_of(&sandbox, &server(404, "", None).await).await;
    assert!(matches!(error, TargetError::WrongPath { status: 404, .. }), "{error}");

    let error = error_of(&sandbox, &server(401, "bad signature", None).await).await;
    assert!(matches!(error, TargetError::Elsewhere { status: 401, .. }), "{error}");
    assert!(error.to_string().contains("bad signature"), "{error}");

    let asks = Some((format!("{}/v3/users", sandbox.url()), "another-token"));
    let error = error_of(&sandbox, &server(200, "", asks).await).await;
    assert!(matches!(error, TargetError::WrongToken { .. }), "{error}");
}

#[tokio::test]
async fn a_server_that_makes_no_license_is_judged_by_what_it_says() {
    let sandbox = Sandbox::start(Settings::default()).await.unwrap();
    let asks = || Some((format!("{}/v3/users", sandbox.url()), ACCESS_TOKEN));
    for (status, says, name, outcome, unacknowledged) in [
        (200, "done", "stripe-purchase-twice", Outcome::Wrong, 0),
        (400, "Event type is not supported", "stripe-purchase-twice", Outcome::NotHandled, 4),
        (200, "Ignored: ..", "stripe-purchase-twice", Outcome::NotHandled, 0),
        (200, "done", "stripe-forged", Outcome::Right, 0),
        // It has never made what is to be taken back.
        (200, "done", "stripe-refund", Outcome::Wrong, 0),
        (400, "bad signature", "stripe-forged", Outcome::Right, 0),
    ] {
        let target: Target = server(status, says, asks()).await.parse().unwrap();
        let results = compare(&sandbox, &one(name), &[target], "1", AT_ONCE).await.unwrap();
        let result = &results.results.situations[name];
        assert_eq!(result.outcome, outcome, "{name}: {status} {says}");
        assert_eq!(result.unacknowledged, unacknowledged, "{name}: {status} {says}");
    }
}
