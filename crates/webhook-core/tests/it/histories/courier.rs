//! How a life is told: more than once, in another order, two events at a time, while calls to Cryptlex fail.

use std::collections::{BTreeSet, VecDeque};
use std::fmt::Write as _;

use devkit::sandbox::{Fault, License, Match};
use devkit::sign::Provider;
use proptest::prelude::*;

use super::bodies::resent;
use super::life::{Life, What};
use crate::support::vendor::Quantity;
use crate::support::{Answer, App, batch};

#[derive(Debug, Clone)]
pub(super) struct Itinerary {
    pub(super) mode: Mode,
    /// By how many places an event may be late.
    pub(super) window: usize,
    /// One for each event, over again where a life has more.
    pub(super) trips: Vec<Trip>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// The ledger is kept; events come in any order.
    AnyOrder,
    /// Events come in their order, each until it is done, and the ledger is lost in between.
    ///
    /// Time order is among what the ledger alone knows (ARCHITECTURE.md, "Without the ledger"), so without it nothing
    /// else can be asked for; what is still sent twice is the latest event.
    Restarts,
}

/// One event on its way.
#[derive(Debug, Clone)]
pub(super) struct Trip {
    late_by: usize,
    /// The first delivery never arrives.
    lost: bool,
    company: Company,
    fault: Option<(usize, u32)>,
    again: Again,
    restart: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Company {
    Alone,
    /// Two deliveries of it at once.
    Doubled,
    /// At once with the next one.
    WithNext,
    /// In one delivery with the next one, where the provider does that.
    Batched,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Again {
    No,
    /// The provider did not hear the answer.
    Duplicate,
    /// Somebody pressed a button: a new event id at FastSpring, a new notification id at Paddle.
    Resent,
}

type Make = fn(Match) -> Fault;

const FAULTS: [(&str, Make); 10] = [
    ("400 before", |m| m.error_before(400)),
    ("401 before", |m| m.error_before(401)),
    ("500 before", |m| m.error_before(500)),
    ("500 after", |m| m.error_after(500)),
    ("502 after", |m| m.error_after(502)),
    ("503 before", |m| m.error_before(503)),
    ("dropped before", |m| m.dropped_before()),
    ("dropped answer", |m| m.dropped_answer()),
    ("bad JSON", |m| m.bad_json()),
    ("throttled", |m| m.throttle(0)),
];

fn trips() -> impl Strategy<Value = Trip> {
    let company = prop_oneof![
        6 => Just(Company::Alone),
        1 => Just(Company::Doubled),
        2 => Just(Company::WithNext),
        2 => Just(Company::Batched),
    ];
    let again = prop_oneof![
        2 => Just(Again::No),
        1 => Just(Again::Duplicate),
        1 => Just(Again::Resent),
    ];
    let fault = prop::option::weighted(0.3, (0..FAULTS.len(), 0_u32..7));
    let odds = (prop::bool::weighted(0.2), company, fault, again, prop::bool::weighted(0.5));
    (0_usize..30, odds).prop_map(|(late_by, (lost, company, fault, again, restart))| Trip {
        late_by,
        lost,
        company,
        fault,
        again,
        restart,
    })
}

pub(super) fn itineraries() -> impl Strategy<Value = Itinerary> {
    let mode = prop_oneof![2 => Just(Mode::AnyOrder), 1 => Just(Mode::Restarts)];
    (mode, prop::sample::select(vec![1_usize, 3, 30]), prop::collection::vec(trips(), 12))
        .prop_map(|(mode, window, trips)| Itinerary { mode, window, trips })
}

/// An event that is to be delivered.
#[derive(Debug, Clone, Copy)]
struct Errand {
    event: usize,
    again: Again,
}

/// What was delivered, and what became of it.
#[derive(Debug, Default)]
pub(super) struct Journal {
    pub(super) lines: String,
    pub(super) deliveries: usize,
    /// The end was told before something that is older.
    pub(super) end_overtook: bool,
}

pub(super) struct Courier<'l> {
    life: &'l Life,
    itinerary: &'l Itinerary,
    done: Vec<bool>,
    /// Told, and not done with: whatever comes next may finish it.
    half_done: BTreeSet<usize>,
    pub(super) journal: Journal,
}

/// More than any life takes: what is not done then never will be.
const PASSES: usize = 12;

impl<'l> Courier<'l> {
    pub(super) fn new(life: &'l Life, itinerary: &'l Itinerary) -> Self {
        let done = vec![false; life.events.len()];
        let half_done = BTreeSet::new();
        Self { life, itinerary, done, half_done, journal: Journal::default() }
    }

