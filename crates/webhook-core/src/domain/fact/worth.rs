//! What would change if a fact were dropped. Many cheap facts must not push out a dear one: a buyer may tell any number of them.

use std::cmp::Reverse;
use std::collections::HashMap;

use jiff::Timestamp;

use super::{Covers, Described, Fact, Kept, Paid, Says, Standing};
use crate::domain::command::{Funds, Line, OfPayment, PaymentScope, Through};
use crate::domain::ids::PaymentId;

/// How dear a fact is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Worth {
    /// Nothing rests on it.
    Nothing,
    /// It changed lines.
    Detail,
    /// An end, a suspension or the number of seats rests on it.
    Dear,
}

/// The worth of each of them.
pub(super) fn worths(kept: &[Kept]) -> Vec<Worth> {
    let facts: Vec<&Fact> = kept.iter().map(|kept| &kept.fact).collect();
    let (payments, most) = (dear_payments(&facts), most_seats(&facts));
    let dear = |is_dear: bool| if is_dear { Worth::Dear } else { Worth::Nothing };
    let worth = |(place, fact): (usize, &&Fact)| match &fact.says {
        Says::Paid(_) => dear(payments.get(place) == Some(&true)),
        Says::OfPayment(of) => match &**of {
            OfPayment::Part { id, of, .. } => {
                let is_of = |it: &Fact| it.paid().is_some_and(|paid| paid.ids.contains(of));
                let mut all = facts.iter().zip(&payments);
                let is_needed = all.any(|(it, is_dear)| *is_dear && is_of(it));
                dear(is_needed || is_named(std::slice::from_ref(id), &facts))
            }
            OfPayment::Captured { .. } | OfPayment::Quantity { .. } => Worth::Dear,
        },
        Says::Failed(_) => dear(is_first_failure(fact, &facts)),
        Says::Described(described) => described_worth(fact, described, &facts, &most),
        // The newest says whether it is paused.
        Says::Paused | Says::Resumed => {
            let is_of_a_pause = |it: &Fact| matches!(it.says, Says::Paused | Says::Resumed);
            dear(!facts.iter().any(|it| is_of_a_pause(it) && it.at > fact.at))
        }
        // What was lost is an end.
        Says::MoneyBack(back) => {
            let is_lost_of_it = |it: &Fact| {
                it.money_back().is_some_and(|it| {
                    let is_it =
                        (&it.ids, it.cause, &it.back.id) == (&back.ids, back.cause, &back.back.id);
                    it.funds == Funds::Lost && is_it
                })
            };
            dear(facts.iter().any(|it| is_lost_of_it(it)))
        }
        Says::Ordered(_) | Says::Ended => Worth::Nothing,
    };
    facts.iter().enumerate().map(worth).collect()
}

/// Days of grace count from the first failure since the last payment.
fn is_first_failure(fact: &Fact, facts: &[&Fact]) -> bool {
    let is_first_since = |counts: fn(&Paid) -> bool| {
        let paid = facts.iter().filter(|it| it.paid().is_some_and(counts) && it.at <= fact.at);
        let since = paid.map(|it| it.at).max();
        !facts.iter().any(|it| {
            let is_failure = matches!(it.says, Says::Failed(_));
            is_failure && it.at < fact.at && since.is_none_or(|since| it.at >= since)
        })
    };
    is_first_since(|_| true) || is_first_since(pays_for_a_period)
}

fn pays_for_a_period(paid: &Paid) -> bool {
    paid.scope == PaymentScope::Period
}

fn described_worth(
    fact: &Fact,
    described: &Described,
    facts: &[&Fact],
    most: &MostSeats<'_>,
) -> Worth {
    // The newest tells how it is now.
    let is_newest = !facts.iter().any(|it| it.described().is_some() && it.at > fact.at);
    if is_newest
        || tells_a_period(fact, described, facts)
        || grace_counts_from(fact, facts)
        || has_most_seats(fact, most)
    {
        return Worth::Dear;
    }
    // What a change left behind is told by what was before it.
    let Some(now) = &described.subscribed else { return Worth::Nothing };
    let before = facts.iter().filter(|it| it.at < fact.at && it.subscribed().is_some());
    let before = before.max_by_key(|it| it.at).and_then(|it| it.subscribed());
    match before.is_none_or(|before| before.lines != now.lines) {
        true => Worth::Detail,
        false => Worth::Nothing,
    }
}

/// The most seats that were told of each line, and the first time that told so many.
type MostSeats<'f> = HashMap<&'f str, (u32, Reverse<Timestamp>)>;

fn most_seats<'f>(facts: &[&'f Fact]) -> MostSeats<'f> {
    let mut most = MostSeats::new();
    for fact in facts {
        for line in fact.lines().unwrap_or_default() {
            let told = (line.quantity, Reverse(fact.at));
            let known = most.entry(&line.key).or_insert(told);
            *known = (*known).max(told);
        }
    }
    most
}

/// Seats that were given up stay suspended: it is the first that tells so many of a line.
fn has_most_seats(fact: &Fact, most: &MostSeats<'_>) -> bool {
    let lines = fact.lines().unwrap_or_default();
    let is_most =
        |line: &Line| most.get(line.key.as_str()) == Some(&(line.quantity, Reverse(fact.at)));
    lines.iter().any(is_most)
}

