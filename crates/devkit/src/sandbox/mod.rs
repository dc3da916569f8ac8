//! The Cryptlex sandbox: an emulator of the part of Cryptlex's Web API that license fulfilment needs, with a clock that is set
//! by hand and faults on demand.
//!
//! It follows Cryptlex's documentation, strictly: what is not documented to work is refused. Where the
//! documentation is silent, [`Settings`] has a switch. It has no organizations, resellers and activations.

pub mod catalogue;

mod admin;
mod deliveries;
mod door;
mod fault;
mod fields;
mod instant;
mod license;
mod license_calls;
mod license_fields;
mod metadata;
mod origin;
mod page;
mod query;
mod reply;
mod request;
mod routes;
mod server;
mod settings;
mod shelf;
mod state;
#[cfg(test)]
mod tests;
mod throttle;
mod user;
mod user_calls;
mod world;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard},
};

use jiff::Timestamp;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

pub use catalogue::Template;
pub use deliveries::{Announcement, Delivery};
pub use door::{Door, Queue};
pub use fault::{Fault, FaultKind, Match};
pub use license::{License, LicenseUser, StartTrigger};
pub use metadata::MetadataItem;
pub use settings::{
    ACCESS_TOKEN, BareFilters, ExpiryOrInterval, MetadataFilters, MetadataPatch, PatchOfFixedField,
    Precision, RenewWithoutExpiry, Settings, UserRole, Verdict,
};
pub use state::Call;
pub use user::User;

use state::State;

/// A running sandbox. Its server stops when it is dropped.
#[derive(Debug)]
pub struct Sandbox {
    state: Arc<Mutex<State>>,
    addr: SocketAddr,
    connections: watch::Receiver<usize>,
    server: JoinHandle<()>,
}

impl Sandbox {
    /// Starts on a free port of 127.0.0.1.
    pub async fn start(settings: Settings) -> io::Result<Sandbox> {
        Sandbox::start_on((Ipv4Addr::LOCALHOST, 0).into(), settings).await
    }

    /// Starts on an address.
    pub async fn start_on(addr: SocketAddr, settings: Settings) -> io::Result<Sandbox> {
        let listener = TcpListener::bind(addr).await?;
        let addr = listener.local_addr()?;
        let state = Arc::new(Mutex::new(State::new(settings)));
        let (count, connections) = watch::channel(0);
        let server = tokio::spawn(server::run(listener, Arc::clone(&state), None, count));
        Ok(Sandbox { state, addr, connections, server })
    }

    /// Opens another way in, on a port of its own, whose calls wait to be admitted one by one.
    pub async fn door(&self) -> io::Result<Door> {
        Door::open(Arc::clone(&self.state)).await
    }

    /// Base URL without a path. No door is in its way.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// What its clock shows. The clock stands still.
    pub fn now(&self) -> Timestamp {
        self.state().world.now()
    }

    /// Sets its clock.
    ///
    /// # Panics
    /// When the year is not one from 1 to 9999: the answers could not be dated.
    pub fn set_now(&self, now: Timestamp) {
        assert!(instant::has_date(now), "{now} is not in a year from 1 to 9999");
        self.state().world.set_now(now);
    }

    /// Its settings.
    pub fn settings(&self) -> Settings {
        self.state().settings.clone()
    }

