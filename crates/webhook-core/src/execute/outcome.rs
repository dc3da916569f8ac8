//! What an event did to one subject, as a sentence and ids: for the provider and for the ledger.

use std::collections::BTreeSet;

use crate::cryptlex::License;
use crate::decide::Snapshot;
use crate::decide::{Left, Step, left};
use crate::domain::command::{
    Action, Command, Concern, Funds, LicenseLine, Outcome, Reason, Reversal, Unmapped,
};
use crate::domain::contracts;
use crate::domain::ids::{PaymentId, UserId, plain};
use crate::domain::policy::Policy;
use crate::domain::work::Work;
use crate::execute::apply::Settled;

/// What an event did to one of its subjects.
pub(crate) struct Told {
    outcome: Outcome,
    /// What could not be granted.
    pub(crate) unmapped: Vec<Unmapped>,
    /// What a person should do something about.
    pub(crate) concern: Option<Concern>,
    /// It had no effect, because something newer is known, or says what was known: nobody need be told.
    pub(crate) stale: bool,
    /// Whether a license was made.
    pub(crate) made_something: bool,
}

impl Told {
    /// The sentence is that of the first subject with licenses, else that of the last subject.
    pub(crate) fn merge_into(&self, all: &mut Outcome) {
        let is_one_more = all.message == contracts::LICENSE_CREATED && self.made_something;
        if all.message.is_empty() || all.licenses.is_empty() {
            all.message.clone_from(&self.outcome.message);
        }
        if is_one_more {
            all.message = contracts::LICENSES_CREATED.to_owned();
        }
        all.user = all.user.take().or_else(|| self.outcome.user.clone());
        all.licenses.extend(self.outcome.licenses.iter().cloned());
    }
}

/// The sentence says what was done, or why nothing was.
pub(crate) fn describe(
    work: &Work<'_>,
    settled: &Settled,
    snapshot: &Snapshot,
    user: Option<UserId>,
    policy: &Policy,
) -> Told {
    let subject = work.object();
    let message = match settled.plan.noted {
        _ if settled.plan.stale => {
            format!("Nothing to do: the event is older than what is known of {subject}.")
        }
        Some(why) => noted(&subject, why),
        None if settled.plan.is_unlooked && says_something(work) => {
            format!("Nothing to do: this event changes nothing about the licenses of {subject}.")
        }
        None => match (work.leading().map(|command| &command.action), settled.plan.concern) {
            (Some(Action::SyncCustomer(_, address)), Some(Concern::UserKept)) => {
                let left = left(work.subject.provider, *address, &snapshot.people);
                left.map(|left| left_text(&subject, &left)).unwrap_or_default()
            }
            (_, _) => {
                let done = Done::of(&settled.done);
                let telling = telling(work, &done);
                telling
                    .map(|command| sentence(command, &done, snapshot, policy))
                    .unwrap_or_default()
            }
        },
    };
    let message = match &settled.plan.change_back {
        Some(back) if !settled.plan.stale => {
            format!("{message} {}", change_back_text(work, &back.ids))
        }
        Some(_) | None => message,
    };
    let line =
        |license: &License| LicenseLine { id: license.id.clone(), expires_at: license.expires_at };
    let licenses = snapshot.licenses.iter().map(line).collect();
    Told {
        outcome: Outcome { message, user, licenses },
        unmapped: settled.plan.unmapped.clone(),
        concern: settled.plan.concern,
        stale: settled.plan.stale || settled.plan.repeats,
        made_something: Done::of(&settled.done).made > 0,
    }
}

/// The command that tells best what was done. One event may resume, suspend and change.
fn telling<'w>(work: &Work<'w>, done: &Done) -> Option<&'w Command> {
    let is_more = done.made > 0 || done.ended;
    let tells = |command: &&Command| {
        let (suspends, resumes) = (
            matches!(command.action, Action::Suspend(_)),
            matches!(command.action, Action::Resume(_)),
        );
        (!suspends || (done.suspended && !is_more)) && (!resumes || (done.resumed && !is_more))
    };
    let leading = work.leading().filter(tells);
    leading.or_else(|| work.commands.iter().copied().find(tells)).or_else(|| work.leading())
}

