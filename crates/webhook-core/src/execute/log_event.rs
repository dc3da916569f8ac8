//! One event to its end: handled, or handed to the overflow queue, and told in the log once.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::cryptlex::Turn;
use crate::domain::clock::Clock;
use crate::domain::command::{Meaning, Notice, Outcome};
use crate::domain::contracts;
use crate::domain::deadline::Deadline;
use crate::domain::ids::EventId;
use crate::domain::work::Work;
use crate::execute::claim_scope::claim_scope;
use crate::execute::expected_calls::rank;
use crate::execute::handle_event::{Delivery, Patience, Ready};
use crate::execute::outcome::ignored;
use crate::execute::report::{Class, Failure, Finished};
use crate::infra::metrics::{Count, count};
use crate::infra::overflow::Queued;
use crate::ledger::{Body, ClaimScope, EventKey, Waits};
use crate::providers::Provider;

/// Calls that an event needs, as long as nothing better is known.
const USUAL_CALLS: usize = 4;
/// Part of the deadline. Where nobody has more time, an event that needs more is begun while this part is left.
const PART_THAT_IS_ENOUGH: f32 = 0.8;

impl Ready {
    /// Whatever the outcome, it is logged here, once.
    pub(crate) async fn process<P: Provider>(
        &self,
        notice: Notice,
        delivery: &Delivery<'_>,
        clock: &Clock,
    ) -> Result<Outcome, Failure> {
        let Notice { id, kind, live, money, meaning } = notice;
        let began = tokio::time::Instant::now();
        tracing::info!(
            provider = P::NAME,
            event.id = %id,
            event.r#type = kind,
            live,
            "{}",
            contracts::received(P::TITLE, &kind, &id),
        );
        if self.config.policy.test_events.refuse(money) {
            return Ok(self.refuse_test::<P>(&id));
        }
        let contract = delivery.contract.to_owned();
        let event = EventKey { provider: P::NAME, id: id.clone(), kind, live, contract };
        delivery.take_turn();
        let result = match &meaning {
            Ok(Meaning::Ignore(reason)) => {
                count(Count::Received);
                count(Count::Ignored);
                Ok(Finished::Done(ignored(&event.kind, reason)))
            }
            Ok(Meaning::Act { at, commands }) => {
                self.handle::<P>(&event, *at, commands, delivery, clock).await
            }
            Err(unreadable) => Err(Failure::person(unreadable.to_string())),
        };
        if let (Err(failure), Ok(Meaning::Act { at, commands })) = (&result, &meaning)
            && let Class::Delayed(_) = failure.class
        {
            let about = claim_scope(commands, &Work::of(&id, *at, commands));
            let turn = Turn { rank: rank(commands.iter()), at: *at, calls: USUAL_CALLS };
            let put_off = self.put_off((&event, &about), delivery, failure, turn, clock).await;
            if let Some(goes_on) = put_off {
                return goes_on;
            }
        }
        let duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        match &result {
            Ok(finished) => log_finished::<P>(&id, finished, duration_ms),
            // Whoever delivers it tries it again with a newer token, or tells it.
            Err(failure) if delivery.token_may_be_old && failure.class == Class::Token => {}
            Err(failure) => {
                self.failures.add(clock.now());
                log_failure::<P>(&id, failure, duration_ms);
            }
        }
        result.map(Finished::into_outcome)
    }

    /// Acknowledged without effect, and told where a person looks.
    fn refuse_test<P: Provider>(&self, id: &EventId) -> Outcome {
        count(Count::Received);
        count(Count::Ignored);
        self.refused_a_test.store(true, Ordering::Relaxed);
        tracing::warn!(
            provider = P::NAME,
            event.id = %id,
            outcome = "refused",
            "Webhook event {id}: {}",
            contracts::TEST_REFUSED,
        );
        Outcome { message: contracts::TEST_REFUSED.to_owned(), ..Outcome::default() }
    }

    /// The answer to an event that goes on without its provider: in the overflow queue, or by this process. `None` if nobody
    /// takes it.
    async fn put_off(
        &self,
        kept: (&EventKey, &ClaimScope),
        delivery: &Delivery<'_>,
        failure: &Failure,
        turn: Turn,
        clock: &Clock,
    ) -> Option<Result<Outcome, Failure>> {
        let by = delivery.queued_by?;
        if let Some(accepted) = self.hand_over(kept, delivery, failure, by, clock).await {
            return Some(Ok(accepted));
        }
        if !self.keep_waiting(kept, delivery, turn, by, clock).await {
            return None;
        }
        count(Count::Deferred);
        let (EventKey { provider, id, .. }, _) = kept;
        tracing::warn!(
            provider,
            event.id = %id,
            outcome = "waits",
            "Webhook event {id} waits for Cryptlex and goes on by itself: {}",
            failure.message,
        );
        Some(Err(failure.clone()))
    }

