//! What every engine of the ledger must honour, and what each says when it cannot.

use std::sync::Arc;

use futures_util::future::join_all;
use http_body_util::{BodyExt as _, Full};
use jiff::Timestamp;
use serde_json::json;
use webhook_core::domain::clock::Clock;
use webhook_core::infra::aws::Aws;
use webhook_core::ledger::{Committed, Embedded, Expect, Memory, Store, StoreError, Write};

use crate::burst::list_of_what_waits_is_kept;
use crate::support::moto::{TABLE, dynamo, found, new_table, region, sdk, table};
use crate::support::{App, FASTSPRING, STRIPE};

fn clock(second: i64) -> Clock {
    Clock::new(move || Timestamp::from_second(second).unwrap())
}

fn write(key: &str, expect: Expect, value: &[u8]) -> Write {
    Write { key: key.to_owned(), expect, value: value.to_vec(), expires: None }
}

async fn shown(store: &dyn Store, keys: &[&str]) -> Vec<Option<(u64, Vec<u8>)>> {
    let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
    let found = store.read(&keys).await.unwrap();
    found.into_iter().map(|record| record.map(|record| (record.version, record.value))).collect()
}

async fn honours_the_contract(store: &dyn Store) {
    writes_happen_all_or_none(store).await;
    values_come_back_byte_for_byte(store).await;
    of_many_at_once_one_wins(store).await;
    a_list_is_sorted_and_complete(store).await;
}

async fn writes_happen_all_or_none(store: &dyn Store) {
    assert_eq!(shown(store, &["a", "b"]).await, [None, None]);
    for (writes, expected) in [
        (vec![write("a", Expect::Absent, b"1"), write("b", Expect::Absent, b"1")], Committed::All),
        (
            vec![write("a", Expect::Version(1), b"2"), write("b", Expect::Absent, b"2")],
            Committed::Lost,
        ),
        (vec![write("a", Expect::Version(2), b"2")], Committed::Lost),
        (vec![write("c", Expect::Version(1), b"2")], Committed::Lost),
        (vec![write("c", Expect::Version(0), b"2")], Committed::Lost),
        (
            vec![write("a", Expect::Version(1), b"2"), write("c", Expect::Anything, b"2")],
            Committed::All,
        ),
        (vec![write("c", Expect::Anything, b"3")], Committed::All),
        (vec![write("c", Expect::Version(2), b"4")], Committed::All),
    ] {
        assert_eq!(store.commit(&writes).await, Ok(expected), "{writes:?}");
    }
    let expected =
        [Some((2, b"2".to_vec())), None, Some((3, b"4".to_vec())), Some((1, b"1".to_vec()))];
    assert_eq!(shown(store, &["a", "d", "c", "b"]).await, expected);
}

async fn values_come_back_byte_for_byte(store: &dyn Store) {
    let noise: Vec<u8> = (0..=255).collect();
    let large = vec![b'x'; 340 * 1024];
    let key = "bytes/ünïcode key/§";
    // More than an item of DynamoDB holds, in texts that look alike.
    let ids: String =
        (0..12_000).map(|n| format!("\"stripe/sub_1/-/{n}\":\"{n:032x}\",")).collect();
    for value in [&b""[..], b"{\"text\":\"\\u00e9 \xc3\xa9\"}\n", &noise, &large, ids.as_bytes()] {
        assert_eq!(store.commit(&[write(key, Expect::Anything, value)]).await, Ok(Committed::All));
        let found = shown(store, &[key]).await;
        assert_eq!(found[0].as_ref().map(|(_, value)| value.as_slice()), Some(value));
    }
    let many: Vec<Write> =
        (0..90).map(|n| write(&format!("many/{n}"), Expect::Absent, b"1")).collect();
    assert_eq!(store.commit(&many).await, Ok(Committed::All));
    let keys: Vec<String> = (0..150).map(|n| format!("many/{n}")).collect();
    let found = store.read(&keys).await.unwrap();
    assert_eq!(found.iter().flatten().count(), 90);
    assert!(found[89].is_some() && found[90].is_none());
}

async fn of_many_at_once_one_wins(store: &dyn Store) {
    for round in 0..5 {
        let writes: Vec<[Write; 2]> = (0..8_u8)
            .map(|n| {
                let expect = if round == 0 { Expect::Absent } else { Expect::Version(round) };
                [write("race/1", expect, &[b'0' + n]), write("race/2", expect, &[b'0' + n])]
            })
            .collect();
        let results = join_all(writes.iter().map(|writes| store.commit(writes))).await;
        let winners = results.iter().filter(|result| **result == Ok(Committed::All)).count();
        assert_eq!(winners, 1, "{results:?}");
        assert!(results.iter().all(Result::is_ok), "{results:?}");
        let found = shown(store, &["race/1", "race/2"]).await;
        assert_eq!(found[0], found[1], "one winner wrote both");
        assert_eq!(found[0].as_ref().map(|(version, _)| *version), Some(round + 1));
    }
}

