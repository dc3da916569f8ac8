//! What items of a transaction are known by together, so that an adjustment of each of them in full finds what they paid.

use sha2::{Digest as _, Sha256};

use crate::ids::PaymentId;

/// The id of a set of transaction items, in whatever order it is told; none of no items, or where one has no id.
pub(super) fn together<'a>(mut ids: impl Iterator<Item = Option<&'a str>>) -> Option<PaymentId> {
    let first = ids.next()??;
    let mut all = ids.collect::<Option<Vec<&str>>>()?;
    all.retain(|id| *id != first);
    if all.is_empty() {
        return PaymentId::new(first).ok();
    }
    all.push(first);
    all.sort_unstable();
    all.dedup();
    // A transaction may have a hundred items, and a key of the ledger is shorter than their ids.
    PaymentId::new(&hex::encode(Sha256::digest(all.join("\n")))).ok()
}
