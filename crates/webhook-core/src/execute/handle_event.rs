//! One event: claimed, carried out against Cryptlex, recorded.
//!
//! The order never changes: lease and facts, look, decide, write, record. A failure anywhere leaves what was done in place and
//! says so; the next delivery goes on from there.

mod begin;
mod buyers;
mod gate;
mod one;

use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use crate::cryptlex::{Calls, Client, Rank, Reserved, Turn};
use crate::decide::{Owed, needs_a_look};
use crate::domain::clock::Clock;
use crate::domain::command::{Command, Concern, Meaning, Notice, Outcome, Unmapped};
use crate::domain::deadline::{Deadline, Timing};
use crate::domain::ids::EventId;
use crate::domain::work::Work;
use crate::execute::claim_scope::write_down;
use crate::execute::customers::{Looking, told_by, with_address};
use crate::execute::outcome::unmapped_text;
use crate::execute::replay::{Forgotten, Remembered, remembered};
use crate::execute::report::{Class, Failure, Finished};
use crate::execute::waiting::Waiting;
use crate::infra::config::Config;
use crate::infra::health::Failures;
use crate::infra::metrics::{Count, count};
use crate::infra::notify::{Notification, Notifier};
use crate::infra::overflow::Overflow;
use crate::ledger::{Body, EventKey, LeaseOnFailure, Leases, Ledger, LedgerError};
use crate::providers::Provider;
use begin::Begun;
use buyers::{Unserved, Waits, no_longer_waits};

pub(crate) use gate::Patience;

/// Everything that handling an event needs.
pub(crate) struct Ready {
    pub(crate) config: Config,
    pub(crate) cryptlex: Client,
    pub(crate) ledger: Ledger,
    pub(crate) notifier: Notifier,
    pub(crate) overflow: Option<Overflow>,
    pub(crate) failures: Arc<Failures>,
    pub(crate) waiting: Arc<Waiting>,
    pub(crate) timing: Timing,
    /// Whether a test event was refused: people look for its license.
    pub(crate) refused_a_test: AtomicBool,
}

/// What the events of one delivery have in common.
pub(crate) struct Delivery<'d> {
    /// The path that it came to.
    pub(crate) contract: &'d str,
    pub(crate) body: Body<'d>,
    pub(crate) deadline: Deadline,
    /// Until when the overflow queue must have taken over what cannot be finished; `None` for what does not go there.
    pub(crate) queued_by: Option<Deadline>,
    /// Whether it is tried again where Cryptlex refuses the token and there is a newer one: until then it did not fail.
    pub(crate) token_may_be_old: bool,
    /// What becomes of it where its calls do not fit before its deadline.
    pub(crate) patience: Patience,
    /// Places under Cryptlex's limit that were taken for it before.
    pub(crate) places: Mutex<Option<Reserved>>,
    /// The turn of the event that came to its admission last.
    pub(crate) turn: Mutex<Option<Turn>>,
}

impl Delivery<'_> {
    fn turn(&self) -> MutexGuard<'_, Option<Turn>> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The turn of its event as it came out, for whoever tries it again; none is left.
    pub(crate) fn take_turn(&self) -> Option<Turn> {
        self.turn().take()
    }

    /// Its event's effect may be there in part.
    fn was_begun(&self) {
        if let Some(turn) = self.turn().as_mut() {
            turn.rank = Rank::Begun;
        }
    }
}

impl Ready {
    pub(crate) fn handle<P: Provider>(
        &self,
        event: &EventKey,
        at: Timestamp,
        commands: &[Command],
        delivery: &Delivery<'_>,
        clock: &Clock,
    ) -> impl Future<Output = Result<Finished, Failure>> {
        const NOTHING_TRIED: &BTreeSet<EventId> = &BTreeSet::new();
        self.handle_after::<P>(event, at, commands, delivery, clock, NOTHING_TRIED)
    }

