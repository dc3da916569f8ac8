use futures_util::future::BoxFuture;

use super::*;
use crate::domain::command::{self, Effect, Line, SubjectKind, Subscribed, SubscriptionRecord};
use crate::domain::fact::{Described, Fact, Facts, MOST_BYTES, Says};
use crate::domain::ids::{LicenseId, SubjectId, UserId};

const SETTLE: SignedDuration = SignedDuration::from_secs(30);
const RETENTION: SignedDuration = SignedDuration::from_hours(90 * 24);

fn ledger_over(store: Arc<dyn Store>) -> Ledger {
    Ledger::new(store, SETTLE, RETENTION)
}

fn ledger() -> Ledger {
    ledger_over(Arc::new(Memory::new(Clock::new(|| at(0)))))
}

const BODY: &[u8] = b"{\"id\": \"evt_1\"}\n";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn event(id: &str) -> EventKey {
    EventKey {
        provider: "stripe",
        id: EventId::new(id).unwrap(),
        kind: "invoice.paid".to_owned(),
        live: Some(false),
        contract: "v2".to_owned(),
    }
}

fn subject(id: &str) -> Subject {
    Subject { provider: "stripe", kind: SubjectKind::Subscription, id: SubjectId::new(id).unwrap() }
}

fn term(now: i64, until: i64) -> Term {
    Term { now: at(now), until: at(until) }
}

