//! Records and calls in words.

use std::collections::BTreeMap;

use devkit::sandbox::{Call, License};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;
use webhook_core::domain::command::SubjectKind;
use webhook_core::ledger::{
    EventRecord, EventStatus, KnownCustomer, PaymentRecord, SubjectRecord, parts_of_subject_key,
};

use crate::support::end_of;

/// As much of an id as tells it from others in the story.
fn short(id: &str) -> String {
    match id.split_once('_') {
        Some((kind, rest)) if rest.len() > 8 => format!("{kind}_{}..", &rest[..4]),
        _ if id.len() > 12 => format!("{}..{}", &id[..4], &id[id.len() - 2..]),
        _ => id.to_owned(),
    }
}

fn word(kind: SubjectKind) -> &'static str {
    match kind {
        SubjectKind::Subscription => "subscription",
        SubjectKind::Order => "order",
        SubjectKind::Customer => "turn of customer",
    }
}

/// What a record is about.
fn object(key: &str) -> String {
    if let Some((_, kind, id)) = parts_of_subject_key(key) {
        return format!("{} {}", word(kind), short(id));
    }
    let (kind, id) = key.split_once("/stripe/").unwrap();
    match kind {
        "body" => "body of the event".to_owned(),
        "payment-link" => format!("other id {}", short(id)),
        _ => format!("{kind} {}", short(id)),
    }
}

pub(super) fn read(key: &str, is_there: bool) -> String {
    let found = if is_there { "" } else { " (not there)" };
    format!("reads    {}{found}", object(key))
}

fn record<T: DeserializeOwned>(value: &[u8]) -> T {
    let value: Value = serde_json::from_slice(value).unwrap();
    serde_json::from_value(value["record"].clone()).unwrap()
}

pub(super) fn written(key: &str, value: &[u8]) -> String {
    let what = match key.split('/').next().unwrap() {
        "event" => event(&record(value)),
        "subject" => subject(&record(value)),
        "customer" => customer(&record(value)),
        "payment" => payment(&record(value)),
        "payment-link" => format!("of payment {}", short(&record::<String>(value))),
        _ => "kept".to_owned(),
    };
    format!("writes   {}: {what}", object(key))
}

fn event(event: &EventRecord) -> String {
    match &event.status {
        EventStatus::Claimed => "begun".to_owned(),
        EventStatus::Done(_) => "done, with its answer".to_owned(),
        EventStatus::Failed(why) => format!("not done, {why}"),
        EventStatus::Unmapped(why) => format!("waits, {why}"),
    }
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

fn subject(subject: &SubjectRecord) -> String {
    let lease = match &subject.lease {
        Some(_) => "lease taken",
        None => "lease given back",
    };
    if subject.state.facts.is_empty() {
        return lease.to_owned();
    }
    let facts = counted(subject.state.facts.all().count(), "fact");
    let licenses = counted(subject.state.slots.len(), "license");
    format!("{lease}, {facts}, {licenses}")
}

fn customer(customer: &KnownCustomer) -> String {
    let user = match &customer.user {
        Some(user) => format!("is user {}", short(user.as_str())),
        None => "no user yet".to_owned(),
    };
    format!("{user}, {}", counted(customer.bought.len(), "purchase"))
}

fn payment(payment: &PaymentRecord) -> String {
    let paid: Vec<String> = payment
        .paid
        .iter()
        .map(|paid| format!("paid for {} {}", word(paid.kind), short(paid.id.as_str())))
        .collect();
    match paid.is_empty() {
        true => {
            format!("nobody knows what it paid for; {}", counted(payment.waiting.len(), "fact"))
        }
        false => paid.join(", "),
    }
}

/// Calls that were made side by side, in an order that does not depend on which was faster: alike ones are one line.
pub(super) fn calls(made: &[Call]) -> Vec<String> {
    let mut groups: Vec<(String, BTreeMap<String, usize>)> = Vec::new();
    for made in made {
        let (kind, about) = call(made);
        let place = groups.iter().position(|(known, _)| *known == kind).unwrap_or(groups.len());
        if place == groups.len() {
            groups.push((kind, BTreeMap::new()));
        }
        *groups[place].1.entry(about).or_default() += 1;
    }
    let line = |kind: &str, about: &str, times: usize| {
        let about = if about.is_empty() { String::new() } else { format!(": {about}") };
        let times = if times == 1 { String::new() } else { format!(", {times} times") };
        format!("calls    {kind}{about}{times}")
    };
    let lines = groups.iter().flat_map(|(kind, all)| all.iter().map(move |all| (kind, all)));
    lines.map(|(kind, (about, times))| line(kind, about, *times)).collect()
}

/// Which call it is, and about what.
fn call(call: &Call) -> (String, String) {
    let (path, query) = call.path.split_once('?').unwrap_or((&call.path, ""));
    let parts: Vec<&str> = path.split('/').collect();
    let path = match parts.get(3) {
        Some(_license) => [&["", "v3", parts[2], "<id>"], &parts[4..]].concat().join("/"),
        None => path.to_owned(),
    };
    let nothing = Value::Null;
    let body = call.body.as_ref().unwrap_or(&nothing);
    let about = match (call.method.as_str(), body["metadata"].as_array()) {
        ("GET", _) => by(query),
        (_, Some(metadata)) => {
            let item = metadata.last().unwrap();
            let (key, value) = (item["key"].as_str().unwrap(), item["value"].as_str().unwrap());
            format!("{key} {}", shortened(value))
        }
        (_, None) => {
            let fields = body.as_object().into_iter().flatten();
            let fields = fields.map(|(name, value)| format!("{name} {value}").replace('"', ""));
            fields.collect::<Vec<_>>().join(", ")
        }
    };
    (format!("{} {path}", call.method), about)
}

/// By what a list is asked for.
fn by(query: &str) -> String {
    let fields = query.split('&').filter_map(|field| field.split_once('='));
    let keys = fields.filter_map(|(name, value)| match name {
        "metadata.key[eq]" | "metadata.key[in]" => Some(value.replace(',', " or ")),
        "email[eq]" => Some("e-mail address".to_owned()),
        _ => None,
    });
    format!("by {}", keys.collect::<Vec<_>>().join(", "))
}

pub(super) fn day(second: i64) -> String {
    Timestamp::from_second(second).unwrap().strftime("%Y-%m-%d").to_string()
}

/// With no more of each id than tells it from others.
pub(super) fn shortened(text: &str) -> String {
    let word = |word: &str| {
        let id = word.trim_end_matches(['.', ':', ',']);
        let shortened = id
            .split('/')
            .map(|part| if part.contains('_') { short(part) } else { part.to_owned() });
        shortened.collect::<Vec<_>>().join("/") + &word[id.len()..]
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// How many there are of each kind.
pub(super) fn licenses(all: &[License]) -> String {
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for license in all {
        *kinds.entry(end_of(license)).or_default() += 1;
    }
    let kinds: Vec<String> = kinds
        .iter()
        .map(|(end, count)| format!("{} until {end}", counted(*count, "license")))
        .collect();
    if kinds.is_empty() { "no license".to_owned() } else { kinds.join(", ") }
}
