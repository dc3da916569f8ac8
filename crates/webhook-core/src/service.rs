//! One delivery from its bytes to its reply.
//!
//! [`Service::handle`] is the one entry point; read it first. Failures are logged here and nowhere else.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::apply::{Cause, Settled, settle};
use crate::clock::Clock;
use crate::command::{
    Action, Command, LicenseLine, Meaning, Notice, Outcome, Reason, Subject, SubjectKind, Unmapped,
};
use crate::config::{Config, Loaded, Policy, Problem};
use crate::cryptlex::{Client, NotAdmitted, Session, Timing};
use crate::deadline::Deadline;
use crate::ids::{CustomerId, SubjectId};
use crate::inbound::Inbound;
use crate::ledger::{Claim, EventKey, Keep, Leases, Ledger, LedgerError};
use crate::plan::{Refused, Step, association, user_of};
use crate::provider::{ProductSource, Provider};
use crate::reply::{self, Failure, Report};
use crate::signature::{Rejected, verify};
use crate::snapshot::Snapshot;
use http::StatusCode;

/// How a purchase finds its product, by the path of the webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contract {
    /// Stripe: the configured product. The others: what their products say.
    V1,
    /// Stripe: the metadata of the checkout session or of the subscription.
    V2,
}

/// Waits between two looks at a subject that another delivery works on.
const CLAIM_POLL: Duration = Duration::from_millis(40);

/// One provider's function with everything that it holds.
pub struct Service<P> {
    state: Result<Ready, Vec<Problem>>,
    warnings: Vec<String>,
    clock: Clock,
    provider: std::marker::PhantomData<P>,
}

struct Ready {
    config: Config,
    cryptlex: Client,
    ledger: Ledger,
}

impl<P: Provider> Service<P> {
    /// Never fails: what is missing is answered to every webhook until it is there.
    pub fn new(loaded: Loaded, clock: Clock, timing: Timing) -> Self {
        let Loaded {
            config,
            mut warnings,
        } = loaded;
        let state = config.and_then(|config| {
            let cryptlex = Client::new(&config.cryptlex, clock.clone(), timing).map_err(|e| {
                warnings.push(format!("TLS cannot be set up: {e}"));
                Vec::from([Problem::Missing("CRYPTLEX_WEB_API_BASE_URL")])
            })?;
            Ok(Ready {
                config,
                cryptlex,
                ledger: Ledger::default(),
            })
        });
        Self {
            state,
            warnings,
            clock,
            provider: std::marker::PhantomData,
        }
    }

    /// Says in the log what a person should know before the first webhook comes.
    pub fn report_configuration(&self) {
        for problem in self.problems() {
            tracing::error!(provider = P::NAME, "{problem}");
        }
        for warning in &self.warnings {
            tracing::warn!(provider = P::NAME, "{warning}");
        }
    }

