//! Before an event has its effect: what it is about, with all leases, and who bought.

use std::borrow::Cow;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::gate::Gate;
use super::{Delivery, Ready, in_time};
use crate::cryptlex::Calls;
use crate::decide::{Owed, lacks_its_buyer};
use crate::domain::clock::Clock;
use crate::domain::command::{Action, Called, Command, Meaning, Outcome, Reversal, Subject};
use crate::domain::deadline::Deadline;
use crate::domain::ids::PaymentId;
use crate::domain::work::Work;
use crate::execute::claim_scope::claim_scope;
use crate::execute::expected_calls::{owed, turn};
use crate::execute::replay::remembered;
use crate::execute::report::Failure;
use crate::infra::metrics::{Count, count};
use crate::ledger::{
    Admission, Claim, EventKey, Known, LeaseOnFailure, Leases, LedgerError, Paid, PaidBy, Term,
};
use crate::providers::Provider;

/// What an event came to before its effect: claimed, with everything that it asks.
pub(super) struct Begun<'r, 'c> {
    pub(super) commands: Cow<'c, [Command]>,
    pub(super) leases: Box<Leases>,
    pub(super) calls: Option<Calls<'r>>,
    /// What each subject was owed when it was claimed.
    pub(super) owed: Vec<Owed>,
}

enum Traced {
    /// None is of a payment.
    AsTheyAre,
    Commands(Vec<Command>),
    Done(Outcome),
}

enum Claimed<'r> {
    /// With places for its calls, if it makes any, and what each subject is owed.
    Leases(Box<Leases>, Option<Calls<'r>>, Vec<Owed>),
    Done(Outcome),
    /// What a payment paid for is known by now.
    NowKnown,
    /// A payment is the purchase, because none is known.
    Unseen,
}

