//! Configuration: a pure function of whatever reads variables.
//!
//! Nothing in here stops a process: what is missing or wrong is collected, logged at start, and answered to webhooks.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use governor::Quota;
use http::Uri;
use jiff::SignedDuration;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use secrecy::SecretString;

use crate::command::{AtTheEnd, QuantityMeans, Refunded, TestEvents};
use crate::ids::ProductId;
use crate::limits::{Networks, Rules};
use crate::provider::Provider;
use crate::signature::{Secrets, Tolerance};

/// Everything that a function needs to work.
#[derive(Debug, Clone)]
pub struct Config {
    /// `<PROVIDER>_WEBHOOK_SECRET` and `.._PREVIOUS`.
    pub secrets: Secrets,
    /// `SIGNATURE_TOLERANCE_SECS`, 300 unless set.
    pub tolerance: Tolerance,
    /// `CRYPTLEX_ACCESS_TOKEN` and what belongs to it.
    pub cryptlex: Cryptlex,
    /// `CRYPTLEX_PRODUCT_ID`: needed by Stripe's `/v1`.
    pub product: Option<ProductId>,
    /// What the vendor decides.
    pub policy: Policy,
    /// `DEADLINE_MS`: how long a delivery may take.
    pub deadline: Duration,
}

/// What a function works with beside Cryptlex: nothing of it is secret.
#[derive(Debug, Clone)]
pub struct Places {
    /// `LEDGER_TABLE` or `LEDGER_PATH`, and what belongs to it.
    pub ledger: Ledger,
    /// `NOTIFICATION_TOPIC_ARN`: an SNS topic for what people should look at.
    pub topic: Option<String>,
    /// `OVERFLOW_QUEUE_URL`: an SQS queue for events that take longer than their provider waits.
    pub overflow: Option<String>,
}

/// What is remembered, and where.
#[derive(Debug, Clone)]
pub struct Ledger {
    /// Where.
    pub place: LedgerPlace,
    /// `EVENT_RETENTION_DAYS` (90): how long events and their bodies are kept.
    pub retention: SignedDuration,
    /// `SETTLE_SECS` (30): how long after the deadline a lease still keeps others away.
    pub settle: SignedDuration,
    /// `DEADLINE_MS`, as `Config` has it.
    pub deadline: Duration,
}

/// Where the ledger is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LedgerPlace {
    /// Neither is set: forgotten with the process.
    Memory,
    /// `LEDGER_PATH`: a file that one process writes.
    File(PathBuf),
    /// `LEDGER_TABLE`: a DynamoDB table that any number of processes share.
    Table(String),
}

/// How to reach Cryptlex.
#[derive(Debug, Clone)]
pub struct Cryptlex {
    /// `CRYPTLEX_WEB_API_BASE_URL` without a trailing `/` or `/v3`.
    pub base_url: String,
    /// `CRYPTLEX_ACCESS_TOKEN`.
    pub access_token: SecretString,
    /// `CRYPTLEX_CA_CERTIFICATES`: who vouches for a Cryptlex of the vendor's own, instead of those whom browsers trust.
    pub authorities: Option<Vec<CertificateDer<'static>>>,
    /// `CRYPTLEX_REQUESTS_PER_5S`: 50 unless set, `None` for 0.
    pub requests_per_5s: Option<u32>,
    /// For one call: half of `DEADLINE_MS`, also where the host gives more time.
    pub patience: Duration,
}

/// The vendor's choices where more than one answer is right.
#[derive(Debug, Clone)]
pub struct Policy {
    /// `CRYPTLEX_CANCELLATION_ACTION`.
    pub at_the_end: AtTheEnd,
    /// `CRYPTLEX_MAPPINGS_QUANTITY`.
    pub quantity_means: QuantityMeans,
    /// `GRACE_DAYS`: zero suspends at the first failed payment.
    pub grace: SignedDuration,
    /// `EXPIRY_LEEWAY_HOURS`: added to every end of a paid period.
    pub leeway: SignedDuration,
    /// `REFUND_ACTION`.
    pub refunded: Refunded,
    /// `PAUSE_COLLECTION=suspend`: licenses are suspended while Stripe collects no payments.
    pub pause_collection: bool,
    /// `UNMAPPED=accept`: a purchase without mapping is answered 2xx.
    pub accept_unmapped: bool,
    /// `TEST_EVENTS`.
    pub test_events: TestEvents,
}

