//! One delivery from its bytes to its reply.
//!
//! [`Service::handle`] is the one entry point; read it first.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use tokio::sync::Semaphore;

use crate::act::{Delivery, Ready};
use crate::clock::Clock;
use crate::command::Meaning;
use crate::config::{Loaded, Problem};
use crate::cryptlex::Client;
use crate::deadline::{Deadline, Timing};
use crate::inbound::Inbound;
use crate::ledger::{Body, Ledger, Store};
use crate::limits::{Limits, Refused};
use crate::notify::Notifier;
use crate::provider::{ProductSource, Provider};
use crate::reply::{self, Refusal, Report, Shape};
use crate::signature::{Rejected, verify};

/// How a purchase finds its product, and what answers look like: by the path of the webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contract {
    /// Stripe: the configured product. The others: what their products say.
    V1,
    /// Stripe: the metadata of the checkout session or of the subscription.
    V2,
    /// Stripe: such metadata, else the configured product. Answers tell a person's work from what passes by itself.
    Lifecycle,
}

impl Contract {
    /// The path without the slash before it.
    pub fn path<P: Provider>(self) -> String {
        match self {
            Self::V1 => "v1".to_owned(),
            Self::V2 => "v2".to_owned(),
            Self::Lifecycle => format!("webhooks/{}", P::NAME),
        }
    }

    /// How it answers.
    pub fn shape(self) -> Shape {
        match self {
            Self::V1 | Self::V2 => Shape::Cryptlex,
            Self::Lifecycle => Shape::Lifecycle,
        }
    }
}

/// One provider's function with everything that it holds.
pub struct Service<P> {
    state: Result<Ready, Vec<Problem>>,
    limits: Limits,
    warnings: Vec<String>,
    alarms: Vec<String>,
    clock: Clock,
    /// A permit is out for each delivery under way.
    under_way: Arc<Semaphore>,
    provider: std::marker::PhantomData<P>,
}

const MOST_UNDER_WAY: u32 = 100_000;

impl<P: Provider> Service<P> {
    /// Never fails: what is missing is answered to every webhook until it is there.
    pub async fn open(loaded: Loaded, clock: Clock, timing: Timing) -> Self {
        let Ok(config) = &loaded.config else {
            return Self::with(loaded, None, Notifier::Log, clock, timing);
        };
        let (ledger, notifier) = tokio::join!(
            Box::pin(Ledger::open(&config.ledger, config.settle, clock.clone())),
            Box::pin(Notifier::of(config.topic.as_deref())),
        );
        Self::with(loaded, Some(ledger), notifier, clock, timing)
    }

    /// As `open`, over a store and with a notifier that were made before.
    pub fn over(
        loaded: Loaded,
        store: Arc<dyn Store>,
        notifier: Notifier,
        clock: Clock,
        timing: Timing,
    ) -> Self {
        let config = loaded.config.as_ref().ok();
        let ledger = config.map(|c| Ledger::new(store, c.settle, c.ledger.retention));
        Self::with(loaded, ledger, notifier, clock, timing)
    }

    fn with(
        loaded: Loaded,
        ledger: Option<Ledger>,
        notifier: Notifier,
        clock: Clock,
        timing: Timing,
    ) -> Self {
        let Loaded { config, limits, mut warnings, alarms } = loaded;
        let limits = Limits::new(limits, &clock);
        let state = config.and_then(|config| {
            let ledger = ledger.ok_or_else(Vec::new)?;
            let cryptlex = Client::new(&config.cryptlex, clock.clone(), timing).map_err(|e| {
                warnings.push(format!("TLS cannot be set up: {e}"));
                Vec::from([Problem::Missing("CRYPTLEX_WEB_API_BASE_URL")])
            })?;
            Ok(Ready { config, cryptlex, ledger, notifier, timing })
        });
        let under_way =
            Arc::new(Semaphore::new(usize::try_from(MOST_UNDER_WAY).unwrap_or(usize::MAX)));
        let provider = std::marker::PhantomData;
        Self { state, limits, warnings, alarms, clock, under_way, provider }
    }

    /// Says in the log what a person should know before the first webhook comes.
    pub fn report_configuration(&self) {
        for problem in self.problems() {
            tracing::error!(provider = P::NAME, "{problem}");
        }
        for alarm in &self.alarms {
            tracing::error!(provider = P::NAME, "{alarm}");
        }
        for warning in &self.warnings {
            tracing::warn!(provider = P::NAME, "{warning}");
        }
    }

    /// Why the ledger cannot be read, if it cannot.
    pub async fn ledger_problem(&self) -> Option<String> {
        let ready = self.state.as_ref().ok()?;
        match tokio::time::timeout(ready.config.deadline, ready.ledger.check()).await {
            Ok(checked) => checked.err().map(|error| error.to_string()),
            Err(_late) => Some("ledger: no answer in time".to_owned()),
        }
    }

    /// What keeps the function from working.
    pub fn problems(&self) -> &[Problem] {
        self.state.as_ref().err().map(Vec::as_slice).unwrap_or_default()
    }

