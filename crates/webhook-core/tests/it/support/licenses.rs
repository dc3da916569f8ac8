//! What is seen of a license, and what somebody does to one by hand.

use devkit::sandbox::{ACCESS_TOKEN, License};
use reqwest::Method;
use serde_json::Value;

use super::App;

/// The day until which it runs, and what stops it: `2027-09-01 suspended`.
pub(crate) fn end_of(license: &License) -> String {
    let end = license.expires_at.map_or("never".to_owned(), |end| end.to_string()[..10].to_owned());
    let flag = |on: bool, name: &str| {
        if on { format!(" {name}") } else { String::new() }
    };
    format!("{end}{}{}", flag(license.suspended, "suspended"), flag(license.revoked, "revoked"))
}

/// Which seat of which subject it is.
pub(crate) fn slot_of(license: &License) -> Option<&str> {
    let slot = license.metadata.iter().find(|item| item.key == "license_slot");
    slot.map(|item| item.value.as_str())
}

/// Slot, product, end, flags and owner.
pub(crate) fn shown(license: &License) -> String {
    let slot = slot_of(license).unwrap_or("-");
    let owner = license.user.as_ref().map_or("nobody", |user| user.email.as_str());
    let product = license.product_id.chars().last().unwrap();
    format!("{slot} product {product} until {} for {owner}", end_of(license))
}

/// The vendor's own calls: deleting, suspending.
pub(crate) async fn by_hand(app: &App, method: Method, id: &str, change: Value) {
    let url = format!("{}/v3/licenses/{id}", app.sandbox.url());
    let call = devkit::send::client(0).request(method, url).bearer_auth(ACCESS_TOKEN);
    let call = if change.is_null() { call } else { call.json(&change) };
    assert!(call.send().await.unwrap().status().is_success());
}
