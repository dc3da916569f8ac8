//! One delivery from its bytes to what became of its events.
//!
//! Three entry points: [`Service::handle`] takes a delivery from its provider (read it first), [`Service::resume`] an event
//! from the overflow queue, and [`Service::work`] finishes what waits on a server.

mod worker;

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use http::HeaderMap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::domain::clock::Clock;
use crate::domain::command::{Meaning, Notice};
use crate::domain::contracts;
use crate::domain::deadline::{Deadline, Timing};
use crate::execute::handle_event::{Delivery, Patience, Ready};
use crate::execute::log_event::log_failure;
use crate::execute::replay::{Forgotten, Remembered, remembered};
use crate::execute::report::{Class, Refusal, Report, count_late_ledger};
use crate::execute::runtime::{Keeper, Parts, State, Variables};
use crate::infra::config::Rules;
use crate::infra::config::{Config, Loaded, Problem};
use crate::infra::health::{Health, Standing, Waits};
use crate::infra::limits::{Limits, TurnedAway};
use crate::infra::metrics::{self, Count, count};
use crate::infra::overflow::Queued;
use crate::ledger::{Body, LOOK_EVERY, StoreError};
use crate::providers::Contract;
use crate::providers::Provider;
use crate::providers::inbound::Inbound;
use crate::providers::signature::{Rejected, Verified, verify};

/// One provider's function with everything that it holds.
pub struct Service<P> {
    keeper: Keeper,
    limits: Arc<Limits>,
    clock: Clock,
    /// A timer looks at the ledger.
    is_watched: AtomicBool,
    /// The most time that one message of the overflow queue was given, in milliseconds.
    longest_ms: AtomicU64,
    /// A permit is out for each delivery under way.
    under_way: Arc<Semaphore>,
    /// And one for each large body that is held.
    large: Arc<Semaphore>,
    provider: std::marker::PhantomData<P>,
}

const QUEUED_AT_ONCE: usize = 16;
/// Longer than most events take, and short compared with the time that Lambda gives.
const RESUMED: Duration = Duration::from_secs(30);
const MOST_UNDER_WAY: u32 = 100_000;
/// Of a mebibyte at most, and as much again while one grows.
const MOST_LARGE: usize = 32;

/// Held as long as a large body is.
pub type Place = OwnedSemaphorePermit;

impl<P: Provider> Service<P> {
    /// Never fails: what is missing is answered to every webhook until it is there.
    pub async fn open(variables: Variables, clock: Clock, timing: Timing) -> Self {
        let (keeper, limits) = Keeper::open::<P>(variables, clock.clone(), timing).await;
        Self::with(keeper, limits, clock)
    }

    /// As `open`, over parts that were made before.
    pub fn over(loaded: Loaded, parts: Parts, clock: Clock, timing: Timing) -> Self {
        let limits = loaded.limits.clone();
        let keeper = Keeper::over::<P>(loaded, parts, clock.clone(), timing);
        Self::with(keeper, limits, clock)
    }

    fn with(keeper: Keeper, limits: Rules, clock: Clock) -> Self {
        let limits = Arc::new(Limits::new(limits, &clock));
        let under_way =
            Arc::new(Semaphore::new(usize::try_from(MOST_UNDER_WAY).unwrap_or(usize::MAX)));
        let large = Arc::new(Semaphore::new(MOST_LARGE));
        let (is_watched, longest_ms, provider) = <_>::default();
        Self { keeper, limits, clock, is_watched, longest_ms, under_way, large, provider }
    }

    /// What keeps the function from working, and what works and should be looked at all the same. Asks the ledger nothing
    /// where a timer does, else at most once in [`LOOK_EVERY`].
    pub async fn health(&self) -> Health {
        let state = self.newest(self.deadline()).await;
        let standing = match &state.ready {
            Ok(ready) => {
                if !self.is_watched.load(Ordering::Relaxed) || !ready.ledger.was_looked_at() {
                    ready.ledger.look(ready.config.deadline).await;
                }
                match ready.ledger.standing() {
                    Ok(()) => Standing::Ok(state.notes()),
                    Err(error) => Standing::NoLedger(error.to_string()),
                }
            }
            Err(problems) => Standing::NotConfigured(state.secret_not_read(), problems.clone()),
        };
        let queue = self.keeper.waiting().queue();
        let until = state.ready.as_ref().ok().filter(|_| queue.events > 0);
        let waiting = Waits {
            events: queue.events,
            until: until.map(|ready| self.waits_until(ready)),
            given_up: queue.given_up,
        };
        let failed_last_hour = self.keeper.failures().in_the_last_hour(self.clock.now());
        Health { standing, failed_last_hour, waiting }
    }

