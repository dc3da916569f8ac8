//! What Cryptlex must hold, said from the provider's ledger and the vendor's settings alone.

use std::fmt;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::ledger::{Kind, Ledger, Payment};
use super::life::Life;
use crate::support::vendor::{AtTheEnd, Policy, Quantity};

const DAY: SignedDuration = SignedDuration::from_hours(24);
const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// The product of the add-on.
pub(super) const ADDON: usize = 4;

/// The licenses of one product.
#[derive(Debug)]
pub(super) struct Owed {
    pub(super) product: usize,
    /// How many must be there, with the lowest numbers.
    pub(super) count: usize,
    /// Beyond them there may be so many that do not work.
    pub(super) spare: usize,
    pub(super) state: State,
    /// Nothing of it works any more: when it ends does not matter.
    pub(super) over: bool,
    /// None of it was ever over, so that in order none of it went away.
    pub(super) all_kept: bool,
    /// Not before the first, not after the second.
    pub(super) ends: (Timestamp, Timestamp),
    pub(super) activations: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Works,
    /// `None`: one that nobody can say from the books.
    Suspended(Option<bool>),
    Revoked,
    Deleted,
    /// Replaced under a policy that leaves it alone.
    Anyhow,
}

impl fmt::Display for Owed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.product {
            1 => {}
            ADDON => f.write_str("add-on: ")?,
            other => write!(f, "product {other}: ")?,
        }
        let until = self.ends.0.to_zoned(TimeZone::UTC).date();
        let count = self.count + if self.over { self.spare } else { 0 };
        match self.state {
            State::Works => write!(f, "{count} until {until}")?,
            State::Suspended(Some(_)) => write!(f, "{count} suspended")?,
            State::Suspended(None) => write!(f, "{count} suspended or not")?,
            State::Revoked => write!(f, "{count} revoked")?,
            State::Deleted => f.write_str("deleted")?,
            State::Anyhow => write!(f, "{count} left alone")?,
        }
        if self.activations != 1 {
            write!(f, " with {} activations", self.activations)?;
        }
        if self.spare > 0 && !self.over {
            write!(f, ", {} given up", self.spare)?;
        }
        Ok(())
    }
}

/// In words, for somebody to check.
pub(super) fn in_words(life: &Life) -> String {
    let (_, owed) = owed(life);
    let words: Vec<String> = owed.iter().map(ToString::to_string).collect();
    words.join("; ")
}

/// The owner's address, and the licenses of each product that was ever sold.
pub(super) fn owed(life: &Life) -> (&'static str, Vec<Owed>) {
    let (ledger, policy) = (&life.ledger, life.sketch.policy);
    let over = is_over(ledger, policy.at_the_end);
    let state = match (over, policy.at_the_end) {
        (true, AtTheEnd::Revoke) => State::Revoked,
        (true, AtTheEnd::Delete) => State::Deleted,
        (true, AtTheEnd::Suspend) => State::Suspended(Some(true)),
        (true | false, _) => suspended(has_a_reason(ledger, policy)),
    };
    let now = ledger.line();
    let all_kept = ledger.at_an_end.is_none();
    let ends = ends(ledger, policy);
    let all = |seats: u32| match policy.quantity {
        Quantity::Licenses => usize::try_from(seats).unwrap(),
        Quantity::One | Quantity::Activations => 1,
    };
    let activations = match policy.quantity {
        Quantity::Activations => i64::from(now.seats),
        Quantity::One | Quantity::Licenses => 1,
    };
    // What is over gets no more licenses.
    let at_an_end = ledger.at_an_end.filter(|line| line.product == now.product);
    let count = match over {
        true => at_an_end.map_or(0, |line| all(line.seats.min(now.seats))),
        false => all(now.seats),
    };
    let mut owed = vec![Owed {
        product: now.product,
        count,
        spare: all(now.most) - count,
        state,
        over,
        all_kept,
        ends,
        activations,
    }];
    let replaced = match policy.at_the_end {
        AtTheEnd::Revoke | AtTheEnd::Delete => State::Revoked,
        AtTheEnd::Suspend => State::Suspended(Some(true)),
        AtTheEnd::Nothing => State::Anyhow,
    };
    for line in &ledger.lines[..ledger.lines.len() - 1] {
        // Those that a person lost with the whole subscription may be gone.
        let count = if ledger.at_an_end.is_some() { 0 } else { all(line.seats) };
        let spare = all(line.most) - count;
        let (product, state, activations) = (line.product, replaced, 1);
        owed.push(Owed { product, count, spare, state, over: true, all_kept, ends, activations });
    }
    if let Some((since, gone)) = ledger.addon {
        // What is paid stays as it is until a charge bills the subscription without it.
        let last = ledger.payments.last().unwrap().at;
        let is_unbilled = !over && gone.is_some_and(|gone| gone > last);
        let unsure =
            ledger.payments.iter().any(|payment| payment.at < since && counts(ledger, payment));
        let state = match state {
            // What went back had not paid for the add-on.
            State::Suspended(_) if unsure => State::Suspended(None),
            State::Works | State::Suspended(_) if is_unbilled => State::Suspended(None),
            State::Works
            | State::Suspended(_)
            | State::Revoked
            | State::Deleted
            | State::Anyhow => state,
        };
        let count = usize::from(gone.is_none());
        owed.push(Owed {
            product: ADDON,
            count,
            spare: 1 - count,
            state,
            over,
            all_kept,
            ends,
            activations: 1,
        });
    }
    (if ledger.moved { "new@example.com" } else { "ada@example.com" }, owed)
}

