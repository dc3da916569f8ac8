//! Which facts are dropped where there is no room for all: the oldest that nothing rests on.

use super::set::Leaving;
use super::stored::bytes;
use super::worth::worths;
use super::{Fact, Kept, Role, Says};
use crate::domain::command::OfPayment;

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

/// The oldest of the cheapest.
fn oldest(kind: Kind, kept: &[Kept]) -> Option<usize> {
    let worths = worths(kept);
    let facts = kept.iter().map(|kept| &kept.fact).zip(worths).enumerate();
    let of_kind = facts.filter(|(_, (fact, _))| Kind::of(&fact.says) == Some(kind));
    of_kind.min_by_key(|(_, (fact, worth))| (*worth, fact.at)).map(|(place, _)| place)
}
