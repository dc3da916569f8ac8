//! A model of a provider's books: whatever was bought, paid, given back and disputed there, and however it was told,
//! the licenses at the sandbox are what is paid.
//!
//! A life is drawn (`sketches`), entered into a ledger (`life`, `ledger`), written as webhook bodies (`bodies`) and told
//! by a courier (`tell`). What must be there follows from the ledger (`owed`), never from the product's code, and `judge`
//! compares. A life that fails is shrunk and printed as one line of words (`words`), which `stories` can keep.
//!
//! `make books SEED=7` tries 10,000 lives; `BOOKS_LIFE="stripe: paid; disputed; lost; paid"` plays one, in many orders.

mod bodies;
mod enter;
mod judge;
mod ledger;
mod life;
mod owed;
mod shrink;
mod sizes;
mod sketches;
mod stories;
mod tell;
mod words;

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, RngAlgorithm, RngSeed, TestRunner};
use tokio::runtime::{Builder, Runtime};

use life::{Life, Sketch};
use tell::{Journal, Telling};

use crate::support::asked::asked_for;
use crate::support::licenses::Stranger;
use crate::support::{numbers, tell};

/// What is tried when nobody asks for more.
const SEED: u64 = 2026;
const LIVES: u32 = 2_000;

#[test]
fn licenses_are_what_is_paid_in_any_order_of_delivery() {
    let (seed, lives) = (asked_for("BOOKS_SEED", SEED), asked_for("BOOKS", LIVES));
    let mut runner = runner(seed);
    let runtime = runtime();
    let drawn = (sketches::sketches(), tell::tellings());
    let (mut turns, mut events, mut deliveries) = (0, 0, 0);
    for number in 1..=lives {
        let (sketch, telling) = drawn.new_tree(&mut runner).unwrap().current();
        let fails = |sketch: &Sketch, telling: &Telling| runtime.block_on(live(sketch, telling));
        match fails(&sketch, &telling) {
            Ok((told, sent)) => {
                turns += Life::of(&sketch).taken.len();
                events += told;
                deliveries += sent;
            }
            Err(what) => {
                let first = line(&sketch, &telling);
                let fails = |sketch: &_, telling: &_| fails(sketch, telling).err();
                let (sketch, telling, what) = shrink::small(sketch, telling, what, fails);
                let small = line(&sketch, &telling);
                panic!("seed {seed}, life {number}\n{small}\n{what}\nat first it was\n{first}");
            }
        }
    }
    let counts = [
        (usize::try_from(lives).unwrap(), "lives"),
        (turns, "turns"),
        (events, "events"),
        (deliveries, "deliveries"),
    ];
    if (seed, lives) == (SEED, LIVES) {
        numbers::record("lives of subscriptions against a model of the provider's books", &counts);
    } else {
        tell(&format!("from seed {seed}: {}", numbers::in_words(&counts)));
    }
}

/// Draws the same from the same seed.
fn runner(seed: u64) -> TestRunner {
    TestRunner::new(Config {
        rng_algorithm: RngAlgorithm::ChaCha,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        ..Config::default()
    })
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// How many events there were and how many deliveries it took, or what is wrong and how it came about.
async fn live(sketch: &Sketch, telling: &Telling) -> Result<(usize, usize), String> {
    let life = Life::of(sketch);
    let events = bodies::events(&life);
    let mut app = sketch.policy.app().await;
    let stranger = Stranger::of(&app);
    let mut journal = Journal::default();
    let delivered = tell::deliver(&mut app, sketch.provider, &events, telling, &mut journal).await;
    let licenses = stranger.others(&app);
    let users = app.sandbox.users().len();
    let judged = judge::judge(&life, &licenses, users, journal.in_order);
    let outcome = match (delivered, judged) {
        (Ok(()), Ok(())) => Ok(()),
        (Err(what), Ok(())) | (Ok(()), Err(what)) => Err(what),
        (Err(undone), Err(wrong)) => Err(format!("{undone}\n{wrong}")),
    };
    outcome.map_err(|what| format!("{what}\ndeliveries:\n{}", journal.lines))?;
    match stranger.is_untouched(&app) {
        true => Ok((events.len(), journal.deliveries)),
        false => Err(format!("a stranger's license was touched\n{}", journal.lines)),
    }
}

/// A life and how it was told, for somebody to read.
fn line(sketch: &Sketch, telling: &Telling) -> String {
    let life = Life::of(sketch);
    let events = bodies::outline(&life);
    let order = telling.order(events.len());
    let names: Vec<String> = order.iter().map(|event| tell::name(&events, *event)).collect();
    format!("{sketch}\ntold: {}", names.join(", "))
}
