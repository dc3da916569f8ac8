//! Where an expiry must be: never before the end of what was paid, never after it because of a duplicate.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::context::{Diff, is_later_payment};
use crate::cryptlex::License;
use crate::decide::step::Step;
use crate::domain::command::Term;
use crate::domain::entitlement::End;
use crate::domain::interval::{Interval, same_second, shifted, whole_second_from};
use crate::ledger::SubjectState;
use crate::providers::marks::DRIVER_KEY;

const DAY: SignedDuration = SignedDuration::from_hours(24);
/// A license that is made at once ends seconds after what was paid.
const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// Ends that were written last; more of one subject are not told apart.
const MOST_WRITTEN: usize = 8;

/// The ends of the licenses of one subject.
pub(super) struct Ends<'e> {
    diff: &'e Diff<'e>,
    parent: Option<&'e License>,
    /// The parent's end is not as it should be yet.
    parent_is_due: bool,
    /// The license that new ones end with: of those that were there before, the one that runs longest.
    model: Option<&'e License>,
    /// What was called for by now.
    written: BTreeSet<Timestamp>,
    /// Where licenses ended before grace moved them.
    before_grace: Option<Timestamp>,
}

impl<'e> Ends<'e> {
    pub(super) fn of(diff: &'e Diff<'e>) -> Self {
        let state = &diff.snapshot.state;
        let mut ends = Self {
            diff,
            parent: parent(diff),
            parent_is_due: false,
            model: None,
            written: state.written.clone(),
            before_grace: state.before_grace.filter(|_| diff.wanted.end.grace.is_some()),
        };
        let old = diff.snapshot.licenses.iter().filter(|license| {
            !ends.is_new(license) && !is_add_on(license) && !diff.is_replaced(license)
        });
        ends.model = old.max_by_key(|license| license.expires_at);
        ends.parent_is_due = ends.parent.is_some_and(|parent| ends.step(parent).is_some());
        ends
    }

    /// What is known once nothing is left to do.
    pub(super) fn remember(self, state: &mut SubjectState) {
        state.before_grace = self.before_grace;
        let counted = self.diff.wanted.end.one_more.as_ref().map(|it| it.order.clone());
        if !self.diff.snapshot.licenses.is_empty() {
            state.counted = counted;
        }
        let mut written = self.written;
        while written.len() > MOST_WRITTEN {
            written.pop_first();
        }
        state.written = written;
    }

    /// What is missing for the end of a license. One that shows none has none, or waits for its activation.
    pub(super) fn step(&mut self, license: &'e License) -> Option<Step> {
        let seat = self.diff.seating.seat_of(license);
        let is_added = seat.is_some_and(|seat| seat.line.is_added()) || is_add_on(license);
        if self.diff.seating.is_too_many(license) && !is_added {
            // It runs no longer than was paid, and is paid no more.
            let (date, expires_at) = (self.diff.wanted.end.date?, license.expires_at?);
            let is_late = expires_at > shifted(date, MINUTE);
            let is_cut = is_late && self.is_ours(license, expires_at, date);
            return is_cut.then(|| Step::expire(license, date));
        }
        let term = seat.map(|seat| &seat.line.term);
        match term {
            Some(Term::AsParent(_)) if self.parent.is_some() => return self.as_parent(license),
            None if is_add_on(license) => return self.as_parent(license),
            // Where its parent needs no license, an add-on has the end of the subscription.
            Some(Term::AsParent(_) | Term::Perpetual | Term::Template | Term::Every(_)) | None => {}
        }
        license.expires_at?;
        let end = &self.diff.wanted.end;
        let dated = end.date;
        if let Some(step) = self.one_more(license, end) {
            return Some(step);
        }
        // Bought after the end of everything that is paid with a date, it runs its own interval.
        let bought_at = seat.and_then(|seat| seat.bought_at);
        let own = bought_at.filter(|at| dated.is_some_and(|date| date < *at));
        let own = own.and_then(|at| one_interval(license, at, end.leeway));
        if let Some(own) = own {
            let expires_at = license.expires_at?;
            return self.untouched(license, expires_at, own);
        }
        let step = match dated {
            Some(date) => self.dated(license, date.max(end.grace.unwrap_or(date))),
            None => self.undated(license, end),
        };
        step.or_else(|| self.grace(license, end))
    }

