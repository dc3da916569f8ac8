//! A license in the shape in which the API shows it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    catalogue::Template,
    fields::Body,
    instant,
    metadata::MetadataItem,
    query::{Compared, Listed, Seen},
    shelf::Item,
    user::User,
};

/// A license.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct License {
    /// Id, shaped like a UUID.
    pub id: String,
    /// When it was made; no two licenses of one sandbox are made at the same instant.
    #[serde(serialize_with = "instant::serialize")]
    pub created_at: Timestamp,
    /// When it was changed.
    #[serde(serialize_with = "instant::serialize")]
    pub updated_at: Timestamp,
    /// License key.
    pub key: String,
    /// Revoked.
    pub revoked: bool,
    /// Suspended.
    pub suspended: bool,
    /// Neither an expiry nor an interval that could lead to one.
    pub perpetual: bool,
    /// Kind of license.
    #[serde(rename = "type")]
    pub kind: String,
    /// ISO 8601 duration, empty for perpetual.
    pub subscription_interval: String,
    /// When the first interval begins.
    pub subscription_start_trigger: Option<StartTrigger>,
    /// End, if it has one.
    #[serde(serialize_with = "instant::serialize_option")]
    pub expires_at: Option<Timestamp>,
    /// Activations so far; nothing in the sandbox activates.
    pub total_activations: i64,
    /// How many activations it allows, 0 or -1 for any number.
    pub allowed_activations: i64,
    /// How many deactivations it allows, -1 for any number.
    pub allowed_deactivations: i64,
    /// Newest release that it is good for.
    pub max_allowed_release_version: Option<String>,
    /// Entitlement set. Any UUID is taken.
    pub entitlement_set_id: Option<String>,
    /// Product.
    pub product_id: String,
    /// Template that seeded it. The API does not tell.
    #[serde(skip)]
    pub template_id: Option<String>,
    /// Its user, if it has one.
    pub user: Option<LicenseUser>,
    /// More users.
    pub additional_user_ids: Vec<String>,
    /// Notes.
    pub notes: Option<String>,
    /// Tags.
    pub tags: Vec<String>,
    /// Metadata.
    pub metadata: Vec<MetadataItem>,
    /// Further fields that were posted, by the names in the API.
    #[serde(flatten)]
    pub other: Body,
}

/// What a license shows of its user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LicenseUser {
    /// Id.
    pub id: String,
    /// First and last name.
    pub name: String,
    /// First name.
    pub first_name: String,
    /// Last name.
    pub last_name: String,
    /// E-mail.
    pub email: String,
    /// Company.
    pub company: Option<String>,
}

/// When the first interval of a license begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StartTrigger {
    /// On creation.
    Creation,
    /// On the first activation.
    Activation,
}

impl StartTrigger {
    fn word(self) -> &'static str {
        match self {
            StartTrigger::Creation => "creation",
            StartTrigger::Activation => "activation",
        }
    }
}

impl License {
    /// A license as its template seeds it, before anything that was posted.
    pub(super) fn seeded(id: String, key: String, created: Timestamp, from: &Template) -> License {
        License {
            id,
            created_at: created,
            updated_at: created,
            key,
            revoked: false,
            suspended: false,
            perpetual: false,
            kind: from.kind.clone(),
            subscription_interval: from.subscription_interval.clone(),
            subscription_start_trigger: from.subscription_start_trigger,
            expires_at: None,
            total_activations: 0,
            allowed_activations: from.allowed_activations,
            allowed_deactivations: from.allowed_deactivations,
            max_allowed_release_version: None,
            entitlement_set_id: None,
            product_id: String::new(),
            template_id: Some(from.id.clone()),
            user: None,
            additional_user_ids: Vec::new(),
            notes: None,
            tags: Vec::new(),
            metadata: Vec::new(),
            other: Body::new(),
        }
    }

