//! What takes longer than the provider waits goes on in the overflow queue: nothing is lost, nothing happens twice.

use std::sync::Arc;
use std::time::Duration;

use devkit::moto::Moto;
use devkit::records::failed;
use devkit::sandbox::{Fault, Settings};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use webhook_core::domain::deadline::Timing;
use webhook_core::domain::ids::EventId;
use webhook_core::infra::aws::Aws;
use webhook_core::infra::overflow::Overflow;
use webhook_core::ledger::Ledger;
use webhook_core::providers::Contract;
use webhook_core::providers::{FastSpring, Paddle, Stripe};

use crate::support::moto::{found, region, sdk};
use crate::support::stores::Silent;
use crate::support::{App, FASTSPRING, PADDLE, STRIPE, TIMING, edited, handle};

const LONG: Duration = Duration::from_secs(25);

/// A queue of the test's own.
struct Queue {
    moto: Moto,
    url: String,
}

impl Queue {
    async fn start() -> Self {
        let moto = region().await;
        // Longer than any test takes: a message comes once.
        let name = json!({"QueueName": "overflow", "Attributes": {"VisibilityTimeout": "3600"}});
        let made = moto.call("sqs", "AmazonSQS.CreateQueue", &name).await.unwrap();
        Self { url: made["QueueUrl"].as_str().unwrap().to_owned(), moto }
    }

    async fn app(&self, variables: &[(&str, &str)]) -> App {
        let mut app = App::with(Settings::default(), variables).await;
        app.overflow = Some(Overflow::of(&self.url, &found(&self.moto)).await);
        app
    }

    /// What is queued; each message once.
    async fn messages(&self) -> Vec<String> {
        let mut bodies = Vec::new();
        loop {
            let most = json!({"QueueUrl": self.url, "MaxNumberOfMessages": 10});
            let got = self.moto.call("sqs", "AmazonSQS.ReceiveMessage", &most).await.unwrap();
            let Some(messages) = got["Messages"].as_array().filter(|all| !all.is_empty()) else {
                return bodies;
            };
            bodies.extend(messages.iter().map(|it| it["Body"].as_str().unwrap().to_owned()));
        }
    }
}

/// A one-time purchase of its own.
fn purchase(number: usize) -> Vec<u8> {
    edited(STRIPE, "checkout-payment", |event| {
        event["id"] = json!(format!("evt_{number}"));
        let session = &mut event["data"]["object"];
        session["id"] = json!(format!("cs_{number}"));
        session["payment_intent"] = json!(format!("pi_{number}"));
        session["customer_details"]["email"] = json!(format!("customer{number}@example.com"));
    })
}

fn outage() -> Fault {
    Fault::anywhere().error_before(503).always()
}

fn accepted(event: &str) -> (u16, String) {
    (200, format!("Event {event} accepted for processing."))
}

#[tokio::test]
async fn an_outage_of_cryptlex_loses_none_of_200_events() {
    let queue = Queue::start().await;
    let app = queue.app(&[]).await;
    app.sandbox.fault(outage());
    for number in 0..200 {
        let answer = app.deliver(STRIPE, "/v2", &purchase(number)).await;
        assert_eq!((answer.status, answer.message()), accepted(&format!("evt_{number}")));
    }
    assert!(app.sandbox.licenses().is_empty());
    app.sandbox.clear_faults();
    let service = app.service::<Stripe>(app.store(), TIMING);
    let messages = queue.messages().await;
    assert_eq!(messages.len(), 200);
    for (number, message) in messages.iter().enumerate() {
        service.resume(message, LONG).await.unwrap();
        // SQS delivers at least once.
        if number % 10 == 0 {
            service.resume(message, LONG).await.unwrap();
        }
    }
    assert_eq!((app.sandbox.licenses().len(), app.sandbox.users().len()), (200, 200));
}

#[tokio::test]
async fn an_event_queued_twice_and_redelivered_has_one_effect() {
    let queue = Queue::start().await;
    let app = queue.app(&[]).await;
    app.sandbox.fault(outage());
    for _ in 0..2 {
        let answer = app.deliver(STRIPE, "/v2", &purchase(1)).await;
        assert_eq!((answer.status, answer.message()), accepted("evt_1"));
    }
    app.sandbox.clear_faults();
    let service = app.service::<Stripe>(app.store(), TIMING);
    let messages = queue.messages().await;
    let (one, two) =
        tokio::join!(service.resume(&messages[0], LONG), service.resume(&messages[1], LONG));
    assert_eq!((one, two), (Ok(()), Ok(())));
    assert_eq!(app.deliver(STRIPE, "/v2", &purchase(1)).await.status, 200);
    assert_eq!(app.sandbox.licenses().len(), 1);
}

