//! What a subscription is for, after a change: as many licenses of each Cryptlex product as its lines say.
//!
//! Counted per product, not per line, so that a switch from a monthly to a yearly price keeps the key. Nothing is
//! deleted for want of seats: the licenses that are too many are suspended, and come back first.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::grant::{DRIVER_KEY, SLOT_KEY, fits, is_add_on};
use super::granted::{first_mapping, grants, named_by};
use super::holders::Slots;
use super::standing::at_the_end;
use super::step::{Blank, Step, metadata};
use super::{Plan, Refused, expiry, history, holders, lines, stale};
use crate::command::{
    AtTheEnd, Command, Concern, Line, Mapping, NamedBy, Slot, Subject, Subscribed, Term, Unmapped,
};
use crate::config::Policy;
use crate::cryptlex::{License, NewLicense};
use crate::ids::{LicenseId, ProductId, UserId};
use crate::ledger::{Bought, Capacity, SubjectState};
use crate::snapshot::Snapshot;

pub(super) fn plan(
    command: &Command,
    subscribed: &Subscribed,
    at: Timestamp,
    snapshot: &Snapshot,
    policy: &Policy,
) -> Result<Plan, Refused> {
    let known = snapshot.state.subscribed.as_deref();
    let is_older = known.is_some_and(|(newest, _)| *newest > at);
    if is_older || history::ended_since(&snapshot.state, at, policy) {
        return Ok(stale(snapshot));
    }
    let mut state = snapshot.state.clone();
    state.subscribed = Some(Box::new((at, subscribed.clone())));
    if snapshot.state.ended_at.is_some_and(|ended| ended < at) {
        let noted = Some("it is over until it is paid for again");
        return Ok(Plan { state, noted, ..Plan::default() });
    }
    let subscribed = &as_it_counts(at, subscribed, &state);
    if lines::are_known(subscribed, &snapshot.state, policy) {
        return Ok(Plan { state, noted: Some("nothing of it changed"), ..Plan::default() });
    }
    let plan = Plan { state, ..Plan::default() };
    Change::of(&command.subject, subscribed, at, snapshot, policy).carried_into(plan)
}

/// A purchase that is told after a change of it ends where the change put it.
pub(super) fn after_a_purchase(
    subject: &Subject,
    changed: Option<(Timestamp, Subscribed)>,
    snapshot: &Snapshot,
    policy: &Policy,
    plan: Plan,
) -> Result<Plan, Refused> {
    match changed {
        Some((changed_at, subscribed)) if plan.steps.is_empty() => {
            Change::of(subject, &subscribed, changed_at, snapshot, policy).carried_into(plan)
        }
        Some(_) | None => Ok(plan),
    }
}

/// The change that counts more than a purchase of that time, as it counts. Of one second the change is the newer: it tells
/// how the subscription stands, and the purchase how that came about.
pub(super) fn changed_since(
    at: Timestamp,
    state: &SubjectState,
) -> Option<(Timestamp, Subscribed)> {
    let (changed_at, subscribed) = state.subscribed.as_deref()?;
    (*changed_at >= at).then(|| (*changed_at, as_it_counts(*changed_at, subscribed, state)))
}

/// A product that a checkout session named is another one only by what is said of the subscription after that.
fn as_it_counts(at: Timestamp, subscribed: &Subscribed, state: &SubjectState) -> Subscribed {
    let mut subscribed = subscribed.clone();
    if named_by(state).is_some_and(|(by, since)| by == NamedBy::Session && since >= at) {
        subscribed.lines.iter_mut().for_each(|line| line.mapping = None);
    }
    subscribed
}

