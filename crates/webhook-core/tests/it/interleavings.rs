//! Deliveries side by side, by independent instances over one ledger, in many orders of their outward calls: the licenses
//! end as after some orderly delivery, one event after the other.

use std::io::Write as _;

use devkit::sign::Provider as Signer;
use serde_json::json;

use crate::corpus::path;
use crate::deliveries::{State, orders, state};
use crate::gates::{Delivery, Next};
use crate::support::{App, FASTSPRING, PADDLE, STRIPE, body, edited};

/// Events that meet, after what came before them.
struct Meeting {
    provider: Signer,
    before: &'static [&'static str],
    events: Vec<(&'static str, Vec<u8>)>,
}

fn meeting(provider: Signer, before: &'static [&'static str], cases: &[&'static str]) -> Meeting {
    let events = cases.iter().map(|case| (*case, body(provider, case))).collect();
    Meeting { provider, before, events }
}

/// Their own times say which is the newest: overdue 2027-09-01 12:00, charge 2027-09-02, end 2027-10-01.
fn charge_overdue_deactivated() -> Vec<(&'static str, Vec<u8>)> {
    let at = |case: &'static str, created: i64| {
        (case, edited(FASTSPRING, case, |batch| batch["events"][0]["created"] = json!(created)))
    };
    vec![
        at("payment-overdue", 1_819_800_000_000),
        at("charge-completed", 1_819_872_000_000),
        at("deactivated", 1_822_352_400_000),
    ]
}

impl Meeting {
    async fn app(&self) -> App {
        let app = App::start().await;
        app.cases(self.provider, self.before).await;
        app
    }

    async fn deliver(&self, app: &App, event: usize) -> u16 {
        let (case, body) = &self.events[event];
        app.deliver(self.provider, path(self.provider, case), body).await.status
    }

    async fn until_done(&self, app: &App, mut waiting: Vec<usize>) {
        for _ in 0..6 {
            let mut refused = Vec::new();
            for event in waiting {
                if self.deliver(app, event).await != 200 {
                    refused.push(event);
                }
            }
            waiting = refused;
            if waiting.is_empty() {
                return;
            }
            app.pass(60);
        }
        panic!("{:?} never got done", self.names());
    }

    fn names(&self) -> Vec<&str> {
        self.events.iter().map(|(case, _)| *case).collect()
    }

    /// What one event after the other can come to.
    async fn orderly(&self) -> Vec<State> {
        let mut states = Vec::new();
        let events: Vec<usize> = (0..self.events.len()).collect();
        for order in orders(&events) {
            let app = self.app().await;
            self.until_done(&app, order).await;
            let state = state(&app);
            if !states.contains(&state) {
                states.push(state);
            }
        }
        states
    }

    /// Follows the schedule as far as it goes, then lets each go on as long as it can. Tells who could have been
    /// chosen each time, and who was.
    async fn play(&self, schedule: &[usize], allowed: &[State]) -> Vec<Choice> {
        let app = self.app().await;
        let mut deliveries = Vec::new();
        for (case, body) in &self.events {
            deliveries
                .push(Delivery::begin(&app, self.provider, path(self.provider, case), body).await);
        }
        // Who looks again in vain waits until somebody else has written into the ledger.
        let mut stuck = vec![false; deliveries.len()];
        let mut choices: Vec<Choice> = Vec::new();
        loop {
            let mut able = Vec::new();
            let mut nexts = Vec::new();
            for (number, delivery) in deliveries.iter_mut().enumerate() {
                let next = delivery.next().await;
                nexts.push(next);
                if next != Next::Answered && !(next == Next::Poll && stuck[number]) {
                    able.push(number);
                }
            }
            let last = choices.last().map(|choice| choice.chosen);
            let Some(default) = last.filter(|last| able.contains(last)).or(able.first().copied())
            else {
                // Those that are left wait for a lease that nobody will release; they are answered in time.
                assert!(
                    nexts.iter().all(|next| *next == Next::Answered),
                    "{schedule:?}: {nexts:?}"
                );
                break;
            };
            // Calls of one delivery that go side by side arrive in any order, after which it may need others.
            let wanted = schedule.get(choices.len()).copied();
            let chosen = wanted.filter(|wanted| able.contains(wanted)).unwrap_or(default);
            let unanswered = nexts.iter().filter(|next| **next != Next::Answered).count();
            choices.push(Choice { able, unanswered, chosen });
            let next = nexts[chosen];
            deliveries[chosen].go_on(next).await;
            stuck[chosen] = matches!(next, Next::Read | Next::Poll);
            if next == Next::Commit {
                stuck.fill(false);
            }
        }
        let refused = deliveries.iter().enumerate().filter(|(_, d)| d.status() != Some(200));
        self.until_done(&app, refused.map(|(number, _)| number).collect()).await;
        let state = state(&app);
        assert!(
            allowed.contains(&state),
            "{:?} {choices:?}: {state:#?}\nallowed: {allowed:#?}",
            self.names()
        );
        choices
    }

