//! Every behaviour of Cryptlex that no source states, as a switch; the default is the likely one.

use serde::{Deserialize, Serialize};

/// The bearer token that [`Settings::default`] accepts.
pub const ACCESS_TOKEN: &str = "sandbox-token";

/// How the sandbox behaves where Cryptlex's documentation is silent.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Settings {
    /// The only bearer token that is let in.
    pub access_token: String,
    /// Answer to a user whose e-mail another one has: 409 or 400.
    pub user_conflict_status: u16,
    /// Answer to a license whose key another one has: 409 or 400.
    pub license_conflict_status: u16,
    /// Answer to a license for a user who does not exist: 404 or 400.
    pub unknown_user_status: u16,
    /// Length of a list page when no `limit` is given.
    pub default_page_size: usize,
    /// What renewing does to a license without an expiry.
    pub renew_without_expiry: RenewWithoutExpiry,
    /// Whether `metadata.key` and `metadata.value` speak of one item.
    pub metadata_filters: MetadataFilters,
    /// What a PATCH with `metadata` does to items that it does not name.
    pub metadata_patch: MetadataPatch,
    /// What a license filter on text means when it is written without an operator.
    pub bare_filters: BareFilters,
    /// Number of list calls of its kind that must be answered before a new license or user shows up in one.
    pub stale_lists: u32,
    /// Whether e-mail filters tell `A@x` from `a@x`.
    pub email_filter_case_sensitive: bool,
    /// How an answer shows the role of a user.
    pub user_role: UserRole,
    /// Whether an expiry before now may be set.
    pub expires_at_in_past: Verdict,
    /// Whether an expiry may be taken away by `"expiresAt": null`.
    pub expires_at_null: Verdict,
    /// What is kept of a posted expiry.
    pub expires_at_precision: Precision,
    /// Which one counts when a license is created with both.
    pub expiry_or_interval: ExpiryOrInterval,
    /// What a PATCH does with a field that can only be set on creation.
    pub patch_of_fixed_field: PatchOfFixedField,
    /// Whether a key chosen by the caller must look like a generated one of Cryptlex.
    pub key_pattern_enforced: bool,
    /// Requests that are let through in 5 seconds of real time; no limit and no headers without it.
    pub rate_limit: Option<u32>,
    /// Time that every answer of the API is held back. The effect comes first.
    pub latency_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            access_token: ACCESS_TOKEN.to_owned(),
            user_conflict_status: 409,
            license_conflict_status: 409,
            unknown_user_status: 404,
            default_page_size: 20,
            renew_without_expiry: RenewWithoutExpiry::Refuse400,
            metadata_filters: MetadataFilters::SameItem,
            metadata_patch: MetadataPatch::MergeByKey,
            bare_filters: BareFilters::Contains,
            stale_lists: 0,
            email_filter_case_sensitive: false,
            user_role: UserRole::Role,
            expires_at_in_past: Verdict::Accept,
            expires_at_null: Verdict::Refuse400,
            expires_at_precision: Precision::Full,
            expiry_or_interval: ExpiryOrInterval::Expiry,
            patch_of_fixed_field: PatchOfFixedField::Refuse400,
            key_pattern_enforced: false,
            rate_limit: None,
            latency_ms: 0,
        }
    }
}

/// See [`Settings::renew_without_expiry`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RenewWithoutExpiry {
    /// 400.
    Refuse400,
    /// 409.
    Refuse409,
    /// 200, and the license is as before.
    AcceptUnchanged,
}

/// See [`Settings::metadata_filters`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MetadataFilters {
    /// One item must fulfil all of them.
    SameItem,
    /// Each may be fulfilled by another item.
    AnyItem,
}

/// See [`Settings::metadata_patch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MetadataPatch {
    /// They stay.
    MergeByKey,
    /// They go.
    Replace,
}

/// See [`Settings::bare_filters`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum BareFilters {
    /// The value may be anywhere in the text, as staff confirmed of `email`.
    Contains,
    /// The same as `[eq]`.
    Exact,
}

/// Whether something is taken or answered with 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// Taken.
    Accept,
    /// 400.
    Refuse400,
}

/// See [`Settings::expires_at_precision`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Precision {
    /// Ticks of 100 ns, the seven digits of an answer.
    Full,
    /// Whole seconds.
    Seconds,
    /// Whole milliseconds.
    Milliseconds,
}

/// See [`Settings::expiry_or_interval`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ExpiryOrInterval {
    /// The posted expiry.
    Expiry,
    /// The one that follows from the posted interval.
    Interval,
}

/// See [`Settings::patch_of_fixed_field`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PatchOfFixedField {
    /// 400.
    Refuse400,
    /// 200, and the field is as before.
    Ignore,
}

/// See [`Settings::user_role`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum UserRole {
    /// `"role": "user"`.
    Role,
    /// `"roles": ["user"]`.
    Roles,
    /// Not at all.
    Absent,
}
