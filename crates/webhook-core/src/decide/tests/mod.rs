//! The pure core against stories in words and against its laws.

mod attacks;
mod laws;
mod licenses;
mod room;
mod steps;
mod stories;
mod ties;
pub(in crate::decide) mod words;

use proptest::test_runner::{Config, RngAlgorithm, RngSeed, TestRunner};

/// Draws the same from the same seed, so that a failure can be repeated.
fn runner(seed: u64, cases: u32) -> TestRunner {
    TestRunner::new(Config {
        cases,
        rng_algorithm: RngAlgorithm::ChaCha,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        ..Config::default()
    })
}
