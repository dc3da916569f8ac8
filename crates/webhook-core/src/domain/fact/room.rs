//! Which facts are dropped where there is no room for all: the oldest that nothing rests on.

use jiff::Timestamp;

use super::set::Leaving;
use super::stored::bytes;
use super::{Covers, Described, Fact, Kept, Paid, Role, Says, Standing};
use crate::domain::command::{OfPayment, PaymentScope, Through};
use crate::domain::ids::PaymentId;

/// Of each kind of fact so many are kept.
pub const MOST_OF_A_KIND: usize = 64;
/// Bytes that the facts of one subject may take as they are stored. An item of DynamoDB holds twice as much: the rest is for
/// the licenses.
pub const MOST_BYTES: usize = 192 * 1024;

/// Facts of a kind take each other's room.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Payment,
    Part,
    /// What a payment says of its purchase: it counts only as long as nobody told that.
    NamedByAPayment,
    MoneyBack,
    State,
    Description,
}

const KINDS: [Kind; 6] = [
    Kind::Payment,
    Kind::Part,
    Kind::NamedByAPayment,
    Kind::MoneyBack,
    Kind::State,
    Kind::Description,
];

impl Kind {
    /// `None` for what is never dropped.
    fn of(says: &Says) -> Option<Self> {
        match says {
            Says::Ordered(ordered) if ordered.role == Role::OfAPayment => {
                Some(Self::NamedByAPayment)
            }
            // An end that is forgotten would be taken back.
            Says::Ordered(_) | Says::Ended => None,
            Says::OfPayment(of) if matches!(**of, OfPayment::Part { .. }) => Some(Self::Part),
            Says::Paid(_) | Says::OfPayment(_) => Some(Self::Payment),
            Says::MoneyBack(_) => Some(Self::MoneyBack),
            Says::Failed(_) | Says::Paused | Says::Resumed => Some(Self::State),
            Says::Described(_) => Some(Self::Description),
        }
    }
}

/// Takes out what there is no room for: of each kind what is too many, then of the kind that takes most room.
pub(super) fn made(kept: &mut Vec<Kept>) -> Vec<Kept> {
    let mut out = Vec::new();
    for kind in KINDS {
        while of_kind(kind, kept).count() > MOST_OF_A_KIND {
            let Some(place) = oldest(kind, kept) else { break };
            out.push(kept.remove(place));
        }
    }
    while bytes(kept.iter().map(|kept| &kept.fact)) > MOST_BYTES {
        // The last of its kind tells how things stand.
        let several = KINDS.into_iter().filter(|kind| of_kind(*kind, kept).count() > 1);
        let largest = several.max_by_key(|kind| bytes(of_kind(*kind, kept)));
        let Some(place) = largest.and_then(|kind| oldest(kind, kept)) else { break };
        out.push(kept.remove(place));
    }
    out
}

/// Forgets the oldest of what was dropped: a subject that is never settled must not grow for ever.
pub(super) fn limit(leaving: &mut Vec<Leaving>, kept: &[Kept]) {
    let excess = leaving.len().saturating_sub(MOST_OF_A_KIND);
    leaving.drain(..excess);
    let all = |leaving: &[Leaving]| {
        let leaving = leaving.iter().map(|it| &it.kept.fact);
        bytes(kept.iter().map(|kept| &kept.fact).chain(leaving))
    };
    while !leaving.is_empty() && all(leaving) > MOST_BYTES {
        leaving.remove(0);
    }
}

fn of_kind(kind: Kind, kept: &[Kept]) -> impl Iterator<Item = &Fact> {
    let facts = kept.iter().map(|kept| &kept.fact);
    facts.filter(move |fact| Kind::of(&fact.says) == Some(kind))
}

/// The oldest that nothing rests on; if something rests on each, the oldest.
fn oldest(kind: Kind, kept: &[Kept]) -> Option<usize> {
    let facts = kept.iter().map(|kept| &kept.fact).enumerate();
    let of_kind = facts.filter(|(_, fact)| Kind::of(&fact.says) == Some(kind));
    of_kind.min_by_key(|(_, fact)| (is_needed(fact, kept), fact.at)).map(|(place, _)| place)
}

