//! The very binary that is deployed, in every situation of `situations/` that Stripe tells.

use std::path::Path;

use devkit::compare::rehearse;
use devkit::sign::Provider;

#[tokio::test]
async fn every_situation_ends_right_and_as_published() {
    let binary = Path::new(env!("CARGO_BIN_EXE_stripe-webhook"));
    let faults = rehearse(Provider::Stripe, binary).await.expect("all are played");
    assert!(faults.is_empty(), "{} wrong:\n{}", faults.len(), faults.join("\n"));
}
