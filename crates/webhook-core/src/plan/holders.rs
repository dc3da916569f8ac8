//! Which license holds a slot, where several carry it: after a product was replaced, or after a creation that was taken
//! for lost arrived late.

use std::collections::BTreeMap;

use super::grant::SLOT_KEY;
use crate::cryptlex::License;
use crate::ids::LicenseId;
use crate::snapshot::Snapshot;

/// The subject's licenses, one per slot; all of those that carry no slot.
///
/// The ledger knows the holder. Without it, a replacement is younger than what it replaced, which is revoked as a rule.
pub(super) fn current(snapshot: &Snapshot) -> impl Iterator<Item = &License> {
    let mut holders: BTreeMap<&str, &License> = BTreeMap::new();
    for license in &snapshot.licenses {
        let Some(slot) = license.metadata(SLOT_KEY) else { continue };
        let rank = |license: &License| {
            (is_known(snapshot, slot, &license.id), !license.is_revoked(), license.created_at)
        };
        match holders.get(slot) {
            Some(holder) if rank(holder) >= rank(license) => {}
            Some(_) | None => {
                holders.insert(slot, license);
            }
        }
    }
    snapshot.licenses.iter().filter(move |license| {
        let holder = license.metadata(SLOT_KEY).and_then(|slot| holders.get(slot));
        holder.is_none_or(|holder| holder.id == license.id)
    })
}

fn is_known(snapshot: &Snapshot, slot: &str, license: &LicenseId) -> bool {
    snapshot.state.slots.get(slot) == Some(license)
}
