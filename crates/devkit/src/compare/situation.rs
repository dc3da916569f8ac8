//! The situations of `situations/`: what a provider delivers, and which licenses should be there in the end.
//!
//! A folder is one situation: `situation.json`, and bodies that are not in `events/`. They are built in.

use std::collections::BTreeMap;

use include_dir::{Dir, include_dir};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use super::catalog;
use super::results::Results;
use crate::corpus;
use crate::sandbox::Fault;
use crate::sign::Provider;

static BUILT_IN: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../situations");

/// What is delivered, and what should come of it.
#[derive(Debug, Clone)]
pub struct Situation {
    /// The name of its folder.
    pub name: String,
    /// Whose webhooks they are.
    pub provider: Provider,
    /// What happens, in one sentence.
    pub what: String,
    /// Who reported it or documents it, if it is not the plain course of things.
    pub source: Option<String>,
    /// Whether the bodies name the Cryptlex product. `CRYPTLEX_PRODUCT_ID` names it otherwise.
    pub names_product: bool,
    /// In the provider's order.
    pub deliveries: Vec<Delivery>,
    /// The licenses that should be there in the end, sorted and written as [`super::judge::shown`] does. The owner is left out
    /// where it does not matter.
    pub licenses: Vec<String>,
    /// In which other orders they must come to the same licenses.
    pub orders: Orders,
    /// What ours answer in the provider's order: 200 to all, if it is not told.
    pub answers: Option<Vec<u16>>,
    /// The concerns that ours notify of in the provider's order.
    pub notifications: Vec<String>,
}

/// One delivery.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// What is signed and sent.
    pub body: String,
    /// What Cryptlex's clock shows when it comes.
    pub at: Timestamp,
    /// How it is signed.
    pub signature: Signature,
    /// Whether it comes together with the one before it.
    pub together: bool,
    /// What goes wrong at Cryptlex until it is answered for the first time.
    pub faults: Vec<Fault>,
}

/// How a delivery is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Signature {
    /// By the provider, now.
    #[default]
    Genuine,
    /// With another secret.
    Foreign,
    /// By the provider, an hour ago.
    Stale,
    /// With an older secret and with the present one, as while a secret is exchanged.
    Rotated,
}