/// Whether something that is kept would mean another thing without it. Whoever tells many cheap things must not make us forget
/// a dear one.
fn is_needed(fact: &Fact, kept: &[Kept]) -> bool {
    let facts = || kept.iter().map(|kept| &kept.fact);
    match &fact.says {
        Says::Paid(paid) => is_needed_payment(fact, &paid.ids, kept),
        Says::OfPayment(of) => match &**of {
            OfPayment::Part { id, of, .. } => {
                is_named(std::slice::from_ref(id), kept)
                    || facts().any(|it| {
                        let paid = it.paid().filter(|paid| paid.ids.contains(of));
                        paid.is_some_and(|paid| is_needed_payment(it, &paid.ids, kept))
                    })
            }
            OfPayment::Captured { .. } | OfPayment::Quantity { .. } => true,
        },
        // Days of grace count from the first failure since the last payment.
        Says::Failed(_) => {
            let paid = facts().filter(|it| it.paid().is_some() && it.at <= fact.at);
            let since = paid.map(|it| it.at).max();
            !facts().any(|it| {
                let is_failure = matches!(it.says, Says::Failed(_));
                is_failure && it.at < fact.at && since.is_none_or(|since| it.at >= since)
            })
        }
        Says::Described(described) => {
            // The newest tells how it stands; what a change left behind is told by what was before it.
            !facts().any(|it| it.described().is_some() && it.at > fact.at)
                || tells_a_period(fact, described, kept)
                || grace_counts_from(fact, kept)
                || described.subscribed.as_ref().is_some_and(|now| {
                    let before = facts().filter(|it| it.at < fact.at && it.subscribed().is_some());
                    let before = before.max_by_key(|it| it.at).and_then(Fact::subscribed);
                    before.is_none_or(|before| before.lines != now.lines)
                })
        }
        Says::Ordered(_) | Says::MoneyBack(_) | Says::Paused | Says::Resumed | Says::Ended => false,
    }
}

/// It is the first of the newest ones that say that a payment is missing. Before them one was made, or it ran.
fn grace_counts_from(fact: &Fact, kept: &[Kept]) -> bool {
    let is_missing =
        |fact: &Fact| fact.described().is_some_and(|it| matches!(it.standing(), Standing::PastDue));
    let is_settled = |fact: &Fact| {
        fact.paid().is_some() || fact.described().is_some_and(|it| it.runs() && it.tells_pauses())
    };
    let facts = || kept.iter().map(|kept| &kept.fact);
    let newest = facts().filter(|it| is_missing(it)).map(|it| it.at).max();
    let settled = facts().filter(|it| is_settled(it) && Some(it.at) < newest).map(|it| it.at).max();
    let first = facts().filter(|it| is_missing(it) && Some(it.at) >= settled).map(|it| it.at).min();
    is_missing(fact) && Some(fact.at) == first
}

/// It is the newest that tells the period which a proration pays for.
fn tells_a_period(fact: &Fact, described: &Described, kept: &[Kept]) -> bool {
    let Some(start) = described.record.period_start else { return false };
    let facts = || kept.iter().map(|kept| &kept.fact);
    let pays_for_it =
        |paid: &Paid| paid.scope == PaymentScope::Proration && paid.payment.starts == Some(start);
    let tells_it = |it: &Described| it.record.period_start == Some(start);
    facts().filter_map(Fact::paid).any(pays_for_it)
        && !facts().any(|it| it.at > fact.at && it.described().is_some_and(tells_it))
}

/// Money that went back names it, or it is the first that pays as long as anything does.
fn is_needed_payment(fact: &Fact, ids: &[PaymentId], kept: &[Kept]) -> bool {
    let ends = |fact: &Fact| Some((end(fact)?, std::cmp::Reverse(fact.at)));
    // A proration may be for no period: it must not take the place of one that is.
    let is_proration =
        |fact: &Fact| fact.paid().is_some_and(|paid| paid.scope == PaymentScope::Proration);
    let alike = kept.iter().filter(|kept| is_proration(&kept.fact) == is_proration(fact));
    let last = alike.filter_map(|kept| ends(&kept.fact)).max();
    let parts = kept.iter().filter_map(|kept| {
        let OfPayment::Part { id, of, .. } = kept.fact.of_payment()? else { return None };
        ids.contains(of).then_some(id)
    });
    let all: Vec<PaymentId> = ids.iter().chain(parts).cloned().collect();
    is_named(&all, kept) || (last.is_some() && ends(fact) == last)
}

fn end(fact: &Fact) -> Option<Timestamp> {
    match &fact.paid()?.covers {
        Covers::First(end) => *end,
        Covers::Later(Through::Until(end)) => Some(*end),
        Covers::Later(Through::NextPeriod { .. } | Through::Described { .. }) => None,
    }
}

fn is_named(ids: &[PaymentId], kept: &[Kept]) -> bool {
    let mut backs = kept.iter().filter_map(|kept| kept.fact.money_back());
    backs.any(|back| back.ids.iter().any(|id| ids.contains(id)))
}
