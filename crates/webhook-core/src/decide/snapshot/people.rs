//! Who a customer is at Cryptlex: the users that may be theirs, and what those hold.

use std::collections::{BTreeMap, BTreeSet};

use crate::cryptlex::{License, User};
use crate::domain::ids::{LicenseId, Mark, SubjectId, UserId};

/// The users that may be the customer.
#[derive(Debug, Clone, Default)]
pub struct People {
    /// The mark that users made for the customer carry; guests have none.
    pub mark: Option<Mark>,
    /// The user that the ledger knows the customer as.
    pub remembered: Option<Remembered>,
    /// Users with the customer's e-mail.
    pub by_email: Vec<User>,
    /// Users that carry the customer's mark.
    pub by_mark: Vec<User>,
    /// What the list by user shows of those that may be changed, or whose licenses may move.
    pub held: BTreeMap<UserId, Vec<License>>,
    /// Licenses that a placeholder holds for the customer, however late a list shows them.
    pub held_by_placeholder: Vec<LicenseId>,
    /// What the customer bought.
    pub bought: Vec<SubjectId>,
    /// Users that were given licenses of others, whatever a list shows.
    pub shared: BTreeSet<UserId>,
    /// Whether the ledger knows the customer under another e-mail.
    pub email_changed: bool,
    /// Whether a person was told of the address before.
    pub is_told: bool,
    /// Another customer who has bought nothing and whom nobody else works on now: the mark of the user found by e-mail.
    pub idle: Option<Mark>,
    /// A user that this event made.
    pub made: Option<UserId>,
    /// A user as it was before this event gave it another e-mail.
    pub before: Option<User>,
}

/// What the ledger knows of a customer's user.
#[derive(Debug, Clone)]
pub struct Remembered {
    /// Which.
    pub id: UserId,
    /// Whether it carries the mark of this customer alone: nobody else's event changes its address then.
    pub is_own: bool,
    /// As Cryptlex shows it, where that was looked at.
    pub user: Option<User>,
}

impl People {
    /// Whether a license of the user is one that this customer bought. Nobody but the customer gets anything of their
    /// provider made for their placeholder, so that its licenses are theirs whatever is remembered.
    pub fn bought(&self, provider: &str, slot_key: &str, license: &License, holder: &User) -> bool {
        if self.held_by_placeholder.contains(&license.id) {
            return true;
        }
        let slot = license.metadata(slot_key);
        if holder.is_placeholder() && license.user() == Some(&holder.id) {
            let of_provider = |slot: &str| slot.starts_with(&format!("{provider}/"));
            return slot.map_or_else(|| license.is_marked_by(provider), of_provider);
        }
        self.bought.iter().any(|subject| match slot {
            Some(slot) => slot.starts_with(&format!("{provider}/{subject}/")),
            None => license.names(subject.as_str()),
        })
    }

    /// All that were looked at.
    pub fn users(&self) -> impl Iterator<Item = &User> {
        let remembered = self.remembered.iter().filter_map(|known| known.user.as_ref());
        self.by_email.iter().chain(&self.by_mark).chain(remembered)
    }

    /// Takes in a user as a write left it.
    pub(super) fn absorb(&mut self, user: User) {
        let remembered = self.remembered.iter_mut().filter_map(|known| known.user.as_mut());
        let mut places = self.by_email.iter_mut().chain(&mut self.by_mark).chain(remembered);
        let mut known = false;
        for place in places.by_ref().filter(|place| place.id == user.id) {
            place.clone_from(&user);
            known = true;
        }
        if !known {
            self.by_email.push(user);
        }
    }
}
