//! What the README says of the project itself.

use std::fs;

use crate::pages::{pages, root};

fn workspace(key: &str) -> String {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let line = manifest.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "));
    line.unwrap_or_else(|| panic!("Cargo.toml has no {key}")).trim_matches('"').to_owned()
}

fn readme() -> String {
    let readme = pages().into_iter().find(|page| page.name == "README.md");
    readme.unwrap().text
}

#[test]
fn the_readme_names_version_and_toolchain() {
    let (readme, rust) = (readme(), workspace("rust-version"));
    assert!(readme.contains(&format!("Version {},", workspace("version"))));
    assert!(readme.contains(&format!("badge/rust-{rust}-")));
    let toolchain = fs::read_to_string(root().join("rust-toolchain.toml")).unwrap();
    assert!(toolchain.contains(&format!("channel = \"{rust}")), "{toolchain}");
    assert_eq!(workspace("unsafe_code"), "forbid");
    assert!(readme.contains("[MIT](LICENSE)") && workspace("license") == "MIT");
}

#[test]
fn the_readme_is_read_in_a_minute_or_two() {
    let lines = readme().lines().count();
    assert!((80..=120).contains(&lines), "README.md has {lines} lines");
}