/// Whether a product that a purchase names is gone by now, because a later change put another one in its place.
pub(super) fn has_replaced(
    line: &Line,
    bought: &Mapping,
    changed: Option<&Subscribed>,
    snapshot: &Snapshot,
) -> bool {
    let Some(subscribed) = changed else { return false };
    let subscribed = lines::as_bought(subscribed, &BTreeSet::from([line.key.as_str()]));
    let listed = subscribed.lines.iter().find(|listed| listed.key == line.key);
    if lines::is_kept(&line.key, &subscribed) || listed.is_some_and(|line| line.mapping.is_none()) {
        return false;
    }
    let products: BTreeSet<&ProductId> = named(&subscribed).collect();
    let mut held = snapshot.licenses.iter().filter_map(|license| license.product_id.as_ref());
    !products.contains(&bought.product) && held.any(|held| products.contains(held))
}

/// The products that a change names itself.
pub(super) fn named(subscribed: &Subscribed) -> impl Iterator<Item = &ProductId> {
    let mappings = subscribed.lines.iter().filter_map(|line| line.mapping.as_ref());
    mappings.map(|mapping| &mapping.product)
}

struct Change<'c> {
    subject: &'c Subject,
    /// With the keys that its lines were bought under.
    subscribed: Subscribed,
    at: Timestamp,
    snapshot: &'c Snapshot,
    policy: &'c Policy,
    /// As they were before it.
    slots: Slots<'c>,
    /// Lines that were added after it: it does not speak of them.
    newer: BTreeSet<&'c str>,
}

/// A line whose product is known.
struct Target<'c> {
    line: &'c Line,
    mapping: Mapping,
    bought: Bought,
}

impl<'c> Change<'c> {
    fn of(
        subject: &'c Subject,
        subscribed: &Subscribed,
        at: Timestamp,
        snapshot: &'c Snapshot,
        policy: &'c Policy,
    ) -> Self {
        let slots = Slots::known_to(&snapshot.state);
        let subscribed = lines::as_bought(subscribed, &lines::keys(subject, &slots, snapshot));
        let added = snapshot.state.lines.iter().filter(|(key, bought)| {
            lines::is_add_on(key) && bought.since.is_some_and(|since| since > at)
        });
        let newer = added
            .map(|(key, _)| key.as_str())
            .filter(|key| !subscribed.lines.iter().any(|line| line.key == *key))
            .collect();
        Self { subject, subscribed, at, snapshot, policy, slots, newer }
    }

    fn carried_into(&self, mut plan: Plan) -> Result<Plan, Refused> {
        let before = plan.state.lines.clone();
        let current: Vec<&'c License> = holders::current(self.snapshot).collect();
        let long_gone = before.is_empty() && current.iter().all(|license| license.is_revoked());
        // What was added to it came first.
        let is_due = !lines::speaks_of_add_ons_only(&self.subscribed)
            && before.keys().all(|key| lines::is_add_on(key))
            && current.iter().all(|license| is_add_on(license));
        if current.is_empty() || is_due || long_gone {
            // Not bought yet, not ours, deleted by hand, or over: a purchase takes it up from here.
            plan.noted = Some("there is no license of it");
            return Ok(plan);
        }
        let (targets, unknown) = self.targets(&plan.state, &current);
        plan.unmapped.extend(unknown);
        let total = targets.iter().map(|target| u64::from(target.bought.licenses)).sum::<u64>();
        fits(self.subject, total, Capacity::LARGEST)?;
        let mut missing = false;
        let products: BTreeSet<&ProductId> =
            targets.iter().map(|target| &target.bought.product).collect();
        for product in &products {
            missing |= self.of_product(product, &targets, &before, &current, &mut plan)?;
        }
        if missing {
            fits(self.subject, total, self.snapshot.capacity)?;
        }
        // While a line is not understood, nobody knows what took the place of what is not mentioned.
        let speaks_of_none = lines::speaks_of_add_ons_only(&self.subscribed);
        let whole = plan.unmapped.is_empty() && (speaks_of_none || !targets.is_empty());
        // What is new must be as it should before what it takes its end from goes.
        if whole && !missing && plan.steps.is_empty() {
            self.vanished(&products, &before, &mut plan);
        }
        if whole {
            plan.state.lines.retain(|key, _| self.keeps(key));
            for target in &targets {
                plan.state.lines.insert(target.line.key.clone(), target.bought.clone());
            }
        }
        if let Some(mapping) = first_mapping(&self.subscribed.lines)
            && plan.state.granted.is_some()
        {
            grants(&mut plan.state, mapping, NamedBy::Subscription, self.at);
        }
        if !plan.unmapped.is_empty() {
            plan.concern = Some(Concern::Unmapped);
        }
        Ok(plan)
    }

