//! Makes a failing life small: one thing less at a time, as long as it still fails.

use super::bodies;
use super::life::{Life, Sketch};
use super::tell::Telling;
use super::words::midnight;
use crate::support::vendor::{AtTheEnd, Quantity, Term};

/// More than it ever takes.
const TRIES: usize = 600;

/// The smallest life that still fails, and what is wrong with it.
pub(super) fn small(
    mut sketch: Sketch,
    mut telling: Telling,
    mut what: String,
    fails: impl Fn(&Sketch, &Telling) -> Option<String>,
) -> (Sketch, Telling, String) {
    let mut tries = 0;
    loop {
        let smaller = smaller(&sketch, &telling).into_iter().find_map(|(sketch, telling)| {
            tries += 1;
            fails(&sketch, &telling).map(|what| (sketch, telling, what))
        });
        match smaller {
            Some(found) if tries < TRIES => (sketch, telling, what) = found,
            Some(_) | None => return (sketch, telling, what),
        }
    }
}

fn smaller(sketch: &Sketch, telling: &Telling) -> Vec<(Sketch, Telling)> {
    let mut all = Vec::new();
    let events = bodies::outline(&Life::of(sketch)).len();
    let mut told = |telling: Telling| all.push((sketch.clone(), telling));
    if !telling.is_in_order(events) {
        told(Telling { late: vec![0], ..telling.clone() });
    }
    let plain = Telling { late: telling.late.clone(), ..Telling::in_order() };
    let Telling { twice, restart, batch, .. } = &telling;
    for (flags, without) in [
        (twice, Telling { twice: plain.twice.clone(), ..telling.clone() }),
        (restart, Telling { restart: plain.restart.clone(), ..telling.clone() }),
        (batch, Telling { batch: plain.batch.clone(), ..telling.clone() }),
    ] {
        if flags.contains(&true) {
            told(without);
        }
    }
    all.extend(lives(sketch).into_iter().map(|sketch| (sketch, telling.clone())));
    // Two neighbours nearer to their order.
    let order = telling.order(events);
    for place in 1..order.len() {
        if order[place - 1] > order[place] {
            let mut order = order.clone();
            order.swap(place - 1, place);
            let late = Telling::of(&order).late;
            all.push((sketch.clone(), Telling { late, ..telling.clone() }));
        }
    }
    all
}

fn lives(sketch: &Sketch) -> Vec<Sketch> {
    let mut all = Vec::new();
    for place in 0..sketch.turns.len() {
        let mut fewer = sketch.clone();
        fewer.turns.remove(place);
        all.push(fewer);
    }
    for (place, (_, hours)) in sketch.turns.iter().enumerate() {
        if *hours > 0 {
            let mut sooner = sketch.clone();
            sooner.turns[place].1 = 0;
            all.push(sooner);
        }
    }
    let simpler: [fn(&mut Sketch); 9] = [
        |sketch| sketch.trial = false,
        |sketch| sketch.seats = 1,
        |sketch| sketch.old = false,
        |sketch| sketch.term = Term::Year,
        |sketch| sketch.start = midnight("2026-09-01").unwrap(),
        |sketch| sketch.policy.at_the_end = AtTheEnd::Revoke,
        |sketch| sketch.policy.quantity = Quantity::Licenses,
        |sketch| sketch.policy.grace_days = 0,
        |sketch| sketch.policy.leeway_hours = 0,
    ];
    for simplify in simpler {
        let mut simple = sketch.clone();
        simplify(&mut simple);
        if simple.to_string() != sketch.to_string() {
            all.push(simple);
        }
    }
    all
}
