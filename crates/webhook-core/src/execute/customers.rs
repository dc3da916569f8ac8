//! The customer of an event: who else may change the user that gets their licenses, and what is remembered of them.

use std::time::Duration;

use crate::cryptlex::{ApiError, Calls, Kind};
use crate::decide::{People, Snapshot};
use crate::decide::{Plan, Step, association, found, holder, is_own, moves, user_of};
use crate::domain::clock::Clock;
use crate::domain::command::{
    Action, Command, Concern, Customer, Subject, SubjectKind, email_digest,
};
use crate::domain::deadline::{Deadline, Timing};
use crate::domain::ids::{CustomerId, EventId, Mark, SubjectId, UserId};
use crate::domain::work::Work;
use crate::execute::apply::{Settled, StopReason, Stopped};
use crate::execute::claim_scope::customer_of;
use crate::execute::look::{Look, look_again, look_at_idle, take_snapshot};
use crate::execute::report::Failure;
use crate::ledger::{KnownCustomer, Leases, Ledger, SubjectState};

/// Looks at another customer who is being worked on; each waits twice as long as the one before. Whoever waits longer keeps
/// their own customer from others.
const CLAIM_TRIES: u32 = 6;
/// Looks at Cryptlex: each claims another customer than the one before.
pub(crate) const MOST_LOOKS: u32 = 3;

/// Attempts after which a refused user is not tried again.
const REFUSALS: u32 = 3;

/// What a look at Cryptlex needs in addition to the work on a subject.
pub(crate) struct Looking<'l> {
    pub(crate) calls: &'l Calls<'l>,
    pub(crate) ledger: &'l Ledger,
    pub(crate) timing: &'l Timing,
    pub(crate) clock: &'l Clock,
    pub(crate) deadline: Deadline,
}

/// Why a look failed.
pub(crate) enum NotSeen {
    Call(ApiError),
    Ledger(Failure),
}

impl Looking<'_> {
    /// What Cryptlex shows, taken while nobody else's event may change the user that gets licenses: giving a license to a
    /// user and changing it exclude each other.
    pub(crate) async fn take(
        &self,
        work: &Work<'_>,
        look: Look,
        state: &mut SubjectState,
        known: &KnownCustomer,
        leases: &mut Leases,
    ) -> Result<Snapshot, NotSeen> {
        let calls = self.calls;
        let Some(command) = work.leading() else { return Ok(Snapshot::default()) };
        for _ in 0..MOST_LOOKS {
            let taken = take_snapshot(calls, work, look, state, known.clone()).await;
            let taken = taken.map_err(NotSeen::Call)?;
            let mut snapshot = Snapshot { capacity: self.ledger.capacity(), ..taken };
            let Some(Shared { owner, mark, user }) = shared_user(command, &snapshot.people) else {
                return Ok(snapshot);
            };
            if leases.hold(&owner) {
                let people = &mut snapshot.people;
                look_again(people, calls, &user).await.map_err(NotSeen::Call)?;
                if leases.bought_nothing(&owner) {
                    look_at_idle(people, calls, mark).await.map_err(NotSeen::Call)?;
                }
                return Ok(snapshot);
            }
            // What was seen before the claim may be old.
            let patience = patience(command, &owner);
            self.claim(&owner, &user, patience, leases).await.map_err(NotSeen::Ledger)?;
        }
        let text = format!("other deliveries keep changing the user of {}", command.subject);
        Err(NotSeen::Ledger(Failure::delayed(text, None)))
    }

    async fn claim(
        &self,
        owner: &Subject,
        user: &UserId,
        patience: u32,
        leases: &mut Leases,
    ) -> Result<(), Failure> {
        let mut pause = self.timing.poll;
        for _ in 0..patience {
            let left = self.deadline.left();
            let claim = self.ledger.claim_owner(leases, owner, user, self.clock.now());
            match tokio::time::timeout(left, claim).await {
                Ok(Ok(true)) => return Ok(()),
                Ok(Ok(false)) => {}
                Ok(Err(error)) => return Err(Failure::delayed(error.to_string(), None)),
                Err(_late) => return Err(Failure::ledger_is_late(left)),
            }
            if self.deadline.left() <= pause {
                break;
            }
            tokio::time::sleep(pause).await;
            pause = pause.saturating_mul(2);
        }
        let text = format!(
            "{owner} of {}, who shares a user with the buyer, is being worked on by another delivery",
            owner.provider
        );
        Err(Failure::delayed(text, Some(Duration::from_secs(1))))
    }
}

