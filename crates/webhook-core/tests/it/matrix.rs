//! The fault matrix: every case of the corpus, every outward call that it makes, everything that can go wrong there.
//! Delivered again until it is done, the licenses are as if nothing had gone wrong.

use std::sync::Arc;
use std::time::Duration;

use devkit::corpus::cases;
use devkit::sandbox::{Fault, Match};
use devkit::sign::Provider as Signer;
use tokio::sync::watch;
use tokio::task::JoinSet;
use webhook_core::domain::deadline::Timing;
use webhook_core::ledger::Store;

use crate::corpus::{path, prepare};
use crate::deliveries::{State, state};
use crate::support::function::Function;
use crate::support::mishaps::{Mishap, Tampered};
use crate::support::moto::new_table;
use crate::support::{App, TIMING, body, numbers};

/// How long the delivery that meets a silent Cryptlex or ledger waits, if that is enough to get there on a busy machine.
const IMPATIENT: Duration = Duration::from_millis(150);
const PATIENT: Duration = Duration::from_secs(25);

/// Where the ledger is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Memory,
    DynamoDb,
}

impl Place {
    fn trials_at_once(self) -> usize {
        match self {
            // Many of them wait most of the time.
            Self::Memory => 12,
            // moto serves one request at a time.
            Self::DynamoDb => 3,
        }
    }
}

/// A call that goes wrong.
#[derive(Debug, Clone, Copy)]
enum Call {
    Cryptlex(usize, Wrong),
    Ledger(usize, Mishap),
}

#[derive(Clone, Copy)]
enum Wrong {
    /// An answer that is none, or not what it should be.
    Answer(&'static str, fn(Match) -> Fault),
    /// None at all, with or without the effect.
    Hang { effect: bool },
    /// None, and the effect comes when everybody has given up, before the lease is over.
    Late,
}

impl std::fmt::Debug for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Answer(name, _) => f.write_str(name),
            Self::Hang { effect: false } => f.write_str("no answer and no effect"),
            Self::Hang { effect: true } => f.write_str("no answer to what had its effect"),
            Self::Late => f.write_str("no answer, and a late effect"),
        }
    }
}

/// What becomes of the delivery whose call goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// It sees what happened, or waits in vain.
    GoesOn,
    /// Its future is dropped there and then; the process lives on.
    IsCancelled,
    /// Its process dies there and then.
    IsKilled,
}

/// Before the call had an effect. Of each row one, in turn: what is handled alike needs no trial of its own at each call.
const BEFORE: [&[Wrong]; 5] = [
    &[
        Wrong::Answer("400", |m| m.error_before(400)),
        Wrong::Answer("401", |m| m.error_before(401)),
        Wrong::Answer("409", |m| m.error_before(409)),
    ],
    &[
        Wrong::Answer("500", |m| m.error_before(500)),
        Wrong::Answer("502", |m| m.error_before(502)),
        Wrong::Answer("503", |m| m.error_before(503)),
        Wrong::Answer("HTML 504", |m| m.html_error(504)),
    ],
    &[Wrong::Answer("429", |m| m.throttle(0))],
    &[Wrong::Answer("dropped", |m| m.dropped_before())],
    &[Wrong::Answer("malformed body", |m| m.bad_json())],
];

/// After a write had its effect.
const AFTER: [&[Wrong]; 2] = [
    &[
        Wrong::Answer("500 after", |m| m.error_after(500)),
        Wrong::Answer("502 after", |m| m.error_after(502)),
    ],
    &[Wrong::Answer("dropped answer", |m| m.dropped_answer())],
];

const THENS: [Then; 3] = [Then::GoesOn, Then::IsCancelled, Then::IsKilled];

/// Everything that can go wrong with a call of Cryptlex. A read has no effect: before and after it are the same.
fn of_cryptlex(call: usize, turn: usize, writes: bool) -> Vec<(Call, Then)> {
    let (after, silent): (&[&[Wrong]], &[Wrong]) = match writes {
        true => (&AFTER, &[Wrong::Hang { effect: true }, Wrong::Late]),
        false => (&[], &[]),
    };
    let answers = BEFORE.iter().chain(after).map(|row| (row[turn % row.len()], Then::GoesOn));
    let silent = [Wrong::Hang { effect: false }].into_iter().chain(silent.iter().copied());
    let silent = silent.flat_map(|wrong| THENS.map(|then| (wrong, then)));
    answers.chain(silent).map(|(wrong, then)| (Call::Cryptlex(call, wrong), then)).collect()
}

/// Everything that can go wrong with a call of the ledger's store.
fn of_ledger(call: usize, writes: bool) -> Vec<(Call, Then)> {
    let (errors, hangs): (&[Mishap], &[Mishap]) = match writes {
        true => {
            (&[Mishap::ErrorBefore, Mishap::ErrorAfter], &[Mishap::HangBefore, Mishap::HangAfter])
        }
        false => (&[Mishap::ErrorBefore], &[Mishap::HangBefore]),
    };
    let errors = errors.iter().map(|mishap| (*mishap, Then::GoesOn));
    let hangs = hangs.iter().flat_map(|mishap| THENS.map(|then| (*mishap, then)));
    errors.chain(hangs).map(|(mishap, then)| (Call::Ledger(call, mishap), then)).collect()
}

