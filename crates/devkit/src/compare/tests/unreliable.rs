//! Servers that work late, hang up, die or say too much are judged by what they do, and the run goes on.

use std::collections::{BTreeSet, VecDeque};

use clap::Parser;
use serde_json::json;
use tokio::net::TcpStream;

use super::*;
use crate::compare::{CompareArgs, CompareError, Played, ResultOf, run};
use crate::sandbox::catalogue;

const PATIENT: Patience = Patience {
    start: Duration::ZERO,
    pause: Duration::from_millis(50),
    most: Duration::from_secs(10),
};

/// A purchase without a checkout of its own, and a forged one.
const PURCHASE: &str = "stripe-secret-rotated";
const FORGED: &str = "stripe-forged";

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    (listener, url)
}

/// The next request. A connection without one is a look whether somebody listens.
async fn take(listener: &TcpListener) -> (TcpStream, String) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !is_whole(&request) && stream.read_buf(&mut request).await.unwrap() > 0 {}
        if is_whole(&request) {
            return (stream, String::from_utf8(request).unwrap());
        }
    }
}

async fn say(stream: &mut TcpStream, status: u16) {
    let answer = format!("HTTP/1.1 {status} .\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    stream.write_all(answer.as_bytes()).await.unwrap();
}

/// Makes a license for the buyer, once.
async fn sell(cryptlex: &str, request: &str, sold: &mut BTreeSet<String>) {
    let words = request.split('"');
    let Some(email) = words.into_iter().find(|word| word.ends_with(".example.com")) else { return };
    if !sold.insert(email.to_owned()) {
        return;
    }
    let client = crate::send::client(0);
    let post = async |path, body: serde_json::Value| {
        let request = client.post(format!("{cryptlex}{path}")).bearer_auth(ACCESS_TOKEN);
        let sent = request.header("content-type", "application/json").body(body.to_string());
        let answer = sent.send().await.unwrap().text().await.unwrap();
        serde_json::from_str::<serde_json::Value>(&answer).unwrap()
    };
    let user =
        json!({"firstName": "A", "email": email, "password": "long-enough-1", "role": "user"});
    let user = post("/v3/users", user).await;
    let license = json!({"productId": catalogue::YEARLY_PRODUCT, "userId": user["id"]});
    post("/v3/licenses", license).await;
}

async fn played(sandbox: &Sandbox, url: &str, names: &[&str], patience: Patience) -> Played {
    let all: Vec<Situation> = names.iter().flat_map(|name| one(name)).collect();
    compare(sandbox, &all, &[url.parse().unwrap()], "1", patience).await.unwrap()
}

fn result<'a>(played: &'a Played, name: &str) -> &'a ResultOf {
    &played.results.situations[name]
}

#[tokio::test]
async fn a_server_that_acknowledges_first_is_waited_for() {
    let sandbox = Sandbox::start(Settings::default()).await.unwrap();
    let (listener, url) = listen().await;
    let cryptlex = sandbox.url();
    tokio::spawn(async move {
        let mut sold = BTreeSet::new();
        loop {
            let (mut stream, request) = take(&listener).await;
            say(&mut stream, 200).await;
            stream.shutdown().await.unwrap();
            sell(&cryptlex, &request, &mut sold).await;
        }
    });
    let played = played(&sandbox, &url, &[PURCHASE, "stripe-purchase-twice"], PATIENT).await;
    for name in [PURCHASE, "stripe-purchase-twice"] {
        assert_eq!(result(&played, name).outcome, Outcome::Right, "{played:?}");
    }
}

#[tokio::test]
async fn a_license_of_another_situation_is_said_to_be_a_leftover() {
    let sandbox = Sandbox::start(Settings::default()).await.unwrap();
    let (listener, url) = listen().await;
    let cryptlex = sandbox.url();
    // It is always two deliveries behind, which are all of a play.
    tokio::spawn(async move {
        let mut waiting = VecDeque::new();
        loop {
            let (mut stream, request) = take(&listener).await;
            waiting.push_back(request.clone());
            let due = if waiting.len() > 2 { waiting.pop_front() } else { None };
            sell(&cryptlex, &due.unwrap_or(request), &mut BTreeSet::new()).await;
            say(&mut stream, 200).await;
        }
    });
    let played = played(&sandbox, &url, &[FORGED, PURCHASE], AT_ONCE).await;
    let result = result(&played, PURCHASE);
    assert!(result.outcome == Outcome::Wrong && result.leftover > 0, "{played:?}");
    let table = table::for_a_terminal(&one(PURCHASE), &played.results);
    assert!(table.contains("leftover: "), "{table}");
}

