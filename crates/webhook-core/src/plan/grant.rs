//! A purchase: every slot of its lines holds a license that runs as long as was paid for.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::customer::{new_user, take_over, user_of};
use super::granted::{self, first_mapping, knows_better};
use super::history::Covers;
use super::standing::{self, at_the_end};
use super::step::{Blank, Step, metadata};
use super::{
    Excess, Plan, Refused, expiry, history, holders, lines, paid_until, reversal, seats, stale,
};
use crate::command::{
    AtTheEnd, Command, Concern, Grant, Line, Mapping, NamedBy, Pays, Slot, Subject, SubjectKind,
    Term,
};
use crate::config::Policy;
use crate::cryptlex::{License, NewLicense};
use crate::ids::LicenseId;
use crate::ledger::{Bought, Capacity, SubjectState};
use crate::snapshot::Snapshot;

/// The metadata key of the slot.
pub const SLOT_KEY: &str = "license_slot";
/// Licenses to be made in one round; the next round goes on.
const MOST_AT_ONCE: usize = 64;
pub(super) const DRIVER_KEY: &str = "fastspring_driver";

/// One license that was bought.
struct Wanted<'g> {
    slot: Slot,
    line: &'g Line,
    mapping: Option<Mapping>,
    activations: Option<u32>,
}