/// Providers collect some hours after a period has ended: who pays must not be locked out for it.
const LEEWAY_HOURS: i64 = 24;

impl Policy {
    /// What counts where the vendor chose nothing.
    pub const fn of<P: Provider>() -> Self {
        Self {
            at_the_end: P::AT_THE_END,
            quantity_means: P::QUANTITY_MEANS,
            grace: SignedDuration::ZERO,
            leeway: SignedDuration::from_hours(LEEWAY_HOURS),
            refunded: Refunded::Suspends,
            pause_collection: false,
            accept_unmapped: false,
            test_events: TestEvents::Auto,
        }
    }
}

/// Something about the configuration that a person must fix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A required variable is not there, or blank.
    #[error("{0} was not found in environment variables.")]
    Missing(&'static str),
    /// A variable has a value that means nothing.
    #[error("{variable} must be {wanted}.")]
    Invalid {
        /// Its name.
        variable: &'static str,
        /// The values that are allowed.
        wanted: &'static str,
    },
    /// A file that should hold a value.
    #[error("the file that {0} names cannot be read, or is empty.")]
    NoFile(String),
}

impl Problem {
    /// The variable that it is about.
    pub fn variable(&self) -> &str {
        match self {
            Self::Missing(variable) | Self::Invalid { variable, .. } => variable,
            Self::NoFile(variable) => variable,
        }
    }
}

/// What was read: a configuration if nothing is missing, and what to tell.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration, or everything that is wrong with it.
    pub config: Result<Config, Vec<Problem>>,
    /// Where it remembers, tells and queues, whatever is wrong with the rest.
    pub places: Places,
    /// Who may call: in force whatever is wrong with the rest. What is wrong with them is among the problems.
    pub limits: Rules,
    /// What works and should be looked at all the same.
    pub warnings: Vec<String>,
    /// What works and should not be left so.
    pub alarms: Vec<String>,
}

/// Behind the name of a webhook secret: its value in the version of a Secrets Manager secret before this one.
pub const BEFORE_ROTATION: &str = "_BEFORE_ROTATION";

/// What is said also of certificates that only TLS finds to be none.
pub const NO_AUTHORITIES: Problem = Problem::Invalid {
    variable: "CRYPTLEX_CA_CERTIFICATES",
    wanted: "one or more certificates in PEM, as in `-----BEGIN CERTIFICATE-----`",
};

/// Reads the configuration of one provider's function through `read`, which gives a variable's value.
pub fn load<P: Provider>(read: impl Fn(&str) -> Option<String>) -> Loaded {
    let mut reader =
        Reader { read, problems: Vec::new(), warnings: Vec::new(), alarms: Vec::new() };
    // Where they lie is read before them; here only whether it can be.
    reader.optional("SECRETS_ID");
    let secrets = reader.secrets::<P>();
    let access_token =
        reader.required("CRYPTLEX_ACCESS_TOKEN").and_then(|token| reader.token(token));
    let base_url =
        reader.required("CRYPTLEX_WEB_API_BASE_URL").and_then(|url| reader.base_url(&url));
    let product = reader.product::<P>();
    if P::NAME == "stripe" && product.is_none() {
        reader
            .warnings
            .push("CRYPTLEX_PRODUCT_ID is not set: /v1 cannot grant licenses".to_owned());
    }
    let policy = reader.policy::<P>();
    let tolerance =
        reader.number("SIGNATURE_TOLERANCE_SECS", 300, 1..=86_400, "1 to 86400 seconds");
    let deadline =
        reader.number("DEADLINE_MS", P::DEADLINE_MS, 100..=900_000, "100 to 900000 milliseconds");
    let deadline = Duration::from_millis(deadline);
    let places = Places {
        ledger: reader.ledger(deadline),
        topic: reader.topic(),
        overflow: reader.overflow(),
    };
    let requests =
        reader.number("CRYPTLEX_REQUESTS_PER_5S", 50, 0..=100_000, "0 to 100000 requests");
    let authorities = reader.authorities();
    let limits = reader.limits::<P>();
    let config = match (secrets, access_token, base_url, reader.problems.is_empty()) {
        (Some(secrets), Some(access_token), Some(base_url), true) => Ok(Config {
            secrets,
            tolerance: Tolerance(i64::try_from(tolerance).unwrap_or(300)),
            cryptlex: Cryptlex {
                base_url,
                access_token: SecretString::from(access_token),
                authorities,
                requests_per_5s: u32::try_from(requests).ok().filter(|limit| *limit > 0),
                patience: deadline / 2,
            },
            product,
            policy,
            deadline,
        }),
        _ => Err(reader.problems),
    };
    Loaded { config, places, limits, warnings: reader.warnings, alarms: reader.alarms }
}

