//! More deliveries at once than Cryptlex's limit lets through: nothing is begun in vain, and a server finishes by itself what
//! it had to put off. Time is paused: whatever waits takes none.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use devkit::sandbox::{Fault, Settings};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use webhook_core::domain::deadline::Timing;
use webhook_core::domain::ids::EventId;
use webhook_core::execute::delivery::Service;
use webhook_core::http::router::router;
use webhook_core::ledger::{EventRecord, EventStatus, Ledger, Store};
use webhook_core::providers::Stripe;

use crate::support::{Answer, App, STRIPE, TIMING, answered, edited, tell};

const LIMIT: u32 = 50;
/// Of one renewal whose license is known: a read and a write.
const CALLS: usize = 2;

/// A server over one store, with its worker.
pub(crate) struct Server {
    service: Arc<Service<Stripe>>,
    router: Router,
    stop: watch::Sender<bool>,
    worker: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(app: &App) -> Self {
        let timing =
            Timing { window: Duration::from_secs(5), poll: Duration::from_millis(40), ..TIMING };
        let service = app.service::<Stripe>(app.store(), timing);
        let (stop, told_to_stop) = watch::channel(false);
        let worker = tokio::spawn(Arc::clone(&service).work(told_to_stop));
        tokio::task::yield_now().await;
        Self { router: router(Arc::clone(&service)), service, stop, worker }
    }

    pub(crate) async fn deliver(&self, app: &App, body: &[u8]) -> Answer {
        answered(&self.router, app.signed(STRIPE, "/webhooks/stripe", body)).await
    }

    async fn waiting(&self) -> u64 {
        self.service.health().await.json()["waiting"]["events"].as_u64().unwrap()
    }

    /// Until the worker has nothing left to do, or the time is over.
    async fn until_none_waits(&self, app: &App) {
        for tenth in 1..10_000 {
            if self.waiting().await == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            app.pass(i64::from(tenth % 10 == 0));
        }
        panic!("{} still wait", self.waiting().await);
    }

    pub(crate) async fn stop(self) {
        self.stop.send_replace(true);
        self.worker.await.unwrap();
        self.service.finish().await;
    }
}

pub(crate) fn purchase(number: usize) -> Vec<u8> {
    edited(STRIPE, "checkout-subscription", |event| {
        event["id"] = json!(format!("evt_purchase{number}"));
        let session = &mut event["data"]["object"];
        session["id"] = json!(format!("cs_{number}"));
        session["subscription"] = json!(format!("sub_{number}"));
        session["customer"] = json!(format!("cus_{number}"));
        session["customer_details"]["email"] = json!(format!("customer{number}@example.com"));
    })
}

pub(crate) fn renewal(number: usize) -> Vec<u8> {
    let body = edited(STRIPE, "invoice-cycle", |event| {
        event["id"] = json!(renewal_id(number));
        let created = event["created"].as_i64().unwrap();
        event["created"] = json!(created + i64::try_from(number).unwrap());
    });
    let text = String::from_utf8(body).unwrap();
    let text = text.replace("sub_1AdalPKdPqWvRn2LIFXNxh5R", &format!("sub_{number}"));
    text.replace("cus_UOM4YOIUd3xZ0G", &format!("cus_{number}")).into_bytes()
}

pub(crate) fn renewal_id(number: usize) -> String {
    format!("evt_renewal{number}")
}

pub(crate) async fn record(app: &App, id: &str) -> EventRecord {
    let ledger = Ledger::new(app.store(), <_>::default(), <_>::default());
    ledger.event("stripe", &EventId::new(id).unwrap()).await.unwrap().unwrap()
}

async fn listed(app: &App) -> usize {
    let ledger = Ledger::new(app.store(), <_>::default(), <_>::default());
    ledger.waiting("stripe").await.unwrap().len()
}

