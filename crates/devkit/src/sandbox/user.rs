//! A user in the shape in which the API shows it, and what may be posted about one.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    fields::{
        After::{self, Changed, Cleared, Fixed},
        Field, Shape,
    },
    instant,
    metadata::MetadataItem,
    query::{Compared, Listed, Seen},
    settings::{Settings, UserRole},
    shelf::Item,
};

const ROLES: &[&str] = &["user", "organization-admin", "reseller-admin"];

/// All fields of a user that can be written.
pub(super) const FIELDS: &[Field] = &[
    field("firstName", Shape::Text { min: 1, max: 256 }, Changed),
    field("lastName", Shape::Text { min: 0, max: 256 }, Changed),
    field("email", Shape::Email, Changed),
    // Another call of the API changes it.
    field("password", Shape::Text { min: 8, max: 256 }, Fixed),
    field("role", Shape::OneOf(ROLES), Changed),
    field("company", Shape::Text { min: 0, max: 256 }, Cleared),
    field("allowCustomerPortalAccess", Shape::Flag, Changed),
    field("organizationId", Shape::Nothing, Cleared),
    field("resellerId", Shape::Nothing, Cleared),
    field("metadata", Shape::Metadata, Changed),
    field("tags", Shape::Texts { max: 5 }, Changed),
];

const fn field(name: &'static str, shape: Shape, after_creation: After) -> Field {
    Field { name, shape, after_creation }
}

/// A user. The password is checked and forgotten.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// Id, shaped like a UUID.
    pub id: String,
    /// When it was made; no two users of one sandbox are made at the same instant.
    #[serde(serialize_with = "instant::serialize")]
    pub created_at: Timestamp,
    /// When it was changed.
    #[serde(serialize_with = "instant::serialize")]
    pub updated_at: Timestamp,
    /// First and last name.
    pub name: String,
    /// First name.
    pub first_name: String,
    /// Last name, empty if it has none.
    pub last_name: String,
    /// E-mail as it was posted; unique whatever its case.
    pub email: String,
    /// Company.
    pub company: Option<String>,
    /// Role; an answer may show it in a list.
    pub role: String,
    /// Organization, if it belongs to one. Only a seed can say so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization_id: Option<String>,
    /// Reseller, if it belongs to one. Only a seed can say so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reseller_id: Option<String>,
    /// Always off.
    pub two_factor_enabled: bool,
    /// Always off.
    pub google_sso_enabled: bool,
    /// Whether it may use the customer portal.
    pub allow_customer_portal_access: bool,
    /// Never.
    pub last_login_at: Option<String>,
    /// Never.
    pub last_seen_at: Option<String>,
    /// Metadata.
    pub metadata: Vec<MetadataItem>,
    /// Tags.
    pub tags: Vec<String>,
}

impl User {
    /// Takes over one posted field. Metadata needs more than the user and is left out.
    pub(super) fn assign(&mut self, field: &str, value: &Value) {
        let text = || value.as_str().unwrap_or_default().to_owned();
        match field {
            "firstName" => self.first_name = text(),
            "lastName" => self.last_name = text(),
            "email" => self.email = text(),
            "company" => self.company = value.as_str().map(str::to_owned),
            "role" => self.role = text(),
            "organizationId" => self.organization_id = value.as_str().map(str::to_owned),
            "resellerId" => self.reseller_id = value.as_str().map(str::to_owned),
            "allowCustomerPortalAccess" => {
                self.allow_customer_portal_access = value.as_bool().unwrap_or_default();
            }
            "tags" => self.tags = serde_json::from_value(value.clone()).unwrap_or_default(),
            _ => {}
        }
        self.name = format!("{} {}", self.first_name, self.last_name).trim().to_owned();
    }
}

/// A user as an answer shows it.
pub(super) fn shown(user: &User, settings: &Settings) -> Value {
    let mut shown = json!(user);
    if let Some(fields) = shown.as_object_mut() {
        match settings.user_role {
            UserRole::Role => {}
            UserRole::Roles => {
                fields.remove("role");
                fields.insert("roles".to_owned(), json!([user.role]));
            }
            UserRole::Absent => {
                fields.remove("role");
            }
        }
    }
    shown
}

impl Item for User {
    fn id(&self) -> &str {
        &self.id
    }

    fn unique_name(&self) -> String {
        self.email.to_lowercase()
    }
}

impl Listed for User {
    const FILTERS: &'static [(&'static str, Compared)] = &[
        ("id", Compared::Id),
        ("email", Compared::Email),
        ("name", Compared::Text),
        ("company", Compared::Text),
        ("role", Compared::Text),
        ("metadata.key", Compared::Text),
        ("metadata.value", Compared::Text),
        ("tags", Compared::Text),
        ("createdAt", Compared::Instant),
        ("updatedAt", Compared::Instant),
    ];
    // Staff: the bare e-mail filter of users compares exactly, unlike that of licenses.
    const BARE_MAY_CONTAIN: bool = false;

    fn seen(&self, field: &str, _now: Timestamp) -> Seen<'_> {
        match field {
            "id" => Seen::Text(&self.id),
            "email" => Seen::Text(&self.email),
            "name" => Seen::Text(&self.name),
            "company" => Seen::text(self.company.as_ref()),
            "role" => Seen::Text(&self.role),
            "tags" => Seen::AnyOf(&self.tags),
            "createdAt" => Seen::Instant(self.created_at),
            "updatedAt" => Seen::Instant(self.updated_at),
            _ => Seen::Absent,
        }
    }

    fn metadata(&self) -> &[MetadataItem] {
        &self.metadata
    }
}
