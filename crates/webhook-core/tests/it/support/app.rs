//! An application of three functions over one sandbox, with a clock that the test sets.

use std::io::Write as _;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use devkit::sandbox::{ACCESS_TOKEN, Sandbox, Settings};
use devkit::sign::{Provider as Signer, sign};
use http::{HeaderMap, HeaderName, Request};
use http_body_util::BodyExt as _;
use jiff::Timestamp;
use serde_json::Value;
use tower::ServiceExt as _;
use webhook_core::domain::clock::Clock;
use webhook_core::domain::deadline::Timing;
use webhook_core::execute::delivery::Service;
use webhook_core::execute::runtime::Parts;
use webhook_core::http::reply::{ReplyStyle, answer};
use webhook_core::http::router::router;
use webhook_core::infra::config::{self, Loaded, load};
use webhook_core::infra::notify::Notifier;
use webhook_core::infra::overflow::Overflow;
use webhook_core::ledger::{Ledger, Memory, Store};
use webhook_core::providers::Contract;
use webhook_core::providers::inbound::Inbound;
use webhook_core::providers::{FastSpring, Paddle, Provider, Stripe};

use super::clock::SEPTEMBER;
use super::licenses::{end_of, shown};
use super::{body, path_of};

pub(crate) const SECRET: &str = "test_secret_that_is_not_one";
pub(crate) const PRODUCT: &str = "11111111-1111-4111-8111-000000000001";

/// Milliseconds where production waits; generous where waiting would only show a busy machine.
pub(crate) const TIMING: Timing = Timing {
    connect: Duration::from_secs(5),
    call: Some(Duration::from_secs(60)),
    least: Duration::from_millis(5),
    backoff: Duration::from_millis(1),
    window: Duration::from_millis(100),
    poll: Duration::from_millis(2),
    record: Duration::from_secs(5),
    hand_over: Duration::from_secs(5),
};

pub(crate) struct App {
    pub(crate) sandbox: Sandbox,
    clock: Arc<AtomicI64>,
    variables: Vec<(String, String)>,
    store: Arc<dyn Store>,
    pub(crate) notifier: Notifier,
    pub(crate) overflow: Option<Overflow>,
    /// Made when first needed: most tests need one.
    stripe: OnceLock<Router>,
    fastspring: OnceLock<Router>,
    paddle: OnceLock<Router>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<u64>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn message(&self) -> String {
        let json: Value = serde_json::from_str(&self.body).unwrap_or_default();
        json["message"].as_str().unwrap_or(&self.body).to_owned()
    }
}

impl App {
    pub(crate) async fn start() -> Self {
        Self::with(Settings::default(), &[]).await
    }

    pub(crate) async fn with(settings: Settings, variables: &[(&str, &str)]) -> Self {
        let sandbox = Sandbox::start(settings).await.unwrap();
        let mut all: Vec<(String, String)> = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        for (name, value) in [
            ("STRIPE_WEBHOOK_SECRET", SECRET),
            ("FASTSPRING_WEBHOOK_SECRET", SECRET),
            ("PADDLE_WEBHOOK_SECRET", SECRET),
            ("CRYPTLEX_ACCESS_TOKEN", ACCESS_TOKEN),
            ("CRYPTLEX_WEB_API_BASE_URL", &sandbox.url()),
            ("CRYPTLEX_PRODUCT_ID", PRODUCT),
            ("CRYPTLEX_REQUESTS_PER_5S", "0"),
            ("DEADLINE_MS", "25000"),
            // Most stories are about ends as they were paid.
            ("EXPIRY_LEEWAY_HOURS", "0"),
        ] {
            if !all.iter().any(|(given, _)| given == name) {
                all.push((name.to_owned(), value.to_owned()));
            }
        }
        let clock = Arc::new(AtomicI64::new(SEPTEMBER + 100));
        let [stripe, fastspring, paddle] = <_>::default();
        let store = empty_store(&clock);
        Self {
            sandbox,
            clock,
            variables: all,
            store,
            notifier: Notifier::default(),
            overflow: None,
            stripe,
            fastspring,
            paddle,
        }
    }

    /// New processes: whatever the ledger held is forgotten.
    pub(crate) fn restart(&mut self) {
        self.restart_over(empty_store(&self.clock));
    }

    /// New processes over that store.
    pub(crate) fn restart_over(&mut self, store: Arc<dyn Store>) {
        self.store = store;
        [self.stripe, self.fastspring, self.paddle] = <_>::default();
    }

