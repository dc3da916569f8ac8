//! Compares the licenses at the sandbox with what is owed.

use std::collections::BTreeMap;

use devkit::sandbox::License;

use super::life::Life;
use super::owed::{Owed, State, owed};
use crate::support::licenses::slot_of;

/// What is wrong, or nothing.
///
/// `in_order`: each event was told when it happened. In any other order licenses of what is over by now, or replaced,
/// need not have been made.
pub(super) fn judge(
    life: &Life,
    licenses: &[License],
    users: usize,
    in_order: bool,
) -> Result<(), String> {
    let (owner, owed) = owed(life);
    let mut held: BTreeMap<usize, Vec<&License>> = BTreeMap::new();
    for license in licenses {
        held.entry(product(license)).or_default().push(license);
    }
    for owed in &owed {
        let mut licenses = held.remove(&owed.product).unwrap_or_default();
        licenses.sort_by_key(|license| (ordinal(license), license.created_at));
        let told = |what: String| format!("product {}: {what}\nowed: {owed:?}", owed.product);
        one_product(owed, &licenses, owner, in_order).map_err(told)?;
    }
    if let Some(product) = held.keys().next() {
        return Err(format!("there are licenses of product {product}, which nobody bought"));
    }
    match users {
        1 => Ok(()),
        0 if licenses.is_empty() => Ok(()),
        _ => Err(format!("{users} users instead of one")),
    }
}

fn one_product(
    owed: &Owed,
    licenses: &[&License],
    owner: &str,
    in_order: bool,
) -> Result<(), String> {
    let there = licenses.len();
    let least = match owed.state {
        State::Deleted => 0,
        _ if in_order && owed.all_kept => owed.count + owed.spare,
        _ if !in_order && owed.over => 0,
        State::Works | State::Suspended(_) | State::Revoked | State::Anyhow => owed.count,
    };
    let most = match owed.state {
        State::Deleted => 0,
        // A change may be told before what it changes: what it seemed to call for meanwhile is over with the rest.
        _ if !in_order && owed.over => there,
        State::Works | State::Suspended(_) | State::Revoked | State::Anyhow => {
            owed.count + owed.spare
        }
    };
    if there < least || there > most {
        return Err(format!("{there} licenses instead of {least} to {most}"));
    }
    for (place, license) in licenses.iter().enumerate() {
        let is_spare = place >= owed.count;
        let fits = fits(owed, license, is_spare) && owns(license, owner);
        if !fits {
            let kind = if is_spare { "a spare one" } else { "one that is owed" };
            return Err(format!("number {}, {kind}, is {}", ordinal(license), shown(license)));
        }
    }
    Ok(())
}

fn fits(owed: &Owed, license: &License, is_spare: bool) -> bool {
    let License { suspended, revoked, .. } = *license;
    let (from, to) = owed.ends;
    let flags = match owed.state {
        State::Anyhow | State::Suspended(None) => true,
        State::Revoked => revoked || (is_spare && suspended),
        State::Deleted => false,
        _ if is_spare => suspended || revoked,
        State::Suspended(Some(wanted)) => suspended == wanted && !revoked,
        State::Works => !suspended && !revoked,
    };
    // What does not work, and will not again, may end whenever it did.
    let is_on_time = match license.expires_at {
        _ if owed.over => true,
        Some(end) if is_spare => end <= to,
        Some(end) => from <= end && end <= to,
        None => false,
    };
    let activations = license.allowed_activations;
    let has_seats = is_spare || owed.over || activations == owed.activations;
    flags && is_on_time && has_seats
}

fn owns(license: &License, owner: &str) -> bool {
    license.user.as_ref().is_some_and(|user| user.email == owner)
}

/// The products of the sandbox are told apart by their last digit.
fn product(license: &License) -> usize {
    let digit = license.product_id.chars().last().and_then(|digit| digit.to_digit(10));
    digit.and_then(|digit| usize::try_from(digit).ok()).unwrap()
}

fn ordinal(license: &License) -> u32 {
    let number = slot_of(license).and_then(|slot| slot.rsplit('/').next());
    number.and_then(|number| number.parse().ok()).unwrap_or(1)
}

/// Everything of a license that matters here.
pub(super) fn shown(license: &License) -> String {
    format!(
        "of product {} until {:?}{}{}, {} activations, of {}",
        product(license),
        license.expires_at,
        if license.suspended { ", suspended" } else { "" },
        if license.revoked { ", revoked" } else { "" },
        license.allowed_activations,
        license.user.as_ref().map_or("nobody", |user| user.email.as_str()),
    )
}
