//! One address that takes all it can get, and customers who buy meanwhile from another.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use devkit::corpus::case;
use devkit::runtime_api::Server;
use devkit::sandbox::{ACCESS_TOKEN, Sandbox, Settings, catalogue};
use devkit::send::now_unix;
use devkit::sign::{Provider, sign};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

const BINARY: &str = env!("CARGO_BIN_EXE_stripe-webhook");
const HEALTH: &[u8] = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
/// More than a server holds in all.
const CROWD: usize = 600;

async fn connect(from: &str, server: &Server) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
    let address = server.url().trim_start_matches("http://").parse().unwrap();
    socket.connect(address).await.unwrap()
}

/// A signed delivery, and its answer's status.
async fn deliver(from: &str, server: &Server, body: &[u8], secret: &str) -> u16 {
    let (provider, mut stream) = (Provider::Stripe, connect(from, server).await);
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n{}: {}\r\n\r\n",
        provider.path(),
        body.len(),
        provider.signature_header(),
        sign(provider, secret, body, now_unix()),
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap()
}

#[tokio::test]
async fn one_address_does_not_take_the_server_from_the_others() {
    let sandbox = Sandbox::start(Settings::default()).await.unwrap();
    let secret = Provider::Stripe.demo_secret();
    let environment = [
        ("STRIPE_WEBHOOK_SECRET", secret),
        ("CRYPTLEX_ACCESS_TOKEN", ACCESS_TOKEN),
        ("CRYPTLEX_WEB_API_BASE_URL", &sandbox.url()),
        ("CRYPTLEX_PRODUCT_ID", catalogue::YEARLY_PRODUCT),
    ];
    let server = Server::start(Path::new(BINARY), &environment).await.unwrap();
    let mut crowd = Vec::new();
    for _ in 0..CROWD {
        let mut stream = connect("127.0.0.1", &server).await;
        // Whoever is closed at once may not get this far.
        stream.write_all(HEALTH).await.ok();
        crowd.push(stream);
    }
    let story =
        ["checkout-subscription", "invoice-create", "invoice-cycle", "subscription-deleted"];
    for name in story {
        let body = case(Provider::Stripe, name).unwrap().body;
        assert_eq!(deliver("127.0.0.2", &server, &body, secret).await, 200, "{name}");
    }
    assert_eq!(sandbox.licenses().len(), 1);
    // Each place was answered once at most, and a limit of its own is on that.
    let mut answered = 0;
    for stream in crowd {
        let mut first = [0; 12];
        let length = stream.try_read(&mut first).unwrap_or(0);
        answered += usize::from(length > 0);
    }
    assert!((1..=64).contains(&answered), "{answered} connections of one address were served");
    for _ in 0..20 {
        let forged = deliver("127.0.0.3", &server, b"{}", "whsec_forged_not_a_secret").await;
        assert_eq!(forged, 400);
    }
    let logs = server.stop().await.unwrap().logs;
    let lines = |text: &str| logs.lines().filter(|line| line.contains(text)).count();
    assert_eq!(lines("127.0.0.1 holds 64 of 512 connections"), 1, "{logs}");
    assert_eq!(lines("Webhook signature verification failed"), 1, "{logs}");
    assert!(logs.lines().any(|line| line.contains("failed") && line.contains("127.0.0.3")));
}
