//! What failed, and whom it is about.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use webhook_core::domain::command::SubjectKind;
use webhook_core::domain::ids::SubjectId;
use webhook_core::ledger::{EventRecord, EventStatus, Ledger, parts_of_subject_key};

use super::{Place, RecordsError, about};

/// Longer than anybody may work on an event: the longest `DEADLINE_MS` and the longest `SETTLE_SECS`.
const SURELY_DEAD: SignedDuration = SignedDuration::from_mins(30);

/// Arguments of `devkit failed`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Example:
  devkit failed --path ledger.redb")]
pub struct FailedArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "its text would replace that of the subcommand in --help")]
    pub place: Place,
}

/// Events that are not done, the oldest first: `provider event-id (type, since T, about .., customer .., attempts: n): why`,
/// with the customers as far as the ledger knows them. Also those that
/// were begun and never finished, because their process died. What waits for a mapping has a list of its own.
pub async fn failed(ledger: &Ledger, now: Timestamp) -> Result<Vec<String>, RecordsError> {
    let events = ledger.events(|event| reason(event, now).is_some()).await?;
    if events.is_empty() {
        return Ok(Vec::new());
    }
    let buyers = ledger.buyers().await?;
    let mut lines = Vec::new();
    for (provider, id, event) in events {
        let customers = customers(ledger, &provider, &event, &buyers).await?;
        let EventRecord { kind, claimed_at, attempts, subjects, .. } = &event;
        let mut facts = vec![kind.clone(), format!("since {claimed_at}")];
        facts.extend(about(subjects));
        if !customers.is_empty() {
            facts.push(format!("customer {}", customers.join(", ")));
        }
        facts.push(format!("attempts: {attempts}"));
        let why = reason(&event, now).unwrap_or_default();
        lines.push(format!("{provider} {id} ({}): {why}", facts.join(", ")));
    }
    Ok(lines)
}

fn reason(event: &EventRecord, now: Timestamp) -> Option<&str> {
    let dead = || now.duration_since(event.claimed_at) > SURELY_DEAD;
    match &event.status {
        EventStatus::Failed(why) => Some(why),
        EventStatus::Claimed => dead()
            .then_some("its process died before it was done; deliver it again with devkit replay"),
        EventStatus::Done(_) | EventStatus::Unmapped(_) => None,
    }
}

/// Those that the event names, those who bought what it is about, and those that the provider named with it.
async fn customers(
    ledger: &Ledger,
    provider: &str,
    event: &EventRecord,
    buyers: &BTreeMap<(String, String), Vec<String>>,
) -> Result<Vec<String>, RecordsError> {
    let mut found: BTreeSet<String> = event.customers.iter().map(ToString::to_string).collect();
    // The line says already whom it is about.
    let mut named = BTreeSet::new();
    let subjects = event.subjects.iter().filter_map(|key| parts_of_subject_key(key));
    for (_, kind, id) in subjects {
        if kind == SubjectKind::Customer {
            named.insert(id);
            continue;
        }
        found.extend(
            buyers.get(&(provider.to_owned(), id.to_owned())).into_iter().flatten().cloned(),
        );
        let Ok(id) = SubjectId::new(id) else { continue };
        for (_, record) in ledger.subjects(provider, &id).await? {
            let described = record.state.record().and_then(|(_, record)| record.customer.clone());
            found.extend(described.map(|customer| customer.to_string()));
        }
    }
    Ok(found.into_iter().filter(|customer| !named.contains(customer.as_str())).collect())
}
