//! What is kept of an event that nobody could claim, so that it can be handled without its provider.

use jiff::Timestamp;

use super::claim::CLAIM_ATTEMPTS;
use super::record::{EventRecord, EventStatus, body_key, decoded, event_key};
use super::{Body, Committed, EventKey, Expect, Ledger, StoreError, Write};

impl Ledger {
    /// Whether a body of the event is kept; if nobody knows the event yet, this one is. A body may be too large.
    pub async fn keep(
        &self,
        event: &EventKey,
        body: &Body<'_>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let key = event_key(event.provider, &event.id);
        for _ in 0..CLAIM_ATTEMPTS {
            let found = self.store.read(std::slice::from_ref(&key)).await?;
            let known: Option<EventRecord> = decoded(&key, found.first().and_then(Option::as_ref))?;
            if let Some(known) = known {
                let found = self.store.read(&[body_key(event.provider, &known.body)]).await?;
                return Ok(found.iter().any(Option::is_some));
            }
            let record = EventRecord {
                kind: event.kind.clone(),
                live: event.live,
                contract: event.contract.clone(),
                subjects: Vec::new(),
                customers: Vec::new(),
                body: body.digest().to_owned(),
                claimed_at: now,
                claim: rand::random(),
                attempts: 0,
                status: EventStatus::Failed("it could not be begun yet".to_owned()),
                told: false,
            };
            let mut writes = vec![self.event_write(&key, Expect::Absent, &record)?];
            match (body.to_keep(), body.is_kept_already()) {
                (Some(value), _) => writes.push(Write {
                    key: body_key(event.provider, body.digest()),
                    expect: Expect::Anything,
                    value,
                    expires: now.checked_add(self.retention).ok(),
                }),
                (None, true) => {}
                (None, false) => return Ok(false),
            }
            if self.commit(&writes).await? == Committed::All {
                body.is_kept();
                return Ok(true);
            }
        }
        Ok(false)
    }
}