/// Subscriptions that were bought before anything is limited.
pub(crate) async fn sold(count: usize, variables: &[(&str, &str)]) -> App {
    let mut all = vec![("CRYPTLEX_REQUESTS_PER_5S", "50"), ("DEADLINE_MS", "10000")];
    all.retain(|(name, _)| variables.iter().all(|(given, _)| given != name));
    all.extend(variables);
    let app = App::with(Settings::default(), &all).await;
    let before = App::with(Settings::default(), &[]).await;
    let unlimited = before.instance(STRIPE, &app.sandbox.url(), &app.store());
    for number in 0..count {
        let request = app.signed(STRIPE, "/webhooks/stripe", &purchase(number));
        let answer = answered(&unlimited, request).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    app.sandbox.clear_calls();
    tokio::time::pause();
    app
}

fn calls(app: &App) -> usize {
    app.sandbox.calls().len()
}

#[tokio::test]
async fn a_burst_of_renewals_begins_nothing_in_vain() {
    const RENEWALS: usize = 200;
    let app = sold(RENEWALS, &[]).await;
    app.sandbox.configure(|settings| {
        settings.latency_ms = 80;
        settings.rate_limit = Some(LIMIT);
    });
    let server = Arc::new(Server::start(&app).await);
    let app = Arc::new(app);
    let began = tokio::time::Instant::now();
    let mut deliveries = JoinSet::new();
    for number in 0..RENEWALS {
        let (server, app) = (Arc::clone(&server), Arc::clone(&app));
        deliveries.spawn(async move {
            tokio::time::sleep(Duration::from_millis(60) * u32::try_from(number).unwrap()).await;
            server.deliver(&app, &renewal(number)).await.status
        });
    }
    let statuses = deliveries.join_all().await;
    let in_time = statuses.iter().filter(|status| **status == 200).count();
    assert_eq!(statuses.iter().filter(|status| **status == 503).count(), RENEWALS - in_time);
    server.until_none_waits(&app).await;
    for number in 0..RENEWALS {
        let EventRecord { status, attempts, .. } = record(&app, &renewal_id(number)).await;
        assert!(matches!(status, EventStatus::Done(_)), "{number}: {status:?}");
        assert_eq!(attempts, 1, "{number} was begun in vain");
    }
    assert_eq!(calls(&app), CALLS * RENEWALS);
    assert!(app.sandbox.calls().iter().all(|call| call.status != Some(429)));
    assert_eq!(listed(&app).await, 0);
    let windows = CALLS * RENEWALS / usize::try_from(LIMIT).unwrap() - 1;
    tell(&format!(
        "burst: {in_time} of {RENEWALS} renewals answered in time, all done after {:?}; the limit's own time is {} s",
        began.elapsed(),
        windows * 5,
    ));
}

#[tokio::test]
async fn a_purchase_is_answered_before_renewals_that_wait() {
    let app = sold(60, &[]).await;
    let server = Arc::new(Server::start(&app).await);
    let app = Arc::new(app);
    let mut deliveries = JoinSet::new();
    for number in 0..60 {
        let (server, app) = (Arc::clone(&server), Arc::clone(&app));
        deliveries.spawn(async move { server.deliver(&app, &renewal(number)).await.status });
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let answer = server.deliver(&app, &purchase(1_000)).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let done = app.sandbox.calls().iter().filter(|call| call.path.contains("/renew")).count();
    assert!(done < 60, "it waited for all renewals");
    assert!(deliveries.join_all().await.contains(&503));
    server.until_none_waits(&app).await;
    assert_eq!(calls(&app), 60 * CALLS + 4);
}

/// An outage: each renewal is put off, and goes on by itself when it is over; also by the next process.
#[tokio::test]
async fn waiting_events_are_finished_after_a_restart() {
    let app = sold(5, &[]).await;
    app.sandbox.fault(Fault::anywhere().error_before(503).always());
    let server = Server::start(&app).await;
    for number in 0..5 {
        assert_eq!(server.deliver(&app, &renewal(number)).await.status, 503);
    }
    let health = server.service.health().await.json();
    assert_eq!(health["waiting"]["events"], 5);
    assert!(health["waiting"]["until"].is_string(), "{health}");
    server.stop().await;
    assert_eq!(listed(&app).await, 5);
    app.sandbox.clear_faults();
    app.pass(600);
    let server = Server::start(&app).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.until_none_waits(&app).await;
    assert_eq!(listed(&app).await, 0);
    app.sandbox.clear_calls();
    for number in 0..5 {
        assert_eq!(server.deliver(&app, &renewal(number)).await.status, 200);
    }
    assert_eq!(calls(&app), 0, "each of them is a duplicate");
}

/// What an outage kept from Cryptlex was not begun: purchases go first when it is over.
#[tokio::test]
async fn a_purchase_goes_first_after_an_outage() {
    let app = sold(4, &[]).await;
    app.sandbox.fault(Fault::anywhere().error_before(503).always());
    let server = Server::start(&app).await;
    for number in 0..4 {
        assert_eq!(server.deliver(&app, &renewal(number)).await.status, 503);
    }
    assert_eq!(server.deliver(&app, &purchase(1_000)).await.status, 503);
    tokio::time::sleep(Duration::from_secs(60)).await;
    app.sandbox.clear_faults();
    app.sandbox.clear_calls();
    // One after the other.
    app.sandbox.configure(|settings| settings.latency_ms = 80);
    app.pass(600);
    server.until_none_waits(&app).await;
    let calls = app.sandbox.calls();
    let place = |what: &str| calls.iter().position(|call| call.path.contains(what)).unwrap();
    assert!(place("/v3/users") < place("/renew"), "{calls:?}");
}

/// The only one that waits is tried again when it is due, though nothing else happens meanwhile.
#[tokio::test]
async fn an_event_that_failed_alone_is_tried_again_when_due() {
    let app = sold(1, &[]).await;
    app.sandbox.fault(Fault::anywhere().error_before(503).always());
    let server = Server::start(&app).await;
    assert_eq!(server.deliver(&app, &renewal(0)).await.status, 503);
    let tried = async || record(&app, &renewal_id(0)).await.attempts;
    let first = tried().await;
    let mut seconds = 0;
    while tried().await == first {
        assert!(seconds < 300, "it was never tried");
        tokio::time::sleep(Duration::from_secs(1)).await;
        app.pass(1);
        seconds += 1;
    }
    app.sandbox.clear_faults();
    for _ in 0..45 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        app.pass(1);
    }
    assert_eq!(server.waiting().await, 0, "the list is read again a minute later");
}

#[tokio::test]
async fn a_worker_and_a_redelivery_at_once_have_one_effect() {
    let app = sold(1, &[]).await;
    app.sandbox.fault(Fault::anywhere().error_before(503).always());
    let server = Server::start(&app).await;
    assert_eq!(server.deliver(&app, &renewal(0)).await.status, 503);
    app.sandbox.clear_faults();
    app.sandbox.clear_calls();
    app.sandbox.configure(|settings| settings.latency_ms = 80);
    app.pass(600);
    let body = renewal(0);
    let again = async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        server.deliver(&app, &body).await.status
    };
    let (first, second) = tokio::join!(server.deliver(&app, &body), again);
    server.until_none_waits(&app).await;
    assert_eq!((first.status, second), (200, 200));
    let renewals = app.sandbox.calls();
    assert_eq!(renewals.iter().filter(|call| call.path.ends_with("/renew")).count(), 1);
}

