//! What ARCHITECTURE.md says of the modules, checked against their source.

use std::fs;
use std::path::{Path, PathBuf};

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Modules in the order of `lib.rs`, which is the order of the data flow.
fn modules() -> Vec<String> {
    let lib = fs::read_to_string(source().join("lib.rs")).unwrap();
    let declared =
        lib.lines().filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod "));
    declared.map(|name| name.trim_end_matches(';').to_owned()).collect()
}

fn files_of(module: &str) -> Vec<PathBuf> {
    let mut files = vec![source().join(format!("{module}.rs"))];
    let mut folders = vec![source().join(module)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(folder) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    let is_test =
        |file: &PathBuf| file.strip_prefix(source()).unwrap().to_string_lossy().contains("tests");
    files.retain(|file| file.exists() && !is_test(file));
    files
}

#[test]
fn a_module_imports_only_from_those_before_it() {
    let modules = modules();
    let mut imports = 0;
    for (place, module) in modules.iter().enumerate() {
        for file in files_of(module) {
            let text = fs::read_to_string(&file).unwrap();
            // What stands below are the file's own tests.
            let text = text.split("#[cfg(test)]").next().unwrap();
            for (before, after) in
                text.match_indices("crate::").map(|(at, path)| text.split_at(at + path.len()))
            {
                let name: String =
                    after.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let Some(imported) = modules.iter().position(|known| known == &name) else {
                    continue;
                };
                let line = before.lines().count();
                assert!(
                    imported <= place,
                    "{}:{line} imports {name}, which comes later",
                    file.display()
                );
                imports += 1;
            }
        }
    }
    assert!(imports > 100, "only {imports} imports were looked at");
}

#[test]
fn decisions_do_no_input_or_output() {
    for module in [
        "ids",
        "interval",
        "inbound",
        "signature",
        "command",
        "json",
        "provider",
        "fact",
        "work",
        "decide",
        "outcome",
        "reply",
    ] {
        let files = files_of(module);
        assert!(!files.is_empty(), "there is no module {module}");
        for file in files {
            let text = fs::read_to_string(&file).unwrap();
            for word in [
                "async fn",
                ".await",
                "tokio::",
                "std::fs",
                "std::net::Tcp",
                "tracing::",
                "Timestamp::now",
            ] {
                assert!(!text.contains(word), "{} has `{word}`", file.display());
            }
        }
    }
}

#[test]
fn no_file_is_past_its_size() {
    for module in modules() {
        for file in files_of(&module) {
            let lines = fs::read_to_string(&file).unwrap().lines().count();
            assert!(lines <= 600, "{} has {lines} lines: one job each?", file.display());
        }
    }
}
