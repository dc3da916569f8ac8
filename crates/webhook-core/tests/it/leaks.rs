//! Nothing secret or personal in logs and replies, whatever goes well or wrong.

use std::io;
use std::sync::{Arc, Mutex};

use devkit::corpus::cases;
use devkit::sandbox::{ACCESS_TOKEN, Fault};
use tracing_subscriber::fmt::MakeWriter;

use crate::support::{App, SECRET, path_of};

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Captured {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

/// At `trace`; what libraries may log, `telemetry` decides and the hosts' tests look at. The subscriber is the whole process's: tests that run at the same
/// time are looked at as well.
#[tokio::test]
async fn no_log_and_no_reply_holds_what_must_not_leak() {
    let captured = Captured::default();
    tracing_subscriber::fmt()
        .json()
        .with_env_filter("webhook_core=trace")
        .with_writer(captured.clone())
        .init();
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
    let log = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
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