pub(super) fn plan(
    command: &Command,
    grant: &Grant,
    at: Timestamp,
    snapshot: &Snapshot,
    policy: &Policy,
) -> Result<Plan, Refused> {
    let (pays, covers) = (grant.pays, Covers::First(grant.paid_through));
    let known = reversal::with_early(&snapshot.state, &command.payments, policy);
    let Some(mut payment) = history::payment(&known, at, pays, covers, policy) else {
        return Ok(stale(snapshot));
    };
    if payment.after_the_end && snapshot.state.deleted && snapshot.licenses.is_empty() {
        return Err(Refused::Deleted(command.subject.clone()));
    }
    let mut state = payment.state.clone();
    // What is paid days after it was ordered tells of what was ordered.
    let lines_at = grant.lines_at.map_or(at, |ordered| ordered.min(at));
    let named_at = if grant.named_by == NamedBy::Session { at } else { lines_at };
    granted::remember(grant, named_at, &mut state);
    let wanted = wanted(command, grant, &state, policy)?;
    let changed = seats::changed_since(lines_at, &state);
    let other_product = OtherProduct::to(grant, &snapshot.state);
    let mut held = Held::of(snapshot, &wanted, other_product);
    let since = match &changed {
        None => Since::Nothing,
        Some((_, subscribed)) if seats::named(subscribed).next().is_some() => {
            // What took the place of this purchase is no mistake of it.
            held.superseded.clear();
            Since::Change
        }
        Some(_) if other_product == OtherProduct::IsReplaced => Since::ChangeOfAPresumed,
        Some(_) => Since::Change,
    };
    remember_lines(&wanted, since, lines_at, &mut state);
    if since == Since::Nothing && grant.named_by == NamedBy::Lines {
        // What was given up is bought again.
        payment.is_for(held.filled.values().map(|license| &license.id));
        state.seats.clone_from(&payment.state.seats);
    }
    state
        .slots
        .extend(held.filled.iter().map(|(slot, license)| (slot.clone(), license.id.clone())));

    let mut plan = Plan { unmapped: still_unmapped(grant, &held), ..Plan::default() };
    let nothing_is_ours =
        wanted.iter().all(|wanted| wanted.mapping.is_none()) && snapshot.licenses.is_empty();
    let known_as_foreign = grant.lines.is_empty() && plan.unmapped.is_empty();
    state.unlicensed = nothing_is_ours && (known_as_foreign || policy.accept_unmapped);

    let written = |end: Option<Timestamp>| end.map(|end| paid_until(end, policy));
    let only_line = grant.named_by != NamedBy::Lines;
    // What was added ends with what it was added to, and what is bought after the first period is for a later one.
    let is_told_twice = |end: &Timestamp| pays == Pays::ForThePeriod && *end > at;
    let known = state.paid_through.filter(|end| only_line || is_told_twice(end));
    let paid_through = written(grant.paid_through.or(known));
    let renewed_until = written(state.renewed_until);
    let presumed = snapshot.state.presumed_end;
    let first_end = |license: &License, end: Timestamp, later: Option<Timestamp>| {
        let end = later.map_or(end, |later| later.max(end));
        expiry::first(license, presumed, end, policy.leeway)
    };
    let (mut missing, mut presumed_end) = (0_usize, None);
    for wanted in &wanted {
        match (held.filled.get(&wanted.slot), &wanted.mapping) {
            (Some(license), _) => {
                let expiry = match paid_through {
                    Some(end) => first_end(license, end, renewed_until),
                    None => {
                        let length = interval_decides(command, wanted.line, license, at, policy);
                        presumed_end = presumed_end.max(length);
                        let end =
                            length.map(|end| renewed_until.map_or(end, |later| later.max(end)));
                        let decided = match end {
                            Some(end) => expiry::untouched(license, presumed, end),
                            None => parent_decides(wanted.line, license, snapshot, policy),
                        };
                        decided.or_else(|| expiry::at_least(license, renewed_until?))
                    }
                };
                let activations = || more_activations(license, wanted.activations);
                let step = expiry.or_else(|| standing::grace(license, &mut state, policy));
                let step = step.or_else(|| activations().filter(|_| changed.is_none()));
                plan.steps.extend(step.or_else(|| payment.step(license)));
            }
            (None, Some(mapping))
                if seats::has_replaced(
                    wanted.line,
                    mapping,
                    changed.as_ref().map(|(_, subscribed)| subscribed),
                    snapshot,
                ) => {}
            (None, Some(mapping)) => {
                missing = missing.saturating_add(1);
                if missing <= MOST_AT_ONCE {
                    plan.steps.extend(creation(command, grant, wanted, mapping, snapshot, &held)?);
                }
            }
            // Which product it is, another event will say.
            (None, None) => {}
        }
    }
    state.presumed_end = state.presumed_end.or(presumed_end);
    // More of it was made before anybody knew until when it is paid.
    if let Some(end) = paid_through.filter(|_| only_line) {
        let looked_at: BTreeSet<&LicenseId> =
            held.filled.values().chain(&held.superseded).map(|license| &license.id).collect();
        let others = holders::current(snapshot).filter(|license| {
            !looked_at.contains(&license.id) && !state.replaced.contains(&license.id)
        });
        plan.steps.extend(others.filter_map(|license| first_end(license, end, renewed_until)));
        if policy.at_the_end == AtTheEnd::Nothing {
            // What was replaced runs on, and no longer than was paid.
            let replaced = snapshot.licenses.iter().filter(|license| {
                state.replaced.contains(&license.id) && license.expires_at > Some(end)
            });
            plan.steps.extend(replaced.filter_map(|license| first_end(license, end, None)));
        }
    }
    // What an add-on takes its end from must be as it should first.
    if pays == Pays::ForThePeriod
        && missing == 0
        && plan.steps.is_empty()
        && let Some(parent) = parent(&snapshot.licenses)
    {
        let add_ons = snapshot.licenses.iter().filter(|license| is_add_on(license));
        let others =
            add_ons.filter(|license| !held.filled.values().any(|held| held.id == license.id));
        plan.steps.extend(
            others.filter_map(|license| {
                expiry::orphan(license, parent, renewed_until, policy.leeway)
            }),
        );
    }
    if missing == 0 {
        plan.steps.extend(held.superseded.iter().filter_map(|license| at_the_end(license, policy)));
    }
    if missing > 0 {
        let all = snapshot.licenses.len().saturating_add(missing);
        let all = u64::try_from(all).unwrap_or(u64::MAX);
        fits(&command.subject, all, snapshot.capacity)?;
    }
    make_the_user_once(&mut plan.steps);
    if grant.foreign {
        plan.warnings
            .push("a line without any Cryptlex field was left out, as one that needs no license");
    }
    plan.concern = (!plan.unmapped.is_empty()).then_some(Concern::Unmapped);
    plan.state = state;
    seats::after_a_purchase(&command.subject, changed, snapshot, policy, plan)
}