/// Orders of deliveries.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Orders {
    /// None but the provider's.
    #[default]
    Own,
    /// Every order, or many if there are too many deliveries.
    Every,
    /// These, the provider's first.
    #[serde(untagged)]
    These(Vec<Vec<usize>>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    provider: String,
    what: String,
    source: Option<String>,
    #[serde(default = "yes")]
    names_product: bool,
    deliveries: Vec<WrittenDelivery>,
    licenses: Vec<String>,
    #[serde(default)]
    orders: Orders,
    answers: Option<Vec<u16>>,
    #[serde(default)]
    notifications: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenDelivery {
    /// A file of the folder.
    body: Option<String>,
    /// Or a body of `events/<provider>`.
    event: Option<String>,
    /// JSON pointers into it, and what is there instead.
    #[serde(default)]
    set: BTreeMap<String, Value>,
    /// Two seconds after the event, if it is not told.
    at: Option<Timestamp>,
    #[serde(default)]
    signature: Signature,
    #[serde(default)]
    together: bool,
    #[serde(default)]
    cryptlex: Vec<Fault>,
}

fn yes() -> bool {
    true
}

/// All situations, sorted by name.
///
/// # Panics
/// When one is not in order, which a test would have shown.
pub fn situations() -> Vec<Situation> {
    let folders = BUILT_IN.dirs().filter(|folder| situation_of(folder).is_some());
    let mut all: Vec<Situation> = folders
        .map(|folder| {
            let name = folder.path().display().to_string();
            Situation::read(folder, &name)
                .unwrap_or_else(|what| panic!("situations/{name}: {what}"))
        })
        .collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

/// What was found about servers: the files of `situations/results/`, ours first.
///
/// # Panics
/// When one is not in order.
pub(super) fn published() -> Vec<Results> {
    let files = BUILT_IN.get_dir("results").map(Dir::files).into_iter().flatten();
    let mut all: Vec<Results> = files
        .map(|file| {
            let read = Results::read(file.contents_utf8().unwrap_or_default());
            read.unwrap_or_else(|error| panic!("situations/{}: {error}", file.path().display()))
        })
        .collect();
    all.sort_by_key(|results| (results.server != "payment-webhooks", results.server.clone()));
    all
}

fn situation_of(folder: &Dir<'static>) -> Option<&'static str> {
    folder.get_file(folder.path().join("situation.json"))?.contents_utf8()
}

impl Situation {
    fn read(folder: &Dir<'static>, name: &str) -> Result<Self, String> {
        let text = situation_of(folder).ok_or("has no situation.json")?;
        let written: Written = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let provider = Provider::ALL.into_iter().find(|known| known.name() == written.provider);
        let provider = provider.ok_or("names no provider that is known")?;
        let deliveries = written.deliveries.into_iter().enumerate().map(|(number, delivery)| {
            delivery.read(folder, provider).map_err(|what| format!("delivery {number}: {what}"))
        });
        Ok(Self {
            name: name.to_owned(),
            provider,
            what: written.what,
            source: written.source,
            names_product: written.names_product,
            deliveries: deliveries.collect::<Result<_, _>>()?,
            licenses: counted(&written.licenses)?,
            orders: written.orders,
            answers: written.answers,
            notifications: written.notifications,
        })
    }
}

impl WrittenDelivery {
    fn read(self, folder: &Dir<'static>, provider: Provider) -> Result<Delivery, String> {
        let body = match (&self.body, &self.event) {
            (Some(file), None) => {
                let file = folder.get_file(folder.path().join(file)).ok_or("has no body")?;
                file.contents_utf8().ok_or("is not UTF-8")?.to_owned()
            }
            (None, Some(event)) => {
                let body = corpus::case(provider, event).map_err(|error| error.to_string())?.body;
                String::from_utf8(body).map_err(|error| error.to_string())?
            }
            _ => return Err("has either a body or an event".to_owned()),
        };
        let body = catalog::with_ids(&changed(body, &self.set)?);
        let at = match self.at {
            Some(at) => at,
            None => {
                happened(provider, &body).ok_or("tells no time")? + SignedDuration::from_secs(2)
            }
        };
        let Self { signature, together, cryptlex: faults, .. } = self;
        Ok(Delivery { body, at, signature, together, faults })
    }
}

/// The text itself, if nothing is set: then it stays the bytes that a provider sends.
fn changed(body: String, set: &BTreeMap<String, Value>) -> Result<String, String> {
    if set.is_empty() {
        return Ok(body);
    }
    let mut json: Value = serde_json::from_str(&body).map_err(|error| error.to_string())?;
    for (pointer, value) in set {
        let place = json.pointer_mut(pointer).ok_or(format!("there is nothing at {pointer}"))?;
        place.clone_from(value);
    }
    Ok(json.to_string())
}

/// `3 x prod_1 until 2027-01-01` is three lines.
fn counted(lines: &[String]) -> Result<Vec<String>, String> {
    let mut all = Vec::new();
    for line in lines {
        match line.split_once(" x ") {
            None => all.push(line.clone()),
            Some((count, license)) => {
                let count = count.parse().map_err(|_| format!("{count} is not a number"))?;
                all.extend(std::iter::repeat_n(license.to_owned(), count));
            }
        }
    }
    all.sort();
    Ok(all)
}

fn happened(provider: Provider, body: &str) -> Option<Timestamp> {
    let event: Value = serde_json::from_str(body).ok()?;
    match provider {
        Provider::Stripe => Timestamp::from_second(event["created"].as_i64()?).ok(),
        Provider::Fastspring => {
            Timestamp::from_millisecond(event["events"][0]["created"].as_i64()?).ok()
        }
        Provider::Paddle => event["occurred_at"].as_str()?.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_situation_is_readable_and_told_in_a_sentence() {
        let all = situations();
        assert!(all.len() >= 50, "only {} situations", all.len());
        for Situation { name, what, provider, deliveries, .. } in &all {
            assert!(name.starts_with(provider.name()), "{name}");
            assert!(what.ends_with('.') && what.len() <= 120, "{name}: {what}");
            assert!(!deliveries.is_empty(), "{name}");
            assert!(!deliveries[0].together, "{name}: together with what?");
        }
    }

    #[test]
    fn a_pointer_to_nothing_is_an_error() {
        let set = BTreeMap::from([("/a/c".to_owned(), Value::Null)]);
        assert!(changed(r#"{"a":{"b":1}}"#.to_owned(), &set).unwrap_err().contains("/a/c"));
        let set = BTreeMap::from([("/a/b".to_owned(), Value::from(2))]);
        assert_eq!(changed(r#"{"a":{"b":1}}"#.to_owned(), &set).unwrap(), r#"{"a":{"b":2}}"#);
    }

    #[test]
    fn a_count_is_that_many_lines() {
        let lines = ["2 x b until never".to_owned(), "a until never".to_owned()];
        let expected = ["a until never", "b until never", "b until never"];
        assert_eq!(counted(&lines).unwrap(), expected);
        assert!(counted(&["two x b".to_owned()]).is_err());
    }
}
