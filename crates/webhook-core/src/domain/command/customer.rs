//! People, as purchases name them. None of it shows in `Debug`.

use std::fmt;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::domain::ids::{CustomerId, Mark};

/// A person who buys or gets licenses.
#[derive(Clone, Serialize)]
pub struct Customer {
    /// The provider's id, where there is one (guests have none).
    pub id: Option<CustomerId>,
    /// Where Cryptlex can reach them.
    pub email: Email,
    /// Their name as the provider splits it.
    pub name: Option<Name>,
    /// Their company.
    pub company: Option<String>,
    /// The metadata that users made for them carry, where they have an id.
    pub mark: Option<Mark>,
}

impl Customer {
    /// Whether only their id is known, so that a placeholder user gets their licenses.
    pub fn is_placeholder(&self) -> bool {
        matches!(self.email, Email::Placeholder(_))
    }

    /// Their name as it may be written: the part before the @ for somebody without one, or with one that is a link.
    /// Cryptlex requires a first name.
    pub fn written_name(&self) -> Name {
        let stand_in = || match (&self.email, &self.id) {
            (Email::Placeholder(_), Some(id)) => id.to_string(),
            (email, _) => email.local_part().to_owned(),
        };
        let name = self.name.clone().filter(|name| !name.is_a_link());
        name.or_else(|| Name::of(Some(&stand_in()), None).filter(|name| !name.is_a_link()))
            .unwrap_or_else(|| Name { first: "Customer".to_owned(), last: None })
    }

    /// Their company as it may be written: none where it is a link.
    pub fn written_company(&self) -> Option<String> {
        self.company.as_deref().and_then(tidy).filter(|company| !is_a_link(company))
    }
}

/// The name a provider gives, cut up in its way.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Name {
    /// Never empty.
    pub first: String,
    /// Absent where the provider has one name field, or one word in it.
    pub last: Option<String>,
}

impl Name {
    /// Blank parts count as absent; without a first name the last name takes its place.
    pub fn of(first: Option<&str>, last: Option<&str>) -> Option<Self> {
        match (first.and_then(tidy), last.and_then(tidy)) {
            (Some(first), last) => Some(Self { first, last }),
            (None, Some(first)) => Some(Self { first, last: None }),
            (None, None) => None,
        }
    }

    /// Whether a mail program would make a link of it: buyers write their names themselves, and mails carry them.
    fn is_a_link(&self) -> bool {
        let last = self.last.as_deref().unwrap_or_default();
        is_a_link(&self.first) || is_a_link(last) || is_a_link(&format!("{}{last}", self.first))
    }
}

/// Characters of one part of a name.
const LONGEST_NAME: usize = 128;

/// Without control characters, those that turn text around or hide in it, and more than one blank between words; `None` if
/// nothing is left.
fn tidy(text: &str) -> Option<String> {
    let is_plain = |c: &char| c.is_whitespace() || !(c.is_control() || is_invisible(*c));
    let plain: String = text.chars().filter(is_plain).collect();
    let words = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    let short: String = words.chars().take(LONGEST_NAME).collect();
    let short = short.trim_end();
    (!short.is_empty() && short != "-").then(|| short.to_owned())
}

/// Of Unicode's format characters those without a shape of their own.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{3164}' | '\u{e0000}'..='\u{e007f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

fn is_a_link(text: &str) -> bool {
    text.contains("://") || text.to_ascii_lowercase().contains("www.")
}

/// An e-mail address; two spellings are one user.
#[derive(Clone, Serialize)]
pub enum Email {
    /// The customer's own, and as the provider spells it.
    Real {
        /// Its ASCII letters in lower case: how it is written and compared.
        address: String,
        /// Looked up as well, because Cryptlex may compare letter by letter.
        spelt: String,
    },
    /// That of a placeholder user, for a customer of whom only the id is known.
    Placeholder(String),
}

/// What Paddle placeholder addresses end in, as the predecessor wrote them.
const PLACEHOLDER_DOMAIN: &str = "@cryptlexpaddle.com";

/// Whether an address is that of a placeholder user.
pub fn is_placeholder(address: &str) -> bool {
    address.trim().to_ascii_lowercase().ends_with(PLACEHOLDER_DOMAIN)
}

/// By which an address is recognised without being kept: SHA-256, in hex.
pub fn email_digest(address: &str) -> String {
    hex::encode(Sha256::digest(address.trim().to_ascii_lowercase()))
}

/// Bytes: <https://www.rfc-editor.org/errata/eid1690>.
const LONGEST_ADDRESS: usize = 254;

impl Email {
    /// Refuses what has nothing on both sides of an @, is too long, or is in the domain of placeholders.
    ///
    /// Only ASCII letters are compared without case: a mail server may tell others apart, such as a k from the Kelvin sign.
    pub fn real(text: &str) -> Option<Self> {
        let spelt = text.trim();
        let (local, domain) = spelt.rsplit_once('@')?;
        let plausible = !local.is_empty()
            && !domain.is_empty()
            && spelt.len() <= LONGEST_ADDRESS
            && !spelt.contains(|c: char| c.is_whitespace() || c.is_control() || is_invisible(c))
            && !is_placeholder(spelt);
        plausible
            .then(|| Self::Real { address: spelt.to_ascii_lowercase(), spelt: spelt.to_owned() })
    }

    /// That of the placeholder user of a Paddle customer.
    pub fn placeholder(customer: &CustomerId) -> Self {
        let id = customer.as_str().to_ascii_lowercase();
        Self::Placeholder(format!("{id}{PLACEHOLDER_DOMAIN}"))
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Real { address, .. } | Self::Placeholder(address) => address,
        }
    }

    /// Every spelling under which the user may be found.
    pub fn spellings(&self) -> Vec<&str> {
        match self {
            Self::Real { address, spelt } if address != spelt => vec![address, spelt],
            Self::Real { address, .. } | Self::Placeholder(address) => vec![address],
        }
    }

    /// The part before the @: the name of somebody who gave none.
    pub fn local_part(&self) -> &str {
        self.as_str().rsplit_once('@').map_or(self.as_str(), |(local, _)| local)
    }
}

impl fmt::Debug for Customer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Customer").field("id", &self.id).finish_non_exhaustive()
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email(..)")
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Name(..)")
    }
}
