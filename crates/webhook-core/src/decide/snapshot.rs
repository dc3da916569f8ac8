//! What Cryptlex and the ledger hold about a subject: all that is decided from.

mod people;

pub use people::{People, Remembered};

use crate::cryptlex::{License, User};
use crate::domain::ids::LicenseId;
use crate::ledger::{Capacity, SubjectState};

/// What is known of a subject before its next step.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// The subject's licenses, oldest first.
    pub licenses: Vec<License>,
    /// What the ledger knows of the subject.
    pub state: SubjectState,
    /// Who the customer might be.
    pub people: People,
    /// How many licenses the ledger has room for.
    pub capacity: Capacity,
}

impl Snapshot {
    /// Takes in a license as a write left it.
    pub fn absorb_license(&mut self, license: License) {
        let held = self.people.held.values_mut().flatten();
        let mut is_new = true;
        // A list may show it for more than one user.
        for known in self.licenses.iter_mut().chain(held).filter(|known| known.id == license.id) {
            known.clone_from(&license);
            is_new = false;
        }
        if is_new {
            self.licenses.push(license);
        }
    }

    /// Takes out a license that is no more.
    pub fn forget_license(&mut self, id: &LicenseId) {
        self.licenses.retain(|license| &license.id != id);
    }

    /// Takes in a user as a change left it, with what it holds since.
    pub fn absorb_change(&mut self, user: User, licenses: Vec<License>) {
        let people = &mut self.people;
        let known = people.users().find(|known| known.id == user.id).cloned();
        people.before = people.before.take().or(known);
        people.held.insert(user.id.clone(), licenses);
        people.absorb(user);
    }

    /// Takes in a user as a write left it.
    pub fn absorb_user(&mut self, user: User) {
        self.people.absorb(user);
    }
}