    /// Until every event was answered 2xx.
    pub(super) async fn deliver(&mut self, app: &mut App) -> Result<(), String> {
        // Whenever the purchase comes, Cryptlex's clock shows its time: a license whose interval decides runs from its
        // creation, so that a purchase told months later would be worth months more.
        let lag = self.life.sketch.lag;
        app.sandbox.set_now(self.life.sketch.start + lag);
        let all = 0..self.life.events.len();
        match self.itinerary.mode {
            Mode::AnyOrder => {
                let mut order: Vec<usize> = all.collect();
                let window = self.itinerary.window + 1;
                order.sort_by_key(|event| event + self.trip(*event).late_by % window);
                self.until_done(app, &order).await
            }
            Mode::Restarts => {
                for event in all {
                    app.sandbox.set_now(self.life.events[event].at + lag);
                    self.until_done(app, &[event]).await?;
                    if let Some(next) = self.life.events.get(event + 1).map(|_| event + 1) {
                        self.restart(app, event, next);
                    }
                }
                Ok(())
            }
        }
    }

    fn trip(&self, event: usize) -> &'l Trip {
        &self.itinerary.trips[event % self.itinerary.trips.len()]
    }

    fn restart(&mut self, app: &mut App, after: usize, before: usize) {
        let restarts = self.itinerary.mode == Mode::Restarts && self.trip(after).restart;
        if restarts && self.may_forget_before(before) {
            app.restart();
            self.note("restart");
        }
    }

    /// Whether an event has the same effect when nobody remembers those before it; what does not is listed in
    /// ARCHITECTURE.md, "Without the ledger".
    fn may_forget_before(&self, event: usize) -> bool {
        let (before, sketch) = (&self.life.events[..event], &self.life.sketch);
        match self.life.events[event].what {
            // The end of a pause resumes nothing of which it is not known that it was paused.
            What::Resumed => false,
            // Days of grace count from the first of several failed payments.
            What::Failed => {
                let since =
                    before.iter().rev().take_while(|e| !matches!(e.what, What::Paid { .. }));
                sketch.policy.grace_days == 0 || !since.into_iter().any(|e| e.what == What::Failed)
            }
            // What a first invoice paid for, until the session names the product.
            What::Checkout => sketch.on_v1 || !sketch.swapped,
            // Not right yet, and not on that list: a first invoice that names no product makes no more seats once the
            // session before it is forgotten, and is answered 200.
            What::FirstInvoice { .. } => {
                sketch.on_v1 || sketch.swapped || sketch.policy.quantity != Quantity::Licenses
            }
            // A payment takes back an end of which it is known that it was older.
            What::Paid { .. } => !before.iter().any(|e| e.what == What::Ended),
            What::Customer
            | What::Order { .. }
            | What::Paused
            | What::BoughtBeside(_)
            | What::Ended => true,
            What::Changed { .. } | What::Refunded(_) | What::Disputed(_) | What::DisputeWon(_) => {
                unreachable!("such lives keep their ledger")
            }
        }
    }

    async fn until_done(&mut self, app: &mut App, order: &[usize]) -> Result<(), String> {
        let first = |event: &usize| Errand { event: *event, again: Again::No };
        let mut queue: VecDeque<Errand> = order.iter().map(first).collect();
        for pass in 0..PASSES {
            let Some(next) = queue.front() else { return Ok(()) };
            if pass > 0 {
                // Leases of writes with an unknown outcome run out.
                app.pass(60);
                let event = next.event;
                self.restart(app, event, event);
            }
            let mut waiting = VecDeque::new();
            while let Some(errand) = queue.pop_front() {
                if self.stays_away(errand, pass) {
                    waiting.push_back(errand);
                    continue;
                }
                let wants_company = pass == 0
                    && matches!(
                        self.trip(errand.event).company,
                        Company::WithNext | Company::Batched
                    );
                let partner =
                    queue.pop_front_if(|next| wants_company && !self.stays_away(*next, pass));
                for (errand, is_done) in self.send(app, errand, partner, pass).await? {
                    let again = self.trip(errand.event).again;
                    match (is_done, errand.again) {
                        (false, _) => waiting.push_back(errand),
                        (true, Again::No) => {
                            self.done[errand.event] = true;
                            if again != Again::No {
                                waiting.push_back(Errand { again, ..errand });
                            }
                        }
                        (true, Again::Duplicate | Again::Resent) => {}
                    }
                }
            }
            queue = waiting;
        }
        Err(format!("after {PASSES} passes these are not done: {queue:?}"))
    }

    /// Lost on its way, or not yet told.
    fn stays_away(&self, errand: Errand, pass: usize) -> bool {
        let is_lost = pass == 0 && errand.again == Again::No && self.trip(errand.event).lost;
        is_lost || self.is_held_back(errand.event)
    }