    /// What keeps the function from working.
    pub fn problems(&self) -> &[Problem] {
        self.state
            .as_ref()
            .err()
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    /// What works and should be looked at all the same.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// How long a delivery may take, if the host does not want it sooner.
    pub fn deadline(&self) -> Duration {
        let configured = self.state.as_ref().map(|ready| ready.config.deadline);
        configured.unwrap_or(Duration::from_millis(P::DEADLINE_MS))
    }

    /// Answers one delivery within `budget`.
    pub async fn handle(
        &self,
        contract: Contract,
        inbound: Inbound,
        budget: Duration,
    ) -> reply::Reply {
        let ready = match &self.state {
            Ok(ready) => ready,
            Err(problems) => return not_configured(problems.first()),
        };
        let source = match (contract, &ready.config.product) {
            (Contract::V1, Some(product)) => ProductSource::Configured(product.clone()),
            (Contract::V1, None) if P::NAME == "stripe" => {
                return not_configured(Some(&Problem::Missing("CRYPTLEX_PRODUCT_ID")));
            }
            (Contract::V1 | Contract::V2, _) => ProductSource::Metadata,
        };
        let deadline = Deadline::after(budget.min(ready.config.deadline));
        let verified = match verify::<P>(
            inbound,
            &ready.config.secrets,
            ready.config.tolerance,
            self.clock.now(),
        ) {
            Ok(verified) => verified,
            Err(rejected) => return rejection::<P>(rejected),
        };
        if let Some(age) = verified.close_to_threshold {
            tracing::warn!(
                provider = P::NAME,
                "Webhook timestamp is close to threshold: {age} seconds old"
            );
        }
        let mut notices = match P::read(&verified, &source) {
            Ok(notices) => notices,
            Err(not_events) => {
                tracing::error!(
                    provider = P::NAME,
                    "Failed to read a {} webhook: {not_events}",
                    P::TITLE
                );
                return reply::message(StatusCode::BAD_REQUEST, &not_events.to_string());
            }
        };
        // A batch may hold what belongs together in another order than it happened.
        notices.sort_by_key(|notice| match notice.meaning {
            Ok(Meaning::Act { at, .. }) => Some(at),
            Ok(Meaning::Ignore(_)) | Err(_) => None,
        });
        let mut reports = Vec::with_capacity(notices.len());
        for notice in notices {
            let event = notice.id.clone();
            let result = ready.process::<P>(notice, deadline, &self.clock).await;
            reports.push(Report { event, result });
        }
        reply::cryptlex(&reports, P::BATCHES)
    }
}

fn not_configured(problem: Option<&Problem>) -> reply::Reply {
    let text = problem.map_or_else(
        || "the function is not configured".to_owned(),
        ToString::to_string,
    );
    reply::message(StatusCode::BAD_REQUEST, &text)
}

fn rejection<P: Provider>(rejected: Rejected) -> reply::Reply {
    tracing::error!(provider = P::NAME, reason = %rejected, "Webhook signature verification failed");
    let text = match rejected {
        Rejected::Missing => format!("No {} header was found.", P::SIGNATURE_HEADER),
        Rejected::Malformed | Rejected::Mismatch | Rejected::TooOld(_) | Rejected::TooNew(_) => {
            format!("Webhook signature verification failed: {rejected}")
        }
    };
    reply::message(StatusCode::BAD_REQUEST, &text)
}

impl Ready {
    async fn process<P: Provider>(
        &self,
        notice: Notice,
        deadline: Deadline,
        clock: &Clock,
    ) -> Result<Outcome, Failure> {
        let Notice {
            id,
            kind,
            live,
            meaning,
        } = notice;
        let began = tokio::time::Instant::now();
        tracing::info!(
            provider = P::NAME,
            event.id = %id,
            event.r#type = kind,
            live,
            "Received {} webhook: {kind} ({id})",
            P::TITLE,
        );
        let event = EventKey {
            provider: P::NAME,
            id: id.clone(),
            kind,
            live,
        };
        let result = match meaning {
            Ok(Meaning::Ignore(reason)) => Ok(ignored(&event.kind, &reason)),
            Ok(Meaning::Act { at, commands }) => {
                self.act(&event, at, &commands, deadline, clock).await
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
        deadline: Deadline,
        clock: &Clock,
    ) -> Result<Outcome, Failure> {
        let mut leases = match self.claim(event, commands, deadline, clock).await? {
            Claimed::Leases(leases) => leases,
            Claimed::Done(outcome) => {
                tracing::info!(event.id = %event.id, "event {} is a duplicate: it was done before", event.id);
                return Ok(outcome);
            }
        };
        match self.carry_out(commands, at, &mut leases, deadline).await {
            Ok((outcome, unmapped)) if unmapped.is_empty() => {
                self.ledger
                    .complete(*leases, outcome.clone())
                    .await
                    .map_err(ledger_failure)?;
                Ok(outcome)
            }
            Ok((outcome, unmapped)) => {
                // Not done: a redelivery is tried again, whatever was answered.
                let text = unmapped_text(&unmapped);
                self.ledger
                    .fail(*leases, &text, Keep::Release)
                    .await
                    .map_err(ledger_failure)?;
                tracing::error!(event.id = %event.id, outcome = "unmapped", "{text}");
                match self.config.policy.accept_unmapped {
                    true => Ok(Outcome {
                        message: text,
                        ..outcome
                    }),
                    false => Err(Failure::person(text)),
                }
            }
            Err((failure, keep)) => {
                self.ledger
                    .fail(*leases, &failure.message, keep)
                    .await
                    .map_err(ledger_failure)?;
                Err(failure)
            }
        }
    }

    /// Waits for other deliveries about the same subjects, as long as the deadline leaves time to act afterwards.
    async fn claim(
        &self,
        event: &EventKey,
        commands: &[Command],
        deadline: Deadline,
        clock: &Clock,
    ) -> Result<Claimed, Failure> {
        let (subjects, customers) = concerned(commands);
        loop {
            let now = clock.now();
            let left = SignedDuration::try_from(deadline.left()).unwrap_or_default();
            let until = now
                .saturating_add(left)
                .and_then(|end| end.saturating_add(self.config.settle));
            let until = until.unwrap_or(now);
            match self
                .ledger
                .claim(event, &subjects, &customers, now, until)
                .await
                .map_err(ledger_failure)?
            {
                Claim::Acquired(leases) => return Ok(Claimed::Leases(leases)),
                Claim::Done(outcome) => return Ok(Claimed::Done(outcome)),
                Claim::Busy { until, abandoned } => {
                    let over_in = Duration::try_from(until.duration_since(now)).unwrap_or_default();
                    let in_vain = abandoned && over_in > deadline.left();
                    if in_vain || deadline.left() <= CLAIM_POLL {
                        let who = commands
                            .first()
                            .map(|c| c.subject.to_string())
                            .unwrap_or_default();
                        let text = format!("{who} is being worked on by another delivery");
                        return Err(Failure::passing(text, Some(over_in)));
                    }
                }
            }
            tokio::time::sleep(CLAIM_POLL).await;
        }
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
        let only_notes = commands
            .iter()
            .all(|command| matches!(command.action, Action::Note(_)));
        if let (
            true,
            Some(Command {
                action: Action::Note(why),
                ..
            }),
        ) = (only_notes, commands.first())
        {
            return Ok((
                Outcome {
                    message: format!("Noted: {why}."),
                    ..outcome
                },
                unmapped,
            ));
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
        let remembered = customer.and_then(|id| leases.user_of(id));
        let state = leases.state(&command.subject);
        let snapshot = Snapshot::take(session, command, state, remembered).await;
        let mut snapshot = snapshot.map_err(|error| (call_failure(&error), Keep::Release))?;
        let settled = settle(session, command, at, &mut snapshot, &self.config.policy).await;
        let user = match matches!(command.action, Action::SyncCustomer(_)) {
            true => association(&snapshot.people),
            false => user_of(&snapshot.people),
        };
        if let Some(customer) = customer {
            leases.set_user(customer, user.cloned());
        }
        match settled {
            Ok(settled) => {
                for warning in &settled.plan.warnings {
                    tracing::warn!(subject = %command.subject, "{}: {warning}", command.subject);
                }
                let told = tell(
                    command,
                    &settled,
                    &snapshot,
                    user.cloned(),
                    &self.config.policy,
                );
                leases.set_state(&command.subject, settled.plan.state);
                Ok(told)
            }
            Err(stopped) => {
                leases.set_state(&command.subject, snapshot.state);
                let failure = match &stopped.cause {
                    Cause::Call(error) | Cause::Unknown(error) => Failure {
                        message: stopped.to_string(),
                        ..call_failure(error)
                    },
                    Cause::Refused(Refused::NoLicense(_)) => {
                        Failure::passing(stopped.to_string(), None)
                    }
                    Cause::Refused(Refused::Deleted(_) | Refused::NoCustomer(_))
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
fn concerned(commands: &[Command]) -> (BTreeSet<Subject>, BTreeSet<CustomerId>) {
    let mut subjects: BTreeSet<Subject> = commands
        .iter()
        .map(|command| command.subject.clone())
        .collect();
    let mut customers = BTreeSet::new();
    for command in commands {
        let Some(id) = customer_of(command) else {
            continue;
        };
        customers.insert(id.clone());
        let Action::Grant(grant) = &command.action else {
            continue;
        };
        let by_id_only = grant
            .customer
            .as_ref()
            .is_some_and(|customer| customer.mark.is_some());
        if let (true, Ok(id)) = (by_id_only, SubjectId::new(id.as_str())) {
            let provider = command.subject.provider;
            subjects.insert(Subject {
                provider,
                kind: SubjectKind::Customer,
                id,
            });
        }
    }
    (subjects, customers)
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

/// What one command came to.
struct Told {
    outcome: Outcome,
    unmapped: Vec<Unmapped>,
}

impl Told {
    /// The first command that did something gives the sentence.
    fn merge_into(&self, all: &mut Outcome) {
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

fn tell(
    command: &Command,
    settled: &Settled,
    snapshot: &Snapshot,
    user: Option<crate::ids::UserId>,
    policy: &Policy,
) -> Told {
    let made = settled
        .done
        .iter()
        .filter(|step| matches!(step, Step::CreateLicense(_)))
        .count();
    let made_user = settled
        .done
        .iter()
        .any(|step| matches!(step, Step::CreateUser(_)));
    let subject = &command.subject;
    let message = match &command.action {
        _ if settled.plan.stale => {
            format!("Nothing to do: the event is older than what is known of {subject}.")
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
        Action::Renew(_) => "License(s) renewed successfully.".to_owned(),
        Action::Suspend(_) if policy.grace.is_positive() => {
            "Payment failure recorded successfully.".to_owned()
        }
        Action::Suspend(_) => "License(s) suspended successfully.".to_owned(),
        Action::Resume(_) => "License(s) resumed successfully.".to_owned(),
        Action::End => format!("{subject} ended successfully."),
        Action::SyncCustomer(_) if made_user => "User created successfully.".to_owned(),
        Action::SyncCustomer(_) => "User updated successfully.".to_owned(),
        Action::Note(why) => format!("Noted: {why}."),
    };
    let line = |license: &crate::cryptlex::License| LicenseLine {
        id: license.id.clone(),
        expires_at: license.expires_at,
    };
    let licenses = snapshot.licenses.iter().map(line).collect();
    Told {
        outcome: Outcome {
            message,
            user,
            licenses,
        },
        unmapped: settled.plan.unmapped.clone(),
    }
}

fn ignored(kind: &str, reason: &Reason) -> Outcome {
    let message = match reason {
        Reason::UnhandledType => format!("Webhook with event type {kind} is not handled: ignored."),
        Reason::NothingToDo(why) => format!("Nothing to do for {kind}: {why}."),
    };
    Outcome {
        message,
        ..Outcome::default()
    }
}

fn unmapped_text(unmapped: &[Unmapped]) -> String {
    let lines: Vec<String> = unmapped
        .iter()
        .map(|Unmapped { line, problem }| format!("{line}: {problem}"))
        .collect();
    format!(
        "paid but not mapped to a Cryptlex product: {}",
        lines.join("; ")
    )
}

fn call_failure(error: &crate::cryptlex::ApiError) -> Failure {
    let message = error.to_string();
    match (error.passes_by_itself(), error.kind) {
        (true, crate::cryptlex::Kind::Throttled(after)) => Failure::passing(message, after),
        (true, _) => Failure::passing(message, None),
        (false, _) => Failure::person(message),
    }
}

fn not_admitted(refused: NotAdmitted) -> (Failure, Keep) {
    (
        Failure::passing(refused.to_string(), Some(refused.retry_after)),
        Keep::Release,
    )
}

fn ledger_failure(error: LedgerError) -> Failure {
    Failure::passing(error.to_string(), None)
}