#[tokio::test]
async fn a_connection_that_is_closed_is_a_refusal() {
    let sandbox = Sandbox::start(Settings::default()).await.unwrap();
    let (listener, url) = listen().await;
    let cryptlex = sandbox.url();
    // Answers the probe, and then every other delivery.
    tokio::spawn(async move {
        let mut sold = BTreeSet::new();
        for number in 0.. {
            let (mut stream, request) = take(&listener).await;
            if number % 2 == 0 {
                sell(&cryptlex, &request, &mut sold).await;
                say(&mut stream, 200).await;
            }
        }
    });
    let played = played(&sandbox, &url, &[FORGED, PURCHASE], AT_ONCE).await;
    assert!(played.stopped.is_none(), "{played:?}");
    for name in [FORGED, PURCHASE] {
        let result = result(&played, name);
        assert_eq!((result.outcome, result.unacknowledged), (Outcome::Right, 0), "{played:?}");
    }
}

#[tokio::test]
async fn a_server_that_is_gone_ends_the_run_with_what_was_played() {
    let sandbox = Sandbox::start(Settings::default()).await.unwrap();
    let (listener, url) = listen().await;
    let cryptlex = sandbox.url();
    tokio::spawn(async move {
        let (mut stream, request) = take(&listener).await;
        sell(&cryptlex, &request, &mut BTreeSet::new()).await;
        say(&mut stream, 200).await;
        let (mut stream, _) = take(&listener).await;
        drop(listener);
        say(&mut stream, 400).await;
    });
    let played = played(&sandbox, &url, &[FORGED, PURCHASE], AT_ONCE).await;
    assert_eq!(result(&played, FORGED).outcome, Outcome::Right, "{played:?}");
    assert_eq!(played.results.situations.len(), 1, "{played:?}");
    let stopped = played.stopped.unwrap();
    assert!(matches!(&stopped, TargetError::Stopped { situation, .. } if situation == PURCHASE));
}

#[tokio::test]
async fn an_answer_without_end_is_read_in_part_and_shown_in_part() {
    let sandbox = Sandbox::start(Settings::default()).await.unwrap();
    let (listener, url) = listen().await;
    let cryptlex = sandbox.url();
    tokio::spawn(async move {
        let mut sold = BTreeSet::new();
        loop {
            let (mut stream, request) = take(&listener).await;
            sell(&cryptlex, &request, &mut sold).await;
            let head = "HTTP/1.1 400 .\r\ncontent-length: 1099511627776\r\n\r\n";
            stream.write_all(head.as_bytes()).await.unwrap();
            while stream.write_all(&b"\x1b[31m|".repeat(1000)).await.is_ok() {}
        }
    });
    let played = played(&sandbox, &url, &[PURCHASE], AT_ONCE).await;
    let result = result(&played, PURCHASE);
    assert_eq!((result.outcome, result.unacknowledged), (Outcome::Right, 2), "{played:?}");
    let said = result.refusal.as_ref().unwrap();
    assert!(said.starts_with(r"400: \u{1b}[31m|\u{1b}"), "{said}");
    assert!(said.len() < 2000 && !said.contains('\u{1b}'), "{said}");
}

#[derive(Parser)]
struct Tool {
    #[command(flatten)]
    args: CompareArgs,
}

fn args(words: &[&str]) -> Result<CompareArgs, clap::Error> {
    Tool::try_parse_from([&["compare"], words].concat()).map(|tool| tool.args)
}

#[test]
fn a_wait_has_bounds() {
    assert_eq!(args(&["--wait", "600"]).unwrap().wait, 600);
    for wait in ["601", "18446744073709551615", "-1"] {
        assert!(args(&["--wait", wait]).is_err(), "{wait}");
    }
}

#[tokio::test]
async fn impossible_arguments_are_refused_before_anything_is_played() {
    let free = ["--listen", "127.0.0.1:0"];
    let error = run(&args(&free).unwrap()).await.unwrap_err();
    assert!(matches!(error, CompareError::NoPort(_)), "{error}");
    for file in ["--json", "--markdown"] {
        let url = ["--url", "http://127.0.0.1:9/v1", file, "/there/is/no/such/folder"];
        let error = run(&args(&[&free[..], &url].concat()).unwrap()).await.unwrap_err();
        assert!(matches!(error, CompareError::Unwritable { .. }), "{error}");
    }
}

#[tokio::test]
async fn results_of_before_stay_when_nothing_is_played() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("results.json");
    std::fs::write(&file, "before").unwrap();
    let words = ["--listen", "127.0.0.1:0", "--url", "http://127.0.0.1:9/v1", "--wait", "0"];
    let json = ["--json", file.to_str().unwrap()];
    let error = run(&args(&[&words[..], &json].concat()).unwrap()).await.unwrap_err();
    assert!(error.to_string().contains("export CRYPTLEX_WEB_API_BASE_URL=http://127.0.0.1:"));
    assert!(!error.to_string().contains("127.0.0.1:0\n"), "{error}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "before");
}