/// The vendor's choices alone, for tools that look at what a function of that provider decides.
pub fn policy_of<P: Provider>(
    read: impl Fn(&str) -> Option<String>,
) -> Result<Policy, Vec<Problem>> {
    let mut reader =
        Reader { read, problems: Vec::new(), warnings: Vec::new(), alarms: Vec::new() };
    let policy = reader.policy::<P>();
    if reader.problems.is_empty() { Ok(policy) } else { Err(reader.problems) }
}

/// Where something can be reached by HTTP.
fn web_address(url: &str) -> Option<Uri> {
    let uri: Uri = url.parse().ok()?;
    let authority = uri.authority()?.as_str();
    let has_port = authority.rsplit(']').next()?.contains(':');
    let whole = matches!(uri.scheme_str(), Some("http" | "https"))
        && !uri.host()?.is_empty()
        && (!has_port || uri.port_u16().is_some());
    whole.then_some(uri)
}

struct Reader<R> {
    read: R,
    problems: Vec<Problem>,
    warnings: Vec<String>,
    alarms: Vec<String>,
}

impl<R: Fn(&str) -> Option<String>> Reader<R> {
    fn optional(&mut self, variable: &str) -> Option<String> {
        let raw = (self.read)(variable).unwrap_or_default();
        let value = raw.trim();
        let file = format!("{variable}_FILE");
        // What nobody could read must not be the same as what nobody wants.
        if value.is_empty() && (self.read)(&file).is_some_and(|path| !path.trim().is_empty()) {
            self.problems.push(Problem::NoFile(file));
            return None;
        }
        if value.len() != raw.len() && !value.is_empty() {
            self.warnings.push(format!("{variable} has blanks around it: they were cut off"));
        }
        Some(value.to_owned()).filter(|value| !value.is_empty())
    }

    fn required(&mut self, variable: &'static str) -> Option<String> {
        let value = self.optional(variable);
        if value.is_none() {
            self.problems.push(Problem::Missing(variable));
        }
        value
    }

    fn secrets<P: Provider>(&mut self) -> Option<Secrets> {
        let current = self.required(P::SECRET_VARIABLE)?;
        let older = ["_PREVIOUS", BEFORE_ROTATION]
            .map(|suffix| self.optional(&format!("{}{suffix}", P::SECRET_VARIABLE)));
        Secrets::new(&current, older.iter().flatten().map(String::as_str))
    }

    fn product<P: Provider>(&mut self) -> Option<ProductId> {
        let id = self.optional("CRYPTLEX_PRODUCT_ID")?;
        let product = ProductId::new(&id).ok();
        if product.is_none() && P::NAME == "stripe" {
            let (variable, wanted) = ("CRYPTLEX_PRODUCT_ID", "the id of a Cryptlex product");
            self.problems.push(Problem::Invalid { variable, wanted });
        }
        product
    }

    fn token(&mut self, token: String) -> Option<String> {
        let fits = token.bytes().all(|byte| byte.is_ascii_graphic());
        if !fits {
            let (variable, wanted) = ("CRYPTLEX_ACCESS_TOKEN", "one line of visible characters");
            self.problems.push(Problem::Invalid { variable, wanted });
        }
        fits.then_some(token)
    }

    /// Paths carry the version themselves, so a base that ends in it would have it twice.
    fn base_url(&mut self, url: &str) -> Option<String> {
        let url = url.trim_end_matches('/');
        let url = url.strip_suffix("/v3").unwrap_or(url).trim_end_matches('/');
        // Errors name the URL, so nothing secret may be in it.
        if web_address(url).is_none() || url.contains(['@', '?', '#']) {
            self.problems.push(Problem::Invalid {
                variable: "CRYPTLEX_WEB_API_BASE_URL",
                wanted: "a URL such as https://api.cryptlex.com",
            });
            return None;
        }
        Some(url.to_owned())
    }