/// Whether it says anything that licenses could depend on.
fn says_something(work: &Work<'_>) -> bool {
    !work.commands.iter().all(|command| matches!(command.action, Action::Note(_)))
}

/// What was written, as far as sentences tell it.
#[derive(Default)]
struct Done {
    anything: bool,
    made_user: bool,
    made: usize,
    prolonged: bool,
    suspended: bool,
    resumed: bool,
    ended: bool,
}

impl Done {
    fn of(steps: &[Step]) -> Self {
        let mut done = Self { anything: !steps.is_empty(), ..Self::default() };
        for step in steps {
            match step {
                Step::CreateUser(_) => done.made_user = true,
                Step::CreateLicense(_) => done.made = done.made.saturating_add(1),
                Step::Renew { .. } | Step::SetExpiry { .. } => done.prolonged = true,
                Step::SetSuspended { suspended: true, .. } => done.suspended = true,
                Step::SetSuspended { suspended: false, .. } | Step::Reinstate(_) => {
                    done.resumed = true;
                }
                Step::Revoke(_) | Step::Delete(_) => done.ended = true,
                Step::ChangeUser(..)
                | Step::PutBack(..)
                | Step::SetActivations { .. }
                | Step::Move { .. } => {}
            }
        }
        done
    }
}

fn sentence(command: &Command, done: &Done, snapshot: &Snapshot, policy: &Policy) -> String {
    let subject = &*command.object();
    match &command.action {
        Action::Grant(_) => granted(subject, done, snapshot),
        Action::Renew(_) => renewed(subject, done, snapshot),
        Action::PaymentFailed(_) if policy.grace.is_positive() => {
            contracts::FAILURE_RECORDED.to_owned()
        }
        Action::Reverse(Reversal { funds: Funds::Lost, .. }) if done.ended => {
            contracts::ended(subject)
        }
        Action::Reverse(_) if done.ended => contracts::REVOKED.to_owned(),
        Action::PaymentFailed(_)
        | Action::Suspend(_)
        | Action::Reverse(Reversal { funds: Funds::Withdrawn | Funds::Lost, .. }) => {
            suspended(subject, done, snapshot)
        }
        Action::Resume(_) | Action::Reverse(Reversal { funds: Funds::Reinstated, .. }) => {
            resumed(subject, done, snapshot)
        }
        Action::ChangePlan(_) if done.anything => contracts::CHANGED.to_owned(),
        Action::ChangePlan(_) => {
            format!("Nothing to do: the licenses of {subject} match the change already.")
        }
        Action::End if done.anything || !snapshot.licenses.is_empty() => contracts::ended(subject),
        Action::End => format!("Recorded: {subject} ended. It has no license."),
        Action::SyncCustomer(..) if done.made_user => contracts::USER_CREATED.to_owned(),
        Action::SyncCustomer(..) if done.anything => contracts::USER_UPDATED.to_owned(),
        Action::SyncCustomer(..) => {
            format!("Nothing to do: the user of {subject} was not changed.")
        }
        // A payment that is captured, or whose quantity is known, may make licenses.
        Action::OfPayment(_) if done.anything => granted(subject, done, snapshot),
        Action::OfPayment(_) => format!("Recorded: a detail of a payment of {subject}."),
        Action::Note(note) => noted(subject, note.why),
    }
}

/// Nothing is done, for this reason.
fn noted(subject: &str, why: &str) -> String {
    format!("Recorded for {subject}: {why}.")
}

fn granted(subject: &str, done: &Done, snapshot: &Snapshot) -> String {
    match done.made {
        1 => contracts::LICENSE_CREATED.to_owned(),
        2.. => contracts::LICENSES_CREATED.to_owned(),
        0 if snapshot.licenses.is_empty() => {
            format!("Recorded: this event creates no license of {subject}.")
        }
        0 if done.anything => contracts::UPDATED.to_owned(),
        0 => format!("Nothing to do: the licenses of {subject} exist already."),
    }
}

