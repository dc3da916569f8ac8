//! Nothing secret or personal in logs and replies, whatever goes well or wrong.

use std::cell::Cell;

use devkit::corpus::cases;
use devkit::sandbox::{ACCESS_TOKEN, Fault};
use tracing::Level;
use tracing_subscriber::filter::{Targets, dynamic_filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::support::logs::Log;
use crate::support::{App, SECRET, path_of};

thread_local! {
    static LISTENING: Cell<bool> = const { Cell::new(false) };
}

/// At `trace`; what libraries may log, `telemetry` decides and the hosts' tests look at.
#[tokio::test]
async fn no_log_and_no_reply_holds_what_must_not_leak() {
    let captured = Log::default();
    let lines = tracing_subscriber::fmt::layer().json().with_writer(captured.clone());
    let ours = Targets::new().with_target("webhook_core", Level::TRACE);
    // A subscriber is the whole process's; all of this test runs on this thread.
    let here = dynamic_filter_fn(|_, _| LISTENING.get());
    tracing_subscriber::registry().with(ours).with(here).with(lines).init();
    LISTENING.set(true);
    let mut replies = String::new();
    let mut keys = Vec::new();
    for fault in [
        None,
        Some(Fault::on("POST", "/v3/").error_before(400).always()),
        Some(Fault::anywhere().dropped_before().always()),
    ] {
        let app = App::start().await;
        if let Some(fault) = fault {
            app.sandbox.fault(fault);
        }
        for case in cases() {
            replies += &app.deliver(case.provider, path_of(case.provider), &case.body).await.body;
        }
        keys.extend(app.sandbox.licenses().into_iter().map(|license| license.key));
    }
    let log = captured.text();
    for expected in [
        "Received Stripe webhook: invoice.paid (evt_",
        "Successfully processed webhook event evt_",
        "Failed to process webhook event ",
    ] {
        assert!(log.contains(expected), "{expected} was not logged");
    }
    assert!(keys.len() > 20, "only {} licenses were made", keys.len());
    let secrets = [
        SECRET,
        ACCESS_TOKEN,
        "@example.com",
        "cryptlexpaddle.com",
        "Example",
        "NOT-A-KEY",
        "v1=",
        "Bearer",
    ];
    for (what, text) in [("log", &log), ("reply", &replies)] {
        for secret in secrets.into_iter().chain(keys.iter().map(String::as_str)) {
            assert!(!text.contains(secret), "{secret} leaked in a {what}");
        }
    }
}
