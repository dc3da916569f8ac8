//! What a function works with: made when it starts, and made again when its secrets changed.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use crate::cryptlex::Client;
use crate::domain::clock::Clock;
use crate::domain::contracts;
use crate::domain::deadline::Timing;
use crate::execute::handle_event::Ready;
use crate::execute::waiting::Waiting;
use crate::infra::aws::Aws;
use crate::infra::config::Rules;
use crate::infra::config::{Backends, Loaded, NO_AUTHORITIES, Problem, is_of_environment, load};
use crate::infra::health::Failures;
use crate::infra::notify::Notifier;
use crate::infra::overflow::Overflow;
use crate::infra::secrets::{NotRead, PATIENCE, SecretValues, Vault};
use crate::ledger::Ledger;
use crate::providers::Provider;

/// Gives the value of an environment variable.
pub type Variables = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// What does not change while the process lives.
#[derive(Clone)]
pub struct Parts {
    /// Where it remembers.
    pub ledger: Ledger,
    /// Where it tells people.
    pub notifier: Notifier,
    /// Where it queues what takes too long.
    pub overflow: Option<Overflow>,
    /// What failed lately.
    pub failures: Arc<Failures>,
    /// What waits for Cryptlex.
    pub waiting: Arc<Waiting>,
}

impl Parts {
    /// Calls nobody yet.
    pub async fn open(backends: &Backends, aws: &Aws, clock: &Clock) -> Self {
        let ledger = Ledger::open(&backends.ledger, aws, clock.clone()).await;
        let notifier = Notifier::of(&backends.topics, aws).await;
        let overflow = match &backends.overflow {
            Some(url) => Some(Overflow::of(url, aws).await),
            None => None,
        };
        Self::of(ledger, notifier, overflow)
    }

    /// Parts that were made before.
    pub fn of(ledger: Ledger, notifier: Notifier, overflow: Option<Overflow>) -> Self {
        let (failures, waiting) = <_>::default();
        Self { ledger, notifier, overflow, failures, waiting }
    }
}

/// What a delivery works with, or why none can.
pub(crate) struct State {
    pub(crate) ready: Result<Ready, Vec<Problem>>,
    pub(crate) warnings: Vec<String>,
    pub(crate) alarms: Vec<String>,
    /// Why the secret could not be read.
    pub(crate) not_read: Option<NotRead>,
}

impl State {
    fn of<P: Provider>(
        (loaded, not_read): (Loaded, Option<NotRead>),
        parts: &Parts,
        before: Option<&Ready>,
        clock: &Clock,
        timing: Timing,
    ) -> Self {
        let Loaded { config, mut warnings, alarms, backends: _, limits: _ } = loaded;
        let ready = config.and_then(|config| {
            let before = before.map(|ready| &ready.cryptlex);
            let cryptlex = Client::new(&config.cryptlex, before, clock.clone(), timing);
            let cryptlex = cryptlex.map_err(|error| {
                warnings.push(format!(
                    "TLS cannot be set up: {error}. Correct CRYPTLEX_CA_CERTIFICATES"
                ));
                vec![NO_AUTHORITIES]
            })?;
            let Parts { ledger, notifier, overflow, failures, waiting } = parts.clone();
            let refused_a_test = AtomicBool::new(false);
            Ok(Ready {
                config,
                cryptlex,
                ledger,
                notifier,
                overflow,
                failures,
                waiting,
                timing,
                refused_a_test,
            })
        });
        let state = Self { ready, warnings, alarms, not_read };
        state.report(P::NAME);
        state
    }

    /// Says in the log what a person should know before the next webhook comes.
    fn report(&self, provider: &str) {
        for problem in self.problems() {
            tracing::error!(provider, "{problem}");
        }
        for alarm in &self.alarms {
            tracing::error!(provider, "{alarm}");
        }
        if let Some(not_read) = &self.not_read {
            tracing::error!(provider, "{not_read}");
        }
        for warning in &self.warnings {
            tracing::warn!(provider, "{warning}");
        }
    }

    /// What works and should be looked at all the same.
    pub(crate) fn notes(&self) -> Vec<String> {
        let refused = self.ready.as_ref().is_ok_and(|it| it.refused_a_test.load(Ordering::Relaxed));
        let refused = refused.then(|| contracts::TEST_REFUSED.to_owned());
        let ready = self.ready.as_ref().ok();
        let queue = ready.and_then(|ready| ready.overflow.as_ref()?.trouble());
        let topics = ready.into_iter().flat_map(|ready| ready.notifier.trouble());
        let notes = self.alarms.iter().chain(&self.warnings).cloned();
        notes.chain(self.secret_not_read()).chain(refused).chain(queue).chain(topics).collect()
    }

    /// Everybody may hear that, without its name.
    pub(crate) fn secret_not_read(&self) -> Option<String> {
        self.not_read.as_ref().map(NotRead::without_its_name)
    }

    pub(crate) fn problems(&self) -> &[Problem] {
        self.ready.as_ref().err().map(Vec::as_slice).unwrap_or_default()
    }
}