/// Its purchase never comes: Cryptlex says so, and nobody tries it again but the provider.
#[tokio::test]
async fn a_hopeless_event_is_not_tried_for_ever() {
    let app = sold(0, &[]).await;
    app.sandbox.fault(Fault::anywhere().error_before(503).always());
    let server = Server::start(&app).await;
    assert_eq!(server.deliver(&app, &renewal(0)).await.status, 503);
    app.sandbox.clear_faults();
    app.pass(600);
    server.until_none_waits(&app).await;
    assert_eq!(listed(&app).await, 0);
    let tries = record(&app, &renewal_id(0)).await.attempts;
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    assert_eq!(record(&app, &renewal_id(0)).await.attempts, tries);
    assert_eq!(server.service.health().await.json()["failedLastHour"], 1);
}

/// What Cryptlex never answers for hours is left to the provider, and health says so.
#[tokio::test]
async fn an_outage_without_end_ends_the_tries() {
    let app = sold(1, &[]).await;
    app.sandbox.fault(Fault::anywhere().error_before(503).always());
    let server = Server::start(&app).await;
    assert_eq!(server.deliver(&app, &renewal(0)).await.status, 503);
    for _ in 0..40 {
        app.pass(600);
        tokio::time::sleep(Duration::from_secs(600)).await;
    }
    assert_eq!((server.waiting().await, listed(&app).await), (0, 0));
    assert_eq!(server.service.health().await.json()["waiting"]["givenUp"], 1);
}

