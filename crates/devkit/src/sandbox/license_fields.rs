//! What may be posted about a license, and changed later. Sections of the API reference: POST and PATCH /v3/licenses.

use super::fields::{
    After::{self, Changed, Cleared, Fixed},
    Field,
    Shape::{
        self, Flag, Id, Ids, Instant, Interval, Metadata, MeterAttributes, Nothing, OneOf, Text,
        Texts, Version, Whole,
    },
};

const MAX_NOTES: usize = 65_536;

/// All fields of a license that can be written.
pub(super) const FIELDS: &[Field] = &[
    field("key", Text { min: 16, max: 256 }, Changed),
    field("revoked", Flag, Changed),
    field("suspended", Flag, Changed),
    field("fingerprintMatchingStrategy", OneOf(&["fuzzy", "exact", "loose"]), Changed),
    field("allowedActivations", Whole { min: -1 }, Changed),
    field("allowedDeactivations", Whole { min: -1 }, Changed),
    field("leaseDuration", Whole { min: -1 }, Changed),
    field("allowClientLeaseDuration", Flag, Changed),
    field("allowedFloatingClients", Whole { min: 0 }, Changed),
    field("serverSyncGracePeriod", Whole { min: -1 }, Changed),
    field("serverSyncInterval", Whole { min: 180 }, Changed),
    field("allowedClockOffset", Whole { min: -1 }, Changed),
    field("cryptoBindingEnabled", Flag, Changed),
    field("expiringSoonEventOffset", Whole { min: 0 }, Changed),
    field("allowVmActivation", Flag, Changed),
    field("allowContainerActivation", Flag, Changed),
    field("requireAuthentication", Flag, Changed),
    field("disableGeoLocation", Flag, Changed),
    field("notes", Text { min: 0, max: MAX_NOTES }, Cleared),
    field("allowedIpRange", Text { min: 0, max: 256 }, Cleared),
    field("allowedIpRanges", Texts { max: 20 }, Changed),
    field("allowedCountries", Texts { max: 256 }, Changed),
    field("disallowedCountries", Texts { max: 256 }, Changed),
    field("allowedIpAddresses", Texts { max: 256 }, Changed),
    field("disallowedIpAddresses", Texts { max: 256 }, Changed),
    field("userId", Id, Cleared),
    field("additionalUserIds", Ids, Changed),
    field("entitlementSetId", Id, Cleared),
    field("maxAllowedReleaseVersion", Version, Cleared),
    field("tags", Texts { max: 5 }, Changed),
    field("metadata", Metadata, Changed),
    field("meterAttributes", MeterAttributes, Changed),
    field("resellerId", Nothing, Cleared),
    field("productVersionId", Nothing, Cleared),
    field("maintenancePolicyId", Nothing, Cleared),
    field("organizationId", Nothing, Fixed),
    field("productId", Id, Fixed),
    field("licenseTemplateId", Id, Fixed),
    field("createdAt", Instant, Fixed),
    field("expiresAt", Instant, Fixed),
    field("subscriptionInterval", Interval, Fixed),
    field("subscriptionStartTrigger", OneOf(&["creation", "activation"]), Fixed),
    field("type", OneOf(&["node-locked", "hosted-floating", "on-premise-floating"]), Fixed),
    field("leasingStrategy", OneOf(&["per-machine", "per-instance"]), Fixed),
    field("validity", Whole { min: 0 }, Fixed),
    field("expirationStrategy", OneOf(&["immediate", "delayed", "rolling"]), Fixed),
    field("userLocked", Flag, Fixed),
];

/// The body of PATCH /v3/licenses/{id}/expires-at.
pub(super) const EXPIRY: &[Field] = &[field("expiresAt", Instant, Cleared)];

const fn field(name: &'static str, shape: Shape, after_creation: After) -> Field {
    Field { name, shape, after_creation }
}
