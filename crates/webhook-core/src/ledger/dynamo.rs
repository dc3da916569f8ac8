//! The DynamoDB engine: one table with the string key `key`, and `expires` as its time to live.

use std::collections::HashMap;
use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::Builder;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, KeysAndAttributes, TransactWriteItem, Update,
};
use futures_util::future::BoxFuture;

use super::store::{Capacity, Committed, Expect, Store, StoreError, Versioned, Write};
use crate::infra::aws::Aws;

/// The part of a delivery's deadline for one try; the SDK makes up to three. Paddle's four seconds: one second.
const ATTEMPT_PART: f32 = 0.25;
/// For all tries: with a read and a commit before the effect, a deadline must hold two of these.
const CALL_PART: f32 = 0.475;
/// Waits while another transaction holds one of the items, doubled each time.
const CONFLICT_WAIT: Duration = Duration::from_millis(15);
const CONFLICT_TRIES: u32 = 6;
/// Of a read of which nothing was read, doubled each time too.
const LONGEST_WAIT: Duration = Duration::from_millis(500);

/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html>
const MOST_WRITES: usize = 100;
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html>
const MOST_READS: usize = 100;

/// Bytes of a text that stays readable in the console. Items hold 400 KB:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>.
const MOST_PLAIN: usize = 64 * 1024;
/// Of an item, less its key and its other attributes.
const MOST_STORED: usize = 400 * 1024 - 4_096;
/// What a packed text begins with. A body that is kept begins with its length, which is never that large.
const PACKED: &[u8] = b"\0deflate\0";
const PACKING_LEVEL: u8 = 6;
/// Far above what an item can hold packed; what is larger was not written by us.
const MOST_UNPACKED: usize = 16 * 1024 * 1024;
/// So many licenses fit, with their slots, seats and days of grace, and those of a product that they replaced: see the
/// test that packs them. Larger purchases that were made before go on as far as an item holds them.
const MOST_LICENSES: u64 = 3_000;

type Item = HashMap<String, AttributeValue>;

/// Records in a DynamoDB table.
pub struct Dynamo {
    client: Client,
    table: String,
}

impl Dynamo {
    /// For deliveries that take no longer than `deadline`. Calls nobody yet.
    pub async fn of(table: &str, deadline: Duration, aws: &Aws) -> Self {
        let limits = TimeoutConfig::builder()
            .connect_timeout(deadline.mul_f32(ATTEMPT_PART))
            .operation_attempt_timeout(deadline.mul_f32(ATTEMPT_PART))
            .operation_timeout(deadline.mul_f32(CALL_PART))
            .build();
        let config = Builder::from(aws.config().await).timeout_config(limits).build();
        Self { client: Client::from_conf(config), table: table.to_owned() }
    }

    async fn batch(&self, keys: &[String]) -> Result<HashMap<String, Versioned>, StoreError> {
        let mut found = HashMap::new();
        let mut wanted = keys.iter().map(|key| named(key)).collect::<Vec<Item>>();
        let mut wait = CONFLICT_WAIT;
        while !wanted.is_empty() {
            let wanted_before = wanted.len();
            let keys = KeysAndAttributes::builder().set_keys(Some(wanted)).consistent_read(true);
            let keys = keys.build().map_err(|error| self.failed("BatchGetItem", &error))?;
            let answer = self.client.batch_get_item().request_items(&self.table, keys).send().await;
            let answer = answer.map_err(|error| self.call_failed("BatchGetItem", &error))?;
            for item in answer.responses.into_iter().flatten().flat_map(|(_, items)| items) {
                let (key, record) = self.record(item)?;
                found.insert(key, record);
            }
            // What did not fit into one answer, or what a throttled table did not read.
            let left = answer.unprocessed_keys.into_iter().flatten();
            let left: Vec<Item> = left.flat_map(|(_, keys)| keys.keys).collect();
            if left.len() == wanted_before {
                if wait > LONGEST_WAIT {
                    let table = &self.table;
                    return Err(StoreError(format!(
                        "DynamoDB table {table}: BatchGetItem: {THROTTLED}"
                    )));
                }
                tokio::time::sleep(wait).await;
                wait = wait.saturating_mul(2);
            }
            wanted = left;
        }
        Ok(found)
    }

