//! What waits keeps its place in the list, and none at Cryptlex.

use std::time::Duration;

use devkit::sandbox::Fault;
use futures_util::FutureExt as _;
use jiff::{SignedDuration, Timestamp};
use webhook_core::domain::command::{Subject, SubjectKind};
use webhook_core::domain::ids::{EventId, SubjectId};
use webhook_core::ledger::{Body, Claim, ClaimScope, EventKey, Ledger, Term};

use crate::burst::{Server, purchase, record, renewal, renewal_id, sold};
use crate::support::App;

const RENEWALS: usize = 30;

/// A process that has ended was at the renewal: its leases are still there.
async fn is_leased(app: &App, number: usize) {
    let ledger =
        Ledger::new(app.store(), SignedDuration::from_secs(60), SignedDuration::from_hours(240));
    let now = Timestamp::from_second(app.now()).unwrap();
    let id = renewal_id(number);
    let contract = record(app, &id).await.contract;
    let key = EventKey {
        provider: "stripe",
        id: EventId::new(&id).unwrap(),
        kind: "invoice.paid".into(),
        live: None,
        contract,
    };
    let subject = Subject {
        provider: "stripe",
        kind: SubjectKind::Subscription,
        id: SubjectId::new(&format!("sub_{number}")).unwrap(),
    };
    let about = ClaimScope { subjects: [subject].into(), ..ClaimScope::default() };
    let term = Term { now, until: now + SignedDuration::from_secs(70) };
    let text = renewal(number);
    let body = Body::new(&text);
    let claim = ledger.claim(&key, &about, &body, term, &|_| async { true }.boxed()).await;
    assert!(matches!(claim, Ok(Claim::Acquired(_))), "{claim:?}");
}

#[tokio::test]
async fn purchases_are_answered_while_the_worker_waits_for_leases() {
    let app = sold(RENEWALS, &[]).await;
    app.sandbox.fault(Fault::anywhere().error_before(503).always());
    let server = Server::start(&app).await;
    for number in 0..RENEWALS {
        assert_eq!(server.deliver(&app, &renewal(number)).await.status, 503);
    }
    server.stop().await;
    app.sandbox.clear_faults();
    app.pass(600);
    tokio::time::sleep(Duration::from_secs(600)).await;
    for number in 0..RENEWALS {
        is_leased(&app, number).await;
    }
    let server = Server::start(&app).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let answer = server.deliver(&app, &purchase(1_000)).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// Whoever delivers again and again keeps nothing from being given up in the end.
#[tokio::test]
async fn a_redelivery_does_not_restart_the_count_of_tries() {
    let app = sold(1, &[]).await;
    app.sandbox.fault(Fault::anywhere().error_before(503).always());
    let server = Server::start(&app).await;
    assert_eq!(server.deliver(&app, &renewal(0)).await.status, 503);
    for _ in 0..9 {
        app.pass(60);
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    let listed = async || {
        let ledger = Ledger::new(app.store(), <_>::default(), <_>::default());
        let waiting = ledger.waiting("stripe").await.unwrap();
        waiting.into_iter().map(|(_, waits)| waits.tries).collect::<Vec<_>>()
    };
    let before = listed().await;
    assert!(before[0] > 2, "{before:?}");
    server.deliver(&app, &renewal(0)).await;
    assert!(listed().await >= before, "{before:?} {:?}", listed().await);
}
