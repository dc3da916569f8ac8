//! Bodies of the corpus, as they are or with something else in them.

use devkit::corpus;
use devkit::sign::Provider as Signer;
use jiff::Timestamp;
use serde_json::{Value, json as value};

pub(crate) const STRIPE: Signer = Signer::Stripe;
pub(crate) const FASTSPRING: Signer = Signer::Fastspring;
pub(crate) const PADDLE: Signer = Signer::Paddle;

pub(crate) fn path_of(provider: Signer) -> &'static str {
    provider.path()
}

pub(crate) fn body(provider: Signer, case: &str) -> Vec<u8> {
    corpus::case(provider, case).unwrap().body
}

pub(crate) fn json(provider: Signer, case: &str) -> Value {
    serde_json::from_slice(&body(provider, case)).unwrap()
}

/// A body of the corpus with something else in it; also a new event id, if it gets one.
pub(crate) fn edited(provider: Signer, case: &str, edit: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut value = json(provider, case);
    edit(&mut value);
    serde_json::to_vec(&value).unwrap()
}

/// Another id for the event, so that it is not a duplicate.
pub(crate) fn rename_event(provider: Signer, delivery: &mut Value, id: &str) {
    match provider {
        STRIPE => delivery["id"] = value!(id),
        FASTSPRING => delivery["events"][0]["id"] = value!(id),
        PADDLE => delivery["event_id"] = value!(id),
    }
}

/// Another time for the event, as its provider writes it.
pub(crate) fn date_event(provider: Signer, delivery: &mut Value, at: Timestamp) {
    match provider {
        STRIPE => delivery["created"] = value!(at.as_second()),
        FASTSPRING => delivery["events"][0]["created"] = value!(at.as_millisecond()),
        PADDLE => delivery["occurred_at"] = value!(at.to_string()),
    }
}

/// Two events of FastSpring in one delivery.
pub(crate) fn batch(bodies: [&[u8]; 2]) -> Vec<u8> {
    let event = |body: &[u8]| -> Value {
        let body: Value = serde_json::from_slice(body).unwrap();
        body["events"][0].clone()
    };
    serde_json::to_vec(&value!({ "events": bodies.map(event) })).unwrap()
}
