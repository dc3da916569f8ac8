//! How many calls of Cryptlex an event will need, and whose turn is before its own: from what it asks for and what the ledger
//! knows, before anything is asked.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::about::customer_of;
use crate::command::{Action, Command, Customer, Grant, Line, QuantityMeans};
use crate::config::Policy;
use crate::cryptlex::{Rank, Turn};
use crate::ids::LicenseId;
use crate::ledger::{Known, SubjectState};
use crate::plan::needs_a_look;

/// Of a list of licenses.
const PAGE: usize = 100;
/// A customer is looked up by e-mail and mark, the licenses of their users are read before and after one user is changed or
/// made.
const OF_A_CUSTOMER: usize = 7;

/// The turn of an event of this time.
pub(crate) fn turn(commands: &[Command], at: Timestamp, known: Known<'_>, policy: &Policy) -> Turn {
    let calls = commands
        .iter()
        .fold(0, |sum: usize, command| sum.saturating_add(calls(command, known, policy)));
    let rank = match known.was_begun() {
        true => Rank::Begun,
        false => rank(commands),
    };
    Turn { rank, at, calls }
}

/// As far as the event itself tells.
pub(crate) fn rank(commands: &[Command]) -> Rank {
    let is_purchase = |command: &Command| matches!(command.action, Action::Grant(_));
    match commands.iter().any(is_purchase) {
        true => Rank::Purchase,
        false => Rank::Rest,
    }
}

fn calls(command: &Command, known: Known<'_>, policy: &Policy) -> usize {
    let unknown = SubjectState::default();
    let state = known.state(&command.subject).unwrap_or(&unknown);
    if !needs_a_look(&command.action, state, policy) {
        return 0;
    }
    let licenses = state.slots.values().collect::<BTreeSet<&LicenseId>>().len();
    let every_list = command.marks.len().saturating_mul(pages(licenses));
    // A change of each, at least of one that nobody knows yet.
    let each = licenses.max(1);
    match &command.action {
        Action::Grant(grant) => {
            let wanted = bought(&grant.lines, policy);
            let made = wanted.saturating_sub(licenses).max(1);
            every_list.saturating_add(of_the_buyer(command, grant, known)).saturating_add(made)
        }
        Action::ChangePlan(subscribed) => {
            every_list.saturating_add(bought(&subscribed.lines, policy).max(each))
        }
        Action::Renew(_)
        | Action::PaymentFailed(_)
        | Action::Suspend(_)
        | Action::Resume(_)
        | Action::Reverse(_)
        | Action::End => {
            let look = match known.all_ours(&command.subject) {
                true => pages(licenses),
                false => every_list,
            };
            look.saturating_add(each)
        }
        Action::SyncCustomer(..) => OF_A_CUSTOMER,
        Action::OfPayment(_) | Action::Note(_) => 0,
    }
}

/// A list is read to its end: a full page has another one after it.
fn pages(licenses: usize) -> usize {
    (licenses / PAGE).saturating_add(1)
}

/// Who is not known is looked up, and made where nobody is found.
fn of_the_buyer(command: &Command, grant: &Grant, known: Known<'_>) -> usize {
    let is_known = customer_of(command).is_some_and(|id| known.owns_user(id));
    let look = |customer: &Customer| {
        let by_mark = usize::from(customer.is_stand_in());
        customer.email.spellings().len().saturating_add(by_mark).saturating_add(1)
    };
    grant.customer.as_ref().filter(|_| !is_known).map_or(0, look)
}

/// How many licenses the lines buy.
fn bought(lines: &[Line], policy: &Policy) -> usize {
    let of_line = |line: &Line| match line.quantity_means.unwrap_or(policy.quantity_means) {
        QuantityMeans::Licenses => usize::try_from(line.quantity).unwrap_or(usize::MAX),
        QuantityMeans::One | QuantityMeans::Activations => 1,
    };
    lines.iter().map(of_line).fold(0, usize::saturating_add)
}