    /// The date that the provider says.
    fn dated(&mut self, license: &License, date: Timestamp) -> Option<Step> {
        let expires_at = license.expires_at?;
        let paid = self.diff.wanted.end.date.unwrap_or(date);
        let latest = self.with_one_more(license, paid).max(date);
        let step = match () {
            () if expires_at < date => Some(self.later(license, expires_at, date)),
            () if expires_at > shifted(latest, MINUTE)
                && self.is_ours(license, expires_at, latest) =>
            {
                Some(Step::expire(license, latest))
            }
            () => None,
        };
        self.written.insert(date);
        step
    }

    /// An end with the interval that a payment without a date adds to it: what was added is not cut off again.
    fn with_one_more(&self, license: &License, ends: Timestamp) -> Timestamp {
        let end = &self.diff.wanted.end;
        let added = || {
            let charged_at = end.one_more.as_ref()?.charged_at;
            let (to, _) = renewed(&license.interval()?, ends, charged_at, end.leeway)?;
            Some(to)
        };
        added().unwrap_or(ends)
    }

    /// `POST /renew` is used where one interval leads there, because Cryptlex tells customers about renewals.
    fn later(&self, license: &License, expires_at: Timestamp, date: Timestamp) -> Step {
        let is_payment = self.diff.snapshot.state.facts.unsettled().any(is_later_payment)
            || self.diff.asked.own.iter().any(is_later_payment);
        // Days of grace are no renewal.
        let is_paid = self.diff.wanted.end.date == Some(date);
        let interval = license.interval().filter(|_| is_payment && is_paid);
        let next = interval.and_then(|interval| interval.after(expires_at));
        let leads_there = next.is_some_and(|next| next >= date && next <= shifted(date, DAY));
        match leads_there {
            true => Step::Renew { license: license.id.clone(), from: expires_at },
            false => Step::expire(license, date),
        }
    }

    /// Whether an end that is too late is one that nobody meant: written by us, or that the license was made with. Where it is
    /// late by less than a day, an expiry near that one may be meant, too.
    fn is_ours(&self, license: &License, expires_at: Timestamp, date: Timestamp) -> bool {
        let near = if expires_at > shifted(date, DAY) { DAY } else { MINUTE };
        let leeway = self.diff.wanted.end.leeway;
        let mut written = self.written.iter().chain(self.called_for());
        written.any(|written| *written > date && within(expires_at, *written, near.min(MINUTE)))
            || has_first_expiry(license, expires_at, leeway, near)
    }

    fn called_for(&self) -> impl Iterator<Item = &Timestamp> {
        self.diff.before.iter().flat_map(|before| [&before.end.date, &before.end.grace]).flatten()
    }

    /// One interval from the purchase, and one more for each payment that does not say until when.
    fn undated(&mut self, license: &'e License, end: &End) -> Option<Step> {
        let expires_at = license.expires_at?;
        if self.is_new(license)
            && let Some(model) = self.model.filter(|model| model.id != license.id)
        {
            // Where a payment adds an interval to both, it is not cut off again.
            let end = self.with_one_more(license, model.expires_at?);
            let differs = !same_second(expires_at, end)
                && has_first_expiry(license, expires_at, self.diff.wanted.end.leeway, DAY);
            return differs.then(|| Step::expire(license, end));
        }
        let first = end.bought_at.and_then(|at| one_interval(license, at, end.leeway));
        let first = first.map(|first| self.with_one_more(license, first));
        first.and_then(|first| self.untouched(license, expires_at, first))
    }

    /// A payment counts once that does not say until when it pays.
    fn one_more(&self, license: &License, end: &End) -> Option<Step> {
        let counted = self.diff.snapshot.state.counted.as_ref();
        let one_more = end.one_more.as_ref().filter(|it| counted != Some(&it.order))?;
        self.renewed_once(license, one_more.charged_at, end)
    }

    /// Of a license that nobody has moved since it was made.
    fn untouched(
        &mut self,
        license: &License,
        expires_at: Timestamp,
        end: Timestamp,
    ) -> Option<Step> {
        let is_settled = self.written.iter().any(|written| within(expires_at, *written, MINUTE));
        let is_untouched = first_expiry(license).is_some_and(|it| within(expires_at, it, MINUTE));
        let moves = is_untouched && !is_settled && !within(expires_at, end, MINUTE);
        self.written.insert(end);
        moves.then(|| Step::expire(license, end))
    }

