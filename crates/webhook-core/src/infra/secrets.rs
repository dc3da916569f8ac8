//! Secrets in AWS Secrets Manager: one JSON object with the names of the variables in it.
//!
//! Read when the function starts, and again when a signature matches no known secret or Cryptlex refuses the token, so
//! that a rotation needs no deploy. Of the version before this one the webhook secret still counts: what was signed
//! before the provider knew the new one is genuine.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::Builder;
use aws_sdk_secretsmanager::error::ProvideErrorMetadata as _;
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use tokio::sync::Mutex;

use crate::domain::clock::Clock;
use crate::infra::aws::Aws;
use crate::infra::config::BEFORE_ROTATION;
use crate::infra::limits::key_of;
use crate::infra::networks::Networks;

/// Whoever sends wrong signatures causes one read in vain in this time.
const AGAIN_AFTER: SignedDuration = SignedDuration::from_secs(60);
/// And all strangers together so many. Neither the provider's own addresses nor Cryptlex's refusal of the token count: what a
/// stranger tries must not be the try that a genuine delivery needs.
const MOST_IN_VAIN: usize = 5;
/// How long a function may wait for its secret: Lambda gives it ten seconds to start.
pub const PATIENCE: Duration = Duration::from_secs(9);
/// The SDK tries up to three times.
const TRIES: u32 = 3;

/// A secret of AWS Secrets Manager.
pub struct Vault {
    client: Client,
    id: String,
    clock: Clock,
    last: Mutex<Last>,
    /// How often a read brought something new.
    news: AtomicU64,
    provider: Networks,
}

/// What the newest read brought, and which reads brought nothing.
#[derive(Default)]
struct Last {
    held: Option<SecretValues>,
    /// When, and for whom, in the last minute; no more than `MOST_IN_VAIN` for strangers.
    in_vain: VecDeque<(Timestamp, Asker)>,
    /// When a read began that was not answered, or not yet.
    unanswered: Option<Timestamp>,
}

/// For whom a secret is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asker {
    /// An address that the provider publishes, or nobody's: Cryptlex refused the token.
    Genuine(Option<IpAddr>),
    Stranger(IpAddr),
}

impl Last {
    /// Notes a try as one in vain, or says that it is not to be made.
    fn may_try(&mut self, now: Timestamp, asked_by: Asker) -> bool {
        let is_recent =
            |at: Timestamp| now.duration_since(at).unsigned_abs() < AGAIN_AFTER.unsigned_abs();
        self.in_vain.retain(|(at, _)| is_recent(*at));
        let tried = self.in_vain.iter().any(|(_, by)| *by == asked_by);
        let is_stranger = |by: &Asker| matches!(by, Asker::Stranger(_));
        let strangers = self.in_vain.iter().filter(|(_, by)| is_stranger(by)).count();
        let are_too_many = is_stranger(&asked_by) && strangers >= MOST_IN_VAIN;
        if tried || are_too_many || self.unanswered.is_some_and(is_recent) {
            return false;
        }
        self.unanswered = Some(now);
        self.in_vain.push_back((now, asked_by));
        true
    }

    /// What was read, if it is news; then the try that found it was not in vain.
    fn learn(
        &mut self,
        read: Result<SecretValues, NotRead>,
    ) -> Option<Result<SecretValues, NotRead>> {
        if read.is_ok() {
            self.unanswered = None;
        }
        match read {
            Ok(held) if self.held.as_ref() == Some(&held) => None,
            Ok(held) => {
                // Whoever rotates again at once need not wait for it.
                self.in_vain.pop_back();
                self.held = Some(held.clone());
                Some(Ok(held))
            }
            Err(error) => Some(Err(error)),
        }
    }
}

/// What a secret holds: values by the names of variables.
#[derive(Clone)]
pub struct SecretValues {
    current: Values,
    before: Values,
}

type Values = BTreeMap<String, SecretString>;

/// Why a secret could not be read, and what to do. No value is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("SECRETS_ID: the secret {id} could not be read: {why}")]
pub struct NotRead {
    id: String,
    why: String,
}

