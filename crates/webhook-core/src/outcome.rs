//! What a command came to, in a sentence and ids: for the provider, and for the ledger.

use crate::apply::Settled;
use crate::command::{
    Action, Command, Concern, LicenseLine, Outcome, Reason, Reversal, Stands, Unmapped,
};
use crate::config::Policy;
use crate::cryptlex::License;
use crate::ids::{UserId, plain};
use crate::plan::Step;
use crate::snapshot::Snapshot;

/// What one command came to.
pub(crate) struct Told {
    outcome: Outcome,
    /// What could not be granted.
    pub(crate) unmapped: Vec<Unmapped>,
    /// What a person should do something about.
    pub(crate) concern: Option<Concern>,
    /// It had no effect, because something newer is known, or says what was known: nobody need be told.
    pub(crate) stale: bool,
}

impl Told {
    /// The first command that did something gives the sentence.
    pub(crate) fn merge_into(&self, all: &mut Outcome) {
        if all.message.is_empty() || all.licenses.is_empty() {
            all.message.clone_from(&self.outcome.message);
        }
        all.user = all.user.take().or_else(|| self.outcome.user.clone());
        all.licenses.extend(self.outcome.licenses.iter().cloned());
        if all.licenses.len() > 1 && all.message == ONE_CREATED {
            all.message = MANY_CREATED.to_owned();
        }
    }
}

const ONE_CREATED: &str = "License created successfully.";
const MANY_CREATED: &str = "Licenses created successfully.";

/// The sentence says what was done, or why nothing was.
pub(crate) fn tell(
    command: &Command,
    settled: &Settled,
    snapshot: &Snapshot,
    user: Option<UserId>,
    policy: &Policy,
) -> Told {
    let made = settled.done.iter().filter(|step| matches!(step, Step::CreateLicense(_))).count();
    let made_user = settled.done.iter().any(|step| matches!(step, Step::CreateUser(_)));
    let subject = &command.subject;
    let message = match &command.action {
        _ if settled.plan.stale => {
            format!("Nothing to do: the event is older than what is known of {subject}.")
        }
        _ if settled.plan.noted.is_some() => {
            format!("Noted: {}.", settled.plan.noted.unwrap_or_default())
        }
        Action::Grant(_) if made == 1 => ONE_CREATED.to_owned(),
        Action::Grant(_) if made > 1 => MANY_CREATED.to_owned(),
        Action::Grant(_) if snapshot.licenses.is_empty() => {
            format!("Recorded: no license of {subject} is to be created by this event.")
        }
        Action::Grant(_) if !settled.done.is_empty() => {
            "License(s) updated successfully.".to_owned()
        }
        Action::Grant(_) => format!("Nothing to do: the licenses of {subject} are there."),
        Action::Renew(_) if snapshot.licenses.is_empty() => {
            format!("Nothing to do: {subject} has no license.")
        }
        Action::Renew(_) if settled.done.is_empty() => {
            format!("Nothing to do: the licenses of {subject} run at least that long.")
        }
        Action::Renew(_) => "License(s) renewed successfully.".to_owned(),
        Action::PaymentFailed(_) if policy.grace.is_positive() => {
            "Payment failure recorded successfully.".to_owned()
        }
        Action::PaymentFailed(_) | Action::Suspend(_) => {
            "License(s) suspended successfully.".to_owned()
        }
        Action::Resume(_) => "License(s) resumed successfully.".to_owned(),
        Action::Reverse(Reversal { stands: Stands::TakenBack, .. }) => {
            "License(s) resumed successfully.".to_owned()
        }
        Action::Reverse(Reversal { stands: Stands::Lost, .. }) => {
            format!("{subject} ended successfully.")
        }
        Action::Reverse(_) => "License(s) suspended successfully.".to_owned(),
        Action::ChangePlan(_) => "License(s) changed successfully.".to_owned(),
        Action::End => format!("{subject} ended successfully."),
        Action::SyncCustomer(_) if made_user => "User created successfully.".to_owned(),
        Action::SyncCustomer(_) => "User updated successfully.".to_owned(),
        Action::Note(note) => format!("Noted: {}.", note.why),
    };
    let line =
        |license: &License| LicenseLine { id: license.id.clone(), expires_at: license.expires_at };
    let licenses = snapshot.licenses.iter().map(line).collect();
    Told {
        outcome: Outcome { message, user, licenses },
        unmapped: settled.plan.unmapped.clone(),
        concern: settled.plan.concern,
        stale: settled.plan.stale || settled.plan.repeats,
    }
}

/// An event about test money that `TEST_EVENTS` keeps from having an effect.
pub(crate) const TEST_REFUSED: &str = "test event refused (TEST_EVENTS)";

pub(crate) fn ignored(kind: &str, reason: &Reason) -> Outcome {
    let message = match reason {
        Reason::UnhandledType => format!("Webhook with event type {kind} is not handled: ignored."),
        Reason::NothingToDo(why) => format!("Nothing to do for {kind}: {why}."),
    };
    Outcome { message, ..Outcome::default() }
}

/// Lines that a text names.
const MOST_UNMAPPED: usize = 20;

pub(crate) fn unmapped_text(unmapped: &[Unmapped]) -> String {
    let line =
        |Unmapped { line, problem }: &Unmapped| format!("{}: {}", plain(line), plain(problem));
    let mut lines: Vec<String> = unmapped.iter().take(MOST_UNMAPPED).map(line).collect();
    if unmapped.len() > lines.len() {
        lines.push(format!("and {} more", unmapped.len().saturating_sub(lines.len())));
    }
    format!("paid but not mapped to a Cryptlex product: {}", lines.join("; "))
}
