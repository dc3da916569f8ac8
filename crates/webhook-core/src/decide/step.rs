//! One write to Cryptlex.

use jiff::Timestamp;

use crate::cryptlex::{License, MetadataItem, NewUser, UserChange};
use crate::domain::command::Slot;
use crate::domain::ids::{LicenseId, UserId, plain};
use crate::domain::interval::whole_second_from;
use crate::providers::marks::SLOT_KEY;

/// A write that is still missing. All but `Renew` set something to a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Make a user for the customer.
    CreateUser(NewUser),
    /// Correct a user.
    ChangeUser(UserId, UserChange),
    /// Give a user back the address that it had before this event changed it.
    PutBack(UserId, UserChange),
    /// Fill a slot.
    CreateLicense(Box<LicenseDraft>),
    /// Add one interval to an expiry.
    Renew {
        /// Which license.
        license: LicenseId,
        /// Its expiry before: if it shows another one, the interval was added.
        from: Timestamp,
    },
    /// Set an expiry.
    SetExpiry {
        /// Which license.
        license: LicenseId,
        /// To when.
        to: Timestamp,
    },
    /// Suspend, or take a suspension away.
    SetSuspended {
        /// Which license.
        license: LicenseId,
        /// What it is afterwards.
        suspended: bool,
    },
    /// Take back an end: neither revoked nor suspended.
    Reinstate(LicenseId),
    /// Revoke.
    Revoke(LicenseId),
    /// Delete for good.
    Delete(LicenseId),
    /// Set how many activations a license allows.
    SetActivations {
        /// Which license.
        license: LicenseId,
        /// How many.
        allowed: u32,
    },
    /// Give a license to another user.
    Move {
        /// Which license.
        license: LicenseId,
        /// Whose it is afterwards.
        to: UserId,
    },
}

/// A license to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LicenseDraft {
    /// The slot that it fills.
    pub slot: Slot,
    /// What is sent.
    pub license: crate::cryptlex::NewLicense,
}

impl Step {
    pub(super) fn suspend(license: &License, suspended: bool) -> Self {
        Self::SetSuspended { license: license.id.clone(), suspended }
    }

    pub(super) fn expire(license: &License, to: Timestamp) -> Self {
        Self::SetExpiry { license: license.id.clone(), to: whole_second_from(to) }
    }

    /// The license that it is about, if it exists already.
    pub fn license(&self) -> Option<&LicenseId> {
        match self {
            Self::Renew { license, .. }
            | Self::SetExpiry { license, .. }
            | Self::SetSuspended { license, .. }
            | Self::Reinstate(license)
            | Self::Revoke(license)
            | Self::Delete(license)
            | Self::SetActivations { license, .. }
            | Self::Move { license, .. } => Some(license),
            Self::CreateUser(_)
            | Self::ChangeUser(..)
            | Self::PutBack(..)
            | Self::CreateLicense(_) => None,
        }
    }
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::CreateUser(_) => write!(f, "create user"),
            Self::ChangeUser(user, _) => write!(f, "change user {user}"),
            Self::PutBack(user, _) => write!(f, "put back the address of user {user}"),
            Self::CreateLicense(blank) => {
                write!(f, "create license {}", plain(blank.slot.as_str()))
            }
            Self::Renew { license, .. } => write!(f, "renew license {license}"),
            Self::SetExpiry { license, to } => write!(f, "set expiry of license {license} to {to}"),
            Self::SetSuspended { license, suspended: true } => {
                write!(f, "suspend license {license}")
            }
            Self::SetSuspended { license, suspended: false } => {
                write!(f, "resume license {license}")
            }
            Self::Reinstate(license) => write!(f, "reinstate license {license}"),
            Self::Revoke(license) => write!(f, "revoke license {license}"),
            Self::Delete(license) => write!(f, "delete license {license}"),
            Self::SetActivations { license, allowed } => {
                write!(f, "allow {allowed} activations of license {license}")
            }
            Self::Move { license, to } => write!(f, "move license {license} to user {to}"),
        }
    }
}

/// The metadata of a license that we create: its slot, and the provider's ids.
pub(super) fn metadata(slot: &Slot, marks: &[crate::domain::ids::Mark]) -> Vec<MetadataItem> {
    let ids = marks.iter().map(|mark| MetadataItem::hidden(&mark.key, mark.value()));
    ids.chain([MetadataItem::hidden(SLOT_KEY, slot.as_str())]).collect()
}
