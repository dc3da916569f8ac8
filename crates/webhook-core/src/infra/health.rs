//! How a function is, for whoever asks: from what is known, so that nobody's question costs more than its answer.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use crate::infra::config::Problem;

/// How far back failures count.
const COUNTED: SignedDuration = SignedDuration::from_hours(1);

/// How a function is.
#[derive(Debug)]
pub struct Health {
    /// Whether it works.
    pub standing: Standing,
    /// How often this process answered an event with an error, or tried it in vain, in the last hour.
    pub failed_last_hour: u32,
    /// What waits for Cryptlex.
    pub waiting: Waits,
}

/// Events that this process finishes by itself.
#[derive(Debug, Clone, Copy)]
pub struct Waits {
    /// How many.
    pub events: usize,
    /// When the last of them will be done, about.
    pub until: Option<Timestamp>,
    /// How many were tried too often since the start: they are left to their provider's retries.
    pub given_up: u32,
}

/// Whether a function works.
#[derive(Debug)]
pub enum Standing {
    /// It does; what should be looked at all the same.
    Ok(Vec<String>),
    /// It cannot work; why the secret could not be read, if it has one, and what is missing or wrong.
    NotConfigured(Option<String>, Vec<Problem>),
    /// It cannot remember; why.
    NoLedger(String),
}

impl Health {
    /// Whether it works.
    pub fn is_ok(&self) -> bool {
        matches!(self.standing, Standing::Ok(_))
    }

    /// As `/health` answers.
    pub fn json(&self) -> Value {
        let mut all = Map::new();
        let mut tell = |name: &str, value: Value| all.insert(name.to_owned(), value);
        tell("version", json!(env!("CARGO_PKG_VERSION")));
        tell("failedLastHour", json!(self.failed_last_hour));
        let Waits { events, until, given_up } = self.waiting;
        tell("waiting", json!({ "events": events, "until": until, "givenUp": given_up }));
        match &self.standing {
            Standing::Ok(warnings) => {
                tell("status", json!("ok"));
                tell("warnings", json!(warnings));
            }
            Standing::NotConfigured(not_read, problems) => {
                // What is set and means nothing is not missing: whoever looks for it would look in vain.
                let (missing, wrong): (Vec<_>, Vec<_>) =
                    problems.iter().partition(|problem| problem.is_missing());
                let named = |all: Vec<&Problem>| {
                    json!(all.into_iter().map(Problem::variable).collect::<Vec<_>>())
                };
                let problems = problems.iter().map(ToString::to_string);
                let problems: Vec<String> = not_read.iter().cloned().chain(problems).collect();
                tell("status", json!("not configured"));
                tell("missing", named(missing));
                tell("wrong", named(wrong));
                tell("problems", json!(problems));
            }
            Standing::NoLedger(problem) => {
                tell("status", json!("no ledger"));
                tell("problems", json!([problem]));
            }
        }
        Value::Object(all)
    }
}

/// How many events failed lately, minute by minute.
#[derive(Debug, Default)]
pub struct Failures(Mutex<VecDeque<(Timestamp, u32)>>);

impl Failures {
    /// One more.
    pub fn add(&self, now: Timestamp) {
        let mut minutes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        forget(&mut minutes, now);
        match minutes.back_mut() {
            Some((began, count)) if now.duration_since(*began) < SignedDuration::from_mins(1) => {
                *count = count.saturating_add(1);
            }
            Some(_) | None => minutes.push_back((now, 1)),
        }
    }

    /// In the hour before now.
    pub fn in_the_last_hour(&self, now: Timestamp) -> u32 {
        let mut minutes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        forget(&mut minutes, now);
        minutes.iter().fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }
}

/// Also what a clock that was ahead said.
fn forget(minutes: &mut VecDeque<(Timestamp, u32)>, now: Timestamp) {
    minutes.retain(|(began, _)| *began <= now && now.duration_since(*began) < COUNTED);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_count_for_an_hour_under_any_clock() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let failures = Failures::default();
        for second in [0, 30, 59, 60, 3_000] {
            failures.add(at(second));
        }
        assert_eq!(failures.in_the_last_hour(at(3_000)), 5);
        assert_eq!(failures.in_the_last_hour(at(3_600)), 2);
        assert_eq!(failures.in_the_last_hour(at(6_600)), 0);
        failures.add(at(100_000));
        assert_eq!(failures.in_the_last_hour(at(7_000)), 0, "the clock was ahead");
        for second in 0..100_000 {
            failures.add(at(second));
        }
        assert!(failures.0.lock().unwrap().len() <= 61);
    }
}
