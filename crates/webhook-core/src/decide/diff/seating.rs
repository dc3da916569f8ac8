//! Which license fills which seat. Licenses are counted for each Cryptlex product, so that a switch from a monthly to a yearly
//! price keeps the key.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::cryptlex::License;
use crate::decide::fold::{came_with_another, own_path};
use crate::decide::snapshot::Snapshot;
use crate::domain::command::{Mapping, Slot, Subject, Unmapped};
use crate::domain::entitlement::{Entitlements, Gone, Seat};
use crate::domain::ids::{LicenseId, ProductId};
use crate::providers::marks::DRIVER_KEY;
use crate::providers::marks::SLOT_KEY;

/// Every seat with the license in it, and what is left over.
pub(in crate::decide) struct Seating<'s> {
    pub(in crate::decide) seats: Vec<Seated<'s>>,
    by_license: BTreeMap<&'s LicenseId, usize>,
    too_many: BTreeSet<&'s LicenseId>,
    /// Made twice for one slot: another one fills it.
    rivals: BTreeSet<&'s LicenseId>,
}

/// A seat whose product is known, and who sits in it.
pub(in crate::decide) struct Seated<'s> {
    pub(in crate::decide) seat: &'s Seat,
    /// Of its line, or of the licenses that are there.
    pub(in crate::decide) mapping: Option<Mapping>,
    pub(in crate::decide) license: Option<&'s License>,
}

/// Which slot a license fills, by the ledger or by what it was made for.
struct Slots<'s>(BTreeMap<&'s LicenseId, &'s Slot>);

impl<'s> Slots<'s> {
    fn of(&self, license: &'s License) -> Option<&'s str> {
        let known = self.0.get(&license.id).map(|slot| slot.as_str());
        known.or_else(|| license.metadata(SLOT_KEY))
    }
}

impl<'s> Seating<'s> {
    /// As entitled, among the licenses that are there. What a state before called for replaces nothing.
    pub(super) fn of(
        subject: &Subject,
        wanted: &'s Entitlements,
        snapshot: &'s Snapshot,
        before: &[Entitlements],
    ) -> Self {
        let slots = &snapshot.state.slots;
        let slots = Slots(slots.iter().rev().map(|(slot, id)| (id, slot)).collect());
        let mut seating = Self {
            seats: wanted
                .seats
                .iter()
                .map(|seat| Seated { seat, mapping: seat.mapping.clone(), license: None })
                .collect(),
            by_license: BTreeMap::new(),
            too_many: BTreeSet::new(),
            rivals: BTreeSet::new(),
        };
        seating.resolve(subject, snapshot, &slots);
        let mut left = seating.in_their_slots(snapshot, &slots, before);
        left.sort_by_key(|license| order_of(license, &slots));
        seating.adopt(&mut left, &slots);
        seating.move_up(&mut left, &snapshot.state.revoked);
        seating.count(wanted, &left);
        seating
    }

    /// A line that does not name its product has the one that its licenses are of.
    fn resolve(&mut self, subject: &Subject, snapshot: &'s Snapshot, slots: &Slots<'s>) {
        for seated in self.seats.iter_mut().filter(|seated| seated.mapping.is_none()) {
            let key = seated.seat.line.key.as_str();
            let product = product_of(subject, key, snapshot, slots);
            let named = |product| Mapping { product, template: None, entitlement_set: None };
            seated.mapping = product.map(named);
        }
    }

    /// Those that are in their own slots; the rest is returned.
    fn in_their_slots(
        &mut self,
        snapshot: &'s Snapshot,
        slots: &Slots<'s>,
        before: &[Entitlements],
    ) -> Vec<&'s License> {
        let mut by_slot: BTreeMap<&str, Vec<&License>> = BTreeMap::new();
        let mut left = Vec::new();
        for license in &snapshot.licenses {
            match slots.of(license) {
                Some(slot) => by_slot.entry(slot).or_default().push(license),
                None => left.push(license),
            }
        }
        for (place, seated) in self.seats.iter_mut().enumerate() {
            let candidates = by_slot.remove(seated.seat.slot.as_str()).unwrap_or_default();
            let fits = |license: &&License| seated.takes(license, before);
            let (fitting, others): (Vec<_>, Vec<_>) = candidates.into_iter().partition(fits);
            let known = snapshot.state.slots.get(&seated.seat.slot);
            let holder = holder(&fitting, |license| known == Some(license));
            seated.license = holder;
            if let Some(holder) = holder {
                self.by_license.insert(&holder.id, place);
                let rivals = fitting.iter().filter(|license| license.id != holder.id);
                self.rivals.extend(rivals.map(|license| &license.id));
            }
            left.extend(others);
        }
        for licenses in by_slot.into_values() {
            let holder = holder(&licenses, |id| slots.0.contains_key(id));
            let rivals = licenses.iter().filter(|it| holder.is_none_or(|own| own.id != it.id));
            self.rivals.extend(rivals.map(|license| &license.id));
            left.extend(holder);
        }
        left
    }

