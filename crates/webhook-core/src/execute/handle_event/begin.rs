//! Before an event has its effect: what it is about, with all leases, and who bought.

use std::time::Duration;

use jiff::Timestamp;

use super::gate::Gate;
use super::{Delivery, Ready, in_time};
use crate::cryptlex::Calls;
use crate::decide::lacks_its_buyer;
use crate::domain::clock::Clock;
use crate::domain::command::{Action, Command, Meaning, Outcome, Reversal, Subject};
use crate::domain::deadline::Deadline;
use crate::domain::ids::PaymentId;
use crate::domain::work::Work;
use crate::execute::claim_scope::claim_scope;
use crate::execute::expected_calls::turn;
use crate::execute::replay::remembered;
use crate::execute::report::Failure;
use crate::ledger::{
    Admission, Claim, EventKey, Known, LeaseOnFailure, Leases, LedgerError, Paid, PaidBy, Term,
};
use crate::providers::Provider;

/// What an event came to before its effect: claimed, with everything that it asks.
pub(super) struct Begun<'r> {
    pub(super) commands: Vec<Command>,
    pub(super) leases: Box<Leases>,
    pub(super) calls: Option<Calls<'r>>,
}

enum Traced {
    Commands(Vec<Command>),
    Done(Outcome),
}

enum Claimed<'c> {
    /// With places for its calls, if it makes any.
    Leases(Box<Leases>, Option<Calls<'c>>),
    Done(Outcome),
    /// What a payment paid for is known by now.
    NowKnown,
    /// A payment is the purchase, because none is known.
    Unseen,
}

impl Ready {
    /// Claims an event: all leases, its commands and its calls. A payment becomes the purchase if none is known. If only another
    /// event tells the buyer, the commands get them from there. `Err` in `Ok` is the outcome of an event that was done before.
    pub(super) async fn begun<P: Provider>(
        &self,
        event: &EventKey,
        at: Timestamp,
        mut commands: Vec<Command>,
        delivery: &Delivery<'_>,
        clock: &Clock,
    ) -> Result<Result<Begun<'_>, Outcome>, Failure> {
        let deadline = delivery.deadline;
        let (mut with_buyer, mut is_buyer_asked_for) = (None, false);
        loop {
            let traced = match with_buyer.take() {
                Some(traced) => traced,
                None => match in_time(deadline.left(), self.traced::<P>(event, &commands)).await? {
                    Traced::Commands(commands) => commands,
                    Traced::Done(outcome) => return Ok(Err(outcome)),
                },
            };
            match self.claim(event, at, &traced, delivery, clock).await? {
                Claimed::Leases(leases, calls) => {
                    let ordered = match is_buyer_asked_for || calls.is_none() {
                        true => None,
                        false => {
                            self.ordered_as::<P>(event, at, &traced, &leases, deadline).await?
                        }
                    };
                    is_buyer_asked_for = true;
                    let Some(ordered) = ordered else {
                        return Ok(Ok(Begun { commands: traced, leases, calls }));
                    };
                    // Claimed once more, with the buyer.
                    drop(calls);
                    let why = "its buyer is asked for first";
                    let released = self.ledger.fail(*leases, why, LeaseOnFailure::Release);
                    self.recorded(deadline, released).await?;
                    with_buyer = Some(ordered);
                }
                Claimed::Done(outcome) => return Ok(Err(outcome)),
                Claimed::NowKnown => {}
                Claimed::Unseen => {
                    commands = commands.into_iter().map(Command::as_purchase).collect();
                }
            }
        }
    }

    /// The commands with the purchase that they pay for, as another event told it. `None` if they lack no buyer, or if the
    /// body of that event is not kept.
    async fn ordered_as<P: Provider>(
        &self,
        event: &EventKey,
        at: Timestamp,
        commands: &[Command],
        leases: &Leases,
        deadline: Deadline,
    ) -> Result<Option<Vec<Command>>, Failure> {
        let works = Work::of(&event.id, at, commands);
        let lacking = works.iter().find_map(|work| {
            let state = leases.state(&work.subject);
            let teller = lacks_its_buyer(work, &state, &self.config.policy)?;
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
                traced.push(Command { subject, marks, action, payments, ..command.clone() });
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
        at: Timestamp,
        commands: &[Command],
        delivery: &Delivery<'_>,
        clock: &Clock,
    ) -> Result<Claimed<'r>, Failure> {
        let (about, deadline) = (claim_scope(&event.id, at, commands), delivery.deadline);
        let works = Work::of(&event.id, at, commands);
        let gate = Gate::of(self, event, delivery);
        let admission: &Admission<'_> = &|known: Known<'_>| {
            let turn = turn(&works, at, known, &self.config.policy);
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
                Claim::Acquired(leases) => return Ok(Claimed::Leases(leases, gate.calls())),
                Claim::Done(outcome) => return Ok(Claimed::Done(outcome)),
                Claim::NotAdmitted => return Err(gate.refusal()),
                Claim::NowKnown => return Ok(Claimed::NowKnown),
                Claim::Unseen => return Ok(Claimed::Unseen),
                Claim::Busy { until, abandoned } => {
                    let over_in = Duration::try_from(until.duration_since(now)).unwrap_or_default();
                    let in_vain = abandoned && over_in > deadline.left();
                    let who = commands.first().map(|c| c.subject.to_string()).unwrap_or_default();
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
