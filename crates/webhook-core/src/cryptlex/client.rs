//! The calls that this project makes. Reads are tried again, writes are not: what a failed write means is for
//! `apply` to find out.

use std::sync::Arc;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};
use http::Method;
use rand::distr::{Alphanumeric, SampleString as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::error::{ApiError, Kind};
use super::license::{License, LicenseChange, NewLicense};
use super::pace::{CallBudget, RateLimiter};
use super::transport::{NoTls, Request, Transport};
use super::turn::{NotAdmitted, Turn};
use super::user::{NewUser, User, UserChange};
use crate::domain::clock::Clock;
use crate::domain::deadline::{Deadline, Timing};
use crate::domain::ids::{LicenseId, Mark, UserId};
use crate::infra::config;

/// Cryptlex at one base URL with one token.
pub struct Client {
    transport: Transport,
    pace: Option<Arc<RateLimiter>>,
}

/// Cryptlex's largest page; a shorter one is the last.
const PAGE: usize = 100;
/// A list longer than this is no list of one customer's things.
const MOST_PAGES: usize = 200;

impl Client {
    /// Fails only if TLS cannot be set up. The calls of the client `before` count against its limit.
    pub fn new(
        config: &config::Cryptlex,
        before: Option<&Self>,
        clock: Clock,
        timing: Timing,
    ) -> Result<Self, NoTls> {
        let latency = before.map(|before| Arc::clone(&before.transport.latency));
        let transport = Transport::new(config, latency.unwrap_or_default(), clock, timing)?;
        let pace = config.requests_per_5s.map(|limit| {
            let known = before.and_then(|before| before.pace.clone());
            known.unwrap_or_else(|| Arc::new(RateLimiter::new(limit, timing.window)))
        });
        Ok(Self { transport, pace })
    }

    /// How long an event of so many calls takes as things are, with time to spare: twice what was measured, the first calls
    /// one after the other, of more a few side by side, and no more than the limit lets through.
    pub fn takes(&self, calls: usize) -> Duration {
        let more = calls.saturating_sub(SIDE_BY_SIDE).div_ceil(SIDE_BY_SIDE);
        let rounds = calls.min(SIDE_BY_SIDE).saturating_add(more);
        let rounds = u32::try_from(rounds).unwrap_or(u32::MAX);
        let twice = self.transport.latency.of(rounds).saturating_mul(2);
        LEDGER_TAKES.saturating_add(twice).saturating_add(self.waits(calls))
    }

    /// How long the limit alone makes so many calls take.
    pub fn waits(&self, calls: usize) -> Duration {
        self.pace.as_ref().map_or(Duration::ZERO, |pace| pace.takes(calls))
    }

    /// Waits for places under the rate limit in its turn, or says at once that there are none by `latest`. `ahead` tells how
    /// many calls go before it that do not wait here yet.
    pub async fn reserve(
        &self,
        turn: &Turn,
        ahead: impl Fn() -> usize,
        latest: Instant,
    ) -> Result<Reserved, NotAdmitted> {
        Ok(Reserved(match &self.pace {
            Some(pace) => Some(pace.admit(turn, ahead, latest).await?),
            None => None,
        }))
    }

    /// For a delivery that has its places.
    pub fn begin(&self, Reserved(places): Reserved, deadline: Deadline) -> Calls<'_> {
        Calls { client: self, deadline, places }
    }
}

/// For an event to be claimed before its first call. A disk or a table has slow moments, too.
const LEDGER_TAKES: Duration = Duration::from_millis(300);
/// Of many calls, so many are under way at the same time.
const SIDE_BY_SIDE: usize = 8;

/// Places under the rate limit, for one delivery. Without any it takes the next place for each call.
#[derive(Debug, Default)]
pub struct Reserved(Option<CallBudget>);

/// The calls of one delivery that was admitted.
pub struct Calls<'c> {
    client: &'c Client,
    deadline: Deadline,
    /// For the calls that it was expected to make.
    places: Option<CallBudget>,
}