    /// Made by the predecessor or by hand: it says whose it is, but not which.
    fn adopt(&mut self, left: &mut Vec<&'s License>, slots: &Slots<'s>) {
        self.fill(left, |seated, license| {
            slots.of(license).is_none()
                && seated.is_of(license)
                && license.metadata(DRIVER_KEY) == seated.seat.line.driver.as_deref()
        });
    }

    /// Puts licenses of removed lines into empty seats of the same product. If a product comes back, also those that we
    /// revoked.
    fn move_up(&mut self, left: &mut Vec<&'s License>, revoked: &BTreeSet<LicenseId>) {
        left.sort_by_key(|license| license.is_revoked());
        let is_ours = |license: &License| !license.is_revoked() || revoked.contains(&license.id);
        self.fill(left, |seated, license| is_ours(license) && seated.is_of(license));
    }

    fn fill(
        &mut self,
        left: &mut Vec<&'s License>,
        fits: impl Fn(&Seated<'s>, &'s License) -> bool,
    ) {
        for (place, seated) in self.seats.iter_mut().enumerate() {
            if seated.license.is_some() || seated.seat.is_spare {
                continue;
            }
            let Some(found) = left.iter().position(|license| fits(seated, license)) else {
                continue;
            };
            let license = left.remove(found);
            seated.license = Some(license);
            self.by_license.insert(&license.id, place);
        }
    }

    /// Finds the surplus: the licenses of spare seats and of products that were given up. Of other products, those with the
    /// highest numbers, at most as many as the facts ever called for beyond the present seats.
    fn count(&mut self, wanted: &Entitlements, left: &[&'s License]) {
        let spare = self.seats.iter().filter(|seated| seated.seat.is_spare);
        let mut spares: BTreeMap<&ProductId, usize> = BTreeMap::new();
        for (license, product) in
            spare.filter_map(|it| it.license.zip(it.license?.product_id.as_ref()))
        {
            self.too_many.insert(&license.id);
            let count = spares.entry(product).or_default();
            *count = count.saturating_add(1);
        }
        let mut by_product: BTreeMap<&ProductId, Vec<&License>> = BTreeMap::new();
        for license in left.iter().filter(|license| !license.is_revoked()) {
            if let Some(product) = &license.product_id {
                by_product.entry(product).or_default().push(license);
            }
        }
        for (product, licenses) in by_product {
            match wanted.gone.get(product) {
                Some(Gone::GivenUp) => {
                    self.too_many.extend(licenses.iter().map(|license| &license.id));
                    continue;
                }
                // It ends as the vendor chose.
                Some(Gone::Replaced) => continue,
                None => {}
            }
            let of_it =
                |seated: &&Seated<'_>| seated.product() == Some(product) && !seated.seat.is_spare;
            let seats = self.seats.iter().filter(of_it).count();
            let most = wanted.most.get(&Some(product.clone())).copied().unwrap_or(0);
            let is_unnamed = self.seats.iter().any(|it| it.seat.mapping.is_none() && of_it(&it));
            let unnamed = wanted.most.get(&None).copied().filter(|_| is_unnamed).unwrap_or(0);
            let most = usize::try_from(most.max(unnamed)).unwrap_or(usize::MAX);
            let excess = most.saturating_sub(seats);
            let excess = excess.saturating_sub(spares.get(product).copied().unwrap_or(0));
            let highest = licenses.iter().rev().take(excess);
            self.too_many.extend(highest.map(|license| &license.id));
        }
    }

    pub(super) fn seat_of(&self, license: &License) -> Option<&'s Seat> {
        let place = self.by_license.get(&license.id)?;
        self.seats.get(*place).map(|seated| seated.seat)
    }

    pub(super) fn is_seated(&self, license: &License) -> bool {
        self.by_license.contains_key(&license.id)
    }

    pub(super) fn is_too_many(&self, license: &License) -> bool {
        self.too_many.contains(&license.id)
    }

    pub(super) fn is_rival(&self, license: &License) -> bool {
        self.rivals.contains(&license.id)
    }