#[tokio::test]
async fn a_write_with_unknown_outcome_continues_after_its_lease() {
    let queue = Queue::start().await;
    let app = queue.app(&[]).await;
    let timing = Timing { call: Some(Duration::from_millis(300)), ..TIMING };
    let service = app.service::<Stripe>(app.store(), timing);
    app.sandbox.fault(Fault::on("POST", "/v3/licenses").late());
    let body = edited(STRIPE, "checkout-payment", |_| {});
    assert_eq!(handle(&app, &service, STRIPE, Contract::V1, &body, LONG).await, 200);
    let messages = queue.messages().await;
    let busy = service.resume(&messages[0], LONG).await.unwrap_err();
    assert!(busy.contains("is being worked on"), "{busy}");
    app.sandbox.release_late();
    app.pass(120);
    service.resume(&messages[0], LONG).await.unwrap();
    assert_eq!(app.sandbox.licenses().len(), 1);
}

#[tokio::test]
async fn a_large_order_is_finished_after_its_provider_stopped_waiting() {
    let queue = Queue::start().await;
    // Ten calls in 100 ms: 300 seats take three seconds, and the provider waits for less than one.
    let variables = [("CRYPTLEX_REQUESTS_PER_5S", "8"), ("DEADLINE_MS", "2000")];
    let app = queue.app(&variables).await;
    let timing = Timing {
        record: Duration::from_millis(200),
        hand_over: Duration::from_millis(1_000),
        ..TIMING
    };
    let service = app.service::<Paddle>(app.store(), timing);
    let body = edited(PADDLE, "transaction-web", |event| {
        for list in ["items", "details"] {
            let list = match list {
                "items" => &mut event["data"]["items"],
                _ => &mut event["data"]["details"]["line_items"],
            };
            list.as_array_mut().unwrap().truncate(1);
            list[0]["quantity"] = json!(300);
        }
    });
    assert_eq!(handle(&app, &service, PADDLE, Contract::V1, &body, LONG).await, 200);
    assert!(app.sandbox.licenses().len() < 300);
    let messages = queue.messages().await;
    assert_eq!(messages.len(), 1);
    // Whatever was under way when the time was up has arrived.
    app.pass(120);
    service.resume(&messages[0], LONG).await.unwrap();
    assert_eq!(app.sandbox.licenses().len(), 300);
}

#[tokio::test]
async fn events_that_wait_for_a_person_or_event_are_not_queued() {
    let queue = Queue::start().await;
    let app = queue.app(&[]).await;
    for (provider, case) in [(PADDLE, "transaction-unmapped"), (STRIPE, "invoice-cycle")] {
        assert_eq!(app.case(provider, case).await.status, 400, "{case}");
    }
    app.sandbox.fault(Fault::anywhere().error_before(401).always());
    assert_eq!(app.case(STRIPE, "checkout-payment").await.status, 400);
    assert_eq!(queue.messages().await, Vec::<String>::new());
}

#[tokio::test]
async fn every_event_of_a_batch_is_queued_by_itself() {
    let queue = Queue::start().await;
    let app = queue.app(&[]).await;
    app.sandbox.fault(outage());
    let answer = app.case(FASTSPRING, "batch-three-orders").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    app.sandbox.clear_faults();
    let messages = queue.messages().await;
    assert_eq!(messages.len(), 3);
    let service = app.service::<FastSpring>(app.store(), TIMING);
    for message in &messages {
        service.resume(message, LONG).await.unwrap();
    }
    let calm = App::start().await;
    assert_eq!(calm.case(FASTSPRING, "batch-three-orders").await.status, 200);
    assert_eq!(app.licenses(), calm.licenses());
}

/// A window that outlives the test: two purchases of four calls fit into it, whatever the machine does.
fn looked_at(app: &App) -> Ledger {
    Ledger::new(app.store(), <_>::default(), <_>::default())
}

#[tokio::test]
async fn events_beyond_the_call_limit_are_queued_before_they_begin() {
    let queue = Queue::start().await;
    let app = queue.app(&[("CRYPTLEX_REQUESTS_PER_5S", "8")]).await;
    let timing = Timing { window: Duration::from_secs(600), ..TIMING };
    let service = app.service::<Stripe>(app.store(), timing);
    for number in 0..4 {
        let body = purchase(number);
        let answer = handle(&app, &service, STRIPE, Contract::V2, &body, LONG).await;
        assert_eq!(answer, 200);
    }
    assert_eq!((app.sandbox.calls().len(), app.sandbox.licenses().len()), (8, 2));
    let messages = queue.messages().await;
    assert_eq!(messages.len(), 2);
    let failed = failed(&looked_at(&app), app.clock().now()).await.unwrap();
    assert_eq!(failed.len(), 2);
    // Whom it concerns is known before anything is begun.
    assert!(failed.iter().all(|line| line.contains("about order cs_")), "{failed:#?}");
    for message in &messages {
        // There is no place for it yet: it is not begun, and comes again.
        assert!(service.resume(message, LONG).await.unwrap_err().contains("used up"));
        app.service::<Stripe>(app.store(), timing).resume(message, LONG).await.unwrap();
    }
    assert_eq!((app.sandbox.calls().len(), app.sandbox.licenses().len()), (16, 4));
    let ledger = looked_at(&app);
    for number in 0..4 {
        let id = EventId::new(&format!("evt_{number}")).unwrap();
        assert_eq!(ledger.event("stripe", &id).await.unwrap().unwrap().attempts, 1);
    }
}

