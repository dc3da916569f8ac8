//! The bodies in `events/<provider>/<case>.json`.
//!
//! Read as bytes and never through a JSON library: what a provider signed is what lies in the file, with its
//! spaces, its escapes and its final line feed.

use std::io;
use std::path::{Path, PathBuf};

use crate::sign::Provider;

/// One delivery as a provider sends it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Case {
    /// The folder it lies in.
    pub provider: Provider,
    /// The file name without `.json`.
    pub name: String,
    /// The file, byte for byte.
    pub body: Vec<u8>,
}

/// Why a case cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum CorpusError {
    /// A misspelt name, most of the time: the message lists the names that exist.
    #[error("{path} does not exist; the cases of {provider} are: {existing}")]
    Missing {
        /// The folder that was looked into.
        provider: Provider,
        /// The file that is missing.
        path: String,
        /// Names separated by commas.
        existing: String,
    },
    /// A body that was to be changed has changed itself.
    #[error("events/{case}.json does not contain {what}: adapt what is made of it")]
    Changed {
        /// `<provider>/<name>`.
        case: String,
        /// What was to be replaced.
        what: String,
    },
    /// The file is there.
    #[error("{path} cannot be read: {reason}")]
    Unreadable {
        /// The file or folder.
        path: String,
        /// What the operating system said.
        reason: io::Error,
    },
}

/// A body with other ids, people and times in it: changed as text, so that the rest stays the bytes that a provider sends.
#[derive(Debug, Clone)]
pub struct Text {
    text: String,
    of: String,
}

impl Text {
    /// As it lies in the file.
    pub fn of(provider: Provider, name: &str) -> Result<Text, CorpusError> {
        let body = case(provider, name)?.body;
        let of = format!("{provider}/{name}");
        match String::from_utf8(body) {
            Ok(text) => Ok(Text { text, of }),
            Err(_) => Err(CorpusError::Changed { case: of, what: "UTF-8 only".to_owned() }),
        }
    }

    /// What must be there: a corpus that changed would otherwise be delivered unchanged.
    pub fn change(&mut self, from: &str, to: &str) -> Result<(), CorpusError> {
        self.must_hold(from)?;
        self.text = self.text.replace(from, to);
        Ok(())
    }

    /// The first of several.
    pub fn change_first(&mut self, from: &str, to: &str) -> Result<(), CorpusError> {
        self.must_hold(from)?;
        self.text = self.text.replacen(from, to, 1);
        Ok(())
    }

    /// What may be there.
    pub fn rename(&mut self, from: &str, to: &str) {
        self.text = self.text.replace(from, to);
    }

    /// As it is now.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// As it is now.
    pub fn into_string(self) -> String {
        self.text
    }

    /// The error for something that should be in it.
    pub fn lacks(&self, what: &str) -> CorpusError {
        CorpusError::Changed { case: self.of.clone(), what: what.to_owned() }
    }

    fn must_hold(&self, what: &str) -> Result<(), CorpusError> {
        if self.text.contains(what) { Ok(()) } else { Err(self.lacks(what)) }
    }
}

/// The `events` folder of the repository that this crate was built in.
pub fn events_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events")
}

/// Every case of every provider, sorted by provider and name. Panics when a file cannot be read.
pub fn cases() -> Vec<Case> {
    match cases_in(&events_dir()) {
        Ok(cases) => cases,
        Err(error) => panic!("{error}"),
    }
}

/// The case of that name, without `.json`.
pub fn case(provider: Provider, name: &str) -> Result<Case, CorpusError> {
    case_in(&events_dir(), provider, name)
}

fn cases_in(events: &Path) -> Result<Vec<Case>, CorpusError> {
    let mut cases = Vec::new();
    for provider in Provider::ALL {
        for name in names(events, provider)? {
            cases.push(case_in(events, provider, &name)?);
        }
    }
    Ok(cases)
}

fn case_in(events: &Path, provider: Provider, name: &str) -> Result<Case, CorpusError> {
    // As a shell completes it.
    let name = name.rsplit('/').next().unwrap_or(name);
    let name = name.strip_suffix(".json").unwrap_or(name);
    let path = events.join(provider.name()).join(format!("{name}.json"));
    match std::fs::read(&path) {
        Ok(body) => Ok(Case { provider, name: name.to_owned(), body }),
        Err(reason) if reason.kind() == io::ErrorKind::NotFound => {
            let existing = names(events, provider)?;
            let existing =
                if existing.is_empty() { "none yet".to_owned() } else { existing.join(", ") };
            Err(CorpusError::Missing { provider, path: path.display().to_string(), existing })
        }
        Err(reason) => Err(unreadable(&path, reason)),
    }
}

fn names(events: &Path, provider: Provider) -> Result<Vec<String>, CorpusError> {
    let folder = events.join(provider.name());
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(reason) if reason.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(reason) => return Err(unreadable(&folder, reason)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let file = entry.map_err(|reason| unreadable(&folder, reason))?.file_name();
        if let Some(name) = file.to_string_lossy().strip_suffix(".json") {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

fn unreadable(path: &Path, reason: io::Error) -> CorpusError {
    CorpusError::Unreadable { path: path.display().to_string(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(test: &str, files: &[(&str, &[u8])]) -> PathBuf {
        let events = std::env::temp_dir().join(format!("corpus-{test}-{}", std::process::id()));
        for (file, content) in files {
            let path = events.join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        events
    }

    #[test]
    fn bodies_are_the_files_bytes_sorted_by_provider_and_name() {
        let events = folder(
            "sorted",
            &[
                ("paddle/a.json", b"{ \"a\": \"\\u00e9\" }\n"),
                ("stripe/b.json", b"\xff\r\n"),
                ("stripe/a.json", b""),
                ("stripe/README.md", b"not a case"),
            ],
        );
        let found = cases_in(&events).unwrap();
        std::fs::remove_dir_all(&events).unwrap();

        let expect = |provider, name: &str, body: &[u8]| Case {
            provider,
            name: name.to_owned(),
            body: body.to_vec(),
        };
        assert_eq!(
            found,
            [
                expect(Provider::Stripe, "a", b""),
                expect(Provider::Stripe, "b", b"\xff\r\n"),
                expect(Provider::Paddle, "a", b"{ \"a\": \"\\u00e9\" }\n"),
            ]
        );
    }

    #[test]
    fn a_missing_case_is_named_with_those_that_exist() {
        let events = folder("missing", &[("stripe/b.json", b""), ("stripe/a.json", b"")]);
        let stripe = case_in(&events, Provider::Stripe, "c").unwrap_err().to_string();
        let paddle = case_in(&events, Provider::Paddle, "c").unwrap_err().to_string();
        std::fs::remove_dir_all(&events).unwrap();

        assert!(
            stripe.ends_with("stripe/c.json does not exist; the cases of stripe are: a, b"),
            "{stripe}"
        );
        assert!(paddle.ends_with("the cases of paddle are: none yet"), "{paddle}");
    }

    #[test]
    fn every_case_of_the_repository_is_found_by_its_name() {
        for expected in cases() {
            assert_eq!(case(expected.provider, &expected.name).unwrap(), expected);
        }
    }
}