    /// Lines whose product nobody knows.
    pub(super) fn unresolved(&self) -> impl Iterator<Item = Unmapped> {
        let unresolved = self.seats.iter().filter(|seated| seated.mapping.is_none());
        let lines: BTreeSet<&str> =
            unresolved.map(|seated| seated.seat.line.key.as_str()).collect();
        lines.into_iter().map(|line| Unmapped {
            line: line.to_owned(),
            problem: "the change does not say which Cryptlex product it is".to_owned(),
        })
    }

    /// Who sits where from now on.
    pub(super) fn remember(&self, slots: &mut BTreeMap<Slot, LicenseId>) {
        let seated: BTreeSet<&LicenseId> = self.by_license.keys().copied().collect();
        slots.retain(|_, known| !seated.contains(known));
        for Seated { seat, license, .. } in &self.seats {
            if let Some(license) = license {
                slots.insert(seat.slot.clone(), license.id.clone());
            }
        }
    }
}

impl Seated<'_> {
    pub(in crate::decide) fn product(&self) -> Option<&ProductId> {
        self.mapping.as_ref().map(|mapping| &mapping.product)
    }

    fn is_of(&self, license: &License) -> bool {
        self.product().is_some() && self.product() == license.product_id.as_ref()
    }

    /// Of its product; where that is provisional, of any that no state before replaced.
    fn takes(&self, license: &License, before: &[Entitlements]) -> bool {
        let was_wanted = |it: &Entitlements| {
            it.seats.iter().any(|seat| {
                let product = seat.mapping.as_ref().map(|mapping| &mapping.product);
                seat.slot == self.seat.slot && product == license.product_id.as_ref()
            })
        };
        self.is_of(license) || (!self.seat.is_certain && !before.iter().any(was_wanted))
    }
}

/// The one that the ledger knows; else one that is not revoked; else of two products the younger, which replaced the
/// other, and of one product the older, which its owner uses.
fn holder<'s>(
    candidates: &[&'s License],
    is_known: impl Fn(&LicenseId) -> bool,
) -> Option<&'s License> {
    let products: BTreeSet<_> = candidates.iter().map(|license| &license.product_id).collect();
    let replaced = products.len() > 1;
    candidates.iter().copied().max_by_key(|license| {
        let younger = replaced.then_some(license.created_at);
        let older = Reverse((license.created_at, &license.id));
        (is_known(&license.id), !license.is_revoked(), younger, older)
    })
}

/// The first to stay: those of lines that are no more go first.
fn order_of<'s>(
    license: &'s License,
    slots: &Slots<'s>,
) -> (u32, Option<Timestamp>, &'s LicenseId) {
    let ordinal = slots.of(license).and_then(ordinal_of).unwrap_or(0);
    (ordinal, license.created_at, &license.id)
}

pub(super) fn ordinal_of(slot: &str) -> Option<u32> {
    slot.rsplit_once('/')?.1.parse().ok()
}

fn line_of<'s>(slot: &'s str, subject: &Subject) -> Option<&'s str> {
    let own = format!("{}/{}/", subject.provider, subject.id);
    slot.strip_prefix(&own)?.rsplit_once('/').map(|(line, _)| line)
}

/// Those of the predecessor do not say which line they are of, so it has the only product that there is.
fn product_of(
    subject: &Subject,
    key: &str,
    snapshot: &Snapshot,
    slots: &Slots<'_>,
) -> Option<ProductId> {
    let licenses = || snapshot.licenses.iter();
    let is_key =
        |line: &str| line == key || (came_with_another(line) && own_path(line) == own_path(key));
    let of_line = |slot: Option<&str>| slot.and_then(|it| line_of(it, subject)).is_some_and(is_key);
    let seated = licenses().filter(|license| {
        let known = slots.0.get(&license.id).map(|slot| slot.as_str());
        of_line(known.or_else(|| license.metadata(SLOT_KEY)))
    });
    let seated = seated.min_by_key(|license| (license.is_revoked(), license.created_at));
    if let Some(own) = seated.or_else(|| licenses().find(|it| of_line(it.metadata(SLOT_KEY)))) {
        return own.product_id.clone();
    }
    let running = || licenses().filter(|license| !license.is_revoked());
    let products: BTreeSet<_> = running().map(|license| license.product_id.as_ref()).collect();
    let unsaid = !key.starts_with("addon:")
        && running().all(|it| it.metadata(SLOT_KEY).is_none() && !slots.0.contains_key(&it.id));
    match products.first() {
        Some(only) if unsaid && products.len() == 1 => only.cloned(),
        Some(_) | None => None,
    }
}
