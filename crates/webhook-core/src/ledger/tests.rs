use super::*;
use crate::ids::{LicenseId, SubjectId, UserId};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn event(id: &str) -> EventKey {
    EventKey {
        provider: "stripe",
        id: EventId::new(id).unwrap(),
        kind: "invoice.paid".to_owned(),
        live: Some(false),
    }
}

fn subject(id: &str) -> Subject {
    Subject { provider: "stripe", kind: SubjectKind::Subscription, id: SubjectId::new(id).unwrap() }
}

async fn claim(ledger: &Ledger, id: &str, subjects: &[&str], now: i64) -> Claim {
    let subjects = subjects.iter().map(|id| subject(id)).collect();
    let customers = [CustomerId::new("cus_1").unwrap()].into();
    ledger.claim(&event(id), &subjects, &customers, at(now), at(now + 40)).await.unwrap()
}

async fn acquire(ledger: &Ledger, id: &str, subjects: &[&str], now: i64) -> Leases {
    match claim(ledger, id, subjects, now).await {
        Claim::Acquired(leases) => *leases,
        other @ (Claim::Done(_) | Claim::Busy { .. }) => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_done_event_is_told_with_its_outcome() {
    let ledger = Ledger::default();
    let leases = acquire(&ledger, "evt_1", &["sub_1"], 0).await;
    let outcome =
        Outcome { message: "License created successfully.".to_owned(), ..Outcome::default() };
    ledger.complete(leases, outcome.clone()).await.unwrap();
    assert!(
        matches!(claim(&ledger, "evt_1", &["sub_1"], 1).await, Claim::Done(done) if done == outcome)
    );
}

#[tokio::test]
async fn leases_are_taken_all_or_none() {
    let ledger = Ledger::default();
    let _held = acquire(&ledger, "evt_1", &["sub_2"], 0).await;
    let claim_both = claim(&ledger, "evt_2", &["sub_1", "sub_2"], 1).await;
    assert!(matches!(claim_both, Claim::Busy { until, abandoned: false } if until == at(40)));
    let _free = acquire(&ledger, "evt_3", &["sub_1"], 1).await;
}

#[tokio::test]
async fn a_failure_keeps_what_is_known_and_releases_or_not() {
    let ledger = Ledger::default();
    let slot = crate::command::Slot::new(&subject("sub_1"), "-", 1);
    for (keep, now) in [(Keep::Release, 0), (Keep::RunOut, 1)] {
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
    assert_eq!(leases.event_record.attempts, 3);
}

#[tokio::test]
async fn a_holder_whose_lease_was_taken_over_changes_nothing() {
    let ledger = Ledger::default();
    let slow = acquire(&ledger, "evt_1", &["sub_1"], 0).await;
    let taken_over = acquire(&ledger, "evt_1", &["sub_1"], 40).await;
    let lost = ledger.complete(slow, Outcome::default()).await;
    assert_eq!(lost, Err(LedgerError::LeaseLost(EventId::new("evt_1").unwrap())));
    ledger.complete(taken_over, Outcome::default()).await.unwrap();
}

#[tokio::test]
async fn a_customer_is_remembered_and_forgotten() {
    let ledger = Ledger::default();
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
