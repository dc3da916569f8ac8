//! How long a server is waited for after a delivery: some acknowledge first and work afterwards.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::sandbox::Sandbox;

/// Between two looks whether the server has asked something.
const LOOK: Duration = Duration::from_millis(5);

/// A server is waited for until it has asked nothing for a pause. One that comes late gets longer pauses from then on.
#[derive(Debug)]
pub(super) struct Pace {
    pause: Duration,
    most: Duration,
}

impl Pace {
    pub(super) fn new(pause: Duration, most: Duration) -> Self {
        Self { pause: pause.min(most), most }
    }

    /// Waits until calls have stopped.
    pub(super) async fn quiet(&mut self, sandbox: &Sandbox) {
        let until = Instant::now() + self.most;
        while Instant::now() < until && self.call(sandbox, self.pause).await {}
    }

    /// Waits so long for a call, and learns from how late it comes.
    pub(super) async fn call(&mut self, sandbox: &Sandbox, time: Duration) -> bool {
        let (begin, before) = (Instant::now(), sandbox.calls().len());
        let time = time.min(self.most);
        while begin.elapsed() < time {
            sleep(LOOK.min(time)).await;
            if sandbox.calls().len() > before {
                self.grow(begin.elapsed() * 2);
                return true;
            }
        }
        false
    }

    /// Waits at least so long from now on, within bounds.
    pub(super) fn grow(&mut self, pause: Duration) {
        self.pause = self.pause.max(pause).min(self.most);
    }

    /// What came was of a delivery long before.
    pub(super) fn double(&mut self) {
        self.grow(self.pause * 2);
    }
}
