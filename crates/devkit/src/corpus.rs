//! The bodies in `events/<provider>/<case>.json`, and what `<case>.toml` says of each. They are built in, so that devkit
//! needs no checkout.
//!
//! Bodies are read as bytes and never through a JSON library: what a provider signed is what lies in the file, with its
//! spaces, its escapes and its final line feed.

mod description;
mod text;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use include_dir::{Dir, include_dir};

pub use self::description::{Description, Effect};
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
    /// What it is.
    pub description: Description,
    /// The cases that must have come before it makes sense, the first one first.
    pub before: Vec<String>,
}

impl Case {
    /// The paths where it has its effect, the one that vendors use first.
    pub fn paths(&self) -> Vec<&'static str> {
        let only = &self.description.paths;
        let has_effect = |path: &&&str| only.is_empty() || only.iter().any(|it| it == **path);
        paths_of(self.provider).iter().filter(has_effect).copied().collect()
    }

    /// The first of them.
    pub fn path(&self) -> &'static str {
        self.paths().first().copied().unwrap_or(self.provider.path())
    }
}

/// Every path of a provider's function, the one that vendors use first.
pub fn paths_of(provider: Provider) -> &'static [&'static str] {
    match provider {
        Provider::Stripe => &["/v2", "/v1", "/webhooks/stripe"],
        Provider::Fastspring => &["/v1", "/webhooks/fastspring"],
        Provider::Paddle => &["/v1", "/webhooks/paddle"],
    }
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
    /// Each body needs a file that says what it is.
    #[error("{file}.toml is missing: say in it what {file}.json is, as its neighbours do")]
    Undescribed {
        /// `<folder>/<provider>/<name>`.
        file: String,
    },
    /// A file that says what no body is.
    #[error("{file}.toml describes no body: add {file}.json, or delete it")]
    Bodiless {
        /// `<folder>/<provider>/<name>`.
        file: String,
    },
    /// A file that says it in other words than these.
    #[error("{file}.toml: {problem}")]
    Misdescribed {
        /// `<folder>/<provider>/<name>`.
        file: String,
        /// What is wrong in it.
        problem: String,
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
        let folder = Folder::of(events, provider)?;
        folder.check_pairs()?;
        for name in folder.names() {
            cases.push(folder.case(name)?);
        }
    }
    Ok(cases)
}

/// One case of a folder that is made like `events/`; of none, one that is built in.
pub fn case_in(events: Option<&Path>, provider: Provider, name: &str) -> Result<Case, CorpusError> {
    Folder::of(events, provider)?.case(bare(name))
}

/// The body alone of such a case. Nobody needs to say what it is.
pub fn body_in(
    events: Option<&Path>,
    provider: Provider,
    name: &str,
) -> Result<Vec<u8>, CorpusError> {
    Folder::of(events, provider)?.body(bare(name))
}

/// The name of a case, without what a shell puts around it when it completes it.
fn bare(name: &str) -> &str {
    let name = name.rsplit('/').next().unwrap_or(name);
    name.strip_suffix(".json").unwrap_or(name)
}

/// What lies in the folder of a provider, by name.
type Files = BTreeMap<String, Cow<'static, [u8]>>;

/// The cases of a provider.
struct Folder {
    provider: Provider,
    /// As messages name it.
    path: String,
    files: Files,
}

impl Folder {
    fn of(events: Option<&Path>, provider: Provider) -> Result<Self, CorpusError> {
        let files = match events {
            None => built_in(provider),
            Some(events) => in_folder(&events.join(provider.name()))?,
        };
        let path = format!("{}/{provider}", events.unwrap_or(Path::new("events")).display());
        Ok(Self { provider, path, files })
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.files.keys().filter_map(|file| file.strip_suffix(".json"))
    }

    fn listed(&self) -> String {
        let names: Vec<&str> = self.names().collect();
        if names.is_empty() { "none yet".to_owned() } else { names.join(", ") }
    }

    /// `<folder>/<provider>/<name>`.
    fn file(&self, name: &str) -> String {
        format!("{}/{name}", self.path)
    }

    fn check_pairs(&self) -> Result<(), CorpusError> {
        let mut described = self.files.keys().filter_map(|file| file.strip_suffix(".toml"));
        match described.find(|name| !self.has(name)) {
            Some(name) => Err(CorpusError::Bodiless { file: self.file(name) }),
            None => Ok(()),
        }
    }

    fn has(&self, name: &str) -> bool {
        self.files.contains_key(&format!("{name}.json"))
    }

    fn case(&self, name: &str) -> Result<Case, CorpusError> {
        let body = self.body(name)?;
        let description = self.description(name)?;
        let mut before = Vec::new();
        self.collect_before(name, &mut vec![name.to_owned()], &mut before)?;
        Ok(Case { provider: self.provider, name: name.to_owned(), body, description, before })
    }

    fn body(&self, name: &str) -> Result<Vec<u8>, CorpusError> {
        match self.files.get(&format!("{name}.json")) {
            Some(body) => Ok(body.to_vec()),
            None => Err(CorpusError::Missing {
                provider: self.provider,
                file: format!("{}.json", self.file(name)),
                existing: self.listed(),
            }),
        }
    }

