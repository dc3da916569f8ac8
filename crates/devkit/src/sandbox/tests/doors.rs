//! Doors: who waits, who is let in, and what becomes of those who do not wait for it.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::{
    super::{Door, Fault, Queue, settings::ACCESS_TOKEN},
    Api, product, user,
};

const LICENSES: &str = "/v3/licenses";

/// Posts through a door, in a task of its own, and gives back the status.
fn post(api: &Api, door: &Door, path: &str, body: Value) -> JoinHandle<reqwest::Result<u16>> {
    let request = api.http.post(format!("{}{path}", door.url())).bearer_auth(ACCESS_TOKEN);
    tokio::spawn(async move { Ok(request.json(&body).send().await?.status().as_u16()) })
}

async fn until(door: &Door, what: impl FnMut(&Queue) -> bool) -> Queue {
    door.queue().wait_for(what).await.unwrap().clone()
}

#[tokio::test]
async fn calls_wait_in_order_of_arrival_and_enter_in_any_order() {
    let api = Api::start().await;
    let door = api.sandbox.door().await.unwrap();
    let first = post(&api, &door, "/v3/users", user("ada@example.com"));
    until(&door, |queue| queue.arrived == 1).await;
    let second = post(&api, &door, LICENSES, product(json!({})));
    let queue = until(&door, |queue| queue.arrived == 2).await;
    let expected = [(1, "POST /v3/users".to_owned()), (2, "POST /v3/licenses".to_owned())];
    assert_eq!(queue.waiting, expected);
    assert_eq!(door.waiting(), expected);
    assert!(api.sandbox.calls().is_empty() && api.sandbox.users().is_empty());

    assert!(door.admit(2).await);
    assert_eq!((api.sandbox.licenses().len(), api.sandbox.users().len()), (1, 0));
    assert_eq!(door.waiting(), &expected[..1]);
    assert_eq!(second.await.unwrap().unwrap(), 201);
    assert!(door.admit(1).await);
    assert_eq!(api.sandbox.users().len(), 1);
    assert_eq!(first.await.unwrap().unwrap(), 201);
    assert_eq!(api.sandbox.calls()[0].path, LICENSES);
}

#[tokio::test]
async fn a_ticket_lets_one_call_in() {
    let api = Api::start().await;
    let door = api.sandbox.door().await.unwrap();
    let call = post(&api, &door, LICENSES, product(json!({})));
    until(&door, |queue| queue.arrived == 1).await;
    assert!(!door.admit(2).await);
    assert!(door.admit(1).await);
    assert!(!door.admit(1).await);
    assert_eq!(call.await.unwrap().unwrap(), 201);
    assert_eq!(api.sandbox.licenses().len(), 1);
}

#[tokio::test]
async fn a_caller_that_leaves_at_the_gate_has_no_effect() {
    let api = Api::start().await;
    let door = api.sandbox.door().await.unwrap();
    let call = post(&api, &door, LICENSES, product(json!({})));
    until(&door, |queue| queue.waiting.len() == 1).await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    let queue = until(&door, |queue| queue.waiting.is_empty()).await;
    assert_eq!(queue.arrived, 1);
    assert!(!door.admit(1).await);
    assert!(api.sandbox.calls().is_empty() && api.sandbox.licenses().is_empty());
}

#[tokio::test]
async fn each_door_is_independent_and_the_plain_address_has_none() {
    let api = Api::start().await;
    let (left, right) = (api.sandbox.door().await.unwrap(), api.sandbox.door().await.unwrap());
    let one = post(&api, &left, LICENSES, product(json!({})));
    let other = post(&api, &right, LICENSES, product(json!({})));
    until(&left, |queue| queue.arrived == 1).await;
    until(&right, |queue| queue.arrived == 1).await;
    api.license(json!({})).await;
    assert_eq!(api.sandbox.licenses().len(), 1);
    assert!(right.admit(1).await);
    assert_eq!(other.await.unwrap().unwrap(), 201);
    assert_eq!((left.waiting().len(), right.waiting().len()), (1, 0));
    assert!(left.admit(1).await);
    assert_eq!(one.await.unwrap().unwrap(), 201);
    assert_eq!(api.sandbox.licenses().len(), 3);
}

#[tokio::test]
async fn the_controls_do_not_wait() {
    let api = Api::start().await;
    let door = api.sandbox.door().await.unwrap();
    let response = api.http.get(format!("{}/sandbox/state", door.url())).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(*door.queue().borrow(), Queue::default());
}

#[tokio::test]
async fn faults_hit_behind_the_gate_without_blocking_admission() {
    let api = Api::start().await;
    let door = api.sandbox.door().await.unwrap();
    api.sandbox.fault(Fault::anywhere().hang_after());
    api.sandbox.fault(Fault::anywhere().dropped_answer());
    let hung = post(&api, &door, LICENSES, product(json!({})));
    until(&door, |queue| queue.arrived == 1).await;
    assert_eq!(*api.sandbox.hits().borrow(), 0);
    assert!(door.admit(1).await);
    assert_eq!((api.sandbox.licenses().len(), *api.sandbox.hits().borrow()), (1, 1));

    let dropped = post(&api, &door, LICENSES, product(json!({})));
    until(&door, |queue| queue.arrived == 2).await;
    assert!(door.admit(2).await);
    assert_eq!(api.sandbox.licenses().len(), 2);
    assert!(!dropped.await.unwrap().unwrap_err().is_timeout());
    hung.abort();
}

#[tokio::test]
async fn an_admitted_call_is_carried_out_after_its_caller_left() {
    let api = Api::start().await;
    let door = Arc::new(api.sandbox.door().await.unwrap());
    api.sandbox.fault(Fault::anywhere().delay(600_000));
    let call = post(&api, &door, LICENSES, product(json!({})));
    until(&door, |queue| queue.arrived == 1).await;
    let admitted = tokio::spawn({
        let door = Arc::clone(&door);
        async move { door.admit(1).await }
    });
    until(&door, |queue| queue.waiting.is_empty()).await;
    api.sandbox.hits().wait_for(|hits| *hits == 1).await.unwrap();
    assert!(!admitted.is_finished());
    call.abort();
    assert!(admitted.await.unwrap());
    assert_eq!(api.sandbox.licenses().len(), 1);
}

#[tokio::test]
async fn a_dropped_door_is_closed() {
    let api = Api::start().await;
    let door = api.sandbox.door().await.unwrap();
    let url = format!("{}/sandbox", door.url());
    let call = post(&api, &door, LICENSES, product(json!({})));
    until(&door, |queue| queue.arrived == 1).await;
    drop(door);
    assert!(call.await.unwrap().is_err());
    let refused = async { while api.http.get(&url).send().await.is_ok() {} };
    tokio::time::timeout(Duration::from_secs(10), refused).await.unwrap();
    assert!(api.sandbox.licenses().is_empty());
    api.license(json!({})).await;
}
