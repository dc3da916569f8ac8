//! Reads an event that the ledger kept as if it were delivered once more.
//!
//! Callers: the overflow queue, the server's worker, purchases that wait for their customer, and events that need the buyer
//! or the address from an earlier event. A half-done event is not replayed: the next event of its subject finishes the work.

use crate::domain::command::Notice;
use crate::domain::ids::EventId;
use crate::infra::config::{Config, Problem};
use crate::ledger::{Ledger, StoreError};
use crate::providers::Contract;
use crate::providers::Provider;
use crate::providers::signature::Verified;

/// An event with the delivery that it came in.
pub(crate) struct Remembered {
    pub(crate) notice: Notice,
    /// The path that it came to.
    pub(crate) contract: String,
    pub(crate) body: Vec<u8>,
}

/// Why a kept event cannot be read again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Forgotten {
    #[error("the ledger knows no event {0}")]
    Event(EventId),
    #[error("the body of event {0} is no longer kept (EVENT_RETENTION_DAYS)")]
    Body(EventId),
    #[error("event {0} came to a path that no longer exists")]
    Path(EventId),
    #[error("event {0} cannot be read: {1}")]
    Meaning(EventId, String),
    #[error(transparent)]
    NotConfigured(#[from] Problem),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Two reads of the store.
pub(crate) async fn remembered<P: Provider>(
    ledger: &Ledger,
    config: &Config,
    event: &EventId,
) -> Result<Remembered, Forgotten> {
    let record = ledger.event(P::NAME, event).await?;
    let record = record.ok_or_else(|| Forgotten::Event(event.clone()))?;
    let body = ledger.body(P::NAME, &record).await?;
    let body = body.ok_or_else(|| Forgotten::Body(event.clone()))?;
    let contract = Contract::of::<P>(&record.contract);
    let source = contract.ok_or_else(|| Forgotten::Path(event.clone()))?.source::<P>(config)?;
    let verified = Verified::<P>::remembered(body);
    let unreadable = |why: String| Forgotten::Meaning(event.clone(), why);
    let notices = P::read(&verified, &source).map_err(|why| unreadable(why.to_string()))?;
    let notice = notices.into_iter().find(|notice| &notice.id == event);
    let notice = notice.ok_or_else(|| unreadable("its body is about other events".to_owned()))?;
    Ok(Remembered { notice, contract: record.contract, body: verified.into_body() })
}
