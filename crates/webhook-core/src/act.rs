//! One event: claimed, carried out against Cryptlex, recorded.
//!
//! The order never changes: lease, look, plan, write, record. A failure anywhere leaves what was done in place and
//! says so; the next delivery goes on from there.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::apply::{Cause, settle};
use crate::clock::Clock;
use crate::command::{
    Action, Command, Customer, Meaning, Notice, Outcome, Subject, SubjectKind, Unmapped,
};
use crate::config::Config;
use crate::cryptlex::{ApiError, Client, NotAdmitted, Session};
use crate::deadline::{Deadline, Timing};
use crate::ids::{CustomerId, SubjectId};
use crate::ledger::{
    About, Body, Claim, EventKey, Keep, KnownCustomer, Leases, Ledger, LedgerError,
};
use crate::outcome::{Told, ignored, tell, unmapped_text};
use crate::plan::{Refused, association, user_of};
use crate::provider::Provider;
use crate::reply::Failure;
use crate::snapshot::Snapshot;

/// Everything that handling an event needs.
pub(crate) struct Ready {
    pub(crate) config: Config,
    pub(crate) cryptlex: Client,
    pub(crate) ledger: Ledger,
    pub(crate) timing: Timing,
}

/// What the events of one delivery have in common.
pub(crate) struct Delivery<'d> {
    /// `v1` or `v2`.
    pub(crate) contract: &'static str,
    pub(crate) body: Body<'d>,
    pub(crate) deadline: Deadline,
}

impl Ready {
    /// Whatever the outcome, it is logged here, once.
    pub(crate) async fn process<P: Provider>(
        &self,
        notice: Notice,
        delivery: &Delivery<'_>,
        clock: &Clock,
    ) -> Result<Outcome, Failure> {
        let Notice { id, kind, live, meaning } = notice;
        let began = tokio::time::Instant::now();
        tracing::info!(
            provider = P::NAME,
            event.id = %id,
            event.r#type = kind,
            live,
            "Received {} webhook: {kind} ({id})",
            P::TITLE,
        );
        let contract = delivery.contract;
        let event = EventKey { provider: P::NAME, id: id.clone(), kind, live, contract };
        let result = match meaning {
            Ok(Meaning::Ignore(reason)) => Ok(ignored(&event.kind, &reason)),
            Ok(Meaning::Act { at, commands }) => {
                self.act(&event, at, &commands, delivery, clock).await
            }
            Err(unreadable) => Err(Failure::person(unreadable.to_string())),
        };
        let duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        match &result {
            Ok(outcome) => tracing::info!(
                provider = P::NAME,
                event.id = %id,
                outcome = outcome.message,
                duration_ms,
                "Successfully processed webhook event {id}",
            ),
            Err(failure) => tracing::error!(
                provider = P::NAME,
                event.id = %id,
                outcome = "failed",
                duration_ms,
                "Failed to process webhook event {id}: {}",
                failure.message,
            ),
        }
        result
    }

    async fn act(
        &self,
        event: &EventKey,
        at: Timestamp,
        commands: &[Command],
        delivery: &Delivery<'_>,
        clock: &Clock,
    ) -> Result<Outcome, Failure> {
        let deadline = delivery.deadline;
        let mut leases = match self.claim(event, commands, delivery, clock).await? {
            Claimed::Leases(leases) => leases,
            Claimed::Done(outcome) => {
                tracing::info!(
                    provider = event.provider,
                    event.id = %event.id,
                    "Webhook event {} is a duplicate: it was done before",
                    event.id,
                );
                return Ok(outcome);
            }
        };
        match self.carry_out(commands, at, &mut leases, deadline).await {
            Ok((outcome, unmapped)) if unmapped.is_empty() => {
                let complete = self.ledger.complete(*leases, outcome.clone());
                self.recorded(deadline, complete).await?;
                Ok(outcome)
            }
            Ok((outcome, unmapped)) => {
                // Not done: a redelivery is tried again, whatever was answered.
                let text = unmapped_text(&unmapped);
                let fail = self.ledger.fail(*leases, &text, Keep::Release);
                self.recorded(deadline, fail).await?;
                if !self.config.policy.accept_unmapped {
                    return Err(Failure::person(text));
                }
                // Answered 2xx, so that nobody but this line tells.
                tracing::error!(
                    provider = event.provider,
                    event.id = %event.id,
                    outcome = "unmapped",
                    "Webhook event {} was accepted: {text}",
                    event.id,
                );
                Ok(Outcome { message: text, ..outcome })
            }
            Err((failure, keep)) => {
                let fail = self.ledger.fail(*leases, &failure.message, keep);
                self.recorded(deadline, fail).await?;
                Err(failure)
            }
        }
    }

