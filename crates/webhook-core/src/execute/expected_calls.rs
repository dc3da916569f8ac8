//! How many calls of Cryptlex an event will need, and whose turn is before its own: from what it asks for and what the ledger
//! knows, before anything is asked.

use std::collections::BTreeSet;

use crate::cryptlex::{Rank, Turn};
use crate::decide::{Owed, needs_a_look};
use crate::domain::command::{Action, Command, Customer, Grant};
use crate::domain::ids::{LicenseId, Mark};
use crate::domain::policy::Policy;
use crate::domain::work::Work;
use crate::execute::claim_scope::customer_of;
use crate::ledger::{Known, SubjectState};

/// Of a list of licenses.
const PAGE: usize = 100;
/// A customer is looked up by e-mail and mark, the licenses of their users are read before and after one user is changed or
/// made.
const OF_A_CUSTOMER: usize = 7;

/// What each subject of an event is owed, with what the event says.
pub(crate) fn owed(works: &[Work<'_>], known: Known<'_>, policy: &Policy) -> Vec<Owed> {
    let unknown = SubjectState::default();
    let owed = |work: &Work<'_>| {
        Owed::of(&work.subject, known.state(&work.subject).unwrap_or(&unknown), policy)
    };
    works.iter().map(owed).collect()
}

/// The turn of an event.
pub(crate) fn turn(works: &[Work<'_>], owed: &[Owed], known: Known<'_>) -> Turn {
    let at = works.first().map(|work| work.at).unwrap_or_default();
    let calls = works.iter().zip(owed).map(|(work, owed)| calls(work, owed, known));
    let calls = calls.fold(0, usize::saturating_add);
    let rank = match known.was_begun() {
        true => Rank::Begun,
        false => rank(works.iter().flat_map(|work| work.commands.iter().copied())),
    };
    Turn { rank, at, calls }
}

/// As far as the event itself tells.
pub(crate) fn rank<'c>(mut commands: impl Iterator<Item = &'c Command>) -> Rank {
    match commands.any(|command| matches!(command.action, Action::Grant(_))) {
        true => Rank::Purchase,
        false => Rank::Rest,
    }
}

fn calls(work: &Work<'_>, owed: &Owed, known: Known<'_>) -> usize {
    let unknown = SubjectState::default();
    let state = known.state(&work.subject).unwrap_or(&unknown);
    let Some(command) = work.leading().filter(|_| needs_a_look(work, owed, state)) else {
        return 0;
    };
    if work.is_of_a_customer() {
        return OF_A_CUSTOMER;
    }
    let licenses = state.slots.values().collect::<BTreeSet<&LicenseId>>().len();
    let lists = Mark::lists(&command.marks).count();
    let every_list = lists.saturating_mul(pages(licenses));
    // A change of each, at least of one that nobody knows yet.
    let each = licenses.max(1);
    let made = owed.seats().saturating_sub(licenses);
    if let Some(grant) = work.purchase() {
        let made = made.max(1);
        return every_list.saturating_add(of_the_buyer(command, grant, known)).saturating_add(made);
    }
    let lists_all = work.commands.iter().any(|it| matches!(it.action, Action::ChangePlan(_)));
    let look = match known.all_ours(&work.subject) && !lists_all {
        true => pages(licenses),
        false => every_list,
    };
    look.saturating_add(each.max(made))
}

/// A list is read to its end: a full page has another one after it.
fn pages(licenses: usize) -> usize {
    (licenses / PAGE).saturating_add(1)
}

/// Who is not known is looked up, and made where nobody is found.
fn of_the_buyer(command: &Command, grant: &Grant, known: Known<'_>) -> usize {
    let is_known = customer_of(command).is_some_and(|id| known.owns_user(id));
    let look = |customer: &Customer| {
        let by_mark = usize::from(customer.is_placeholder());
        customer.email.spellings().len().saturating_add(by_mark).saturating_add(1)
    };
    grant.customer.as_ref().filter(|_| !is_known).map_or(0, look)
}
