//! What ARCHITECTURE.md says of the folders and files, checked against their source.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What decides: it computes and does nothing else.
const PURE: [&str; 3] = ["domain/", "providers/", "decide/"];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// A file of the crate, without its tests.
struct File {
    /// Below `src`, such as `decide/fold/end.rs`.
    name: String,
    /// Its module: `decide::fold::end`.
    module: Vec<String>,
    code: String,
    lines: usize,
}

fn files() -> Vec<File> {
    let mut files = Vec::new();
    let mut folders = vec![source()];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let name = path.strip_prefix(source()).unwrap().to_string_lossy().into_owned();
            if name.contains("tests") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if let Some(module) = name.strip_suffix(".rs") {
                let text = fs::read_to_string(&path).unwrap();
                // Below are the file's own tests.
                let own = text.split("#[cfg(test)]").next().unwrap();
                let mut module: Vec<String> = module.split('/').map(str::to_owned).collect();
                module.retain(|part| part != "mod" && part != "lib");
                files.push(File { code: code(own), lines: text.lines().count(), name, module });
            }
        }
    }
    assert!(files.len() > 100, "only {} files", files.len());
    files
}

/// Without comments.
fn code(text: &str) -> String {
    let lines = text.lines().map(|line| match line.trim_start().starts_with("//") {
        true => "",
        false => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Every path that the file names, from the root of the crate: `crate::a::{b::c, d}` are two.
fn paths(file: &File) -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    let code = &file.code;
    let children = code.lines().filter_map(|line| {
        let line = line.trim_end_matches(';');
        line.strip_prefix("mod ").or_else(|| line.split_once("pub mod ").map(|(_, name)| name))
    });
    let mut starts: Vec<(String, Vec<String>)> = children
        .map(|child| (format!("{child}::"), [&file.module[..], &[child.into()]].concat()))
        .collect();
    starts.push(("crate::".into(), Vec::new()));
    for up in 1..=file.module.len() {
        starts.push(("super::".repeat(up), file.module[..file.module.len() - up].to_vec()));
    }
    for (start, from) in starts {
        for (at, _) in code.match_indices(&start) {
            let before = code[..at].chars().next_back().unwrap_or(' ');
            // Whom something is visible to is no import.
            let is_path = before.is_alphanumeric() || before == '_' || before == ':';
            if is_path || code[..at].ends_with("(in ") {
                continue;
            }
            let rest = &code[at + start.len()..];
            if rest.starts_with("super::") {
                continue;
            }
            for names in expanded(rest) {
                paths.push(from.iter().cloned().chain(names).collect());
            }
        }
    }
    paths
}

/// The paths that a text begins with.
fn expanded(text: &str) -> Vec<Vec<String>> {
    let name: String = text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    if !name.is_empty() {
        let rest = &text[name.len()..];
        return match rest.strip_prefix("::") {
            Some(rest) => {
                let deeper = expanded(rest).into_iter();
                deeper.map(|path| [vec![name.clone()], path].concat()).collect()
            }
            None => vec![vec![name]],
        };
    }
    let Some(list) = text.strip_prefix('{') else { return vec![Vec::new()] };
    let (mut depth, mut item, mut all) = (0, String::new(), Vec::new());
    for c in list.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                all.extend(expanded(item.trim()));
                item.clear();
                continue;
            }
            _ => {}
        }
        item.push(c);
    }
    if !item.trim().is_empty() {
        all.extend(expanded(item.trim()));
    }
    all
}

/// Which file a path leads to: that of the deepest module in it.
fn target<'f>(files: &'f [File], path: &[String]) -> Option<&'f File> {
    (1..=path.len()).rev().find_map(|n| files.iter().find(|file| file.module == path[..n]))
}

/// In the order of `lib.rs`: each imports only from those before it.
fn folders() -> Vec<String> {
    let lib = fs::read_to_string(source().join("lib.rs")).unwrap();
    let declared = lib.lines().filter_map(|line| line.strip_prefix("pub mod "));
    let folders: Vec<String> = declared.map(|name| name.trim_end_matches(';').to_owned()).collect();
    assert_eq!(folders.first().map(String::as_str), Some("domain"), "{folders:?}");
    folders
}

