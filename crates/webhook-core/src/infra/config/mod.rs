//! Configuration: a pure function of whatever reads variables.
//!
//! Nothing in here stops a process: what is missing or wrong is collected, logged at start, and answered to webhooks.

mod backends;
mod callers;
mod cryptlex;
mod ledger;
mod policy;
mod problem;
mod reader;
mod signing;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use backends::{Backends, Topics};
pub use callers::Rules;
pub use cryptlex::{Cryptlex, NO_AUTHORITIES};
pub use ledger::{Ledger, LedgerPlace};
pub use policy::policy_of;
pub use problem::Problem;
pub use signing::{BEFORE_ROTATION, Secrets, Tolerance};

use crate::domain::ids::ProductId;
use crate::domain::policy::Policy;
use crate::domain::profile::Profile;
use reader::Reader;

/// Variables that make what does not change while a process lives: before a secret can be read, and whatever it holds.
const OF_THE_ENVIRONMENT: [&str; 12] = [
    "LEDGER_TABLE",
    "LEDGER_PATH",
    "SETTLE_SECS",
    "EVENT_RETENTION_DAYS",
    "OVERFLOW_QUEUE_URL",
    "NOTIFICATION_TOPIC_ARN",
    "BUSINESS_TOPIC_ARN",
    "IP_ALLOWLIST",
    "TRUSTED_PROXIES",
    "RATE_LIMIT_PER_MINUTE",
    "RATE_LIMIT_BURST",
    "CONNECTIONS_PER_SOURCE",
];

/// Whether a secret cannot hold this variable. A valid value there would hide that the one at work is wrong.
pub fn is_of_environment(variable: &str) -> bool {
    OF_THE_ENVIRONMENT.contains(&variable)
}

/// Everything that a function needs to work.
#[derive(Debug, Clone)]
pub struct Config {
    /// `<PROVIDER>_WEBHOOK_SECRET` and `.._PREVIOUS`.
    pub secrets: Secrets,
    /// `SIGNATURE_TOLERANCE_SECS`, 300 unless set.
    pub tolerance: Tolerance,
    /// `CRYPTLEX_ACCESS_TOKEN` and what belongs to it.
    pub cryptlex: Cryptlex,
    /// `CRYPTLEX_PRODUCT_ID`: what `/v1` grants, where the provider names no product itself.
    pub product: Option<ProductId>,
    /// What the vendor decides.
    pub policy: Policy,
    /// `DEADLINE_MS`: how long a delivery may take.
    pub deadline: Duration,
}

/// What was read: a configuration if nothing is missing, and what to tell.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration, or everything that is wrong with it.
    pub config: Result<Config, Vec<Problem>>,
    /// Where it remembers, tells and queues, whatever is wrong with the rest.
    pub backends: Backends,
    /// Who may call: in force whatever is wrong with the rest. What is wrong with them is among the problems.
    pub limits: Rules,
    /// What works and should be looked at all the same.
    pub warnings: Vec<String>,
    /// What works and should not be left so.
    pub alarms: Vec<String>,
}

/// Reads the configuration of one provider's function through `read`, which gives a variable's value.
pub fn load<P: Profile>(read: impl Fn(&str) -> Option<String>) -> Loaded {
    let mut reader = Reader::new(read);
    // Where they lie is read before them; here only whether it can be.
    reader.optional("SECRETS_ID");
    let secrets = reader.secrets::<P>();
    let (access_token, base_url) = (reader.access_token(), reader.base_url());
    let product = reader.product::<P>();
    let policy = reader.policy::<P>();
    let tolerance = reader.tolerance();
    let deadline =
        reader.number("DEADLINE_MS", P::DEADLINE_MS, 100..=900_000, "100 to 900000 milliseconds");
    let deadline = Duration::from_millis(deadline);
    let backends = reader.backends(deadline);
    let cryptlex = reader.cryptlex(access_token, base_url, deadline);
    let limits = reader.limits::<P>();
    let config = match (secrets, cryptlex, reader.problems.is_empty()) {
        (Some(secrets), Some(cryptlex), true) => {
            Ok(Config { secrets, tolerance, cryptlex, product, policy, deadline })
        }
        _ => Err(reader.problems),
    };
    Loaded { config, backends, limits, warnings: reader.warnings, alarms: reader.alarms }
}
