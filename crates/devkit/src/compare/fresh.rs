//! Ids and addresses that no server has seen before: a server that remembers can play every situation, again and again.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::sign::Provider;

/// Beginnings of the ids of what is bought, paid and told. Products and prices stay: they are what the vendor set up.
const STRIPE: [&str; 21] = [
    "evt",
    "cus",
    "sub",
    "in",
    "il",
    "cs",
    "ch",
    "pi",
    "py",
    "re",
    "dp",
    "du",
    "si",
    "inpay",
    "txn",
    "pm",
    "seti",
    "ii",
    "acct",
    "sub_sched",
    "src",
];
const PADDLE: [&str; 11] =
    ["evt", "ntf", "ctm", "sub", "txn", "adj", "txnitm", "adjitm", "add", "biz", "paymtd"];

/// The fields in which FastSpring's ids are. They have no form of their own.
const FASTSPRING: [&str; 12] = [
    "id",
    "account",
    "subscription",
    "order",
    "orders",
    "orderId",
    "reference",
    "global",
    "return",
    "parentSubscription",
    "initialOrderId",
    "initialOrderReference",
];

/// What is put into ids and addresses. It is found again in whatever a server made of them.
#[derive(Debug, Clone)]
pub(super) struct Tag {
    /// What all tags of a run begin with.
    run: String,
    whole: String,
}

impl Tag {
    /// Lower-case letters and digits, as all providers' ids allow.
    pub(super) fn new(run: &str, number: usize) -> Self {
        let run = format!("x{run}n");
        Self { whole: format!("{run}{number}x"), run }
    }

    /// The body of somebody else, for whom everything happens as it did for those in it.
    pub(super) fn put(&self, provider: Provider, body: &str) -> String {
        let body = match provider {
            Provider::Stripe => self.put_by_beginning(&STRIPE, body),
            Provider::Paddle => self.put_by_beginning(&PADDLE, body),
            Provider::Fastspring => self.put_by_field(body),
        };
        body.replace("@example.com", &format!("@{}.example.com", self.whole))
    }

    /// As it was before.
    pub(super) fn take_out(&self, text: &str) -> String {
        text.replace(&format!("{}.example.com", self.whole), "example.com").replace(&self.whole, "")
    }

    /// Whether another tag of the same run is in it.
    pub(super) fn is_of_another(&self, text: &str) -> bool {
        text.match_indices(&self.run).any(|(start, _)| {
            let after = &text[start + self.run.len()..];
            let rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
            rest.len() < after.len()
                && rest.starts_with('x')
                && !text[start..].starts_with(&self.whole)
        })
    }

    fn put_by_beginning(&self, beginnings: &[&str], body: &str) -> String {
        let in_an_id = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let mut fresh = String::with_capacity(body.len() + body.len() / 8);
        let mut rest = body;
        while let Some(start) = rest.find(in_an_id) {
            let (between, from) = rest.split_at(start);
            let end = from.find(|c| !in_an_id(c)).unwrap_or(from.len());
            let (word, after) = from.split_at(end);
            fresh.push_str(between);
            fresh.push_str(word);
            if is_id(beginnings, word) {
                fresh.push_str(&self.whole);
            }
            rest = after;
        }
        fresh.push_str(rest);
        fresh
    }

    fn put_by_field(&self, body: &str) -> String {
        let mut ids = BTreeSet::new();
        if let Ok(json) = serde_json::from_str::<Value>(body) {
            collect(&json, false, &mut ids);
        }
        ids.iter().fold(body.to_owned(), |body, id| {
            body.replace(&format!("\"{id}\""), &format!("\"{id}{}\"", self.whole))
        })
    }
}

/// `sub_1AdalP`, but not `in_transit`.
fn is_id(beginnings: &[&str], word: &str) -> bool {
    let Some((beginning, rest)) = word.split_once('_') else { return false };
    let as_ids_do = |c: char| c.is_ascii_digit() || c.is_ascii_uppercase();
    beginnings.contains(&beginning) && rest.contains(as_ids_do)
}

fn collect(json: &Value, of_an_id: bool, ids: &mut BTreeSet<String>) {
    match json {
        Value::String(text) if of_an_id && text.len() > 4 => {
            ids.insert(text.clone());
        }
        Value::Array(all) => all.iter().for_each(|one| collect(one, of_an_id, ids)),
        Value::Object(fields) => {
            for (name, value) in fields {
                collect(value, FASTSPRING.contains(&name.as_str()), ids);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::cases;

    #[test]
    fn ids_and_addresses_are_fresh_and_products_are_not() {
        let tag = Tag::new("7", 1);
        let stripe = r#"{"id": "evt_1A", "customer": "cus_B2", "price": "price_1", "card": "in_transit", "email": "a@example.com"}"#;
        let expected = r#"{"id": "evt_1Ax7n1x", "customer": "cus_B2x7n1x", "price": "price_1", "card": "in_transit", "email": "a@x7n1x.example.com"}"#;
        assert_eq!(tag.put(Provider::Stripe, stripe), expected);
        let fastspring = r#"{"order": "ord-1", "items": [{"product": "ord-2", "subscription": {"id": "sub-1"}}], "was": "ord-1"}"#;
        let expected = r#"{"order": "ord-1x7n1x", "items": [{"product": "ord-2", "subscription": {"id": "sub-1x7n1x"}}], "was": "ord-1x7n1x"}"#;
        assert_eq!(tag.put(Provider::Fastspring, fastspring), expected);
        assert_eq!(tag.take_out("a@x7n1x.example.com"), "a@example.com");
        assert_eq!(tag.take_out("ctm_1x7n1x@cryptlexpaddle.com"), "ctm_1@cryptlexpaddle.com");
    }

    #[test]
    fn a_tag_of_the_same_run_is_told_from_its_own() {
        let tag = Tag::new("7", 1);
        for (text, another) in [
            ("a@x7n1x.example.com", false),
            ("a@x7n11x.example.com", true),
            ("ctm_1x7n2x@cryptlexpaddle.com", true),
            ("ax7n@example.com", false),
            ("ax7nx@example.com", false),
            ("", false),
        ] {
            assert_eq!(tag.is_of_another(text), another, "{text}");
        }
    }

    #[test]
    fn every_body_is_json_with_fresh_ids_and_comes_back() {
        let tag = Tag::new("7", 1);
        for case in cases() {
            let body = String::from_utf8(case.body).unwrap();
            let fresh = tag.put(case.provider, &body);
            assert_ne!(fresh, body, "{} {}", case.provider, case.name);
            assert_eq!(tag.take_out(&fresh), body, "{} {}", case.provider, case.name);
            serde_json::from_str::<Value>(&fresh).unwrap();
        }
    }
}