    /// What works and should be looked at all the same.
    pub fn warnings(&self) -> Vec<&str> {
        self.alarms.iter().chain(&self.warnings).map(String::as_str).collect()
    }

    /// How long a delivery may take, if the host does not want it sooner.
    pub fn deadline(&self) -> Duration {
        let configured = self.state.as_ref().map(|ready| ready.config.deadline);
        configured.unwrap_or(Duration::from_millis(P::DEADLINE_MS))
    }

    /// Where a delivery comes from, or what it is told instead of being looked at.
    pub fn admit(
        &self,
        shape: Shape,
        peer: Option<IpAddr>,
        headers: &HeaderMap,
    ) -> Result<Option<IpAddr>, reply::Reply> {
        self.limits.admit(peer, headers).map_err(|refused| {
            if self.limits.is_news(refused) {
                tracing::warn!(provider = P::NAME, "{refused}");
            }
            turned_away(shape, &refused)
        })
    }

    /// Carries a delivery to its end whoever still waits for the answer.
    pub async fn see_through(
        self: Arc<Self>,
        contract: Contract,
        inbound: Inbound,
        budget: Duration,
    ) -> Result<reply::Reply, tokio::task::JoinError> {
        let permit = Arc::clone(&self.under_way).acquire_owned().await;
        let work = tokio::spawn(async move {
            let reply = self.handle(contract, inbound, budget).await;
            drop(permit);
            reply
        });
        work.await
    }

    /// Waits until no delivery is under way, as long as one may take.
    pub async fn finish(&self) {
        let all = self.under_way.acquire_many(MOST_UNDER_WAY);
        if tokio::time::timeout(self.deadline(), all).await.is_err() {
            tracing::error!(provider = P::NAME, "stopped while a delivery was under way");
        }
    }

    /// Answers one delivery within `budget`.
    pub async fn handle(
        &self,
        contract: Contract,
        inbound: Inbound,
        budget: Duration,
    ) -> reply::Reply {
        let shape = contract.shape();
        let ready = match &self.state {
            Ok(ready) => ready,
            Err(problems) => return not_configured(shape, problems.first()),
        };
        let source = match (contract, &ready.config.product) {
            (Contract::V1, Some(product)) => ProductSource::Configured(product.clone()),
            (Contract::V1, None) if P::NAME == "stripe" => {
                return not_configured(shape, Some(&Problem::Missing("CRYPTLEX_PRODUCT_ID")));
            }
            (Contract::Lifecycle, Some(product)) => ProductSource::MetadataOr(product.clone()),
            (Contract::V1 | Contract::V2 | Contract::Lifecycle, _) => ProductSource::Metadata,
        };
        let deadline = Deadline::after(budget.min(ready.config.deadline), &self.clock);
        let verified = match verify::<P>(
            inbound,
            &ready.config.secrets,
            ready.config.tolerance,
            self.clock.now(),
        ) {
            Ok(verified) => verified,
            Err(rejected) => return rejection::<P>(shape, &rejected),
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
                let text = not_events.to_string();
                return reply::refusal(shape, &Refusal::NotEvents(&text));
            }
        };
        // A batch may hold what belongs together in another order than it happened.
        notices.sort_by_key(|notice| match notice.meaning {
            Ok(Meaning::Act { at, .. }) => Some(at),
            Ok(Meaning::Ignore(_)) | Err(_) => None,
        });
        let contract = contract.path::<P>();
        let delivery = Delivery { contract: &contract, body: Body::new(verified.body()), deadline };
        let mut reports = Vec::with_capacity(notices.len());
        for notice in notices {
            let event = notice.id.clone();
            let result = ready.process::<P>(notice, &delivery, &self.clock).await;
            reports.push(Report { event, result });
        }
        reply::told(shape, &reports, P::BATCHES)
    }
}

fn turned_away(shape: Shape, refused: &Refused) -> reply::Reply {
    let (status, retry_after) = match refused {
        Refused::NotAllowed(_) | Refused::Unknown => (StatusCode::FORBIDDEN, None),
        Refused::TooMany(_, wait) => (StatusCode::TOO_MANY_REQUESTS, Some(*wait)),
    };
    reply::Reply { retry_after, ..reply::worded(shape, status, &refused.to_string()) }
}

fn not_configured(shape: Shape, problem: Option<&Problem>) -> reply::Reply {
    let text =
        problem.map_or_else(|| "the function is not configured".to_owned(), ToString::to_string);
    reply::refusal(shape, &Refusal::NotConfigured(&text))
}

fn rejection<P: Provider>(shape: Shape, rejected: &Rejected) -> reply::Reply {
    tracing::error!(provider = P::NAME, reason = %rejected, "Webhook signature verification failed");
    match rejected {
        Rejected::Missing => reply::refusal(shape, &Refusal::Unsigned(P::SIGNATURE_HEADER)),
        Rejected::Malformed | Rejected::Mismatch | Rejected::TooOld(_) | Rejected::TooNew(_) => {
            reply::refusal(shape, &Refusal::Forged(&rejected.to_string()))
        }
    }
}
