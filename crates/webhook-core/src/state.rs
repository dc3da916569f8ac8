//! What a function works with: made when it starts, and made again when its secrets changed.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use crate::act::Ready;
use crate::clock::Clock;
use crate::config::{Loaded, Places, Problem, load};
use crate::cryptlex::Client;
use crate::deadline::Timing;
use crate::ledger::Ledger;
use crate::notify::Notifier;
use crate::overflow::Overflow;
use crate::provider::Provider;
use crate::secrets::{Held, NotRead, Vault};

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
}

impl Parts {
    /// Calls nobody yet.
    pub async fn open(places: &Places, clock: &Clock) -> Self {
        let overflow = async {
            match &places.overflow {
                Some(url) => Some(Overflow::of(url).await),
                None => None,
            }
        };
        let (ledger, notifier, overflow) = tokio::join!(
            Box::pin(Ledger::open(&places.ledger, clock.clone())),
            Box::pin(Notifier::of(places.topic.as_deref())),
            Box::pin(overflow),
        );
        Self { ledger, notifier, overflow }
    }
}

/// What a delivery works with, or why none can.
pub(crate) struct State {
    pub(crate) ready: Result<Ready, Vec<Problem>>,
    pub(crate) warnings: Vec<String>,
    pub(crate) alarms: Vec<String>,
}

impl State {
    fn of<P: Provider>(
        loaded: Loaded,
        parts: Parts,
        before: Option<&Ready>,
        clock: &Clock,
        timing: Timing,
    ) -> Self {
        let Loaded { config, mut warnings, alarms, places: _, limits: _ } = loaded;
        let ready = config.and_then(|config| {
            let before = before.map(|ready| &ready.cryptlex);
            let cryptlex = Client::new(&config.cryptlex, before, clock.clone(), timing);
            let cryptlex = cryptlex.map_err(|error| {
                warnings.push(format!("TLS cannot be set up: {error}"));
                vec![Problem::Missing("CRYPTLEX_WEB_API_BASE_URL")]
            })?;
            let Parts { ledger, notifier, overflow } = parts;
            Ok(Ready { config, cryptlex, ledger, notifier, overflow, timing })
        });
        let state = Self { ready, warnings, alarms };
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
        for warning in &self.warnings {
            tracing::warn!(provider, "{warning}");
        }
    }

    pub(crate) fn problems(&self) -> &[Problem] {
        self.ready.as_ref().err().map(Vec::as_slice).unwrap_or_default()
    }
}

/// The state as it is now, and how it is made again.
pub(crate) struct Keeper {
    state: RwLock<Arc<State>>,
    vault: Option<Vault>,
    variables: Option<Variables>,
    parts: Parts,
    clock: Clock,
    timing: Timing,
}

impl Keeper {
    /// Never fails: what is missing is answered to every webhook until it is there.
    pub(crate) async fn open<P: Provider>(
        variables: Variables,
        clock: Clock,
        timing: Timing,
    ) -> (Self, Loaded) {
        let plain = load::<P>(&*variables);
        let vault = match variables("SECRETS_ID").filter(|id| !id.trim().is_empty()) {
            Some(id) => Some(Box::pin(Vault::of(id.trim(), clock.clone())).await),
            None => None,
        };
        let read = async {
            match &vault {
                Some(vault) => vault.read_again().await,
                None => None,
            }
        };
        let (read, parts) = tokio::join!(Box::pin(read), Parts::open(&plain.places, &clock));
        let loaded = match (&vault, read) {
            (Some(vault), Some(read)) => loaded::<P>(&variables, vault, read),
            (Some(_) | None, _) => load::<P>(&*variables),
        };
        let state = State::of::<P>(loaded, parts.clone(), None, &clock, timing);
        let variables = Some(variables);
        let state = RwLock::new(Arc::new(state));
        (Self { state, vault, variables, parts, clock, timing }, plain)
    }

    /// Over parts that were made before, with secrets that do not change.
    pub(crate) fn over<P: Provider>(
        loaded: Loaded,
        parts: Parts,
        clock: Clock,
        timing: Timing,
    ) -> Self {
        let state = State::of::<P>(loaded, parts.clone(), None, &clock, timing);
        let state = RwLock::new(Arc::new(state));
        Self { state, vault: None, variables: None, parts, clock, timing }
    }

    pub(crate) fn state(&self) -> Arc<State> {
        Arc::clone(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether secrets may be others by now.
    pub(crate) fn can_change(&self) -> bool {
        self.vault.is_some()
    }

    /// Another state than the one that was not good enough, if the secrets changed since it was made.
    pub(crate) async fn newer_than<P: Provider>(
        &self,
        known: &Arc<State>,
        patience: Duration,
    ) -> Option<Arc<State>> {
        let (vault, variables) = (self.vault.as_ref()?, self.variables.as_ref()?);
        let read = tokio::time::timeout(patience, Box::pin(vault.read_again())).await;
        if let Some(read) = read.unwrap_or_default() {
            match read {
                Ok(_) => {
                    tracing::info!(provider = P::NAME, "The secret {} was read again", vault.id());
                }
                Err(ref error) => tracing::error!(provider = P::NAME, "{error}"),
            }
            if read.is_ok() {
                let loaded = loaded::<P>(variables, vault, read);
                let before = known.ready.as_ref().ok();
                let parts = self.parts.clone();
                let state = State::of::<P>(loaded, parts, before, &self.clock, self.timing);
                *self.state.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(state);
            }
        }
        let newest = self.state();
        (!Arc::ptr_eq(&newest, known)).then_some(newest)
    }
}

/// What the secret holds wins over plain variables.
fn loaded<P: Provider>(
    variables: &Variables,
    vault: &Vault,
    read: Result<Held, NotRead>,
) -> Loaded {
    match read {
        Ok(held) => {
            let mut loaded = load::<P>(|name| held.get(name).or_else(|| variables(name)));
            let missing = loaded.config.as_ref().err().into_iter().flatten();
            let named = missing.map(|problem| problem.variable()).collect::<Vec<_>>().join(", ");
            if !named.is_empty() {
                let text = format!("SECRETS_ID: look for {named} in the secret {}", vault.id());
                loaded.alarms.push(text);
            }
            loaded
        }
        Err(error) => {
            let mut loaded = load::<P>(&**variables);
            loaded.alarms.push(error.to_string());
            loaded
        }
    }
}