/// What a case comes to, and what it asks of whom, when nothing goes wrong.
#[derive(Debug, Clone)]
struct Calm {
    provider: Signer,
    case: String,
    status: u16,
    state: State,
    /// Whether each of them writes.
    cryptlex_calls: Vec<bool>,
    ledger_calls: Vec<bool>,
}

impl Calm {
    fn points_of_the_ledger(&self) -> Vec<(Call, Then)> {
        let calls = self.ledger_calls.iter().enumerate();
        calls.flat_map(|(call, writes)| of_ledger(call, *writes)).collect()
    }

    fn points(&self) -> Vec<(Call, Then)> {
        let calls = self.cryptlex_calls.iter().enumerate();
        // Cases begin with different ones.
        let turn = |call| call + self.case.len();
        let cryptlex = calls.flat_map(|(call, writes)| of_cryptlex(call, turn(call), *writes));
        cryptlex.chain(self.points_of_the_ledger()).collect()
    }
}

async fn calm(provider: Signer, case: &str) -> Calm {
    let app = App::start().await;
    prepare(&app, provider, case).await;
    let store = Tampered::counting(app.store());
    let function = Function::start(&app, provider, Arc::<Tampered>::clone(&store), TIMING);
    let status = function.deliver(&app, path(provider, case), &body(provider, case), PATIENT).await;
    Calm {
        provider,
        case: case.to_owned(),
        status,
        state: state(&app),
        cryptlex_calls: app.sandbox.calls().iter().map(|call| call.method != "GET").collect(),
        ledger_calls: store.calls().iter().map(|call| *call != "read").collect(),
    }
}

async fn trial(calm: &Calm, call: Call, then: Then, place: Place) {
    let mut patience = IMPATIENT;
    while !attempt(calm, call, then, patience, place).await {
        patience *= 4;
        let Calm { provider, case, .. } = calm;
        assert!(patience < PATIENT, "{provider} {case}: {call:?} was never made");
    }
}

/// `false` when the call was never made.
async fn attempt(calm: &Calm, call: Call, then: Then, patience: Duration, place: Place) -> bool {
    let (provider, case) = (calm.provider, calm.case.as_str());
    let what = format!("{provider} {case}: {call:?}, then it {then:?}");
    let mut app = App::start().await;
    if place == Place::DynamoDb {
        app.restart_over(new_table().await);
    }
    prepare(&app, provider, case).await;

    let impatient = Timing { call: Some(patience), record: patience, ..TIMING };
    let (store, mut hits, timing, budget): (Arc<dyn Store>, watch::Receiver<usize>, _, _) =
        match call {
            Call::Cryptlex(number, wrong) => {
                let there = Fault::anywhere().skip(u32::try_from(number).unwrap());
                let (fault, timing) = match wrong {
                    Wrong::Answer(_, fault) => (fault(there), TIMING),
                    Wrong::Hang { effect: false } => (there.hang_before(), impatient),
                    Wrong::Hang { effect: true } => (there.hang_after(), impatient),
                    Wrong::Late => (there.late(), TIMING),
                };
                app.sandbox.fault(fault);
                (app.store(), app.sandbox.hits(), timing, PATIENT)
            }
            Call::Ledger(number, mishap) => {
                let store = Tampered::at(app.store(), number, 1, mishap);
                let hits = store.hits();
                let waits = matches!(mishap, Mishap::HangBefore | Mishap::HangAfter);
                let waits = waits && then == Then::GoesOn;
                (store, hits, impatient, if waits { patience * 2 } else { PATIENT })
            }
        };
    let mut function = Function::start(&app, provider, store, timing);
    let (path, body) = (path(provider, case), body(provider, case));
    let delivery = function.deliver(&app, path, &body, budget);
    match then {
        Then::GoesOn => {
            delivery.await;
        }
        Then::IsCancelled | Then::IsKilled => tokio::select! {
            _ = hits.wait_for(|hits| *hits > 0) => {}
            _ = delivery => {}
        },
    }
    if *hits.borrow() == 0 {
        return false;
    }
    if then != Then::IsCancelled || matches!(call, Call::Ledger(..)) {
        function = Function::start(&app, provider, app.store(), TIMING);
    }

    let mut done = false;
    for round in 0..5 {
        // The first one need not wait for a lease that nobody will release.
        let budget = if round == 0 { patience } else { PATIENT };
        let status = function.deliver(&app, path, &body, budget).await;
        if round == 0 {
            // Nobody may have gone on before it arrived.
            app.sandbox.release_late();
        }
        done = status == calm.status;
        // A case that is refused all the same is never done.
        if done && (calm.status < 300 || round == 3) {
            break;
        }
        // Leases of the dead run out.
        app.pass(60);
    }
    assert!(done, "{what}: never got done");
    assert_eq!(state(&app), calm.state, "{what}");
    true
}

