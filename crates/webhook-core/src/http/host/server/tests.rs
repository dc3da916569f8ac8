use std::num::NonZeroU32;

use axum::routing::{get, post};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::domain::clock::Clock;
use crate::infra::config::Rules;
use crate::infra::limits::Limits;

/// Longer than any test runs.
const LONG: Duration = Duration::from_secs(3_600);

/// Where it listens, what tells it to stop, and when it has stopped.
type Server = (SocketAddr, watch::Sender<bool>, tokio::task::JoinHandle<()>);

/// A server with two places.
async fn server(router: Router, headers_within: Duration) -> Server {
    serving(router, places(2, None), headers_within, LONG).await
}

async fn serving(
    router: Router,
    places: Places,
    headers_within: Duration,
    answered_within: Duration,
) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, told) = watch::channel(false);
    let connections = Connections::of(router, places, headers_within, answered_within);
    let serving = tokio::spawn(async move { connections.serve(listener, &told).await });
    (address, tell, serving)
}

fn places(most: u32, of_one_source: Option<u32>) -> Places {
    let connections = of_one_source.and_then(NonZeroU32::new);
    let rules = Rules { connections, ..Rules::default() };
    Places::of(most, Arc::new(Limits::new(rules, &Clock::system())))
}

fn health() -> Router {
    Router::new().route("/health", get(|| async { "fine" }))
}

async fn told(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok();
    String::from_utf8_lossy(&answer).into_owned()
}

const ASK: &[u8] = b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

#[test]
fn an_unreadable_file_stops_the_start() {
    let read = |name: &str| match name {
        "HOST" => Some(" ::1\n".to_owned()),
        "PORT_FILE" => Some("/nowhere".to_owned()),
        _ => None,
    };
    assert_eq!(given("HOST", &read), Ok(Some("::1".to_owned())));
    assert_eq!(given("OTHER", &read), Ok(None));
    let text = "PORT_FILE names a file that cannot be read or is empty. Mount that file, or set the variable itself.";
    assert_eq!(given("PORT", &read).unwrap_err().to_string(), text);
}

#[tokio::test]
async fn a_silent_connection_loses_its_place_to_others() {
    let (address, _tell, _serving) = server(health(), Duration::from_millis(100)).await;
    let mut silent = Vec::new();
    for text in [&b""[..], b"GET /hea", b"GET /health HTTP/1.1\r\nHost: x\r\n", b""] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(text).await.unwrap();
        silent.push(stream);
    }
    assert!(told(address, ASK).await.ends_with("fine"));
}

#[tokio::test]
async fn nothing_but_http_1_is_spoken() {
    let (address, _tell, _serving) = server(health(), Duration::from_millis(100)).await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let answer = told(address, preface).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer:?}");
    let long = format!("GET /health HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    let answer = told(address, long.as_bytes()).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer:?}");
}

#[tokio::test]
async fn a_begun_request_is_answered_after_the_signal_to_stop() {
    let (begin, mut begun) = tokio::sync::mpsc::channel(1);
    let (go, gone) = watch::channel(false);
    let slow = post(move || async move {
        begin.send(()).await.unwrap();
        gone.clone().wait_for(|go| *go).await.unwrap();
        "done"
    });
    let router = Router::new().route("/slow", slow);
    let (address, tell, serving) = server(router, Duration::from_secs(60)).await;
    let request = b"POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";
    let waiting = tokio::spawn(async move { told(address, request).await });
    let idle = TcpStream::connect(address).await.unwrap();
    begun.recv().await.unwrap();
    tell.send_replace(true);
    assert!(!serving.is_finished());
    go.send_replace(true);
    assert!(waiting.await.unwrap().ends_with("done"));
    serving.await.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
    drop(idle);
}

async fn connected_from(source: &str, address: SocketAddr) -> TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(format!("{source}:0").parse().unwrap()).unwrap();
    socket.connect(address).await.unwrap()
}

/// Whatever comes until the connection is closed; it may be reset.
async fn rest_of(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn one_address_leaves_places_to_the_others() {
    let (address, _tell, _serving) = serving(health(), places(8, Some(4)), LONG, LONG).await;
    let mut crowd = Vec::new();
    for _ in 0..40 {
        crowd.push(connected_from("127.0.0.1", address).await);
    }
    for _ in 0..5 {
        let mut other = connected_from("127.0.0.2", address).await;
        other.write_all(ASK).await.unwrap();
        assert!(rest_of(other).await.ends_with("fine"));
    }
    // The first four are served as ever, the others were closed unread.
    for (number, mut stream) in crowd.into_iter().enumerate() {
        stream.write_all(ASK).await.ok();
        assert_eq!(rest_of(stream).await.ends_with("fine"), number < 4, "{number}");
    }
}

#[tokio::test]
async fn an_answer_ends_its_connection_when_places_are_short() {
    const KEPT: &[u8] = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
    let (address, _tell, _serving) = serving(health(), places(8, None), LONG, LONG).await;
    let mut asking = TcpStream::connect(address).await.unwrap();
    let mut answer = [0; 1024];
    asking.write_all(KEPT).await.unwrap();
    let length = asking.read(&mut answer).await.unwrap();
    let first = String::from_utf8_lossy(&answer[..length]).into_owned();
    assert!(first.ends_with("fine") && !first.contains("connection: close"), "{first}");
    let mut silent = Vec::new();
    for _ in 0..5 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    // All of them are accepted when the next one is answered.
    assert!(told(address, ASK).await.ends_with("fine"));
    asking.write_all(KEPT).await.unwrap();
    let last = rest_of(asking).await;
    assert!(last.contains("connection: close") && last.ends_with("fine"), "{last}");
}

#[tokio::test]
async fn half_a_request_is_closed_at_the_signal_to_stop() {
    const HALF: &[u8] = b"GET /health HTTP/1.1\r\nHo";
    // As the first of its connection, and behind one that was answered.
    for before in [&b""[..], b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"] {
        let (address, tell, serving) = serving(health(), places(4, None), LONG, LONG).await;
        let mut half = TcpStream::connect(address).await.unwrap();
        half.write_all(&[before, HALF].concat()).await.unwrap();
        // It has been read when a later one is answered.
        assert!(told(address, ASK).await.ends_with("fine"));
        tell.send_replace(true);
        serving.await.unwrap();
        half.write_all(b"st: x\r\n\r\n").await.ok();
        let answers = rest_of(half).await.matches("fine").count();
        assert_eq!(answers, usize::from(!before.is_empty()));
    }
}