    /// Plays every schedule that goes from one delivery to another at most so often until all are answered. Where one
    /// waits for another's lease, it takes more.
    async fn play_all(&self, most_switches: usize) -> usize {
        let allowed = self.orderly().await;
        let mut todo: Vec<Vec<usize>> = vec![Vec::new()];
        let mut played = 0;
        while let Some(schedule) = todo.pop() {
            let choices = self.play(&schedule, &allowed).await;
            played += 1;
            for (place, now) in choices.iter().enumerate().skip(schedule.len()) {
                let earlier: Vec<usize> = choices.iter().take(place).map(|c| c.chosen).collect();
                for other in now.able.iter().filter(|other| **other != now.chosen) {
                    let next = [earlier.as_slice(), &[*other]].concat();
                    let taken = next.windows(2).filter(|pair| pair[0] != pair[1]).count();
                    if taken + now.unanswered - 1 <= most_switches {
                        todo.push(next);
                    }
                }
            }
        }
        played
    }
}

#[derive(Debug)]
struct Choice {
    able: Vec<usize>,
    /// How many have to go on before all are answered.
    unanswered: usize,
    chosen: usize,
}

async fn play(what: &str, meetings: Vec<Meeting>, most_switches: usize) {
    let mut played = 0;
    let count = meetings.len();
    let mut under_way = tokio::task::JoinSet::new();
    for meeting in meetings {
        under_way.spawn(async move { meeting.play_all(most_switches).await });
    }
    while let Some(result) = under_way.join_next().await {
        played += result.unwrap();
    }
    writeln!(std::io::stderr(), "interleavings of {what}: {count} meetings, {played} schedules")
        .ok();
    assert!(played > count, "{played}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_deliveries_with_at_most_three_switches() {
    let late = charge_overdue_deactivated();
    let pair = |one: usize, other: usize| Meeting {
        provider: FASTSPRING,
        before: &["order-subscription"],
        events: vec![late[one].clone(), late[other].clone()],
    };
    let meetings = vec![
        meeting(STRIPE, &[], &["checkout-subscription", "checkout-subscription"]),
        meeting(STRIPE, &[], &["checkout-subscription", "invoice-create"]),
        meeting(STRIPE, &[], &["invoice-cycle", "checkout-subscription"]),
        meeting(STRIPE, &["checkout-subscription"], &["invoice-create", "invoice-cycle"]),
        meeting(FASTSPRING, &[], &["order-subscription", "order-subscription"]),
        meeting(FASTSPRING, &["order-subscription"], &["charge-completed", "charge-completed"]),
        pair(0, 1),
        pair(0, 2),
        pair(1, 2),
        meeting(PADDLE, &[], &["transaction-web", "customer-created"]),
        meeting(PADDLE, &[], &["transaction-recurring", "transaction-web"]),
        meeting(PADDLE, &["transaction-web"], &["transaction-recurring", "transaction-recurring"]),
        meeting(PADDLE, &["transaction-web"], &["transaction-recurring", "subscription-paused"]),
    ];
    play("two deliveries with at most three switches", meetings, 3).await;
}

/// Nobody waits for anybody: a customer is no subject of his purchase.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_checkout_and_its_customer_with_at_most_three_switches() {
    let meetings = vec![meeting(STRIPE, &[], &["checkout-subscription", "customer-created"])];
    play("a checkout and its customer with at most three switches", meetings, 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_deliveries_with_at_most_three_switches() {
    let meetings = vec![
        meeting(STRIPE, &[], &["checkout-subscription", "invoice-create", "customer-created"]),
        meeting(
            STRIPE,
            &[],
            &["checkout-subscription", "checkout-subscription", "checkout-subscription"],
        ),
        Meeting {
            provider: FASTSPRING,
            before: &["order-subscription"],
            events: charge_overdue_deactivated(),
        },
        meeting(PADDLE, &[], &["transaction-web", "customer-created", "transaction-recurring"]),
    ];
    play("three deliveries with at most three switches", meetings, 3).await;
}
