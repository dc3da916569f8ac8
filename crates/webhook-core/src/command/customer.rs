//! People, as purchases name them. None of it shows in `Debug`.

use std::fmt;

use serde::Serialize;

use crate::ids::{CustomerId, Mark};

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
    /// Metadata by which the user is found, for a provider whose purchases carry no e-mail.
    pub mark: Option<Mark>,
}

impl Customer {
    /// Whether only his id is known, so that a stand-in gets his licenses.
    pub fn is_stand_in(&self) -> bool {
        matches!(self.email, Email::Placeholder(_))
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
    /// Blank parts count as absent; without a first name the last stands in for it.
    pub fn of(first: Option<&str>, last: Option<&str>) -> Option<Self> {
        let part =
            |text: Option<&str>| text.map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned);
        match (part(first), part(last)) {
            (Some(first), last) => Some(Self { first, last }),
            (None, Some(first)) => Some(Self { first, last: None }),
            (None, None) => None,
        }
    }
}

/// An e-mail address; two spellings are one user.
#[derive(Clone, Serialize)]
pub enum Email {
    /// The customer's own, and as the provider spells it.
    Real {
        /// In lower case: how it is written and compared.
        address: String,
        /// Looked up as well, because Cryptlex may compare letter by letter.
        spelt: String,
    },
    /// A stand-in for a customer of whom only the id is known.
    Placeholder(String),
}

/// What Paddle placeholder addresses end in, as the predecessor wrote them.
pub const PLACEHOLDER_DOMAIN: &str = "@cryptlexpaddle.com";

impl Email {
    /// Refuses what has nothing on both sides of an @.
    pub fn real(text: &str) -> Option<Self> {
        let spelt = text.trim();
        let (local, domain) = spelt.rsplit_once('@')?;
        let plausible =
            !local.is_empty() && !domain.is_empty() && !spelt.contains(char::is_whitespace);
        plausible.then(|| Self::Real { address: spelt.to_lowercase(), spelt: spelt.to_owned() })
    }

    /// The stand-in for a Paddle customer.
    pub fn placeholder(customer: &CustomerId) -> Self {
        Self::Placeholder(format!("{}{PLACEHOLDER_DOMAIN}", customer.as_str().to_lowercase()))
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

    /// What stands before the @: the name of somebody who gave none.
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
