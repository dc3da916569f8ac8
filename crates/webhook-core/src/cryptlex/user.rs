//! Users as Cryptlex shows them, and what may be written to them. Their `Debug` shows ids only.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::license::MetadataItem;
use crate::command::PLACEHOLDER_DOMAIN;
use crate::ids::{Mark, UserId};

/// A user. Only the id is certain to be there.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// A UUID.
    pub id: UserId,
    /// Unique in the account.
    #[serde(default)]
    pub email: Option<String>,
    /// First name, or the whole name.
    #[serde(default)]
    pub first_name: Option<String>,
    /// Last name.
    #[serde(default)]
    pub last_name: Option<String>,
    /// When the user was created.
    #[serde(default, deserialize_with = "super::license::instant")]
    pub created_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "super::license::items")]
    metadata: Vec<MetadataItem>,
}

impl User {
    /// E-mail addresses are one user's however they are spelt.
    pub fn has_email(&self, email: &str) -> bool {
        self.email.as_deref().is_some_and(|own| own.trim().to_lowercase() == email.to_lowercase())
    }

    /// Whether this user stands in for a customer of whom only the id was known.
    pub fn is_placeholder(&self) -> bool {
        self.email
            .as_deref()
            .is_some_and(|email| email.trim().to_lowercase().ends_with(PLACEHOLDER_DOMAIN))
    }

    /// Whether it really carries the mark.
    pub fn carries(&self, mark: &Mark) -> bool {
        self.metadata.iter().any(|item| item.key == mark.key && item.value == mark.value())
    }

    /// The list to write so that the mark is among the items whether a PATCH replaces or merges them.
    ///
    /// `None` when another value of that key is there: it belongs to another customer of the same person.
    pub fn metadata_with(&self, mark: &Mark) -> Option<Vec<MetadataItem>> {
        if self.metadata.iter().any(|item| item.key == mark.key) {
            return None;
        }
        let mut items = self.metadata.clone();
        items.push(MetadataItem::hidden(&mark.key, mark.value()));
        Some(items)
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The body of `POST /v3/users`, but for the password, which is made when it is sent.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewUser {
    /// In lower case.
    pub email: String,
    /// Never empty: Cryptlex requires it.
    pub first_name: String,
    /// Last name, where the provider has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_name: Option<String>,
    /// Company, where the provider has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub company: Option<String>,
    /// The provider's customer id, where purchases carry no e-mail.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub metadata: Vec<MetadataItem>,
}

impl fmt::Debug for NewUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewUser(..)")
    }
}

/// The body of `PATCH /v3/users/{id}`: what is absent stays.
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UserChange {
    /// In lower case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// First name, or the whole name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    /// Last name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_name: Option<String>,
    /// The whole list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Vec<MetadataItem>>,
}

impl fmt::Debug for UserChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserChange(..)")
    }
}