    fn description(&self, name: &str) -> Result<Description, CorpusError> {
        let Some(text) = self.files.get(&format!("{name}.toml")) else {
            return Err(CorpusError::Undescribed { file: self.file(name) });
        };
        let misdescribed = |problem: String| self.misdescribed(name, problem);
        let text = std::str::from_utf8(text).map_err(|error| misdescribed(error.to_string()))?;
        let description: Description =
            toml::from_str(text).map_err(|error| misdescribed(error.to_string()))?;
        if description.effect.is_empty() {
            return Err(misdescribed("`effect` is empty: say `nothing`".to_owned()));
        }
        let known = paths_of(self.provider);
        match description.paths.iter().find(|path| !known.contains(&path.as_str())) {
            Some(path) => {
                Err(misdescribed(format!("`paths` names {path}: there are {}", known.join(", "))))
            }
            None => Ok(description),
        }
    }

    fn misdescribed(&self, name: &str, problem: String) -> CorpusError {
        CorpusError::Misdescribed { file: self.file(name), problem }
    }

    /// Adds what comes before `name`, each case once. `under_way` are the cases that it comes before.
    fn collect_before(
        &self,
        name: &str,
        under_way: &mut Vec<String>,
        before: &mut Vec<String>,
    ) -> Result<(), CorpusError> {
        for earlier in self.description(name)?.after {
            if !self.has(&earlier) {
                let existing = self.listed();
                let problem = format!(
                    "`after` names {earlier}, which is not a case of {}: {existing}",
                    self.provider
                );
                return Err(self.misdescribed(name, problem));
            }
            if under_way.contains(&earlier) {
                let problem = format!("`after` names {earlier}, which comes after it");
                return Err(self.misdescribed(name, problem));
            }
            under_way.push(earlier.clone());
            self.collect_before(&earlier, under_way, before)?;
            under_way.pop();
            if !before.contains(&earlier) {
                before.push(earlier);
            }
        }
        Ok(())
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

    const NOTHING: &[u8] = b"what = \"Nothing.\"\neffect = [\"nothing\"]\n";

    #[test]
    fn bodies_are_the_files_bytes_sorted_by_provider_and_name() {
        let events = folder(&[
            ("paddle/a.json", b"{ \"a\": \"\\u00e9\" }\n"),
            ("paddle/a.toml", NOTHING),
            ("stripe/b.json", b"\xff\r\n"),
            ("stripe/b.toml", NOTHING),
            ("stripe/a.json", b""),
            ("stripe/a.toml", NOTHING),
            ("stripe/README.md", b"not a case"),
        ]);
        let found = cases_in(Some(events.path())).unwrap();
        let found: Vec<_> = found.iter().map(|it| (it.provider, &*it.name, &*it.body)).collect();
        assert_eq!(
            found,
            [
                (Provider::Stripe, "a", &b""[..]),
                (Provider::Stripe, "b", b"\xff\r\n"),
                (Provider::Paddle, "a", b"{ \"a\": \"\\u00e9\" }\n"),
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
    fn a_wrong_description_is_named_with_its_file() {
        let body: (&str, &[u8]) = ("stripe/a.json", b"{}");
        let said = |toml: &'static str| ("stripe/a.toml", toml.as_bytes());
        let of = |files: &[(&str, &[u8])]| cases_in(Some(folder(files).path())).unwrap_err();
        for (files, says) in [
            (vec![body], "stripe/a.toml is missing: say in it what "),
            (vec![("stripe/a.toml", NOTHING)], "stripe/a.toml describes no body: add "),
            (vec![body, said("what = 7")], "stripe/a.toml: TOML parse error at line 1"),
            (vec![body, said("what = \"A.\"")], "missing field `effect`"),
            (vec![body, said("what = \"A.\"\neffect = []")], "`effect` is empty: say `nothing`"),
            (vec![body, said("what = \"A.\"\neffect = [\"flies\"]")], "unknown variant `flies`"),
            (vec![body, said("waht = \"A.\"\neffect = [\"nothing\"]")], "unknown field `waht`"),
            (
                vec![body, said("what = \"A.\"\npaths = [\"/v3\"]\neffect = [\"nothing\"]")],
                "stripe/a.toml: `paths` names /v3: there are /v2, /v1, /webhooks/stripe",
            ),
            (
                vec![body, said("what = \"A.\"\nafter = [\"b\"]\neffect = [\"nothing\"]")],
                "stripe/a.toml: `after` names b, which is not a case of stripe: a",
            ),
            (
                vec![body, said("what = \"A.\"\nafter = [\"a\"]\neffect = [\"nothing\"]")],
                "stripe/a.toml: `after` names a, which comes after it",
            ),
        ] {
            let error = of(&files).to_string();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn cases_before_come_in_their_order_and_once() {
        let after = |names: &str| {
            format!("what = \"A.\"\nafter = [{names}]\neffect = [\"nothing\"]").into_bytes()
        };
        let (b, c, d) = (after("\"a\""), after("\"a\""), after("\"c\", \"b\""));
        let events = folder(&[
            ("stripe/a.json", b""),
            ("stripe/a.toml", NOTHING),
            ("stripe/b.json", b""),
            ("stripe/b.toml", &b),
            ("stripe/c.json", b""),
            ("stripe/c.toml", &c),
            ("stripe/d.json", b""),
            ("stripe/d.toml", &d),
        ]);
        let case = case_in(Some(events.path()), Provider::Stripe, "d").unwrap();
        assert_eq!(case.before, ["a", "c", "b"]);
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

    #[test]
    fn every_description_is_one_sentence() {
        for case in cases() {
            let what = &case.description.what;
            let is_sentence = what.starts_with(char::is_uppercase)
                && what.ends_with('.')
                && !what.contains('\n')
                && what.len() <= 120;
            assert!(is_sentence, "{} {}: {what}", case.provider, case.name);
        }
    }
}