#[test]
fn a_folder_imports_only_from_those_before_it() {
    let (files, folders, mut imports) = (files(), folders(), 0);
    for file in files.iter().filter(|file| file.name != "lib.rs") {
        let place = |file: &File| folders.iter().position(|folder| file.module[0] == *folder);
        let here = place(file).unwrap_or_else(|| panic!("{} is in no known folder", file.name));
        for path in paths(file) {
            let Some(target) = target(&files, &path) else { continue };
            let there = place(target).unwrap();
            assert!(there <= here, "{} imports {}, which comes later", file.name, path.join("::"));
            let is_alone =
                file.module[0] != "infra" || ["domain", "infra"].contains(&&*target.module[0]);
            assert!(is_alone, "{} imports {}", file.name, path.join("::"));
            imports += usize::from(here != there);
        }
    }
    assert!(imports > 300, "only {imports} imports were looked at");
}

#[test]
fn no_file_of_decide_imports_itself_through_others() {
    let files = files();
    let decide = |file: &&File| file.name.starts_with("decide/");
    let mut imports: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for file in files.iter().filter(decide) {
        let targets = paths(file).into_iter().filter_map(|path| target(&files, &path));
        let others = targets.filter(decide).filter(|target| target.name != file.name);
        imports.insert(&file.name, others.map(|target| target.name.as_str()).collect());
    }
    assert!(imports.values().map(BTreeSet::len).sum::<usize>() > 50, "{imports:?}");
    // Whatever imports nothing that is left is taken out, until nothing is left but cycles.
    while let Some(done) =
        imports.iter().find(|(_, of)| of.iter().all(|it| !imports.contains_key(it)))
    {
        let done = *done.0;
        imports.remove(done);
    }
    for of in imports.values_mut() {
        of.retain(|it| it.starts_with("decide/"));
    }
    assert!(imports.is_empty(), "cycles in or above {imports:#?}");
}

#[test]
fn decisions_do_no_input_or_output() {
    let mut looked_at = 0;
    let pure = |file: &File| PURE.iter().any(|folder| file.name.starts_with(folder));
    // The two clocks are handed in; who holds them decides nothing.
    let holds_a_clock =
        |file: &File| ["domain/clock.rs", "domain/deadline.rs"].contains(&&*file.name);
    for file in files().iter().filter(|file| pure(file) && !holds_a_clock(file)) {
        for word in [
            "async fn",
            ".await",
            "tokio::",
            "std::fs",
            "std::net::Tcp",
            "tracing::",
            "Timestamp::now",
        ] {
            assert!(!file.code.contains(word), "{} has `{word}`", file.name);
        }
        looked_at += 1;
    }
    assert!(looked_at > 40, "only {looked_at} files were looked at");
}

#[test]
fn only_its_folder_knows_a_provider() {
    for file in files().iter().filter(|file| !file.name.starts_with("providers/")) {
        let words = file.code.split(|c: char| !c.is_alphanumeric());
        for word in words.flat_map(|word| word.split('_')) {
            let is_one = ["stripe", "fastspring", "paddle"].contains(&&*word.to_lowercase());
            assert!(!is_one, "{} names {word}", file.name);
        }
    }
}

#[test]
fn no_file_is_past_its_size() {
    for file in files() {
        assert!(file.lines <= 600, "{} has {} lines: one job each?", file.name, file.lines);
    }
}

/// Lines of the longest function: past that it has two jobs.
const LONGEST_FUNCTION: usize = 80;

#[test]
fn no_function_is_past_its_size() {
    let mut looked_at = 0;
    for file in files() {
        let lines: Vec<&str> = file.code.lines().collect();
        for (start, line) in lines.iter().enumerate() {
            let indent = &line[..line.len() - line.trim_start().len()];
            let is_function = line.contains("fn ") && line.trim_end().ends_with('{')
                || line.trim_end().ends_with('(') && line.contains("fn ");
            if !is_function || line.contains("macro_rules") {
                continue;
            }
            let end = format!("{indent}}}");
            let is_end = |line: &&str| **line == end || **line == format!("{indent});");
            let length = lines[start..].iter().take_while(|line| !is_end(line)).count();
            assert!(length < LONGEST_FUNCTION, "{}:{} has {length} lines", file.name, start + 1);
            looked_at += 1;
        }
    }
    assert!(looked_at > 800, "only {looked_at} functions");
}
