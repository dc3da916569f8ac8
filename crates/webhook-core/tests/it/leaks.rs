//! Nothing secret or personal in logs and replies, whatever goes well or wrong.

use devkit::corpus::cases;
use devkit::sandbox::{ACCESS_TOKEN, Fault};

use crate::support::logs::Log;
use crate::support::{App, SECRET, path_of};

/// At `trace`; what libraries may log, `telemetry` decides and the hosts' tests look at.
#[tokio::test]
async fn no_log_and_no_reply_holds_what_must_not_leak() {
    let log = Log::listen();
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
    let log = log.text();
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