/// Two who want each other's customer must not wait for each other: the one that comes later in the alphabet gives way.
fn patience(command: &Command, owner: &Subject) -> u32 {
    let own = customer_of(command).map(|id| (command.subject.provider, id.as_str()));
    match own < Some((owner.provider, owner.id.as_str())) {
        true => CLAIM_TRIES,
        false => CLAIM_TRIES / 2,
    }
}

/// A user that gets licenses, and that the events of another customer may change.
struct Shared {
    owner: Subject,
    mark: Mark,
    user: UserId,
}

fn shared_user(command: &Command, people: &People) -> Option<Shared> {
    let is_own_known = people.remembered.as_ref().is_some_and(|known| known.is_own);
    let user = if command.purchase().is_some() {
        found(people).filter(|_| !is_own_known)
    } else if let Action::SyncCustomer(..) = command.action {
        holder(people).filter(|to| !moves(command.subject.provider, to, people).is_empty())
    } else {
        None
    };
    let user = user.filter(|user| user.is_plain() && !is_own(user, people))?;
    let (provider, mark) = user.only_customer()?;
    let id = SubjectId::new(mark.value()).ok()?;
    let owner = Subject { provider, kind: SubjectKind::Customer, id };
    Some(Shared { owner, mark, user: user.id.clone() })
}

/// The event that told the address of a customer of whom a purchase says the id only, if their user may have another one.
pub(crate) fn told_by(command: &Command, leases: &Leases) -> Option<EventId> {
    let known = leases.customer(customer_of(command).filter(|_| names_an_id_only(command))?);
    if known.owns_its_user() {
        return None;
    }
    known.told_by
}

fn names_an_id_only(command: &Command) -> bool {
    let Some(grant) = command.purchase() else { return false };
    grant.customer.as_ref().is_none_or(Customer::is_placeholder)
}

/// A purchase with the customer as they told themselves.
pub(crate) fn with_address(command: &Command, told: &[Command]) -> Command {
    let mut command = command.clone();
    let id = customer_of(&command).filter(|_| names_an_id_only(&command)).cloned();
    if let (Some(id), Some(grant)) = (id, command.purchase_mut()) {
        for told in told {
            if let Action::SyncCustomer(told, _) = &told.action
                && told.id.as_ref() == Some(&id)
            {
                grant.customer = Some(told.clone());
                grant.nobody = None;
            }
        }
    }
    command
}

/// A purchase that went to a placeholder although the customer's address was told: nothing but their next change would bring
/// it to them.
pub(crate) fn lost_address(
    command: &Command,
    customer: &CustomerId,
    snapshot: &Snapshot,
    leases: &Leases,
) -> Option<Concern> {
    let is_purchase = command.purchase().is_some();
    let is_told = is_purchase && leases.customer(customer).email.is_some();
    let user = found(&snapshot.people).filter(|_| is_told)?;
    user.is_placeholder().then_some(Concern::UserKept)
}

/// Whether what failed is that the remembered user is no more; then the customer is looked up again. Which status says so is
/// not documented, so the user is looked at.
pub(crate) async fn is_gone(calls: &Calls<'_>, stopped: &Stopped, people: &People) -> bool {
    let StopReason::Call(ApiError { kind: Kind::NotFound | Kind::Refused(400), .. }) =
        &stopped.cause
    else {
        return false;
    };
    let Some(known) = people.remembered.as_ref().filter(|known| known.is_own) else {
        return false;
    };
    matches!(calls.user(&known.id).await, Ok(None))
}