/// It is the first of the newest ones that say that a payment is missing. Before them one was made, or it ran.
fn grace_counts_from(fact: &Fact, facts: &[&Fact]) -> bool {
    let is_missing =
        |fact: &Fact| fact.described().is_some_and(|it| matches!(it.standing(), Standing::PastDue));
    let newest = facts.iter().filter(|it| is_missing(it)).map(|it| it.at).max();
    let is_first_since = |counts: fn(&Paid) -> bool| {
        let is_settled = |fact: &Fact| {
            fact.paid().is_some_and(counts)
                || fact.described().is_some_and(|it| it.runs() && it.tells_pauses())
        };
        let settled = facts.iter().filter(|it| is_settled(it) && Some(it.at) < newest);
        let settled = settled.map(|it| it.at).max();
        let missing = facts.iter().filter(|it| is_missing(it) && Some(it.at) >= settled);
        Some(fact.at) == missing.map(|it| it.at).min()
    };
    is_missing(fact) && (is_first_since(|_| true) || is_first_since(pays_for_a_period))
}

/// It is the newest that tells the period which a proration pays for.
fn tells_a_period(fact: &Fact, described: &Described, facts: &[&Fact]) -> bool {
    let Some(start) = described.record.period_start else { return false };
    let pays_for_it =
        |paid: &Paid| paid.scope == PaymentScope::Proration && paid.payment.starts == Some(start);
    let tells_it = |it: &Described| it.record.period_start == Some(start);
    facts.iter().filter_map(|it| it.paid()).any(pays_for_it)
        && !facts.iter().any(|it| it.at > fact.at && it.described().is_some_and(tells_it))
}

/// Which of the facts are payments that others rest on.
fn dear_payments(facts: &[&Fact]) -> Vec<bool> {
    let mut dear: Vec<bool> = facts.iter().map(|fact| is_dear_itself(fact, facts)).collect();
    // What a payment makes up for, or is a change of, counts by it.
    for named in facts.iter().filter(|fact| is_named(&all_ids(fact, facts), facts)) {
        for place in makes_up_for(named, facts).into_iter().flatten() {
            if let Some(is_dear) = dear.get_mut(place) {
                *is_dear = true;
            }
        }
    }
    // A proration pays for a period that begins where another payment ends.
    loop {
        let starts = facts.iter().zip(&dear).filter(|(_, is_dear)| **is_dear);
        let starts: Vec<Timestamp> =
            starts.filter_map(|(fact, _)| fact.paid()?.payment.starts).collect();
        let rests = |fact: &Fact| end(fact).is_some_and(|end| starts.contains(&end));
        let mut changed = false;
        for (fact, is_dear) in facts.iter().zip(&mut dear) {
            if !*is_dear && rests(fact) {
                (*is_dear, changed) = (true, true);
            }
        }
        if !changed {
            return dear;
        }
    }
}

/// Money that went back names it, or it is the first that pays as long as anything does.
fn is_dear_itself(fact: &Fact, facts: &[&Fact]) -> bool {
    let ends = |fact: &Fact| Some((end(fact)?, Reverse(fact.at)));
    // A proration or a change may be for no period: neither must take the place of one that is.
    let scope = |fact: &Fact| fact.paid().map(|paid| paid.scope);
    let alike = facts.iter().filter(|it| scope(it) == scope(fact));
    let last = alike.filter_map(|it| ends(it)).max();
    is_named(&all_ids(fact, facts), facts) || (last.is_some() && ends(fact) == last)
}

/// By what a payment and its parts are known.
fn all_ids(fact: &Fact, facts: &[&Fact]) -> Vec<PaymentId> {
    let Some(paid) = fact.paid() else { return Vec::new() };
    let parts = facts.iter().filter_map(|it| {
        let OfPayment::Part { id, of, .. } = it.of_payment()? else { return None };
        paid.ids.contains(of).then_some(id)
    });
    paid.ids.iter().chain(parts).cloned().collect()
}

/// The newest payment before it that pays as long, and the first one after it that ends otherwise.
fn makes_up_for(named: &Fact, facts: &[&Fact]) -> [Option<usize>; 2] {
    let others = || {
        let all = facts.iter().enumerate();
        all.filter(|(_, it)| it.paid().is_some() && it.paid() != named.paid())
    };
    let before = others().filter(|(_, it)| it.at <= named.at && end(it) >= end(named));
    let after = others().filter(|(_, it)| it.at > named.at && end(it) != end(named));
    [
        before.max_by_key(|(_, it)| it.at).map(|(place, _)| place),
        after.min_by_key(|(_, it)| it.at).map(|(place, _)| place),
    ]
}

fn end(fact: &Fact) -> Option<Timestamp> {
    match &fact.paid()?.covers {
        Covers::First(end) => *end,
        Covers::Later(Through::Until(end)) => Some(*end),
        Covers::Later(Through::NextPeriod { .. } | Through::Described { .. }) => None,
    }
}

fn is_named(ids: &[PaymentId], facts: &[&Fact]) -> bool {
    let mut backs = facts.iter().filter_map(|fact| fact.money_back());
    backs.any(|back| back.ids.iter().any(|id| ids.contains(id)))
}