    /// Looks at the ledger every [`LOOK_EVERY`], for as long as it is polled: `health` then looks at nothing.
    pub async fn watch(&self) {
        self.is_watched.store(true, Ordering::Relaxed);
        let mut looks = tokio::time::interval(LOOK_EVERY);
        loop {
            looks.tick().await;
            if let Ok(ready) = &self.keeper.state().ready {
                ready.ledger.probe(ready.config.deadline).await;
            }
        }
    }

    /// Secrets that could not be read are tried again.
    async fn newest(&self, budget: Duration) -> Arc<State> {
        let state = self.keeper.state();
        match &state.ready {
            Ok(_) => state,
            Err(_) => self.newer_than(&state, budget, None).await.unwrap_or(state),
        }
    }

    /// Reading a secret takes no more than half of what is left for the work after it.
    async fn newer_than(
        &self,
        state: &Arc<State>,
        left: Duration,
        asked_by: Option<IpAddr>,
    ) -> Option<Arc<State>> {
        self.keeper.newer_than::<P>(state, left / 2, asked_by).await
    }

    /// How long a delivery may take, if the host does not want it sooner.
    pub fn deadline(&self) -> Duration {
        let state = self.keeper.state();
        let configured = state.ready.as_ref().map(|ready| ready.config.deadline);
        configured.unwrap_or(Duration::from_millis(P::DEADLINE_MS))
    }

    /// Who may call, for a host that holds connections.
    pub(crate) fn limits(&self) -> Arc<Limits> {
        Arc::clone(&self.limits)
    }

    /// Where a delivery comes from, or why it is not looked at.
    pub fn admit(
        &self,
        peer: Option<IpAddr>,
        headers: &HeaderMap,
    ) -> Result<Option<IpAddr>, TurnedAway> {
        self.limits.admit(peer, headers).inspect_err(|refused| {
            count(Count::TurnedAway);
            if self.limits.is_news(*refused) {
                tracing::warn!(provider = P::NAME, "{refused}");
            }
        })
    }

    /// Tells of a delivery whose body cannot be looked at. It may be genuine, so that somebody should know; it may be
    /// anybody's, so that the log has a line a minute of one source.
    pub fn unread(&self, source: Option<IpAddr>, why: &str) {
        count(self.rejected(source));
        if self.limits.is_news_from(source) {
            tracing::error!(provider = P::NAME, "Webhook could not be read: {why}");
        }
    }

    /// Anybody may send a large body; those that come together wait for each other. `None` if nobody counts them.
    pub async fn place_for_a_large_body(&self) -> Option<Place> {
        Arc::clone(&self.large).acquire_owned().await.ok()
    }

    /// Carries a delivery to its end whoever still waits for the answer.
    pub async fn see_through(
        self: Arc<Self>,
        contract: Contract,
        inbound: Inbound,
        place: Option<Place>,
        budget: Duration,
    ) -> Result<Handled, tokio::task::JoinError> {
        let permit = Arc::clone(&self.under_way).acquire_owned().await;
        let work = tokio::spawn(async move {
            let handled = self.handle(contract, inbound, budget).await;
            drop((permit, place));
            handled
        });
        work.await.inspect_err(|_panicked| count(Count::Failed))
    }

    /// Waits until no delivery is under way, as long as one may take.
    pub async fn finish(&self) {
        let all = self.under_way.acquire_many(MOST_UNDER_WAY);
        if tokio::time::timeout(self.deadline(), all).await.is_err() {
            tracing::error!(
                provider = P::NAME,
                "Stopped while deliveries were being handled. Their providers will deliver them again"
            );
        }
    }