    /// What is not right yet in every order; each of these is to go when it is.
    fn is_held_back(&self, event: usize) -> bool {
        let what = self.life.events[event].what;
        // A purchase that is told after its end makes no license, and then a payment that is newer than the end is
        // refused for ever, because there is none to give back.
        let mut events = self.life.events.iter().zip(&self.done);
        let purchase_is_done = events.all(|(event, done)| *done || !event.what.is_purchase());
        if what == What::Ended && self.life.standing.revived && !purchase_is_done {
            return true;
        }
        // A refund or a dispute of a payment that nobody has told of is a person's business, and so is a dispute of a
        // period when a later one is paid for (design, section 5).
        let is_payment = matches!(what, What::Paid { .. });
        let waits_for = |other: What| {
            let other_pays = matches!(other, What::Paid { .. }) || other.is_purchase();
            (what.is_reversal() && other_pays) || (is_payment && matches!(other, What::Disputed(_)))
        };
        let mut before = self.life.events[..event].iter().zip(&self.done);
        before.any(|(event, done)| !done && waits_for(event.what))
    }

    /// One delivery, or two at once. Says which events are done with.
    async fn send(
        &mut self,
        app: &App,
        errand: Errand,
        partner: Option<Errand>,
        pass: usize,
    ) -> Result<Vec<(Errand, bool)>, String> {
        let provider = self.life.sketch.provider;
        let trip = self.trip(errand.event);
        self.watch_the_end([Some(errand), partner].into_iter().flatten());
        let mut fault = "";
        if let Some((kind, skip)) = trip.fault.filter(|_| pass == 0) {
            let (name, make) = FAULTS[kind];
            app.sandbox.fault(make(Fault::anywhere().skip(skip)));
            fault = name;
        }
        let before = held(app);
        let one = self.body(errand, pass);
        let two = partner.map(|partner| self.body(partner, pass));
        let is_batched = trip.company == Company::Batched && provider == Provider::Fastspring;
        let (answers, sent, manner) = match &two {
            Some(two) if is_batched => {
                let answer = self.post(app, &batch([&one, two])).await;
                (vec![answer.clone(), answer], 1, "in a batch")
            }
            Some(two) => {
                let (one, two) = tokio::join!(self.post(app, &one), self.post(app, two));
                (vec![one, two], 2, "at once")
            }
            None if pass == 0 && trip.company == Company::Doubled => {
                let (one, _) = tokio::join!(self.post(app, &one), self.post(app, &one));
                (vec![one], 2, "twice at once")
            }
            None => (vec![self.post(app, &one).await], 1, ""),
        };
        app.sandbox.clear_faults();
        self.journal.deliveries += sent;
        let mut outcomes = Vec::new();
        for (errand, answer) in [Some(errand), partner].into_iter().flatten().zip(&answers) {
            // FastSpring reads which events of a batch are done.
            let is_done = match answer.status {
                200 => true,
                202 => answer.body.lines().any(|id| id == format!("life{}", errand.event)),
                _ => false,
            };
            let Answer { status, .. } = answer;
            let text = if is_done { String::new() } else { answer.message() };
            self.note(&format!(
                "#{} {:?} {manner} {fault} -> {status} {text}",
                errand.event, errand.again
            ));
            match is_done {
                true => self.half_done.remove(&errand.event),
                false => self.half_done.insert(errand.event),
            };
            outcomes.push((errand, is_done));
        }
        let may_finish = !self.half_done.is_empty();
        if errand.again != Again::No && ((held(app) != before && !may_finish) || !outcomes[0].1) {
            let after = held(app);
            return Err(format!("#{} again: from {before:#?} to {after:#?}", errand.event));
        }
        Ok(outcomes)
    }

    fn watch_the_end(&mut self, errands: impl Iterator<Item = Errand>) {
        for Errand { event, .. } in errands {
            let is_end = self.life.events[event].what == What::Ended && !self.done[event];
            self.journal.end_overtook |= is_end && self.done[..event].contains(&false);
        }
    }

    fn body(&self, errand: Errand, pass: usize) -> Vec<u8> {
        let body = &self.life.events[errand.event].body;
        match errand.again {
            Again::No | Again::Duplicate => body.clone(),
            Again::Resent => resent(self.life.sketch.provider, body, pass),
        }
    }

    async fn post(&self, app: &App, body: &[u8]) -> Answer {
        let sketch = &self.life.sketch;
        let path = if sketch.on_v1 { "/v1" } else { sketch.provider.path() };
        app.deliver(sketch.provider, path, body).await
    }

    fn note(&mut self, line: &str) {
        writeln!(self.journal.lines, "  {line}").unwrap();
    }
}

/// Everything about the licenses that a delivery may change.
fn held(app: &App) -> Vec<String> {
    let shown = |license: &License| {
        let owner = license.user.as_ref().map(|user| user.email.clone());
        format!(
            "{} until {:?}, suspended {}, revoked {}, {} activations, of {owner:?}",
            license.id,
            license.expires_at,
            license.suspended,
            license.revoked,
            license.allowed_activations,
        )
    };
    let mut all: Vec<String> = app.sandbox.licenses().iter().map(shown).collect();
    all.push(format!("{} users", app.sandbox.users().len()));
    all
}
