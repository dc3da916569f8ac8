//! Whole lives of subscriptions: whatever happened at the provider, and however it was told, the licenses at the end
//! follow from the state there.
//!
//! A life is made up (`life`), written as webhook bodies (`bodies`), told by an unreliable courier (`courier`), and the
//! licenses are judged by somebody who knows the provider's books and not our code (`oracle`). The same seed gives the same lives:
//! `HISTORIES_SEED=7 HISTORIES=2000 cargo test -p webhook-core --test it -- histories` tries others, and more.

mod bodies;
mod courier;
mod life;
mod oracle;

use std::cell::Cell;
use std::fmt::Write as _;

use proptest::strategy::Strategy as _;
use proptest::test_runner::{Config, RngAlgorithm, RngSeed, TestCaseError, TestError, TestRunner};

use courier::{Courier, Itinerary, Mode};
use life::{Life, Sketch, Turn};

use crate::support::asked::asked_for;
use crate::support::licenses::Stranger;
use crate::support::{numbers, tell};

/// What is tried when nobody asks for more.
const SEED: u64 = 2026;
const LIVES: u32 = 200;

#[test]
fn licenses_follow_the_providers_books_in_any_delivery() {
    let (seed, count) = (asked_for("HISTORIES_SEED", SEED), asked_for("HISTORIES", LIVES));
    let mut runner = TestRunner::new(Config {
        cases: count,
        rng_algorithm: RngAlgorithm::ChaCha,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        max_shrink_iters: 200,
        // Milliseconds.
        max_shrink_time: 60_000,
        ..Config::default()
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let told = Cell::new((0_usize, 0_usize));
    let lives = (life::sketches(), courier::itineraries()).prop_map(|(mut sketch, itinerary)| {
        if itinerary.mode == Mode::Restarts {
            // Which payment paid for which period, and whose seats were taken away, is known to the ledger alone.
            sketch.turns.retain(|(turn, _)| !turn.needs_the_ledger());
            // And which failure was the first of several.
            let mut failed = false;
            sketch
                .turns
                .retain(|(turn, _)| *turn != Turn::Fail || !std::mem::replace(&mut failed, true));
        }
        (sketch, itinerary)
    });
    let outcome = runner.run(&lives, |(sketch, itinerary)| {
        let life = Life::of(&sketch);
        let result = runtime.block_on(live_through(&life, &itinerary));
        let (events, deliveries) = told.get();
        match result {
            Ok(more) => {
                told.set((events + life.events.len(), deliveries + more));
                Ok(())
            }
            Err(what) => Err(TestCaseError::fail(what)),
        }
    });
    match outcome {
        Ok(()) => {
            let (events, deliveries) = told.get();
            let counts = [
                (usize::try_from(count).unwrap(), "lives"),
                (events, "events"),
                (deliveries, "deliveries"),
            ];
            if (seed, count) == (SEED, LIVES) {
                numbers::record(
                    "lives of subscriptions, delivered by an unreliable courier",
                    &counts,
                );
            } else {
                tell(&format!("from seed {seed}: {}", numbers::in_words(&counts)));
            }
        }
        Err(TestError::Fail(what, (sketch, itinerary))) => {
            panic!("seed {seed}\n{}\n{what}", retold(&sketch, &itinerary));
        }
        Err(TestError::Abort(why)) => panic!("seed {seed}: {why}"),
    }
}

/// How many deliveries it took, or what is wrong and how it came about.
async fn live_through(life: &Life, itinerary: &Itinerary) -> Result<usize, String> {
    let mut app = life.sketch.policy.app().await;
    let stranger = Stranger::of(&app);
    let mut courier = Courier::new(life, itinerary);
    let delivered = courier.deliver(&mut app).await;
    let journal = &courier.journal;
    let licenses = stranger.others(&app);
    let judged = delivered.and_then(|()| {
        oracle::judge(life, &licenses, app.sandbox.users().len(), journal.end_overtook)
    });
    judged.map_err(|what| format!("deliveries:\n{}{what}", journal.lines))?;
    match stranger.is_untouched(&app) {
        true => Ok(journal.deliveries),
        false => Err(format!("deliveries:\n{}a stranger's license was touched", journal.lines)),
    }
}

/// A life that somebody can read.
fn retold(sketch: &Sketch, itinerary: &Itinerary) -> String {
    let life = Life::of(sketch);
    let mut text =
        format!("{sketch:?}\n{:?}, window {}\nevents:\n", itinerary.mode, itinerary.window);
    for (number, event) in life.events.iter().enumerate() {
        writeln!(text, "  #{number} {} {:?}", event.at, event.what).unwrap();
    }
    write!(text, "{:?}", life.standing).unwrap();
    text
}
