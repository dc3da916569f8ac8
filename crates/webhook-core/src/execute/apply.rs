//! Carrying out what `plan` names, until it names nothing any more.
//!
//! A write that failed is judged by what Cryptlex shows, never by a guess: after an error that was answered we look
//! and try once more; where no answer came we look, and without the effect its outcome is unknown.

use std::collections::{HashSet, VecDeque};

use crate::cryptlex::{ApiError, Calls, Certainty, Kind, License, LicenseChange, NewUser, User};
use crate::decide::Snapshot;
use crate::decide::{Owed, Plan, Refused, Step, plan};
use crate::domain::command::Subject;
use crate::domain::ids::{LicenseId, Mark};
use crate::domain::interval::same_second;
use crate::domain::policy::Policy;
use crate::domain::work::Work;
use crate::execute::look::licenses;
use crate::ledger::SubjectState;
use crate::providers::marks::SLOT_KEY;
use futures_util::stream::{FuturesUnordered, StreamExt as _};

/// Steps under way at the same time; each is about another license or user.
const SIDE_BY_SIDE: usize = 8;
/// Each round does something that was not done before; the largest purchase takes far fewer.
const MOST_ROUNDS: usize = 1_000;

/// Work on one subject whose effect is complete at Cryptlex.
#[derive(Debug, Default)]
pub struct Settled {
    /// The last plan: without steps, with what to remember.
    pub plan: Plan,
    /// What was done for it.
    pub done: Vec<Step>,
}

/// Work on one subject that could not be finished. What was done stays done.
#[derive(Debug)]
pub struct Stopped {
    /// Why.
    pub cause: StopReason,
    /// What was done before.
    pub done: Vec<Step>,
    /// What was not, or not for certain.
    pub missing: Vec<Step>,
}

/// Why work on a subject stopped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StopReason {
    /// A call failed.
    #[error("{0}")]
    Call(ApiError),
    /// A write may still have its effect.
    #[error("{0}; the next delivery looks whether it had an effect")]
    Unknown(ApiError),
    /// The event cannot be carried out as things are.
    #[error("{0}")]
    Refused(Refused),
    /// Somebody else made the user with the customer's address.
    #[error("another delivery made a user with the customer's address at the same time")]
    Faster,
    /// Cryptlex said yes and shows no change.
    #[error(
        "Cryptlex accepted a change, and its license does not show it: look at the license in Cryptlex"
    )]
    NoChange,
}

impl std::fmt::Display for Stopped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.cause)?;
        let names: Vec<String> = self.missing.iter().take(5).map(ToString::to_string).collect();
        match (self.done.len(), names.is_empty()) {
            (_, true) => Ok(()),
            (done, false) => write!(f, " (steps done: {done}; not done: {})", names.join(", ")),
        }
    }
}

/// Plans and applies until nothing is left to do.
pub async fn settle(
    calls: &Calls<'_>,
    work: &Work<'_>,
    owed: &Owed,
    snapshot: &mut Snapshot,
    policy: &Policy,
) -> Result<Settled, Stopped> {
    let mut done: Vec<Step> = Vec::new();
    let mut names: HashSet<String> = HashSet::new();
    for _ in 0..MOST_ROUNDS {
        let next = match plan(work, owed, snapshot, policy) {
            Ok(next) => next,
            Err(refused) => {
                return Err(Stopped {
                    cause: StopReason::Refused(refused),
                    done,
                    missing: Vec::new(),
                });
            }
        };
        if next.steps.is_empty() {
            return Ok(Settled { plan: next, done });
        }
        names.extend(done.iter().skip(names.len()).map(ToString::to_string));
        if next.steps.iter().any(|step| names.contains(&step.to_string())) {
            return Err(Stopped { cause: StopReason::NoChange, done, missing: next.steps });
        }
        // Where a license ended before grace is shown only until it is moved.
        snapshot.state.before_grace = snapshot.state.before_grace.or(next.state.before_grace);
        snapshot.state.revoked.extend(next.state.revoked.clone());
        snapshot.state.deleted |= next.state.deleted;
        let about = work.leading().map(|command| (&command.subject, command.marks.as_slice()));
        let about = about.unwrap_or((&work.subject, &[]));
        if let Some((cause, missing)) =
            side_by_side(calls, about, next.steps, snapshot, &mut done).await
        {
            return Err(Stopped { cause, done, missing });
        }
    }
    Err(Stopped { cause: StopReason::NoChange, done, missing: Vec::new() })
}

