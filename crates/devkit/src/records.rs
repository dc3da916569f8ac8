//! What the functions remember, for people to look at and to deliver again.
//!
//! By means of `webhook-core`: the ledger is its own format, which nobody else documents.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use secrecy::SecretString;
use serde_json::{Value, json};
use webhook_core::cryptlex::{Client, Reserved};
use webhook_core::domain::clock::Clock;
use webhook_core::domain::command::SubjectKind;
use webhook_core::domain::deadline::{Deadline, Timing};
use webhook_core::domain::ids::{CustomerId, EventId, LicenseId, SubjectId};
use webhook_core::infra::aws::Aws;
use webhook_core::infra::config;
use webhook_core::ledger::{
    Dynamo, Embedded, EventRecord, EventStatus, KnownCustomer, Ledger, Store, StoreError,
    SubjectRecord, parts_of_subject_key,
};

use crate::send::{Delivery, SendError, now_unix, post};
use crate::sign::Provider;

mod compact;
mod explain;
mod failed;
mod mapping;

pub use compact::{CompactArgs, compact};
pub use explain::{ExplainArgs, explain};
pub use failed::{FailedArgs, failed};
pub use mapping::LineMapping;

/// Of a customer's purchases so many are shown in full, the newest.
const MOST_SHOWN: usize = 20;

/// Nobody else waits for an answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where the ledger is. A file may be looked at while its function runs.
#[derive(Debug, Clone, clap::Args)]
pub struct Place {
    /// DynamoDB table; region and credentials come from where the AWS SDK finds them
    #[arg(long, env = "LEDGER_TABLE")]
    pub table: Option<String>,
    /// Ledger file
    #[arg(long, env = "LEDGER_PATH")]
    pub path: Option<PathBuf>,
}

/// Arguments of `devkit show`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:
  devkit show --path ledger.redb stripe sub_1
  devkit show --table webhook-ledger paddle ctm_01")]
pub struct ShowArgs {
    /// Who sent it
    pub provider: Provider,
    /// The provider's id of a subscription, order, customer or event
    pub subject: String,
    #[command(flatten)]
    #[expect(missing_docs, reason = "its text would replace that of the subcommand in --help")]
    pub place: Place,
    /// Cryptlex's address: with a token, show the state of each license there
    #[arg(long, env = "CRYPTLEX_WEB_API_BASE_URL")]
    pub cryptlex_url: Option<String>,
    /// Cryptlex's access token, with license:read
    #[arg(long, env = "CRYPTLEX_ACCESS_TOKEN", hide_env_values = true)]
    pub cryptlex_token: Option<String>,
}

/// Arguments of `devkit unmapped`.
#[derive(Debug, Clone, clap::Args)]
pub struct UnmappedArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "its text would replace that of the subcommand in --help")]
    pub place: Place,
}

/// Arguments of `devkit replay`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:
  devkit replay --path ledger.redb stripe evt_1
  devkit replay --table webhook-ledger --url https://HOST/webhooks/paddle paddle evt_1 --map pri_1=PRODUCT:TEMPLATE")]
pub struct ReplayArgs {
    /// Who sent the event
    pub provider: Provider,
    /// The provider's id of the event
    pub event: String,
    #[command(flatten)]
    #[expect(missing_docs, reason = "its text would replace that of the subcommand in --help")]
    pub place: Place,
    /// Where to post it [default: port 3000 of this machine, at the path that it came to]
    #[arg(long)]
    pub url: Option<String>,
    /// Signing secret [default: the provider's variable, as the function reads it, else the demo secret]
    #[arg(long)]
    pub secret: Option<String>,
    /// Write these Cryptlex ids into the body first, for a line that was bought before it had a mapping. `devkit unmapped`
    /// names the LINE: a price or a product path; anything for Stripe
    #[arg(long, value_name = "LINE=PRODUCT:TEMPLATE")]
    pub map: Vec<LineMapping>,
    /// With --map: a line of the purchase that needs no license
    #[arg(long, value_name = "LINE", requires = "map")]
    pub skip: Vec<String>,
}

