//! Users as Cryptlex shows them, and what may be written to them. Their `Debug` shows ids only.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::license::MetadataItem;
use crate::domain::command::{Name, is_placeholder};
use crate::domain::ids::{Mark, UserId};
use crate::providers::marks::CUSTOMER_KEYS;

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
    #[serde(default)]
    role: Value,
    #[serde(default)]
    roles: Value,
    /// Which of these Cryptlex shows of a user is not documented.
    #[serde(default)]
    organization: Value,
    #[serde(default)]
    organization_id: Value,
    #[serde(default)]
    reseller: Value,
    #[serde(default)]
    reseller_id: Value,
}

/// In the place of a mark that was taken off a user: whether a PATCH can remove an item is not documented.
const NOBODY: &str = "nobody";

/// In the place of a last name that somebody does not have and the user had.
pub const NO_NAME: &str = "-";

impl User {
    /// E-mail addresses are one user's whatever the case of their ASCII letters.
    pub fn has_email(&self, email: &str) -> bool {
        self.email.as_deref().is_some_and(|own| own.trim().eq_ignore_ascii_case(email))
    }

    /// Whether it is a placeholder for a customer of whom only the id was known.
    pub fn is_placeholder(&self) -> bool {
        self.email.as_deref().is_some_and(is_placeholder)
    }

    /// Whether it really carries the mark.
    pub fn carries(&self, mark: &Mark) -> bool {
        self.metadata.iter().any(|item| item.key == mark.key && item.value == mark.value())
    }

    /// Whether it has that metadata item.
    pub fn has(&self, wanted: &MetadataItem) -> bool {
        self.metadata.iter().any(|item| item.key == wanted.key && item.value == wanted.value)
    }

    /// The one customer whose mark it carries: the provider, and the mark. `None` for nobody's, and for several customers'.
    pub fn only_customer(&self) -> Option<(&'static str, Mark)> {
        let marks = self.metadata.iter().filter(|item| item.value != NOBODY).filter_map(|item| {
            let (provider, key) = CUSTOMER_KEYS.iter().find(|(_, key)| *key == item.key)?;
            Some((*provider, Mark::new(key, &item.value).ok()))
        });
        let mut marks = marks.collect::<Vec<_>>().into_iter();
        match (marks.next(), marks.next()) {
            (Some((provider, mark)), None) => Some((provider, mark?)),
            (None, _) | (Some(_), Some(_)) => None,
        }
    }

    /// Whether it is that customer's and nobody else's.
    pub fn is_only_of(&self, mark: &Mark) -> bool {
        self.only_customer().is_some_and(|(_, own)| own == *mark)
    }

    /// A provider with one name field is content when first and last name together are the name. Blanks do not count.
    pub fn is_called(&self, name: &Name) -> bool {
        let own = |part: &Option<String>| {
            let words = part.as_deref().unwrap_or_default().split_whitespace();
            words.filter(|word| *word != NO_NAME).collect::<Vec<_>>().join(" ")
        };
        let (first, last) = (own(&self.first_name), own(&self.last_name));
        match &name.last {
            Some(wanted) => first == name.first && &last == wanted,
            None => format!("{first} {last}").trim() == name.first,
        }
    }

    /// Whether it is somebody who has licenses and no further rights: role `user`, in no organization, of no reseller.
    pub fn is_plain(&self) -> bool {
        let role = match (&self.role, self.roles.as_array().map(Vec::as_slice)) {
            (Value::Null, Some([only])) => only,
            (role, None | Some([])) => role,
            (role, Some([only])) if role == only => role,
            (_, Some(_)) => return false,
        };
        let belongs =
            [&self.organization, &self.organization_id, &self.reseller, &self.reseller_id];
        role.as_str() == Some("user") && belongs.into_iter().all(is_nothing)
    }

    /// The list to write so that it carries this customer's mark and no other's, whether a PATCH replaces items or merges
    /// them by key.
    pub fn metadata_for(&self, mark: &Mark) -> Vec<MetadataItem> {
        let is_a_mark = |item: &MetadataItem| CUSTOMER_KEYS.iter().any(|(_, key)| *key == item.key);
        let is_replaced = |item: &MetadataItem| mark.key == item.key;
        let kept =
            self.metadata.iter().filter(|item| !is_replaced(item)).map(|item| {
                match is_a_mark(item) {
                    true => MetadataItem { value: NOBODY.to_owned(), ..item.clone() },
                    false => item.clone(),
                }
            });
        kept.chain([MetadataItem::hidden(&mark.key, mark.value())]).collect()
    }

    /// Whether a change has nothing left to do.
    pub fn shows(&self, change: &UserChange) -> bool {
        let UserChange { email, first_name, last_name, metadata } = change;
        let is = |wanted: &Option<String>, own: &Option<String>| {
            wanted.as_ref().is_none_or(|wanted| own.as_deref().unwrap_or_default() == wanted)
        };
        let items = metadata.iter().flatten();
        email.as_ref().is_none_or(|email| self.has_email(email))
            && is(first_name, &self.first_name)
            && is(last_name, &self.last_name)
            && items.into_iter().all(|item| {
                self.metadata.iter().any(|own| own.key == item.key && own.value == item.value)
            })
    }
}

/// Whatever a field that names nothing may hold.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
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
    /// The mark of the customer for whom it is made.
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