    /// Waits for other deliveries about the same subjects, as long as the deadline leaves time to act afterwards.
    async fn claim(
        &self,
        event: &EventKey,
        commands: &[Command],
        delivery: &Delivery<'_>,
        clock: &Clock,
    ) -> Result<Claimed, Failure> {
        let (about, deadline) = (concerned(commands), delivery.deadline);
        let mut pause = self.timing.poll;
        loop {
            let now = clock.now();
            let left = SignedDuration::try_from(deadline.left()).unwrap_or_default();
            let until =
                now.saturating_add(left).and_then(|end| end.saturating_add(self.config.settle));
            let until = until.unwrap_or(now);
            let claim = self.ledger.claim(event, &about, &delivery.body, now, until);
            match in_time(deadline.left(), claim).await? {
                Claim::Acquired(leases) => return Ok(Claimed::Leases(leases)),
                Claim::Done(outcome) => return Ok(Claimed::Done(outcome)),
                Claim::Busy { until, abandoned } => {
                    let over_in = Duration::try_from(until.duration_since(now)).unwrap_or_default();
                    let in_vain = abandoned && over_in > deadline.left();
                    if in_vain || deadline.left() <= pause {
                        let who =
                            commands.first().map(|c| c.subject.to_string()).unwrap_or_default();
                        let text = format!("{who} is being worked on by another delivery");
                        return Err(Failure::passing(text, Some(over_in)));
                    }
                }
            }
            tokio::time::sleep(pause).await;
            pause = pause.saturating_mul(2).min(self.timing.poll.saturating_mul(10));
        }
    }

    /// What was done is worth remembering also when the time is up.
    async fn recorded(
        &self,
        deadline: Deadline,
        record: impl Future<Output = Result<(), LedgerError>>,
    ) -> Result<(), Failure> {
        in_time(deadline.left().max(self.timing.record), record).await
    }

    async fn carry_out(
        &self,
        commands: &[Command],
        at: Timestamp,
        leases: &mut Leases,
        deadline: Deadline,
    ) -> Result<(Outcome, Vec<Unmapped>), (Failure, Keep)> {
        let mut outcome = Outcome::default();
        let mut unmapped = Vec::new();
        let only_notes = commands.iter().all(|command| matches!(command.action, Action::Note(_)));
        if let (true, Some(Command { action: Action::Note(why), .. })) =
            (only_notes, commands.first())
        {
            return Ok((Outcome { message: format!("Noted: {why}."), ..outcome }, unmapped));
        }
        let session = self.cryptlex.begin(deadline).await.map_err(not_admitted)?;
        for command in commands {
            let settled = self.one(&session, command, at, leases).await?;
            settled.merge_into(&mut outcome);
            unmapped.extend(settled.unmapped);
        }
        Ok((outcome, unmapped))
    }