/// Whether a change is newer than a purchase.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Since {
    Nothing,
    Change,
    /// Only of how many: of which product, nobody knew better than to presume.
    ChangeOfAPresumed,
}

/// What its lines bought, for a change to be compared with. What a change `since` left of a line was bought all the same.
fn remember_lines(wanted: &[Wanted<'_>], since: Since, at: Timestamp, state: &mut SubjectState) {
    let mut lines: BTreeMap<String, Bought> = BTreeMap::new();
    for wanted in wanted {
        let Some(mapping) = &wanted.mapping else { continue };
        let bought = lines.entry(wanted.line.key.clone()).or_insert_with(|| Bought {
            product: mapping.product.clone(),
            licenses: 0,
            activations: wanted.activations,
            means: wanted.line.quantity_means,
            since: Some(at),
        });
        bought.licenses = bought.licenses.saturating_add(1);
    }
    for (key, bought) in lines {
        // An older purchase may be told later, too.
        let is_older = |known: &Bought| since != Since::Nothing || known.since > bought.since;
        match state.lines.get_mut(&key).filter(|known| is_older(known)) {
            Some(known) if known.product == bought.product => {
                known.licenses = known.licenses.max(bought.licenses);
                known.means = known.means.or(bought.means);
                known.since = known.since.max(bought.since);
            }
            Some(known) if since == Since::ChangeOfAPresumed => *known = bought,
            Some(_) => {}
            None => {
                state.lines.insert(key, bought);
            }
        }
    }
}

/// Every missing license needs the same user.
fn make_the_user_once(steps: &mut Vec<Step>) {
    let mut made = false;
    let is_of_a_user = |step: &Step| matches!(step, Step::CreateUser(_) | Step::ChangeUser(..));
    steps.retain(|step| !is_of_a_user(step) || !std::mem::replace(&mut made, true));
}

fn wanted<'g>(
    command: &Command,
    grant: &'g Grant,
    state: &SubjectState,
    policy: &Policy,
) -> Result<Vec<Wanted<'g>>, Refused> {
    let (mut all, mut total) = (Vec::new(), 0_u64);
    for line in &grant.lines {
        let granted = state.granted.as_ref().map(|granted| granted.mapping.clone());
        let (mapping, quantity) = match grant.named_by {
            NamedBy::Lines => (line.mapping.clone(), line.quantity),
            // What was granted stands until somebody who knows better replaces it.
            NamedBy::Configuration | NamedBy::Subscription | NamedBy::Session => {
                (granted, state.quantity.unwrap_or(line.quantity))
            }
        };
        let (count, activations) = lines::counted(quantity, line.quantity_means, policy);
        total = total.saturating_add(u64::from(count));
        fits(&command.subject, total, Capacity::LARGEST)?;
        all.extend((1..=count).map(|ordinal| Wanted {
            slot: Slot::new(&command.subject, &line.key, ordinal),
            line,
            mapping: mapping.clone(),
            activations,
        }));
    }
    Ok(all)
}

/// Refuses more licenses than there is room for: what was made and cannot be remembered would be made again.
pub(super) fn fits(subject: &Subject, licenses: u64, capacity: Capacity) -> Result<(), Refused> {
    if licenses <= capacity.licenses {
        return Ok(());
    }
    let excess = Excess { subject: subject.clone(), licenses, capacity };
    Err(Refused::TooMany(Box::new(excess)))
}

/// What a license of another Cryptlex product in a wanted slot means to a purchase.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OtherProduct {
    DoesNotFill,
    /// The purchase only presumes its product, or knows no better.
    Fills,
    /// What was granted before was presumed.
    IsReplaced,
}

