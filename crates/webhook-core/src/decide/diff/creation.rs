//! Licenses that are paid for and not there yet, and the users that they need first.

use std::collections::BTreeSet;

use super::context::{Diff, fits};
use super::ends::parent;
use super::seating::{Seated, ordinal_of};
use crate::cryptlex::{License, NewLicense};
use crate::decide::customer::{new_user, take_over, user_of};
use crate::decide::plan::{Plan, Refused};
use crate::decide::step::{LicenseDraft, Step, metadata};
use crate::domain::command::{Concern, Slot, Term};
use crate::domain::entitlement::Entitlements;
use crate::domain::ids::UserId;
use crate::domain::policy::AtTheEnd;
use crate::providers::marks::SLOT_KEY;

/// Licenses to be made in one round; the next round goes on.
const MOST_AT_ONCE: usize = 64;

impl Diff<'_> {
    /// Whether something is still to be made.
    pub(super) fn create(&self, plan: &mut Plan) -> Result<bool, Refused> {
        let (licenses, state) = (&self.snapshot.licenses, &self.snapshot.state);
        // Not bought yet, not ours, or deleted by hand: a purchase takes it up from here.
        if !self.wanted.is_bought() && licenses.is_empty() {
            return Ok(false);
        }
        // Half of an end may be all that was seen of it.
        let was_ended = self.before.iter().any(|before| before.the_end == AtTheEnd::Delete);
        let by_us = state.deleted || was_ended;
        let mut marked = self.marked();
        let is_empty = |seated: &&Seated<'_>| {
            let was_wanted = |it: &Entitlements| {
                it.seats.iter().any(|seat| seat.slot == seated.seat.slot && !seat.is_spare)
            };
            let was_deleted = !by_us
                && state.gone.contains(&seated.seat.slot)
                && self.before.iter().any(was_wanted);
            // What was bought and is not any more is made with its purchase alone, and not under another slot: nothing would
            // seat it there.
            let is_due = !seated.seat.is_spare
                || (self.asked.grant.is_some() && !is_marked(seated, &marked));
            seated.license.is_none() && seated.mapping.is_some() && !was_deleted && is_due
        };
        let missing: Vec<&Seated<'_>> = self.seating.seats.iter().filter(is_empty).collect();
        let is_left_out = |seated: &Seated<'_>| {
            seated.license.is_none() && seated.mapping.is_some() && !seated.seat.is_spare
        };
        if missing.is_empty() {
            if self.is_paid_now() && self.seating.seats.iter().any(is_left_out) {
                plan.concern = Some(Concern::PaidWithoutLicense);
            }
            return Ok(false);
        }
        let all = licenses.len().saturating_add(missing.len());
        let all = u64::try_from(all).unwrap_or(u64::MAX).max(self.wanted.count);
        match fits(self.asked.subject, all, self.snapshot.capacity) {
            Err(refused) if self.says_what_is_bought() => return Err(refused),
            Err(_refused) => return Ok(false),
            Ok(()) => {}
        }
        let Some(owner) = self.owner(plan)? else {
            if plan.steps.is_empty() && self.is_paid_now() && licenses.is_empty() {
                plan.concern = Some(Concern::PaidWithoutLicense);
            }
            return Ok(!plan.steps.is_empty());
        };
        for seated in missing.into_iter().take(MOST_AT_ONCE) {
            plan.steps.extend(self.creation(seated, &owner, &mut marked));
        }
        Ok(true)
    }

    /// Who gets new licenses: the owner of those that are there, the buyer of this purchase. What only another event tells is
    /// left to that one.
    fn owner(&self, plan: &mut Plan) -> Result<Option<UserId>, Refused> {
        let people = &self.snapshot.people;
        let Some(grant) = self.asked.grant else {
            let owner = self.wanted.new_owner.as_ref();
            let contact = self.asked.contact.filter(|contact| contact.id.as_ref() == owner);
            if let Some(contact) = contact.filter(|_| owner.is_some()) {
                let user = user_of(people).cloned();
                if user.is_none() {
                    plan.steps.push(Step::CreateUser(new_user(contact)));
                }
                return Ok(user);
            }
            if self.snapshot.licenses.is_empty() {
                return Ok(None);
            }
            let mut owners = self.snapshot.licenses.iter().filter_map(License::user);
            return match owners.next() {
                Some(owner) => Ok(Some(owner.clone())),
                None => Err(Refused::NoUser(self.asked.subject.clone())),
            };
        };
        let customer = grant.customer.as_ref();
        let Some(user) = user_of(people) else {
            let customer = match customer {
                Some(customer) => customer,
                None if self.asked.is_purchase => return Err(self.nobody()),
                // Its own event waits for its buyer.
                None => return Ok(None),
            };
            plan.steps.push(Step::CreateUser(new_user(customer)));
            return Ok(None);
        };
        if let Some(step) = customer.and_then(|customer| take_over(customer, people)) {
            plan.steps.push(step);
            return Ok(None);
        }
        Ok(Some(user.clone()))
    }

    fn nobody(&self) -> Refused {
        let unknown = self.asked.grant.and_then(|grant| grant.nobody.as_ref());
        Refused::NoCustomer(match unknown {
            Some(unknown) => unknown.why.to_string(),
            None => format!("customer email not found for {}", self.asked.subject),
        })
    }

    fn creation(
        &self,
        seated: &Seated<'_>,
        owner: &UserId,
        marked: &mut BTreeSet<(String, String)>,
    ) -> Option<Step> {
        let (seat, mapping) = (seated.seat, seated.mapping.as_ref()?);
        let parent = match &seat.line.term {
            Term::AsParent(_) if self.parent_is_due() => return None,
            Term::AsParent(_) => parent(self),
            Term::Template | Term::Every(_) | Term::Perpetual => None,
        };
        let interval = |license: &License| {
            license.interval().map_or_else(String::new, |interval| interval.as_str().to_owned())
        };
        let subscription_interval = match (&seat.line.term, parent) {
            (Term::AsParent(_), Some(parent)) => Some(interval(parent)),
            (Term::AsParent(declared), None) => {
                declared.as_ref().map(|interval| interval.as_str().to_owned())
            }
            (Term::Every(interval), _) => Some(interval.as_str().to_owned()),
            (Term::Perpetual, _) => Some(String::new()),
            (Term::Template, _) => None,
        };
        let slot = self.unmarked(seated, marked);
        let license = NewLicense {
            product_id: mapping.product.clone(),
            license_template_id: mapping.template.clone(),
            user_id: owner.clone(),
            entitlement_set_id: mapping.entitlement_set.clone(),
            subscription_interval,
            subscription_start_trigger: parent
                .and_then(|parent| parent.subscription_start_trigger.clone()),
            allowed_activations: seat.activations,
            max_allowed_release_version: seat.line.max_release.clone(),
            metadata: metadata(&slot, &seat.line.metadata),
        };
        Some(Step::CreateLicense(Box::new(LicenseDraft { slot, license })))
    }

    /// Whether the license that add-ons take after is still to be made.
    fn parent_is_due(&self) -> bool {
        self.seating.seats.iter().any(|seated| {
            !seated.seat.line.is_added() && seated.license.is_none() && seated.mapping.is_some()
        })
    }

    /// The slots that licenses were made for, of each product.
    fn marked(&self) -> BTreeSet<(String, String)> {
        let marked = self.snapshot.licenses.iter().filter_map(|license| {
            let product = license.product_id.as_ref()?.as_str().to_owned();
            Some((product, license.metadata(SLOT_KEY)?.to_owned()))
        });
        marked.collect()
    }

    /// Two licenses of a product never carry the same slot: what moved to another line since still carries its first one.
    fn unmarked(&self, seated: &Seated<'_>, marked: &mut BTreeSet<(String, String)>) -> Slot {
        let (seat, product) = (seated.seat, seated.product().map_or("", |id| id.as_str()));
        let from = ordinal_of(seat.slot.as_str()).unwrap_or(1);
        let mut slots = (from..).map(|n| Slot::new(self.asked.subject, &seat.line.key, n));
        let free = slots.find(|slot| marked.insert((product.to_owned(), slot.as_str().to_owned())));
        free.unwrap_or_else(|| seat.slot.clone())
    }
}

/// Whether a license of the product was made for the seat's slot, wherever it sits by now.
fn is_marked(seated: &Seated<'_>, marked: &BTreeSet<(String, String)>) -> bool {
    let product = seated.product().map_or("", |id| id.as_str());
    marked.contains(&(product.to_owned(), seated.seat.slot.as_str().to_owned()))
}