    /// One interval, for licenses that were about to end. Days of grace are not paid for: the interval counts from where the
    /// license ended before them.
    fn renewed_once(&self, license: &License, charged_at: Timestamp, end: &End) -> Option<Step> {
        let (expires_at, leeway) = (license.expires_at?, end.leeway);
        let is_graced = end.grace.is_some_and(|until| same_second(until, expires_at));
        let before_grace = end.date.or(self.diff.snapshot.state.before_grace);
        let before_grace = before_grace.filter(|_| is_graced);
        let ended_at = before_grace.unwrap_or(expires_at);
        let (to, in_time) = renewed(&license.interval()?, ended_at, charged_at, leeway)?;
        match expires_at < to {
            true if in_time && before_grace.is_none() => {
                Some(Step::Renew { license: license.id.clone(), from: expires_at })
            }
            true => Some(Step::expire(license, to)),
            false => None,
        }
    }

    /// The days of grace of a license whose end no date tells.
    fn grace(&mut self, license: &License, end: &End) -> Option<Step> {
        let until = end.grace.filter(|_| end.date.is_none())?;
        let expires_at = license.expires_at?;
        let ended = *self.before_grace.get_or_insert(expires_at);
        let target = until.max(ended);
        let wrong = expires_at < target
            || (expires_at > target && self.called_for().any(|it| same_second(*it, expires_at)));
        wrong.then(|| Step::expire(license, target))
    }

    /// An add-on ends with what it was added to, also where it shows no end.
    fn as_parent(&self, license: &'e License) -> Option<Step> {
        // Never after an end that is to be moved itself.
        let parent = self.parent.filter(|parent| parent.id != license.id && !self.parent_is_due);
        let end = parent?.expires_at?;
        let Some(expires_at) = license.expires_at else {
            return license.interval().is_none().then(|| Step::expire(license, end));
        };
        let is_late = expires_at > shifted(end, MINUTE) && self.is_ours(license, expires_at, end);
        (expires_at < end && !same_second(expires_at, end) || is_late)
            .then(|| Step::expire(license, end))
    }

    /// Made for what the settled facts did not call for: it takes its end from those that were there.
    fn is_new(&self, license: &License) -> bool {
        let Some(seat) = self.diff.seating.seat_of(license) else { return false };
        let settled = self.diff.before.first();
        settled.is_some_and(|settled| {
            !settled.seats.is_empty() && settled.seats.iter().all(|known| known.slot != seat.slot)
        })
    }
}

/// The license that add-ons take after: of the same subscription, and no add-on itself. A bundle's members are as good
/// as a product of its own, the renewing ones first.
pub(super) fn parent<'d>(diff: &Diff<'d>) -> Option<&'d License> {
    let candidates = diff.current().filter(|license| !is_add_on(license));
    candidates.min_by_key(|license| {
        let is_plain = license.metadata(DRIVER_KEY).is_none();
        (license.is_revoked(), !is_plain, license.interval().is_none(), license.created_at)
    })
}

fn is_add_on(license: &License) -> bool {
    license.metadata(DRIVER_KEY).is_some_and(|driver| driver.starts_with("addon_"))
}

/// One interval from when it was bought, however late its license is. What is sent again by hand may carry a newer time, so
/// nothing counts from after the license was made.
fn one_interval(
    license: &License,
    bought_at: Timestamp,
    leeway: SignedDuration,
) -> Option<Timestamp> {
    let from = bought_at.min(license.created_at?);
    Some(shifted(whole_second_from(license.interval()?.after(from)?), leeway))
}

/// Where one interval more leads from an end, and whether the license had not lapsed before. `None` if it was not about to end.
fn renewed(
    interval: &Interval,
    ended_at: Timestamp,
    charged_at: Timestamp,
    leeway: SignedDuration,
) -> Option<(Timestamp, bool)> {
    let length = interval.length_from(charged_at)?;
    if ended_at >= shifted(charged_at, length / 4) {
        return None;
    }
    let end = interval.after(charged_at)?;
    let next = interval.after(ended_at)?;
    // Nearly a whole interval of it is ahead.
    let in_time = next >= shifted(end, -(length / 8));
    Some((if in_time { next } else { shifted(end, leeway) }, in_time))
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
