//! Deliveries whose outward calls, to Cryptlex and to the ledger, go one at a time and only when the test says so.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use devkit::sandbox::Door;
use devkit::sign::Provider as Signer;
use futures_util::future::{BoxFuture, FutureExt as _};
use tokio::sync::{oneshot, watch};
use webhook_core::ledger::{Capacity, Committed, SoleOwner, Store, StoreError, Versioned, Write};

use crate::support::{App, answered};

/// A store whose calls wait.
struct Gated {
    inner: Arc<dyn Store>,
    waiting: Mutex<BTreeMap<u64, Waiting>>,
    /// How many wait.
    count: watch::Sender<usize>,
}

struct Waiting {
    step: Step,
    enter: oneshot::Sender<oneshot::Sender<()>>,
}

impl Gated {
    fn before(inner: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self { inner, waiting: Mutex::default(), count: watch::Sender::new(0) })
    }

    async fn wait<T>(&self, step: Step, call: BoxFuture<'_, T>) -> T {
        let (enter, admitted) = oneshot::channel();
        {
            let mut waiting = self.waiting.lock().unwrap();
            let ticket = waiting.keys().last().map_or(0, |last| last + 1);
            waiting.insert(ticket, Waiting { step, enter });
            self.count.send_replace(waiting.len());
        }
        let done = admitted.await.unwrap();
        let result = call.await;
        done.send(()).ok();
        result
    }

    fn next(&self) -> Option<Step> {
        self.waiting.lock().unwrap().values().next().map(|waiting| waiting.step.clone())
    }

    /// Lets the first one in and returns when it has had its effect.
    async fn admit(&self) {
        let first = {
            let mut waiting = self.waiting.lock().unwrap();
            let first = waiting.pop_first().map(|(_, waiting)| waiting);
            self.count.send_replace(waiting.len());
            first
        };
        let (done, is_done) = oneshot::channel();
        first.unwrap().enter.send(done).unwrap();
        is_done.await.unwrap();
    }
}

impl Store for Gated {
    fn read<'a>(
        &'a self,
        keys: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<Option<Versioned>>, StoreError>> {
        let step = Step { next: Next::Read, touches: keys.to_vec(), writes: false };
        self.wait(step, self.inner.read(keys)).boxed()
    }

    fn commit<'a>(&'a self, writes: &'a [Write]) -> BoxFuture<'a, Result<Committed, StoreError>> {
        let touches = writes.iter().map(|write| write.key.clone()).collect();
        let step = Step { next: Next::Commit, touches, writes: true };
        self.wait(step, self.inner.commit(writes)).boxed()
    }

    fn list<'a>(
        &'a self,
        prefix: &'a str,
    ) -> BoxFuture<'a, Result<Vec<(String, Versioned)>, StoreError>> {
        self.inner.list(prefix)
    }

    fn capacity(&self) -> Capacity {
        self.inner.capacity()
    }

    fn sole_owner(&self) -> Option<SoleOwner> {
        self.inner.sole_owner()
    }
}

/// What a delivery does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Asks Cryptlex.
    Cryptlex,
    /// Looks into the ledger, for the first time or because it was refused a commit.
    Read,
    /// Looks again whether others have left its subjects.
    Poll,
    /// Writes into the ledger.
    Commit,
    /// Nothing: it was answered.
    Answered,
}

/// The same, with what it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) next: Next,
    /// Keys of the ledger, or all that Cryptlex has.
    touches: Vec<String>,
    writes: bool,
}

impl Step {
    fn cryptlex(calls: &[(u64, String)]) -> Self {
        let writes = calls.iter().any(|(_, call)| !call.starts_with("GET "));
        Self { next: Next::Cryptlex, touches: vec!["cryptlex".to_owned()], writes }
    }

    pub(crate) fn is_a_write(&self) -> bool {
        self.writes
    }