    fn record(&self, mut item: Item) -> Result<(String, Versioned), StoreError> {
        let key = match item.remove("key") {
            Some(AttributeValue::S(key)) => key,
            Some(_) | None => return Err(self.not_ours("?")),
        };
        let version = match item.get("version") {
            Some(AttributeValue::N(version)) => version.parse().ok(),
            Some(_) | None => None,
        };
        let value = match item.remove("value") {
            Some(AttributeValue::S(text)) => Some(text.into_bytes()),
            Some(AttributeValue::B(bytes)) => unpacked(bytes.into_inner()),
            Some(_) | None => None,
        };
        match (version, value) {
            (Some(version), Some(value)) => Ok((key, Versioned { version, value })),
            _ => Err(self.not_ours(&key)),
        }
    }

    fn update(&self, write: &Write) -> Result<TransactWriteItem, StoreError> {
        let value = attribute(write)
            .map_err(|reason| StoreError(format!("DynamoDB table {}: {reason}", self.table)))?;
        let number = |n: &dyn std::fmt::Display| AttributeValue::N(n.to_string());
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(named(&write.key)))
            .expression_attribute_names("#version", "version")
            .expression_attribute_names("#value", "value")
            .expression_attribute_values(":one", number(&1))
            .expression_attribute_values(":value", value)
            .expression_attribute_names("#expires", "expires");
        let update = match write.expires {
            Some(at) => update
                .update_expression("SET #value = :value, #expires = :expires ADD #version :one")
                .expression_attribute_values(":expires", number(&at.as_second())),
            None => {
                update.update_expression("SET #value = :value REMOVE #expires ADD #version :one")
            }
        };
        let update = match write.expect {
            Expect::Absent => update.condition_expression("attribute_not_exists(#version)"),
            Expect::Version(version) => update
                .condition_expression("#version = :version")
                .expression_attribute_values(":version", number(&version)),
            Expect::Anything => update,
        };
        let update = update.build().map_err(|error| self.failed("TransactWriteItems", &error))?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    async fn transact(&self, writes: &[Write]) -> Result<Committed, StoreError> {
        if writes.len() > MOST_WRITES {
            let count = writes.len();
            return Err(StoreError(format!(
                "one event is about {count} records; DynamoDB commits at most {MOST_WRITES} at once"
            )));
        }
        let updates =
            writes.iter().map(|write| self.update(write)).collect::<Result<Vec<_>, _>>()?;
        let (mut wait, mut why) = (CONFLICT_WAIT, "");
        for _ in 0..CONFLICT_TRIES {
            let call = self.client.transact_write_items().set_transact_items(Some(updates.clone()));
            let error = match call.send().await {
                Ok(_) => return Ok(Committed::All),
                Err(error) => error,
            };
            match refusal(&error) {
                Refusal::Condition => return Ok(Committed::Lost),
                Refusal::Passing(reason) => why = reason,
                Refusal::Other => return Err(self.call_failed("TransactWriteItems", &error)),
            }
            tokio::time::sleep(wait).await;
            wait = wait.saturating_mul(2);
        }
        let table = &self.table;
        Err(StoreError(format!("DynamoDB table {table}: TransactWriteItems: {why}")))
    }

    async fn scan(&self, prefix: &str) -> Result<Vec<(String, Versioned)>, StoreError> {
        let mut found = Vec::new();
        let mut start: Option<Item> = None;
        loop {
            let page = self
                .client
                .scan()
                .table_name(&self.table)
                .consistent_read(true)
                .filter_expression("begins_with(#key, :prefix)")
                .expression_attribute_names("#key", "key")
                .expression_attribute_values(":prefix", AttributeValue::S(prefix.to_owned()))
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(|error| self.call_failed("Scan", &error))?;
            for item in page.items.into_iter().flatten() {
                found.push(self.record(item)?);
            }
            start = page.last_evaluated_key;
            if start.is_none() {
                break;
            }
        }
        found.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(found)
    }

    fn failed(&self, action: &str, error: &dyn std::error::Error) -> StoreError {
        let mut cause = error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        StoreError(format!("DynamoDB table {}: {action}: {cause}", self.table))
    }