    /// What the deadline must leave for the queue to take over.
    pub(crate) fn kept_for_the_queue(&self) -> Duration {
        let takes = self.timing.record.saturating_add(self.timing.hand_over);
        self.overflow.as_ref().map_or(Duration::ZERO, |_| takes)
    }

    /// How patient a delivery with this body is: where it can be kept, somebody else has more time.
    pub(crate) fn patience(&self, body: &Body<'_>) -> Patience {
        let elsewhere = self.overflow.is_some() || self.waiting.keeps();
        match elsewhere && body.can_be_stored() {
            true => Patience::Elsewhere,
            false => Patience::Here(self.config.deadline.mul_f32(PART_THAT_IS_ENOUGH)),
        }
    }

    /// Whether the event goes on by itself, once its provider has been told that it is not done. `before` is its turn, as far
    /// as it tells itself.
    async fn keep_waiting(
        &self,
        (event, about): (&EventKey, &ClaimScope),
        delivery: &Delivery<'_>,
        before: Turn,
        by: Deadline,
        clock: &Clock,
    ) -> bool {
        if !self.waiting.keeps() {
            return false;
        }
        let now = clock.now();
        let Turn { rank, at, calls } = delivery.take_turn().unwrap_or(before);
        let waits = Waits { rank, at, calls, since: now, due: now, tries: 0 };
        let kept = self.ledger.keep_waiting(event, about, &delivery.body, &waits, now);
        let kept = tokio::time::timeout(by.left().max(self.timing.record), kept).await;
        let is_kept = matches!(kept, Ok(Ok(true)));
        if is_kept {
            self.waiting.add(event.id.clone(), waits);
        }
        is_kept
    }

    /// Queues an event that cannot be finished while the provider waits. `None` if it cannot be queued either. The time that
    /// the deadline keeps for this is for all events of the delivery together.
    async fn hand_over(
        &self,
        (event, about): (&EventKey, &ClaimScope),
        delivery: &Delivery<'_>,
        failure: &Failure,
        by: Deadline,
        clock: &Clock,
    ) -> Option<Outcome> {
        let overflow = self.overflow.as_ref()?;
        let queued = Queued { provider: event.provider.to_owned(), event: event.id.clone() };
        let left = by.left();
        let kept = self.ledger.keep(event, about, &delivery.body, clock.now());
        let result = match tokio::time::timeout(left, kept).await {
            Ok(Ok(true)) => overflow.hand_over(&queued, by.left()).await.map_err(|e| e.to_string()),
            Ok(Ok(false)) => Err("its body is too large to be kept".to_owned()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_late) => Err(Failure::ledger_is_late(left).message),
        };
        if let Err(why) = result {
            tracing::error!(
                provider = event.provider,
                event.id = %event.id,
                "Webhook event {} cannot go on in the overflow queue: {why}",
                event.id,
            );
            return None;
        }
        count(Count::Deferred);
        tracing::warn!(
            provider = event.provider,
            event.id = %event.id,
            outcome = "deferred",
            "Webhook event {} goes on in the overflow queue: {}",
            event.id,
            failure.message,
        );
        let message = contracts::accepted(&event.id);
        Some(Outcome { message, ..Outcome::default() })
    }
}

fn log_finished<P: Provider>(id: &EventId, finished: &Finished, duration_ms: u64) {
    match finished {
        Finished::Done(outcome) => tracing::info!(
            provider = P::NAME,
            event.id = %id,
            outcome = outcome.message,
            duration_ms,
            "{}",
            contracts::processed(id),
        ),
        Finished::Before(outcome) => tracing::info!(
            provider = P::NAME,
            event.id = %id,
            outcome = outcome.message,
            duration_ms,
            "Webhook event {id} is a duplicate: it was done before",
        ),
        Finished::Waits(_) => {}
    }
}

/// What an event came to in the end.
pub(crate) fn log_failure<P: Provider>(id: &EventId, failure: &Failure, duration_ms: u64) {
    if failure.class == Class::Buyer {
        // The usual way of some accounts: nobody has to be called for it.
        tracing::warn!(
            provider = P::NAME,
            event.id = %id,
            outcome = "waiting",
            duration_ms,
            "Webhook event {id} waits for its customer: {}",
            failure.message,
        );
        return;
    }
    count(Count::Failed);
    if failure.class == Class::Token {
        count(Count::TokenRefused);
    }
    tracing::error!(
        provider = P::NAME,
        event.id = %id,
        outcome = "failed",
        duration_ms,
        "{}",
        contracts::failed(id, &failure.message),
    );
}