/// Why there is nothing to show or to deliver.
#[derive(Debug, thiserror::Error)]
pub enum RecordsError {
    /// Neither a table nor a file was named.
    #[error(
        "no ledger is named. Use --path FILE or --table TABLE, or set LEDGER_PATH or LEDGER_TABLE"
    )]
    NoPlace,
    /// No id.
    #[error("{0:?} is not an id")]
    NotAnId(String),
    /// The ledger has no such record.
    #[error(
        "the ledger knows nothing of {0}. Is it the id that the provider shows, and the ledger of that function?"
    )]
    Unknown(String),
    /// Nothing that can be explained has this id.
    #[error(
        "the ledger knows no subscription, order or license {0}. Name the provider's id of a subscription or order, or \
         Cryptlex's id of a license that a function made. Of a customer or an event, `devkit show` says what it is about"
    )]
    NothingToExplain(String),
    /// A variable of the function has a value that means nothing.
    #[error("the policy of the function cannot be read from the variables: {0}")]
    Policy(String),
    /// The event is known, its body is not.
    #[error("the body of {0} is not kept: it was too large, or is older than EVENT_RETENTION_DAYS")]
    NoBody(String),
    /// Nothing to write the ids of a mapping to.
    #[error("the event has no line {0}. `devkit unmapped` names its lines")]
    NotMapped(String),
    /// Delivered like this, these lines would never get a license.
    #[error(
        "the event has other lines without a mapping: {0}. Add --map for each, or --skip for one that needs no license"
    )]
    LeftUnmapped(String),
    /// The ledger could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The function did not answer.
    #[error(transparent)]
    Send(#[from] SendError),
}

impl Place {
    /// Its records, whichever engine holds them.
    pub async fn open(&self) -> Result<Ledger, RecordsError> {
        let store: Arc<dyn Store> = match (&self.table, &self.path) {
            (Some(table), _) => Arc::new(Dynamo::of(table, PATIENCE, &Aws::default()).await),
            (None, Some(path)) => Arc::new(Embedded::file_to_read(path, Clock::system())),
            (None, None) => return Err(RecordsError::NoPlace),
        };
        Ok(Ledger::new(store, SignedDuration::ZERO, SignedDuration::ZERO))
    }
}

/// Everything about a subscription, order, customer or event: records, licenses, newest events. Of a customer also what
/// they bought last, of an event what it is about. No address, not even as a digest.
pub async fn show(ledger: &Ledger, args: &ShowArgs) -> Result<Value, RecordsError> {
    let (provider, name) = (args.provider.name(), args.subject.as_str());
    let not_an_id = |_| RecordsError::NotAnId(name.to_owned());
    let id = SubjectId::new(name).map_err(not_an_id)?;
    let (event, customer) = (EventId::new(name), CustomerId::new(name));
    let (event, customer) = (event.map_err(not_an_id)?, customer.map_err(not_an_id)?);
    let mut shown = Vec::new();
    let mut subjects = ledger.subjects(provider, &id).await?;
    if let Some(record) = ledger.event(provider, &event).await? {
        subjects.extend(ledger.subjects_at(&record.subjects).await?);
        shown.push(json!({ "event": event, "record": record }));
    }
    if let Some(known) = ledger.customer(provider, &customer).await? {
        let KnownCustomer { user, held_by_placeholder, bought, .. } = known;
        for bought in bought.iter().rev().take(MOST_SHOWN) {
            subjects.extend(ledger.subjects(provider, bought).await?);
        }
        shown.push(json!({
            "customer": customer, "user": user, "heldByPlaceholder": held_by_placeholder, "bought": bought,
        }));
    }
    for (key, record) in subjects {
        shown.push(subject(ledger, args, &key, record).await?);
    }
    match shown.is_empty() {
        true => Err(RecordsError::Unknown(format!("{provider} {name}"))),
        false => Ok(Value::Array(shown)),
    }
}

async fn subject(
    ledger: &Ledger,
    args: &ShowArgs,
    key: &str,
    record: SubjectRecord,
) -> Result<Value, RecordsError> {
    let SubjectRecord { lease, events, half_done, all_ours: _, state } = record;
    let mut licenses = Vec::new();
    for (slot, license) in &state.slots {
        let stands = stand(args, license).await;
        licenses.push(json!({ "slot": slot, "license": license, "atCryptlex": stands }));
    }
    let mut told = Vec::new();
    for event in &events {
        let record = ledger.event(args.provider.name(), event).await?;
        told.push(json!({ "id": event, "record": record }));
    }
    Ok(json!({
        "subject": key, "lease": lease, "half_done": half_done, "state": state,
        "licenses": licenses, "events": told,
    }))
}

