//! What signatures are verified with.

use std::fmt;

use secrecy::SecretString;

use super::problem::Warning;
use super::reader::Reader;
use crate::domain::profile::Profile;

/// Behind the name of a webhook secret: its value in the version of a Secrets Manager secret before this one.
pub const BEFORE_ROTATION: &str = "_BEFORE_ROTATION";

/// The secrets that a signature may be made with: at least one, none empty.
#[derive(Clone)]
pub struct Secrets(Vec<SecretString>);

impl Secrets {
    /// The current secret first, then the ones of a rotation under way; `None` when the current one is blank.
    pub fn new<'s>(current: &'s str, older: impl IntoIterator<Item = &'s str>) -> Option<Self> {
        let mut secrets: Vec<&str> = Vec::new();
        for secret in std::iter::once(current).chain(older).map(str::trim) {
            match (secret.is_empty(), secrets.is_empty()) {
                (true, true) => return None,
                (true, false) => {}
                (false, _) if secrets.contains(&secret) => {}
                (false, _) => secrets.push(secret),
            }
        }
        Some(Self(secrets.into_iter().map(SecretString::from).collect()))
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &SecretString> {
        self.0.iter()
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({} of them)", self.0.len())
    }
}

/// How old or how new a signature may be, in seconds, both ends included.
#[derive(Debug, Clone, Copy)]
pub struct Tolerance(pub i64);

impl<R: Fn(&str) -> Option<String>> Reader<R> {
    pub(super) fn secrets<P: Profile>(&mut self) -> Option<Secrets> {
        let current = self.required(P::SECRET_VARIABLE)?;
        // Only a warning: a signature made with the old secret is still accepted.
        for (_, what) in P::MISTAKEN_SECRETS.iter().filter(|(start, _)| current.starts_with(start))
        {
            self.warn(Warning::MistakenSecret(P::SECRET_VARIABLE, what));
        }
        let older = ["_PREVIOUS", BEFORE_ROTATION]
            .map(|suffix| self.optional(&format!("{}{suffix}", P::SECRET_VARIABLE)));
        Secrets::new(&current, older.iter().flatten().map(String::as_str))
    }

    pub(super) fn tolerance(&mut self) -> Tolerance {
        let seconds =
            self.number("SIGNATURE_TOLERANCE_SECS", 300, 1..=86_400, "1 to 86400 seconds");
        Tolerance(i64::try_from(seconds).unwrap_or(300))
    }
}