/// A customer's own event buys nothing. A user that Cryptlex refuses, for an address that only looks like one perhaps, is for
/// a person to look at, once it was tried some times: nobody may have an endpoint fail for days by what they type.
pub(crate) fn unless_refused(
    command: &Command,
    settled: Result<Settled, Stopped>,
    snapshot: &Snapshot,
    attempts: u32,
) -> Result<Settled, Stopped> {
    let stopped = match (&command.action, settled) {
        (Action::SyncCustomer(..), Err(stopped)) if attempts >= REFUSALS => stopped,
        (_, settled) => return settled,
    };
    // Also a name that Cryptlex writes in another way than it was told.
    let is_refusal = matches!(
        stopped.cause,
        StopReason::NoChange
            | StopReason::Call(ApiError { kind: Kind::Conflict | Kind::Refused(400), .. })
    );
    let of_a_user = |step: &Step| matches!(step, Step::CreateUser(_) | Step::ChangeUser(..));
    if !is_refusal || !stopped.missing.iter().all(of_a_user) {
        return Err(stopped);
    }
    let plan = Plan {
        state: snapshot.state.clone(),
        concern: Some(Concern::UserRefused),
        noted: Some("Cryptlex refused a user with the address or the name of the customer"),
        ..Plan::default()
    };
    Ok(Settled { plan, done: stopped.done })
}

/// Records what is known of the customer after the work on one subject, also when that work stopped.
pub(crate) fn remember(
    command: &Command,
    customer: &CustomerId,
    known: KnownCustomer,
    (snapshot, settled): (&Snapshot, &Result<Settled, Stopped>),
    leases: &mut Leases,
) {
    let people = &snapshot.people;
    // What is older than what is known tells nothing.
    if settled.as_ref().is_ok_and(|settled| settled.plan.stale)
        && matches!(command.action, Action::SyncCustomer(..))
    {
        return;
    }
    let mut now_known = known;
    if command.contact.is_some() {
        if let Some(user) = user_of(people) {
            now_known.user = Some(user.clone());
            now_known.owns_user = owns(people);
            now_known.buys(&command.subject.id);
        }
    } else if let Some(grant) = command.purchase() {
        now_known.user = user_of(people).cloned().or(now_known.user);
        now_known.owns_user = owns(people);
        now_known.buys(&command.subject.id);
        if grant.customer.as_ref().is_some_and(Customer::is_placeholder) {
            let holds = snapshot.licenses.iter().map(|license| license.id.clone());
            now_known.held_by_placeholder.extend(holds);
        }
        now_known.email = told(grant.customer.as_ref()).or(now_known.email);
    } else if let Action::SyncCustomer(customer, _) = &command.action {
        let user = association(people);
        now_known.user = user.map(|user| user.id.clone()).or(now_known.user);
        now_known.owns_user = user.is_some_and(|user| is_own(user, people));
        now_known.email = told(Some(customer)).or(now_known.email);
        if let Ok(Settled { plan, .. }) = settled {
            now_known.held_by_placeholder.clear();
            if plan.concern != Some(Concern::UserRefused) {
                now_known.told_by = Some(leases.event().clone());
            }
            if plan.concern == Some(Concern::UserKept) {
                now_known.kept_for.clone_from(&now_known.email);
            }
        }
    }
    leases.set_customer(customer, now_known);
}

/// A user that was not looked at is known as it was.
fn owns(people: &People) -> bool {
    let remembered = people.remembered.as_ref().is_some_and(|known| known.is_own);
    remembered || found(people).is_some_and(|user| is_own(user, people))
}

/// As a digest: the ledger keeps no address.
fn told(customer: Option<&Customer>) -> Option<String> {
    let customer = customer.filter(|customer| !customer.is_placeholder())?;
    Some(email_digest(customer.email.as_str()))
}
