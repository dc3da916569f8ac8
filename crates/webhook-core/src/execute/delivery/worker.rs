//! A server works through what it answered 503 because of Cryptlex: paced, in order, also after a restart.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{Timestamp, Unit};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::Service;
use crate::cryptlex::{Reserved, Turn};
use crate::domain::deadline::Deadline;
use crate::domain::ids::EventId;
use crate::execute::handle_event::{Delivery, Patience, Ready};
use crate::execute::replay::{Forgotten, Remembered, remembered};
use crate::execute::report::{Class, Failure};
use crate::execute::runtime::State;
use crate::execute::waiting::Next;
use crate::ledger::{Body, EventStatus, StoreError, Waits};
use crate::providers::Provider;

/// How often the ledger's list is read again: another server over the same table may have died, and this one tells how many
/// wait.
const LIST_EVERY: Duration = Duration::from_secs(60);
/// Then whoever waits for places is asked again whose turn it is.
const TURN_LASTS: Duration = Duration::from_secs(5);
/// Where nothing else bounds how many are under way.
const MOST_AT_ONCE: usize = 64;

/// What a worker works with.
struct Work {
    at_once: Arc<Semaphore>,
    /// When the list was read last; not yet, if it could not be.
    listed: Option<Instant>,
}

impl<P: Provider> Service<P> {
    /// Works through what waits until it is told to stop: nothing is begun any more, what was begun goes on.
    pub async fn work(self: Arc<Self>, mut told_to_stop: watch::Receiver<bool>) {
        let waiting = Arc::clone(self.keeper.waiting());
        if self.keeper.has_queue() {
            return;
        }
        waiting.begin_work();
        let mut work = Work { at_once: Arc::new(Semaphore::new(MOST_AT_ONCE)), listed: None };
        let steps = async {
            loop {
                self.next_step(&mut work).await;
            }
        };
        tokio::select! {
            // An error means that nobody can tell any more; that is as good as told.
            _ = told_to_stop.wait_for(|stop| *stop) => {}
            () = steps => {}
        }
        waiting.end_work();
    }

    async fn next_step(self: &Arc<Self>, work: &mut Work) {
        let state = self.newest(self.deadline()).await;
        let Ok(ready) = &state.ready else { return sleep(LIST_EVERY).await };
        if work.listed.is_none_or(|listed| listed.elapsed() >= LIST_EVERY) {
            self.list(ready, work).await;
        }
        let list_again = work.listed.unwrap_or_else(Instant::now) + LIST_EVERY;
        let now = self.clock.now();
        let (id, waits) = match ready.waiting.next(now) {
            Next::Event(id, waits) => (id, waits),
            Next::NotBefore(due) => {
                let pause = Duration::try_from(due.duration_since(now)).unwrap_or_default();
                let pause = sleep(pause.max(Duration::from_millis(10)));
                tokio::select! {
                    () = pause => {}
                    () = sleep_until(list_again) => {}
                    () = ready.waiting.changed() => {}
                }
                return;
            }
            Next::Nothing => {
                tokio::select! {
                    () = sleep_until(list_again) => {}
                    () = ready.waiting.changed() => {}
                }
                return;
            }
        };
        let Ok(place) = Arc::clone(&work.at_once).acquire_owned().await else { return };
        let Some(event) = self.to_be_done(ready, &id).await else { return };
        let turn = Turn { rank: waits.rank, at: waits.at, calls: waits.calls };
        let turn = ready.waiting.turn_of(&id, turn, self.clock.now());
        // Somebody else's turn may come meanwhile.
        let latest = Instant::now() + TURN_LASTS.saturating_mul(100);
        let reserved = timeout(TURN_LASTS, ready.cryptlex.reserve(&turn, || 0, latest)).await;
        let reserved = match reserved {
            Ok(Ok(reserved)) => reserved,
            Ok(Err(refused)) => return sleep(refused.retry_after.min(TURN_LASTS)).await,
            Err(_another_turn) => return,
        };
        ready.waiting.begin(&id);
        let Ok(permit) = Arc::clone(&self.under_way).acquire_owned().await else { return };
        let (service, state) = (Arc::clone(self), Arc::clone(&state));
        tokio::spawn(async move {
            service.finish_event(&state, event, &waits, reserved).await;
            drop((place, permit));
        });
    }

    /// Reads the ledger's list, and says how long it is.
    async fn list(&self, ready: &Ready, work: &mut Work) {
        let listed = timeout(ready.config.deadline, ready.ledger.waiting(P::NAME)).await;
        work.listed = Some(Instant::now());
        match listed {
            Ok(Ok(listed)) => ready.waiting.load(listed),
            Ok(Err(error)) => list_failed::<P>(&error),
            Err(_late) => list_failed::<P>(&StoreError::late()),
        }
        let queue = ready.waiting.queue();
        if queue.events > 0 {
            let until = self.waits_until(ready);
            tracing::info!(
                provider = P::NAME,
                "{} events wait for Cryptlex. They will be done by about {until}",
                queue.events,
            );
        }
    }