    /// Handles one delivery within `budget`.
    pub async fn handle(&self, contract: Contract, inbound: Inbound, budget: Duration) -> Handled {
        let source = inbound.source;
        // One for everything: secrets that are read again, and a second try with them. Lambda may give more time than the
        // provider does.
        let deadline = Deadline::after(budget.min(self.deadline()), &self.clock);
        let (began, can_change) = (Instant::now(), self.keeper.can_change());
        let has_signature = inbound.headers.contains_key(P::SIGNATURE_HEADER);
        let mut state = self.newest(deadline.left()).await;
        let mut again = can_change.then(|| inbound.clone());
        let mut verified = self.verified(&state, inbound);
        // Whoever rotated the secret signs with one that we do not know yet.
        if let (Err(Unverified::Rejected(Rejected::Mismatch)), Some(inbound)) =
            (&verified, again.take())
            && let Some(newer) = self.newer_than(&state, deadline.left(), source).await
        {
            state = newer;
            verified = self.verified(&state, inbound);
        }
        let verified = match verified {
            Ok(verified) => verified,
            Err(Unverified::NotConfigured(problem)) => {
                let text = text_of(problem.as_ref());
                count(Count::Failed);
                // Nobody knows whose it is.
                if self.limits.is_news_from(source) {
                    tracing::error!(provider = P::NAME, "Webhook cannot be handled: {text}");
                }
                return Err(Refusal::NotConfigured(text));
            }
            Err(Unverified::Rejected(rejected)) => {
                // The metric counts each of them; the log has a line a minute of one source.
                if self.limits.is_news_from(source) {
                    let source = source.map(tracing::field::display);
                    tracing::error!(
                        provider = P::NAME,
                        reason = %rejected,
                        source,
                        "{}",
                        contracts::NOT_VERIFIED,
                    );
                }
                count(match rejected {
                    Rejected::TooOld(_) | Rejected::TooNew(_) => Count::Stale,
                    Rejected::Missing | Rejected::Malformed | Rejected::Mismatch => {
                        self.rejected(source)
                    }
                });
                return Err(rejection::<P>(&rejected, has_signature));
            }
        };
        if let Some(age) = verified.close_to_threshold {
            tracing::warn!(provider = P::NAME, "{}", contracts::close_to_threshold(age),);
        }
        let mut handled =
            Box::pin(self.handled(&state, contract, &verified, deadline, can_change)).await;
        let refused: Vec<&Report> =
            handled.iter().flatten().filter(|it| it.lacks_token()).collect();
        // Whoever rotated the token revoked one that we still use. What is done is a duplicate the second time.
        if can_change && !refused.is_empty() {
            if let Some(newer) = self.newer_than(&state, deadline.left(), None).await {
                handled =
                    Box::pin(self.handled(&newer, contract, &verified, deadline, false)).await;
            } else {
                let took = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
                for Report { event, result } in refused {
                    if let Err(failure) = result {
                        log_failure::<P>(event, failure, took);
                    }
                }
            }
        }
        metrics::webhook(began.elapsed());
        handled
    }

    /// From the provider's own addresses it means that a secret is wrong; from others it may mean nothing.
    fn rejected(&self, source: Option<IpAddr>) -> Count {
        match self.limits.is_of_provider(source) {
            true => Count::RejectedFromProvider,
            false => Count::Rejected,
        }
    }

    fn verified(&self, state: &State, inbound: Inbound) -> Result<Verified<P>, Unverified> {
        let config = match &state.ready {
            Ok(ready) => &ready.config,
            Err(problems) => return Err(Unverified::NotConfigured(problems.first().cloned())),
        };
        let Config { secrets, tolerance, .. } = config;
        verify::<P>(inbound, secrets, *tolerance, self.clock.now()).map_err(Unverified::Rejected)
    }

    /// What became of each event of a delivery, or the answer to one that never came to its events.
    async fn handled(
        &self,
        state: &State,
        contract: Contract,
        verified: &Verified<P>,
        answer_by: Deadline,
        token_may_be_old: bool,
    ) -> Handled {
        let ready = match &state.ready {
            Ok(ready) => ready,
            Err(problems) => return Err(not_configured::<P>(problems.first())),
        };
        let mut notices = read::<P>(ready, contract, verified)?;
        // A batch may hold what belongs together in another order than it happened.
        notices.sort_by_key(|notice| match notice.meaning {
            Ok(Meaning::Act { at, .. }) => Some(at),
            Ok(Meaning::Ignore(_)) | Err(_) => None,
        });
        let budget = answer_by.left().min(ready.config.deadline);
        let budget = budget.saturating_sub(ready.kept_for_the_queue());
        let deadline = Deadline::after(budget, &self.clock);
        let (contract, body) = (contract.path::<P>(), Body::new(verified.body()));
        let patience = ready.patience(&body);
        let delivery = Delivery {
            contract: &contract,
            body,
            deadline,
            queued_by: Some(answer_by),
            token_may_be_old,
            patience,
            places: Mutex::default(),
            turn: Mutex::default(),
        };
        let process = |notice: Notice| {
            let event = notice.id.clone();
            let result = Box::pin(ready.process::<P>(notice, &delivery, &self.clock));
            async { Report { event, result: result.await } }
        };
        let mut reports = Vec::with_capacity(notices.len());
        let mut notices = notices.into_iter();
        for notice in notices.by_ref() {
            reports.push(process(notice).await);
            if deadline.left().is_zero() {
                break;
            }
        }
        // Nothing is begun any more: the others are queued side by side, which takes no time of each other.
        let rest = stream::iter(notices).map(process).buffered(QUEUED_AT_ONCE);
        reports.extend(rest.collect::<Vec<_>>().await);
        Ok(reports)
    }