/// What people read of the subjects of an event: `about subscription sub_1, customer cus_1`. An invoice or a payment that
/// nobody knows is kept as an order; Stripe's ids say what they are.
fn about(subjects: &[String]) -> Option<String> {
    let word = |kind: SubjectKind, id: &str| match (kind, id.split('_').next()) {
        (SubjectKind::Subscription, _) => "subscription",
        (SubjectKind::Customer, _) => "customer",
        (SubjectKind::Order, Some("in")) => "invoice",
        (SubjectKind::Order, Some("pi" | "ch")) => "payment",
        (SubjectKind::Order, _) => "order",
    };
    let subjects = subjects.iter().filter_map(|key| parts_of_subject_key(key));
    let subjects: Vec<String> =
        subjects.map(|(_, kind, id)| format!("{} {id}", word(kind, id))).collect();
    (!subjects.is_empty()).then(|| format!("about {}", subjects.join(", ")))
}

/// What was paid for and waits for a mapping, the oldest first: `provider event-id (type, since T, about ..): what to do`.
pub async fn unmapped(ledger: &Ledger) -> Result<Vec<String>, RecordsError> {
    let waits = |event: &EventRecord| matches!(event.status, EventStatus::Unmapped(_));
    let line = |(provider, id, event): (String, String, EventRecord)| {
        let EventRecord { kind, claimed_at, status, subjects, .. } = event;
        let why = match status {
            EventStatus::Unmapped(why) => why,
            EventStatus::Claimed | EventStatus::Done(_) | EventStatus::Failed(_) => String::new(),
        };
        let mut facts = vec![kind, format!("since {claimed_at}")];
        facts.extend(about(&subjects));
        format!("{provider} {id} ({}): {why}", facts.join(", "))
    };
    Ok(ledger.events(waits).await?.into_iter().map(line).collect())
}

/// The state of a license at Cryptlex, never with its key.
async fn stand(args: &ShowArgs, license: &LicenseId) -> Value {
    let (Some(url), Some(token)) = (&args.cryptlex_url, &args.cryptlex_token) else {
        return Value::Null;
    };
    let config = config::Cryptlex {
        base_url: url.trim_end_matches('/').trim_end_matches("/v3").to_owned(),
        access_token: SecretString::from(token.clone()),
        authorities: None,
        requests_per_5s: None,
        patience: PATIENCE,
    };
    let client = match Client::new(&config, None, Clock::system(), Timing::default()) {
        Ok(client) => client,
        Err(no_tls) => return json!(no_tls.to_string()),
    };
    let deadline = Deadline::after(PATIENCE, &Clock::system());
    let session = client.begin(Reserved::default(), deadline);
    match session.license(license).await {
        Ok(Some(found)) => json!({
            "expiresAt": found.expires_at, "suspended": found.is_suspended(), "revoked": found.is_revoked(),
        }),
        Ok(None) => json!("Cryptlex has no such license"),
        Err(error) => json!(error.to_string()),
    }
}

/// Posts the kept body of an event, signed as of now.
pub async fn replay(ledger: &Ledger, args: &ReplayArgs) -> Result<Delivery, RecordsError> {
    let (provider, name) = (args.provider, args.event.as_str());
    let what = || format!("{provider} event {name}");
    let id = EventId::new(name).map_err(|_| RecordsError::NotAnId(name.to_owned()))?;
    let event = ledger.event(provider.name(), &id).await?;
    let event = event.ok_or_else(|| RecordsError::Unknown(what()))?;
    let body = ledger.body(provider.name(), &event).await?;
    let body = body.ok_or_else(|| RecordsError::NoBody(what()))?;
    let body = match args.map.as_slice() {
        [] => body,
        map => mapping::mapped(provider, name, &body, map, &args.skip)?,
    };
    let default = format!("http://127.0.0.1:3000/{}", event.contract);
    let url = args.url.as_deref().unwrap_or(&default);
    let configured = std::env::var_os(provider.secret_variable());
    let configured = configured.and_then(|value| value.into_string().ok());
    let secret = args.secret.as_deref().or(configured.as_deref()).map(str::trim);
    let secret = secret.unwrap_or(provider.demo_secret());
    Ok(post(url, provider, secret, &body, now_unix()).await?)
}