#[tokio::test]
async fn a_body_too_large_to_keep_is_answered_as_before() {
    let app = sold(1, &[]).await;
    app.sandbox.fault(Fault::anywhere().error_before(503).always());
    let server = Server::start(&app).await;
    // It does not compress to what the ledger keeps.
    let noise: String =
        (0..12_000_u32).map(|n| hex::encode(Sha256::digest(n.to_be_bytes()))).collect();
    let mut event: serde_json::Value = serde_json::from_slice(&renewal(0)).unwrap();
    event["data"]["object"]["metadata"]["noise"] = json!(noise);
    let body = serde_json::to_vec(&event).unwrap();
    assert_eq!(server.deliver(&app, &body).await.status, 503);
    assert_eq!((server.waiting().await, listed(&app).await), (0, 0));
}

/// A process that is told to stop begins nothing more, and what waits is still listed.
#[tokio::test]
async fn a_worker_that_must_stop_begins_nothing() {
    let app = sold(3, &[]).await;
    app.sandbox.fault(Fault::anywhere().error_before(503).always());
    let server = Server::start(&app).await;
    for number in 0..3 {
        assert_eq!(server.deliver(&app, &renewal(number)).await.status, 503);
    }
    server.stop().await;
    app.sandbox.clear_faults();
    app.sandbox.clear_calls();
    app.pass(600);
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!((calls(&app), listed(&app).await), (0, 3));
}

/// Two servers over one table: both know all that waits, and each event has one effect.
#[tokio::test]
async fn two_servers_over_one_store_finish_each_event_once() {
    let app = sold(20, &[]).await;
    app.sandbox.fault(Fault::anywhere().error_before(503).always());
    let first = Server::start(&app).await;
    for number in 0..20 {
        assert_eq!(first.deliver(&app, &renewal(number)).await.status, 503);
    }
    app.sandbox.clear_faults();
    app.sandbox.clear_calls();
    app.pass(600);
    let second = Server::start(&app).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    first.until_none_waits(&app).await;
    second.until_none_waits(&app).await;
    let renewed = app.sandbox.calls();
    assert_eq!(renewed.iter().filter(|call| call.path.ends_with("/renew")).count(), 20);
    assert_eq!(listed(&app).await, 0);
}

/// Every engine: what is listed is read without a look through what else is there.
pub(crate) async fn list_of_what_waits_is_kept(store: Arc<dyn Store>) {
    use jiff::Timestamp;
    use webhook_core::cryptlex::Rank;
    use webhook_core::ledger::{Body, ClaimScope, EventKey, Waits};
    let ledger = Ledger::new(store, <_>::default(), jiff::SignedDuration::from_hours(24));
    let at = Timestamp::from_second(1_788_220_900).unwrap();
    let key = |id: &str| EventKey {
        provider: "stripe",
        id: EventId::new(id).unwrap(),
        kind: "invoice.paid".to_owned(),
        live: None,
        contract: "v1".to_owned(),
    };
    let waits = |tries| Waits { rank: Rank::Rest, at, calls: 2, since: at, due: at, tries };
    let about = ClaimScope::default();
    let ids: Vec<String> = (0..100).map(|number| format!("evt_{number:03}")).collect();
    for id in &ids {
        let body = Body::new(id.as_bytes());
        let kept = ledger.keep_waiting(&key(id), &about, &body, &waits(0), at).await;
        assert_eq!(kept, Ok(true));
        let again = ledger.keep_waiting(&key(id), &about, &body, &waits(0), at).await;
        assert_eq!(again, Ok(true));
    }
    let listed = async || {
        let mut listed = ledger.waiting("stripe").await.unwrap();
        listed.sort_by(|(one, _), (other, _)| one.as_str().cmp(other.as_str()));
        listed
    };
    let names = |listed: &[(EventId, Waits)]| -> Vec<String> {
        listed.iter().map(|(id, _)| id.to_string()).collect()
    };
    assert_eq!(names(&listed().await), ids);
    assert_eq!(ledger.waiting("paddle").await, Ok(Vec::new()));
    for id in &ids[1..] {
        ledger.waits_no_more("stripe", &EventId::new(id).unwrap()).await.unwrap();
    }
    let first = EventId::new(&ids[0]).unwrap();
    ledger.waits_on("stripe", &first, &waits(3)).await.unwrap();
    assert_eq!(listed().await, [(first.clone(), waits(3))]);
    ledger.waits_no_more("stripe", &first).await.unwrap();
    ledger.waits_no_more("stripe", &first).await.unwrap();
    assert_eq!(listed().await, []);
}