impl NotRead {
    /// The same for everybody: an ARN tells an account.
    pub fn without_its_name(&self) -> String {
        format!("SECRETS_ID: the secret could not be read: {}", self.why)
    }
}

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
        let (last, news, provider) = <_>::default();
        Self { client, id: id.to_owned(), clock, last, news, provider }
    }

    /// The same, knowing the addresses that the provider publishes.
    #[must_use]
    pub fn knowing(self, provider: Networks) -> Self {
        Self { provider, ..self }
    }

    fn asker(&self, asked_by: Option<IpAddr>) -> Asker {
        match asked_by {
            Some(source) if !self.provider.contain(source) => Asker::Stranger(key_of(source)),
            Some(_) | None => Asker::Genuine(asked_by),
        }
    }

    /// Its name or ARN.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Reads it, for the first time or again. `None` when nothing changed, or when it is too soon: a read that found
    /// nothing new is the last one for `asked_by` in a minute, and the fifth one is the last for any stranger; one that was not
    /// answered is the last for anybody. A read that found something counts for nobody, so that each of several rotations in a minute is found.
    pub async fn read_again(
        &self,
        asked_by: Option<IpAddr>,
    ) -> Option<Result<SecretValues, NotRead>> {
        let known = self.news.load(Ordering::Relaxed);
        let mut last = self.last.lock().await;
        // Whoever waited for somebody else's read has what that one found.
        if self.news.load(Ordering::Relaxed) != known {
            return None;
        }
        // Before the answer: strangers must not make every delivery wait for one that does not come.
        if !last.may_try(self.clock.now(), self.asker(asked_by)) {
            return None;
        }
        let news = last.learn(self.read().await);
        if let Some(Ok(_)) = &news {
            self.news.fetch_add(1, Ordering::Relaxed);
        }
        news
    }

    async fn read(&self) -> Result<SecretValues, NotRead> {
        let (current, before) =
            tokio::join!(self.version("AWSCURRENT"), self.version("AWSPREVIOUS"));
        let Some(current) = current? else {
            let why = "it does not exist in this account and region, or has no value yet. Fill it, or correct SECRETS_ID";
            return Err(self.not_read(why));
        };
        // What a rotation left behind is no reason to do without what counts now.
        let before = before.ok().flatten().unwrap_or_default();
        Ok(SecretValues { current, before })
    }

    /// `None` when there is no such secret, or no such version of it.
    async fn version(&self, stage: &str) -> Result<Option<Values>, NotRead> {
        let get = self.client.get_secret_value().secret_id(&self.id).version_stage(stage);
        let answer = match get.send().await {
            Ok(answer) => answer,
            Err(error) => {
                let error = error.into_service_error();
                return match error.code() {
                    Some("ResourceNotFoundException") => Ok(None),
                    Some("AccessDeniedException") => Err(self.not_read(
                        "grant secretsmanager:GetSecretValue on it to the function's role, and kms:Decrypt if its key is your own",
                    )),
                    Some(code) => Err(self.not_read(&format!("Secrets Manager answered {code}"))),
                    None => Err(self.not_read("Secrets Manager cannot be reached. Look at the function's network")),
                };
            }
        };
        match answer.secret_string() {
            Some(text) => values(text)
                .map(Some)
                .ok_or_else(|| self.not_read("it is not a JSON object. Write one, with the names of variables as its keys")),
            None => Err(self.not_read("it is binary. Write a JSON object as text, with the names of variables as its keys")),
        }
    }

    fn not_read(&self, why: &str) -> NotRead {
        NotRead { id: self.id.clone(), why: why.to_owned() }
    }
}

impl SecretValues {
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

impl PartialEq for SecretValues {
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

impl fmt::Debug for SecretValues {
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

    fn held(current: &str, before: &str) -> SecretValues {
        SecretValues {
            current: values(current).unwrap(),
            before: values(before).unwrap_or_default(),
        }
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
    fn strangers_cause_few_reads_and_take_none_from_genuine_senders() {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let [stranger, genuine] =
            [Asker::Stranger([192, 0, 2, 66].into()), Asker::Stranger([192, 0, 2, 1].into())];
        let mut last = Last::default();
        let known = held(r#"{"A":"1"}"#, "");
        let tries = |last: &mut Last, now, by, read: &SecretValues| -> Option<bool> {
            let tried = last.may_try(at(now), by);
            tried.then(|| last.learn(Ok(read.clone())).is_some())
        };
        let of_token = Asker::Genuine(None);
        assert_eq!(tries(&mut last, 0, of_token, &known), Some(true));
        for now in 0..60 {
            let expected = (now == 0).then_some(false);
            assert_eq!(tries(&mut last, now, stranger, &known), expected, "{now}");
        }
        // Each rotation is found by the first genuine delivery after it, however many there are.
        for now in 0..30 {
            let rotated = held(&format!(r#"{{"A":"{now}"}}"#), "");
            assert_eq!(tries(&mut last, now, genuine, &rotated), Some(true), "{now}");
        }
        // Strangers with many addresses cause no more than so many in all.
        let rotated = held(r#"{"A":"29"}"#, "");
        let strangers = (0..200).map(|n| Asker::Stranger([198, 51, 100, n].into()));
        let reads = strangers.filter_map(|by| tries(&mut last, 30, by, &rotated)).count();
        assert_eq!(reads, MOST_IN_VAIN - 1);
        // And none that somebody genuine needs.
        let of_provider = Asker::Genuine(Some([3, 18, 12, 63].into()));
        for asked_by in [of_token, of_provider] {
            assert_eq!(tries(&mut last, 30, asked_by, &rotated), Some(false), "{asked_by:?}");
            assert_eq!(tries(&mut last, 31, asked_by, &rotated), None, "{asked_by:?}");
        }
        assert_eq!(tries(&mut last, 90, stranger, &rotated), Some(false));
        // A clock that is set back does not set them free.
        assert_eq!(tries(&mut last, 50, stranger, &rotated), None);
        // Who does not answer is not asked again, whoever wants it.
        assert!(last.may_try(at(200), stranger));
        assert!(!last.may_try(at(201), genuine), "nobody has heard of it yet");
        assert!(
            last.learn(Err(NotRead { id: "id".to_owned(), why: "no answer".to_owned() })).is_some()
        );
        assert!(!last.may_try(at(259), genuine));
        assert!(last.may_try(at(260), genuine));
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
