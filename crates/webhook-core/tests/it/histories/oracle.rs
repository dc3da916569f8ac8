//! What Cryptlex must hold, computed from the state at the provider and the vendor's settings alone.

use std::collections::BTreeMap;

use devkit::sandbox::License;
use devkit::sign::Provider;
use jiff::{SignedDuration, Timestamp};

use super::bodies::{
    FASTSPRING_SUBSCRIPTION, ONE_TIME_PRICE, PADDLE_SUBSCRIPTION, STRIPE_SUBSCRIPTION,
    line_and_owner, transaction,
};
use super::life::{Life, Payment, What};
use crate::support::licenses::slot_of;
use crate::support::vendor::{AtTheEnd, Quantity};

const DAY: SignedDuration = SignedDuration::from_hours(24);
const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// One license as it must be.
#[derive(Debug)]
struct Expected {
    /// Not before the first, not after the second; `None` for one that never ends.
    ends: Option<(Timestamp, Timestamp)>,
    /// `None` where it is legitimately either.
    suspended: Option<bool>,
    revoked: bool,
    activations: i64,
    owner: &'static str,
    /// Whether it may be missing, or have the one activation of a checkout whose invoice did not count any more.
    optional: bool,
}

/// Compares what is there with what must be.
///
/// `end_overtook`: the end was told before something that is older than it. What is older has no effect any more then
/// (design, section 5, time order), so what it paid for does not count, and what it bought may not be there. The flags
/// of the end are the same in any order.
pub(super) fn judge(
    life: &Life,
    licenses: &[License],
    users: usize,
    end_overtook: bool,
) -> Result<(), String> {
    let expected = expected(life, end_overtook);
    let mut held: BTreeMap<String, &License> = BTreeMap::new();
    for license in licenses {
        let slot = slot_of(license).unwrap_or("-").to_owned();
        if !expected.contains_key(&slot) {
            return Err(format!("{slot} is a license that nobody bought, or one that was deleted"));
        }
        if held.insert(slot.clone(), license).is_some() {
            return Err(format!("{slot} is there twice"));
        }
    }
    for (slot, expected) in &expected {
        match held.get(slot) {
            Some(license) => {
                compare(license, expected).map_err(|what| format!("{slot}: {what}"))?;
            }
            None if expected.optional => {}
            None => return Err(format!("{slot} is not there")),
        }
    }
    let nobody_yet = end_overtook && licenses.is_empty();
    match users {
        1 => Ok(()),
        0 if nobody_yet => Ok(()),
        _ => Err(format!("{users} users instead of one")),
    }
}

fn compare(license: &License, expected: &Expected) -> Result<(), String> {
    let on_time = match (license.expires_at, expected.ends) {
        (None, None) => true,
        (Some(end), Some((from, to))) => from <= end && end <= to,
        (_, _) => false,
    };
    let owner = license.user.as_ref().map(|user| user.email.as_str());
    let fitting = on_time
        && expected.suspended.is_none_or(|suspended| suspended == license.suspended)
        && license.revoked == expected.revoked
        && (license.allowed_activations == expected.activations
            || (expected.optional && license.allowed_activations == 1))
        && owner == Some(expected.owner);
    if fitting {
        return Ok(());
    }
    let end = |end: Option<Timestamp>| end.map_or("never".to_owned(), |end| end.to_string());
    let ends = expected.ends.map(|(from, to)| format!("{from} to {to}"));
    Err(format!(
        "is until {}, suspended {}, revoked {}, {} activations, of {owner:?}; must be until {}, {expected:?}",
        end(license.expires_at),
        license.suspended,
        license.revoked,
        license.allowed_activations,
        ends.unwrap_or_else(|| "never".to_owned()),
    ))
}

