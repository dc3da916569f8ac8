//! Licenses as Cryptlex shows them, and what may be written to them.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};

use crate::domain::ids::{EntitlementSetId, LicenseId, Mark, ProductId, TemplateId, UserId};
use crate::domain::interval::Interval;

/// A license, without its key. Only the id is certain to be there.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct License {
    /// A UUID.
    pub id: LicenseId,
    /// The product it is for.
    #[serde(default, deserialize_with = "id_or_none")]
    pub product_id: Option<ProductId>,
    /// When it was created.
    #[serde(default, deserialize_with = "instant")]
    pub created_at: Option<Timestamp>,
    /// `null` for a perpetual license and for one that waits for its first activation.
    #[serde(default, deserialize_with = "instant")]
    pub expires_at: Option<Timestamp>,
    #[serde(default)]
    suspended: Option<bool>,
    #[serde(default)]
    revoked: Option<bool>,
    #[serde(default)]
    subscription_interval: Option<String>,
    /// `creation`, or the first activation.
    #[serde(default)]
    pub subscription_start_trigger: Option<String>,
    #[serde(default)]
    allowed_activations: Option<i64>,
    #[serde(default)]
    user: Option<Owner>,
    #[serde(default, deserialize_with = "items")]
    metadata: Vec<MetadataItem>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Owner {
    #[serde(default, deserialize_with = "id_or_none")]
    id: Option<UserId>,
}

/// One metadata item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MetadataItem {
    /// Its name.
    pub key: String,
    /// Its value.
    pub value: String,
    /// Who may see it: nobody but administrators, for what this project writes.
    #[serde(rename = "viewPermissions")]
    pub view_permissions: Vec<String>,
}

impl MetadataItem {
    /// An item that only administrators see.
    pub fn hidden(key: &str, value: &str) -> Self {
        Self { key: key.to_owned(), value: value.to_owned(), view_permissions: Vec::new() }
    }
}

impl License {
    /// Whether the license is suspended.
    pub fn is_suspended(&self) -> bool {
        self.suspended.unwrap_or(false)
    }

    /// Whether the license is revoked.
    pub fn is_revoked(&self) -> bool {
        self.revoked.unwrap_or(false)
    }

    /// `None` when it is perpetual, or not a duration.
    pub fn interval(&self) -> Option<Interval> {
        Interval::parse(self.subscription_interval.as_deref()?).ok()
    }

    /// The user that it belongs to.
    pub fn user(&self) -> Option<&UserId> {
        self.user.as_ref()?.id.as_ref()
    }

    /// How many activations it allows; `None` when it says nothing, or allows any number (0 or -1).
    pub fn activations(&self) -> Option<u32> {
        u32::try_from(self.allowed_activations?).ok().filter(|count| *count > 0)
    }

    /// The value of a metadata item.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.iter().find(|item| item.key == key).map(|item| item.value.as_str())
    }

    /// Whether it carries an id of that provider, such as `paddle_subscription_id`.
    pub fn is_marked_by(&self, provider: &str) -> bool {
        let is_of = |key: &str| key.strip_prefix(provider).is_some_and(|it| it.starts_with('_'));
        self.metadata.iter().any(|item| is_of(&item.key))
    }

    /// Whether any of its metadata items is that id. Providers' ids are unlike each other, and only we and the vendor write
    /// metadata.
    pub fn names(&self, id: &str) -> bool {
        self.metadata.iter().any(|item| item.value == id)
    }

    /// Whether it really carries the mark: Cryptlex's filters may answer with more than was asked for.
    pub fn carries(&self, mark: &Mark) -> bool {
        self.metadata.iter().any(|item| item.key == mark.key && item.value == mark.value())
    }
}

/// Any value in the place of an id; an empty one is none.
fn id_or_none<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<String>,
{
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.and_then(|text| T::try_from(text).ok()))
}