    /// Changes settings for the calls to come.
    pub fn configure(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.state().settings);
    }

    /// Queues a fault.
    pub fn fault(&self, fault: Fault) {
        self.state().faults.push(fault);
    }

    /// Number of calls that queued faults will still hit.
    pub fn faults_left(&self) -> usize {
        self.state().faults.left()
    }

    /// Number of calls that faults have hit since the start or the last reset: `sandbox.hits().wait_for(|hits| *hits > 0)`. A
    /// call counts as hit when its effect has happened, if it has one at once.
    pub fn hits(&self) -> watch::Receiver<usize> {
        self.state().hits.subscribe()
    }

    /// Takes all faults back, but not the calls that [`FaultKind::Late`] holds.
    pub fn clear_faults(&self) {
        self.state().faults.clear();
    }

    /// Waits until every client has hung up and what it sent was carried out or never will be: a client that is dead has then
    /// had all the effects that it will have. Late calls are held all the same.
    pub async fn deserted(&self) -> io::Result<()> {
        // Connections are accepted in turn: when this one is answered, all before it were counted.
        let mut own = TcpStream::connect(self.addr).await?;
        own.write_all(b"GET /sandbox HTTP/1.1\r\nhost: sandbox\r\nconnection: close\r\n\r\n")
            .await?;
        own.read_to_end(&mut Vec::new()).await?;
        let mut connections = self.connections.clone();
        // The server, which counts, runs as long as this sandbox lives.
        connections.wait_for(|open| *open == 0).await.map(drop).map_err(io::Error::other)
    }

    /// Carries out the calls that [`FaultKind::Late`] holds, and says how many they were.
    pub fn release_late(&self) -> usize {
        self.state().release_late()
    }

    /// The calls of the API so far, in the order in which they were let in.
    pub fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    /// Forgets the calls so far, and the deliveries that are over.
    pub fn clear_calls(&self) {
        self.state().clear_calls();
    }

    /// Says that an event will be delivered now, and returns its id. Calls that come before its end are marked with it, as
    /// long as nothing else is under way.
    pub fn begin_delivery(&self, what: Announcement) -> u64 {
        self.state().begin_delivery(what)
    }

    /// The deliveries so far, in the order in which they began.
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.state().deliveries.all().to_vec()
    }

    /// Says that it was answered with a status, or not at all. `false` if none with this id is under way.
    pub fn end_delivery(&self, id: u64, answered: Option<u16>) -> bool {
        self.state().end_delivery(id, answered)
    }

    /// All licenses in the order of their creation.
    pub fn licenses(&self) -> Vec<License> {
        self.state().world.licenses.all().cloned().collect()
    }

    /// One license.
    pub fn license(&self, id: &str) -> Option<License> {
        self.state().world.licenses.get(id).cloned()
    }

    /// All users in the order of their creation.
    pub fn users(&self) -> Vec<User> {
        self.state().world.users.all().cloned().collect()
    }

    /// Adds a license and returns its id. The fields are those of POST, any others that an answer shows (`id`, `user`, `expiresAt`,
    /// `createdAt`, ..), and none is required; `"expiresAt": null` means no expiry whatever the interval.
    ///
    /// # Panics
    /// When the value is not an object, an instant does not parse, or the user does not exist.
    pub fn insert_license(&self, license: serde_json::Value) -> String {
        let body = object(license);
        let state = &mut *self.state();
        state.world.seed_license(body, &state.settings)
    }

    /// Adds a user and returns its id. The fields are those of POST and `id`, and none is required.
    ///
    /// # Panics
    /// When the value is not an object.
    pub fn insert_user(&self, user: serde_json::Value) -> String {
        let body = object(user);
        let state = &mut *self.state();
        state.world.seed_user(&body, &state.settings)
    }

    /// Adds a license template, or puts it in the place of the one with its id.
    pub fn insert_template(&self, template: Template) {
        self.state().world.templates.insert(template.id.clone(), template);
    }

    /// Adds a product, or gives it another default template.
    pub fn insert_product(&self, id: &str, default_template: &str) {
        self.state().world.products.insert(id.to_owned(), default_template.to_owned());
    }

    /// Back to how it started: settings, clock and catalogue too.
    pub fn reset(&self) {
        self.state().reset();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        server::lock(&self.state)
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Runs a sandbox until ctrl-c and prints where it is.
pub async fn serve(addr: SocketAddr, settings: Settings) -> io::Result<()> {
    let token = settings.access_token.clone();
    let sandbox = Sandbox::start_on(addr, settings).await?;
    let (url, now) = (sandbox.url(), sandbox.now());
    println!("Cryptlex sandbox on {url}, its clock stands at {now}; ctrl-c stops it.");
    println!("Look at it in a browser: {url}/");
    println!("How to change it: {url}/sandbox\n");
    println!("CRYPTLEX_WEB_API_BASE_URL={url}");
    println!("CRYPTLEX_ACCESS_TOKEN={token}");
    tokio::signal::ctrl_c().await
}

fn object(value: serde_json::Value) -> fields::Body {
    match value {
        serde_json::Value::Object(object) => object,
        other => panic!("a license or user is an object, not {other}"),
    }
}