async fn a_list_is_sorted_and_complete(store: &dyn Store) {
    for batch in 0..4 {
        let writes: Vec<Write> = (0..60)
            .map(|n| write(&format!("list/{:03}", n * 4 + batch), Expect::Absent, &[b'x'; 6_000]))
            .collect();
        assert_eq!(store.commit(&writes).await, Ok(Committed::All));
    }
    let listed = store.list("list/").await.unwrap();
    let keys: Vec<&str> = listed.iter().map(|(key, _)| key.as_str()).collect();
    let expected: Vec<String> = (0..240).map(|n| format!("list/{n:03}")).collect();
    assert_eq!(keys, expected);
    assert!(listed.iter().all(|(_, record)| record.version == 1 && record.value.len() == 6_000));
    assert_eq!(store.list("nothing").await, Ok(Vec::new()));
}

#[tokio::test]
async fn the_engine_in_memory_honours_the_contract() {
    let store = Arc::new(Memory::new(clock(0)));
    honours_the_contract(&*store).await;
    list_of_what_waits_is_kept(store).await;
}

#[tokio::test]
async fn the_embedded_engine_in_a_file_honours_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger");
    let store = Embedded::file(&path, clock(0));
    honours_the_contract(&store).await;
    list_of_what_waits_is_kept(Arc::new(store.clone())).await;
    let before = shown(&store, &["a", "race/1", "list/007"]).await;
    let beside = Embedded::file_to_read(&path, clock(0));
    assert_eq!(shown(&beside, &["a", "race/1", "list/007"]).await, before, "beside its writer");
    assert!(beside.commit(&[write("a", Expect::Anything, b"no")]).await.is_err());
    drop((store, beside));
    let again = Embedded::file(&path, clock(0));
    assert_eq!(shown(&again, &["a", "race/1", "list/007"]).await, before, "after a restart");
    let mode = std::os::unix::fs::PermissionsExt::mode(&path.metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600, "bodies are nobody else's business");
}

#[tokio::test]
async fn dynamodb_honours_the_contract() {
    let store = new_table().await;
    honours_the_contract(&*store).await;
    list_of_what_waits_is_kept(store).await;
}

#[tokio::test]
async fn each_commit_forgets_some_records_that_are_due() {
    let now = Arc::new(std::sync::atomic::AtomicI64::new(0));
    let told = Arc::clone(&now);
    let ticking = Clock::new(move || {
        Timestamp::from_second(told.load(std::sync::atomic::Ordering::SeqCst)).unwrap()
    });
    let folder = tempfile::tempdir().unwrap();
    let in_a_file = Embedded::file(&folder.path().join("ledger"), ticking.clone());
    let stores: [&dyn Store; 2] = [&Memory::new(ticking), &in_a_file];
    let expiring = |key: &str, second: i64| Write {
        expires: Some(Timestamp::from_second(second).unwrap()),
        ..write(key, Expect::Anything, b"1")
    };
    let many: Vec<Write> = (0..40).map(|n| expiring(&format!("old/{n:02}"), 10 + n)).collect();
    for store in stores {
        now.store(0, std::sync::atomic::Ordering::SeqCst);
        store.commit(&many).await.unwrap();
        let later = [expiring("old/00", 1_000), write("kept", Expect::Absent, b"1")];
        store.commit(&later).await.unwrap();
        now.store(100, std::sync::atomic::Ordering::SeqCst);
        for left in [25, 9, 1, 1] {
            store.commit(&[write("other", Expect::Anything, b"1")]).await.unwrap();
            assert_eq!(store.list("old/").await.unwrap().len(), left);
        }
        assert_eq!(shown(store, &["old/00", "kept"]).await.iter().flatten().count(), 2);
    }
}

#[tokio::test]
async fn dynamodb_is_told_when_a_record_may_be_forgotten() {
    let moto = region().await;
    let store = table(&moto).await;
    let at = Timestamp::from_second(1_800_000_000).unwrap();
    for (expires, told) in [(Some(at), Some("1800000000")), (None, None)] {
        let record = Write { expires, ..write("event/1", Expect::Anything, b"{}") };
        store.commit(&[record]).await.unwrap();
        let all = json!({ "TableName": TABLE });
        let all = moto.call("dynamodb", "DynamoDB_20120810.Scan", &all).await.unwrap();
        let number = all["Items"][0]["expires"]["N"].as_str();
        assert_eq!(number, told);
    }
}

/// An endpoint that answers every call of DynamoDB in the same way.
async fn answering(status: u16, code: &'static str) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let body = format!(
        "{{\"__type\":\"com.amazonaws.dynamodb.v20120810#{code}\",\"message\":\"arn:aws:iam::000000000000:role/x\"}}"
    );
    let app = axum::Router::new().fallback(move |request: axum::extract::Request| {
        let body = body.clone();
        async move {
            request.into_body().collect().await.unwrap();
            axum::response::Response::builder()
                .status(status)
                .header("content-type", "application/x-amz-json-1.0")
                .body(axum::body::Body::new(Full::from(body)))
                .unwrap()
        }
    });
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

