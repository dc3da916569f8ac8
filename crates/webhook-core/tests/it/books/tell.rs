//! The courier: in order or not, twice, in batches, with processes that are replaced in between, and again until
//! everything was answered 200 or nothing moves any more.

use std::collections::VecDeque;
use std::fmt::Write as _;

use devkit::sandbox::License;
use devkit::sign::Provider;
use jiff::Timestamp;
use proptest::prelude::*;

use super::bodies::{Event, event_id};
use super::judge::shown;
use crate::support::{App, batch};

/// How a life is told. Each list is used over again where a life has more events.
#[derive(Debug, Clone)]
pub(super) struct Telling {
    /// By how many places an event is late.
    pub(super) late: Vec<usize>,
    /// The provider did not hear the answer.
    pub(super) twice: Vec<bool>,
    /// Before the event, the processes are replaced; what they remember in is kept.
    pub(super) restart: Vec<bool>,
    /// FastSpring only: in one delivery with the next one.
    pub(super) batch: Vec<bool>,
}

impl Telling {
    pub(super) fn in_order() -> Self {
        Self { late: vec![0], twice: vec![false], restart: vec![false], batch: vec![false] }
    }

    /// Each event alone and once, in that order.
    pub(super) fn of(order: &[usize]) -> Self {
        let place = |event: usize| order.iter().position(|told| *told == event).unwrap();
        // `order` sorts by the number of the event and how late it is.
        let late = (0..order.len()).map(|event| place(event) + order.len() - event).collect();
        Self { late, ..Self::in_order() }
    }

    /// Events in the order in which they are told.
    pub(super) fn order(&self, events: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..events).collect();
        order.sort_by_key(|event| event + self.late[event % self.late.len()]);
        order
    }

    pub(super) fn is_in_order(&self, events: usize) -> bool {
        self.order(events).is_sorted()
    }
}

/// In order for a third of the lives, the others in any order.
pub(super) fn tellings() -> impl Strategy<Value = Telling> {
    let late = prop_oneof![
        1 => Just(vec![0]),
        1 => prop::collection::vec(prop_oneof![2 => Just(0), 1 => 0_usize..4], 1..12),
        1 => prop::collection::vec(0_usize..40, 1..24),
    ];
    let flags = |weight: f64| prop::collection::vec(prop::bool::weighted(weight), 1..7);
    (late, flags(0.2), flags(0.15), flags(0.3)).prop_map(|(late, twice, restart, batch)| Telling {
        late,
        twice,
        restart,
        batch,
    })
}

/// What was delivered, and what became of it.
#[derive(Debug, Default)]
pub(super) struct Journal {
    pub(super) lines: String,
    pub(super) deliveries: usize,
    /// Each event was done with before the next one happened.
    pub(super) in_order: bool,
}

/// More than any life takes.
const PASSES: usize = 20;

pub(super) async fn deliver(
    app: &mut App,
    provider: Provider,
    events: &[Event],
    telling: &Telling,
    journal: &mut Journal,
) -> Result<(), String> {
    let flag = |flags: &[bool], event: usize| flags[event % flags.len()];
    let mut queue: VecDeque<usize> = telling.order(events.len()).into();
    let mut now = Timestamp::MIN;
    let mut idle = 0;
    journal.in_order = telling.is_in_order(events.len());
    for pass in 0..PASSES {
        let before = (queue.len(), held(app));
        let mut waiting = VecDeque::new();
        while let Some(event) = queue.pop_front() {
            if pass == 0 && flag(&telling.restart, event) {
                app.restart_over(app.store());
                writeln!(journal.lines, "  restart").unwrap();
            }
            let batched =
                provider == Provider::Fastspring && pass == 0 && flag(&telling.batch, event);
            let partner = queue.pop_front_if(|_| batched);
            let told: Vec<usize> = [Some(event), partner].into_iter().flatten().collect();
            now = told.iter().map(|event| events[*event].at).fold(now, Timestamp::max);
            app.sandbox.set_now(now);
            for (event, is_done) in send(app, provider, events, &told, journal).await {
                if !is_done {
                    waiting.push_back(event);
                }
            }
            if !waiting.contains(&event) && flag(&telling.twice, event) {
                let before = held(app);
                send(app, provider, events, &told, journal).await;
                if waiting.is_empty() && held(app) != before {
                    return Err(format!("told again, #{event} had another effect"));
                }
            }
        }
        if waiting.is_empty() {
            return Ok(());
        }
        journal.in_order = false;
        idle = if before == (waiting.len(), held(app)) { idle + 1 } else { 0 };
        if idle == 3 {
            queue = waiting;
            break;
        }
        // Leases of writes with an unknown outcome run out.
        app.pass(60);
        queue = waiting;
    }
    let names: Vec<String> = queue.iter().map(|event| name(events, *event)).collect();
    Err(format!("never answered 200: {}", names.join(", ")))
}

/// One delivery of one event or a batch. Says which events are done with.
async fn send(
    app: &App,
    provider: Provider,
    events: &[Event],
    told: &[usize],
    journal: &mut Journal,
) -> Vec<(usize, bool)> {
    let body = match told {
        [one, two] => batch([&events[*one].body, &events[*two].body]),
        _ => events[told[0]].body.clone(),
    };
    let answer = app.deliver(provider, provider.path(), &body).await;
    journal.deliveries += 1;
    let mut outcomes = Vec::new();
    for event in told {
        // FastSpring reads which events of a batch are done.
        let is_done = match answer.status {
            200 => true,
            202 => answer.body.lines().any(|id| id == event_id(*event)),
            _ => false,
        };
        let text = if is_done { String::new() } else { answer.message() };
        let (name, status) = (name(events, *event), answer.status);
        writeln!(journal.lines, "  {name} -> {status} {text}").unwrap();
        outcomes.push((*event, is_done));
    }
    outcomes
}

pub(super) fn name(events: &[Event], event: usize) -> String {
    format!("#{event} {}", events[event].says)
}

/// Everything about the licenses that a delivery may change.
pub(super) fn held(app: &App) -> Vec<String> {
    let line = |license: &License| format!("{} {}", license.id, shown(license));
    app.sandbox.licenses().iter().map(line).collect()
}