    /// After those purchases were `tried` that waited for the customer whom it describes.
    async fn handle_after<P: Provider>(
        &self,
        event: &EventKey,
        at: Timestamp,
        commands: &[Command],
        delivery: &Delivery<'_>,
        clock: &Clock,
        tried: &BTreeSet<EventId>,
    ) -> Result<Finished, Failure> {
        let deadline = delivery.deadline;
        if deadline.left().is_zero() {
            let text = "no time was left before the deadline (DEADLINE_MS)";
            return Err(Failure::delayed(text, None));
        }
        let begun = self.begun::<P>(event, at, commands, delivery, clock).await?;
        let Begun { commands, mut leases, calls, owed } = match begun {
            Ok(begun) => begun,
            Err(outcome) => {
                count(Count::Duplicate);
                return Ok(Finished::Before(outcome));
            }
        };
        let commands = &*commands;
        let addressed = match self.addressed::<P>(commands, &leases, deadline).await {
            Ok(addressed) => addressed,
            Err(failure) => {
                let fail = self.ledger.fail(*leases, &failure.message, LeaseOnFailure::Release);
                self.recorded(deadline, fail).await?;
                return Err(failure);
            }
        };
        let commands = addressed.as_deref().unwrap_or(commands);
        let carried =
            self.carry_out(commands, at, &owed, &mut leases, calls, (deadline, clock)).await;
        if let Ok(Carried { outcome, concerns, .. }) = &carried {
            let waiting = no_longer_waits(event, commands, &mut leases, tried);
            if !waiting.is_empty() {
                let tells = !concerns.is_empty() && leases.tell_once();
                let told = tells.then(|| (concerns.clone(), outcome.message.clone()));
                let wait = Waits { waiting, leases, told };
                let first = self.finish_first::<P>(event, at, commands, delivery, clock, wait);
                return Box::pin(first).await;
            }
        }
        match carried {
            Ok(Carried { outcome, unmapped, concerns }) if unmapped.is_empty() => {
                let told = !concerns.is_empty() && leases.tell_once();
                let complete = self.ledger.complete(*leases, outcome.clone());
                self.recorded(deadline, complete).await?;
                count(Count::Applied);
                if told {
                    self.notify(event, commands, &concerns, &outcome.message, deadline).await;
                }
                Ok(Finished::Done(outcome))
            }
            Ok(carried) => self.unmapped(event, commands, *leases, carried, deadline).await,
            Err((failure, LeaseOnFailure::Release))
                if matches!(failure.class, Class::Buyer | Class::Passing(_)) =>
            {
                let wait = Unserved { leases, failure };
                let now = clock.now();
                Box::pin(self.wait_a_day(event, at, commands, wait, deadline, now)).await
            }
            Err((failure, keep)) => {
                if leases.is_touched() || keep == LeaseOnFailure::LetExpire {
                    delivery.was_begun();
                }
                let fail = self.ledger.fail(*leases, &failure.message, keep);
                self.recorded(deadline, fail).await?;
                Err(failure)
            }
        }
    }

    /// Not done: a redelivery is tried again, whatever was answered.
    async fn unmapped(
        &self,
        event: &EventKey,
        commands: &[Command],
        mut leases: Leases,
        Carried { outcome, unmapped, concerns }: Carried,
        deadline: Deadline,
    ) -> Result<Finished, Failure> {
        let text = unmapped_text(&unmapped, &concerns);
        let told = leases.tell_once();
        let wait = self.ledger.wait_for_mapping(leases, &text);
        self.recorded(deadline, wait).await?;
        count(Count::Unmapped);
        if told {
            self.notify(event, commands, &concerns, &text, deadline).await;
        }
        // No redelivery helps an order that the provider failed to fulfil.
        let is_accepted =
            self.config.policy.accept_unmapped || concerns.contains(&Concern::Undelivered);
        if !is_accepted {
            return Err(Failure::person(text));
        }
        // The answer is 2xx, so only this line reports it.
        tracing::error!(
            provider = event.provider,
            event.id = %event.id,
            outcome = "unmapped",
            "Webhook event {} was accepted: {text}",
            event.id,
        );
        Ok(Finished::Waits(Outcome { message: text, ..outcome }))
    }

    /// Purchases of a customer who is known by id only, with the address and the name that they told in an event of their own:
    /// unless the user that they are known as is theirs alone, another one may have that address by now.
    async fn addressed<P: Provider>(
        &self,
        commands: &[Command],
        leases: &Leases,
        deadline: Deadline,
    ) -> Result<Option<Vec<Command>>, Failure> {
        let Some(told_by) = commands.iter().find_map(|command| told_by(command, leases)) else {
            return Ok(None);
        };
        let (left, remembered) =
            (deadline.left(), remembered::<P>(&self.ledger, &self.config, &told_by));
        let remembered = match tokio::time::timeout(left, remembered).await {
            Ok(Ok(remembered)) => remembered,
            Ok(Err(Forgotten::Store(error))) => {
                return Err(Failure::delayed(error.to_string(), None));
            }
            Ok(Err(_forgotten)) => return Ok(None),
            Err(_late) => return Err(Failure::ledger_is_late(left)),
        };
        let Ok(Meaning::Act { commands: told, .. }) = remembered.notice.meaning else {
            return Ok(None);
        };
        Ok(Some(commands.iter().map(|command| with_address(command, &told)).collect()))
    }

