//! From what an event says to what is to be done: whether anybody must look at Cryptlex, and the next steps if so.

use std::borrow::Cow;

use super::fold::fold;
use super::plan::{Plan, Refused};
use super::snapshot::Snapshot;
use super::{customer, diff, verdict};
use crate::domain::command::{Action, Subject};
use crate::domain::entitlement::{Entitlements, Purchase, Seat};
use crate::domain::fact::Fact;
use crate::domain::ids::EventId;
use crate::domain::policy::{AtTheEnd, Policy};
use crate::domain::work::Work;
use crate::ledger::SubjectState;

/// What the facts of a subject call for, and what they called for before: in between, Cryptlex may show any of it.
#[derive(Debug, Clone, Default)]
pub struct Owed {
    wanted: Entitlements,
    before: Vec<Entitlements>,
}

impl Owed {
    /// Each of them is folded once, however often Cryptlex is looked at.
    pub fn of(subject: &Subject, state: &SubjectState, policy: &Policy) -> Self {
        let wanted = fold(subject, state.facts.all(), policy);
        Self { wanted, before: diff::states_of(subject, state, policy) }
    }

    /// What the facts would call for had the event not been told.
    fn without(
        &self,
        work: &Work<'_>,
        state: &SubjectState,
        policy: &Policy,
    ) -> Cow<'_, Entitlements> {
        let is_own =
            |fact: &&Fact| work.facts.iter().any(|own| own.at == fact.at && own.says == fact.says);
        let others = || state.facts.all().filter(|fact| !is_own(fact));
        // Mostly the event is the newest commit, and nothing made way for it: what was known before was folded before.
        if let (Some(before), Some(known)) = (self.before.last(), state.facts.before_the_newest())
            && known.map(std::ptr::from_ref).eq(others().map(std::ptr::from_ref))
        {
            return Cow::Borrowed(before);
        }
        Cow::Owned(fold(&work.subject, others(), policy))
    }

    /// How many licenses are paid for.
    pub fn seats(&self) -> usize {
        self.wanted.seats.len()
    }
}

/// The next steps for an event about what the snapshot shows.
pub fn plan(
    work: &Work<'_>,
    owed: &Owed,
    snapshot: &Snapshot,
    policy: &Policy,
) -> Result<Plan, Refused> {
    for command in &work.commands {
        if let Action::SyncCustomer(customer, address) = &command.action {
            let provider = work.subject.provider;
            return Ok(customer::plan(provider, customer, *address, work.at, snapshot));
        }
    }
    let Owed { wanted, before } = owed;
    let asked = diff::Asked {
        subject: &work.subject,
        grant: work.purchase(),
        is_purchase: work.grant().is_some(),
        contact: work.contact(),
        own: &work.facts,
    };
    let plan = diff::plan(&asked, wanted, before, snapshot, policy)?;
    // Until nothing is left to do there is nothing to be said of it.
    if !plan.steps.is_empty() {
        return Ok(plan);
    }
    let without = owed.without(work, &snapshot.state, policy);
    verdict::of(work, (&without, wanted), plan, snapshot, policy)
}

/// The plan of an event for which nobody needs to look.
pub fn unlooked(
    work: &Work<'_>,
    owed: &Owed,
    snapshot: &Snapshot,
    policy: &Policy,
) -> Result<Plan, Refused> {
    let plan = Plan { state: snapshot.state.clone(), ..Plan::default() };
    let without = owed.without(work, &snapshot.state, policy);
    let plan = verdict::of(work, (&without, &owed.wanted), plan, snapshot, policy)?;
    Ok(Plan { is_unlooked: true, ..plan })
}

/// The event that alone tells who buys what its subject still lacks, if this one does not.
pub fn lacks_its_buyer<'s>(
    work: &Work<'_>,
    Owed { wanted, before }: &Owed,
    state: &'s SubjectState,
) -> Option<&'s EventId> {
    if work.purchase().is_some() || work.facts.is_empty() {
        return None;
    }
    let is_end = |before: &Entitlements| before.the_end == AtTheEnd::Delete;
    let may_be_deleted = state.deleted || before.iter().any(is_end);
    if !state.slots.is_empty() && !may_be_deleted {
        return None;
    }
    let is_due = |seat: &Seat| {
        let is_gone = !may_be_deleted && state.gone.contains(&seat.slot);
        seat.mapping.is_some() && !seat.is_spare && !is_gone
    };
    if !wanted.is_bought() || wanted.over.is_some() || !wanted.seats.iter().any(is_due) {
        return None;
    }
    let told = state.facts.all().filter(|fact| fact.ordered().is_some());
    told.map(|fact| &fact.event).next()
}

/// Whether a plan needs the present licenses at Cryptlex. If the facts call for nothing new, it does not.
pub fn needs_a_look(work: &Work<'_>, owed: &Owed, state: &SubjectState) -> bool {
    if work.is_of_a_customer() {
        return true;
    }
    if work.facts.is_empty() {
        return false;
    }
    let Owed { wanted, before } = owed;
    // What a purchase still lacks, its own event makes.
    let is_lacking = || wanted.seats.iter().any(|seat| !state.slots.contains_key(&seat.slot));
    let is_unserved = work.grant().is_some() && wanted.over.is_none() && is_lacking();
    let tells_lines = work.facts.iter().any(|fact| {
        fact.ordered().is_some() || fact.described().is_some_and(|it| it.subscribed.is_some())
    });
    // Whether there is a license of it, the facts do not tell.
    let is_unknown =
        wanted.purchase == Purchase::Unknown || (wanted.names_nothing && state.slots.is_empty());
    let pays_for_unknown = is_unknown && work.facts.iter().any(|fact| fact.paid().is_some());
    is_unserved
        || pays_for_unknown
        || (tells_lines && !wanted.unmapped.is_empty())
        || before.iter().any(|before| before != wanted)
}
