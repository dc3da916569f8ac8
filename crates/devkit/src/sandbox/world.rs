//! What the sandbox holds: the clock, the catalogue, licenses and users. What the calls do to it is in the other files of this folder.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use super::{
    catalogue::{self, Template},
    instant,
    license::License,
    settings::Precision,
    shelf::Shelf,
    user::User,
};

const FIRST_NOW: &str = "2026-09-01T00:00:00Z";

/// Everything that calls read and change.
#[derive(Debug)]
pub(super) struct World {
    now: Timestamp,
    /// Default templates by product.
    pub(super) products: HashMap<String, String>,
    pub(super) templates: HashMap<String, Template>,
    pub(super) licenses: Shelf<License>,
    pub(super) users: Shelf<User>,
    licenses_made: u64,
    users_made: u64,
    metadata_made: u64,
}

impl World {
    pub(super) fn new() -> World {
        let product = |(id, template): (&str, &str)| (id.to_owned(), template.to_owned());
        World {
            now: instant::read(FIRST_NOW).expect("a constant that parses"),
            products: catalogue::PRODUCTS.map(product).into(),
            templates: catalogue::templates().map(|it| (it.id.clone(), it)).into(),
            licenses: Shelf::default(),
            users: Shelf::default(),
            licenses_made: 0,
            users_made: 0,
            metadata_made: 0,
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.now
    }

    pub(super) fn set_now(&mut self, now: Timestamp) {
        self.now = instant::cut(now, Precision::Full);
    }

    /// Number of the next license and the instant of its creation.
    pub(super) fn next_license(&mut self) -> (u64, Timestamp) {
        self.licenses_made += 1;
        (self.licenses_made, self.creation(self.licenses_made))
    }

    /// Id of the next user and the instant of its creation.
    pub(super) fn next_user(&mut self) -> (String, Timestamp) {
        self.users_made += 1;
        (id("05e70000", self.users_made), self.creation(self.users_made))
    }

    pub(super) fn next_metadata_id(&mut self) -> String {
        self.metadata_made += 1;
        id("0e7ada7a", self.metadata_made)
    }

    /// The clock stands still, but the order of creation must show.
    fn creation(&self, number: u64) -> Timestamp {
        let micros = i64::try_from(number).unwrap_or(i64::MAX);
        instant::later(self.now, SignedDuration::from_micros(micros))
    }
}

/// An id that is shaped like a UUID, tells its kind and counts.
pub(super) fn id(kind: &str, number: u64) -> String {
    format!("{kind}-0000-4000-8000-{number:012}")
}
