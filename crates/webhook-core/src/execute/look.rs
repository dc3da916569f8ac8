//! Looking at what Cryptlex holds about a subject.

mod people;

use std::collections::BTreeSet;

use futures_util::future::{try_join, try_join_all};
use futures_util::stream::{self, StreamExt as _};

use crate::cryptlex::{ApiError, Calls, License};
use crate::decide::{People, Snapshot};
use crate::domain::command::{Action, Slot};
use crate::domain::fact::handed_to;
use crate::domain::ids::{LicenseId, Mark};
use crate::domain::work::Work;
use crate::ledger::{KnownCustomer, SubjectState};
use people::{buyer, person};
pub use people::{look_again, look_at_idle};

/// Where a subject's licenses are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Wherever one may be: the ledger may not know them all.
    Everywhere,
    /// Where we put them: the ledger knows them all, and we made each.
    AtOurs,
}

/// Reads what the work on one subject needs, side by side. Slots whose license is gone are removed from `state`, also when
/// another read fails.
pub async fn take_snapshot(
    calls: &Calls<'_>,
    work: &Work<'_>,
    look: Look,
    state: &mut SubjectState,
    known: KnownCustomer,
) -> Result<Snapshot, ApiError> {
    let Some(command) = work.leading() else { return Ok(Snapshot::default()) };
    let marks = &command.marks;
    let lists_all = work.commands.iter().any(|it| matches!(it.action, Action::ChangePlan(_)));
    if let Some(grant) = command.purchase() {
        let people = buyer(calls, grant.customer.as_ref(), known);
        let (licenses, people) = try_join(licenses(calls, marks, state), people).await?;
        return Ok(Snapshot { licenses, state: state.clone(), people, ..Snapshot::default() });
    }
    let (licenses, people) = match &command.action {
        Action::SyncCustomer(customer, _) => (Vec::new(), person(calls, customer, known).await?),
        _ if lists_all => {
            let owner = handed_to(state.facts.all());
            let contact = work.contact().filter(|contact| contact.id == owner);
            let people = match contact {
                Some(contact) => buyer(calls, Some(contact), known).await?,
                None => People::default(),
            };
            (licenses(calls, marks, state).await?, people)
        }
        Action::Grant(_)
        | Action::ChangePlan(_)
        | Action::Renew(_)
        | Action::PaymentFailed(_)
        | Action::Suspend(_)
        | Action::Resume(_)
        | Action::Reverse(_)
        | Action::OfPayment(_)
        | Action::End
        | Action::Note(_) => (looked_for(calls, marks, look, state).await?, People::default()),
    };
    Ok(Snapshot { licenses, state: state.clone(), people, ..Snapshot::default() })
}

/// Looks at single licenses that run side by side.
const SIDE_BY_SIDE: usize = 8;

/// A single license that is known is read by its id, several by one list under the mark that we write. One that is gone may
/// have another in its place: then everything is looked through.
async fn looked_for(
    calls: &Calls<'_>,
    marks: &[Mark],
    look: Look,
    state: &mut SubjectState,
) -> Result<Vec<License>, ApiError> {
    let known: BTreeSet<LicenseId> = state.slots.values().cloned().collect();
    match (look, known.first()) {
        (Look::AtOurs, Some(only)) if known.len() == 1 => {
            if let Some(license) = calls.license(only).await? {
                return Ok(vec![license]);
            }
            forget(state, only);
            licenses(calls, marks, state).await
        }
        // The mark that we write is the first.
        (Look::AtOurs, Some(_)) => licenses(calls, marks.get(..1).unwrap_or(marks), state).await,
        (Look::AtOurs, None) | (Look::Everywhere, _) => licenses(calls, marks, state).await,
    }
}

/// Somebody deleted it by hand, unless we did.
fn forget(state: &mut SubjectState, id: &LicenseId) {
    let of_it = state.slots.iter().filter(|(_, known)| *known == id);
    let gone: Vec<Slot> = of_it.map(|(slot, _)| slot.clone()).collect();
    state.slots.retain(|_, known| known != id);
    state.gone.extend(gone);
}

/// Licenses that lists show under the marks, and those that the ledger knows and a stale list does not show.
pub async fn licenses(
    calls: &Calls<'_>,
    marks: &[Mark],
    state: &mut SubjectState,
) -> Result<Vec<License>, ApiError> {
    let lists = try_join_all(Mark::lists(marks).map(|marks| calls.licenses_with(marks))).await?;
    let mut seen = BTreeSet::new();
    let mut all: Vec<License> =
        lists.into_iter().flatten().filter(|l| seen.insert(l.id.clone())).collect();
    let unlisted: Vec<LicenseId> =
        state.slots.values().filter(|id| !seen.contains(*id)).cloned().collect();
    let looks = unlisted.into_iter().map(async |id| (calls.license(&id).await, id));
    let mut looks = stream::iter(looks).buffer_unordered(SIDE_BY_SIDE);
    while let Some((found, id)) = looks.next().await {
        match found? {
            Some(license) => all.push(license),
            None => forget(state, &id),
        }
    }
    all.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
    Ok(all)
}