fn expected(life: &Life, end_overtook: bool) -> BTreeMap<String, Expected> {
    let (sketch, standing) = (&life.sketch, &life.standing);
    let policy = sketch.policy;
    let mut all = BTreeMap::new();
    let [line, owner] = line_and_owner(sketch);
    let (provider, subscription) = match sketch.provider {
        Provider::Stripe => ("stripe", STRIPE_SUBSCRIPTION),
        Provider::Fastspring => ("fastspring", FASTSPRING_SUBSCRIPTION),
        Provider::Paddle => ("paddle", PADDLE_SUBSCRIPTION),
    };
    let (count, ever, activations) = match policy.quantity {
        Quantity::One => (1, 1, 1),
        Quantity::Licenses => (standing.seats, standing.most_seats, 1),
        Quantity::Activations => (1, 1, i64::from(standing.seats)),
    };
    let deleted = standing.ended && policy.at_the_end == AtTheEnd::Delete;
    let suspended = standing.paused
        || (standing.first_failure.is_some() && policy.grace_days == 0)
        || standing.refunded.is_some()
        || standing.disputed.is_some()
        || (standing.ended && policy.at_the_end == AtTheEnd::Suspend);
    let older_is_lost = standing.ended && end_overtook;
    let sure_of_suspension = !older_is_lost || policy.at_the_end == AtTheEnd::Suspend;
    let (from, to) = ends(life, older_is_lost);
    for ordinal in (1..=ever).filter(|_| !deleted) {
        // Seats that were given up are kept for the next ones who sit down. Nobody made them if the time when there were
        // more of them was told too late.
        let is_spare = ordinal > count;
        all.insert(
            format!("{provider}/{subscription}/{line}/{ordinal}"),
            Expected {
                ends: Some(if is_spare { (Timestamp::MIN, to) } else { (from, to) }),
                suspended: sure_of_suspension.then_some(suspended || is_spare),
                revoked: standing.ended && policy.at_the_end == AtTheEnd::Revoke,
                activations,
                owner,
                optional: older_is_lost || is_spare,
            },
        );
    }
    // What is bought once is no part of the subscription: it neither pauses nor ends with it. What was bought in one
    // transaction with it goes back with that.
    let reversed = standing.first_refunded || standing.disputed == Some(Payment::First);
    let beside = (1..=standing.bought_beside).map(|number| (transaction(number), false));
    let once = beside.chain(sketch.one_time.then(|| (transaction(0), reversed)));
    for (transaction, suspended) in once {
        all.insert(
            format!("paddle/{transaction}/{ONE_TIME_PRICE}/1"),
            Expected {
                ends: None,
                suspended: Some(suspended),
                revoked: false,
                activations: 1,
                owner,
                optional: false,
            },
        );
    }
    all
}

/// Never shorter than paid; longer by what the design lets the license's own interval decide.
///
/// The first period is counted from the creation of the license, so it ends later by as much as Cryptlex's clock was
/// ahead. A renewal adds an interval where that leads to the end of what was paid, or past it by a day at most; where
/// neither hours of leeway, another day of the month nor days of grace moved the expiry, by no more than before.
fn ends(life: &Life, older_is_lost: bool) -> (Timestamp, Timestamp) {
    let (sketch, standing) = (&life.sketch, &life.standing);
    let policy = sketch.policy;
    let leeway = SignedDuration::from_hours(policy.leeway_hours);
    let grace = SignedDuration::from_hours(policy.grace_days * 24);
    let ever_failed = life.events.iter().any(|event| event.what == What::Failed);
    let moved = standing.shifted || policy.leeway_hours > 0 || ever_failed;
    let longer = MINUTE + if moved { DAY } else { sketch.lag };
    let mut from = standing.paid_through + leeway;
    let mut to = from + longer;
    if let Some(failure) = standing.first_failure.filter(|_| policy.grace_days > 0) {
        from = from.max(failure + grace);
        to = to.max(failure + grace + MINUTE);
    }
    if older_is_lost {
        from = standing.first_through + leeway;
        // The interval of a product is not yet cut to what was paid while its first invoice is missing.
        let a_year = SignedDuration::from_hours(366 * 24);
        to = to.max(sketch.start + sketch.lag + leeway + a_year + DAY);
    }
    (from, to)
}
