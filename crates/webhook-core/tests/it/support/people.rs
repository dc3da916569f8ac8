//! Customers of the three providers as they tell of themselves and buy, for stories about who owns a Cryptlex user.

use std::fmt;

use devkit::sign::Provider as Signer;
use serde_json::{Value, json};

use super::clock::SEPTEMBER;
use crate::support::{App, FASTSPRING, PADDLE, STRIPE, edited};

/// Between one event of a story and the next.
const APART: i64 = 60;

/// A provider's customer, who has the same name in all they say unless it says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) provider: Signer,
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
}

/// What a provider delivers.
#[derive(Clone)]
pub(crate) struct Told {
    pub(crate) person: Person,
    what: String,
    pub(crate) body: Vec<u8>,
}

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.person.provider, self.person.id, self.what)
    }
}

impl Person {
    pub(crate) fn new(provider: Signer, id: &'static str, name: &'static str) -> Self {
        Self { provider, id, name }
    }

    /// The `nth` event of a story: the customer has this address. The first one says so when they are created.
    pub(crate) fn has(self, nth: i64, email: &str) -> Told {
        self.is(nth, email, self.name)
    }

    /// The same with another name.
    pub(crate) fn is(self, nth: i64, email: &str, name: &str) -> Told {
        let at = SEPTEMBER + nth * APART;
        let (first, last) = name.split_once(' ').unwrap_or((name, ""));
        let body = match self.provider {
            STRIPE => edited(STRIPE, "customer-updated", |event| {
                event["id"] = json!(format!("evt_told_{}_{nth}", self.id));
                event["created"] = json!(at);
                let customer = &mut event["data"]["object"];
                customer["id"] = json!(self.id);
                customer["email"] = json!(email);
                customer["name"] = json!(name);
                event["data"]["previous_attributes"] = json!({});
            }),
            PADDLE => edited(PADDLE, "customer-created", |event| {
                event["event_id"] = json!(format!("evt_told_{}_{nth}", self.id));
                event["occurred_at"] = rfc3339(at);
                event["data"]["id"] = json!(self.id);
                event["data"]["email"] = json!(email);
                event["data"]["name"] = json!(name);
            }),
            FASTSPRING => edited(FASTSPRING, "account-updated", |batch| {
                let event = &mut batch["events"][0];
                event["id"] = json!(format!("told-{}-{nth}", self.id));
                event["created"] = json!(at * 1000);
                event["data"]["id"] = json!(self.id);
                event["data"]["account"] = json!(self.id);
                let contact = json!({"first": first, "last": last, "email": email});
                event["data"]["contact"] = contact;
            }),
        };
        Told { person: self, what: format!("{nth}: is {name}, {email}"), body }
    }

    /// The same, of a change that says so where the provider does.
    pub(crate) fn moves(self, nth: i64, from: &str, to: &str) -> Told {
        let mut told = self.has(nth, to);
        if self.provider == STRIPE {
            let mut event: Value = serde_json::from_slice(&told.body).unwrap();
            event["data"]["previous_attributes"] = json!({"email": from});
            told.body = serde_json::to_vec(&event).unwrap();
        }
        told
    }

    /// The `nth` event of a story: the customer buys something once. Paddle does not say with which address.
    pub(crate) fn buys(self, nth: i64, email: &str) -> Told {
        let (at, purchase) = (SEPTEMBER + nth * APART, self.purchase(nth));
        let (first, last) = self.name.split_once(' ').unwrap_or((self.name, ""));
        let body = match self.provider {
            STRIPE => edited(STRIPE, "checkout-payment", |event| {
                event["id"] = json!(format!("evt_{purchase}"));
                event["created"] = json!(at);
                let session = &mut event["data"]["object"];
                session["id"] = json!(purchase);
                session["payment_intent"] = json!(format!("pi_{purchase}"));
                session["customer"] = json!(self.id);
                session["customer_details"]["email"] = json!(email);
                session["customer_details"]["name"] = json!(self.name);
            }),
            PADDLE => edited(PADDLE, "transaction-charge", |event| {
                event["event_id"] = json!(format!("evt_{purchase}"));
                event["occurred_at"] = rfc3339(at);
                let transaction = &mut event["data"];
                transaction["id"] = json!(purchase);
                transaction["origin"] = json!("web");
                transaction["subscription_id"] = Value::Null;
                transaction["customer_id"] = json!(self.id);
            }),
            FASTSPRING => edited(FASTSPRING, "order-plain", |batch| {
                let event = &mut batch["events"][0];
                event["id"] = json!(format!("event-{purchase}"));
                event["created"] = json!(at * 1000);
                let order = &mut event["data"];
                order["id"] = json!(purchase);
                order["order"] = json!(purchase);
                order["account"] = json!(self.id);
                order["customer"] = json!({"first": first, "last": last, "email": email});
                order["recipients"] = json!([]);
            }),
        };
        Told { person: self, what: format!("{nth}: buys, {email}"), body }
    }

    /// What its license's slot names.
    pub(crate) fn purchase(self, nth: i64) -> String {
        format!("bought_{}_{nth}", self.id)
    }
}

fn rfc3339(at: i64) -> Value {
    json!(jiff::Timestamp::from_second(at).unwrap().to_string())
}

impl Told {
    pub(crate) async fn deliver(&self, app: &App) -> u16 {
        let path = self.person.provider.path();
        app.deliver(self.person.provider, path, &self.body).await.status
    }

    /// It must be acknowledged.
    pub(crate) async fn done(&self, app: &App) {
        let path = self.person.provider.path();
        let answer = app.deliver(self.person.provider, path, &self.body).await;
        assert_eq!(answer.status, 200, "{self:?}: {}", answer.body);
    }
}

/// The address of the user that has the license of that purchase.
pub(crate) fn owner_of(app: &App, purchase: &str) -> String {
    let slot = format!("/{purchase}/");
    let licenses = app.sandbox.licenses();
    let has_slot = |item: &devkit::sandbox::MetadataItem| {
        item.key == "license_slot" && item.value.contains(&slot)
    };
    let license = licenses.iter().find(|license| license.metadata.iter().any(has_slot));
    let license = license.unwrap_or_else(|| panic!("no license of {purchase}"));
    license.user.as_ref().map_or_else(String::new, |user| user.email.clone())
}

/// Everything about a user that somebody could change.
pub(crate) fn looks(app: &App, id: &str) -> String {
    let users = app.sandbox.users();
    let user = users.iter().find(|user| user.id == id).unwrap();
    let marks: Vec<String> =
        user.metadata.iter().map(|item| format!("{}={}", item.key, item.value)).collect();
    format!("{} {} {} {marks:?}", user.email, user.name, user.role)
}
