//! What an event is about, and what is remembered of it whatever its commands come to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::domain::command::{
    Action, Command, Customer, CustomerChange, Grant, Note, NoteEffect, OfPayment, Subject,
    SubjectKind,
};
use crate::domain::fact::Fact;
use crate::domain::ids::{CustomerId, SubjectId};
use crate::domain::work::Work;
use crate::ledger::{ClaimScope, KnownCustomer, Leases, Paid};

/// Whatever must not be worked on by two: the subjects, and the customer who buys. Also the customers whose users are worth
/// remembering.
pub(crate) fn claim_scope(commands: &[Command], works: &[Work<'_>]) -> ClaimScope {
    let mut subjects: BTreeSet<Subject> =
        commands.iter().map(|command| command.subject.clone()).collect();
    // Also for the user: only the customer's own events change it, and their purchases give it licenses.
    let buys = |command: &&Command| command.locks_customer || command.purchase().is_some();
    subjects.extend(commands.iter().filter(buys).filter_map(buyer));
    let customers = commands.iter().filter_map(customer_of).cloned().collect();
    let (mut paid, mut waits) = (BTreeMap::new(), BTreeMap::new());
    for command in commands {
        let Subject { kind, id, .. } = command.subject.clone();
        for payment in &command.payments {
            let known: &mut Vec<Paid> = paid.entry(payment.clone()).or_default();
            known.push(Paid { kind, id: id.clone() });
        }
    }
    for (ids, fact) in works.iter().flat_map(|work| work.told_of_unknown_payments()) {
        for id in ids {
            let known: &mut Vec<Fact> = waits.entry(id.clone()).or_default();
            known.push(fact.clone());
        }
    }
    let would_buy = |command: &&Command| command.would_be_a_purchase();
    let unseen = commands.iter().filter(would_buy).map(|it| it.subject.clone()).collect();
    let told = works.iter().map(|work| (work.subject.clone(), Arc::clone(&work.facts)));
    let facts = told.collect();
    ClaimScope { subjects, customers, paid, waits, unseen, facts }
}

/// The customer as a subject: the one whom the command names, else the one whom the subscription names.
fn buyer(command: &Command) -> Option<Subject> {
    let recorded = command.record.as_ref().and_then(|record| record.customer.as_ref());
    let id = SubjectId::new(customer_of(command).or(recorded)?.as_str()).ok()?;
    Some(Subject { provider: command.subject.provider, kind: SubjectKind::Customer, id })
}

pub(crate) fn customer_of(command: &Command) -> Option<&CustomerId> {
    if let Action::Note(Note { effect: NoteEffect::Customer(id, _), .. }) = &command.action {
        return Some(id);
    }
    if let Some(Grant { nobody: Some(unknown), .. }) = command.purchase() {
        return unknown.id.as_ref();
    }
    if let Action::ChangePlan(_) = &command.action {
        return command.contact.as_ref()?.id.as_ref();
    }
    if let Some(grant) = command.purchase() {
        return grant.customer.as_ref()?.id.as_ref();
    }
    described(&command.action)?.id.as_ref()
}

/// The customer as a purchase, or their own event, describes them.
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
pub(crate) fn write_down(command: &Command, leases: &mut Leases) {
    if let Action::OfPayment(OfPayment::Part { id, of, .. }) = &command.action {
        leases.link(id.clone(), of.clone());
    }
    let Action::Note(note) = &command.action else { return };
    match &note.effect {
        NoteEffect::Nothing | NoteEffect::Undelivered(_) => {}
        NoteEffect::Customer(customer, change) => {
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
