//! Deliveries side by side, by independent instances over one ledger, in many orders of their outward calls: the licenses
//! end as after some orderly delivery, one event after the other.

use devkit::sandbox::Settings;
use devkit::sign::Provider as Signer;
use serde_json::json;

use crate::corpus::path;
use crate::deliveries::{State, state};
use crate::support::gates::{Delivery, Next};
use crate::support::orders::orders;
use crate::support::people::{Person, Told};
use crate::support::{App, FASTSPRING, PADDLE, STRIPE, body, edited, numbers};

/// Events that meet, after what came before them.
struct Meeting {
    before: Vec<Event>,
    events: Vec<Event>,
    /// Whom Cryptlex has as a user from the beginning.
    user: Option<&'static str>,
}

/// An event at the path that it comes to.
#[derive(Clone)]
struct Event {
    provider: Signer,
    name: String,
    path: &'static str,
    body: Vec<u8>,
}

impl Event {
    fn case(provider: Signer, case: &str) -> Self {
        let (path, body) = (path(provider, case), body(provider, case));
        Self { provider, name: case.to_owned(), path, body }
    }

    fn told(told: &Told) -> Self {
        let (provider, body) = (told.person.provider, told.body.clone());
        Self { provider, name: format!("{told:?}"), path: provider.path(), body }
    }

    async fn deliver(&self, app: &App) -> u16 {
        app.deliver(self.provider, self.path, &self.body).await.status
    }
}

fn meeting(provider: Signer, before: &[&str], cases: &[&str]) -> Meeting {
    let all = |cases: &[&str]| cases.iter().map(|case| Event::case(provider, case)).collect();
    Meeting { before: all(before), events: all(cases), user: None }
}

/// Of customers who have to do with one user.
fn sharing(before: &[Told], events: &[Told]) -> Meeting {
    let all = |told: &[Told]| told.iter().map(Event::told).collect();
    Meeting { before: all(before), events: all(events), user: None }
}

/// Their own times say which is the newest: overdue 2027-09-01 12:00, charge 2027-09-02, end 2027-10-01.
fn charge_overdue_deactivated() -> Vec<Event> {
    let at = |case: &str, created: i64| {
        let body = edited(FASTSPRING, case, |batch| batch["events"][0]["created"] = json!(created));
        Event { body, ..Event::case(FASTSPRING, case) }
    };
    vec![
        at("payment-overdue", 1_819_800_000_000),
        at("charge-completed", 1_819_872_000_000),
        at("deactivated", 1_822_352_400_000),
    ]
}

impl Meeting {
    async fn app(&self) -> App {
        // A delivery that waits for its turn is not late.
        let app = App::with(Settings::default(), &[("DEADLINE_MS", "60000")]).await;
        if let Some(email) = self.user {
            app.sandbox.insert_user(json!({"email": email, "firstName": "Ada"}));
        }
        for event in &self.before {
            assert_eq!(event.deliver(&app).await, 200, "{}", event.name);
        }
        app
    }