    /// Takes over one posted field. User and metadata need more than the license and are left out.
    pub(super) fn assign(&mut self, field: &str, value: &Value) {
        let text = || value.as_str().map(str::to_owned);
        let whole = || value.as_i64().unwrap_or_default();
        let flag = || value.as_bool().unwrap_or_default();
        let texts = || serde_json::from_value(value.clone()).unwrap_or_default();
        match field {
            "userId" | "metadata" => {}
            "key" => self.key = text().unwrap_or_default(),
            "revoked" => self.revoked = flag(),
            "suspended" => self.suspended = flag(),
            "type" => self.kind = text().unwrap_or_default(),
            "subscriptionInterval" => self.subscription_interval = text().unwrap_or_default(),
            "subscriptionStartTrigger" => {
                self.subscription_start_trigger = serde_json::from_value(value.clone()).ok();
            }
            "totalActivations" => self.total_activations = whole(),
            "allowedActivations" => self.allowed_activations = whole(),
            "allowedDeactivations" => self.allowed_deactivations = whole(),
            "maxAllowedReleaseVersion" => self.max_allowed_release_version = text(),
            "entitlementSetId" => self.entitlement_set_id = text(),
            "productId" => self.product_id = text().unwrap_or_default(),
            "licenseTemplateId" => self.template_id = text(),
            "additionalUserIds" => self.additional_user_ids = texts(),
            "notes" => self.notes = text(),
            "tags" => self.tags = texts(),
            // Set apart from the others, as their meaning depends on each other.
            "expiresAt" | "createdAt" => {}
            _ => {
                self.other.insert(field.to_owned(), value.clone());
            }
        }
    }

    /// Moves the end.
    pub(super) fn end_at(&mut self, instant: Option<Timestamp>) {
        self.expires_at = instant;
        self.perpetual = instant.is_none() && self.subscription_interval.is_empty();
    }
}

impl LicenseUser {
    pub(super) fn of(user: &User) -> LicenseUser {
        LicenseUser {
            id: user.id.clone(),
            name: user.name.clone(),
            first_name: user.first_name.clone(),
            last_name: user.last_name.clone(),
            email: user.email.clone(),
            company: user.company.clone(),
        }
    }
}

impl Item for License {
    fn id(&self) -> &str {
        &self.id
    }

    fn unique_name(&self) -> String {
        self.key.clone()
    }
}

impl Listed for License {
    const FILTERS: &'static [(&'static str, Compared)] = &[
        ("id", Compared::Id),
        ("key", Compared::Text),
        ("productId", Compared::Id),
        ("userId", Compared::Id),
        ("user.email", Compared::Email),
        ("user.company", Compared::Text),
        ("metadata.key", Compared::Text),
        ("metadata.value", Compared::Text),
        ("revoked", Compared::Flag),
        ("suspended", Compared::Flag),
        ("perpetual", Compared::Flag),
        ("expired", Compared::Flag),
        ("expiresAt", Compared::Instant),
        ("createdAt", Compared::Instant),
        ("updatedAt", Compared::Instant),
        ("type", Compared::Text),
        ("notes", Compared::Text),
        ("tags", Compared::Text),
        ("entitlementSetId", Compared::Id),
        ("subscriptionInterval", Compared::Text),
        ("subscriptionStartTrigger", Compared::Text),
        ("allowedActivations", Compared::Whole),
        ("totalActivations", Compared::Whole),
    ];
    const BARE_MAY_CONTAIN: bool = true;

    fn seen(&self, field: &str, now: Timestamp) -> Seen<'_> {
        let user = self.user.as_ref();
        match field {
            "id" => Seen::Text(&self.id),
            "key" => Seen::Text(&self.key),
            "productId" => Seen::Text(&self.product_id),
            // The reference: it matches the user, and additional users too.
            "userId" => match user {
                Some(user) => Seen::Among(&user.id, &self.additional_user_ids),
                None => Seen::AnyOf(&self.additional_user_ids),
            },
            "user.email" => Seen::text(user.map(|it| &it.email)),
            "user.company" => Seen::text(user.and_then(|it| it.company.as_ref())),
            "revoked" => Seen::Flag(self.revoked),
            "suspended" => Seen::Flag(self.suspended),
            "perpetual" => Seen::Flag(self.perpetual),
            "expired" => Seen::Flag(self.expires_at.is_some_and(|end| end <= now)),
            "expiresAt" => self.expires_at.map_or(Seen::Absent, Seen::Instant),
            "createdAt" => Seen::Instant(self.created_at),
            "updatedAt" => Seen::Instant(self.updated_at),
            "type" => Seen::Text(&self.kind),
            "notes" => Seen::text(self.notes.as_ref()),
            "tags" => Seen::AnyOf(&self.tags),
            "entitlementSetId" => Seen::text(self.entitlement_set_id.as_ref()),
            "subscriptionInterval" => Seen::Text(&self.subscription_interval),
            "subscriptionStartTrigger" => {
                self.subscription_start_trigger.map_or(Seen::Absent, |it| Seen::Text(it.word()))
            }
            "allowedActivations" => Seen::Whole(self.allowed_activations),
            "totalActivations" => Seen::Whole(self.total_activations),
            _ => Seen::Absent,
        }
    }

    fn metadata(&self) -> &[MetadataItem] {
        &self.metadata
    }
}
