//! The very binary that is deployed, under an emulator of the Lambda Runtime API and as a server.

use std::path::Path;

use devkit::arm64::rehearse;
use devkit::hosts::{agree, die_anywhere, survive};
use devkit::sign::Provider;

const BINARY: &str = env!("CARGO_BIN_EXE_fastspring-webhook");

#[tokio::test]
async fn both_hosts_give_the_same_answers() {
    agree(Provider::Fastspring, Path::new(BINARY)).await;
}

#[tokio::test]
async fn malformed_gateway_events_are_survived() {
    survive(Provider::Fastspring, Path::new(BINARY)).await;
}

#[tokio::test]
async fn a_process_killed_at_any_call_is_continued_by_the_next() {
    let story = ["order-subscription-seats", "charge-completed-seats", "deactivated"];
    assert!(die_anywhere(Provider::Fastspring, Path::new(BINARY), &story).await > 20);
}

#[tokio::test]
async fn two_runs_give_make_arm64_the_same_answers() {
    rehearse(Provider::Fastspring, Path::new(BINARY)).await.expect("no difference");
}
