//! Deliveries side by side, each until it is done.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::sync::watch;
use tokio::time::Instant;

use super::CrashError;
use super::story::Delivery;
use crate::send::{now_unix, post};
use crate::sign::Provider;

const CONNECTIONS: usize = 16;
/// Between two tries: long enough to let others go first, far below what providers wait.
const AGAIN_AFTER: Duration = Duration::from_millis(150);
/// When nothing can be delivered just now.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(5);
/// Many times what a lease of a killed server lasts.
const STUCK_AFTER: Duration = Duration::from_secs(60);

/// What it took.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Delivered {
    pub(super) attempts: usize,
    pub(super) unanswered: usize,
}

/// Posts everything to wherever the server is, and counts in `done` the events that are done.
pub(super) async fn all(
    provider: Provider,
    deliveries: &[Delivery],
    url: watch::Receiver<Option<String>>,
    done: &watch::Sender<usize>,
) -> Result<Delivered, CrashError> {
    let queue = Mutex::new(Queue::new(deliveries));
    let workers = (0..CONNECTIONS).map(|_| work(provider, deliveries, &url, &queue, done));
    try_join_all(workers).await?;
    Ok(lock(&queue).delivered)
}

async fn work(
    provider: Provider,
    deliveries: &[Delivery],
    url: &watch::Receiver<Option<String>>,
    queue: &Mutex<Queue>,
    done: &watch::Sender<usize>,
) -> Result<(), CrashError> {
    loop {
        let now = Instant::now();
        let next = lock(queue).take(deliveries, now)?;
        let index = match next {
            Next::Delivery(index) => index,
            Next::Later => {
                tokio::time::sleep(LOOK_AGAIN_AFTER).await;
                continue;
            }
            Next::Nothing => return Ok(()),
        };
        let delivery = &deliveries[index];
        let to = current(url).await?;
        let answer = tokio::select! {
            answer = post(&to, provider, provider.demo_secret(), &delivery.body, now_unix()) => {
                answer.map_err(|error| error.to_string())
            }
            // Whoever listens at its port next is somebody else.
            () = gone(url, &to) => Err("the server was killed".to_owned()),
        };
        let mut queue = lock(queue);
        queue.delivered.attempts += 1;
        match answer {
            Ok(answer) if is_done(provider, answer.status) => {
                queue.finish(index);
                done.send_modify(|done| *done += delivery.events);
            }
            Ok(answer) => queue.put_back(index, format!("{} {}", answer.status, answer.body)),
            Err(error) => {
                queue.delivered.unanswered += 1;
                queue.put_back(index, error);
            }
        }
    }
}

/// A part of a batch is not the whole.
fn is_done(provider: Provider, status: u16) -> bool {
    match provider {
        Provider::Fastspring => status == 200,
        Provider::Stripe | Provider::Paddle => (200..300).contains(&status),
    }
}

/// Where to deliver. Not asked of a server that is known to be dead: only kills on the way are worth the time.
async fn current(url: &watch::Receiver<Option<String>>) -> Result<String, CrashError> {
    let mut url = url.clone();
    let current = url.wait_for(Option::is_some).await;
    let current = current.map(|url| url.clone().unwrap_or_default());
    current.map_err(|gone| CrashError::io("the server")(io::Error::other(gone)))
}

/// When the server is not there any more.
async fn gone(url: &watch::Receiver<Option<String>>, there: &str) {
    url.clone().wait_for(|url| url.as_deref() != Some(there)).await.ok();
}

struct Queue {
    waiting: Vec<Waiting>,
    done: Vec<bool>,
    left: usize,
    last_done: Instant,
    delivered: Delivered,
}

struct Waiting {
    index: usize,
    not_before: Instant,
    /// How it was answered last.
    said: String,
}

enum Next {
    Delivery(usize),
    /// All that is left is being delivered, was just tried, or waits for another one.
    Later,
    Nothing,
}

impl Queue {
    fn new(deliveries: &[Delivery]) -> Queue {
        let now = Instant::now();
        let waiting = |index| Waiting { index, not_before: now, said: "not delivered".to_owned() };
        Queue {
            waiting: (0..deliveries.len()).map(waiting).collect(),
            done: vec![false; deliveries.len()],
            left: deliveries.len(),
            last_done: now,
            delivered: Delivered::default(),
        }
    }

    fn take(&mut self, deliveries: &[Delivery], now: Instant) -> Result<Next, CrashError> {
        if self.left == 0 {
            return Ok(Next::Nothing);
        }
        if now.duration_since(self.last_done) > STUCK_AFTER {
            return Err(self.stuck(deliveries));
        }
        let is_ready = |waiting: &Waiting| {
            let after = &deliveries[waiting.index].after;
            waiting.not_before <= now && after.iter().all(|other| self.done[*other])
        };
        let ready = self.waiting.iter().position(is_ready);
        Ok(ready.map_or(Next::Later, |at| Next::Delivery(self.waiting.remove(at).index)))
    }

    fn finish(&mut self, index: usize) {
        self.done[index] = true;
        self.left -= 1;
        self.last_done = Instant::now();
    }

    fn put_back(&mut self, index: usize, said: String) {
        self.waiting.push(Waiting { index, not_before: Instant::now() + AGAIN_AFTER, said });
    }

    fn stuck(&self, deliveries: &[Delivery]) -> CrashError {
        let some = self.waiting.iter().take(10);
        let lines = some.map(|it| format!("  {}: {}", deliveries[it.index].what, it.said));
        CrashError::Stuck {
            left: self.left,
            secs: STUCK_AFTER.as_secs(),
            some: lines.collect::<Vec<_>>().join("\n"),
        }
    }
}

fn lock<'a>(queue: &'a Mutex<Queue>) -> MutexGuard<'a, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}