    /// What the functions remember in.
    pub(crate) fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store)
    }

    pub(crate) fn clock(&self) -> Clock {
        clock_of(&self.clock)
    }

    /// A process of its own, over any store, that asks Cryptlex at another address.
    pub(crate) fn instance(&self, provider: Signer, url: &str, store: &Arc<dyn Store>) -> Router {
        match provider {
            Signer::Stripe => self.router::<Stripe>(Some(url), store),
            Signer::Fastspring => self.router::<FastSpring>(Some(url), store),
            Signer::Paddle => self.router::<Paddle>(Some(url), store),
        }
    }

    /// As `deliver` sends it.
    pub(crate) fn signed(&self, provider: Signer, path: &str, body: &[u8]) -> Request<Body> {
        let header = sign(provider, SECRET, body, self.now());
        Request::post(path)
            .header(provider.signature_header(), header)
            .body(Body::from(body.to_vec()))
            .unwrap()
    }

    pub(crate) fn service<P: Provider>(
        &self,
        store: Arc<dyn Store>,
        timing: Timing,
    ) -> Arc<Service<P>> {
        let loaded = self.loaded::<P>(None);
        let parts = self.parts(&loaded, store);
        Arc::new(Service::over(loaded, parts, self.clock(), timing))
    }

    fn loaded<P: Provider>(&self, url: Option<&str>) -> Loaded {
        load::<P>(|name| {
            if let (Some(url), "CRYPTLEX_WEB_API_BASE_URL") = (url, name) {
                return Some(url.to_owned());
            }
            let found = self.variables.iter().find(|(variable, _)| variable == name);
            found.map(|(_, value)| value.clone()).filter(|value| value != "unset")
        })
    }

    fn router<P: Provider>(&self, url: Option<&str>, store: &Arc<dyn Store>) -> Router {
        let loaded = self.loaded::<P>(url);
        let parts = self.parts(&loaded, Arc::clone(store));
        router(Arc::new(Service::<P>::over(loaded, parts, self.clock(), TIMING)))
    }

    fn parts(&self, loaded: &Loaded, store: Arc<dyn Store>) -> Parts {
        let config::Ledger { settle, retention, .. } = loaded.backends.ledger;
        let ledger = Ledger::new(store, settle, retention);
        Parts::of(ledger, self.notifier.clone(), self.overflow.clone())
    }

    pub(crate) fn now(&self) -> i64 {
        self.clock.load(Ordering::SeqCst)
    }

    pub(crate) fn pass(&self, seconds: i64) {
        self.clock.fetch_add(seconds, Ordering::SeqCst);
    }

    pub(crate) async fn request(&self, provider: Signer, request: Request<Body>) -> Answer {
        let router = match provider {
            Signer::Stripe => self.stripe.get_or_init(|| self.router::<Stripe>(None, &self.store)),
            Signer::Fastspring => {
                self.fastspring.get_or_init(|| self.router::<FastSpring>(None, &self.store))
            }
            Signer::Paddle => self.paddle.get_or_init(|| self.router::<Paddle>(None, &self.store)),
        };
        answered(router, request).await
    }

    pub(crate) async fn deliver(&self, provider: Signer, path: &str, body: &[u8]) -> Answer {
        self.request(provider, self.signed(provider, path, body)).await
    }

    /// What must be answered 200, at the path that vendors use.
    pub(crate) async fn accepts(&self, provider: Signer, body: &[u8]) {
        let answer = self.deliver(provider, path_of(provider), body).await;
        assert_eq!(answer.status, 200, "{provider}: {}", answer.body);
    }

    /// A body of the corpus, at the path that vendors use.
    pub(crate) async fn case(&self, provider: Signer, case: &str) -> Answer {
        self.deliver(provider, path_of(provider), &body(provider, case)).await
    }

    /// Cases that must be answered 200.
    pub(crate) async fn cases(&self, provider: Signer, cases: &[&str]) {
        for case in cases {
            let answer = self.case(provider, case).await;
            assert_eq!(answer.status, 200, "{provider} {case}: {}", answer.body);
        }
    }

    /// What the licenses look like: product, expiry, flags, owner, slot; in the order of their slots.
    pub(crate) fn licenses(&self) -> Vec<String> {
        let mut shown: Vec<String> = self.sandbox.licenses().iter().map(shown).collect();
        shown.sort();
        shown
    }

    /// Expiry and flags only.
    pub(crate) fn ends(&self) -> Vec<String> {
        let mut ends: Vec<String> = self.sandbox.licenses().iter().map(end_of).collect();
        ends.sort();
        ends
    }

    pub(crate) fn writes(&self) -> Vec<String> {
        let calls = self.sandbox.calls();
        let writes = calls.iter().filter(|call| call.method != "GET");
        writes.map(|call| format!("{} {}", call.method, call.path)).collect()
    }
}

/// Delivered to a process of its own that gives it no longer than `budget`.
pub(crate) async fn handle<P: Provider>(
    app: &App,
    service: &Service<P>,
    signer: Signer,
    contract: Contract,
    body: &[u8],
    budget: Duration,
) -> u16 {
    let header = sign(signer, SECRET, body, app.now());
    let name = HeaderName::from_static(P::SIGNATURE_HEADER);
    let headers = HeaderMap::from_iter([(name, header.parse().unwrap())]);
    let inbound = Inbound { headers, body: body.to_vec(), source: None };
    let handled = service.handle(contract, inbound, budget).await;
    answer::<P>(ReplyStyle::of(contract), &handled).status.as_u16()
}

fn clock_of(seconds: &Arc<AtomicI64>) -> Clock {
    let seconds = Arc::clone(seconds);
    Clock::new(move || Timestamp::from_second(seconds.load(Ordering::SeqCst)).unwrap())
}

fn empty_store(clock: &Arc<AtomicI64>) -> Arc<dyn Store> {
    Arc::new(Memory::new(clock_of(clock)))
}

pub(crate) async fn answered(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let retry_after = response.headers().get("retry-after");
    let retry_after = retry_after.map(|value| value.to_str().unwrap().parse().unwrap());
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    Answer { status, retry_after, body: String::from_utf8(body.to_vec()).unwrap() }
}

/// What is counted, for whoever runs the tests: a test that passes prints nothing else.
pub(crate) fn tell(text: &str) {
    writeln!(std::io::stderr(), "{text}").ok();
}