    fn call_failed<E: ProvideErrorMetadata + std::error::Error + 'static>(
        &self,
        action: &str,
        error: &SdkError<E>,
    ) -> StoreError {
        let table = &self.table;
        let advice = match error.code() {
            Some("ResourceNotFoundException") => {
                "there is no such table in this region and account: create it, or correct LEDGER_TABLE"
            }
            Some("AccessDeniedException") => {
                let actions = match action {
                    "TransactWriteItems" => "dynamodb:UpdateItem",
                    "Scan" => "dynamodb:Scan",
                    _ => "dynamodb:BatchGetItem",
                };
                return StoreError(format!(
                    "DynamoDB table {table}: {action} was denied: allow {actions} on the table to the function's role"
                ));
            }
            Some(code) => {
                let text = format!("DynamoDB table {table}: {action} failed: {code}");
                return StoreError(text);
            }
            None => {
                let cause = self.failed(action, error);
                if let SdkError::TimeoutError(_) = error {
                    return StoreError(format!(
                        "DynamoDB table {table}: {action} was not answered in time"
                    ));
                }
                return cause;
            }
        };
        StoreError(format!("DynamoDB table {table}: {action}: {advice}"))
    }

    fn not_ours(&self, key: &str) -> StoreError {
        StoreError(format!(
            "DynamoDB table {}: item {key} is not a record of this ledger: give the ledger a table of its own",
            self.table
        ))
    }
}

impl Store for Dynamo {
    fn read<'a>(
        &'a self,
        keys: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<Option<Versioned>>, StoreError>> {
        Box::pin(async move {
            let mut found = HashMap::new();
            for some in keys.chunks(MOST_READS) {
                found.extend(self.batch(some).await?);
            }
            Ok(keys.iter().map(|key| found.remove(key)).collect())
        })
    }

    fn commit<'a>(&'a self, writes: &'a [Write]) -> BoxFuture<'a, Result<Committed, StoreError>> {
        Box::pin(self.transact(writes))
    }

    fn list<'a>(
        &'a self,
        prefix: &'a str,
    ) -> BoxFuture<'a, Result<Vec<(String, Versioned)>, StoreError>> {
        Box::pin(self.scan(prefix))
    }

    fn capacity(&self) -> Capacity {
        Capacity { licenses: MOST_LICENSES, engine: "a DynamoDB table" }
    }
}

/// What is written, if an item holds it. Text stays readable in the console.
fn attribute(write: &Write) -> Result<AttributeValue, String> {
    let (value, bytes) = match std::str::from_utf8(&write.value) {
        Ok(text) if text.len() > MOST_PLAIN => {
            let packed = packed(text);
            let bytes = packed.len();
            (AttributeValue::B(Blob::new(packed)), bytes)
        }
        Ok(text) => (AttributeValue::S(text.to_owned()), text.len()),
        Err(_not_text) => (AttributeValue::B(Blob::new(write.value.clone())), write.value.len()),
    };
    if bytes > MOST_STORED {
        return Err(format!("{} takes {bytes} bytes, and an item holds 400 KB", write.key));
    }
    Ok(value)
}

/// A text as it is stored where it is large: licenses have ids and times that look alike.
fn packed(text: &str) -> Vec<u8> {
    let mut packed = PACKED.to_vec();
    packed.extend(miniz_oxide::deflate::compress_to_vec(text.as_bytes(), PACKING_LEVEL));
    packed
}

/// The bytes that were written; `None` if they cannot be read.
fn unpacked(stored: Vec<u8>) -> Option<Vec<u8>> {
    match stored.strip_prefix(PACKED) {
        Some(packed) => {
            miniz_oxide::inflate::decompress_to_vec_with_limit(packed, MOST_UNPACKED).ok()
        }
        None => Some(stored),
    }
}

enum Refusal {
    Condition,
    /// For this reason; it passes by itself.
    Passing(&'static str),
    Other,
}

const CONFLICT: &str = "other transactions hold the same records";
const THROTTLED: &str = "the table is throttled";

/// A transaction is cancelled for one reason per item; a condition that does not hold outweighs the others.
fn refusal(error: &SdkError<TransactWriteItemsError>) -> Refusal {
    let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) =
        error.as_service_error()
    else {
        return match error.code() {
            Some("TransactionConflictException" | "TransactionInProgressException") => {
                Refusal::Passing(CONFLICT)
            }
            Some(_) | None => Refusal::Other,
        };
    };
    let codes: Vec<&str> =
        cancelled.cancellation_reasons().iter().filter_map(CancellationReason::code).collect();
    if codes.contains(&"ConditionalCheckFailed") {
        return Refusal::Condition;
    }
    let throttled = ["ThrottlingError", "ProvisionedThroughputExceeded"];
    if codes.iter().any(|code| throttled.contains(code)) {
        return Refusal::Passing(THROTTLED);
    }
    match codes.contains(&"TransactionConflict") {
        true => Refusal::Passing(CONFLICT),
        false => Refusal::Other,
    }
}

