//! Identifiers that cannot be empty.
//!
//! Cryptlex ignores an empty filter and then answers with everybody's licenses, so an empty id must not exist
//! past this module. The placeholders that the predecessor stored for missing ids are refused for the same reason:
//! many customers' licenses carry the same one.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Values that the predecessor wrote where there was no id.
const SENTINELS: [&str; 2] = ["subscription_empty", "transaction_empty"];

/// Bytes. Stripe documents 255; keys of the ledger may have 2,048.
const LONGEST: usize = 512;

/// An id that is empty, blank, no plain text, endless, or a placeholder of the predecessor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the id is empty, a placeholder, too long or has control characters")]
pub struct NotAnId;

fn checked(text: &str) -> Result<&str, NotAnId> {
    let text = text.trim();
    let odd = text.len() > LONGEST || text.chars().any(char::is_control);
    if text.is_empty() || odd || SENTINELS.contains(&text) {
        return Err(NotAnId);
    }
    Ok(text)
}

/// Characters of one text in an error: Stripe documents 255 for an id.
const LONGEST_PLAIN: usize = 255;

/// Text from a body, made safe for a log or an answer: control characters are replaced, and it is cut after 255 characters.
pub fn plain(text: &str) -> Cow<'_, str> {
    if text.chars().take(LONGEST_PLAIN.saturating_add(1)).count() <= LONGEST_PLAIN
        && !text.contains(char::is_control)
    {
        return Cow::Borrowed(text);
    }
    let mut characters = text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c });
    let mut plain: String = characters.by_ref().take(LONGEST_PLAIN).collect();
    if characters.next().is_some() {
        plain.push('\u{2026}');
    }
    Cow::Owned(plain)
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(String);

        impl $name {
            /// Trims the text and refuses what is no id.
            pub fn new(text: &str) -> Result<Self, NotAnId> {
                checked(text).map(|text| Self(text.to_owned()))
            }

            /// The id as the provider or Cryptlex wrote it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NotAnId;
            fn try_from(text: String) -> Result<Self, NotAnId> {
                match checked(&text)?.len() == text.len() {
                    true => Ok(Self(text)),
                    false => Self::new(&text),
                }
            }
        }
    };
}

id! {
    /// A provider's id of one event.
    EventId
}
id! {
    /// A provider's id of a subscription, of a one-time order, or of a customer.
    SubjectId
}
id! {
    /// A provider's id of a customer or account.
    CustomerId
}
id! {
    /// A provider's id of a payment: a payment intent, charge, invoice, order or transaction.
    PaymentId
}
id! {
    /// Cryptlex's id of a license.
    LicenseId
}
id! {
    /// Cryptlex's id of a user.
    UserId
}
id! {
    /// Cryptlex's id of a product.
    ProductId
}
id! {
    /// Cryptlex's id of a license template.
    TemplateId
}
id! {
    /// Cryptlex's id of an entitlement set.
    EntitlementSetId
}

/// A metadata item that identifies whose license or user it is on: never empty, never a placeholder.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Mark {
    /// One of the documented metadata keys, such as `paddle_subscription_id`.
    pub key: Cow<'static, str>,
    value: String,
}

impl Mark {
    /// Refuses an empty value and the predecessor's placeholders.
    pub fn new(key: &'static str, value: &str) -> Result<Self, NotAnId> {
        checked(value).map(|value| Self { key: Cow::Borrowed(key), value: value.to_owned() })
    }

    /// The value that the metadata item must have, letter by letter.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// The marks that one list can be asked for: all of them, unless a value has the comma that separates values.
    pub fn lists(marks: &[Self]) -> impl Iterator<Item = &[Self]> {
        let is_plain = |mark: &Self| !mark.value.contains(',');
        marks.chunk_by(move |a, b| is_plain(a) && is_plain(b))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_a_body_adds_no_line_and_no_page_to_a_log() {
        assert_eq!(
            plain("pri\n2026 ERROR forged\u{1b}[31m"),
            "pri\u{fffd}2026 ERROR forged\u{fffd}[31m"
        );
        assert_eq!(plain(&"\u{e4}".repeat(255)), "\u{e4}".repeat(255));
        assert_eq!(plain(&"x".repeat(1_000_000)), format!("{}\u{2026}", "x".repeat(255)));
    }

    #[test]
    fn an_id_is_never_empty_nor_a_placeholder() {
        for text in ["", " ", "\t\n", "subscription_empty", " transaction_empty "] {
            assert_eq!(SubjectId::new(text), Err(NotAnId), "{text:?}");
            assert_eq!(Mark::new("stripe_subscription_id", text), Err(NotAnId), "{text:?}");
            let json = serde_json::to_string(text).unwrap();
            assert!(serde_json::from_str::<LicenseId>(&json).is_err(), "{text:?}");
        }
        assert_eq!(SubjectId::new(" sub_1 ").unwrap().as_str(), "sub_1");
        let long = "x".repeat(513);
        for text in ["sub_1\nsub_2", "sub_\u{1b}[31m", &long] {
            assert_eq!(EventId::new(text), Err(NotAnId), "{text:?}");
        }
    }
}