/// Items that have a key and a value; one that is odd must not make the whole list unreadable.
pub(super) fn items<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<MetadataItem>, D::Error> {
    #[derive(Deserialize)]
    struct Item {
        key: Option<String>,
        value: Option<String>,
        #[serde(rename = "viewPermissions")]
        view_permissions: Option<Vec<String>>,
    }
    let items = Option::<Vec<Item>>::deserialize(deserializer)?.unwrap_or_default();
    let whole = |item: Item| {
        let view_permissions = item.view_permissions.unwrap_or_default();
        Some(MetadataItem { key: item.key?, value: item.value?, view_permissions })
    };
    Ok(items.into_iter().filter_map(whole).collect())
}

/// Cryptlex writes seven fractional digits, and a time without offset would be UTC.
pub(super) fn instant<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Timestamp>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else {
        return Ok(None);
    };
    let instant = text.parse::<Timestamp>().or_else(|e| {
        let local = text.parse::<jiff::civil::DateTime>().map_err(|_not_local| e)?;
        Ok::<_, jiff::Error>(local.to_zoned(jiff::tz::TimeZone::UTC)?.timestamp())
    });
    instant.map(Some).map_err(serde::de::Error::custom)
}

/// The body of `POST /v3/licenses`. What is absent comes from the template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewLicense {
    /// The only field that Cryptlex needs.
    pub product_id: ProductId,
    /// Overrides the product's default template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub license_template_id: Option<TemplateId>,
    /// Whose it is.
    pub user_id: UserId,
    /// Stripe's optional entitlement set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entitlement_set_id: Option<EntitlementSetId>,
    /// An ISO 8601 duration; empty for a perpetual license whatever the template says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscription_interval: Option<String>,
    /// Taken over from the license that this one is added to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscription_start_trigger: Option<String>,
    /// For a quantity that buys activations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_activations: Option<u32>,
    /// Newest release that the license is valid for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_allowed_release_version: Option<String>,
    /// The slot and the provider's ids.
    pub metadata: Vec<MetadataItem>,
}

/// The body of `PATCH /v3/licenses/{id}`: what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LicenseChange {
    /// Reversible, keeps the activation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspended: Option<bool>,
    /// Reversible, but the user must activate again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked: Option<bool>,
    /// How many activations it allows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_activations: Option<u32>,
    /// Whose it is from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_license_is_read_as_documented_and_needs_only_its_id() {
        let license: License = serde_json::from_str(
            r#"{"id":"l1","key":"K","expiresAt":"2026-05-05T08:49:17.9361143Z","createdAt":"2026-05-05T08:49:17.1",
                "suspended":null,"metadata":[{"key":"a","value":"b","viewPermissions":[],"id":"m"}],"user":{"id":"u1"},
                "allowedActivations":-1,"subscriptionInterval":"","somethingNew":{}}"#,
        )
        .unwrap();
        assert_eq!(license.expires_at.unwrap().subsec_nanosecond(), 936_114_300);
        assert_eq!(license.created_at.unwrap().to_string(), "2026-05-05T08:49:17.1Z");
        assert_eq!(
            (license.is_suspended(), license.activations(), license.interval()),
            (false, None, None)
        );
        assert!(!format!("{license:?}").contains("\"K\""));
        let bare: License =
            serde_json::from_str(r#"{"id":"l2","metadata":null,"user":null}"#).unwrap();
        assert_eq!((bare.user(), bare.metadata("a"), bare.expires_at), (None, None, None));
        for odd in [
            r#"{"key":"a","value":"b","viewPermissions":null}"#,
            r#"{"key":"a","value":"b"}"#,
            r#"{"key":"x","value":null},{"key":"a","value":"b"},{}"#,
        ] {
            let text = format!(r#"{{"id":"l3","productId":"","user":{{}},"metadata":[{odd}]}}"#);
            let license: License = serde_json::from_str(&text).unwrap();
            assert_eq!((license.metadata("a"), license.user()), (Some("b"), None), "{odd}");
        }
        for bad in [r#"{"id":""}"#, r#"{}"#, r#"{"id":"l","expiresAt":"soon"}"#] {
            assert!(serde_json::from_str::<License>(bad).is_err(), "{bad}");
        }
    }
}