/// The first failure lets what is under way finish and starts nothing more.
async fn side_by_side(
    calls: &Calls<'_>,
    (subject, marks): (&Subject, &[Mark]),
    steps: Vec<Step>,
    snapshot: &mut Snapshot,
    done: &mut Vec<Step>,
) -> Option<(StopReason, Vec<Step>)> {
    let mut waiting = VecDeque::from(steps);
    let mut under_way = FuturesUnordered::new();
    let mut missing = Vec::new();
    let mut failure: Option<StopReason> = None;
    loop {
        while under_way.len() < SIDE_BY_SIDE && failure.is_none() {
            let Some(step) = waiting.pop_front() else {
                break;
            };
            under_way.push(async {
                let result = carry_out(calls, &step, marks).await;
                (step, result)
            });
        }
        let Some((step, result)) = under_way.next().await else {
            break;
        };
        match result {
            Ok(effect) => {
                let license = effect.license().or(step.license()).map(LicenseId::as_str);
                tracing::info!(subject = %subject, license.id = license, "{subject}: {step}");
                effect.absorbed_by(snapshot, &step);
                done.push(step);
            }
            Err(cause) => {
                missing.push(step);
                // That something is unknown outweighs whatever else went wrong.
                let unknown = matches!(cause, StopReason::Unknown(_));
                if unknown || failure.is_none() {
                    failure = Some(cause);
                }
            }
        }
    }
    missing.extend(waiting);
    failure.map(|cause| (cause, missing))
}

enum Effect {
    License(Box<License>),
    Gone(LicenseId),
    User(Box<User>),
    /// With what the list shows for the user once it is changed.
    Changed(Box<User>, Vec<License>),
}

impl Effect {
    fn license(&self) -> Option<&LicenseId> {
        match self {
            Self::License(license) => Some(&license.id),
            Self::Gone(id) => Some(id),
            Self::User(_) | Self::Changed(..) => None,
        }
    }

    fn absorbed_by(self, snapshot: &mut Snapshot, step: &Step) {
        match self {
            Self::License(license) => {
                // Known from now on, however late a list shows it.
                if let Step::CreateLicense(blank) = step {
                    snapshot.state.slots.insert(blank.slot.clone(), license.id.clone());
                }
                snapshot.absorb_license(*license);
            }
            Self::Gone(id) => snapshot.forget_license(&id),
            Self::User(user) => {
                snapshot.people.made = Some(user.id.clone());
                snapshot.absorb_user(*user);
            }
            Self::Changed(user, licenses) => snapshot.absorb_change(*user, licenses),
        }
    }
}

async fn carry_out(calls: &Calls<'_>, step: &Step, marks: &[Mark]) -> Result<Effect, StopReason> {
    let first = match write(calls, step).await {
        Ok(effect) => return Ok(effect),
        Err(error) => error,
    };
    match first.certainty() {
        Certainty::NotDone if somebody_was_faster(step, &first) => {
            found_or(calls, step, marks, StopReason::Call(first)).await
        }
        Certainty::NotDone => Err(StopReason::Call(first)),
        Certainty::Unknown => found_or(calls, step, marks, StopReason::Unknown(first)).await,
        Certainty::Answered => match look(calls, step, marks).await {
            Ok(Some(effect)) => Ok(effect),
            Ok(None) => once_more(calls, step, marks).await,
            Err(_cannot_look) => Err(StopReason::Unknown(first)),
        },
    }
}

async fn once_more(calls: &Calls<'_>, step: &Step, marks: &[Mark]) -> Result<Effect, StopReason> {
    let second = match write(calls, step).await {
        Ok(effect) => return Ok(effect),
        Err(error) => error,
    };
    match second.certainty() {
        Certainty::NotDone if somebody_was_faster(step, &second) => {
            found_or(calls, step, marks, StopReason::Call(second)).await
        }
        Certainty::NotDone => Err(StopReason::Call(second)),
        Certainty::Unknown => found_or(calls, step, marks, StopReason::Unknown(second)).await,
        Certainty::Answered => match look(calls, step, marks).await {
            Ok(Some(effect)) => Ok(effect),
            Ok(None) => Err(StopReason::Call(second)),
            Err(_cannot_look) => Err(StopReason::Unknown(second)),
        },
    }
}

/// The effect, if Cryptlex shows it. If another user has the address by now, `Faster`: look first whose user that is.
async fn found_or(
    calls: &Calls<'_>,
    step: &Step,
    marks: &[Mark],
    otherwise: StopReason,
) -> Result<Effect, StopReason> {
    match look(calls, step, marks).await {
        Ok(Some(effect)) => Ok(effect),
        Ok(None) if is_taken(calls, step).await => Err(StopReason::Faster),
        Ok(None) | Err(_) => Err(otherwise),
    }
}

/// A refused creation may mean that what is to be created exists. Which status says so is not documented.
fn somebody_was_faster(step: &Step, error: &ApiError) -> bool {
    let creates = matches!(step, Step::CreateUser(_) | Step::CreateLicense(_));
    creates && matches!(error.kind, Kind::Conflict | Kind::Refused(400))
}

