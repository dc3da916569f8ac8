//! Doors: further ways into the same world, whose calls wait until a test lets them in, one by one.

use std::{
    collections::BTreeMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    net::TcpListener,
    sync::{oneshot, watch},
    task::JoinHandle,
};

use super::{
    request::Request,
    server,
    state::{Outcome, State},
};

/// A listener of a sandbox with a gate behind it: a call of the API has its effect when it is admitted, and none if the client
/// goes away before. Calls under `/sandbox` do not wait. The listener and its connections close when the door is dropped.
#[derive(Debug)]
pub struct Door {
    gate: Arc<Gate>,
    state: Arc<Mutex<State>>,
    addr: SocketAddr,
    server: JoinHandle<()>,
}

/// The calls at a door.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Queue {
    /// Calls that arrived so far, those that are gone included. The last one's ticket has this number.
    pub arrived: u64,
    /// Ticket and `METHOD path?query`, decoded, of those that wait, in the order of their arrival.
    pub waiting: Vec<(u64, String)>,
}

impl Door {
    pub(super) async fn open(state: Arc<Mutex<State>>) -> io::Result<Door> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let addr = listener.local_addr()?;
        let gate = Arc::new(Gate::default());
        let through = Some(Arc::clone(&gate));
        let server = tokio::spawn(server::run(
            listener,
            Arc::clone(&state),
            through,
            watch::Sender::default(),
        ));
        Ok(Door { gate, state, addr, server })
    }

    /// Base URL without a path.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The calls that wait now, in the order of their arrival. Tickets count from 1.
    pub fn waiting(&self) -> Vec<(u64, String)> {
        self.gate.queue.borrow().waiting.clone()
    }

    /// Tells of every arrival and every departure: `door.queue().wait_for(|queue| queue.arrived == 2)`.
    pub fn queue(&self) -> watch::Receiver<Queue> {
        self.gate.queue.subscribe()
    }

    /// Lets one call in. Returns when it has had its effect and its answer is on its way, or none will ever be. `false` if no
    /// call with this ticket waits.
    pub async fn admit(&self, ticket: u64) -> bool {
        let Some(Held { request, admit }) = self.gate.release(ticket) else {
            return false;
        };
        let outcome = server::lock(&self.state).handle(request);
        let (handed, answered) = oneshot::channel();
        // Refused if the client went away meanwhile: then its answer is lost, and its call was not.
        if admit.send(Admission { outcome, handed }).is_ok() {
            // The other end says so by going away.
            answered.await.ok();
        }
        true
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// What became of a call that was let in.
#[derive(Debug)]
pub(super) struct Admission {
    pub(super) outcome: Outcome,
    /// To be dropped when the answer is on its way.
    pub(super) handed: oneshot::Sender<()>,
}

#[derive(Debug)]
struct Held {
    request: Request,
    admit: oneshot::Sender<Admission>,
}

/// Where calls wait.
#[derive(Debug, Default)]
pub(super) struct Gate {
    held: Mutex<BTreeMap<u64, Held>>,
    /// Changed only while `held` is locked, so that both show the same.
    queue: watch::Sender<Queue>,
}

impl Gate {
    /// Waits to be let in. Whoever stops waiting takes the call back.
    pub(super) async fn pass(&self, request: Request) -> Option<Admission> {
        let (admit, admitted) = oneshot::channel();
        let _place = Place { gate: self, ticket: self.hold(Held { request, admit }) };
        admitted.await.ok()
    }

    fn hold(&self, call: Held) -> u64 {
        let label = format!("{} {}", call.request.method, call.request.readable_path());
        let mut held = self.held();
        let ticket = self.queue.borrow().arrived + 1;
        held.insert(ticket, call);
        self.queue.send_modify(|queue| {
            queue.arrived = ticket;
            queue.waiting.push((ticket, label));
        });
        ticket
    }

    fn release(&self, ticket: u64) -> Option<Held> {
        let mut held = self.held();
        let call = held.remove(&ticket)?;
        self.queue.send_modify(|queue| queue.waiting.retain(|(other, _)| *other != ticket));
        Some(call)
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<u64, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Place<'a> {
    gate: &'a Gate,
    ticket: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.gate.release(self.ticket);
    }
}
