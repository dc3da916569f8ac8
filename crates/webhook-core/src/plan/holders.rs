//! Which license holds a slot, where several carry it: after a product was replaced, or after a creation that was taken
//! for lost arrived late.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::grant::SLOT_KEY;
use crate::command::Slot;
use crate::cryptlex::License;
use crate::ids::LicenseId;
use crate::ledger::SubjectState;
use crate::snapshot::Snapshot;

/// The one that the ledger knows; else one that is not revoked; else of two products the younger, which replaced the
/// other, and of one product the older, which its owner uses.
pub(super) fn holder(
    candidates: Vec<&License>,
    is_known: impl Fn(&LicenseId) -> bool,
) -> Option<&License> {
    let products: BTreeSet<_> = candidates.iter().map(|license| &license.product_id).collect();
    let replaced = products.len() > 1;
    candidates.into_iter().max_by_key(|license| {
        let younger = replaced.then_some(license.created_at);
        let older = Reverse((license.created_at, &license.id));
        (is_known(&license.id), !license.is_revoked(), younger, older)
    })
}

/// Whether the slots hold every license that was found, and we made each of them. Of none, nobody knows.
pub fn all_ours(snapshot: &Snapshot, state: &SubjectState) -> bool {
    let known: BTreeSet<&LicenseId> = state.slots.values().collect();
    let is_ours =
        |license: &License| known.contains(&license.id) && license.metadata(SLOT_KEY).is_some();
    !snapshot.licenses.is_empty() && snapshot.licenses.iter().all(is_ours)
}

/// Which slot a license fills, of several the first.
pub(super) struct Slots<'s>(BTreeMap<&'s LicenseId, &'s Slot>);

impl<'s> Slots<'s> {
    pub(super) fn known_to(state: &'s SubjectState) -> Self {
        Self(state.slots.iter().rev().map(|(slot, license)| (license, slot)).collect())
    }

    /// Whether the ledger knows a slot of that license.
    pub(super) fn are_known_of(&self, license: &License) -> bool {
        self.0.contains_key(&license.id)
    }

    /// The slot that the ledger knows it to fill now, else the one that it was made for.
    pub(super) fn of(&self, license: &'s License) -> Option<&'s str> {
        let known = self.0.get(&license.id).map(|slot| slot.as_str());
        known.or_else(|| license.metadata(SLOT_KEY))
    }
}

/// The subject's licenses, one per slot; all of those that carry no slot.
pub(super) fn current(snapshot: &Snapshot) -> impl Iterator<Item = &License> {
    among(snapshot, |_| true)
}

/// The same of some of them only: one of another product is no rival for a slot.
pub(super) fn among<'s>(
    snapshot: &'s Snapshot,
    counts: impl Fn(&'s License) -> bool,
) -> impl Iterator<Item = &'s License> {
    let slots = Slots::known_to(&snapshot.state);
    let mut by_slot: BTreeMap<&str, Vec<&License>> = BTreeMap::new();
    for license in snapshot.licenses.iter().filter(|license| counts(license)) {
        if let Some(slot) = slots.of(license) {
            by_slot.entry(slot).or_default().push(license);
        }
    }
    let holders: BTreeSet<&LicenseId> = by_slot
        .into_iter()
        .filter_map(|(slot, licenses)| {
            holder(licenses, |license| snapshot.state.slots.get(slot) == Some(license))
        })
        .map(|license| &license.id)
        .collect();
    snapshot.licenses.iter().filter(move |license| {
        let unslotted = slots.of(license).is_none() && counts(license);
        unslotted || holders.contains(&license.id)
    })
}