    async fn one(
        &self,
        session: &Session<'_>,
        command: &Command,
        at: Timestamp,
        leases: &mut Leases,
    ) -> Result<Told, (Failure, Keep)> {
        let customer = customer_of(command);
        let known = customer.map(|id| leases.customer(id)).unwrap_or_default();
        let mut state = leases.state(&command.subject);
        let snapshot = Snapshot::take(session, command, &mut state, known.clone()).await;
        // What turned out to be gone is not looked for again, whatever becomes of this delivery.
        leases.set_state(&command.subject, state);
        let mut snapshot = snapshot.map_err(|error| (call_failure(&error), Keep::Release))?;
        let settled = settle(session, command, at, &mut snapshot, &self.config.policy).await;
        let user = match matches!(command.action, Action::SyncCustomer(_)) {
            true => association(&snapshot.people),
            false => user_of(&snapshot.people),
        };
        if let Some(customer) = customer {
            let mut held_by_stand_in = known.held_by_stand_in;
            match &command.action {
                Action::Grant(grant)
                    if grant.customer.as_ref().is_some_and(Customer::is_stand_in) =>
                {
                    held_by_stand_in
                        .extend(snapshot.licenses.iter().map(|license| license.id.clone()));
                }
                Action::SyncCustomer(_) if settled.is_ok() => held_by_stand_in.clear(),
                Action::Grant(_)
                | Action::SyncCustomer(_)
                | Action::Renew(_)
                | Action::Suspend(_)
                | Action::Resume(_)
                | Action::End
                | Action::Note(_) => {}
            }
            leases.set_customer(customer, KnownCustomer { user: user.cloned(), held_by_stand_in });
        }
        match settled {
            Ok(settled) => {
                for warning in &settled.plan.warnings {
                    tracing::warn!(subject = %command.subject, "{}: {warning}", command.subject);
                }
                let told = tell(command, &settled, &snapshot, user.cloned(), &self.config.policy);
                leases.set_state(&command.subject, settled.plan.state);
                Ok(told)
            }
            Err(stopped) => {
                leases.set_state(&command.subject, snapshot.state);
                let failure = match &stopped.cause {
                    Cause::Call(error) | Cause::Unknown(error) => {
                        Failure { message: stopped.to_string(), ..call_failure(error) }
                    }
                    Cause::Refused(Refused::NoLicense(_)) => {
                        Failure::passing(stopped.to_string(), None)
                    }
                    Cause::Refused(
                        Refused::Deleted(_) | Refused::NoCustomer(_) | Refused::TooMany(..),
                    )
                    | Cause::NoChange => Failure::person(stopped.to_string()),
                };
                let keep = match stopped.cause {
                    Cause::Unknown(_) => Keep::RunOut,
                    Cause::Call(_) | Cause::Refused(_) | Cause::NoChange => Keep::Release,
                };
                Err((failure, keep))
            }
        }
    }
}

enum Claimed {
    Leases(Box<Leases>),
    Done(Outcome),
}

/// Whatever must not be worked on by two: the subjects, and for a provider whose purchases know their buyer only by
/// id, that buyer. Also the customers whose users are worth remembering.
fn concerned(commands: &[Command]) -> About {
    let mut subjects: BTreeSet<Subject> =
        commands.iter().map(|command| command.subject.clone()).collect();
    let mut customers = BTreeSet::new();
    for command in commands {
        let Some(id) = customer_of(command) else {
            continue;
        };
        customers.insert(id.clone());
        let Action::Grant(grant) = &command.action else {
            continue;
        };
        let by_id_only = grant.customer.as_ref().is_some_and(|customer| customer.mark.is_some());
        if let (true, Ok(id)) = (by_id_only, SubjectId::new(id.as_str())) {
            let provider = command.subject.provider;
            subjects.insert(Subject { provider, kind: SubjectKind::Customer, id });
        }
    }
    About { subjects, customers }
}

fn customer_of(command: &Command) -> Option<&CustomerId> {
    match &command.action {
        Action::Grant(grant) => grant.customer.as_ref()?.id.as_ref(),
        Action::SyncCustomer(customer) => customer.id.as_ref(),
        Action::Renew(_)
        | Action::Suspend(_)
        | Action::Resume(_)
        | Action::End
        | Action::Note(_) => None,
    }
}

fn call_failure(error: &ApiError) -> Failure {
    let message = error.to_string();
    match error.passes_by_itself() {
        true => Failure::passing(message, error.retry_after()),
        false => Failure::person(message),
    }
}

fn not_admitted(refused: NotAdmitted) -> (Failure, Keep) {
    (Failure::passing(refused.to_string(), Some(refused.retry_after)), Keep::Release)
}

async fn in_time<T>(
    left: Duration,
    call: impl Future<Output = Result<T, LedgerError>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(left, call).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(Failure::passing(error.to_string(), None)),
        Err(_late) => Err(Failure::passing("ledger: no answer in time", None)),
    }
}
