//! The customer of an event: who else may change the user that gets their licenses, and what is remembered of them.

use std::time::Duration;

use crate::apply::{Cause, Settled, Stopped};
use crate::clock::Clock;
use crate::command::{Action, Command, Concern, Customer, Subject, SubjectKind, email_digest};
use crate::cryptlex::{ApiError, Kind, Session};
use crate::deadline::{Deadline, Timing};
use crate::ids::{CustomerId, Mark, SubjectId};
use crate::ledger::{KnownCustomer, Leases, Ledger, SubjectState};
use crate::plan::{Plan, Step, association, found, is_own, user_of};
use crate::reply::Failure;
use crate::snapshot::{People, Snapshot};

/// Looks at another customer who is being worked on; each waits twice as long as the one before.
const CLAIM_TRIES: u32 = 8;
/// Looks at Cryptlex: each claims another customer than the one before.
const MOST_LOOKS: u32 = 3;

/// Attempts after which a refused user is not tried again.
const REFUSALS: u32 = 3;

/// What a look goes by, beside the command.
pub(crate) struct Looking<'l> {
    pub(crate) session: &'l Session<'l>,
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
        command: &Command,
        state: &mut SubjectState,
        known: &KnownCustomer,
        leases: &mut Leases,
    ) -> Result<Snapshot, NotSeen> {
        let session = self.session;
        for _ in 0..MOST_LOOKS {
            let taken = Snapshot::take(session, command, state, known.clone()).await;
            let taken = taken.map_err(NotSeen::Call)?;
            let mut snapshot = Snapshot { capacity: self.ledger.capacity(), ..taken };
            let Some((owner, mark)) = other_owner(command, &snapshot.people) else {
                return Ok(snapshot);
            };
            if leases.hold(&owner) {
                if leases.bought_nothing(&owner) && buys(command, &snapshot.people) {
                    let idle = snapshot.people.look_at_idle(session, mark).await;
                    idle.map_err(NotSeen::Call)?;
                }
                return Ok(snapshot);
            }
            // What was seen before the claim may be old.
            self.claim_owner(&owner, leases).await.map_err(NotSeen::Ledger)?;
        }
        let text = format!("the user of {} changes hands again and again", command.subject);
        Err(NotSeen::Ledger(Failure::delayed(text, None)))
    }

    async fn claim_owner(&self, owner: &Subject, leases: &mut Leases) -> Result<(), Failure> {
        let mut pause = self.timing.poll;
        let busy = || {
            let text = format!(
                "{owner} of {}, who shares a user with the buyer, is being worked on by another delivery",
                owner.provider
            );
            Failure::delayed(text, Some(Duration::from_secs(1)))
        };
        for _ in 0..CLAIM_TRIES {
            let left = self.deadline.left();
            let claim = self.ledger.claim_owner(leases, owner, self.clock.now());
            match tokio::time::timeout(left, claim).await {
                Ok(Ok(true)) => return Ok(()),
                Ok(Ok(false)) => {}
                Ok(Err(error)) => return Err(Failure::delayed(error.to_string(), None)),
                Err(_late) => return Err(Failure::delayed("ledger: no answer in time", None)),
            }
            if self.deadline.left() <= pause {
                return Err(busy());
            }
            tokio::time::sleep(pause).await;
            pause = pause.saturating_mul(2);
        }
        Err(busy())
    }
}

/// The customer, other than the event's own, whose events may change the user that gets licenses.
fn other_owner(command: &Command, people: &People) -> Option<(Subject, Mark)> {
    let gets_licenses = match &command.action {
        Action::Grant(_) => people.remembered.as_ref().is_none_or(|known| !known.is_own),
        Action::SyncCustomer(..) => buys(command, people),
        Action::Renew(_)
        | Action::PaymentFailed
        | Action::Suspend(_)
        | Action::Resume(_)
        | Action::Reverse(_)
        | Action::ChangePlan(_)
        | Action::End
        | Action::Note(_) => false,
    };
    let user = found(people).filter(|user| gets_licenses && user.is_plain())?;
    let (provider, mark) = user.only_customer().filter(|_| !is_own(user, people))?;
    let id = SubjectId::new(mark.value()).ok()?;
    Some((Subject { provider, kind: SubjectKind::Customer, id }, mark))
}

/// Whether the customer buys, or bought before: then the user of their address may become theirs.
fn buys(command: &Command, people: &People) -> bool {
    matches!(command.action, Action::Grant(_))
        || !people.bought.is_empty()
        || people.by_mark.iter().any(crate::cryptlex::User::is_placeholder)
}

/// Whether what failed is that the remembered user is no more; then the customer is looked up again. Which status says so is
/// not documented, so the user is looked at.
pub(crate) async fn is_gone(session: &Session<'_>, stopped: &Stopped, people: &People) -> bool {
    let Cause::Call(ApiError { kind: Kind::NotFound | Kind::Refused(400), .. }) = &stopped.cause
    else {
        return false;
    };
    let Some(known) = people.remembered.as_ref().filter(|known| known.is_own) else {
        return false;
    };
    matches!(session.user(&known.id).await, Ok(None))
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
    let is_refusal = matches!(
        stopped.cause,
        Cause::Call(ApiError { kind: Kind::Conflict | Kind::Refused(400), .. })
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

/// What is known of the customer after a command, whatever it came to, and whether another customer lost their user to them.
pub(crate) fn remember(
    command: &Command,
    customer: &CustomerId,
    known: KnownCustomer,
    snapshot: &Snapshot,
    done: &[Step],
    leases: &mut Leases,
) {
    let people = &snapshot.people;
    let mut now_known = known;
    match &command.action {
        Action::Grant(grant) => {
            now_known.user = user_of(people).cloned().or(now_known.user);
            now_known.owns_user = owns(people);
            now_known.buys(&command.subject.id);
            if grant.customer.as_ref().is_some_and(Customer::is_stand_in) {
                let holds = snapshot.licenses.iter().map(|license| license.id.clone());
                now_known.held_by_stand_in.extend(holds);
            }
            now_known.email = told(grant.customer.as_ref()).or(now_known.email);
        }
        Action::SyncCustomer(customer, _) => {
            let user = association(people);
            now_known.user = user.map(|user| user.id.clone()).or(now_known.user);
            now_known.owns_user = user.is_some_and(|user| is_own(user, people));
            now_known.email = told(Some(customer)).or(now_known.email);
        }
        Action::Renew(_)
        | Action::PaymentFailed
        | Action::Suspend(_)
        | Action::Resume(_)
        | Action::Reverse(_)
        | Action::ChangePlan(_)
        | Action::End
        | Action::Note(_) => {}
    }
    leases.set_customer(customer, now_known);
    let changed = |step: &Step| matches!(step, Step::ChangeUser(..));
    if people.idle.is_some() && done.iter().any(changed) {
        leases.owners_lose_their_user();
    }
}

/// A user that was not looked at is known as it was.
fn owns(people: &People) -> bool {
    let remembered = people.remembered.as_ref().is_some_and(|known| known.is_own);
    remembered || found(people).is_some_and(|user| is_own(user, people))
}

/// As a digest: the ledger keeps no address.
fn told(customer: Option<&Customer>) -> Option<String> {
    let customer = customer.filter(|customer| !customer.is_stand_in())?;
    Some(email_digest(customer.email.as_str()))
}