#[tokio::test]
async fn an_event_that_cannot_be_queued_is_answered_as_before() {
    let queue = Queue::start().await;
    let mut app = queue.app(&[]).await;
    app.sandbox.fault(outage());
    // It does not compress to what the ledger keeps.
    let noise: String =
        (0..12_000_u32).map(|n| hex::encode(Sha256::digest(n.to_be_bytes()))).collect();
    let large = edited(STRIPE, "checkout-payment", |event| {
        event["data"]["object"]["metadata"]["noise"] = json!(noise);
    });
    let answer = app.deliver(STRIPE, "/v2", &large).await;
    assert_eq!(answer.status, 400, "{}", answer.body);
    assert_eq!(queue.messages().await, Vec::<String>::new());
    // Nobody listens there.
    let nowhere = Aws::of(sdk("http://127.0.0.1:1", "eu-central-1"));
    app.overflow = Some(Overflow::of(&queue.url, &nowhere).await);
    app.restart();
    let answer = app.deliver(STRIPE, "/v2", &purchase(1)).await;
    assert_eq!(answer.status, 400);
    assert!(answer.message().contains("status 503"), "{}", answer.message());
}

#[tokio::test]
async fn a_message_that_refers_to_nothing_becomes_a_dead_letter() {
    let queue = Queue::start().await;
    let app = queue.app(&[]).await;
    let service = app.service::<Stripe>(app.store(), TIMING);
    let name =
        |provider: &str, event: &str| json!({"provider": provider, "event": event}).to_string();
    for message in
        ["", "[]", "{\"event\":\"\"}", &name("paddle", "evt_1"), &name("stripe", "evt_1")]
    {
        let why = service.resume(message, LONG).await.unwrap_err();
        assert!(why.contains("refers to nothing"), "{message}: {why}");
    }
    assert!(app.sandbox.calls().is_empty());
    let nothing: Value = json!(app.licenses());
    assert_eq!(nothing, json!([]));
}

#[tokio::test]
async fn a_message_is_given_up_when_its_time_is_over() {
    let app = App::start().await;
    let service = app.service::<Stripe>(Arc::new(Silent), TIMING);
    let message = json!({"provider": "stripe", "event": "evt_1"}).to_string();
    let resumed = service.resume(&message, Duration::from_millis(50));
    let resumed = tokio::time::timeout(LONG, resumed).await.expect("it does not wait for ever");
    assert_eq!(resumed, Err("ledger: no answer in time".to_owned()));
}

/// A batch of orders of their own.
fn orders(count: usize) -> Vec<u8> {
    edited(FASTSPRING, "order-plain", |batch| {
        let order = batch["events"][0].clone();
        let orders = (0..count).map(|number| {
            let mut order = order.clone();
            order["id"] = json!(format!("event-{number}"));
            for field in ["id", "order"] {
                order["data"][field] = json!(format!("order-{number}"));
            }
            order
        });
        batch["events"] = orders.collect();
    })
}

#[tokio::test]
async fn a_batch_waits_once_for_a_queue_that_does_not_answer() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let aws = Aws::of(sdk(&address, "eu-central-1"));
    let mut app = App::with(Settings::default(), &[("DEADLINE_MS", "1500")]).await;
    app.overflow = Some(Overflow::of(&format!("{address}/queue"), &aws).await);
    app.sandbox.fault(Fault::anywhere().hang_before().always());
    let timing = Timing {
        record: Duration::from_millis(100),
        hand_over: Duration::from_millis(500),
        ..TIMING
    };
    let service = app.service::<FastSpring>(app.store(), timing);
    let began = tokio::time::Instant::now();
    let answer = handle(&app, &service, FASTSPRING, Contract::V1, &orders(40), LONG).await;
    assert_eq!(answer, 400);
    // Half a second for each of them would be twenty.
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[tokio::test]
async fn events_a_batch_has_no_time_for_are_queued_at_once() {
    let queue = Queue::start().await;
    let app = queue.app(&[("DEADLINE_MS", "11000")]).await;
    app.sandbox.fault(Fault::anywhere().hang_before().always());
    let service = app.service::<FastSpring>(app.store(), TIMING);
    let answer = handle(&app, &service, FASTSPRING, Contract::V1, &orders(40), LONG).await;
    assert_eq!(answer, 200);
    assert_eq!(queue.messages().await.len(), 40);
}
