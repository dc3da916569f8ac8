//! The metadata by which Cryptlex licenses and users say what they were bought with. It lies in Cryptlex, so it can never change.

use crate::domain::ids::{CustomerId, Mark};

/// By which metadata a Cryptlex user says whose user it is: the provider, and the key of its customer's id.
pub const CUSTOMER_KEYS: [(&str, &str); 3] = [
    ("stripe", "stripe_customer_id"),
    ("fastspring", "fastspring_account_id"),
    ("paddle", "paddle_customer_id"),
];

/// The mark of a provider's customer; `None` for an id that is none.
pub fn customer_mark(provider: &str, id: &CustomerId) -> Option<Mark> {
    let (_, key) = CUSTOMER_KEYS.iter().find(|(name, _)| *name == provider)?;
    Mark::new(key, id.as_str()).ok()
}

/// The metadata key of the slot.
pub const SLOT_KEY: &str = "license_slot";

/// The metadata key by which licenses say which line of a FastSpring purchase they are.
pub const DRIVER_KEY: &str = "fastspring_driver";

/// Metadata marks with one value; a value that is no id gives none.
pub(super) fn marks(keys: &[&'static str], value: &str) -> Vec<Mark> {
    keys.iter().filter_map(|key| Mark::new(key, value).ok()).collect()
}
