//! What the product logs on one thread. A subscriber is the whole process's, so all tests share one.

use std::cell::RefCell;
use std::io;
use std::sync::Once;

use tracing::Level;
use tracing_subscriber::filter::{Targets, dynamic_filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

thread_local! {
    static HEARD: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

static INSTALLED: Once = Once::new();

/// Everything from `trace` on that is logged on this thread while it lives, as a server writes it.
pub(crate) struct Log(());

impl Log {
    pub(crate) fn listen() -> Self {
        INSTALLED.call_once(|| {
            let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(ToThisThread);
            let ours = Targets::new().with_target("webhook_core", Level::TRACE);
            let here = dynamic_filter_fn(|_, _| HEARD.with_borrow(Option::is_some));
            tracing_subscriber::registry().with(ours).with(here).with(lines).init();
        });
        HEARD.set(Some(Vec::new()));
        Self(())
    }

    pub(crate) fn text(&self) -> String {
        HEARD.with_borrow(|heard| String::from_utf8(heard.clone().unwrap()).unwrap())
    }

    pub(crate) fn lines_with(&self, text: &str) -> usize {
        self.text().lines().filter(|line| line.contains(text)).count()
    }

    pub(crate) fn errors(&self) -> Vec<String> {
        let text = self.text();
        text.lines().filter(|line| line.contains(" ERROR ")).map(str::to_owned).collect()
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        HEARD.set(None);
    }
}

struct ToThisThread;

impl io::Write for ToThisThread {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        HEARD.with_borrow_mut(|heard| heard.iter_mut().for_each(|heard| heard.extend(bytes)));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for ToThisThread {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        Self
    }
}
