//! A Cryptlex in memory that does what steps say, and short ways to say what a test is about.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::command::{
    Action, Command, Customer, Email, Grant, Line, Mapping, Name, NamedBy, Pays, Renew, Subject,
    SubjectKind, Term, Through,
};
use crate::config::Policy;
use crate::cryptlex::{License, User, UserChange};
use crate::ids::{CustomerId, LicenseId, Mark, ProductId, SubjectId, UserId};
use crate::interval::Interval;
use crate::plan::{Plan, Refused, Step, plan};
use crate::provider::Paddle;
use crate::snapshot::Snapshot;

pub(super) fn at(text: &str) -> Timestamp {
    let text = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    text.parse().unwrap()
}

pub(super) const POLICY: Policy = Policy::of::<Paddle>();

pub(super) fn subscription() -> Subject {
    Subject {
        provider: "stripe",
        kind: SubjectKind::Subscription,
        id: SubjectId::new("sub_1").unwrap(),
    }
}

pub(super) fn about(action: Action) -> Command {
    let marks = vec![Mark::new("subscription_id", "sub_1").unwrap()];
    Command::new(subscription(), marks, action)
}

pub(super) fn customer() -> Customer {
    Customer {
        id: CustomerId::new("cus_1").ok(),
        email: Email::real("Ada@example.com").unwrap(),
        name: Name::of(Some("Ada Example"), None),
        company: None,
        mark: Mark::new("stripe_customer_id", "cus_1").ok(),
    }
}

pub(super) fn mapping(product: &str) -> Mapping {
    Mapping { product: ProductId::new(product).unwrap(), template: None, entitlement_set: None }
}

pub(super) fn line(key: &str, quantity: u32) -> Line {
    Line {
        key: key.to_owned(),
        quantity,
        quantity_means: None,
        mapping: Some(mapping("pro")),
        term: Term::Template,
        driver: None,
        max_release: None,
        metadata: vec![Mark::new("subscription_id", "sub_1").unwrap()],
    }
}

pub(super) fn purchase(lines: Vec<Line>) -> Grant {
    Grant {
        customer: Some(customer()),
        nobody: None,
        lines,
        unmapped: Vec::new(),
        foreign: false,
        paid_through: None,
        pays: Pays::ForThePeriod,
        named_by: NamedBy::Lines,
        lines_at: None,
        else_renews: None,
        is_paid: true,
    }
}

pub(super) fn grant(lines: Vec<Line>) -> Command {
    about(Action::Grant(purchase(lines)))
}

pub(super) fn renew_until(end: &str) -> Command {
    about(Action::Renew(Renew { through: Through::Until(at(end)), pays: Pays::ForThePeriod }))
}

/// Templates last `interval`; `now` is what Cryptlex takes for the time of a creation.
pub(super) struct World {
    pub(super) snapshot: Snapshot,
    pub(super) policy: Policy,
    pub(super) interval: &'static str,
    pub(super) now: Timestamp,
    pub(super) log: Vec<String>,
    made: usize,
}

impl World {
    pub(super) fn new() -> Self {
        Self {
            snapshot: Snapshot::default(),
            policy: POLICY,
            interval: "P1Y",
            now: at("2026-09-01"),
            log: Vec::new(),
            made: 0,
        }
    }

    /// A world with one license, which has the defaults of a yearly one but for `fields`.
    pub(super) fn with_license(fields: Value) -> Self {
        let mut world = Self::new();
        world.add(fields);
        world
    }

    pub(super) fn add(&mut self, fields: Value) {
        self.made += 1;
        let mut license = json!({
            "id": format!("l{}", self.made), "productId": "pro", "createdAt": "2026-09-01T00:00:00Z",
            "expiresAt": "2027-09-01T00:00:00Z", "subscriptionInterval": "P1Y", "metadata": [],
        });
        license.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        self.snapshot.licenses.push(serde_json::from_value(license).unwrap());
    }

    pub(super) fn plan(&self, command: &Command, event: &str) -> Result<Plan, Refused> {
        plan(command, at(event), &self.snapshot, &self.policy)
    }

    /// Applies plans until none is left; fails when a step is planned twice or it does not end.
    pub(super) fn settle(
        &mut self,
        command: &Command,
        event: &str,
    ) -> Result<Vec<String>, Refused> {
        let mut done: Vec<Step> = Vec::new();
        for _ in 0..10 {
            let next = self.plan(command, event)?;
            if next.steps.is_empty() {
                self.snapshot.state = next.state;
                let texts: Vec<String> = done.iter().map(ToString::to_string).collect();
                self.log.extend(texts.clone());
                return Ok(texts);
            }
            // As whoever applies steps does.
            self.snapshot.state.before_grace.extend(next.state.before_grace);
            self.snapshot.state.seats.extend(next.state.seats);
            for step in next.steps {
                assert!(!done.contains(&step), "planned twice: {step}");
                self.apply(&step);
                done.push(step);
            }
        }
        panic!("it does not end: {done:?}");
    }