impl Calls<'_> {
    /// Every license that carries one of the marks, whatever else the filters let through.
    pub async fn licenses_with(&self, marks: &[Mark]) -> Result<Vec<License>, ApiError> {
        // Without any, Cryptlex would answer with every license that there is.
        if marks.is_empty() {
            return Ok(Vec::new());
        }
        let filter = metadata_filter(marks);
        let licenses: Vec<License> =
            self.pages(&format!("/v3/licenses?{filter}"), |l: &License| l.id.to_string()).await?;
        let carries_one = |license: &License| marks.iter().any(|mark| license.carries(mark));
        Ok(licenses.into_iter().filter(carries_one).collect())
    }

    /// Every license that the list shows for this user: their own, those of their groups, and those that they use as an
    /// additional user.
    pub async fn licenses_shown_for(&self, user: &UserId) -> Result<Vec<License>, ApiError> {
        let path = format!("/v3/licenses?userId[eq]={}", encoded(user.as_str()));
        self.pages(&path, |license: &License| license.id.to_string()).await
    }

    /// `None` when there is no such license.
    pub async fn license(&self, id: &LicenseId) -> Result<Option<License>, ApiError> {
        match self.read(Request::get(license_path(id, ""))).await {
            Ok(license) => Ok(Some(license)),
            Err(ApiError { kind: Kind::NotFound, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// `None` when there is no such user.
    pub async fn user(&self, id: &UserId) -> Result<Option<User>, ApiError> {
        match self.read(Request::get(user_path(id))).await {
            Ok(user) => Ok(Some(user)),
            Err(ApiError { kind: Kind::NotFound, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The users with this e-mail, in whatever case Cryptlex finds.
    pub async fn users_with_email(&self, email: &str) -> Result<Vec<User>, ApiError> {
        let path = format!("/v3/users?email[eq]={}", encoded(email));
        let users: Vec<User> = self.pages(&path, |user: &User| user.id.to_string()).await?;
        Ok(users.into_iter().filter(|user| user.has_email(email)).collect())
    }

    /// Every user that carries the mark.
    pub async fn users_with(&self, mark: &Mark) -> Result<Vec<User>, ApiError> {
        let path = format!("/v3/users?{}", metadata_filter(std::slice::from_ref(mark)));
        let users: Vec<User> = self.pages(&path, |user: &User| user.id.to_string()).await?;
        Ok(users.into_iter().filter(|user| user.carries(mark)).collect())
    }

    /// Not repeat-safe: a second one is a second license.
    pub async fn create_license(&self, license: &NewLicense) -> Result<License, ApiError> {
        self.write(Method::POST, "/v3/licenses".to_owned(), Some(to_json(license))).await
    }

    /// Adds one interval to the expiry. Not repeat-safe.
    pub async fn renew(&self, id: &LicenseId) -> Result<License, ApiError> {
        self.write(Method::POST, license_path(id, "/renew"), None).await
    }

    /// Sets the expiry.
    pub async fn set_expiry(
        &self,
        id: &LicenseId,
        expires_at: jiff::Timestamp,
    ) -> Result<License, ApiError> {
        let body = json!({ "expiresAt": expires_at });
        self.write(Method::PATCH, license_path(id, "/expires-at"), Some(body)).await
    }

    /// Sets what the change names.
    pub async fn change_license(
        &self,
        id: &LicenseId,
        change: &LicenseChange,
    ) -> Result<License, ApiError> {
        self.write(Method::PATCH, license_path(id, ""), Some(to_json(change))).await
    }

    /// A license that is gone already is deleted.
    pub async fn delete_license(&self, id: &LicenseId) -> Result<(), ApiError> {
        let request = Request { method: Method::DELETE, path: license_path(id, ""), body: None };
        match self
            .once_more(&request, |request| self.client.transport.send(request, self.deadline))
            .await
        {
            Ok(_no_content) => Ok(()),
            Err(ApiError { kind: Kind::NotFound, .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// With a random password, which nobody is told: users sign in after a reset.
    pub async fn create_user(&self, user: &NewUser) -> Result<User, ApiError> {
        let mut body = to_json(user);
        if let Value::Object(fields) = &mut body {
            let password = Alphanumeric.sample_string(&mut rand::rng(), 32);
            fields.insert("password".to_owned(), Value::String(password));
            fields.insert("role".to_owned(), Value::String("user".to_owned()));
        }
        self.write(Method::POST, "/v3/users".to_owned(), Some(body)).await
    }

    /// Sets what the change names.
    pub async fn change_user(&self, id: &UserId, change: &UserChange) -> Result<User, ApiError> {
        self.write(Method::PATCH, user_path(id), Some(to_json(change))).await
    }

    async fn pages<T: DeserializeOwned>(
        &self,
        path: &str,
        id: impl Fn(&T) -> String,
    ) -> Result<Vec<T>, ApiError> {
        let mut all: Vec<T> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for page in 1..=MOST_PAGES {
            let request = Request::get(format!("{path}&limit={PAGE}&page={page}"));
            let items: Vec<T> = self.read(request).await?;
            let count = items.len();
            let known = seen.len();
            // What was created between two pages can push an item onto the next one.
            all.extend(items.into_iter().filter(|item| seen.insert(id(item))));
            if count < PAGE || seen.len() == known {
                return Ok(all);
            }
        }
        let endless = Request::get(path.to_owned());
        Err(endless.error(Kind::Refused(200), Some("the list does not end".to_owned())))
    }

    /// Tries up to three times, with jitter, within the deadline.
    async fn read<T: DeserializeOwned>(&self, request: Request) -> Result<T, ApiError> {
        let backoff = ExponentialBuilder::default()
            .with_min_delay(self.client.transport.timing.backoff)
            .with_max_times(2)
            .with_jitter();
        let attempt = || async {
            self.wait_for_place(&request).await?;
            self.client.transport.exchange(&request, self.deadline).await
        };
        attempt
            .retry(backoff)
            .when(|error: &ApiError| error.passes_by_itself() && error.kind != Kind::OutOfTime)
            .adjust(|error: &ApiError, wait: Option<Duration>| {
                let wait = wait.map(|wait| wait.max(error.retry_after().unwrap_or_default()));
                wait.filter(|wait| *wait < self.deadline.left())
            })
            .await
    }

    async fn write<T: DeserializeOwned>(
        &self,
        method: Method,
        path: String,
        body: Option<Value>,
    ) -> Result<T, ApiError> {
        let request = Request { method, path, body };
        self.once_more(&request, |request| self.client.transport.exchange(request, self.deadline))
            .await
    }

    /// A write that surely had no effect and may have one the next time is tried once more.
    async fn once_more<'r, T, F>(
        &self,
        request: &'r Request,
        send: impl Fn(&'r Request) -> F,
    ) -> Result<T, ApiError>
    where
        F: Future<Output = Result<T, ApiError>>,
    {
        self.wait_for_place(request).await?;
        let error = match send(request).await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let backoff = self.client.transport.timing.backoff;
        let wait = match error.kind {
            Kind::Throttled(after) => after.unwrap_or(backoff),
            Kind::NoConnection => backoff,
            Kind::Unauthorized(_)
            | Kind::NotFound
            | Kind::Conflict
            | Kind::Refused(_)
            | Kind::Failed(_)
            | Kind::GatewayFailed(_)
            | Kind::NoAnswer
            | Kind::Unreadable
            | Kind::OutOfTime => return Err(error),
        };
        if wait >= self.deadline.left() {
            return Err(error);
        }
        tokio::time::sleep(wait).await;
        self.wait_for_place(request).await?;
        send(request).await
    }

    async fn wait_for_place(&self, request: &Request) -> Result<(), ApiError> {
        if self.places.as_ref().is_some_and(CallBudget::take) {
            return Ok(());
        }
        match &self.client.pace {
            Some(pace) if !pace.next(self.deadline).await => {
                Err(request.error(Kind::OutOfTime, None))
            }
            Some(_) | None => Ok(()),
        }
    }
}

fn user_path(id: &UserId) -> String {
    format!("/v3/users/{}", encoded(id.as_str()))
}

fn license_path(id: &LicenseId, action: &str) -> String {
    format!("/v3/licenses/{}{action}", encoded(id.as_str()))
}

/// Both filters; a mark's value is never empty, because Cryptlex ignores empty filters and answers with everything. Several
/// are a list with commas between them.
fn metadata_filter(marks: &[Mark]) -> String {
    let filter = |field: &str, mut all: Vec<&str>| {
        all.dedup();
        let operator = if all.len() == 1 { "eq" } else { "in" };
        let all: Vec<String> = all.into_iter().map(encoded).collect();
        format!("{field}[{operator}]={}", all.join(","))
    };
    let keys = filter("metadata.key", marks.iter().map(|mark| &*mark.key).collect());
    format!("{keys}&{}", filter("metadata.value", marks.iter().map(Mark::value).collect()))
}

/// Percent-encodes everything that is not unreserved in RFC 3986.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

fn to_json(body: &impl Serialize) -> Value {
    serde_json::to_value(body).unwrap_or(Value::Null)
}