impl OtherProduct {
    /// As far as the ledger knows; a session knows better than whoever made the license.
    fn to(grant: &Grant, known: &SubjectState) -> Self {
        let replaces = || match grant.named_by {
            NamedBy::Lines | NamedBy::Configuration => false,
            NamedBy::Subscription => known.granted.is_some() && knows_better(grant.named_by, known),
            NamedBy::Session => true,
        };
        match grant.named_by {
            NamedBy::Lines => Self::DoesNotFill,
            NamedBy::Configuration | NamedBy::Subscription | NamedBy::Session => {
                match first_mapping(&grant.lines) {
                    Some(_) if replaces() => Self::IsReplaced,
                    Some(_) | None => Self::Fills,
                }
            }
        }
    }
}

/// Which licenses fill which slots.
struct Held<'s> {
    filled: BTreeMap<Slot, &'s License>,
    /// Licenses of a presumed product, in slots of the product that was really bought.
    superseded: Vec<&'s License>,
}

impl<'s> Held<'s> {
    fn of(snapshot: &'s Snapshot, wanted: &[Wanted<'_>], other_product: OtherProduct) -> Self {
        let mut filled: BTreeMap<Slot, &License> = BTreeMap::new();
        let mut superseded = Vec::new();
        let known: BTreeMap<&LicenseId, &Slot> =
            snapshot.state.slots.iter().map(|(slot, license)| (license, slot)).collect();
        let mut by_slot: BTreeMap<&str, Vec<&License>> = BTreeMap::new();
        let mut unslotted: Vec<&License> = Vec::new();
        for license in &snapshot.licenses {
            let recorded = known.get(&license.id).map(|slot| slot.as_str());
            match license.metadata(SLOT_KEY).or(recorded) {
                Some(slot) => by_slot.entry(slot).or_default().push(license),
                // Made by the predecessor or by hand: it says whose it is, but not which.
                None => unslotted.push(license),
            }
        }
        let mut empty = Vec::new();
        for wanted in wanted {
            let is_ours = |license: &License| is_of(license, wanted.mapping.as_ref());
            let in_slot = by_slot.remove(wanted.slot.as_str()).unwrap_or_default().into_iter();
            let (fitting, others): (Vec<_>, Vec<_>) = in_slot
                .partition(|license| other_product == OtherProduct::Fills || is_ours(license));
            let holder = holders::holder(fitting, |license| known.contains_key(license));
            if holder.is_none() {
                empty.push(wanted);
            }
            filled.extend(holder.map(|license| (wanted.slot.clone(), license)));
            if other_product == OtherProduct::IsReplaced {
                superseded.extend(others);
            }
        }
        for wanted in empty {
            let presumed = other_product == OtherProduct::Fills && wanted.mapping.is_none();
            let adoptable = unslotted.iter().position(|license| {
                (presumed || is_of(license, wanted.mapping.as_ref()))
                    && license.metadata(DRIVER_KEY) == wanted.line.driver.as_deref()
            });
            filled.extend(adoptable.map(|at| (wanted.slot.clone(), unslotted.remove(at))));
        }
        Self { filled, superseded }
    }
}

/// The license that add-ons take after: of the same subscription, and no add-on itself. A bundle's members are as good
/// as a product of its own, the renewing ones first.
fn parent(licenses: &[License]) -> Option<&License> {
    let candidates = licenses.iter().filter(|license| !is_add_on(license));
    candidates.min_by_key(|license| {
        (license.metadata(DRIVER_KEY).is_some(), license.interval().is_none(), license.created_at)
    })
}

pub(super) fn is_add_on(license: &License) -> bool {
    license.metadata(DRIVER_KEY).is_some_and(|driver| driver.starts_with("addon_"))
}

fn is_of(license: &License, mapping: Option<&Mapping>) -> bool {
    mapping.is_some_and(|mapping| license.product_id.as_ref() == Some(&mapping.product))
}

/// A purchase that names no product at all is content with what is there; one that names half of it is not.
fn still_unmapped(grant: &Grant, held: &Held<'_>) -> Vec<crate::command::Unmapped> {
    let content = grant.named_by == NamedBy::Configuration && !held.filled.is_empty();
    if content { Vec::new() } else { grant.unmapped.clone() }
}