    pub(super) fn apply(&mut self, step: &Step) {
        if let Step::CreateUser(user) = step {
            let is_taken = self.snapshot.people.users().any(|known| known.id.as_str() == "u1");
            let id = if is_taken { "u2" } else { "u1" };
            let user = json!({"id": id, "role": "user", "email": user.email, "firstName": user.first_name, "lastName": user.last_name, "metadata": user.metadata});
            return self.snapshot.absorb_user(serde_json::from_value(user).unwrap());
        }
        if let Step::ChangeUser(id, change) | Step::PutBack(id, change) = step {
            let people = &self.snapshot.people;
            let known = people.users().find(|user| &user.id == id).unwrap();
            let held = people.held.get(id).cloned().unwrap_or_default();
            let changed = changed(known, change);
            return self.snapshot.absorb_change(changed, held);
        }
        if let Step::CreateLicense(blank) = step {
            let made = &blank.license;
            let interval = made.subscription_interval.clone().unwrap_or(self.interval.to_owned());
            let expires_at =
                Interval::parse(&interval).ok().and_then(|interval| interval.after(self.now));
            let activations = made.allowed_activations;
            self.add(json!({
                "productId": made.product_id, "subscriptionInterval": interval, "createdAt": self.now,
                "expiresAt": expires_at, "metadata": made.metadata, "user": {"id": made.user_id},
                "allowedActivations": activations,
            }));
            let id = LicenseId::new(&format!("l{}", self.made)).unwrap();
            self.snapshot.state.slots.insert(blank.slot.clone(), id);
            return;
        }
        let id = step.license().unwrap().clone();
        if matches!(step, Step::Delete(_)) {
            return self.snapshot.forget_license(&id);
        }
        let now = self.license(&id).clone();
        let mut changed = json!({
            "id": id, "productId": now.product_id, "createdAt": now.created_at, "expiresAt": now.expires_at,
            "subscriptionInterval": now.interval().map(|i| i.as_str().to_owned()), "suspended": now.is_suspended(),
            "revoked": now.is_revoked(), "allowedActivations": now.activations(), "metadata": metadata_of(&now),
            "user": now.user().map(|user| json!({"id": user})),
        });
        match step {
            Step::Renew { from, .. } => {
                assert_eq!(now.expires_at, Some(*from));
                changed["expiresAt"] = json!(now.interval().unwrap().after(*from).unwrap());
            }
            Step::SetExpiry { to, .. } => changed["expiresAt"] = json!(to),
            Step::SetSuspended { suspended, .. } => changed["suspended"] = json!(suspended),
            Step::Reinstate(_) => {
                changed["suspended"] = json!(false);
                changed["revoked"] = json!(false);
            }
            Step::Revoke(_) => changed["revoked"] = json!(true),
            Step::SetActivations { allowed, .. } => changed["allowedActivations"] = json!(allowed),
            Step::Move { to, .. } => changed["user"] = json!({"id": to}),
            Step::CreateUser(_)
            | Step::ChangeUser(..)
            | Step::PutBack(..)
            | Step::CreateLicense(_)
            | Step::Delete(_) => {
                unreachable!("handled above")
            }
        }
        self.snapshot.absorb_license(serde_json::from_value(changed).unwrap());
    }

    fn license(&self, id: &LicenseId) -> &License {
        let everywhere =
            self.snapshot.licenses.iter().chain(self.snapshot.people.held.values().flatten());
        everywhere.into_iter().find(|license| &license.id == id).unwrap()
    }

    /// `2027-09-01 suspended`: how a license stands.
    pub(super) fn shown(&self) -> Vec<String> {
        let one = |license: &License| {
            let end = license
                .expires_at
                .map_or("never".to_owned(), |end| end.strftime("%Y-%m-%d").to_string());
            let flag = |on, name: &str| {
                if on { format!(" {name}") } else { String::new() }
            };
            format!(
                "{end}{}{}",
                flag(license.is_suspended(), "suspended"),
                flag(license.is_revoked(), "revoked")
            )
        };
        self.snapshot.licenses.iter().map(one).collect()
    }
}

pub(super) fn metadata_of(license: &License) -> Value {
    let keys = ["subscription_id", "license_slot", "fastspring_driver"];
    let items =
        keys.iter().filter_map(|key| Some(json!({"key": key, "value": license.metadata(key)?})));
    Value::Array(items.collect())
}

/// A user as a PATCH leaves it that merges metadata by key.
fn changed(known: &User, change: &UserChange) -> User {
    let email = change.email.as_ref().or(known.email.as_ref());
    let first = change.first_name.as_ref().or(known.first_name.as_ref());
    let last = change.last_name.as_ref().or(known.last_name.as_ref());
    let kept =
        known.only_customer().map(|(_, mark)| json!({"key": mark.key, "value": mark.value()}));
    let metadata = match &change.metadata {
        Some(items) => json!(items),
        None => Value::Array(kept.into_iter().collect()),
    };
    user(
        json!({"id": known.id, "email": email, "firstName": first, "lastName": last, "role": "user",
                "createdAt": known.created_at, "metadata": metadata}),
    )
}

pub(super) fn user(fields: Value) -> User {
    serde_json::from_value(fields).unwrap()
}

pub(super) fn user_id(text: &str) -> UserId {
    UserId::new(text).unwrap()
}