    /// Whether it matters which of the two is taken first.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        (self.writes || other.writes) && self.touches.iter().any(|key| other.touches.contains(key))
    }
}

/// One delivery by an instance of its own. What was not answered when it is dropped never is.
pub(crate) struct Delivery {
    store: Arc<Gated>,
    door: Door,
    status: watch::Receiver<Option<u16>>,
    last: Option<Next>,
    /// The keys that it read last, and those that its next read is of.
    read: [Vec<String>; 2],
    under_way: tokio::task::JoinHandle<()>,
}

impl Delivery {
    pub(crate) async fn begin(app: &App, provider: Signer, path: &str, body: &[u8]) -> Self {
        let (store, door) = (Gated::before(app.store()), app.sandbox.door().await.unwrap());
        let gated: Arc<dyn Store> = Arc::<Gated>::clone(&store);
        let router = app.instance(provider, &door.url(), &gated);
        let request = app.signed(provider, path, body);
        let (tell, status) = watch::channel(None);
        let under_way = tokio::spawn(async move {
            let answer = answered(&router, request).await;
            tell.send_replace(Some(answer.status));
        });
        Self { store, door, status, last: None, read: <_>::default(), under_way }
    }

    /// Waits until it waits, or is answered.
    pub(crate) async fn next(&mut self) -> Step {
        let (mut records, mut calls) = (self.store.count.subscribe(), self.door.queue());
        tokio::select! {
            biased;
            _ = records.wait_for(|count| *count > 0) => {}
            _ = calls.wait_for(|queue| !queue.waiting.is_empty()) => {}
            _ = self.status.wait_for(Option::is_some) => {}
        }
        let looked = matches!(self.last, Some(Next::Read | Next::Poll));
        match (self.store.next(), self.door.waiting().as_slice()) {
            (Some(step), _)
                if step.next == Next::Read && looked && step.touches == self.read[0] =>
            {
                Step { next: Next::Poll, ..step }
            }
            (Some(step), _) => {
                self.read[1].clone_from(&step.touches);
                step
            }
            (None, []) => Step { next: Next::Answered, touches: Vec::new(), writes: false },
            (None, calls) => Step::cryptlex(calls),
        }
    }

    /// Lets it do that.
    pub(crate) async fn go_on(&mut self, next: Next) {
        match next {
            Next::Read | Next::Poll | Next::Commit => {
                let [last, next] = &mut self.read;
                last.clone_from(next);
                self.store.admit().await;
            }
            Next::Cryptlex => {
                // Calls side by side arrive in any order; a schedule is to mean the same each time.
                let waiting = self.door.waiting();
                let first = waiting.iter().min_by(|(_, one), (_, other)| one.cmp(other)).unwrap();
                assert!(self.door.admit(first.0).await);
            }
            Next::Answered => {}
        }
        self.last = Some(next);
    }

    /// Waits until so many calls of Cryptlex wait side by side, and lets them all in. Gives what they were, without ids and queries.
    pub(crate) async fn side_by_side(&mut self, calls: usize) -> Vec<String> {
        let mut queue = self.door.queue();
        queue.wait_for(|queue| queue.waiting.len() >= calls).await.unwrap();
        let waiting = self.door.waiting();
        for (ticket, _) in &waiting {
            assert!(self.door.admit(*ticket).await);
        }
        self.last = Some(Next::Cryptlex);
        let mut calls: Vec<String> = waiting.iter().map(|(_, call)| without_ids(call)).collect();
        calls.sort();
        calls
    }

    pub(crate) fn status(&self) -> Option<u16> {
        *self.status.borrow()
    }
}

fn without_ids(call: &str) -> String {
    let path = call.split('?').next().unwrap().split('/');
    let is_id = |part: &str| part.contains('-');
    path.map(|part| if is_id(part) { "*" } else { part }).collect::<Vec<_>>().join("/")
}

impl Drop for Delivery {
    fn drop(&mut self) {
        self.under_way.abort();
    }
}