impl Ready {
    /// Claims an event: all leases, its commands and its calls. A payment becomes the purchase if none is known. If only another
    /// event tells the buyer, the commands get them from there. `Err` in `Ok` is the outcome of an event that was done before.
    pub(super) async fn begun<'c, P: Provider>(
        &self,
        event: &EventKey,
        at: Timestamp,
        commands: &'c [Command],
        delivery: &Delivery<'_>,
        clock: &Clock,
    ) -> Result<Result<Begun<'_, 'c>, Outcome>, Failure> {
        let deadline = delivery.deadline;
        let mut commands = Cow::Borrowed(commands);
        let (mut with_buyer, mut is_buyer_asked_for) = (None, false);
        loop {
            let traced = match with_buyer.take() {
                Some(traced) => Cow::Owned(traced),
                None => match in_time(deadline.left(), self.traced::<P>(event, &commands)).await? {
                    Traced::AsTheyAre => commands.clone(),
                    Traced::Commands(traced) => Cow::Owned(traced),
                    Traced::Done(outcome) => return Ok(Err(outcome)),
                },
            };
            let works = Work::of(&event.id, at, &traced);
            match self.claim(event, (&traced, &works), delivery, clock).await? {
                Claimed::Leases(leases, calls, owed) => {
                    let ordered = match is_buyer_asked_for || calls.is_none() {
                        true => None,
                        false => {
                            let works = works.iter().zip(&owed);
                            self.ordered_as::<P>(event, &traced, works, &leases, deadline).await?
                        }
                    };
                    is_buyer_asked_for = true;
                    let Some(ordered) = ordered else {
                        drop(works);
                        return Ok(Ok(Begun { commands: traced, leases, calls, owed }));
                    };
                    // Claimed once more, with the buyer.
                    drop(calls);
                    let why = "the event that names its buyer is read first";
                    let released = self.ledger.fail(*leases, why, LeaseOnFailure::Release);
                    self.recorded(deadline, released).await?;
                    with_buyer = Some(ordered);
                }
                Claimed::Done(outcome) => return Ok(Err(outcome)),
                Claimed::NowKnown => {}
                Claimed::Unseen => {
                    let all = commands.into_owned().into_iter();
                    commands = all.map(Command::as_purchase).collect();
                }
            }
        }
    }

    /// The commands with the purchase that they pay for, as another event told it. `None` if they lack no buyer, or if the
    /// body of that event is not kept.
    async fn ordered_as<'w, P: Provider>(
        &self,
        event: &EventKey,
        commands: &[Command],
        mut works: impl Iterator<Item = (&'w Work<'w>, &'w Owed)>,
        leases: &Leases,
        deadline: Deadline,
    ) -> Result<Option<Vec<Command>>, Failure> {
        let lacking = works.find_map(|(work, owed)| {
            let state = leases.state(&work.subject);
            let teller = lacks_its_buyer(work, owed, &state)?;
            (*teller != event.id).then(|| (work.subject.clone(), teller.clone()))
        });
        let Some((subject, teller)) = lacking else { return Ok(None) };
        let told = remembered::<P>(&self.ledger, &self.config, &teller);
        let Ok(Ok(told)) = tokio::time::timeout(deadline.left(), told).await else {
            // Its own event makes it.
            return Ok(None);
        };
        let Ok(Meaning::Act { commands: told, .. }) = told.notice.meaning else { return Ok(None) };
        let grant = told.into_iter().filter(|command| command.subject == subject);
        let grant = grant.map(Command::as_purchase).find_map(|command| {
            let Action::Grant(grant) = command.action else { return None };
            Some(Box::new(grant))
        });
        let with_it = |command: &Command| {
            let is_it = command.subject == subject;
            let ordered_as = grant.clone().filter(|_| is_it);
            Command { ordered_as, ..command.clone() }
        };
        Ok(grant.is_some().then(|| commands.iter().map(with_it).collect()))
    }

    /// Reversals of payments become reversals of whatever those paid for.
    async fn traced<P: Provider>(
        &self,
        event: &EventKey,
        commands: &[Command],
    ) -> Result<Traced, LedgerError> {
        if commands.iter().all(|command| of_payment(&command.action).is_none()) {
            return Ok(Traced::AsTheyAre);
        }
        let mut traced = Vec::with_capacity(commands.len());
        for command in commands {
            let Some(ids) = of_payment(&command.action) else {
                traced.push(command.clone());
                continue;
            };
            let (paid, ids) = match self.ledger.paid_by(event, &ids).await? {
                PaidBy::Known(paid, ids) => (paid, ids),
                PaidBy::Done(outcome) => return Ok(Traced::Done(outcome)),
            };
            let action = known_by(&command.action, &ids);
            for Paid { kind, id } in &paid {
                let subject = Subject { provider: P::NAME, kind: *kind, id: id.clone() };
                let (marks, payments) = (P::marks(&subject), ids.clone());
                let action = action.clone();
                traced.push(Command {
                    subject,
                    called: Called::ByItsKind,
                    marks,
                    action,
                    payments,
                    ..command.clone()
                });
            }
            if paid.is_empty() {
                traced.push(Command { action, of_unknown_payment: true, ..command.clone() });
            }
        }
        Ok(Traced::Commands(traced))
    }

    /// Waits for other deliveries about the same subjects, as long as the deadline leaves time to act afterwards.
    async fn claim<'r>(
        &'r self,
        event: &EventKey,
        (commands, works): (&[Command], &[Work<'_>]),
        delivery: &Delivery<'_>,
        clock: &Clock,
    ) -> Result<Claimed<'r>, Failure> {
        let (about, deadline) = (claim_scope(commands, works), delivery.deadline);
        let gate = Gate::of(self, event, delivery);
        // Each is about a subject of its own, so that none changes what another one is owed.
        let owed_when_claimed = Mutex::new(Vec::new());
        let admission: &Admission<'_> = &|known: Known<'_>| {
            let owed = owed(works, known, &self.config.policy);
            let turn = turn(works, &owed, known);
            *owed_when_claimed.lock().unwrap_or_else(PoisonError::into_inner) = owed;
            Box::pin(gate.admits(turn, clock))
        };
        let mut pause = self.timing.poll;
        let mut busy = None;
        loop {
            let now = clock.now();
            let until = self.ledger.lease_end(now, deadline.left());
            let body = &delivery.body;
            let claim = self.ledger.claim(event, &about, body, Term { now, until }, admission);
            let claimed = match in_time(deadline.left(), claim).await {
                Ok(claimed) => claimed,
                // The last look came too late; what the one before saw is worth more than that.
                Err(late) => return Err(busy.unwrap_or(late)),
            };
            match claimed {
                Claim::Acquired(leases) => {
                    if leases.attempts() == 1 {
                        count(Count::Received);
                    }
                    let calls = gate.calls();
                    let owed = owed_when_claimed.into_inner();
                    let owed = owed.unwrap_or_else(PoisonError::into_inner);
                    return Ok(Claimed::Leases(leases, calls, owed));
                }
                Claim::Done(outcome) => return Ok(Claimed::Done(outcome)),
                Claim::NotAdmitted => return Err(gate.refusal()),
                Claim::NowKnown => return Ok(Claimed::NowKnown),
                Claim::Unseen => return Ok(Claimed::Unseen),
                Claim::Busy { until, abandoned } => {
                    let over_in = Duration::try_from(until.duration_since(now)).unwrap_or_default();
                    let in_vain = abandoned && over_in > deadline.left();
                    let who = commands.first().map(Command::object).unwrap_or_default();
                    let text = format!("{who} is being worked on by another delivery");
                    let failure = Failure::delayed(text, Some(over_in));
                    if in_vain || deadline.left() <= pause {
                        return Err(failure);
                    }
                    busy = Some(failure);
                }
            }
            // Whoever waits for somebody else keeps no places from others.
            gate.give_back();
            tokio::time::sleep(pause).await;
            pause = pause.saturating_mul(2).min(self.timing.poll.saturating_mul(10));
        }
    }
}

/// By what the payment is known that it tells of.
fn of_payment(action: &Action) -> Option<Vec<PaymentId>> {
    if let Action::OfPayment(of) = action {
        return Some(of.ids());
    }
    let Action::Reverse(reversal) = action else { return None };
    Some(reversal.ids.clone())
}

/// The same, by every id that the payment is known by.
fn known_by(action: &Action, ids: &[PaymentId]) -> Action {
    let Action::Reverse(reversal) = action else { return action.clone() };
    Action::Reverse(Reversal { ids: ids.to_vec(), ..reversal.clone() })
}
