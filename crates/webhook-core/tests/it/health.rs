//! `/health` tells the truth, and costs whoever is asked nothing but the answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use futures_util::future::{BoxFuture, join_all};
use http::Request;
use serde_json::{Value, json};
use webhook_core::execute::delivery::Service;
use webhook_core::ledger::{Committed, Embedded, Store, StoreError, Versioned, Write};
use webhook_core::providers::Stripe;

use crate::support::{App, FASTSPRING, STRIPE, TIMING};

/// A store whose calls are counted, and whose disk may be full.
pub(crate) struct Counted {
    inner: Arc<dyn Store>,
    reads: AtomicUsize,
    commits: AtomicUsize,
    is_full: AtomicBool,
}

impl Counted {
    pub(crate) fn over(inner: Arc<dyn Store>) -> Arc<Self> {
        let (reads, commits, is_full) = <_>::default();
        Arc::new(Self { inner, reads, commits, is_full })
    }

    /// Reads and commits.
    pub(crate) fn calls(&self) -> (usize, usize) {
        (self.reads.load(Ordering::SeqCst), self.commits.load(Ordering::SeqCst))
    }

    fn fill(&self, is_full: bool) {
        self.is_full.store(is_full, Ordering::SeqCst);
    }
}

impl Store for Counted {
    fn read<'a>(
        &'a self,
        keys: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<Option<Versioned>>, StoreError>> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        self.inner.read(keys)
    }

    fn commit<'a>(&'a self, writes: &'a [Write]) -> BoxFuture<'a, Result<Committed, StoreError>> {
        self.commits.fetch_add(1, Ordering::SeqCst);
        if self.is_full.load(Ordering::SeqCst) {
            return Box::pin(async { Err(StoreError("No space left on device".to_owned())) });
        }
        self.inner.commit(writes)
    }

    fn list<'a>(
        &'a self,
        prefix: &'a str,
    ) -> BoxFuture<'a, Result<Vec<(String, Versioned)>, StoreError>> {
        self.inner.list(prefix)
    }
}

pub(crate) async fn health(app: &App) -> (u16, Value) {
    let answer = app.request(STRIPE, Request::get("/health").body(Body::empty()).unwrap()).await;
    (answer.status, serde_json::from_str(&answer.body).unwrap())
}

async fn status(service: &Service<Stripe>) -> Value {
    service.health().await.json()["status"].clone()
}

#[tokio::test]
async fn health_reads_once_in_ten_seconds_and_never_writes() {
    let mut app = App::start().await;
    let store = Counted::over(app.store());
    app.restart_over(Arc::<Counted>::clone(&store));
    tokio::time::pause();
    for looks in 1..4 {
        let all = join_all((0..100).map(|_| health(&app))).await;
        assert!(all.iter().all(|(status, told)| *status == 200 && told["status"] == "ok"));
        assert_eq!(store.calls(), (looks, 0));
        tokio::time::advance(Duration::from_secs(10)).await;
    }
}

#[tokio::test]
async fn health_next_to_a_timer_asks_the_ledger_nothing() {
    let app = App::start().await;
    let store = Counted::over(app.store());
    let service = app.service::<Stripe>(Arc::<Counted>::clone(&store), TIMING);
    tokio::time::pause();
    let timer = Arc::clone(&service);
    let timer = tokio::spawn(async move { timer.watch().await });
    // The first look finds out whether anything can be written.
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(store.calls(), (1, 1));
    for looks in 2..5 {
        for _ in 0..100 {
            assert_eq!(status(&service).await, "ok");
        }
        assert_eq!(store.calls(), (looks - 1, 1));
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert_eq!(store.calls(), (looks, 1));
    }
    timer.abort();
}

#[tokio::test]
async fn a_full_disk_shows_in_health_until_a_commit_succeeds() {
    let mut app = App::start().await;
    let store = Counted::over(app.store());
    app.restart_over(Arc::<Counted>::clone(&store));
    assert_eq!(health(&app).await.0, 200);
    store.fill(true);
    assert_eq!(app.case(FASTSPRING, "order-plain").await.status, 400);
    assert_eq!(app.case(STRIPE, "checkout-payment").await.status, 400);
    let (status, told) = health(&app).await;
    assert_eq!((status, &told["status"]), (503, &json!("no ledger")));
    assert_eq!(told["problems"], json!(["ledger: No space left on device"]));
    assert_eq!(told["failedLastHour"], 1);
    store.fill(false);
    app.cases(STRIPE, &["checkout-payment"]).await;
    assert_eq!(health(&app).await.0, 200);
    app.pass(3_601);
    assert_eq!(health(&app).await.1["failedLastHour"], 0);
}

#[tokio::test]
async fn the_timer_notices_a_disk_that_has_room_again() {
    let app = App::start().await;
    let store = Counted::over(app.store());
    store.fill(true);
    let service = app.service::<Stripe>(Arc::<Counted>::clone(&store), TIMING);
    tokio::time::pause();
    let timer = Arc::clone(&service);
    let timer = tokio::spawn(async move { timer.watch().await });
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(status(&service).await, "no ledger");
    store.fill(false);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(status(&service).await, "ok");
    timer.abort();
}

#[tokio::test]
async fn a_missing_or_replaced_ledger_file_shows_in_health() {
    for replaced in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let mut app = App::start().await;
        app.restart_over(Arc::new(Embedded::file(&path, app.clock())));
        app.cases(STRIPE, &["checkout-payment"]).await;
        assert_eq!(health(&app).await.0, 200);
        let moved = folder.path().join("moved");
        std::fs::rename(&path, &moved).unwrap();
        if replaced {
            std::fs::write(&path, b"another").unwrap();
        }
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(10)).await;
        tokio::time::resume();
        let (status, told) = health(&app).await;
        let what = if replaced { "was replaced" } else { "was deleted or moved" };
        let problem = told["problems"][0].as_str().unwrap();
        assert_eq!(status, 503, "{told}");
        assert!(problem.contains(what) && problem.contains("restart"), "{problem}");
        std::fs::rename(&moved, &path).unwrap();
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(10)).await;
        tokio::time::resume();
        assert_eq!(health(&app).await.0, 200, "it was put back");
    }
}