    async fn until_done(&self, app: &App, mut waiting: Vec<usize>) {
        for _ in 0..6 {
            let mut refused = Vec::new();
            for event in waiting {
                if self.events[event].deliver(app).await != 200 {
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
        self.events.iter().map(|event| event.name.as_str()).collect()
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
    /// chosen each time, and who was; as far as it got, if all that is left is known from another schedule.
    async fn play(&self, begun: &Begun, allowed: &[State]) -> Vec<Choice> {
        let app = self.app().await;
        let mut deliveries = Vec::new();
        for Event { provider, path, body, .. } in &self.events {
            deliveries.push(Delivery::begin(&app, *provider, path, body).await);
        }
        // A delivery that looks again in vain waits until another one has written what it looks for.
        let mut stuck = vec![false; deliveries.len()];
        let mut asleep = Vec::new();
        let mut choices: Vec<Choice> = Vec::new();
        loop {
            let mut able = Vec::new();
            let mut steps = Vec::new();
            for (number, delivery) in deliveries.iter_mut().enumerate() {
                let step = delivery.next().await;
                if step.next != Next::Answered && !(step.next == Next::Poll && stuck[number]) {
                    able.push(number);
                }
                steps.push(step);
            }
            if choices.len() + 1 == begun.schedule.len() {
                asleep.clone_from(&begun.asleep);
            }
            if able.is_empty() {
                // Those that are left wait for a lease that nobody will release; they are answered in time.
                let answered = steps.iter().all(|step| step.next == Next::Answered);
                assert!(answered, "{begun:?}: {steps:?}");
                break;
            }
            // Calls of one delivery that go side by side arrive in any order, after which it may need others.
            let wanted = begun.schedule.get(choices.len()).filter(|wanted| able.contains(wanted));
            let last = choices.last().map(|choice| &choice.chosen);
            let open: Vec<usize> = able.iter().copied().filter(|n| !asleep.contains(n)).collect();
            let default = last.filter(|last| open.contains(last)).or(open.first());
            let Some(chosen) = wanted.or(default).copied() else {
                return choices;
            };
            let unanswered = steps.iter().filter(|step| step.next != Next::Answered).count();
            choices.push(Choice { open, asleep: asleep.clone(), unanswered, chosen });
            let step = steps[chosen].clone();
            deliveries[chosen].go_on(step.next).await;
            asleep.retain(|other| *other != chosen && !steps[*other].meets(&step));
            stuck[chosen] = matches!(step.next, Next::Read | Next::Poll);
            for (stuck, other) in stuck.iter_mut().zip(&steps) {
                *stuck &= !other.meets(&step);
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

    async fn play_all(&self, which: Which) -> usize {
        let allowed = self.orderly().await;
        let mut todo = vec![Begun::default()];
        let mut played = 0;
        while let Some(begun) = todo.pop() {
            let choices = self.play(&begun, &allowed).await;
            played += 1;
            for (place, now) in choices.iter().enumerate().skip(begun.schedule.len()) {
                let earlier: Vec<usize> = choices.iter().take(place).map(|c| c.chosen).collect();
                let mut asleep = [now.asleep.as_slice(), &[now.chosen]].concat();
                for other in now.open.iter().filter(|other| **other != now.chosen) {
                    let schedule = [earlier.as_slice(), &[*other]].concat();
                    match which {
                        Which::All => {
                            todo.push(Begun { schedule, asleep: asleep.clone() });
                            asleep.push(*other);
                        }
                        Which::Switching(most) => {
                            let taken =
                                schedule.windows(2).filter(|pair| pair[0] != pair[1]).count();
                            if taken + now.unanswered - 1 <= most {
                                todo.push(Begun { schedule, asleep: Vec::new() });
                            }
                        }
                    }
                }
            }
        }
        played
    }
}

#[derive(Debug, Clone, Copy)]
enum Which {
    /// Every order of the steps, up to those that differ only in steps side by side that have nothing in common: two
    /// reads, or writes of different things.
    All,
    /// Every one that goes from one delivery to another at most so often until all are answered. Where one waits for
    /// another's lease, it takes more.
    Switching(usize),
}

/// The beginning of a schedule.
#[derive(Debug, Default)]
struct Begun {
    schedule: Vec<usize>,
    /// Whose next step need not be tried before somebody takes one that has to do with it: going first was played
    /// already. As of the last choice.
    asleep: Vec<usize>,
}

#[derive(Debug)]
struct Choice {
    /// Who can go on, and is not asleep.
    open: Vec<usize>,
    asleep: Vec<usize>,
    /// How many have to go on before all are answered.
    unanswered: usize,
    chosen: usize,
}

async fn play(what: &str, meetings: Vec<Meeting>, which: Which) {
    let mut played = 0;
    let count = meetings.len();
    let mut under_way = tokio::task::JoinSet::new();
    for meeting in meetings {
        under_way.spawn(async move { meeting.play_all(which).await });
    }
    while let Some(result) = under_way.join_next().await {
        played += result.unwrap();
    }
    numbers::record(what, &[(count, "meetings"), (played, "schedules")]);
    assert!(played > count, "{played}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_deliveries_may_interleave_in_every_order() {
    let late = charge_overdue_deactivated();
    let pair = |one: usize, other: usize| Meeting {
        events: vec![late[one].clone(), late[other].clone()],
        ..meeting(FASTSPRING, &["order-subscription"], &[])
    };
    let meetings = vec![
        meeting(STRIPE, &[], &["checkout-subscription", "checkout-subscription"]),
        meeting(STRIPE, &[], &["checkout-subscription", "invoice-create"]),
        meeting(STRIPE, &[], &["checkout-subscription", "customer-created"]),
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
        // The placeholder's licenses move to the user who has the e-mail, while more licenses are made.
        Meeting {
            user: Some("ada@example.com"),
            ..meeting(
                PADDLE,
                &["transaction-web"],
                &["customer-created", "subscription-updated-seats"],
            )
        },
    ];
    play("two deliveries at once, in every order of their calls", meetings, Which::All).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_deliveries_may_interleave_with_three_switches() {
    let meetings = vec![
        meeting(STRIPE, &[], &["checkout-subscription", "invoice-create", "customer-created"]),
        meeting(
            STRIPE,
            &[],
            &["checkout-subscription", "checkout-subscription", "checkout-subscription"],
        ),
        Meeting {
            events: charge_overdue_deactivated(),
            ..meeting(FASTSPRING, &["order-subscription"], &[])
        },
        meeting(PADDLE, &[], &["transaction-web", "customer-created", "transaction-recurring"]),
    ];
    play(
        "three deliveries at once, with at most three switches between them",
        meetings,
        Which::Switching(3),
    )
    .await;
}

/// One of them changes the address of a user, or takes it over, while another's license comes to it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_customers_of_one_user_may_interleave_in_every_order() {
    const SHARED: &str = "team@example.com";
    let mut meetings = Vec::new();
    for (one, two) in [(STRIPE, STRIPE), (STRIPE, PADDLE), (PADDLE, STRIPE), (FASTSPRING, STRIPE)] {
        let ada = Person::new(one, "person_1", "Ada Example");
        let bea = Person::new(two, "person_2", "Bea Example");
        let leaves = ada.moves(5, SHARED, "new@example.com");
        let (buys, told) = (bea.buys(6, SHARED), bea.has(2, SHARED));
        // Signed up, and never bought.
        meetings
            .push(sharing(&[ada.has(1, SHARED), told.clone()], &[leaves.clone(), buys.clone()]));
        // Bought, too.
        let bought = [ada.has(1, SHARED), told, ada.buys(3, SHARED)];
        meetings.push(sharing(&bought, &[leaves, buys]));
    }
    play(
        "two customers of one user at once, with at most three switches",
        meetings,
        Which::Switching(3),
    )
    .await;
}
