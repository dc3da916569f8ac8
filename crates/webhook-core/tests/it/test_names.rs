//! A test's name says what a vendor would notice. It is the first line that somebody reads when it fails. ARCHITECTURE.md
//! names tests, and those exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Characters of the longest name. It is one line of a report, with its module before it.
const LONGEST: usize = 60;

/// Words that a name does not begin with: its subject would come last, or never.
const NO_SUBJECT: [&str; 8] =
    ["what", "who", "whoever", "of", "without", "where", "behind", "however"];

/// Words that say something more plainly, and people are "they".
const AVOIDED: [&str; 5] = ["beside", "he", "him", "his", "whatever"];

/// Every test of the repository: the file, and the name.
fn tests() -> Vec<(PathBuf, String)> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let (mut tests, mut folders) = (Vec::new(), vec![crates.to_owned()]);
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                tests.extend(names(&text).map(|name| (path.clone(), name.to_owned())));
            }
        }
    }
    assert!(tests.len() > 700, "only {} tests", tests.len());
    tests
}

/// The names of the functions behind `#[test]` or `#[tokio::test]`, in `proptest!` too.
fn names(text: &str) -> impl Iterator<Item = &str> {
    let is_attribute = |line: &str| ["#[test", "#[tokio::test"].iter().any(|it| line.contains(it));
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let starts: Vec<usize> = (0..lines.len())
        .filter(|&at| lines[at].starts_with("#[") && is_attribute(lines[at]))
        .collect();
    starts.into_iter().filter_map(move |start| {
        let function = lines[start..].iter().find(|line| line.contains("fn "))?;
        function.split_once("fn ")?.1.split('(').next()
    })
}

#[test]
fn test_names_are_short_and_say_the_subject_first() {
    for (file, name) in tests() {
        let file = file.display();
        let length = name.len();
        assert!(length <= LONGEST, "{file}: {name} has {length} characters, more than {LONGEST}");
        let words: Vec<&str> = name.split('_').collect();
        assert!(!NO_SUBJECT.contains(&words[0]), "{file}: {name} has no subject first");
        let avoided = words.iter().find(|word| AVOIDED.contains(*word));
        assert_eq!(avoided, None, "{file}: {name}");
    }
}

#[test]
fn test_names_are_unique_in_their_file() {
    let tests = tests();
    let mut seen = BTreeSet::new();
    for test in &tests {
        assert!(seen.insert(test), "{} has two tests {}", test.0.display(), test.1);
    }
}

/// The path of a test between colons, such as `::webhook-core::tests::it::matrix::every_call_...::`. Those of a file in
/// `src` are in its module `tests`.
fn module_path(file: &Path, name: &str) -> String {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let below = file.strip_prefix(crates).unwrap().with_extension("");
    let mut parts: Vec<&str> = below.iter().map(|part| part.to_str().unwrap()).collect();
    parts.retain(|part| *part != "mod");
    if !parts.contains(&"tests") {
        parts.push("tests");
    }
    format!("::{}::{name}::", parts.join("::"))
}

#[test]
fn every_test_that_architecture_names_exists() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ARCHITECTURE.md");
    let page = fs::read_to_string(page).unwrap();
    let invariants = page.split("\n## ").find(|part| part.starts_with("Invariants")).unwrap();
    let paths: Vec<String> = tests().iter().map(|(file, name)| module_path(file, name)).collect();
    let named: Vec<&str> =
        invariants.split('`').skip(1).step_by(2).filter(|code| code.contains("::")).collect();
    assert!(named.len() > 50, "only {} are named", named.len());
    for named in named {
        let is_one = |path: &String| path.contains(&format!("::{named}::"));
        assert!(paths.iter().any(is_one), "ARCHITECTURE.md names {named}, which has no test");
    }
}
