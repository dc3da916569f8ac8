//! Products and license templates that every sandbox begins with.

use jiff::Timestamp;
use serde::Serialize;

use super::{instant, license::StartTrigger};

/// A year from creation: `P1Y`, trigger `creation`.
pub const YEARLY_TEMPLATE: &str = "66666666-6666-4666-8666-000000000001";
/// A month from creation: `P1M`, trigger `creation`.
pub const MONTHLY_TEMPLATE: &str = "66666666-6666-4666-8666-000000000002";
/// Without end: an empty interval and no trigger.
pub const PERPETUAL_TEMPLATE: &str = "66666666-6666-4666-8666-000000000003";
/// A year from the first activation: `P1Y`, trigger `activation`, so no expiry at first.
pub const YEARLY_ON_ACTIVATION_TEMPLATE: &str = "66666666-6666-4666-8666-000000000004";

/// Product whose default is [`YEARLY_TEMPLATE`].
pub const YEARLY_PRODUCT: &str = "11111111-1111-4111-8111-000000000001";
/// Product whose default is [`MONTHLY_TEMPLATE`].
pub const MONTHLY_PRODUCT: &str = "11111111-1111-4111-8111-000000000002";
/// Product whose default is [`PERPETUAL_TEMPLATE`].
pub const PERPETUAL_PRODUCT: &str = "11111111-1111-4111-8111-000000000003";
/// Another product whose default is [`YEARLY_TEMPLATE`].
pub const OTHER_YEARLY_PRODUCT: &str = "11111111-1111-4111-8111-000000000004";

/// Products with their default templates.
pub(super) const PRODUCTS: [(&str, &str); 4] = [
    (YEARLY_PRODUCT, YEARLY_TEMPLATE),
    (MONTHLY_PRODUCT, MONTHLY_TEMPLATE),
    (PERPETUAL_PRODUCT, PERPETUAL_TEMPLATE),
    (OTHER_YEARLY_PRODUCT, YEARLY_TEMPLATE),
];

/// What a product of every sandbox is called.
pub fn product_name(id: &str) -> Option<&'static str> {
    match id {
        YEARLY_PRODUCT => Some("yearly"),
        MONTHLY_PRODUCT => Some("monthly"),
        PERPETUAL_PRODUCT => Some("lifetime"),
        OTHER_YEARLY_PRODUCT => Some("add-on"),
        _ => None,
    }
}

/// A license template. It seeds a license on creation and is never looked at again.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Template {
    /// Id, shaped like a UUID.
    pub id: String,
    /// Name.
    pub name: String,
    /// When it was made.
    #[serde(serialize_with = "instant::serialize")]
    pub created_at: Timestamp,
    /// When it was changed.
    #[serde(serialize_with = "instant::serialize")]
    pub updated_at: Timestamp,
    /// ISO 8601 duration, empty for perpetual.
    pub subscription_interval: String,
    /// When the first interval begins.
    pub subscription_start_trigger: Option<StartTrigger>,
    /// Kind of license.
    #[serde(rename = "type")]
    pub kind: String,
    /// What generated keys look like; the sandbox's own do not follow it.
    pub key_pattern: String,
    /// How many activations a license allows, 0 for any number.
    pub allowed_activations: i64,
    /// How many deactivations a license allows, -1 for any number.
    pub allowed_deactivations: i64,
    /// Metadata keys without which no license is created.
    pub required_metadata_keys: Vec<String>,
    /// Meter attributes without which no license is created; the sandbox does not look.
    pub required_meter_attributes: Vec<String>,
}

impl Template {
    /// A template with one activation and nothing required.
    pub fn new(id: &str, name: &str, interval: &str, trigger: Option<StartTrigger>) -> Template {
        let long_ago = Timestamp::UNIX_EPOCH;
        Template {
            id: id.to_owned(),
            name: name.to_owned(),
            created_at: long_ago,
            updated_at: long_ago,
            subscription_interval: interval.to_owned(),
            subscription_start_trigger: trigger,
            kind: "node-locked".to_owned(),
            key_pattern: "^([A-F0-9]{6}-){5}[A-F0-9]{6}$".to_owned(),
            allowed_activations: 1,
            allowed_deactivations: -1,
            required_metadata_keys: Vec::new(),
            required_meter_attributes: Vec::new(),
        }
    }
}

/// The templates named above.
pub(super) fn templates() -> [Template; 4] {
    let creation = Some(StartTrigger::Creation);
    let activation = Some(StartTrigger::Activation);
    [
        Template::new(YEARLY_TEMPLATE, "Yearly", "P1Y", creation),
        Template::new(MONTHLY_TEMPLATE, "Monthly", "P1M", creation),
        Template::new(PERPETUAL_TEMPLATE, "Perpetual", "", None),
        Template::new(YEARLY_ON_ACTIVATION_TEMPLATE, "Yearly on activation", "P1Y", activation),
    ]
}