/// How much was tried.
#[derive(Debug, Default)]
struct Tally {
    cases: usize,
    cryptlex_calls: usize,
    ledger_calls: usize,
    trials: usize,
}

async fn run(calms: Vec<Calm>, points: impl Fn(&Calm) -> Vec<(Call, Then)>, place: Place) -> Tally {
    let mut tally = Tally::default();
    let mut under_way = JoinSet::new();
    for calm in calms {
        tally.cases += 1;
        tally.cryptlex_calls += calm.cryptlex_calls.len();
        tally.ledger_calls += calm.ledger_calls.len();
        for (call, then) in points(&calm) {
            tally.trials += 1;
            let calm = calm.clone();
            while under_way.len() >= place.trials_at_once() {
                under_way.join_next().await.unwrap().unwrap();
            }
            under_way.spawn(async move { trial(&calm, call, then, place).await });
        }
    }
    while let Some(result) = under_way.join_next().await {
        result.unwrap();
    }
    tally
}

#[expect(clippy::disallowed_methods, reason = "what is tried is no configuration of the functions")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_of_every_case_may_go_wrong_in_every_way() {
    let mut calms = Vec::new();
    // `MATRIX=refund cargo test ..` tries only the cases that have it in their name.
    let only = std::env::var("MATRIX").unwrap_or_default();
    for case in cases().into_iter().filter(|case| case.name.contains(&only)) {
        calms.push(calm(case.provider, &case.name).await);
    }
    let Tally { cases, cryptlex_calls, ledger_calls, trials } =
        run(calms, Calm::points, Place::Memory).await;
    if only.is_empty() {
        let what = "every call of every body of `events/` goes wrong in every way";
        let counts = [
            (cases, "bodies"),
            (cryptlex_calls, "calls of Cryptlex"),
            (ledger_calls, "calls of the ledger"),
            (trials, "trials"),
        ];
        numbers::record(what, &counts);
    }
    assert!(!only.is_empty() || (cases > 130 && cryptlex_calls > 250 && ledger_calls > 350));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_of_a_ledger_in_dynamodb_may_go_wrong_in_every_way() {
    let mut calms = Vec::new();
    for (provider, case) in [
        (Signer::Stripe, "checkout-subscription"),
        (Signer::Fastspring, "batch-purchase"),
        (Signer::Paddle, "transaction-recurring"),
    ] {
        calms.push(calm(provider, case).await);
    }
    let Tally { cases, ledger_calls, trials, .. } =
        run(calms, Calm::points_of_the_ledger, Place::DynamoDb).await;
    let what = "every call of the ledger in DynamoDB goes wrong in every way";
    numbers::record(
        what,
        &[(cases, "bodies"), (ledger_calls, "calls of the ledger"), (trials, "trials")],
    );
}

#[tokio::test]
async fn a_fresh_event_costs_at_most_three_calls_of_the_ledger() {
    let mut told = 0;
    for case in cases() {
        let app = App::start().await;
        let (provider, name) = (case.provider, case.name.as_str());
        prepare(&app, provider, name).await;
        let events = match provider {
            Signer::Fastspring => {
                crate::support::json(provider, name)["events"].as_array().unwrap().len()
            }
            Signer::Stripe | Signer::Paddle => 1,
        };
        let store = Tampered::counting(app.store());
        let function = Function::start(&app, provider, Arc::<Tampered>::clone(&store), TIMING);
        let status =
            function.deliver(&app, path(provider, name), &body(provider, name), PATIENT).await;
        let fresh = store.calls();
        // Whose payment a refund or a dispute takes back is looked up first, by one id and perhaps by another.
        let looked_up = fresh.iter().take_while(|call| **call == "read").count().saturating_sub(1);
        let expected = if case.description.traces_payment { 1..=2 } else { 0..=0 };
        assert!(
            fresh[looked_up..].chunks(3).all(|calls| calls == ["read", "commit", "commit"])
                && fresh.len() - looked_up <= 3 * events
                && (fresh.is_empty() || expected.contains(&looked_up)),
            "{provider} {name}: {fresh:?}"
        );
        function.deliver(&app, path(provider, name), &body(provider, name), PATIENT).await;
        let again = &store.calls()[fresh.len()..];
        if case.description.stays_open {
            assert_eq!(again, fresh, "{provider} {name} is handled again");
        } else {
            assert_eq!(status, 200, "{provider} {name}");
            assert_eq!(again, vec!["read"; fresh.len() / 3], "{provider} {name}");
            told += usize::from(!again.is_empty());
        }
    }
    assert!(told > 50, "{told}");
}