    fn authorities(&mut self) -> Option<Vec<CertificateDer<'static>>> {
        let pem = self.optional(NO_AUTHORITIES.variable())?;
        let certificates = CertificateDer::pem_slice_iter(pem.as_bytes());
        let certificates: Option<Vec<_>> = certificates.collect::<Result<_, _>>().ok();
        let certificates = certificates.filter(|certificates| !certificates.is_empty());
        if certificates.is_none() {
            self.problems.push(NO_AUTHORITIES);
        }
        certificates
    }

    fn number(
        &mut self,
        variable: &'static str,
        default: u64,
        range: std::ops::RangeInclusive<u64>,
        wanted: &'static str,
    ) -> u64 {
        let Some(text) = self.optional(variable) else {
            return default;
        };
        match text.parse::<u64>() {
            Ok(number) if range.contains(&number) => number,
            Ok(_) | Err(_) => {
                self.problems.push(Problem::Invalid { variable, wanted });
                default
            }
        }
    }

    fn choice<T: Copy>(
        &mut self,
        variable: &'static str,
        default: T,
        choices: &[(&str, T)],
        wanted: &'static str,
    ) -> T {
        let Some(text) = self.optional(variable) else {
            return default;
        };
        match choices.iter().find(|(name, _)| *name == text) {
            Some((_, choice)) => *choice,
            None => {
                self.problems.push(Problem::Invalid { variable, wanted });
                default
            }
        }
    }

    fn topic(&mut self) -> Option<String> {
        let topic = self.optional("NOTIFICATION_TOPIC_ARN")?;
        let parts: Vec<&str> = topic.split(':').collect();
        let is_topic = matches!(parts.as_slice(), ["arn", _, "sns", region, _, name] if !region.is_empty() && !name.is_empty());
        if !is_topic {
            self.problems.push(Problem::Invalid {
                variable: "NOTIFICATION_TOPIC_ARN",
                wanted: "the ARN of an SNS topic, such as arn:aws:sns:eu-central-1:123456789012:licenses",
            });
            return None;
        }
        Some(topic)
    }

    /// Only Lambda brings what is queued back to the function.
    fn overflow(&mut self) -> Option<String> {
        let url = self.optional("OVERFLOW_QUEUE_URL")?;
        if web_address(&url).is_none_or(|url| url.path().len() <= 1) {
            self.problems.push(Problem::Invalid {
                variable: "OVERFLOW_QUEUE_URL",
                wanted: "the URL of an SQS queue, such as https://sqs.eu-central-1.amazonaws.com/123456789012/overflow",
            });
            return None;
        }
        if self.optional("AWS_LAMBDA_RUNTIME_API").is_none() {
            let text = "OVERFLOW_QUEUE_URL is not used: only in Lambda is a queue read";
            self.warnings.push(text.to_owned());
            return None;
        }
        Some(url)
    }

    fn ledger(&mut self, deadline: Duration) -> Ledger {
        let (table, path) = (self.optional("LEDGER_TABLE"), self.optional("LEDGER_PATH"));
        if table.is_some() && path.is_some() {
            self.warnings.push("LEDGER_PATH is not used, because LEDGER_TABLE is set".to_owned());
        }
        if table.is_none() && self.optional("AWS_LAMBDA_RUNTIME_API").is_some() {
            self.alarms.push(
                "LEDGER_TABLE is not set: every instance of the function has a memory of its own, and loses it"
                    .to_owned(),
            );
        }
        let place = match (table, path) {
            (Some(table), _) => LedgerPlace::Table(table),
            (None, Some(path)) => LedgerPlace::File(PathBuf::from(path)),
            (None, None) => LedgerPlace::Memory,
        };
        let days = self.number("EVENT_RETENTION_DAYS", 90, 1..=3650, "1 to 3650 days");
        let settle = self.number("SETTLE_SECS", 30, 0..=900, "0 to 900 seconds");
        let settle = SignedDuration::from_secs(i64::try_from(settle).unwrap_or(30));
        Ledger { place, retention: days_of(days), settle, deadline }
    }

    fn limits<P: Provider>(&mut self) -> Rules {
        let allowed = self.networks(
            "IP_ALLOWLIST",
            Some(P::NAME),
            "provider, or addresses and networks such as 203.0.113.7, 198.51.100.0/24",
        );
        let proxies = self.networks(
            "TRUSTED_PROXIES",
            None,
            "addresses and networks such as 203.0.113.7, 198.51.100.0/24",
        );
        for wide in proxies.iter().flat_map(Networks::too_wide) {
            self.warnings.push(format!(
                "TRUSTED_PROXIES names {wide}: anybody there may claim any address, and no limit holds. \
                 Name your own proxies only"
            ));
        }
        let per_minute =
            self.number("RATE_LIMIT_PER_MINUTE", 1000, 0..=1_000_000, "0 to 1000000 deliveries");
        let burst = self.number("RATE_LIMIT_BURST", 100, 1..=1_000_000, "1 to 1000000 deliveries");
        let [per_minute, burst] =
            [per_minute, burst].map(|count| u32::try_from(count).ok().and_then(NonZeroU32::new));
        let rate = per_minute.zip(burst).map(|(n, burst)| Quota::per_minute(n).allow_burst(burst));
        let connections =
            self.number("CONNECTIONS_PER_SOURCE", 64, 0..=512, "0 to 512 connections");
        let connections = u32::try_from(connections).ok().and_then(NonZeroU32::new);
        let provider = Networks::parse("provider", Some(P::NAME)).unwrap_or_default();
        Rules { allowed, proxies: proxies.unwrap_or_default(), rate, connections, provider }
    }

    fn networks(
        &mut self,
        variable: &'static str,
        provider: Option<&str>,
        wanted: &'static str,
    ) -> Option<Networks> {
        let text = self.optional(variable)?;
        let networks = Networks::parse(&text, provider);
        if networks.is_none() {
            self.problems.push(Problem::Invalid { variable, wanted });
        }
        networks
    }

    fn policy<P: Provider>(&mut self) -> Policy {
        let ends = [
            ("revoke", AtTheEnd::Revoke),
            ("delete", AtTheEnd::Delete),
            ("suspend", AtTheEnd::Suspend),
            ("none", AtTheEnd::Nothing),
        ];
        let mut policy = Policy::of::<P>();
        // The predecessor's documentation used both names.
        for variable in
            ["CRYPTLEX_SUBSCRIPTION_CANCELLATION_ACTION", "CRYPTLEX_CANCELLATION_ACTION"]
        {
            policy.at_the_end =
                self.choice(variable, policy.at_the_end, &ends, "revoke, delete, suspend or none");
        }
        let quantities = [
            ("one", QuantityMeans::One),
            ("total_licenses", QuantityMeans::Licenses),
            ("allowed_activations", QuantityMeans::Activations),
        ];
        policy.quantity_means = self.choice(
            "CRYPTLEX_MAPPINGS_QUANTITY",
            policy.quantity_means,
            &quantities,
            "one, total_licenses or allowed_activations",
        );
        policy.grace = days_of(self.number("GRACE_DAYS", 0, 0..=365, "0 to 365 days"));
        let hours = u64::try_from(policy.leeway.as_hours()).unwrap_or(0);
        policy.leeway =
            hours_of(self.number("EXPIRY_LEEWAY_HOURS", hours, 0..=720, "0 to 720 hours"));
        let refunds = [
            ("suspend", Refunded::Suspends),
            ("revoke", Refunded::Revokes),
            ("none", Refunded::ChangesNothing),
        ];
        policy.refunded =
            self.choice("REFUND_ACTION", policy.refunded, &refunds, "suspend, revoke or none");
        policy.accept_unmapped = self.choice(
            "UNMAPPED",
            policy.accept_unmapped,
            &[("accept", true), ("error", false)],
            "accept or error",
        );
        policy.pause_collection = self.choice(
            "PAUSE_COLLECTION",
            policy.pause_collection,
            &[("suspend", true), ("note", false)],
            "suspend or note",
        );
        policy.test_events = self.choice(
            "TEST_EVENTS",
            policy.test_events,
            &[
                ("auto", TestEvents::Auto),
                ("accept", TestEvents::Accept),
                ("refuse", TestEvents::Refuse),
            ],
            "auto, accept or refuse",
        );
        policy
    }
}

fn hours_of(n: u64) -> SignedDuration {
    SignedDuration::from_hours(i64::try_from(n).unwrap_or(0))
}

fn days_of(n: u64) -> SignedDuration {
    hours_of(n.saturating_mul(24))
}

#[cfg(test)]
mod tests;
