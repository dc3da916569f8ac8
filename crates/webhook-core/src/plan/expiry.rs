//! Where an expiry must be: never before the end of what was paid, never after it because of a duplicate.

use jiff::{SignedDuration, Timestamp};

use super::step::Step;
use crate::cryptlex::License;
use crate::interval::{same_second, shifted, whole_second_from};

const DAY: SignedDuration = SignedDuration::from_hours(24);
/// A license that is made at once ends seconds after what was paid.
const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// A later payment paid until `end`.
///
/// `POST /renew` is used where one interval leads there, because Cryptlex tells customers about renewals;
/// everything else (lapsed, moved by grace, another period) is set to the date.
pub(super) fn renewed(license: &License, end: Timestamp) -> Option<Step> {
    let expires_at = license.expires_at?;
    if expires_at >= end {
        return None;
    }
    match one_interval_later(license, expires_at) {
        Some((next, length)) => {
            let earliest = shifted(end, -(length / 8));
            let latest = shifted(end, (length / 8).min(DAY));
            let leads_there = earliest <= next && next <= latest;
            Some(if leads_there { renew(license, expires_at) } else { Step::expire(license, end) })
        }
        None => Some(Step::expire(license, end)),
    }
}

/// A later payment that does not say until when: one interval, for licenses that were about to end.
///
/// Days of grace are not paid for: the interval counts from where the license ended before them.
pub(super) fn renewed_once(
    license: &License,
    before_grace: Option<Timestamp>,
    charged_at: Timestamp,
    leeway: SignedDuration,
) -> Option<Step> {
    let expires_at = license.expires_at?;
    let ended_at = before_grace.unwrap_or(expires_at);
    let interval = license.interval()?;
    let length = interval.length_from(charged_at)?;
    if ended_at >= shifted(charged_at, length / 4) {
        return None;
    }
    let end = interval.after(charged_at)?;
    let next = interval.after(ended_at)?;
    // Nearly a whole interval of it is ahead: the license was not lapsed.
    let in_time = next >= shifted(end, -(length / 8));
    let to = if in_time { next } else { shifted(end, leeway) };
    match expires_at < to {
        true if in_time && before_grace.is_none() => Some(renew(license, expires_at)),
        true => Some(Step::expire(license, to)),
        false => None,
    }
}

/// A license that a later payment was too early for: made after it, it runs as long as that paid.
pub(super) fn at_least(license: &License, end: Timestamp) -> Option<Step> {
    (license.expires_at? < end).then(|| Step::expire(license, end))
}

/// The first payment, or the trial, lasts until `end`.
///
/// A license that ends later is cut only while it still has the expiry that it was made with, or that was `presumed`:
/// after that somebody meant it. Where it is late by less than a day, an expiry near that one may be meant, too.
pub(super) fn first(
    license: &License,
    presumed: Option<Timestamp>,
    end: Timestamp,
    leeway: SignedDuration,
) -> Option<Step> {
    let expires_at = license.expires_at?;
    let too_early = expires_at < end;
    let near = if expires_at > shifted(end, DAY) { DAY } else { MINUTE };
    let is_presumed = presumed.is_some_and(|presumed| within(expires_at, presumed, near));
    let too_late = expires_at > shifted(end, MINUTE)
        && (is_presumed || has_first_expiry(license, expires_at, leeway, near));
    (too_early || too_late).then(|| Step::expire(license, end))
}

/// A purchase that does not say until when it pays: one interval from when it was made, however late its license is.
///
/// What is sent again by hand may carry a newer time, so nothing counts from after the license was made.
pub(super) fn one_interval(
    license: &License,
    bought_at: Timestamp,
    leeway: SignedDuration,
) -> Option<Timestamp> {
    let from = bought_at.min(license.created_at?);
    Some(shifted(whole_second_from(license.interval()?.after(from)?), leeway))
}

/// The same for a license that nobody has moved since it was made: to `end`, once. Told again, the purchase has no other.
pub(super) fn untouched(
    license: &License,
    presumed: Option<Timestamp>,
    end: Timestamp,
) -> Option<Step> {
    let expires_at = license.expires_at?;
    let is_settled = presumed.is_some_and(|presumed| within(expires_at, presumed, MINUTE));
    let is_untouched = within(expires_at, first_expiry(license)?, MINUTE);
    (is_untouched && !is_settled && !within(expires_at, end, MINUTE))
        .then(|| Step::expire(license, end))
}

/// A license of an add-on ends with the license that it was added to.
pub(super) fn as_parent(
    license: &License,
    parent: &License,
    leeway: SignedDuration,
) -> Option<Step> {
    let expires_at = license.expires_at?;
    let end = parent.expires_at?;
    let differs =
        !same_second(expires_at, end) && has_first_expiry(license, expires_at, leeway, DAY);
    differs.then(|| Step::expire(license, end))
}

/// An add-on that was made before its parent had a license, as its own template says.
pub(super) fn orphan(
    license: &License,
    parent: &License,
    renewed_until: Option<Timestamp>,
    leeway: SignedDuration,
) -> Option<Step> {
    if license.created_at <= parent.created_at
        && let Some(step) = as_parent(license, parent, leeway)
    {
        return Some(step);
    }
    let endless = license.expires_at.is_none() && license.interval().is_none();
    let end = parent.expires_at.filter(|_| endless)?;
    Some(Step::expire(license, renewed_until.map_or(end, |later| later.max(end))))
}

fn renew(license: &License, from: Timestamp) -> Step {
    Step::Renew { license: license.id.clone(), from }
}

fn one_interval_later(license: &License, start: Timestamp) -> Option<(Timestamp, SignedDuration)> {
    let interval = license.interval()?;
    Some((interval.after(start)?, interval.length_from(start)?))
}

fn first_expiry(license: &License) -> Option<Timestamp> {
    license.interval()?.after(license.created_at?)
}

fn has_first_expiry(
    license: &License,
    expires_at: Timestamp,
    leeway: SignedDuration,
    near: SignedDuration,
) -> bool {
    first_expiry(license).is_some_and(|first| {
        within(expires_at, first, near) || within(expires_at, shifted(first, leeway), near)
    })
}

fn within(a: Timestamp, b: Timestamp, distance: SignedDuration) -> bool {
    a.duration_since(b).abs() <= distance
}