/// The end of a license whose purchase does not say until when it pays.
fn interval_decides(
    command: &Command,
    line: &Line,
    license: &License,
    bought_at: Timestamp,
    policy: &Policy,
) -> Option<Timestamp> {
    let leeway = match command.subject.kind {
        SubjectKind::Subscription => policy.leeway,
        // No payment that could be late follows.
        SubjectKind::Order | SubjectKind::Customer => SignedDuration::ZERO,
    };
    match line.term {
        Term::Template | Term::Every(_) => expiry::one_interval(license, bought_at, leeway),
        Term::Perpetual | Term::AsParent(_) => None,
    }
}

fn parent_decides(
    line: &Line,
    license: &License,
    snapshot: &Snapshot,
    policy: &Policy,
) -> Option<Step> {
    match line.term {
        Term::AsParent(_) => {
            let parent = parent(&snapshot.licenses);
            parent.and_then(|parent| expiry::as_parent(license, parent, policy.leeway))
        }
        Term::Template | Term::Every(_) | Term::Perpetual => None,
    }
}

fn more_activations(license: &License, wanted: Option<u32>) -> Option<Step> {
    let allowed = wanted?;
    let fewer = license.activations().is_some_and(|now| now < allowed);
    fewer.then(|| Step::SetActivations { license: license.id.clone(), allowed })
}

/// What is needed next to fill a slot: its user, its parent's license (nothing to do but wait for that), or itself.
fn creation(
    command: &Command,
    grant: &Grant,
    wanted: &Wanted<'_>,
    mapping: &Mapping,
    snapshot: &Snapshot,
    held: &Held<'_>,
) -> Result<Option<Step>, Refused> {
    let Some(user) = user_of(&snapshot.people) else {
        let customer = grant.customer.as_ref().ok_or_else(|| nobody(command, grant))?;
        return Ok(Some(Step::CreateUser(new_user(customer))));
    };
    if let Some(step) = grant.customer.as_ref().and_then(|it| take_over(it, &snapshot.people)) {
        return Ok(Some(step));
    }
    let parent = match &wanted.line.term {
        Term::AsParent(_) if parent_is_due(command, grant, held) => return Ok(None),
        Term::AsParent(_) => parent(&snapshot.licenses),
        Term::Template | Term::Every(_) | Term::Perpetual => None,
    };
    let subscription_interval = match (&wanted.line.term, parent) {
        (Term::AsParent(_), Some(parent)) => Some(
            parent.interval().map_or_else(String::new, |interval| interval.as_str().to_owned()),
        ),
        (Term::AsParent(declared), None) => {
            declared.as_ref().map(|interval| interval.as_str().to_owned())
        }
        (Term::Every(interval), _) => Some(interval.as_str().to_owned()),
        (Term::Perpetual, _) => Some(String::new()),
        (Term::Template, _) => None,
    };
    let license = NewLicense {
        product_id: mapping.product.clone(),
        license_template_id: mapping.template.clone(),
        user_id: user.clone(),
        entitlement_set_id: mapping.entitlement_set.clone(),
        subscription_interval,
        subscription_start_trigger: parent
            .and_then(|parent| parent.subscription_start_trigger.clone()),
        allowed_activations: wanted.activations,
        max_allowed_release_version: wanted.line.max_release.clone(),
        metadata: metadata(&wanted.slot, &wanted.line.metadata),
    };
    Ok(Some(Step::CreateLicense(Box::new(Blank { slot: wanted.slot.clone(), license }))))
}

fn nobody(command: &Command, grant: &Grant) -> Refused {
    let text = match &grant.nobody {
        Some(unknown) => unknown.why.to_string(),
        None => format!("customer email not found for {}", command.subject),
    };
    Refused::NoCustomer(text)
}

/// Whether this very purchase still has to make the license that its add-ons take after.
fn parent_is_due(command: &Command, grant: &Grant, held: &Held<'_>) -> bool {
    let parents = grant.lines.iter().filter(|line| !matches!(line.term, Term::AsParent(_)));
    parents
        .map(|line| Slot::new(&command.subject, &line.key, 1))
        .any(|slot| !held.filled.contains_key(&slot))
}
