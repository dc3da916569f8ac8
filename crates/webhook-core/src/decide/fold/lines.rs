//! What is bought: orders add their lines, a description replaces those that it speaks of, when it takes effect.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::naming::Named;
use super::orders::{Order, orders};
use super::payments::Payment;
use crate::domain::command::{
    Billed, Effect, Line, Mapping, ProductSource, Slot, Subject, Subscribed, Unmapped,
};
use crate::domain::entitlement::{Gone, Purchase, Seat};
use crate::domain::fact::{Covers, Fact, Role};
use crate::domain::ids::ProductId;
use crate::domain::interval::shifted;
use crate::domain::policy::{Policy, QuantityMeans};

/// A change that is charged with a proration may be told a little after its charge.
const TOLD_AFTER_ITS_CHARGE: SignedDuration = SignedDuration::from_hours(1);

/// More seats than any ledger has room for: they are counted, and refused before anything is made.
const MOST_SEATS: u32 = 10_001;

/// What is bought by now.
#[derive(Default)]
pub(super) struct Lines {
    bought: Vec<Bought>,
    pub(super) most: BTreeMap<Option<ProductId>, u32>,
    pub(super) gone: BTreeMap<ProductId, Gone>,
    /// The product that each line had last, also of those that are no more.
    known: BTreeMap<String, Mapping>,
    unmapped: Vec<Unmapped>,
    role: Option<Role>,
    is_foreign: bool,
    pub(super) names_nothing: bool,
}

/// A line as it was bought last.
#[derive(Clone)]
struct Bought {
    line: Line,
    mapping: Option<Mapping>,
    licenses: u32,
    /// The most that it ever bought of its product.
    most: u32,
    activations: Option<u32>,
    means: Option<QuantityMeans>,
    is_certain: bool,
    /// When an order told it.
    ordered_at: Option<Timestamp>,
}

