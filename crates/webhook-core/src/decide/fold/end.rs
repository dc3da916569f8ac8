//! Until when licenses run: the latest end that a payment paid for, as it was described since.

use jiff::SignedDuration;

use super::failures;
use super::money_back;
use super::payments::Payment;
use super::periods::effective;
use crate::domain::command::{Subject, SubjectKind};
use crate::domain::entitlement::End;
use crate::domain::fact::Fact;
use crate::domain::interval::{shifted, whole_second_from};
use crate::domain::policy::Policy;

/// The end that all facts call for.
pub(super) fn of(subject: &Subject, facts: &[&Fact], payments: &[Payment], policy: &Policy) -> End {
    let counted = standing(payments);
    let ends = counted.iter().filter_map(|payment| effective(payment, facts));
    let leeway = match subject.kind {
        SubjectKind::Subscription => policy.leeway,
        // No payment that could be late follows.
        SubjectKind::Order | SubjectKind::Customer => SignedDuration::ZERO,
    };
    let date = ends.max().map(|end| shifted(whole_second_from(end), leeway));
    let first = payments.iter().filter(|payment| payment.is_first);
    let bought_at = first.map(|payment| payment.at).min().filter(|_| date.is_none());
    // The newest: an older one was counted before it, or is too late to count.
    let undated = counted.iter().filter_map(|payment| payment.one_more.clone());
    let one_more = undated.max_by_key(|one_more| one_more.charged_at);
    // A later one that says until when pays for the same time.
    let dated = counted.iter().filter(|payment| payment.end.is_some()).map(|payment| payment.at);
    let newest = dated.max();
    let one_more = one_more.filter(|it| newest.is_none_or(|newest| newest <= it.charged_at));
    let grace = failures::graced_until(facts, payments, policy);
    End { date, bought_at, one_more, grace, leeway }
}

/// Payments whose end counts. While money back suspends, its payment still counts, and the end stays as it was.
fn standing(payments: &[Payment]) -> Vec<&Payment> {
    let is_made_up = |payment: &Payment| {
        payment.gone.iter().all(|gone| money_back::is_made_up_for(payment, gone, payments))
    };
    let stands = |payment: &&Payment| {
        (payment.gone.is_empty() || !is_made_up(payment))
            && !money_back::lost_its_period(payment, payments)
    };
    let all: Vec<&Payment> = payments.iter().filter(stands).collect();
    if all.is_empty() { payments.iter().collect() } else { all }
}