    /// Of the time that Lambda gives at most, and of half a minute: what takes longer is begun all the same, and goes on with
    /// the next message. The last message of several gets little time: it is not begun for that.
    fn longest_part(&self, budget: Duration) -> Duration {
        let given = u64::try_from(budget.as_millis()).unwrap_or(u64::MAX);
        let longest = self.longest_ms.fetch_max(given, Ordering::Relaxed).max(given);
        Duration::from_millis(longest).mul_f32(0.8).min(RESUMED)
    }

    /// Goes on with an event from the overflow queue. `Err` says why it must be tried again.
    pub async fn resume(&self, message: &str, budget: Duration) -> Result<(), String> {
        let deadline = Deadline::after(budget, &self.clock);
        let state = self.newest(deadline.left()).await;
        let ready = match &state.ready {
            Ok(ready) => ready,
            Err(problems) => {
                count(Count::Failed);
                return Err(text_of(problems.first()));
            }
        };
        let dangling = |what: String| {
            count(Count::Dangling);
            Err(format!("a message of the overflow queue refers to nothing: {what}"))
        };
        let Ok(Queued { provider, event }) = serde_json::from_str(message) else {
            return dangling("it names no provider and event".to_owned());
        };
        if provider != P::NAME {
            return dangling(format!("{event} is an event of {provider}, not of {}", P::NAME));
        }
        let remembered = remembered::<P>(&ready.ledger, &ready.config, &event);
        let late = |_late| {
            count_late_ledger(budget);
            Err(StoreError::late().into())
        };
        let remembered = tokio::time::timeout(deadline.left(), remembered).await;
        let remembered = match remembered.unwrap_or_else(late) {
            Ok(remembered) => remembered,
            Err(error @ (Forgotten::Store(_) | Forgotten::NotConfigured(_))) => {
                count(Count::Failed);
                return Err(error.to_string());
            }
            Err(forgotten) => return dangling(forgotten.to_string()),
        };
        let Remembered { notice, contract, body } = remembered;
        let delivery = Delivery {
            contract: &contract,
            body: Body::new(&body),
            deadline,
            queued_by: None,
            token_may_be_old: false,
            patience: Patience::Here(self.longest_part(budget)),
            places: Mutex::default(),
            turn: Mutex::default(),
        };
        let result = Box::pin(ready.process::<P>(notice, &delivery, &self.clock)).await;
        if let Err(failure) = result {
            if failure.class == Class::Token {
                self.newer_than(&state, deadline.left(), None).await;
            }
            return Err(failure.message);
        }
        Ok(())
    }
}

/// What was found wrong before a delivery was read.
enum Unverified {
    NotConfigured(Option<Problem>),
    Rejected(Rejected),
}

/// What became of each event of a delivery, or why it did not come to its events.
pub type Handled = Result<Vec<Report>, Refusal>;

fn read<P: Provider>(
    ready: &Ready,
    contract: Contract,
    verified: &Verified<P>,
) -> Result<Vec<Notice>, Refusal> {
    let source = contract
        .source::<P>(&ready.config)
        .map_err(|problem| not_configured::<P>(Some(&problem)))?;
    P::read(verified, &source).map_err(|not_events| {
        count(Count::Failed);
        tracing::error!(provider = P::NAME, "Failed to read a {} webhook: {not_events}", P::TITLE);
        Refusal::NotEvents(not_events.to_string())
    })
}

fn text_of(problem: Option<&Problem>) -> String {
    problem.map_or_else(|| "the function is not configured".to_owned(), ToString::to_string)
}

/// Of a genuine delivery.
fn not_configured<P: Provider>(problem: Option<&Problem>) -> Refusal {
    let text = text_of(problem);
    count(Count::Failed);
    tracing::error!(provider = P::NAME, "Webhook cannot be handled: {text}");
    Refusal::NotConfigured(text)
}

fn rejection<P: Provider>(rejected: &Rejected, is_there: bool) -> Refusal {
    match rejected {
        Rejected::Missing => Refusal::Unsigned { header: P::SIGNATURE_HEADER, is_there },
        Rejected::Malformed | Rejected::Mismatch | Rejected::TooOld(_) | Rejected::TooNew(_) => {
            Refusal::Forged(rejected.to_string())
        }
    }
}
