//! A model of the licenses at Cryptlex, and of a function that brings events to their end over it.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::words::{subject, when};
use crate::cryptlex::License;
use crate::decide::diff::{Asked, plan, states_of};
use crate::decide::fold::fold;
use crate::decide::snapshot::{People, Remembered, Snapshot};
use crate::decide::{Refused, Step};
use crate::domain::command::{Grant, PaymentScope, ProductSource, Slot};
use crate::domain::fact::Fact;
use crate::domain::ids::{LicenseId, UserId};
use crate::domain::interval::{Interval, shifted};
use crate::domain::policy::Policy;
use crate::ledger::SubjectState;
use crate::providers::marks::SLOT_KEY;

/// More than any of these stories needs.
const MOST_ROUNDS: usize = 40;

/// The licenses, what the ledger knows of them, and a clock.
#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) licenses: Vec<Value>,
    pub(super) state: SubjectState,
    now: Timestamp,
    made: u32,
}

/// How a delivery ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ended {
    /// Nothing is left to do, after as many steps.
    Done(usize),
    /// The process died before the next step.
    Died,
}

impl World {
    pub(super) fn new() -> Self {
        let (licenses, state) = (Vec::new(), SubjectState::default());
        Self { licenses, state, now: when("09-01"), made: 0 }
    }

    /// Commits the facts of an event and carries out what is missing, up to as many steps.
    pub(super) fn deliver(
        &mut self,
        event: &[Fact],
        policy: &Policy,
        most: usize,
    ) -> Result<Ended, String> {
        let newest = event.iter().map(|fact| fact.at).max().unwrap_or(self.now);
        self.now = self.now.max(shifted(newest, SignedDuration::from_mins(1)));
        self.state.facts.add(event);
        let mut snapshot = self.snapshot();
        let mut done = 0;
        for _ in 0..MOST_ROUNDS {
            let next =
                self.plan(event, &snapshot, policy).map_err(|refused| refused.to_string())?;
            if next.0.is_empty() {
                self.state = next.1;
                self.state.facts.settle();
                return Ok(Ended::Done(done));
            }
            let (steps, state) = next;
            snapshot.state.before_grace = snapshot.state.before_grace.or(state.before_grace);
            snapshot.state.revoked.extend(state.revoked);
            snapshot.state.deleted |= state.deleted;
            for step in steps {
                if done == most {
                    return Ok(Ended::Died);
                }
                done += 1;

                self.carry_out(&step, &mut snapshot.state);
            }
            snapshot.licenses = self.shown();
        }
        Err("the steps never end".to_owned())
    }

    fn snapshot(&self) -> Snapshot {
        let (licenses, mut state) = (self.shown(), self.state.clone());
        let is_there = |id: &LicenseId| licenses.iter().any(|license| license.id == *id);
        let gone: Vec<Slot> = state
            .slots
            .iter()
            .filter(|(_, id)| !is_there(id))
            .map(|(slot, _)| slot.clone())
            .collect();
        state.slots.retain(|_, id| is_there(id));
        state.gone.extend(gone);
        let id = UserId::new("user_1").unwrap();
        let remembered = Some(Remembered { id, is_own: true, user: None });
        let people = People { remembered, ..People::default() };
        Snapshot { licenses, state, people, ..Snapshot::default() }
    }

    fn plan(
        &self,
        event: &[Fact],
        snapshot: &Snapshot,
        policy: &Policy,
    ) -> Result<(Vec<Step>, SubjectState), Refused> {
        let subject = subject();
        let wanted = fold(&subject, snapshot.state.facts.all(), policy);
        let before = states_of(&subject, &snapshot.state, policy);
        let is_purchase = event.iter().any(|fact| fact.ordered().is_some());
        // Another event's purchase is read again where nothing was made of it.
        let grant = (is_purchase || self.state.slots.is_empty()).then(grant);
        let asked = Asked {
            subject: &subject,
            grant: grant.as_ref(),
            is_purchase,
            contact: None,
            own: event,
        };
        let plan = plan(&asked, &wanted, &before, snapshot, policy)?;
        Ok((plan.steps, plan.state))
    }

    pub(super) fn shown(&self) -> Vec<License> {
        self.licenses.iter().map(|it| serde_json::from_value(it.clone()).unwrap()).collect()
    }

    fn carry_out(&mut self, step: &Step, state: &mut SubjectState) {
        if let Step::CreateLicense(blank) = step {
            self.made += 1;
            let id = format!("license_{}", self.made);
            let interval = blank.license.subscription_interval.as_deref().unwrap_or("P1M");
            let end = Interval::parse(interval).ok().and_then(|interval| interval.after(self.now));
            let metadata = serde_json::to_value(&blank.license.metadata).unwrap();
            self.licenses.push(json!({
                "id": id, "productId": blank.license.product_id, "createdAt": self.now, "expiresAt": end,
                "subscriptionInterval": interval, "user": {"id": "user_1"}, "metadata": metadata,
                "suspended": false, "revoked": false,
            }));
            state.slots.insert(blank.slot.clone(), LicenseId::new(&id).unwrap());
            return;
        }
        let id = step.license().unwrap().as_str();
        let place = self.licenses.iter().position(|license| license["id"] == id).unwrap();
        let license = &mut self.licenses[place];
        match step {
            Step::Renew { from, .. } => {
                let interval = Interval::parse(license["subscriptionInterval"].as_str().unwrap());
                license["expiresAt"] = json!(interval.unwrap().after(*from));
            }
            Step::SetExpiry { to, .. } => license["expiresAt"] = json!(to),
            Step::SetSuspended { suspended, .. } => license["suspended"] = json!(suspended),
            Step::Revoke(_) => license["revoked"] = json!(true),
            Step::Reinstate(_) => {
                license["revoked"] = json!(false);
                license["suspended"] = json!(false);
            }
            Step::Delete(_) => {
                self.licenses.remove(place);
            }
            Step::SetActivations { allowed, .. } => license["allowedActivations"] = json!(allowed),
            Step::CreateLicense(_)
            | Step::CreateUser(_)
            | Step::ChangeUser(..)
            | Step::PutBack(..)
            | Step::Move { .. } => panic!("no story needs {step}"),
        }
    }
}

fn grant() -> Grant {
    Grant {
        customer: None,
        nobody: None,
        lines: Vec::new(),
        unmapped: Vec::new(),
        foreign: false,
        paid_through: None,
        scope: PaymentScope::Period,
        named_by: ProductSource::Line,
        ordered_at: None,
        else_renews: None,
        is_paid: true,
    }
}

/// Of a license: which product, whether it runs, until when, and the slot that it was made for.
pub(super) fn in_words(license: &License) -> String {
    let product = license.product_id.as_ref().map_or("?", |product| product.as_str());
    let status = match (license.is_revoked(), license.is_suspended()) {
        (true, _) => "revoked",
        (false, true) => "suspended",
        (false, false) => "runs",
    };
    let end = license.expires_at.map(|end| end.to_string()).unwrap_or_default();
    format!("{product} {status} until {end} ({})", license.metadata(SLOT_KEY).unwrap_or("no slot"))
}
