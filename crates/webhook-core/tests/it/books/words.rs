//! A life as one line of words, to be read and to be written:
//! `paddle, month, 2 seats: paid; seats 3; refund 100; refund 200; paid after 40h`.
//!
//! Before the colon: provider, `month` (else a year), `trial`, seats, `old` payloads, what happens at the end, what a
//! quantity buys, days of grace, hours of leeway, the day of the purchase. After it: turns.

use std::fmt;
use std::str::FromStr;

use devkit::sign::Provider;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::life::{Sketch, Turn, Which};
use crate::support::vendor::{AtTheEnd, Policy, Quantity, Term};

const FIRST_DAY: &str = "2026-09-01";

const ENDS: [(&str, AtTheEnd); 4] = [
    ("revoke", AtTheEnd::Revoke),
    ("suspend", AtTheEnd::Suspend),
    ("delete", AtTheEnd::Delete),
    ("none", AtTheEnd::Nothing),
];

const QUANTITIES: [(&str, Quantity); 3] = [
    ("one", Quantity::One),
    ("licenses", Quantity::Licenses),
    ("activations", Quantity::Activations),
];

const TURNS: [(&str, Turn); 17] = [
    ("paid", Turn::Paid),
    ("failed", Turn::Failed),
    ("paused", Turn::Paused),
    ("resumed", Turn::Resumed),
    ("product", Turn::Product),
    ("yearly", Turn::Yearly),
    ("extended", Turn::Extended),
    ("refund failed", Turn::RefundFailed),
    ("disputed", Turn::Dispute(Which::Newest)),
    ("the one before disputed", Turn::Dispute(Which::Before)),
    ("won", Turn::Won),
    ("lost", Turn::Lost),
    ("add-on", Turn::Addon),
    ("add-on gone", Turn::AddonGone),
    ("address", Turn::Address),
    ("cancel", Turn::Cancel),
    ("ended", Turn::Ended),
];

/// The word for it.
fn word<T: PartialEq>(table: &'static [(&'static str, T)], value: &T) -> &'static str {
    table.iter().find(|(_, known)| known == value).map_or("", |(word, _)| word)
}

fn meaning<T: Copy>(table: &[(&str, T)], word: &str) -> Option<T> {
    table.iter().find(|(known, _)| *known == word).map(|(_, value)| *value)
}

impl fmt::Display for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seats(seats) => write!(f, "seats {seats}"),
            Self::SeatsLater(seats) => write!(f, "seats {seats} from the next charge"),
            Self::Refund(part, Which::Newest) => write!(f, "refund {part}"),
            Self::Refund(part, Which::Before) => write!(f, "refund {part} of the one before"),
            Self::Paid
            | Self::Failed
            | Self::Paused
            | Self::Resumed
            | Self::Product
            | Self::Yearly
            | Self::Extended
            | Self::RefundFailed
            | Self::Dispute(_)
            | Self::Won
            | Self::Lost
            | Self::Addon
            | Self::AddonGone
            | Self::Address
            | Self::Cancel
            | Self::Ended => f.write_str(word(&TURNS, self)),
        }
    }
}

impl FromStr for Turn {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(turn) = meaning(&TURNS, text) {
            return Ok(turn);
        }
        let wrong = || format!("{text} is no turn");
        let (word, rest) = text.split_once(' ').ok_or_else(wrong)?;
        let (number, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        let number: u32 = number.parse().ok().ok_or_else(wrong)?;
        match (word, rest) {
            ("seats", "") => Ok(Self::Seats(number)),
            ("seats", "from the next charge") => Ok(Self::SeatsLater(number)),
            ("refund", "") => Ok(Self::Refund(number, Which::Newest)),
            ("refund", "of the one before") => Ok(Self::Refund(number, Which::Before)),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Sketch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.provider)?;
        let policy = self.policy;
        let day = self.start.to_zoned(TimeZone::UTC).date().to_string();
        let parts = [
            (self.old, "old".to_owned()),
            (self.term == Term::Month, "month".to_owned()),
            (self.trial, "trial".to_owned()),
            (self.seats != 1, format!("{} seats", self.seats)),
            (policy.at_the_end != AtTheEnd::Revoke, word(&ENDS, &policy.at_the_end).to_owned()),
            (policy.quantity != Quantity::Licenses, word(&QUANTITIES, &policy.quantity).to_owned()),
            (policy.grace_days != 0, format!("grace {}", policy.grace_days)),
            (policy.leeway_hours != 0, format!("leeway {}", policy.leeway_hours)),
            (day != FIRST_DAY, format!("from {day}")),
        ];
        for (_, part) in parts.iter().filter(|(is_said, _)| *is_said) {
            write!(f, ", {part}")?;
        }
        for (place, (turn, hours)) in self.turns.iter().enumerate() {
            write!(f, "{}{turn}", if place == 0 { ": " } else { "; " })?;
            if *hours > 0 {
                write!(f, " after {hours}h")?;
            }
        }
        Ok(())
    }
}

impl FromStr for Sketch {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (head, turns) = text.split_once(": ").unwrap_or((text, ""));
        let mut parts = head.split(", ");
        let mut sketch = Self {
            provider: match parts.next() {
                Some("stripe") => Provider::Stripe,
                Some("fastspring") => Provider::Fastspring,
                Some("paddle") => Provider::Paddle,
                other => return Err(format!("{other:?} is no provider")),
            },
            term: Term::Year,
            trial: false,
            seats: 1,
            old: false,
            start: midnight(FIRST_DAY)?,
            policy: Policy {
                at_the_end: AtTheEnd::Revoke,
                quantity: Quantity::Licenses,
                grace_days: 0,
                leeway_hours: 0,
            },
            turns: Vec::new(),
        };
        for part in parts {
            sketch.add(part)?;
        }
        for turn in turns.split("; ").filter(|turn| !turn.is_empty()) {
            let (turn, wait) = turn.split_once(" after ").unwrap_or((turn, "0h"));
            let hours = wait.strip_suffix('h').and_then(|hours| hours.parse().ok());
            sketch
                .turns
                .push((turn.parse()?, hours.ok_or_else(|| format!("{wait} are no hours"))?));
        }
        Ok(sketch)
    }
}

impl Sketch {
    fn add(&mut self, part: &str) -> Result<(), String> {
        let wrong = || format!("{part} says nothing");
        let policy = &mut self.policy;
        match part.split_once(' ') {
            None if part == "month" => self.term = Term::Month,
            None if part == "trial" => self.trial = true,
            None if part == "old" => self.old = true,
            None => match (meaning(&ENDS, part), meaning(&QUANTITIES, part)) {
                (Some(end), _) => policy.at_the_end = end,
                (_, Some(quantity)) => policy.quantity = quantity,
                _ => return Err(wrong()),
            },
            Some(("from", day)) => self.start = midnight(day)?,
            Some(("grace", days)) => policy.grace_days = days.parse().ok().ok_or_else(wrong)?,
            Some(("leeway", hours)) => {
                policy.leeway_hours = hours.parse().ok().ok_or_else(wrong)?;
            }
            Some((seats, "seats")) => self.seats = seats.parse().ok().ok_or_else(wrong)?,
            Some(_) => return Err(wrong()),
        }
        Ok(())
    }
}

pub(super) fn midnight(day: &str) -> Result<Timestamp, String> {
    let date: Date = day.parse().map_err(|error| format!("{day}: {error}"))?;
    let zoned = date.to_zoned(TimeZone::UTC).map_err(|error| format!("{day}: {error}"))?;
    Ok(zoned.timestamp())
}