    /// When what waits will be done, as things are.
    pub(super) fn waits_until(&self, ready: &Ready) -> Timestamp {
        let (queue, now) = (ready.waiting.queue(), self.clock.now());
        let takes = jiff::SignedDuration::try_from(ready.cryptlex.takes(queue.calls));
        let until = takes.ok().and_then(|takes| now.checked_add(takes).ok()).unwrap_or(now);
        let until = until.max(queue.due.unwrap_or(now));
        until.round(Unit::Second).unwrap_or(until)
    }

    /// The event as it was kept; `None` if there is nothing to be done about it, now or ever.
    async fn to_be_done(&self, ready: &Ready, id: &EventId) -> Option<Remembered> {
        let known = async {
            if ready
                .ledger
                .event(P::NAME, id)
                .await?
                .is_some_and(|event| matches!(event.status, EventStatus::Done(_)))
            {
                return Ok(None);
            }
            remembered::<P>(&ready.ledger, &ready.config, id).await.map(Some)
        };
        let why = match timeout(ready.config.deadline, known).await {
            Ok(Ok(Some(event))) => return Some(event),
            Ok(Ok(None)) => {
                self.wait_no_more(ready, id).await;
                return None;
            }
            Ok(Err(error @ (Forgotten::Store(_) | Forgotten::NotConfigured(_)))) => {
                error.to_string()
            }
            Ok(Err(forgotten)) => {
                tracing::error!(provider = P::NAME, event.id = %id, "Webhook event {id} was removed from the waiting list: {forgotten}");
                self.wait_no_more(ready, id).await;
                return None;
            }
            Err(_late) => StoreError::late().to_string(),
        };
        tracing::error!(provider = P::NAME, event.id = %id, "Webhook event {id} cannot be tried again yet: {why}");
        self.try_later(ready, id, None, None).await;
        None
    }

    async fn finish_event(
        &self,
        state: &Arc<State>,
        event: Remembered,
        waits: &Waits,
        reserved: Reserved,
    ) {
        let Ok(ready) = &state.ready else { return };
        let Remembered { notice, contract, body } = event;
        let id = notice.id.clone();
        let takes = ready.cryptlex.takes(waits.calls).saturating_mul(2);
        // No provider waits.
        let budget = takes.max(ready.config.deadline.saturating_mul(3));
        let delivery = Delivery {
            contract: &contract,
            body: Body::new(&body),
            deadline: Deadline::after(budget, &self.clock),
            queued_by: None,
            token_may_be_old: false,
            patience: Patience::Here(budget.mul_f32(PART_THAT_IS_ENOUGH)),
            places: Mutex::new(Some(reserved)),
            turn: Mutex::default(),
        };
        let result = Box::pin(ready.process::<P>(notice, &delivery, &self.clock)).await;
        match result {
            Ok(_) => self.wait_no_more(ready, &id).await,
            Err(Failure { class: Class::Delayed(after), .. }) => {
                self.try_later(ready, &id, delivery.take_turn(), after).await;
            }
            Err(Failure { class: Class::Token, .. }) => {
                self.newer_than(state, ready.config.deadline, None).await;
                self.try_later(ready, &id, delivery.take_turn(), None).await;
            }
            // A person, or another event, must come first: the provider's own retries are the better alarm.
            Err(Failure { class: Class::Person | Class::Passing(_) | Class::Buyer, .. }) => {
                self.wait_no_more(ready, &id).await;
            }
        }
    }

    async fn wait_no_more(&self, ready: &Ready, id: &EventId) {
        ready.waiting.remove(id);
        let removed = timeout(ready.config.deadline, ready.ledger.waits_no_more(P::NAME, id)).await;
        if let Ok(Err(error)) = removed {
            // It is found to be done the next time.
            not_recorded::<P>(id, &error);
        }
    }

    async fn try_later(
        &self,
        ready: &Ready,
        id: &EventId,
        turn: Option<Turn>,
        at_least: Option<Duration>,
    ) {
        let Some(waits) = ready.waiting.try_later(id, turn, at_least, self.clock.now()) else {
            tracing::error!(
                provider = P::NAME,
                event.id = %id,
                "Webhook event {id} was tried too often: it is left to its provider's retries",
            );
            return self.wait_no_more(ready, id).await;
        };
        let later = ready.ledger.waits_on(P::NAME, id, &waits);
        if let Ok(Err(error)) = timeout(ready.config.deadline, later).await {
            not_recorded::<P>(id, &error);
        }
    }
}

fn list_failed<P: Provider>(error: &StoreError) {
    tracing::error!(provider = P::NAME, "The list of waiting events cannot be read: {error}");
}

fn not_recorded<P: Provider>(id: &EventId, error: &StoreError) {
    tracing::error!(
        provider = P::NAME,
        event.id = %id,
        "The ledger did not record how long webhook event {id} waits: {error}",
    );
}

/// Of a budget: what takes longer is begun all the same.
const PART_THAT_IS_ENOUGH: f32 = 0.8;