fn admitted(_: Known<'_>) -> BoxFuture<'static, bool> {
    Box::pin(async { true })
}

async fn claim(ledger: &Ledger, id: &str, subjects: &[&str], now: i64) -> Claim {
    let about = ClaimScope {
        subjects: subjects.iter().map(|id| subject(id)).collect(),
        customers: [CustomerId::new("cus_1").unwrap()].into(),
        ..ClaimScope::default()
    };
    ledger
        .claim(&event(id), &about, &Body::new(BODY), term(now, now + 40), &admitted)
        .await
        .unwrap()
}

async fn acquire(ledger: &Ledger, id: &str, subjects: &[&str], now: i64) -> Leases {
    match claim(ledger, id, subjects, now).await {
        Claim::Acquired(leases) => *leases,
        other @ (Claim::Done(_)
        | Claim::Busy { .. }
        | Claim::NotAdmitted
        | Claim::NowKnown
        | Claim::Unseen) => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_done_event_is_told_with_its_outcome() {
    let ledger = ledger();
    let leases = acquire(&ledger, "evt_1", &["sub_1"], 0).await;
    let outcome =
        Outcome { message: "License created successfully.".to_owned(), ..Outcome::default() };
    ledger.complete(leases, outcome.clone()).await.unwrap();
    assert!(
        matches!(claim(&ledger, "evt_1", &["sub_1"], 1).await, Claim::Done(done) if done == outcome)
    );
}

/// A line without a product.
pub(super) fn line(key: &str, quantity: u32) -> Line {
    Line {
        key: key.to_owned(),
        quantity,
        quantity_means: None,
        mapping: None,
        term: command::Term::Template,
        driver: None,
        max_release: None,
        metadata: Vec::new(),
    }
}

/// What an event says of a subscription.
pub(super) fn described(second: i64, lines: Vec<Line>) -> Fact {
    let (unmapped, takes_effect) = (Vec::new(), Effect::AtOnce);
    let subscribed = Some(Subscribed { lines, unmapped, with_add_ons: true, takes_effect });
    let record = SubscriptionRecord::default();
    let says =
        Says::Described(Box::new(Described { record, subscribed, collects: None, previous: None }));
    Fact { at: at(second), event: EventId::new(&format!("evt_{second}")).unwrap(), says }
}

#[test]
fn each_line_of_a_subject_is_stored_once() {
    let mut lines: Vec<Line> = (0..50).map(|number| line(&format!("line_{number}"), 1)).collect();
    let mut record = SubjectRecord::default();
    for change in 0..20 {
        lines[0].quantity = 2 + change;
        record.state.facts.add(&[described(change.into(), lines.clone())]);
    }
    let stored = encoded("key", &record).unwrap();
    let text = String::from_utf8(stored.clone()).unwrap();
    assert_eq!(text.matches("line_49").count(), 1);
    assert_eq!(text.matches("\"line_").count(), 50 + 19);
    for left_out in ["null", "[]", "metadata"] {
        assert!(!text.replace("\"lease\":null,\"events\":[]", "").contains(left_out), "{text}");
    }
    let read = decoded("key", Some(&Versioned { version: 1, value: stored })).unwrap();
    assert_eq!(read, Some(record));
}

/// Descriptions of 100 lines that all change, the oldest first.
fn changes(count: u32) -> Vec<Fact> {
    let lines =
        |change: u32| (0..100).map(move |number| line(&format!("{number:060}"), 1 + change));
    (0..count).map(|change| described(change.into(), lines(change).collect())).collect()
}

#[test]
fn facts_beyond_their_room_are_dropped_in_any_order() {
    let added = |told: &[Fact]| {
        let mut record = SubjectRecord::default();
        told.iter().for_each(|fact| record.state.facts.add(std::slice::from_ref(fact)));
        let bytes = encoded("key", &record).unwrap().len();
        (record.state.facts, bytes)
    };
    for (count, fits) in [(15, true), (25, false)] {
        let mut told = changes(count);
        let newest = told.last().cloned().unwrap();
        for _ in 0..3 {
            told.rotate_left(7);
            for told in [told.clone(), told.iter().rev().cloned().collect()] {
                let (facts, bytes) = added(&told);
                assert_eq!(facts.dropped().is_none(), fits, "{bytes} bytes");
                assert_eq!(facts.all().count() == told.len(), fits);
                assert!(facts.all().any(|fact| *fact == newest));
                assert!(bytes < MOST_BYTES && bytes > MOST_BYTES / 2, "{bytes} bytes");
            }
        }
    }
}

#[test]
fn a_description_without_change_outlives_older_changes() {
    let mut facts = Facts::default();
    for change in 0..64 {
        facts.add(&[described(change, vec![line("-", 1 + u32::try_from(change).unwrap())])]);
    }
    let (latest, older) = (described(100, vec![line("-", 64)]), described(99, vec![line("-", 64)]));
    facts.add(std::slice::from_ref(&latest));
    facts.add(std::slice::from_ref(&older));
    let has = |told: &Fact| facts.all().any(|fact| fact == told);
    assert!(has(&latest) && !has(&older) && facts.dropped() == Some(older.at));
}

#[tokio::test]
async fn a_refused_commit_leaves_the_facts_as_they_were() {
    let ledger = ledger();
    let told = async |id: &str, facts: &[Fact]| {
        let about = ClaimScope {
            subjects: [subject("sub_1")].into(),
            facts: [(subject("sub_1"), facts.into())].into(),
            ..ClaimScope::default()
        };
        let body = Body::new(BODY);
        let claim = ledger.claim(&event(id), &about, &body, term(0, 40), &admitted).await;
        let Claim::Acquired(leases) = claim.unwrap() else { panic!("nobody else is at it") };
        (leases.state(&subject("sub_1")), leases)
    };
    let by =
        |event: &str, fact: &Fact| Fact { event: EventId::new(event).unwrap(), ..fact.clone() };
    let change = |number: i64| described(number, vec![line(&format!("{number}"), 1)]);
    let full: Vec<Fact> = (0..64).map(change).collect();
    let (mut before, mut leases) = told("evt_all", &full).await;
    before.facts.settle();
    leases.set_state(&subject("sub_1"), before.clone());
    ledger.complete(*leases, Outcome::default()).await.unwrap();
    // A new fact that drops the oldest, and two that another event told before.
    let again = [&full[0], &full[9], &change(99)];
    let refused = again.map(|fact| by("evt_", fact));
    for _ in 0..2 {
        let (mut state, mut leases) = told("evt_", &refused).await;
        assert!(state.facts.dropped().is_some() && state != before);
        leases.take_back(&subject("sub_1"), &mut state);
        assert!(state.facts.all().eq(before.facts.all()) && state.facts.dropped().is_none());
        leases.set_state(&subject("sub_1"), state);
        ledger.fail(*leases, "too many", LeaseOnFailure::Release).await.unwrap();
    }
}

#[test]
fn facts_with_lines_that_are_not_stored_are_refused_by_name() {
    let mut record = SubjectRecord::default();
    record.state.facts.add(&[described(1, vec![line("-", 1)])]);
    let text = String::from_utf8(encoded("key", &record).unwrap()).unwrap();
    let lines = "\"lines\":[0]";
    assert!(text.contains(lines), "{text}");
    for wrong in ["\"lines\":[1]", "\"lines\":[-1]", "\"lines\":null", "\"line\":[0]"] {
        let value = text.replace(lines, wrong).into_bytes();
        let read = decoded::<SubjectRecord>("key", Some(&Versioned { version: 1, value }));
        let refused = StoreError("record key is not a record of this ledger".to_owned());
        assert_eq!(read, Err(refused), "{wrong}");
    }
}

#[tokio::test]
async fn leases_are_taken_all_or_none() {
    let ledger = ledger();
    let _held = acquire(&ledger, "evt_1", &["sub_2"], 0).await;
    let claim_both = claim(&ledger, "evt_2", &["sub_1", "sub_2"], 1).await;
    assert!(matches!(claim_both, Claim::Busy { until, abandoned: false } if until == at(40)));
    let _free = acquire(&ledger, "evt_3", &["sub_1"], 1).await;
}

#[tokio::test]
async fn a_failure_keeps_what_is_known_and_releases_or_not() {
    let ledger = ledger();
    let slot = command::Slot::new(&subject("sub_1"), "-", 1);
    for (keep, now) in [(LeaseOnFailure::Release, 0), (LeaseOnFailure::LetExpire, 1)] {
        let mut leases = acquire(&ledger, "evt_1", &["sub_1"], now).await;
        let mut state = leases.state(&subject("sub_1"));
        state.slots.insert(slot.clone(), LicenseId::new("lic_1").unwrap());
        leases.set_state(&subject("sub_1"), state);
        ledger.fail(leases, "Cryptlex said no", keep).await.unwrap();
    }
    let busy = claim(&ledger, "evt_1", &["sub_1"], 2).await;
    assert!(matches!(busy, Claim::Busy { until, abandoned: true } if until == at(41)));
    let leases = acquire(&ledger, "evt_1", &["sub_1"], 41).await;
    assert_eq!(leases.state(&subject("sub_1")).slots.len(), 1);
    assert_eq!(leases.record.attempts, 3);
}

#[tokio::test]
async fn a_subject_is_half_done_until_an_event_is_done() {
    let ledger = ledger();
    let again = |leases: &Leases| leases.subjects[&subject("sub_1")].again;
    // Nothing was written: nothing can be half-done.
    let leases = acquire(&ledger, "evt_1", &["sub_1"], 0).await;
    ledger.fail(leases, "no connection", LeaseOnFailure::Release).await.unwrap();
    let mut leases = acquire(&ledger, "evt_2", &["sub_1"], 0).await;
    assert!(!again(&leases));
    leases.touch();
    ledger.fail(leases, "Cryptlex said no", LeaseOnFailure::Release).await.unwrap();
    // Its holder died: nobody knows.
    assert!(again(&acquire(&ledger, "evt_1", &["sub_1"], 0).await));
    // A failure that wrote nothing does not undo what an earlier delivery may have begun.
    let leases = acquire(&ledger, "evt_3", &["sub_1"], 40).await;
    assert!(again(&leases));
    ledger.fail(leases, "no connection", LeaseOnFailure::Release).await.unwrap();
    let leases = acquire(&ledger, "evt_3", &["sub_1"], 40).await;
    assert!(again(&leases));
    ledger.complete(leases, Outcome::default()).await.unwrap();
    assert!(!again(&acquire(&ledger, "evt_4", &["sub_1"], 40).await));
}

#[tokio::test]
async fn a_holder_whose_lease_was_taken_over_changes_nothing() {
    let ledger = ledger();
    let slow = acquire(&ledger, "evt_1", &["sub_1"], 0).await;
    let taken_over = acquire(&ledger, "evt_1", &["sub_1"], 40).await;
    let lost = ledger.complete(slow, Outcome::default()).await;
    assert_eq!(lost, Err(LedgerError::LeaseLost(EventId::new("evt_1").unwrap())));
    ledger.complete(taken_over, Outcome::default()).await.unwrap();
}

#[tokio::test]
async fn a_customer_is_remembered_and_forgotten() {
    let ledger = ledger();
    let customer = CustomerId::new("cus_1").unwrap();
    let user = UserId::new("user_1").ok();
    for (event, known, next) in
        [("evt_1", None, user.clone()), ("evt_2", user, None), ("evt_3", None, None)]
    {
        let mut leases = acquire(&ledger, event, &["sub_1"], 0).await;
        assert_eq!(leases.customer(&customer).user, known);
        leases.set_customer(&customer, KnownCustomer { user: next, ..KnownCustomer::default() });
        ledger.complete(leases, Outcome::default()).await.unwrap();
    }
}

#[tokio::test]
async fn the_body_is_kept_with_what_became_of_the_event() {
    let ledger = ledger();
    let leases = acquire(&ledger, "evt_1", &["sub_1"], 0).await;
    ledger.complete(leases, Outcome::default()).await.unwrap();
    let id = EventId::new("evt_1").unwrap();
    let event = ledger.event("stripe", &id).await.unwrap().unwrap();
    assert_eq!((event.kind.as_str(), event.contract.as_str()), ("invoice.paid", "v2"));
    assert_eq!(event.subjects, ["subject/stripe/subscription/sub_1"]);
    assert_eq!(ledger.body("stripe", &event).await.unwrap().as_deref(), Some(BODY));
    let subjects = ledger.subjects("stripe", &SubjectId::new("sub_1").unwrap()).await.unwrap();
    assert_eq!(subjects[0].1.events, [id]);
    assert_eq!(ledger.event("paddle", &EventId::new("evt_1").unwrap()).await, Ok(None));
}

#[tokio::test]
async fn a_subject_remembers_its_newest_events_only() {
    let ledger = ledger();
    for n in 0..70 {
        let leases = acquire(&ledger, &format!("evt_{n}"), &["sub_1"], n).await;
        ledger.complete(leases, Outcome::default()).await.unwrap();
    }
    let subjects = ledger.subjects("stripe", &SubjectId::new("sub_1").unwrap()).await.unwrap();
    let events = &subjects[0].1.events;
    assert_eq!((events.len(), events[0].as_str(), events[49].as_str()), (50, "evt_20", "evt_69"));
}

/// As a version to come would write it: with another shape under the same key.
#[tokio::test]
async fn a_record_of_a_newer_version_is_refused_by_name() {
    for (key, says) in [
        ("event/stripe/evt_1", "newer version (format 3, this one knows 2)"),
        ("subject/stripe/subscription/sub_1", "newer version (format 3, this one knows 2)"),
        ("customer/stripe/cus_1", "newer version (format 3, this one knows 2)"),
        ("event/stripe/evt_2", "is not a record of this ledger"),
    ] {
        let store = Arc::new(Memory::new(Clock::new(|| at(0))));
        let value = if key.ends_with('2') { "[1]" } else { r#"{"format":3,"record":["other"]}"# };
        let newer = Write {
            key: key.to_owned(),
            expect: Expect::Absent,
            value: value.as_bytes().to_vec(),
            expires: None,
        };
        store.commit(&[newer]).await.unwrap();
        let ledger = ledger_over(store);
        let about = ClaimScope {
            subjects: [subject("sub_1")].into(),
            customers: [CustomerId::new("cus_1").unwrap()].into(),
            ..ClaimScope::default()
        };
        let event = event(if key.ends_with("evt_2") { "evt_2" } else { "evt_1" });
        let refused = ledger.claim(&event, &about, &Body::new(BODY), term(0, 40), &admitted).await;
        let text = refused.unwrap_err().to_string();
        assert!(text.contains(key) && text.contains(says), "{text}");
    }
}

#[tokio::test]
async fn leases_that_are_found_when_a_file_is_opened_run_out_soon() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger");
    let open = |now: i64| ledger_over(Arc::new(Embedded::file(&path, Clock::new(move || at(now)))));
    let about = ClaimScope { subjects: [subject("sub_1")].into(), ..ClaimScope::default() };
    // With a deadline of an hour.
    let claim = async |ledger: &Ledger, now: i64| {
        ledger
            .claim(&event("evt_1"), &about, &Body::new(BODY), term(now, now + 3630), &admitted)
            .await
    };
    let first = open(0);
    assert!(matches!(claim(&first, 1).await, Ok(Claim::Acquired(_))));
    drop(first);
    let second = open(100);
    let busy = claim(&second, 101).await;
    assert!(
        matches!(busy, Ok(Claim::Busy { until, abandoned: false }) if until == at(130)),
        "{busy:?}"
    );
    assert!(matches!(claim(&second, 130).await, Ok(Claim::Acquired(_))));
    let busy = claim(&second, 131).await;
    assert!(
        matches!(busy, Ok(Claim::Busy { until, .. }) if until == at(3760)),
        "a living holder: {busy:?}"
    );
}

#[tokio::test]
async fn a_dead_owners_lease_from_the_future_runs_out_soon() {
    // By how much the clock was ahead of the one by which the file is opened again.
    for ahead in [5, 20, 10_000] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let open =
            |now: i64| ledger_over(Arc::new(Embedded::file(&path, Clock::new(move || at(now)))));
        let first = open(100 + ahead);
        drop(acquire(&first, "evt_1", &["sub_1"], 100 + ahead).await);
        drop(first);
        let second = open(100);
        let busy = claim(&second, "evt_1", &["sub_1"], 101).await;
        assert!(matches!(busy, Claim::Busy { until, .. } if until == at(130)), "{busy:?}");
        acquire(&second, "evt_1", &["sub_1"], 130).await;
        // One's own lease is no dead one's.
        let busy = claim(&second, "evt_1", &["sub_1"], 131).await;
        assert!(matches!(busy, Claim::Busy { until, .. } if until == at(170)), "{busy:?}");
    }
}

#[tokio::test]
async fn a_lease_from_the_future_is_over_once_its_length_has_passed() {
    let store: Arc<dyn Store> = Arc::new(Memory::new(Clock::new(|| at(0))));
    let [holder, one, other] = [(); 3].map(|()| ledger_over(Arc::clone(&store)));
    drop(acquire(&holder, "evt_1", &["sub_1"], 10_000).await);
    let until =
        async |ledger: &Ledger, now: i64| match claim(ledger, "evt_1", &["sub_1"], now).await {
            Claim::Busy { until, .. } => Some(until.as_second()),
            Claim::Acquired(_)
            | Claim::Done(_)
            | Claim::NotAdmitted
            | Claim::NowKnown
            | Claim::Unseen => None,
        };
    // Its holder may be alive, so nobody goes on before all of it has passed; each measures from when it first saw it.
    assert_eq!(until(&one, 100).await, Some(140));
    assert_eq!(until(&other, 120).await, Some(160));
    assert_eq!(until(&one, 139).await, Some(140));
    assert_eq!(until(&other, 141).await, Some(160));
    // A clock that is set back measures anew.
    assert_eq!(until(&other, 90).await, Some(130));
    assert_eq!(until(&one, 140).await, None);
    // That is the lease of a living one whose clock is right.
    assert_eq!(until(&other, 141).await, Some(180));
    // Some seconds are no fault of anybody.
    assert_eq!(until(&other, 135).await, Some(180));
}
