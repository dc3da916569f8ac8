//! What an event is about, and what is remembered of it whatever its commands come to.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::command::{
    Action, Command, Customer, CustomerChange, Grant, Keeps, Note, Pays, Period, Renew, Subject,
    SubjectKind, Through,
};
use crate::ids::{CustomerId, SubjectId};
use crate::ledger::{About, KnownCustomer, Leases, Paid};

/// Whatever must not be worked on by two: the subjects, and the customer who buys. Also the customers whose users are worth
/// remembering.
pub(crate) fn concerned(commands: &[Command]) -> About {
    let mut subjects: BTreeSet<Subject> =
        commands.iter().map(|command| command.subject.clone()).collect();
    // Also for the user: only the customer's own events change it, and their purchases give it licenses.
    let buys = |command: &&Command| command.for_an_id || matches!(command.action, Action::Grant(_));
    subjects.extend(commands.iter().filter(buys).filter_map(buyer));
    let customers = commands.iter().filter_map(customer_of).cloned().collect();
    let payments = commands.iter().flat_map(|command| command.payments.iter().cloned()).collect();
    About { subjects, customers, payments }
}

/// The subject of the customer himself.
fn buyer(command: &Command) -> Option<Subject> {
    let recorded = command.record.as_ref().and_then(|record| record.customer.as_ref());
    let id = SubjectId::new(customer_of(command).or(recorded)?.as_str()).ok()?;
    Some(Subject { provider: command.subject.provider, kind: SubjectKind::Customer, id })
}

pub(crate) fn customer_of(command: &Command) -> Option<&CustomerId> {
    if let Action::Note(Note { keeps: Keeps::Customer(id, _), .. }) = &command.action {
        return Some(id);
    }
    if let Action::Grant(Grant { nobody: Some(unknown), .. }) = &command.action {
        return unknown.id.as_ref();
    }
    described(&command.action)?.id.as_ref()
}

/// The customer as a purchase or he himself tells of him.
fn described(action: &Action) -> Option<&Customer> {
    match action {
        Action::Grant(grant) => grant.customer.as_ref(),
        Action::SyncCustomer(customer, _) => Some(customer),
        Action::Renew(_)
        | Action::PaymentFailed(_)
        | Action::Suspend(_)
        | Action::Resume(_)
        | Action::Reverse(_)
        | Action::ChangePlan(_)
        | Action::End
        | Action::OfPayment(_)
        | Action::Note(_) => None,
    }
}

/// What is remembered of an event whatever its commands come to.
pub(crate) fn write_down(command: &Command, at: Timestamp, leases: &mut Leases) {
    if let Some(record) = &command.record {
        let mut state = leases.state(&command.subject);
        if state.record.as_ref().is_none_or(|(newest, _)| *newest <= at) {
            state.record = Some((at, record.clone()));
            leases.set_state(&command.subject, state);
        }
    }
    for payment in &command.payments {
        let (through, pays) = match &command.action {
            Action::Grant(grant) => (grant.paid_through, grant.pays),
            Action::Renew(Renew { through: Through::Until(end), pays, .. }) => (Some(*end), *pays),
            Action::Renew(Renew {
                through: Through::NextPeriod { .. } | Through::Described { .. },
                pays,
                ..
            }) => (None, *pays),
            Action::PaymentFailed(_)
            | Action::Suspend(_)
            | Action::Resume(_)
            | Action::Reverse(_)
            | Action::ChangePlan(_)
            | Action::End
            | Action::SyncCustomer(..)
            | Action::OfPayment(_)
            | Action::Note(_) => (None, Pays::Beside),
        };
        let Subject { kind, id, .. } = command.subject.clone();
        let (period, beside) = (Period { at, through }, pays != Pays::ForThePeriod);
        leases.paid(payment, Paid { kind, id, period, beside });
    }
    let Action::Note(note) = &command.action else { return };
    match &note.keeps {
        Keeps::Nothing | Keeps::Undelivered(_) => {}
        Keeps::Link { payment, same_as } => leases.link(payment.clone(), same_as.clone()),
        Keeps::Customer(customer, change) => {
            let mut known = leases.customer(customer);
            match change {
                // What they bought tells whether somebody else may have their user.
                CustomerChange::Forgotten => {
                    let KnownCustomer { bought, shared, waiting, .. } = known;
                    known =
                        KnownCustomer { bought, shared, waiting, deleted: true, ..<_>::default() };
                }
                CustomerChange::Pays(method) => known.pays_by = Some(method.clone()),
                CustomerChange::PaysNoMore(method) => {
                    known.pays_by = known.pays_by.filter(|known| known != method);
                }
            }
            leases.set_customer(customer, known);
        }
    }
}