    fn targets(
        &self,
        state: &SubjectState,
        current: &[&'c License],
    ) -> (Vec<Target<'_>>, Vec<Unmapped>) {
        let (mut targets, mut unknown) = (Vec::new(), self.subscribed.unmapped.clone());
        for line in &self.subscribed.lines {
            let known = state.lines.get(&line.key);
            let granted = || state.granted.as_ref().map(|granted| granted.mapping.clone());
            let product = |product| Mapping { product, template: None, entitlement_set: None };
            let mapping = line
                .mapping
                .clone()
                .or_else(|| granted().filter(|_| line.key == "-"))
                .or_else(|| known.map(|known| product(known.product.clone())))
                .or_else(|| self.product_of(line, current).map(product));
            match mapping {
                Some(mapping) => {
                    let bought = lines::bought(line, mapping.product.clone(), known, self.policy);
                    targets.push(Target { line, mapping, bought });
                }
                // What was added and is not mapped never was.
                None if lines::is_add_on(&line.key) => {}
                None => unknown.push(Unmapped {
                    line: line.key.clone(),
                    problem: "the change does not say which Cryptlex product it is".to_owned(),
                }),
            }
        }
        // Beside lines that are known, and where none of those is gone, it is taken for something that needs no license.
        if !targets.is_empty() && self.all_known_are_listed(state) {
            unknown.retain(|unmapped| self.subscribed.unmapped.contains(unmapped));
        }
        (targets, unknown)
    }

    fn all_known_are_listed(&self, state: &SubjectState) -> bool {
        let listed = |key: &str| self.subscribed.lines.iter().any(|line| line.key == key);
        let from_licenses = || {
            let lines = self.snapshot.licenses.iter().map(|license| self.line_of(license));
            lines.collect::<Option<BTreeSet<&str>>>().unwrap_or_default()
        };
        let known = match state.lines.is_empty() {
            true => from_licenses(),
            false => state.lines.keys().map(String::as_str).collect(),
        };
        !known.is_empty() && known.into_iter().all(|key| listed(key) || self.keeps(key))
    }

    /// A line that does not name its product has the one that its licenses are of. Those of the predecessor do not say
    /// which line they are of, so it has the only one that there is.
    fn product_of(&self, line: &Line, current: &[&'c License]) -> Option<ProductId> {
        let of_line = |license: &License| self.line_of(license) == Some(line.key.as_str());
        let own = current.iter().filter(|license| of_line(license));
        if let Some(own) = own.min_by_key(|license| (license.is_revoked(), self.order_of(license)))
        {
            return own.product_id.clone();
        }
        // Whatever they are for since, some may have been made for it.
        let made_for = |license: &&License| {
            let slot = license.metadata(SLOT_KEY);
            slot.and_then(|slot| lines::line_of(slot, self.subject)) == Some(line.key.as_str())
        };
        if let Some(own) = self.snapshot.licenses.iter().find(made_for) {
            return own.product_id.clone();
        }
        let counted = || {
            let running = current.iter().filter(|license| !license.is_revoked());
            running.filter(|license| !self.is_kept(license))
        };
        let products: BTreeSet<_> = counted().map(|license| license.product_id.as_ref()).collect();
        let unsaid = !lines::is_add_on(&line.key)
            && counted().all(|license| self.slots.of(license).is_none());
        match products.first() {
            Some(only) if unsaid && products.len() == 1 => only.cloned(),
            Some(_) | None => None,
        }
    }

    /// Whether something is still to be made.
    fn of_product(
        &self,
        product: &ProductId,
        targets: &[Target<'_>],
        before: &BTreeMap<String, Bought>,
        current: &[&'c License],
        plan: &mut Plan,
    ) -> Result<bool, Refused> {
        let state = &self.snapshot.state;
        let of_product = || targets.iter().filter(|target| target.bought.product == *product);
        // One that ended with an earlier change is no seat of this one.
        let counts = |license: &'c License| {
            license.product_id.as_ref() == Some(product)
                && !license.is_revoked()
                && !self.is_kept(license)
        };
        let mut held: Vec<&'c License> = holders::among(self.snapshot, counts).collect();
        let slots: Vec<(Slot, &Target<'_>)> = of_product()
            .flat_map(|target| {
                (1..=target.bought.licenses)
                    .map(move |n| (Slot::new(self.subject, &target.line.key, n), target))
            })
            .collect();
        let still_wanted: BTreeSet<&str> = slots.iter().map(|(slot, _)| slot.as_str()).collect();
        // Those of a line that is given up are the first to go.
        let goes_first = |license: &'c License| {
            self.slots.of(license).is_some_and(|slot| !still_wanted.contains(slot))
        };
        held.sort_by_key(|license| (goes_first(license), self.order_of(license)));
        for license in &held {
            plan.state.replaced.remove(&license.id);
        }
        let (seated, spare): (Vec<&License>, Vec<&License>) =
            held.iter().partition(|license| !state.seats.contains(&license.id));
        let wanted = slots.len();
        let mentioned =
            before.iter().filter(|(key, known)| known.product == *product && !self.keeps(key));
        let counted = mentioned.map(|(_, known)| known.licenses).sum::<u32>();
        let known_before = match before.is_empty() {
            // Of those without a slot nobody knows whether they were bought.
            true => seated.iter().filter(|license| self.slots.of(license).is_some()).count(),
            false => usize::try_from(counted).unwrap_or(usize::MAX),
        };
        let back: Vec<&License> =
            spare.iter().copied().take(wanted.saturating_sub(seated.len())).collect();
        for license in &back {
            plan.state.seats.remove(&license.id);
        }
        let excess = seated.len().saturating_sub(wanted).min(known_before.saturating_sub(wanted));
        for license in seated.iter().rev().take(excess) {
            plan.state.seats.insert(license.id.clone());
        }
        let empty = self.seat(&slots, &held, &mut plan.state);
        let lacking = wanted.saturating_sub(seated.len().saturating_add(back.len()));
        let model = self.model(before);
        let like = model.or(current.first().copied());
        if lacking > 0 {
            let mut owners = like.into_iter().chain(current.iter().copied());
            let owner = owners.find_map(License::user);
            let owner = owner.ok_or_else(|| Refused::NoUser(self.subject.clone()))?;
            let mut marked = self.marked(product);
            for (slot, target) in empty.iter().take(lacking) {
                let slot = self.unmarked(slot, target, &mut marked);
                plan.steps.push(creation(slot, target, owner, like));
            }
        }
        if plan.state.paid_through.is_none() {
            let new = held.iter().filter(|license| self.is_new(license, before));
            let end = new.filter_map(|license| license.expires_at).max();
            plan.state.presumed_end = end.or(plan.state.presumed_end);
        }
        let fills = Slots::known_to(&plan.state);
        for license in &held {
            let is_new = self.is_new(license, before);
            let expiry = like
                .filter(|model| is_new && model.id != license.id)
                .and_then(|model| expiry::as_parent(license, model, self.policy.leeway));
            let comes_back = back.iter().any(|other| other.id == license.id);
            let short = || expiry::at_least(license, model.filter(|_| comes_back)?.expires_at?);
            let activations = || activations(license, &slots, &fills);
            let step = expiry.or_else(short).or_else(activations);
            plan.steps.extend(step.or_else(|| standing(license, &plan.state, comes_back)));
        }
        Ok(lacking > 0)
    }

    /// Licenses of lines that are no more take the empty slots of those that are; tells which stay empty.
    fn seat<'t>(
        &self,
        slots: &'t [(Slot, &'t Target<'t>)],
        held: &[&'c License],
        state: &mut SubjectState,
    ) -> Vec<(Slot, &'t Target<'t>)> {
        let known = Slots::known_to(state);
        let taken = |license: &&'c License| {
            let slot = known.of(license)?;
            slots.iter().find(|(wanted, _)| wanted.as_str() == slot).map(|(slot, _)| slot.clone())
        };
        let taken: Vec<Option<Slot>> = held.iter().map(taken).collect();
        let mut filled: BTreeSet<Slot> = BTreeSet::new();
        let mut homeless: Vec<LicenseId> = Vec::new();
        for (license, taken) in held.iter().zip(taken) {
            match taken {
                Some(slot) => {
                    filled.insert(slot.clone());
                    state.slots.insert(slot, license.id.clone());
                }
                None if state.seats.contains(&license.id) => {}
                None => homeless.push(license.id.clone()),
            }
        }
        let mut homeless = homeless.into_iter();
        let mut empty = Vec::new();
        for (slot, target) in slots {
            if filled.contains(slot) {
                continue;
            }
            match homeless.next() {
                Some(license) => {
                    state.slots.retain(|_, known| *known != license);
                    state.slots.insert(slot.clone(), license);
                }
                None => empty.push((slot.clone(), *target)),
            }
        }
        empty
    }

    /// The first to stay.
    fn order_of(&self, license: &'c License) -> (u32, Option<Timestamp>, &'c LicenseId) {
        let ordinal = self.slots.of(license).and_then(lines::ordinal_of).unwrap_or(0);
        (ordinal, license.created_at, &license.id)
    }

    fn line_of(&self, license: &'c License) -> Option<&'c str> {
        self.slots.of(license).and_then(|slot| lines::line_of(slot, self.subject))
    }

    /// Whether the change leaves a line as it is.
    fn keeps(&self, line: &str) -> bool {
        self.newer.contains(line) || lines::is_kept(line, &self.subscribed)
    }

    /// Licenses that came with something else are not counted, unless the change speaks of them.
    fn is_kept(&self, license: &'c License) -> bool {
        match self.line_of(license) {
            Some(line) => self.keeps(line),
            None if license.metadata(DRIVER_KEY).is_some() => true,
            None => lines::speaks_of_add_ons_only(&self.subscribed),
        }
    }

    /// Made for this change: it takes its end from those that were there.
    fn is_new(&self, license: &'c License, before: &BTreeMap<String, Bought>) -> bool {
        let Some(slot) = self.slots.of(license) else { return false };
        let (Some(line), Some(ordinal)) = (self.line_of(license), lines::ordinal_of(slot)) else {
            return false;
        };
        if before.is_empty() {
            // Of what nobody bought, only the change itself knows a slot; unless it died over it.
            let made_since = license.created_at.is_some_and(|made| made >= self.at);
            return made_since || self.slots.are_known_of(license);
        }
        before.get(line).is_none_or(|known| {
            ordinal > known.licenses || license.product_id.as_ref() != Some(&known.product)
        })
    }

    /// The slots that licenses of a product were made for.
    fn marked(&self, product: &ProductId) -> BTreeSet<String> {
        let all = self.snapshot.licenses.iter();
        let of_product = all.filter(|license| license.product_id.as_ref() == Some(product));
        of_product.filter_map(|license| license.metadata(SLOT_KEY).map(str::to_owned)).collect()
    }

    /// Two licenses of a product never carry the same slot: what moved to another line since still carries its first one.
    fn unmarked(&self, slot: &Slot, target: &Target<'_>, marked: &mut BTreeSet<String>) -> Slot {
        let from = lines::ordinal_of(slot.as_str()).unwrap_or(1);
        let mut slots = (from..).map(|n| Slot::new(self.subject, &target.line.key, n));
        let free = slots.find(|slot| marked.insert(slot.as_str().to_owned()));
        free.unwrap_or_else(|| slot.clone())
    }

    /// The license that new ones end with and belong to whom it does: of those that were there before, the one that runs
    /// longest.
    fn model(&self, before: &BTreeMap<String, Bought>) -> Option<&'c License> {
        let old = self.snapshot.licenses.iter();
        old.filter(|license| !self.is_new(license, before) && !self.is_kept(license))
            .max_by_key(|license| license.expires_at)
    }

    /// Products that are not subscribed to any more: replaced by a new one, or given up.
    fn vanished(
        &self,
        products: &BTreeSet<&ProductId>,
        before: &BTreeMap<String, Bought>,
        plan: &mut Plan,
    ) {
        let is_new = |product: &ProductId| match before.is_empty() {
            true => {
                let running = self.snapshot.licenses.iter().filter(|license| !license.is_revoked());
                let mut held =
                    running.filter(|license| license.product_id.as_ref() == Some(product));
                held.all(|license| self.is_new(license, before))
            }
            false => before.values().all(|known| known.product != *product),
        };
        let replaced = products.iter().any(|product| is_new(product));
        for license in &self.snapshot.licenses {
            let gone =
                license.product_id.as_ref().is_some_and(|product| !products.contains(product));
            if !gone || self.is_kept(license) {
                continue;
            }
            if replaced {
                plan.state.replaced.insert(license.id.clone());
                if self.policy.at_the_end == AtTheEnd::Suspend {
                    plan.state.seats.insert(license.id.clone());
                }
                plan.steps.extend(at_the_end(license, self.policy));
            } else if !license.is_revoked() && !plan.state.replaced.contains(&license.id) {
                plan.state.seats.insert(license.id.clone());
                plan.steps.extend(standing(license, &plan.state, false));
            }
        }
    }
}

/// What a license that is counted needs to be suspended or not.
fn standing(license: &License, state: &SubjectState, comes_back: bool) -> Option<Step> {
    match (license.is_suspended(), history::has_cause(state, license)) {
        (false, true) => Some(Step::suspend(license, true)),
        (true, false) if comes_back => Some(Step::suspend(license, false)),
        (true | false, _) => None,
    }
}

fn activations<'s>(
    license: &'s License,
    slots: &[(Slot, &Target<'_>)],
    fills: &Slots<'s>,
) -> Option<Step> {
    let slot = fills.of(license)?;
    let (_, target) = slots.iter().find(|(wanted, _)| wanted.as_str() == slot)?;
    let allowed = target.bought.activations?;
    let differs = license.activations().is_some_and(|now| now != allowed);
    differs.then(|| Step::SetActivations { license: license.id.clone(), allowed })
}

fn creation(slot: Slot, target: &Target<'_>, owner: &UserId, like: Option<&License>) -> Step {
    let interval = match &target.line.term {
        Term::Every(interval) => Some(interval.as_str().to_owned()),
        Term::Perpetual => Some(String::new()),
        Term::AsParent(_) => {
            like.map(|like| like.interval().map_or_else(String::new, |i| i.as_str().to_owned()))
        }
        Term::Template => None,
    };
    let license = NewLicense {
        product_id: target.mapping.product.clone(),
        license_template_id: target.mapping.template.clone(),
        user_id: owner.clone(),
        entitlement_set_id: target.mapping.entitlement_set.clone(),
        subscription_interval: interval,
        subscription_start_trigger: None,
        allowed_activations: target.bought.activations,
        max_allowed_release_version: target.line.max_release.clone(),
        metadata: metadata(&slot, &target.line.metadata),
    };
    Step::CreateLicense(Box::new(Blank { slot, license }))
}