/// The state as it is now, and how it is made again.
pub(crate) struct Keeper {
    state: RwLock<Arc<State>>,
    secrets: Option<Secrets>,
    parts: Parts,
    clock: Clock,
    timing: Timing,
}

/// Secrets that may change while the process lives, and the variables that they win over.
struct Secrets {
    vault: Vault,
    variables: Variables,
}

impl Keeper {
    /// Never fails: what is missing is answered to every webhook until it is there.
    pub(crate) async fn open<P: Provider>(
        variables: Variables,
        clock: Clock,
        timing: Timing,
    ) -> (Self, Rules) {
        let aws = Aws::default();
        let plain = load::<P>(&*variables);
        let (backends, rules) = (plain.backends.clone(), plain.limits.clone());
        let id = variables("SECRETS_ID").filter(|id| !id.trim().is_empty());
        let read = Box::pin(async {
            let vault = Vault::of(id.as_deref()?.trim(), PATIENCE, &aws, clock.clone()).await;
            let vault = vault.knowing(rules.provider.clone());
            let read = vault.read_again(None).await;
            Some((vault, read))
        });
        // The other clients are made while the secret is on its way.
        let (read, parts) = tokio::join!(read, Box::pin(Parts::open(&backends, &aws, &clock)));
        let (secrets, loaded) = match read {
            Some((vault, read)) => {
                let secrets = Secrets { vault, variables };
                let loaded = read.map(|read| secrets.load::<P>(read));
                (Some(secrets), loaded.unwrap_or((plain, None)))
            }
            None => (None, (plain, None)),
        };
        (Self::with::<P>(secrets, loaded, parts, clock, timing), rules)
    }

    /// Over parts that were made before, with secrets that do not change.
    pub(crate) fn over<P: Provider>(
        loaded: Loaded,
        parts: Parts,
        clock: Clock,
        timing: Timing,
    ) -> Self {
        Self::with::<P>(None, (loaded, None), parts, clock, timing)
    }

    fn with<P: Provider>(
        secrets: Option<Secrets>,
        loaded: (Loaded, Option<NotRead>),
        parts: Parts,
        clock: Clock,
        timing: Timing,
    ) -> Self {
        let state = State::of::<P>(loaded, &parts, None, &clock, timing);
        Self { state: RwLock::new(Arc::new(state)), secrets, parts, clock, timing }
    }

    pub(crate) fn state(&self) -> Arc<State> {
        Arc::clone(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn failures(&self) -> &Failures {
        &self.parts.failures
    }

    pub(crate) fn waiting(&self) -> &Arc<Waiting> {
        &self.parts.waiting
    }

    /// Whether what takes too long goes on in a queue.
    pub(crate) fn has_queue(&self) -> bool {
        self.parts.overflow.is_some()
    }

    /// Whether secrets may be others by now.
    pub(crate) fn can_change(&self) -> bool {
        self.secrets.is_some()
    }

    /// Another state than the one that was not good enough, if the secrets changed since it was made.
    pub(crate) async fn newer_than<P: Provider>(
        &self,
        known: &Arc<State>,
        patience: Duration,
        asked_by: Option<IpAddr>,
    ) -> Option<Arc<State>> {
        let secrets = self.secrets.as_ref()?;
        let newest = self.state();
        if !Arc::ptr_eq(&newest, known) {
            return Some(newest);
        }
        match tokio::time::timeout(patience, Box::pin(secrets.vault.read_again(asked_by))).await {
            Ok(Some(Ok(held))) => {
                tracing::info!(
                    provider = P::NAME,
                    "The secret {} was read again",
                    secrets.vault.id()
                );
                let before = known.ready.as_ref().ok();
                let loaded = secrets.load::<P>(Ok(held));
                let state = State::of::<P>(loaded, &self.parts, before, &self.clock, self.timing);
                *self.state.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(state);
            }
            Ok(Some(Err(error))) => tracing::error!(provider = P::NAME, "{error}"),
            Ok(None) | Err(_) => {}
        }
        let newest = self.state();
        (!Arc::ptr_eq(&newest, known)).then_some(newest)
    }
}

impl Secrets {
    /// What the secret holds wins over plain variables.
    fn load<P: Provider>(&self, read: Result<SecretValues, NotRead>) -> (Loaded, Option<NotRead>) {
        let Self { vault, variables } = self;
        match read {
            Ok(held) => {
                let held = |name: &str| held.get(name).filter(|_| !is_of_environment(name));
                let mut loaded = load::<P>(|name| held(name).or_else(|| variables(name)));
                let missing = loaded.config.as_ref().err().into_iter().flatten();
                let missing = missing.map(Problem::variable).filter(|it| !is_of_environment(it));
                let named = missing.collect::<Vec<_>>().join(", ");
                if !named.is_empty() {
                    let id = vault.id();
                    let text = format!("Add or correct {named} in the secret {id} (SECRETS_ID)");
                    loaded.alarms.push(text);
                }
                (loaded, None)
            }
            Err(error) => (load::<P>(&**variables), Some(error)),
        }
    }
}
