//! Payments that failed: which of them still count, and how long grace lasts.

use jiff::Timestamp;

use super::described::failed_through;
use super::payments::Payment;
use super::periods::paid_through;
use crate::domain::fact::{Fact, Says, Standing};
use crate::domain::interval::{shifted, whole_second_from};
use crate::domain::policy::Policy;

/// When the newest failure was that still counts, so that licenses are suspended.
pub(super) fn counting(
    facts: &[&Fact],
    payments: &[Payment],
    policy: &Policy,
) -> Option<Timestamp> {
    let has_grace = policy.grace.is_positive();
    let failed = failures(facts).filter(|failure| !has_grace && counts(failure, facts, payments));
    let failed = failed.map(|failure| failure.at).max();
    let described = behind(facts, payments);
    // What is not tried again any more has no grace.
    let described = described.filter(|(standing, _)| !has_grace || *standing == Standing::Unpaid);
    failed.max(described.map(|(_, at)| at))
}

/// The newest failure that nothing made up for yet.
pub(super) fn newest(facts: &[&Fact], payments: &[Payment]) -> Option<Timestamp> {
    let failed = failures(facts).filter(|failure| counts(failure, facts, payments));
    let failed = failed.map(|failure| failure.at).max();
    failed.max(behind(facts, payments).map(|(_, at)| at))
}

/// The end of the days of grace: from the first failure since the last payment, for each time that payments failed.
pub(super) fn graced_until(
    facts: &[&Fact],
    payments: &[Payment],
    policy: &Policy,
) -> Option<Timestamp> {
    if !policy.grace.is_positive() {
        return None;
    }
    let failed = failures(facts).filter(|failure| !was_paid_before(failure, facts, payments));
    let behind = facts.iter().filter(|fact| {
        fact.described().is_some_and(|described| described.standing() == Standing::PastDue)
    });
    let mut failed: Vec<Timestamp> =
        failed.map(|failure| failure.at).chain(behind.map(|fact| fact.at)).collect();
    failed.sort_unstable();
    let is_first = |place: usize, at: Timestamp| {
        let earlier = failed.get(..place).and_then(<[Timestamp]>::last);
        earlier.is_none_or(|earlier| is_settled_between(facts, payments, *earlier, at))
    };
    let firsts = failed.iter().enumerate().filter(|(place, at)| is_first(*place, **at));
    firsts.map(|(_, first)| shifted(whole_second_from(*first), policy.grace)).max()
}

/// Whether a payment was made between two failures, or the subscription was described as running.
fn is_settled_between(
    facts: &[&Fact],
    payments: &[Payment],
    from: Timestamp,
    to: Timestamp,
) -> bool {
    let is_between = |at: Timestamp| at >= from && at < to;
    payments.iter().any(|payment| payment.pays_for_the_subject() && is_between(payment.at))
        || facts.iter().any(|fact| {
            is_between(fact.at) && fact.described().is_some_and(|it| it.runs() && it.tells_pauses())
        })
}

/// Its period, or a later one, had been paid when it failed.
fn was_paid_before(failure: &Failure, facts: &[&Fact], payments: &[Payment]) -> bool {
    let before: Vec<Payment> =
        payments.iter().filter(|payment| payment.at <= failure.at).cloned().collect();
    failure
        .through
        .is_some_and(|through| paid_through(facts, &before).is_some_and(|paid| paid >= through))
}

struct Failure {
    at: Timestamp,
    /// Until when it would have paid, where that is known.
    through: Option<Timestamp>,
}

fn failures<'f>(facts: &'f [&Fact]) -> impl Iterator<Item = Failure> + 'f {
    facts.iter().filter_map(move |fact| {
        let Says::Failed(through) = &fact.says else { return None };
        let through = through.as_ref().and_then(|through| failed_through(through, facts));
        Some(Failure { at: fact.at, through })
    })
}

/// One that names its period counts while that is later than what is paid, and no newer payment is for a time after it; one
/// that does not while no payment is newer. A newer description that it runs takes both back.
fn counts(failure: &Failure, facts: &[&Fact], payments: &[Payment]) -> bool {
    let is_newer = |payment: &&Payment| payment.pays_for_the_subject() && payment.at >= failure.at;
    let newer = || payments.iter().filter(is_newer);
    let is_paid = match (failure.through, paid_through(facts, payments)) {
        // Who pays for the present in another way, such as for months instead of a year, has paid.
        (Some(through), Some(paid)) => {
            let pays_since = |payment: &Payment| payment.end.is_none_or(|end| end > failure.at);
            paid >= through || newer().any(pays_since)
        }
        (Some(_) | None, _) => newer().next().is_some(),
    };
    !is_paid && !runs_since(facts, failure.at)
}

fn runs_since(facts: &[&Fact], at: Timestamp) -> bool {
    let mut newer = facts.iter().filter(|fact| fact.at > at);
    newer.any(|fact| fact.described().is_some_and(|described| described.runs()))
}

/// How the newest description that says it puts it, if it says that a payment is missing: until a newer payment reaches the
/// end that it describes.
fn behind(facts: &[&Fact], payments: &[Payment]) -> Option<(Standing, Timestamp)> {
    let (at, described) = facts.iter().rev().find_map(|fact| {
        let described = fact.described()?;
        (described.standing() != Standing::Other).then_some((fact.at, described))
    })?;
    let standing = described.standing();
    let reaches = |payment: &Payment| {
        let ends = payment.end.zip(described.record.period_end);
        payment.pays_for_the_subject()
            && payment.at >= at
            && ends.is_none_or(|(paid, described)| paid >= described)
    };
    let is_behind = matches!(standing, Standing::PastDue | Standing::Unpaid);
    (is_behind && !payments.iter().any(reaches)).then_some((standing, at))
}
