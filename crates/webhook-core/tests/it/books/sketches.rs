//! Lives to try, as proptest draws and shrinks them.

use devkit::sign::Provider;
use proptest::prelude::*;

use super::life::{Sketch, Turn, Which};
use super::words::midnight;
use crate::support::vendor::{Term, policies};

/// Days on which calendars differ, and others.
const DAYS: [&str; 8] = [
    "2026-09-01",
    "2026-09-17",
    "2026-10-31",
    "2026-12-31",
    "2027-01-29",
    "2027-01-31",
    "2028-01-30",
    "2028-02-29",
];

pub(super) fn sketches() -> impl Strategy<Value = Sketch> {
    let providers = vec![Provider::Stripe, Provider::Fastspring, Provider::Paddle];
    let shape = (
        prop::sample::select(providers),
        prop::sample::select(vec![Term::Year, Term::Month]),
        prop::bool::weighted(0.25),
        1_u32..4,
        prop::bool::weighted(0.4),
        prop::sample::select(DAYS.to_vec()),
    );
    let wait = prop_oneof![4 => Just(0_u32), 2 => 0_u32..72, 1 => 0_u32..1_400];
    let episodes = prop::collection::vec(episodes(), 0..10);
    let turns = (episodes, prop::bool::weighted(0.2), prop::collection::vec(wait, 12));
    (shape, policies(), turns).prop_map(|(shape, policy, (episodes, ends, waits))| {
        let (provider, term, trial, seats, old, day) = shape;
        let old = old && provider == Provider::Stripe;
        let start = midnight(day).unwrap();
        let end = if ends { vec![Turn::Ended, Turn::Paid] } else { Vec::new() };
        let turns = episodes.into_iter().flatten().chain(end).zip(waits.into_iter().cycle());
        let turns = turns.collect();
        Sketch { provider, term, trial, seats, old, start, policy, turns }
    })
}

/// What often follows each other; each list may lose any of its turns when it shrinks.
fn episodes() -> impl Strategy<Value = Vec<Turn>> {
    use Turn::{
        Addon, AddonGone, Address, Cancel, Dispute, Ended, Extended, Failed, Lost, Paid, Paused,
        Product, Refund, RefundFailed, Resumed, Seats, SeatsLater, Won, Yearly,
    };
    let which = || prop_oneof![3 => Just(Which::Newest), 1 => Just(Which::Before)];
    let dispute = vec![
        vec![],
        vec![Won],
        vec![Lost],
        vec![Paid, Lost],
        vec![Paid, Won],
        vec![Lost, Paid],
        vec![Lost, Seats(3), Paid],
        vec![Lost, Product, Paid],
        vec![Seats(4), Lost, Paid],
    ];
    let dispute = (which(), prop::sample::select(dispute)).prop_map(|(which, mut then)| {
        then.insert(0, Dispute(which));
        then
    });
    let part = prop::sample::select(vec![300_u32, 300, 100, 200]);
    let refund = prop::sample::select(vec![
        vec![],
        vec![],
        vec![Refund(300, Which::Newest)],
        vec![RefundFailed],
        vec![RefundFailed, Refund(300, Which::Newest)],
        vec![Refund(300, Which::Newest), RefundFailed],
        vec![Paid],
    ]);
    let refund = (part, which(), refund).prop_map(|(part, which, mut then)| {
        then.insert(0, Refund(part, which));
        then
    });
    let others = prop::sample::select(vec![
        vec![Failed],
        vec![Failed, Paid],
        vec![Failed, Failed, Paid],
        vec![Paused],
        vec![Paused, Resumed],
        vec![Paused, Paid],
        vec![SeatsLater(2)],
        vec![SeatsLater(4), Paid],
        vec![Product],
        vec![Product],
        vec![Product, Paid],
        vec![Yearly],
        vec![Extended],
        vec![Extended, Paid],
        vec![Addon],
        vec![Addon, Paid],
        vec![AddonGone],
        vec![Address],
        vec![Cancel],
        vec![Ended],
    ]);
    prop_oneof![
        6 => Just(vec![Paid]),
        3 => (1_u32..5).prop_map(|seats| vec![Seats(seats)]),
        2 => dispute,
        3 => refund,
        8 => others,
    ]
}
