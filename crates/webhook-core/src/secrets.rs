//! Secrets in AWS Secrets Manager: one JSON object with the names of the variables in it.
//!
//! Read when the function starts, and again when a signature matches no known secret or Cryptlex refuses the token, so
//! that a rotation needs no deploy. Of the version before this one the webhook secret still counts: what was signed
//! before the provider knew the new one is genuine.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::Builder;
use aws_sdk_secretsmanager::error::ProvideErrorMetadata as _;
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use tokio::sync::Mutex;

use crate::aws::Aws;
use crate::clock::Clock;
use crate::config::BEFORE_ROTATION;

/// Whoever sends wrong signatures makes no more calls than that.
const AGAIN_AFTER: SignedDuration = SignedDuration::from_secs(60);
/// How long a function may wait for its secret: Lambda gives it ten seconds to start.
pub const PATIENCE: Duration = Duration::from_secs(9);
/// The SDK tries up to three times.
const TRIES: u32 = 3;

/// A secret of AWS Secrets Manager.
pub struct Vault {
    client: Client,
    id: String,
    clock: Clock,
    last: Mutex<Option<Last>>,
}

struct Last {
    /// When it was read again, or in vain.
    at: Option<Timestamp>,
    held: Option<Held>,
}

/// What a secret holds: values by the names of variables.
#[derive(Clone)]
pub struct Held {
    current: Values,
    before: Values,
}

type Values = BTreeMap<String, SecretString>;

/// Why a secret could not be read, and what to do. No value is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("SECRETS_ID: {0}")]
pub struct NotRead(String);

impl Vault {
    /// The secret with this name or ARN, for callers who wait no longer than `patience`. Calls nobody yet.
    pub async fn of(id: &str, patience: Duration, aws: &Aws, clock: Clock) -> Self {
        let limits = TimeoutConfig::builder()
            .connect_timeout(patience / TRIES)
            .operation_attempt_timeout(patience / TRIES)
            .operation_timeout(patience)
            .build();
        let config = Builder::from(aws.config().await).timeout_config(limits).build();
        let client = Client::from_conf(config);
        Self { client, id: id.to_owned(), clock, last: Mutex::new(None) }
    }

    /// Its name or ARN.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Reads it, for the first time or again: then not within a minute after the last time. `None` when it is too soon, or
    /// when nothing changed.
    pub async fn read_again(&self) -> Option<Result<Held, NotRead>> {
        let mut last = self.last.lock().await;
        let now = self.clock.now();
        let is_recent =
            |at: Timestamp| now.duration_since(at).unsigned_abs() < AGAIN_AFTER.unsigned_abs();
        if last.as_ref().and_then(|last| last.at).is_some_and(is_recent) {
            return None;
        }
        let is_first = last.is_none();
        let known = last.take().and_then(|last| last.held);
        // Also for whoever stops waiting: strangers must not make every delivery wait for an answer that does not come.
        *last = Some(Last { at: Some(now), held: known.clone() });
        let read = self.read().await;
        // Whoever rotates right after a start need not wait.
        let at = Some(now).filter(|_| !is_first || read.is_err());
        let (held, news) = match (read, known) {
            (Ok(held), Some(known)) if held == known => (Some(known), None),
            (Ok(held), _) => (Some(held.clone()), Some(Ok(held))),
            (Err(error), known) => (known, Some(Err(error))),
        };
        *last = Some(Last { at, held });
        news
    }

    async fn read(&self) -> Result<Held, NotRead> {
        let (current, before) =
            tokio::join!(self.version("AWSCURRENT"), self.version("AWSPREVIOUS"));
        let Some(current) = current? else {
            let id = &self.id;
            return Err(NotRead(format!(
                "there is no secret {id} in this account and region, or it has no value yet"
            )));
        };
        // What a rotation left behind is no reason to do without what counts now.
        let before = before.ok().flatten().unwrap_or_default();
        Ok(Held { current, before })
    }

