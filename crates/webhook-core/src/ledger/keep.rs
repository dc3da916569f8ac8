//! What is kept of an event that nobody could claim, so that it can be handled without its provider.

use jiff::Timestamp;

use super::claim::{CLAIM_ATTEMPTS, ClaimScope, event_record};
use super::record::{EventRecord, EventStatus, body_key, decoded, event_key};
use super::waiting::{Listed, Waits, has_room, listed_write, part_key};
use super::{Body, Committed, EventKey, Expect, Ledger, StoreError, Versioned, Write};

impl Ledger {
    /// Whether a body of the event is kept; if nobody knows the event yet, this one is. A body may be too large.
    pub async fn keep(
        &self,
        event: &EventKey,
        about: &ClaimScope,
        body: &Body<'_>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.keep_as(event, about, body, None, now).await
    }

    /// As `keep`, and in the same commit it is listed among those that wait. `false` also where no more can be listed; an event
    /// that is done waits for nothing.
    pub async fn keep_waiting(
        &self,
        event: &EventKey,
        about: &ClaimScope,
        body: &Body<'_>,
        waits: &Waits,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.keep_as(event, about, body, Some(waits), now).await
    }

    async fn keep_as(
        &self,
        event: &EventKey,
        about: &ClaimScope,
        body: &Body<'_>,
        waits: Option<&Waits>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut keys = vec![event_key(event.provider, &event.id)];
        keys.extend(waits.map(|_| part_key(event.provider, &event.id)));
        for _ in 0..CLAIM_ATTEMPTS {
            let found = self.read(&keys).await?;
            let stored = |place: usize| found.get(place).and_then(Option::as_ref);
            let known: Option<EventRecord> =
                decoded(keys.first().map_or("", String::as_str), stored(0))?;
            let is_new = known.is_none();
            let mut writes = match &known {
                Some(known) => {
                    let found = self.read(&[body_key(event.provider, &known.body)]).await?;
                    if !found.iter().any(Option::is_some) {
                        return Ok(false);
                    }
                    Vec::new()
                }
                None => match self.first_writes(event, about, body, now)? {
                    Some(writes) => writes,
                    None => return Ok(false),
                },
            };
            if let (Some(waits), Some(key)) = (waits, keys.get(1)) {
                if let Some(EventRecord { status: EventStatus::Done(_), .. }) = &known {
                    return Ok(true);
                }
                let list: Option<&Versioned> = stored(1);
                if !has_room(key, list)? {
                    return Ok(false);
                }
                writes.extend(listed_write(key, list, &event.id, &Listed::First(waits))?);
            }
            if writes.is_empty() || self.commit(&writes).await? == Committed::All {
                if is_new {
                    body.mark_stored();
                }
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The record and the body of an event that nobody knows; `None` if the body is too large.
    fn first_writes(
        &self,
        event: &EventKey,
        about: &ClaimScope,
        body: &Body<'_>,
        now: Timestamp,
    ) -> Result<Option<Vec<Write>>, StoreError> {
        let status = EventStatus::Failed(
            "it has not begun yet: Cryptlex has no room for its calls, or does not answer"
                .to_owned(),
        );
        let record = event_record(event, about, body, status, now);
        let key = event_key(event.provider, &event.id);
        let mut writes = vec![self.event_write(&key, Expect::Absent, &record)?];
        match (body.to_store(), body.is_stored()) {
            (Some(value), _) => writes.push(self.body_write(event, body, value, now)),
            (None, true) => {}
            (None, false) => return Ok(None),
        }
        Ok(Some(writes))
    }
}
