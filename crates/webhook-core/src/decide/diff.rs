//! Which writes are missing, so that Cryptlex holds what a subject is entitled to.
//!
//! Cryptlex is the truth. A license is judged by what it shows and by what the facts called for before; what somebody did
//! by hand is left alone unless a new fact says otherwise. At most one step for each license, end before status: whoever
//! applies the steps takes the answers in and asks again, until nothing is left.

mod context;
mod creation;
mod ends;
mod seating;

use std::collections::{BTreeMap, BTreeSet};

use super::fold::fold;
use super::plan::{Plan, Refused};
use super::step::Step;
use crate::cryptlex::License;
use crate::decide::snapshot::Snapshot;
use crate::domain::command::{Concern, Slot, Subject, Unmapped};
use crate::domain::entitlement::{Entitlements, Gone, Seat};
use crate::domain::ids::LicenseId;
use crate::domain::policy::{AtTheEnd, Policy};
use crate::ledger::{Capacity, SubjectState};
use crate::providers::marks::SLOT_KEY;
pub(super) use context::Asked;
use context::Diff;
use context::fits;
use ends::Ends;
use seating::Seating;

/// The states that Cryptlex may show: what the settled facts call for, and what each later commit did.
pub(super) fn states_of(
    subject: &Subject,
    state: &SubjectState,
    policy: &Policy,
) -> Vec<Entitlements> {
    let facts = &state.facts;
    facts.states_before().map(|commit| fold(subject, facts.until(commit), policy)).collect()
}

/// The missing steps, and what is known once there are none.
pub(super) fn plan(
    asked: &Asked<'_>,
    wanted: &Entitlements,
    before: &[Entitlements],
    snapshot: &Snapshot,
    policy: &Policy,
) -> Result<Plan, Refused> {
    let settled = std::slice::from_ref(wanted);
    let before = if before.is_empty() { settled } else { before };
    let diff = Diff {
        asked,
        snapshot,
        policy,
        wanted,
        before,
        seating: Seating::of(asked.subject, wanted, snapshot, before),
        seated_before: before
            .iter()
            .map(|of| Seating::of(asked.subject, of, snapshot, &[]))
            .collect(),
    };
    diff.plan()
}

impl<'d> Diff<'d> {
    fn plan(&self) -> Result<Plan, Refused> {
        let mut plan = Plan { state: self.snapshot.state.clone(), ..Plan::default() };
        self.seating.remember(&mut plan.state.slots);
        let filled = &plan.state.slots;
        plan.state.gone.retain(|slot| !filled.contains_key(slot));
        plan.unmapped = self.unmapped();
        if self.says_what_is_bought() {
            fits(self.asked.subject, self.wanted.count, Capacity::LARGEST)?;
        }
        if self.is_over() {
            self.ended(&mut plan);
            return Ok(plan);
        }
        let missing = self.create(&mut plan)?;
        let mut ends = Ends::of(self);
        for license in self.current() {
            let step = ends.step(license);
            let step = step.or_else(|| self.activations(license));
            plan.steps.extend(step.or_else(|| self.status(license)));
        }
        ends.remember(&mut plan.state);
        if !missing && plan.steps.is_empty() {
            if self.snapshot.state.deleted && !self.snapshot.licenses.is_empty() {
                plan.concern = Some(Concern::MadeAgain);
            }
            plan.state.deleted = false;
            self.replaced(&mut plan);
            // What somebody revokes from now on, they revoke by hand.
            let licenses = &self.snapshot.licenses;
            let runs = |id: &LicenseId| licenses.iter().any(|it| it.id == *id && !it.is_revoked());
            if plan.steps.is_empty() {
                plan.state.revoked.retain(|id| !runs(id));
            }
        }
        if !plan.unmapped.is_empty() {
            plan.concern = Some(Concern::Unmapped);
        }
        Ok(plan)
    }

    /// What the event itself lacks. What older facts lack never fails a newer event.
    fn unmapped(&self) -> Vec<Unmapped> {
        let own = |line: &str| {
            self.asked.own.iter().any(|fact| {
                let is_it = |unmapped: &Unmapped| unmapped.line == line;
                let ordered = fact.ordered().is_some_and(|it| it.unmapped.iter().any(is_it));
                ordered
                    || fact.subscribed().is_some_and(|it| {
                        it.unmapped.iter().any(is_it) || it.lines.iter().any(|it| it.key == line)
                    })
            })
        };
        let has_licenses = !self.snapshot.licenses.is_empty();
        if self.wanted.names_nothing && has_licenses {
            return Vec::new();
        }
        let all = self.wanted.unmapped.iter().filter(|unmapped| own(&unmapped.line)).cloned();
        // Of a change: another event says which product a purchase is.
        let is_change = !self.asked.is_purchase && has_licenses;
        let unresolved = self.seating.unresolved().filter(|it| is_change && own(&it.line));
        all.chain(unresolved).collect()
    }

    fn is_over(&self) -> bool {
        self.wanted.the_end != AtTheEnd::Nothing
    }

    /// By policy, once: what somebody did by hand after the end stays.
    fn ended(&self, plan: &mut Plan) {
        let was_over = self.before.first().is_some_and(|before| before.over.is_some());
        if was_over && self.before.len() <= 1 && self.is_seen_ended() {
            return;
        }
        for license in &self.snapshot.licenses {
            plan.steps.extend(at_the_end(license, self.wanted.the_end));
            // What somebody revoked before it stays so.
            if self.wanted.the_end == AtTheEnd::Revoke && !license.is_revoked() {
                plan.state.revoked.insert(license.id.clone());
            }
        }
        if self.wanted.the_end == AtTheEnd::Delete {
            plan.state.deleted = true;
            plan.state.slots.clear();
        }
    }

