//! What is seen of a license, and what somebody does to one by hand.

use devkit::sandbox::{ACCESS_TOKEN, License};
use reqwest::Method;
use serde_json::{Value, json};

use super::{App, PRODUCT};

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

/// A license that no event is about.
pub(crate) struct Stranger(License);

impl Stranger {
    pub(crate) fn of(app: &App) -> Self {
        let id = app.sandbox.insert_license(json!({
            "productId": PRODUCT, "expiresAt": "2027-01-01T00:00:00Z", "subscriptionInterval": "P1Y",
            "metadata": [{"key": "subscription_id", "value": "sub_of_a_stranger", "viewPermissions": []}],
        }));
        Self(app.sandbox.license(&id).unwrap())
    }

    /// All licenses but this one.
    pub(crate) fn others(&self, app: &App) -> Vec<License> {
        app.sandbox.licenses().into_iter().filter(|license| license.id != self.0.id).collect()
    }

    pub(crate) fn is_untouched(&self, app: &App) -> bool {
        let now = app.sandbox.license(&self.0.id);
        now.is_some_and(|now| now.updated_at == self.0.updated_at)
    }
}