    /// At most once per event, after it was recorded; that nobody could be told changes nothing else.
    async fn notify(
        &self,
        event: &EventKey,
        commands: &[Command],
        concerns: &BTreeSet<Concern>,
        text: &str,
        deadline: Deadline,
    ) {
        for concern in concerns {
            let notification = Notification {
                concern: *concern,
                provider: event.provider,
                event: &event.id,
                kind: &event.kind,
                subject: commands.first().map(Command::object),
                text,
            };
            self.notifier.send(&notification, deadline.left().max(self.timing.record)).await;
        }
    }

    /// A purchase that waited for its customer's e-mail. What keeps it from its end for reasons of its own is not waited for.
    async fn finish<P: Provider>(
        &self,
        event: &EventId,
        outer: &Delivery<'_>,
        clock: &Clock,
    ) -> Result<(), Failure> {
        let (deadline, patience) = (outer.deadline, outer.patience);
        let (left, remembered) =
            (deadline.left(), remembered::<P>(&self.ledger, &self.config, event));
        let remembered = match tokio::time::timeout(left, remembered).await {
            Ok(Ok(remembered)) => remembered,
            Ok(Err(error @ Forgotten::Store(_))) => {
                return Err(Failure::delayed(error.to_string(), None));
            }
            // Nobody can finish it any more, or as things are.
            Ok(Err(
                Forgotten::NotConfigured(_)
                | Forgotten::Event(_)
                | Forgotten::Body(_)
                | Forgotten::Path(_)
                | Forgotten::Meaning(..),
            )) => return Ok(()),
            Err(_late) => return Err(Failure::ledger_is_late(left)),
        };
        let Remembered { notice: Notice { id, kind, live, money, meaning }, contract, body } =
            remembered;
        if self.config.policy.test_events.refuse(money) {
            return Ok(());
        }
        let Ok(Meaning::Act { at, commands }) = meaning else { return Ok(()) };
        tracing::info!(
            provider = P::NAME,
            event.id = %id,
            "Webhook event {id} waited for its customer, who is known now: it is tried again",
        );
        let body = Body::new(&body);
        let delivery = Delivery {
            contract: &contract,
            body,
            deadline,
            queued_by: None,
            token_may_be_old: false,
            patience,
            places: Mutex::default(),
            turn: Mutex::default(),
        };
        let event = EventKey { provider: P::NAME, id, kind, live, contract: contract.clone() };
        match self.handle::<P>(&event, at, &commands, &delivery, clock).await {
            Ok(_done) => Ok(()),
            Err(failure) => match failure.class {
                Class::Person | Class::Passing(_) | Class::Buyer => Ok(()),
                Class::Token | Class::Delayed(_) => {
                    let message =
                        format!("event {} must be finished first: {}", event.id, failure.message);
                    Err(Failure { message, ..failure })
                }
            },
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
        owed: &[Owed],
        leases: &mut Leases,
        calls: Option<Calls<'_>>,
        (deadline, clock): (Deadline, &Clock),
    ) -> Result<Carried, (Failure, LeaseOnFailure)> {
        let mut carried = Carried::default();
        for command in commands {
            write_down(command, leases);
        }
        let works = Work::of(leases.event(), at, commands);
        let asks = |(work, owed)| needs_a_look(work, owed, &leases.state(&work.subject));
        // What turns out to need something of Cryptlex holds a lease by now: it waits for no turn.
        let needs_calls = calls.is_none() && works.iter().zip(owed).any(asks);
        let without_places = || self.cryptlex.begin(Reserved::default(), deadline);
        let calls = calls.or_else(|| needs_calls.then(without_places));
        for (work, owed) in works.iter().zip(owed) {
            let looking = calls.as_ref().map(|calls| Looking {
                calls,
                ledger: &self.ledger,
                timing: &self.timing,
                clock,
                deadline,
            });
            let settled = self.one(looking, work, owed, leases).await?;
            settled.merge_into(&mut carried.outcome);
            // What the event is about says more than that it changed nothing.
            let concerns = work.commands.iter().filter_map(|command| command.concern);
            // Of a purchase that was never seen only if something was made for it.
            let is_due =
                |concern: &Concern| *concern != Concern::PurchaseUnseen || settled.made_something;
            let concerns = concerns.filter(|_| !settled.stale).filter(is_due);
            carried.concerns.extend(concerns.chain(settled.concern));
            carried.unmapped.extend(settled.unmapped);
        }
        Ok(carried)
    }
}

/// What one event did, over all of its subjects.
#[derive(Default)]
struct Carried {
    outcome: Outcome,
    unmapped: Vec<Unmapped>,
    concerns: BTreeSet<Concern>,
}

async fn in_time<T>(
    left: Duration,
    call: impl Future<Output = Result<T, LedgerError>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(left, call).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(Failure::delayed(error.to_string(), None)),
        Err(_late) => Err(Failure::ledger_is_late(left)),
    }
}