    /// Whether the settled facts called for this end.
    fn is_seen_ended(&self) -> bool {
        self.snapshot.state.facts.are_settled()
            || self.before.first().is_some_and(|before| {
                before.over >= self.wanted.over && before.the_end == self.wanted.the_end
            })
    }

    /// A product that another one took the place of ends once its successor is there; what was paid is never deleted.
    fn replaced(&self, plan: &mut Plan) {
        let was_replaced = |license: &License| {
            let settled = self.before.first();
            settled.zip(license.product_id.as_ref()).is_some_and(|(settled, product)| {
                settled.gone.get(product) == Some(&Gone::Replaced)
            }) && self.snapshot.state.facts.are_settled()
        };
        for license in self.snapshot.licenses.iter().filter(|license| self.is_replaced(license)) {
            if was_replaced(license) {
                continue;
            }
            let step = match self.policy.at_the_end {
                AtTheEnd::Revoke | AtTheEnd::Delete => {
                    plan.state.revoked.insert(license.id.clone());
                    (!license.is_revoked()).then(|| Step::Revoke(license.id.clone()))
                }
                AtTheEnd::Suspend => {
                    (!license.is_suspended()).then(|| Step::suspend(license, true))
                }
                // It runs on to its own end, and is suspended no longer than the rest.
                AtTheEnd::Nothing => self.status(license),
            };
            plan.steps.extend(step);
        }
    }

    /// As the line says, when it changed; of what was not known before, a checkout alone may say too few.
    fn activations(&self, license: &License) -> Option<Step> {
        let seat = self.seating.seat_of(license)?;
        let allowed = seat.activations?;
        let product = |of: &Seat| of.mapping.as_ref().map(|mapping| mapping.product.clone());
        let of_it = |it: &&Seat| it.slot == seat.slot && product(it) == product(seat);
        let before = self.before.iter().filter(|before| before.is_bought());
        let known: Vec<Option<Option<u32>>> = before
            .map(|before| before.seats.iter().find(of_it).map(|known| known.activations))
            .collect();
        // What changed while it was over had no effect.
        let was_over = self.before.iter().any(|before| before.over.is_some());
        let changed = was_over || known.iter().any(|known| *known != Some(seat.activations));
        let now = license.activations()?;
        let differs = if changed { now != allowed } else { known.is_empty() && now < allowed };
        differs.then(|| Step::SetActivations { license: license.id.clone(), allowed })
    }

    /// Suspends a license that runs while there is a reason. Lifts a suspension without a reason, if there was one before or the
    /// event is a payment.
    fn status(&self, license: &License) -> Option<Step> {
        if license.is_revoked() {
            let is_bought = self.seating.is_seated(license);
            let was_ours = (is_bought || self.was_over()) && self.was_revoked_by_us(license);
            return was_ours.then(|| Step::Reinstate(license.id.clone()));
        }
        let has_reason = self.has_reason(self.wanted, &self.seating, license);
        match (license.is_suspended(), has_reason) {
            (false, true) => Some(Step::suspend(license, true)),
            (true, false) if self.is_lifted(license) => Some(Step::suspend(license, false)),
            (true | false, _) => None,
        }
    }

    /// It is remembered, or an event called for it whose end nobody saw.
    fn was_revoked_by_us(&self, license: &License) -> bool {
        let was_replaced = |before: &Entitlements| {
            let product = license.product_id.as_ref();
            product.is_some_and(|product| before.gone.get(product) == Some(&Gone::Replaced))
        };
        // The first is that of the settled facts.
        let mut unseen = self.before.iter().skip(1);
        self.snapshot.state.revoked.contains(&license.id)
            || self.before.iter().any(was_replaced)
            || unseen.any(|before| before.the_end == AtTheEnd::Revoke)
    }

    fn has_reason(&self, of: &Entitlements, seating: &Seating<'_>, license: &License) -> bool {
        !of.reasons.is_empty() || seating.is_too_many(license)
    }

    fn is_lifted(&self, license: &License) -> bool {
        let mut states = self.before.iter().zip(&self.seated_before);
        let stood = states.any(|(before, seating)| {
            let was_over = before.the_end == AtTheEnd::Suspend;
            was_over || self.has_reason(before, seating, license) || {
                let gone = |product| before.gone.contains_key(product);
                license.product_id.as_ref().is_some_and(gone)
            }
        });
        stood || self.is_paid_now()
    }
}

/// What the end of a subscription does to a license.
fn at_the_end(license: &License, the_end: AtTheEnd) -> Option<Step> {
    match the_end {
        AtTheEnd::Revoke if !license.is_revoked() => Some(Step::Revoke(license.id.clone())),
        AtTheEnd::Suspend if !license.is_suspended() => Some(Step::suspend(license, true)),
        AtTheEnd::Delete => Some(Step::Delete(license.id.clone())),
        AtTheEnd::Revoke | AtTheEnd::Suspend | AtTheEnd::Nothing => None,
    }
}

/// Whether the slots hold every license that was found, and we made each of them. Of none, nobody knows.
pub fn all_ours(snapshot: &Snapshot, slots: &BTreeMap<Slot, LicenseId>) -> bool {
    let known: BTreeSet<&LicenseId> = slots.values().collect();
    let is_ours =
        |license: &License| known.contains(&license.id) && license.metadata(SLOT_KEY).is_some();
    !snapshot.licenses.is_empty() && snapshot.licenses.iter().all(is_ours)
}