fn suspended(yes: bool) -> State {
    if yes { State::Suspended(Some(true)) } else { State::Works }
}

/// Something ended it, and no payment that was made after that took the end back.
pub(super) fn is_over(ledger: &Ledger, at_the_end: AtTheEnd) -> bool {
    let end = |end: &Timestamp| {
        !ledger.payments.iter().any(|payment| payment.at > *end && payment.through > *end)
    };
    let losses = ledger.payments.iter().filter(|payment| is_lost(ledger, payment));
    let losses = losses.filter_map(|payment| payment.dispute?.closed);
    at_the_end != AtTheEnd::Nothing && ledger.ended.into_iter().chain(losses).any(|it| end(&it))
}

/// Disputed for good, and nothing made up for it.
fn is_lost(ledger: &Ledger, payment: &Payment) -> bool {
    payment.dispute.is_some_and(|dispute| dispute.lost) && !is_made_up(ledger, payment)
}

fn has_a_reason(ledger: &Ledger, policy: Policy) -> bool {
    let last = ledger.payments.last().unwrap().at;
    let fails = policy.grace_days == 0 && ledger.failures.last().is_some_and(|at| *at > last);
    let is_back = |payment: &Payment| match is_lost(ledger, payment) {
        // Taken back by now, or it would be over; where an end changes nothing, it stays a reason.
        true => policy.at_the_end == AtTheEnd::Nothing,
        false => counts(ledger, payment),
    };
    fails || ledger.paused || ledger.payments.iter().any(is_back)
}

/// All of it is back, and no other payment made up for it.
pub(super) fn counts(ledger: &Ledger, payment: &Payment) -> bool {
    !payment.is_kept() && !is_made_up(ledger, payment)
}

/// By an older one for the same time or longer, or by a newer one whose end is another; for a dispute only by one
/// made before it was opened.
fn is_made_up(ledger: &Ledger, payment: &Payment) -> bool {
    let opened = payment.dispute.filter(|_| payment.is_withdrawn()).map(|dispute| dispute.opened);
    let periods = ledger.payments.iter().filter(|other| other.kind == Kind::Period);
    let others = periods.filter(|other| other.at != payment.at && other.is_kept());
    let mut others = others.filter(|other| opened.is_none_or(|opened| other.at < opened));
    others.any(|other| match other.at < payment.at {
        true => other.through >= payment.through,
        false => other.through != payment.through,
    })
}

/// Never shorter than paid; longer by what a day's tolerance, and the days of grace that were given, leave open.
fn ends(ledger: &Ledger, policy: Policy) -> (Timestamp, Timestamp) {
    let leeway = SignedDuration::from_hours(policy.leeway_hours);
    let grace = SignedDuration::from_hours(policy.grace_days * 24);
    let through = |payments: &mut dyn Iterator<Item = &Payment>| {
        payments.map(|payment| payment.through + leeway).max()
    };
    let paid = |payment: &&Payment| payment.is_kept() || counts(ledger, payment);
    let longest = through(&mut ledger.payments.iter()).unwrap();
    let mut from = through(&mut ledger.payments.iter().filter(paid)).unwrap_or(longest);
    let mut to = from + DAY + MINUTE;
    if policy.grace_days > 0 {
        let last = ledger.payments.iter().rfind(|payment| payment.kind == Kind::Period).unwrap().at;
        if let Some(first) = ledger.failures.iter().find(|at| **at > last) {
            from = from.max(*first + grace);
        }
        // What grace moved stays.
        let moved = ledger.failures.last().map(|at| *at + grace + DAY + MINUTE);
        to = to.max(moved.unwrap_or(to));
    }
    (from, to)
}