async fn write(calls: &Calls<'_>, step: &Step) -> Result<Effect, ApiError> {
    let change = |id, change: LicenseChange| async move { calls.change_license(id, &change).await };
    let license = match step {
        Step::CreateUser(user) => {
            return calls.create_user(user).await.map(|user| Effect::User(Box::new(user)));
        }
        Step::ChangeUser(id, change) | Step::PutBack(id, change) => {
            let user = calls.change_user(id, change).await?;
            return changed(calls, user).await;
        }
        Step::Delete(id) => {
            return calls.delete_license(id).await.map(|()| Effect::Gone(id.clone()));
        }
        Step::CreateLicense(blank) => calls.create_license(&blank.license).await,
        Step::Renew { license, .. } => calls.renew(license).await,
        Step::SetExpiry { license, to } => calls.set_expiry(license, *to).await,
        Step::SetSuspended { license, suspended } => {
            change(
                license,
                LicenseChange { suspended: Some(*suspended), ..LicenseChange::default() },
            )
            .await
        }
        Step::Reinstate(id) => {
            let both = LicenseChange {
                suspended: Some(false),
                revoked: Some(false),
                ..LicenseChange::default()
            };
            change(id, both).await
        }
        Step::Revoke(id) => {
            change(id, LicenseChange { revoked: Some(true), ..LicenseChange::default() }).await
        }
        Step::SetActivations { license, allowed } => {
            let allowed =
                LicenseChange { allowed_activations: Some(*allowed), ..LicenseChange::default() };
            change(license, allowed).await
        }
        Step::Move { license, to } => {
            change(license, LicenseChange { user_id: Some(to.clone()), ..LicenseChange::default() })
                .await
        }
    };
    license.map(|license| Effect::License(Box::new(license)))
}

/// The effect of a step, if Cryptlex shows it.
async fn look(calls: &Calls<'_>, step: &Step, marks: &[Mark]) -> Result<Option<Effect>, ApiError> {
    let shows = |license: &License| match step {
        Step::Renew { from, .. } => license.expires_at.is_some_and(|end| end > *from),
        Step::SetExpiry { to, .. } => license.expires_at.is_some_and(|end| same_second(end, *to)),
        Step::SetSuspended { suspended, .. } => license.is_suspended() == *suspended,
        Step::Reinstate(_) => !license.is_revoked() && !license.is_suspended(),
        Step::Revoke(_) => license.is_revoked(),
        Step::SetActivations { allowed, .. } => license.activations() == Some(*allowed),
        Step::Move { to, .. } => license.user() == Some(to),
        // What it replaces may carry the same slot.
        Step::CreateLicense(blank) => {
            license.metadata(SLOT_KEY) == Some(blank.slot.as_str())
                && license.product_id.as_ref() == Some(&blank.license.product_id)
        }
        Step::Delete(_) | Step::CreateUser(_) | Step::ChangeUser(..) | Step::PutBack(..) => false,
    };
    let found = match (step, step.license()) {
        (Step::CreateUser(user), _) => return made(calls, user).await,
        (Step::ChangeUser(id, change) | Step::PutBack(id, change), _) => {
            return match calls.user(id).await?.filter(|user| user.shows(change)) {
                Some(user) => changed(calls, user).await.map(Some),
                None => Ok(None),
            };
        }
        (Step::Delete(id), _) => {
            let gone = calls.license(id).await?.is_none();
            return Ok(gone.then(|| Effect::Gone(id.clone())));
        }
        (_, Some(id)) => calls.license(id).await?.filter(shows),
        (_, None) => {
            let all = licenses(calls, marks, &mut SubjectState::default()).await?;
            all.into_iter().find(shows)
        }
    };
    Ok(found.map(|license| Effect::License(Box::new(license))))
}

/// A license may have come to the user while it was changed.
async fn changed(calls: &Calls<'_>, user: User) -> Result<Effect, ApiError> {
    let licenses = calls.licenses_shown_for(&user.id).await?;
    Ok(Effect::Changed(Box::new(user), licenses))
}

/// The user that was made: guests' carry no mark, and nobody else's carries this one.
async fn made(calls: &Calls<'_>, wanted: &NewUser) -> Result<Option<Effect>, ApiError> {
    let users = calls.users_with_email(&wanted.email).await?;
    let is_ours = |user: &User| wanted.metadata.iter().any(|item| user.has(item));
    let ours = users.into_iter().find(is_ours);
    Ok(ours.map(|user| Effect::User(Box::new(user))))
}

/// Whether a user has the address that the refused one was to have.
async fn is_taken(calls: &Calls<'_>, step: &Step) -> bool {
    let Step::CreateUser(wanted) = step else { return false };
    let users = calls.users_with_email(&wanted.email).await;
    users.is_ok_and(|users| !users.is_empty())
}
