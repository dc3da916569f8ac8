//! An event as the ledger kept it, read once more: for the overflow queue, and for what was left half-done.

use crate::command::Notice;
use crate::config::Config;
use crate::contract::Contract;
use crate::ids::EventId;
use crate::ledger::{Ledger, StoreError};
use crate::provider::Provider;
use crate::signature::Verified;

/// An event with the delivery that it came in.
pub(crate) struct Remembered {
    pub(crate) notice: Notice,
    /// The path that it came to.
    pub(crate) contract: String,
    pub(crate) body: Vec<u8>,
}

/// Why there is nothing to go on with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Forgotten {
    #[error("the ledger knows no event {0}")]
    Event(EventId),
    #[error("the body of event {0} is not kept any more")]
    Body(EventId),
    #[error("event {0} cannot be read")]
    Meaning(EventId),
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
    let (Some(body), Some(contract)) = (body, Contract::of::<P>(&record.contract)) else {
        return Err(Forgotten::Body(event.clone()));
    };
    let unreadable = || Forgotten::Meaning(event.clone());
    let source = contract.source::<P>(config).map_err(|_not_configured| unreadable())?;
    let verified = Verified::<P>::remembered(body);
    let notices = P::read(&verified, &source).map_err(|_not_events| unreadable())?;
    let notice = notices.into_iter().find(|notice| &notice.id == event);
    let notice = notice.ok_or_else(unreadable)?;
    Ok(Remembered { notice, contract: record.contract, body: verified.into_body() })
}
