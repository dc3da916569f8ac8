//! What `events/<provider>/<case>.toml` says of the body of the same name.

use serde::Deserialize;

/// What a case is. `it::corpus` in the tests of webhook-core plays each case and compares.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// One sentence: what happened at the provider.
    pub what: String,
    /// The cases that must have come right before it makes sense, in their order. Those before them need no mention.
    #[serde(default)]
    pub after: Vec<String>,
    /// Where it has its effect, if not on every path of its provider: `["/v1"]`.
    #[serde(default)]
    pub paths: Vec<String>,
    /// What it does to licenses and users.
    pub effect: Vec<Effect>,
    /// The status that it is answered with.
    #[serde(default = "success")]
    pub answer: u16,
    /// The notification that a person gets of it.
    pub notifies: Option<String>,
    /// Whether the ledger must look up first which subscription or order its payment paid for.
    #[serde(default)]
    pub traces_payment: bool,
    /// Whether it is handled anew each time it comes, because it is never done.
    #[serde(default)]
    pub stays_open: bool,
}

fn success() -> u16 {
    200
}

/// Something that an event does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Its type is acknowledged by name, and nothing else happens.
    Ignored,
    /// Licenses and users stay as they are. The ledger may remember what it says.
    Nothing,
    /// New licenses, and their buyer if they are new.
    Grants,
    /// A license ends later.
    Renews,
    /// A license ends earlier.
    Shortens,
    /// A license is suspended.
    Suspends,
    /// A license is no longer suspended.
    Resumes,
    /// A license is revoked.
    Revokes,
    /// A license is deleted.
    Deletes,
    /// A user without a license.
    MakesUser,
    /// Another address or name of a user.
    ChangesUser,
}
