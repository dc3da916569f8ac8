//! The lines of a subscription by their keys: what each bought, and of which of them a change speaks.

use std::collections::BTreeSet;

use super::holders::Slots;
use crate::command::{Line, QuantityMeans, Subject, Subscribed};
use crate::config::Policy;
use crate::ids::ProductId;
use crate::ledger::{Bought, SubjectState};
use crate::snapshot::Snapshot;

/// What a line buys of its product. Where the line does not say what its quantity means, it means what it meant when the
/// line was `known` last.
pub(super) fn bought(
    line: &Line,
    product: ProductId,
    known: Option<&Bought>,
    policy: &Policy,
) -> Bought {
    let means = line.quantity_means.or(known.and_then(|known| known.means));
    let (licenses, activations) = counted(line.quantity, means, policy);
    let since = known.and_then(|known| known.since);
    Bought { product, licenses, activations, means, since }
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

/// Whether the licenses are for these lines already, as far as the ledger knows.
pub(super) fn are_known(subscribed: &Subscribed, state: &SubjectState, policy: &Policy) -> bool {
    let subscribed = as_bought(subscribed, &state.lines.keys().map(String::as_str).collect());
    let of_line = |line: &Line| {
        let known = state.lines.get(&line.key);
        let wanted = line.mapping.as_ref().map(|mapping| &mapping.product);
        known.is_some_and(|known| {
            wanted.is_none_or(|wanted| *wanted == known.product)
                && *known == bought(line, known.product.clone(), Some(known), policy)
        })
    };
    let mentioned = |key: &String| subscribed.lines.iter().any(|line| line.key == *key);
    !state.lines.is_empty()
        && subscribed.unmapped.is_empty()
        && subscribed.lines.iter().all(of_line)
        && state.lines.keys().all(|key| mentioned(key) || is_kept(key, &subscribed))
}

/// The keys of a subject's lines, as the ledger or the licenses tell them.
pub(super) fn keys<'s>(
    subject: &Subject,
    slots: &Slots<'s>,
    snapshot: &'s Snapshot,
) -> BTreeSet<&'s str> {
    let bought = snapshot.state.lines.keys().map(String::as_str);
    let slots = snapshot.licenses.iter().filter_map(|license| slots.of(license));
    bought.chain(slots.filter_map(|slot| line_of(slot, subject))).collect()
}

/// The same lines by the keys that they were bought under. What came with something else is known by its own path,
/// whatever that has become since.
pub(super) fn as_bought(subscribed: &Subscribed, keys: &BTreeSet<&str>) -> Subscribed {
    let mut subscribed = subscribed.clone();
    for line in &mut subscribed.lines {
        let is_it = |key: &&&str| came_with_another(key) && own_path(key) == own_path(&line.key);
        if !keys.contains(line.key.as_str())
            && let Some(key) = keys.iter().find(is_it)
        {
            line.key = (*key).to_owned();
        }
    }
    subscribed
}

/// Whether a change that does not mention a line leaves it as it is. Members of a bundle are never mentioned, add-ons only
/// where add-ons are listed; and of a bundle that is no license itself nothing but the add-ons is.
pub(super) fn is_kept(key: &str, subscribed: &Subscribed) -> bool {
    if subscribed.lines.iter().any(|line| line.key == key) {
        return false;
    }
    match (is_add_on(key), came_with_another(key)) {
        (true, _) => !subscribed.with_add_ons,
        (false, true) => true,
        (false, false) => speaks_of_add_ons_only(subscribed),
    }
}

pub(super) fn speaks_of_add_ons_only(subscribed: &Subscribed) -> bool {
    subscribed.unmapped.is_empty() && subscribed.lines.iter().all(|line| is_add_on(&line.key))
}

pub(super) fn is_add_on(key: &str) -> bool {
    key.starts_with("addon:")
}

fn came_with_another(key: &str) -> bool {
    is_add_on(key) || key.starts_with("bundle:")
}

fn own_path(key: &str) -> &str {
    let own = came_with_another(key).then(|| key.rsplit_once('/')).flatten();
    own.map_or(key, |(_, path)| path)
}

pub(super) fn line_of<'s>(slot: &'s str, subject: &Subject) -> Option<&'s str> {
    let own = format!("{}/{}/", subject.provider, subject.id);
    slot.strip_prefix(&own)?.rsplit_once('/').map(|(line, _)| line)
}

pub(super) fn ordinal_of(slot: &str) -> Option<u32> {
    slot.rsplit_once('/')?.1.parse().ok()
}
