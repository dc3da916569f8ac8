//! How bodies are taken in: whoever sends them, they cost little memory and keep nobody else waiting.

use std::convert::Infallible;
use std::future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use allocation_counter::measure;
use axum::body::{Body, Bytes};
use futures_util::stream::{self, StreamExt as _};
use http::Request;
use serde_json::json;

use crate::support::{App, STRIPE, edited};

const LARGEST: usize = 1024 * 1024;

fn of_frames(frames: impl Iterator<Item = Bytes> + Send + 'static) -> Body {
    Body::from_stream(stream::iter(frames.map(Ok::<_, Infallible>)))
}

#[test]
fn a_body_in_single_bytes_takes_no_more_memory_than_whole() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let app = runtime.block_on(App::start());
    let frames = |count: usize| {
        let body = of_frames((0..count).map(|_| Bytes::from_static(b"a")));
        Request::post("/v1").body(body).unwrap()
    };
    assert_eq!(runtime.block_on(app.request(STRIPE, frames(1))).status, 400);
    let cost =
        measure(|| assert_eq!(runtime.block_on(app.request(STRIPE, frames(LARGEST))).status, 400));
    assert!(cost.bytes_max < 3 * 1024 * 1024, "{cost:?}");
    let too_many = frames(LARGEST + 1);
    assert_eq!(runtime.block_on(app.request(STRIPE, too_many)).status, 413);
}

/// Whoever stops in the middle of large bodies holds a bounded part of the memory, and keeps no usual delivery waiting.
#[tokio::test]
async fn large_bodies_are_taken_in_a_few_at_a_time() {
    let app = App::start().await;
    let begun = Arc::new(AtomicUsize::new(0));
    let stalled = || {
        let began = Arc::clone(&begun);
        let first = stream::iter([Ok::<_, Infallible>(Bytes::from_static(&[b' '; 40_000]))]);
        let second = stream::once(async move {
            began.fetch_add(1, Ordering::SeqCst);
            future::pending().await
        });
        let body = Body::from_stream(first.chain(second));
        app.request(STRIPE, Request::post("/v1").body(body).unwrap())
    };
    let others = futures_util::future::join_all((0..100).map(|_| stalled()));
    let deliveries = async {
        tokio::task::yield_now().await;
        let large = edited(STRIPE, "checkout-payment", |event| {
            event["data"]["object"]["metadata"]["more"] = json!("x".repeat(100_000));
        });
        app.cases(STRIPE, &["checkout-subscription"]).await;
        assert_eq!(begun.load(Ordering::SeqCst), 32);
        large
    };
    let large = tokio::select! {
        _ = others => panic!("none of them ends"),
        large = deliveries => large,
    };
    // They are gone, and with them what they held.
    assert_eq!(app.deliver(STRIPE, "/v2", &large).await.status, 200);
    assert_eq!(app.sandbox.licenses().len(), 2);
}
