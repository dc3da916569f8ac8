//! Commands that the pages name: they exist.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use pulldown_cmark::{Event, Tag, TagEnd};

use crate::pages::{Page, pages, root};

/// Everything that is set as code, a line each.
fn code(page: &Page) -> Vec<String> {
    let (mut lines, mut in_block) = (Vec::new(), false);
    for event in page.events() {
        match event {
            Event::Start(Tag::CodeBlock(_)) => in_block = true,
            Event::End(TagEnd::CodeBlock) => in_block = false,
            Event::Text(text) if in_block => lines.extend(text.lines().map(str::to_owned)),
            Event::Code(text) => lines.push(text.into_string()),
            _ => {}
        }
    }
    lines
}

/// What follows the word `command` wherever it is a command: at the beginning, after a path or after a sign of the shell.
fn named<'l>(line: &'l str, command: &str) -> Vec<&'l str> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let is_name =
        |word: &str| word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    let places = 0..words.len().saturating_sub(1);
    let is_command = |at: &usize| {
        let program = words[*at].trim_start_matches('(').rsplit('/').next().unwrap_or_default();
        // `cargo test -p devkit name`
        let is_package = *at > 0 && words[at - 1] == "-p";
        program == command && !is_package
    };
    let names = places.filter(is_command).map(|at| words[at + 1]);
    names.filter(|name| is_name(name) && !name.starts_with('-')).collect()
}

fn targets() -> BTreeSet<String> {
    let makefile = fs::read_to_string(root().join("Makefile")).unwrap();
    let names = makefile.lines().filter(|line| !line.starts_with(['.', '\t', '#', '$']));
    names.filter_map(|line| line.split_once(':').map(|(name, _)| name.to_owned())).collect()
}

fn help(arguments: &[&str]) -> String {
    let devkit = Command::new(env!("CARGO_BIN_EXE_devkit")).args(arguments).output().unwrap();
    String::from_utf8(devkit.stdout).unwrap()
}

/// The options that follow a subcommand of devkit in a line, up to the next command.
fn options<'l>(line: &'l str, subcommand: &str) -> Vec<&'l str> {
    let after = line.split_once(&format!("devkit {subcommand}")).map_or("", |(_, after)| after);
    let own = after.split(['|', ';', '&', '#']).next().unwrap_or_default();
    let options = own.split_whitespace().filter(|word| word.starts_with("--"));
    options.map(|option| option.split(['=', '`', ']']).next().unwrap_or_default()).collect()
}

fn subcommands() -> BTreeSet<String> {
    let help = help(&["--help"]);
    let list = help.lines().take_while(|line| !line.starts_with("Options:"));
    let names = list.filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next());
    names.map(str::to_owned).collect()
}

#[test]
fn commands_in_the_pages_exist() {
    let (targets, subcommands, mut faults, mut count) = (targets(), subcommands(), Vec::new(), 0);
    assert!(
        targets.contains("test") && subcommands.contains("send"),
        "{targets:?} {subcommands:?}"
    );
    for page in pages().iter().filter(|page| page.name != "CHANGELOG.md") {
        for line in code(page) {
            for (command, known) in [("make", &targets), ("devkit", &subcommands)] {
                for name in named(&line, command) {
                    count += 1;
                    if !known.contains(name) {
                        faults.push(format!("{}: there is no {command} {name}", page.name));
                    }
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(count > 60, "only {count} commands were looked at");
}

#[test]
fn the_name_of_a_command_follows_it() {
    assert_eq!(named("A=b target/debug/devkit send stripe && (make demo)", "devkit"), ["send"]);
    assert_eq!(named("cd x; make books SEED=7", "make"), ["books"]);
    assert_eq!(named("remake this", "make"), [""; 0]);
    assert_eq!(named("cargo test -p devkit comparison", "devkit"), [""; 0]);
}

#[test]
fn options_in_the_pages_exist() {
    let subcommands = subcommands();
    let helps: BTreeMap<&String, String> =
        subcommands.iter().map(|name| (name, help(&[name, "--help"]))).collect();
    let (mut faults, mut count) = (Vec::new(), 0);
    for page in pages().iter().filter(|page| page.name != "CHANGELOG.md") {
        // A line may go on behind a backslash.
        let text = code(page).join("\n").replace("\\\n", " ");
        for line in text.lines() {
            for name in named(line, "devkit").into_iter().filter(|name| subcommands.contains(*name))
            {
                for option in options(line, name) {
                    count += 1;
                    if !helps[&name.to_owned()].contains(option) {
                        faults.push(format!("{}: devkit {name} has no {option}", page.name));
                    }
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(count > 30, "only {count} options were looked at");
}