    /// `None` when there is no such secret, or no such version of it.
    async fn version(&self, stage: &str) -> Result<Option<Values>, NotRead> {
        let id = &self.id;
        let get = self.client.get_secret_value().secret_id(id).version_stage(stage);
        let answer = match get.send().await {
            Ok(answer) => answer,
            Err(error) => {
                let error = error.into_service_error();
                return match error.code() {
                    Some("ResourceNotFoundException") => Ok(None),
                    Some("AccessDeniedException") => Err(NotRead(format!(
                        "grant secretsmanager:GetSecretValue on {id} to the function's role, and kms:Decrypt if its key is your own"
                    ))),
                    Some(code) => Err(NotRead(format!("Secrets Manager answered {code} for {id}"))),
                    None => Err(NotRead(format!("Secrets Manager cannot be reached for {id}"))),
                };
            }
        };
        match answer.secret_string() {
            Some(text) => values(text).map(Some).ok_or_else(|| {
                NotRead(format!("{id} is no JSON object with the names of variables"))
            }),
            None => Err(NotRead(format!("{id} is binary: it must be a JSON object"))),
        }
    }
}

impl Held {
    /// The value of a variable, if the secret has one that is not blank.
    pub fn get(&self, variable: &str) -> Option<String> {
        let (values, name) = match variable.strip_suffix(BEFORE_ROTATION) {
            Some(name) => (&self.before, name),
            None => (&self.current, variable),
        };
        let value = values.get(name)?.expose_secret();
        Some(value.to_owned()).filter(|value| !value.trim().is_empty())
    }
}

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        let same = |one: &Values, two: &Values| {
            one.len() == two.len()
                && one.iter().zip(two).all(|((name, value), (other_name, other_value))| {
                    name == other_name && value.expose_secret() == other_value.expose_secret()
                })
        };
        same(&self.current, &other.current) && same(&self.before, &other.before)
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.current.keys()).finish()
    }
}

/// `None` for what is no JSON object. What is neither text nor a number has no place in it and is passed over.
fn values(text: &str) -> Option<Values> {
    let Ok(Value::Object(fields)) = serde_json::from_str(text) else { return None };
    let text = |value: Value| match value {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    let values = fields.into_iter().filter_map(|(name, value)| Some((name, text(value)?.into())));
    Some(values.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(current: &str, before: &str) -> Held {
        Held { current: values(current).unwrap(), before: values(before).unwrap_or_default() }
    }

    #[test]
    fn values_are_found_by_the_names_of_variables() {
        let held = held(
            r#"{"PADDLE_WEBHOOK_SECRET": "new", "GRACE_DAYS": 7, "CRYPTLEX_ACCESS_TOKEN": " ", "OTHER": ["x"]}"#,
            r#"{"PADDLE_WEBHOOK_SECRET": "old"}"#,
        );
        let get = |name| held.get(name);
        assert_eq!(get("PADDLE_WEBHOOK_SECRET").as_deref(), Some("new"));
        assert_eq!(get("PADDLE_WEBHOOK_SECRET_BEFORE_ROTATION").as_deref(), Some("old"));
        assert_eq!(get("GRACE_DAYS").as_deref(), Some("7"));
        assert_eq!(
            (get("CRYPTLEX_ACCESS_TOKEN"), get("OTHER"), get("MISSING")),
            (None, None, None)
        );
        assert!(!format!("{held:?}").contains("new"));
    }

    #[test]
    fn only_a_json_object_is_a_secret() {
        for text in ["", "whsec_plain", "[]", "\"text\"", "{\"a\":"] {
            assert!(values(text).is_none(), "{text}");
        }
        assert!(held("{}", "") == held("{}", "{}"));
        assert!(held(r#"{"A":"1"}"#, "") != held(r#"{"A":"2"}"#, ""));
        assert!(held(r#"{"A":"1"}"#, "") != held(r#"{"A":"1"}"#, r#"{"A":"0"}"#));
    }
}