#[tokio::test]
async fn an_unusable_table_is_named_with_action_and_advice() {
    let missing = dynamo(&found(&region().await), "nowhere").await;
    let behind = async |url: &str| dynamo(&Aws::of(sdk(url, "eu-central-1")), TABLE).await;
    let denied = behind(&answering(400, "AccessDeniedException").await).await;
    let throttled = behind(&answering(400, "ThrottlingException").await).await;
    let broken = behind(&answering(500, "InternalServerError").await).await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let closed = behind(&format!("http://{closed}")).await;
    for (store, read, commit) in [
        (
            missing,
            "DynamoDB table nowhere: BatchGetItem: there is no such table in this region and account: create it, or correct LEDGER_TABLE",
            "DynamoDB table nowhere: TransactWriteItems: there is no such table in this region and account: create it, or correct LEDGER_TABLE",
        ),
        (
            denied,
            "DynamoDB table ledger: BatchGetItem was denied: allow dynamodb:BatchGetItem on the table to the function's role",
            "DynamoDB table ledger: TransactWriteItems was denied: allow dynamodb:UpdateItem on the table to the function's role",
        ),
        (
            throttled,
            "DynamoDB table ledger: BatchGetItem failed: ThrottlingException",
            "DynamoDB table ledger: TransactWriteItems failed: ThrottlingException",
        ),
        (
            broken,
            "DynamoDB table ledger: BatchGetItem failed: InternalServerError",
            "DynamoDB table ledger: TransactWriteItems failed: InternalServerError",
        ),
        (
            closed,
            "DynamoDB table ledger: BatchGetItem: Connection refused",
            "DynamoDB table ledger: TransactWriteItems: Connection refused",
        ),
    ] {
        let StoreError(text) = store.read(&["a".to_owned()]).await.unwrap_err();
        assert!(text.starts_with(read), "{text}");
        let StoreError(text) = store.commit(&[write("a", Expect::Absent, b"1")]).await.unwrap_err();
        assert!(text.starts_with(commit), "{text}");
        assert!(!text.contains("arn:"), "{text}");
        let mut app = App::start().await;
        app.restart_over(Arc::new(store));
        refuses_everything(&app, read).await;
    }
}

#[tokio::test]
async fn an_unusable_file_is_named_with_advice() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("garbage"), b"this is no ledger at all\n".repeat(1_000)).unwrap();
    std::fs::write(path("cut"), b"redb").unwrap();
    let whole = Embedded::file(&path("held"), clock(0));
    whole.commit(&[write("a", Expect::Absent, b"1")]).await.unwrap();
    let damaged = Embedded::file(&path("damaged"), clock(0));
    let records: Vec<Write> =
        (0..50).map(|n| write(&format!("a/{n}"), Expect::Absent, &[b'x'; 2_000])).collect();
    damaged.commit(&records).await.unwrap();
    drop(damaged);
    let mut bytes = std::fs::read(path("damaged")).unwrap();
    let middle = bytes.windows(2_000).position(|window| window == [b'x'; 2_000]).unwrap();
    bytes[middle + 100] = b'y';
    std::fs::write(path("damaged"), bytes).unwrap();
    for (name, says) in [
        ("garbage", "is damaged, or is not a ledger"),
        ("cut", "is damaged, or is not a ledger"),
        ("damaged", "is damaged, or is not a ledger"),
        ("held", "is held by another process: stop that one, or use another file"),
        ("no/such/folder", "cannot be opened: No such file or directory"),
        ("", "cannot be opened: Is a directory"),
    ] {
        let file = path(name);
        let mut app = App::start().await;
        app.restart_over(Arc::new(Embedded::file(&file, app.clock())));
        let text = format!("the ledger file {} {says}", file.display());
        refuses_everything(&app, &text).await;
    }
    // What held it goes away: no restart is needed.
    let mut app = App::start().await;
    app.restart_over(Arc::new(Embedded::file(&path("held"), app.clock())));
    assert_eq!(app.case(FASTSPRING, "order-plain").await.status, 400);
    drop(whole);
    app.cases(FASTSPRING, &["order-plain"]).await;
}

/// Health says why, webhooks are to be delivered again, and nothing reaches Cryptlex without a lease.
async fn refuses_everything(app: &App, why: &str) {
    let health = http::Request::get("/health").body(axum::body::Body::empty()).unwrap();
    let health = app.request(STRIPE, health).await;
    assert_eq!(health.status, 503, "{}", health.body);
    let body: serde_json::Value = serde_json::from_str(&health.body).unwrap();
    assert_eq!(body["status"], "no ledger");
    let problem = body["problems"][0].as_str().unwrap();
    assert!(problem.starts_with(&format!("ledger: {why}")), "{problem}");
    for _ in 0..2 {
        let answer = app.case(FASTSPRING, "order-plain").await;
        assert_eq!(answer.status, 400);
        assert!(answer.message().starts_with(&format!("ledger: {why}")), "{}", answer.body);
    }
    assert!(app.sandbox.calls().is_empty());
    // What is not handled needs no memory.
    assert_eq!(app.case(STRIPE, "product-created").await.status, 200);
}