/// What happens to the lines, in order.
enum Turn<'f> {
    Ordered(Order<'f>),
    Described(Cow<'f, Subscribed>),
}

/// The lines after all facts.
pub(super) fn of(facts: &[&Fact], policy: &Policy) -> Lines {
    let named = Named::of(facts);
    let orders = orders(facts);
    let mut lines = Lines {
        role: orders.iter().map(|order| order.role).min(),
        is_foreign: orders.iter().all(|order| order.lines.is_empty() && order.unmapped.is_empty()),
        names_nothing: !orders.is_empty()
            && orders.iter().all(|order| order.named_by == ProductSource::Configuration),
        ..Lines::default()
    };
    let mut turns: Vec<(Timestamp, u8, Turn<'_>)> = Vec::new();
    let effects = effects(facts, &orders);
    turns.extend(orders.into_iter().map(|order| (order.at, 0, Turn::Ordered(order))));
    turns.extend(effects.into_iter().map(|(at, it)| (at, 1, Turn::Described(it))));
    turns.sort_by_key(|(at, rank, _)| (*at, *rank));
    lines.gone.extend(named.superseded().map(|product| (product.clone(), Gone::Replaced)));
    for (at, _, turn) in turns {
        let before = lines.products();
        match turn {
            Turn::Ordered(order) => lines.order(order, &named, policy),
            Turn::Described(subscribed) => lines.describe(&subscribed, &named, at, policy),
        }
        lines.compare_with(&before);
    }
    lines
}

/// Descriptions of lines, each with when it takes effect; one that is not charged yet has none. An add-on that a charge does not
/// bill stays as it was until one does.
fn effects<'f>(facts: &[&'f Fact], orders: &[Order<'f>]) -> Vec<(Timestamp, Cow<'f, Subscribed>)> {
    let told = facts.iter().filter_map(|fact| Some((fact.at, fact.subscribed()?)));
    let mut effects: Vec<(Timestamp, Cow<'_, Subscribed>)> = Vec::new();
    for (at, subscribed) in told {
        if subscribed.takes_effect == Effect::AtOnce {
            effects.push((at, Cow::Borrowed(subscribed)));
            continue;
        }
        let before = |line: &Line| quantity_before(at, line, orders, &effects);
        let whole = charged(at, subscribed, facts, |line| before(line) == line.quantity);
        let in_part = charged(at, subscribed, facts, |_| true)
            .filter(|part| whole.is_none_or(|whole| *part < whole));
        let in_part = in_part.map(|charged| {
            let mut as_charged = subscribed.clone();
            let is_new = |line: &Line| is_add_on(&line.key) && line.quantity > 0;
            as_charged.lines.retain(|line| !is_new(line) || before(line) > 0);
            for add_on in as_charged.lines.iter_mut().filter(|line| is_add_on(&line.key)) {
                add_on.quantity = before(add_on);
            }
            (charged.max(at), Cow::Owned(as_charged))
        });
        effects.extend(in_part);
        effects.extend(whole.map(|charged| (charged.max(at), Cow::Borrowed(subscribed))));
    }
    effects
}

/// How many of an add-on were bought at a time: what was described last, and what was ordered since.
fn quantity_before(
    at: Timestamp,
    line: &Line,
    orders: &[Order<'_>],
    effects: &[(Timestamp, Cow<'_, Subscribed>)],
) -> u32 {
    // An add-on outlives a switch of the product that it came with.
    let is_it =
        |known: &&Line| is_add_on(&known.key) && own_path(&known.key) == own_path(&line.key);
    let described = effects.iter().filter_map(|(since, subscribed)| {
        let known = subscribed.lines.iter().find(is_it)?;
        Some((*since, known.quantity))
    });
    let described = described.filter(|(since, _)| *since <= at).max_by_key(|(since, _)| *since);
    let since = described.map(|(since, _)| since);
    let ordered = orders.iter().filter(|order| order.at <= at && Some(order.at) > since);
    let ordered = ordered.flat_map(|order| &order.lines).filter(is_it);
    let described = described.map_or(0, |(_, quantity)| quantity);
    ordered.fold(described, |sum, known| sum.saturating_add(known.quantity))
}

/// The first charge that bills what is described; one that does not list what it bills bills everything.
fn charged(
    at: Timestamp,
    subscribed: &Subscribed,
    facts: &[&Fact],
    stays: impl Fn(&Line) -> bool,
) -> Option<Timestamp> {
    let earliest = shifted(at, -TOLD_AFTER_ITS_CHARGE);
    let charges = facts.iter().filter(|fact| fact.at >= earliest).filter_map(|fact| {
        let paid = fact.paid()?;
        matches!(paid.covers, Covers::Later(_)).then_some((fact.at, &paid.payment.bills))
    });
    let mut billing =
        charges.filter(|(_, bills)| bills.is_empty() || are_billed(subscribed, bills, &stays));
    billing.next().map(|(at, _)| at)
}

/// Whether a charge bills the lines as they are described. One for a change in between does not bill add-ons that stay as they
/// are.
fn are_billed(subscribed: &Subscribed, bills: &[Billed], stays: &impl Fn(&Line) -> bool) -> bool {
    let quantity_of = |path: &str| {
        let of_path = bills.iter().filter(|billed| billed.path == path);
        of_path.map(|billed| billed.quantity).fold(0, u32::saturating_add)
    };
    subscribed.lines.iter().all(|line| {
        let billed = quantity_of(own_path(&line.key));
        billed == line.quantity || (is_add_on(&line.key) && billed == 0 && stays(line))
    })
}

impl Lines {
    fn products(&self) -> BTreeSet<ProductId> {
        let running = self.bought.iter().filter(|bought| bought.licenses > 0);
        running.filter_map(|bought| Some(bought.mapping.as_ref()?.product.clone())).collect()
    }

    fn has(&self, key: &str) -> bool {
        self.bought.iter().any(|bought| bought.line.key == key)
    }

    fn order(&mut self, order: Order<'_>, named: &Named, policy: &Policy) {
        for line in order.lines {
            let (mapping, is_certain) = match order.named_by {
                ProductSource::Line => (line.mapping.clone(), true),
                ProductSource::Configuration
                | ProductSource::Subscription
                | ProductSource::Session => (named.at(order.at), named.is_certain(order.at)),
            };
            match self.bought.iter_mut().find(|bought| bought.line.key == line.key) {
                Some(known) if order.role == Role::Addition => {
                    let quantity = known.line.quantity.saturating_add(line.quantity);
                    let means = known.means;
                    let line = Line { quantity, ..line };
                    known.become_(Bought::of(line, mapping, is_certain, means, policy));
                }
                Some(known) => {
                    if known.mapping.is_none() {
                        known.mapping = mapping;
                    }
                }
                None => self.bought.push(Bought {
                    ordered_at: Some(order.at),
                    ..Bought::of(line, mapping, is_certain, None, policy)
                }),
            }
        }
        self.unmapped.extend(order.unmapped);
    }

    /// Members of a bundle are never mentioned, add-ons only where add-ons are listed; and of a bundle that is no license
    /// itself nothing but the add-ons is.
    fn describe(&mut self, subscribed: &Subscribed, named: &Named, at: Timestamp, policy: &Policy) {
        let is_new = self.bought.is_empty();
        if is_new && self.role.is_some() {
            // It was described before it was bought.
            return;
        }
        let listed: Vec<Line> =
            subscribed.lines.iter().map(|line| self.as_bought(line.clone())).collect();
        let of_add_ons_only =
            subscribed.unmapped.is_empty() && listed.iter().all(|line| is_add_on(&line.key));
        let is_listed = |key: &str| listed.iter().any(|line| line.key == key);
        let is_kept = |key: &str| match (is_add_on(key), came_with_another(key)) {
            (true, _) => !subscribed.with_add_ons,
            (false, true) => true,
            (false, false) => of_add_ons_only,
        };
        let gone = |bought: &Bought| !is_listed(&bought.line.key) && !is_kept(&bought.line.key);
        let something_goes = self.bought.iter().any(gone);
        let (mut unmapped, mut whole) = (subscribed.unmapped.clone(), true);
        for line in &listed {
            let known = self.bought.iter().find(|bought| bought.line.key == line.key);
            let mapping = match line.key.as_str() {
                "-" => named.at(at).or_else(|| line.mapping.clone()),
                key => line
                    .mapping
                    .clone()
                    .or_else(|| known.and_then(|known| known.mapping.clone()))
                    .or_else(|| self.known.get(key).cloned()),
            };
            let means = known.and_then(|known| known.means);
            let is_certain = line.key != "-" || named.is_certain(at);
            let bought = Bought::of(line.clone(), mapping, is_certain, means, policy);
            match self.bought.iter_mut().find(|known| known.line.key == line.key) {
                Some(known) => known.become_(bought),
                None if bought.mapping.is_some() || is_new => self.bought.push(bought),
                // An add-on without a mapping needs no license, nor does a new line while all known lines stay.
                None if is_add_on(&line.key) || !something_goes => {}
                None => {
                    whole = false;
                    let problem = "the change does not say which Cryptlex product it is".to_owned();
                    unmapped.push(Unmapped { line: line.key.clone(), problem });
                }
            }
        }
        // A line that is not understood may have replaced any line that is not listed: keep them all.
        if whole && unmapped.is_empty() {
            self.bought.retain(|bought| !gone(bought));
        }
        self.unmapped.retain(|known| !unmapped.iter().any(|new| new.line == known.line));
        self.unmapped.extend(unmapped);
    }

    /// By the key that it was bought under. What came with something else is known by its own path, whatever that has become
    /// since.
    fn as_bought(&self, mut line: Line) -> Line {
        if !self.has(&line.key) {
            let is_it = |bought: &&Bought| {
                came_with_another(&bought.line.key)
                    && own_path(&bought.line.key) == own_path(&line.key)
            };
            if let Some(known) = self.bought.iter().find(is_it) {
                line.key.clone_from(&known.line.key);
            }
        }
        line
    }

    /// What became of products since, and how many of each there were at most.
    fn compare_with(&mut self, before: &BTreeSet<ProductId>) {
        let now = self.products();
        let is_replaced = now.difference(before).next().is_some();
        for product in before.difference(&now) {
            let gone = if is_replaced { Gone::Replaced } else { Gone::GivenUp };
            self.gone.insert(product.clone(), gone);
        }
        self.gone.retain(|product, _| !now.contains(product));
        let mut counts: BTreeMap<Option<ProductId>, u32> = BTreeMap::new();
        for bought in &self.bought {
            if let Some(mapping) = &bought.mapping {
                self.known.insert(bought.line.key.clone(), mapping.clone());
            }
            let product = bought.mapping.as_ref().map(|mapping| mapping.product.clone());
            let count = counts.entry(product).or_default();
            *count = count.saturating_add(bought.licenses);
        }
        for (product, count) in counts {
            let most = self.most.entry(product).or_default();
            *most = (*most).max(count);
        }
    }

    /// What is known of the purchase.
    pub(super) fn purchase(&self, payments: &[Payment]) -> Purchase {
        let is_paid = payments
            .iter()
            .any(|payment| payment.is_first || payment.one_more.is_some() || payment.end.is_some());
        match self.role {
            None => Purchase::Unknown,
            Some(_) if !is_paid => Purchase::Unpaid,
            Some(_) if self.is_foreign => Purchase::Foreign,
            Some(Role::Purchase) => Purchase::Known,
            Some(Role::OfAPayment) => Purchase::SeenByPayment,
            Some(Role::Addition) => Purchase::Known,
        }
    }

    /// How many licenses are bought.
    pub(super) fn count(&self) -> u64 {
        self.bought.iter().map(|bought| u64::from(bought.most)).sum()
    }

    /// Lines without a product that nobody else will name.
    pub(super) fn unmapped(&self) -> Vec<Unmapped> {
        self.unmapped.clone()
    }

    /// Every license that is paid for, parents before what was added to them.
    pub(super) fn seats(&self, subject: &Subject) -> Vec<Seat> {
        let mut lines: Vec<&Bought> = self.bought.iter().collect();
        lines.sort_by_key(|bought| bought.line.is_added());
        let mut seats = Vec::new();
        let mut room = MOST_SEATS;
        for bought in lines {
            let count = bought.most.min(room);
            room = room.saturating_sub(count);
            seats.extend((1..=count).map(|ordinal| Seat {
                slot: Slot::new(subject, &bought.line.key, ordinal),
                line: bought.line.clone(),
                mapping: bought.mapping.clone(),
                is_certain: bought.is_certain,
                is_spare: ordinal > bought.licenses,
                bought_at: bought.ordered_at,
                activations: bought.activations,
            }));
        }
        seats
    }
}

impl Bought {
    /// As it is bought from now on; of another product nothing was bought before.
    fn become_(&mut self, now: Self) {
        let product = |of: &Self| of.mapping.as_ref().map(|mapping| mapping.product.clone());
        let most = if product(self) == product(&now) { self.most.max(now.most) } else { now.most };
        *self = Self { most, ordered_at: self.ordered_at, ..now };
    }

    fn of(
        line: Line,
        mapping: Option<Mapping>,
        is_certain: bool,
        known: Option<QuantityMeans>,
        policy: &Policy,
    ) -> Self {
        let means = line.quantity_means.or(known);
        let (licenses, activations) = counted(line.quantity, means, policy);
        let (most, ordered_at) = (licenses, None);
        Self { line, mapping, licenses, most, activations, means, is_certain, ordered_at }
    }
}

/// How many licenses a quantity buys, and how many activations each. Of nothing there is no license, and its activations
/// are left alone: none means any number to Cryptlex.
pub(super) fn counted(
    quantity: u32,
    means: Option<QuantityMeans>,
    policy: &Policy,
) -> (u32, Option<u32>) {
    match means.unwrap_or(policy.quantity_means) {
        QuantityMeans::One => (quantity.min(1), None),
        QuantityMeans::Licenses => (quantity, None),
        QuantityMeans::Activations => (quantity.min(1), Some(quantity).filter(|n| *n > 0)),
    }
}

pub(super) fn is_add_on(key: &str) -> bool {
    key.starts_with("addon:")
}

pub(in crate::decide) fn came_with_another(key: &str) -> bool {
    is_add_on(key) || key.starts_with("bundle:")
}

pub(in crate::decide) fn own_path(key: &str) -> &str {
    let own = came_with_another(key).then(|| key.rsplit_once('/')).flatten();
    own.map_or(key, |(_, path)| path)
}
