//! The bodies in `events/<provider>/<case>.json`. They are built in, so that devkit needs no checkout.
//!
//! Read as bytes and never through a JSON library: what a provider signed is what lies in the file, with its
//! spaces, its escapes and its final line feed.

mod text;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use include_dir::{Dir, include_dir};

pub use self::text::Text;
use crate::sign::Provider;

static BUILT_IN: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../events");

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
    #[error("{file} does not exist; the cases of {provider} are: {existing}")]
    Missing {
        /// The folder that was looked into.
        provider: Provider,
        /// The file that is missing.
        file: String,
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

/// Every case of every provider, sorted by provider and name. Panics when the corpus is not in order.
pub fn cases() -> Vec<Case> {
    match cases_in(None) {
        Ok(cases) => cases,
        Err(error) => panic!("{error}"),
    }
}

/// The case of that name, without `.json`.
pub fn case(provider: Provider, name: &str) -> Result<Case, CorpusError> {
    case_in(None, provider, name)
}

/// Every case of a folder that is made like `events/`; of none, those that are built in.
pub fn cases_in(events: Option<&Path>) -> Result<Vec<Case>, CorpusError> {
    let mut cases = Vec::new();
    for provider in Provider::ALL {
        for (file, body) in files(events, provider)? {
            if let Some(name) = file.strip_suffix(".json") {
                cases.push(Case { provider, name: name.to_owned(), body: body.into_owned() });
            }
        }
    }
    Ok(cases)
}

/// One case of a folder that is made like `events/`; of none, one that is built in.
pub fn case_in(events: Option<&Path>, provider: Provider, name: &str) -> Result<Case, CorpusError> {
    // As a shell completes it.
    let name = name.rsplit('/').next().unwrap_or(name);
    let name = name.strip_suffix(".json").unwrap_or(name);
    let mut files = files(events, provider)?;
    match files.remove(&format!("{name}.json")) {
        Some(body) => Ok(Case { provider, name: name.to_owned(), body: body.into_owned() }),
        None => {
            let existing: Vec<&str> =
                files.keys().filter_map(|file| file.strip_suffix(".json")).collect();
            let existing =
                if existing.is_empty() { "none yet".to_owned() } else { existing.join(", ") };
            let folder = events.unwrap_or(Path::new("events"));
            let file = format!("{}/{provider}/{name}.json", folder.display());
            Err(CorpusError::Missing { provider, file, existing })
        }
    }
}

/// What lies in the folder of a provider, by name.
type Files = BTreeMap<String, Cow<'static, [u8]>>;

fn files(events: Option<&Path>, provider: Provider) -> Result<Files, CorpusError> {
    match events {
        None => Ok(built_in(provider)),
        Some(events) => in_folder(&events.join(provider.name())),
    }
}

fn built_in(provider: Provider) -> Files {
    let folder = BUILT_IN.get_dir(provider.name()).into_iter();
    let files = folder.flat_map(Dir::files).filter_map(|file| {
        let name = file.path().file_name()?.to_str()?;
        Some((name.to_owned(), Cow::Borrowed(file.contents())))
    });
    files.collect()
}

fn in_folder(folder: &Path) -> Result<Files, CorpusError> {
    let unreadable =
        |path: &Path, reason| CorpusError::Unreadable { path: path.display().to_string(), reason };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(reason) if reason.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(reason) => return Err(unreadable(folder, reason)),
    };
    let mut files = BTreeMap::new();
    for entry in entries {
        let path = entry.map_err(|reason| unreadable(folder, reason))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if path.is_file() {
            let content = std::fs::read(&path).map_err(|reason| unreadable(&path, reason))?;
            files.insert(name.to_owned(), Cow::Owned(content));
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let events = tempfile::tempdir().unwrap();
        for (file, content) in files {
            let path = events.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        events
    }

    #[test]
    fn bodies_are_the_files_bytes_sorted_by_provider_and_name() {
        let events = folder(&[
            ("paddle/a.json", b"{ \"a\": \"\\u00e9\" }\n"),
            ("stripe/b.json", b"\xff\r\n"),
            ("stripe/a.json", b""),
            ("stripe/README.md", b"not a case"),
        ]);
        let expect = |provider, name: &str, body: &[u8]| Case {
            provider,
            name: name.to_owned(),
            body: body.to_vec(),
        };
        assert_eq!(
            cases_in(Some(events.path())).unwrap(),
            [
                expect(Provider::Stripe, "a", b""),
                expect(Provider::Stripe, "b", b"\xff\r\n"),
                expect(Provider::Paddle, "a", b"{ \"a\": \"\\u00e9\" }\n"),
            ]
        );
    }

    #[test]
    fn a_missing_case_is_named_with_those_that_exist() {
        let events = folder(&[("stripe/b.json", b""), ("stripe/a.json", b"")]);
        let missing = |events, provider| case_in(events, provider, "c").unwrap_err().to_string();
        let stripe = missing(Some(events.path()), Provider::Stripe);
        assert!(
            stripe.ends_with("stripe/c.json does not exist; the cases of stripe are: a, b"),
            "{stripe}"
        );
        let paddle = missing(Some(events.path()), Provider::Paddle);
        assert!(paddle.ends_with("the cases of paddle are: none yet"), "{paddle}");
        let built_in = missing(None, Provider::Stripe);
        assert!(
            built_in.starts_with("events/stripe/c.json does not exist; the cases of stripe are: "),
            "{built_in}"
        );
    }

    #[test]
    fn every_case_of_the_repository_is_found_by_its_name() {
        for expected in cases() {
            assert_eq!(case(expected.provider, &expected.name).unwrap(), expected);
        }
    }

    #[test]
    fn built_in_cases_are_the_files_of_the_repository() {
        let events = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events");
        assert!(cases() == cases_in(Some(&events)).unwrap());
        assert!(cases().len() > 100, "the corpus is not there");
    }
}