fn renewed(subject: &str, done: &Done, snapshot: &Snapshot) -> String {
    if snapshot.licenses.is_empty() {
        return format!("Nothing to do: {subject} has no license.");
    }
    if snapshot.licenses.iter().all(License::is_revoked) {
        return format!(
            "Recorded: the licenses of {subject} stay revoked. Reinstate them in Cryptlex if they should run."
        );
    }
    match done {
        Done { prolonged: true, .. } => contracts::RENEWED.to_owned(),
        Done { resumed: true, .. } => contracts::RESUMED.to_owned(),
        Done { suspended: true, .. } => contracts::SUSPENDED.to_owned(),
        Done { .. } => {
            format!("Nothing to do: the licenses of {subject} run at least that long already.")
        }
    }
}

fn suspended(subject: &str, done: &Done, snapshot: &Snapshot) -> String {
    match done {
        Done { suspended: true, .. } => contracts::SUSPENDED.to_owned(),
        Done { resumed: true, .. } => contracts::RESUMED.to_owned(),
        Done { .. } if snapshot.licenses.is_empty() => {
            format!("Recorded: {subject} has no license to suspend.")
        }
        Done { .. } if snapshot.licenses.iter().any(License::is_suspended) => {
            format!("Nothing to do: the licenses of {subject} are suspended already.")
        }
        Done { .. } => format!("Recorded: no license of {subject} was suspended."),
    }
}

fn resumed(subject: &str, done: &Done, snapshot: &Snapshot) -> String {
    match done {
        Done { resumed: true, .. } => contracts::RESUMED.to_owned(),
        Done { suspended: true, .. } => contracts::SUSPENDED.to_owned(),
        Done { .. } if snapshot.licenses.iter().any(License::is_suspended) => {
            format!("Recorded: the licenses of {subject} stay suspended for another reason.")
        }
        // It may not have been looked at: nothing was known to be suspended.
        Done { .. } => {
            format!("Nothing to do: no license of {subject} is suspended for that reason.")
        }
    }
}

/// What went back, what stays, and what a person can do.
fn change_back_text(work: &Work<'_>, ids: &[PaymentId]) -> String {
    let ids = ids.iter().map(PaymentId::as_str).collect::<Vec<_>>().join(", ");
    let ids = plain(&ids);
    format!(
        "The money of payment {ids} of {} went back. What it added, such as seats, is still licensed. \
         To take that back, lower the quantity at {}, or suspend the licenses in Cryptlex.",
        work.object(),
        work.subject.provider,
    )
}

/// Which customer, which user, and how a person moves licenses.
fn left_text(customer: &str, left: &Left) -> String {
    match left {
        Left::User { kept, now } => format!(
            "The address of {customer} changed. User {kept} was not changed and keeps its licenses: it is not theirs alone, \
             it is not a plain user, or another user has the new address already. \
             Their later purchases go to user {now}. To move a license, give it user {now} in Cryptlex."
        ),
        Left::Shared(user) => format!(
            "The address of {customer} changed. User {user} has the new address. It was not changed, because it is not theirs alone or is not a plain user. \
             Correct its address in Cryptlex if it is not the right one."
        ),
        Left::Unknown(now) => format!(
            "The address of {customer} changed, and it is not known which user they were. Their later purchases go to user {now}. \
             Licenses from before stay where they are: give them user {now} in Cryptlex, or correct the address of their user."
        ),
    }
}

pub(crate) fn ignored(kind: &str, reason: &Reason) -> Outcome {
    let message = match reason {
        Reason::UnhandledType => contracts::not_handled(kind),
        Reason::NothingToDo(why) => format!("Nothing to do for {kind}: {why}."),
    };
    Outcome { message, ..Outcome::default() }
}

/// Lines that a text names.
const MOST_UNMAPPED: usize = 20;

pub(crate) fn unmapped_text(unmapped: &[Unmapped], concerns: &BTreeSet<Concern>) -> String {
    let line =
        |Unmapped { line, problem }: &Unmapped| format!("{}: {}", plain(line), plain(problem));
    let mut lines: Vec<String> = unmapped.iter().take(MOST_UNMAPPED).map(line).collect();
    if unmapped.len() > lines.len() {
        lines.push(format!("and {} more", unmapped.len().saturating_sub(lines.len())));
    }
    let what = match concerns.contains(&Concern::Undelivered) {
        true => "paid and not fulfilled",
        false => "paid but not mapped to a Cryptlex product",
    };
    format!("{what}: {}", lines.join("; "))
}