fn named(key: &str) -> Item {
    HashMap::from([("key".to_owned(), AttributeValue::S(key.to_owned()))])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use sha2::{Digest as _, Sha256};

    use super::*;
    use crate::domain::command::{LicenseLine, Line, Outcome, Slot, Subject, SubjectKind};
    use crate::domain::fact::MOST_BYTES;
    use crate::domain::ids::{LicenseId, SubjectId};
    use crate::ledger::record::{EventStatus, SubjectRecord, encoded};
    use crate::ledger::tests::{described, line};

    /// An item's limit, less its key and its other attributes.
    const ROOM: usize = 400_000 - 4_096;

    fn license(number: u64) -> LicenseId {
        let random = hex::encode(Sha256::digest(number.to_be_bytes()));
        let parts = [(0, 8), (8, 12), (12, 16), (16, 20), (20, 32)];
        let parts = parts.map(|(from, to)| random.get(from..to).unwrap_or_default());
        LicenseId::new(&parts.join("-")).unwrap()
    }

    /// So many licenses, each with all that may be remembered of it; ids as long as Stripe makes them.
    fn remembered(licenses: u64, replaced: u64) -> SubjectRecord {
        let id = SubjectId::new(&format!("sub_{}", "x".repeat(251))).unwrap();
        let subject = Subject { provider: "stripe", kind: SubjectKind::Subscription, id };
        let mut record = SubjectRecord::default();
        let end = jiff::Timestamp::from_second(1_900_000_000).unwrap();
        let price = format!("price_{}", "x".repeat(24));
        for number in 0..licenses {
            let ordinal = u32::try_from(number).unwrap();
            record.state.slots.insert(Slot::new(&subject, &price, ordinal), license(number));
        }
        let all = (0..licenses + replaced).map(license);
        record.state.written = BTreeSet::from([end]);
        record.state.revoked = all.collect();
        record
    }

    fn stored(record: &impl serde::Serialize) -> usize {
        let text = String::from_utf8(encoded("key", record).unwrap()).unwrap();
        let packed = packed(&text);
        assert_eq!(unpacked(packed.clone()).as_deref(), Some(text.as_bytes()));
        packed.len()
    }

    #[test]
    fn all_allowed_licenses_fit_into_an_item() {
        let most = stored(&remembered(MOST_LICENSES, MOST_LICENSES));
        assert!(most < ROOM, "{most} bytes");
        // What was made before there was a limit: near 4,450 of them no item held the plain text any more.
        let before = stored(&remembered(4_450, 0));
        assert!(before < ROOM, "{before} bytes");
    }

    /// Characters that no packing makes much shorter.
    fn random(number: u8) -> String {
        let digests = (0..100_u8).flat_map(|part| Sha256::digest([number, part]));
        digests.map(|byte| char::from(b'#' + byte % 57)).collect()
    }

    #[test]
    fn all_kept_facts_fit_into_an_item_with_all_licenses() {
        let mut record = remembered(MOST_LICENSES, MOST_LICENSES);
        let licenses = stored(&record);
        for number in 0..80 {
            let driver = Some(random(number));
            let lines = vec![Line { driver, ..line("-", 1) }];
            record.state.facts.add(&[described(number.into(), lines)]);
        }
        assert!(record.state.facts.dropped().is_some());
        let bytes = stored(&record);
        assert!(bytes > licenses + MOST_BYTES / 2, "{licenses} and {bytes} bytes");
        assert!(bytes < ROOM, "{licenses} and {bytes} bytes");
    }

    #[test]
    fn a_record_that_no_item_holds_is_refused_by_name() {
        let write = |characters: usize| {
            let text = (0..=u8::MAX).map(random).collect::<String>();
            let value = text.into_bytes().into_iter().take(characters).collect();
            let key = "subject/paddle/subscription/sub_1".to_owned();
            Write { key, expect: Expect::Absent, value, expires: None }
        };
        assert_eq!(attribute(&write(400_000)).map(|_| ()), Ok(()));
        let refused = attribute(&write(800_000)).unwrap_err();
        let starts = "subject/paddle/subscription/sub_1 takes ";
        assert!(refused.starts_with(starts) && refused.ends_with("holds 400 KB"), "{refused}");
    }

    #[test]
    fn the_outcome_of_the_largest_event_fits_into_an_item() {
        let line = |number| LicenseLine { id: license(number), expires_at: None };
        let licenses = (0..2 * MOST_LICENSES).map(line).collect();
        let outcome = Outcome { licenses, ..Outcome::default() };
        let bytes = stored(&EventStatus::Done(outcome));
        assert!(bytes < ROOM, "{bytes} bytes");
    }
}
