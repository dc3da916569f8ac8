//! The documentation quotes what the code says, and nothing that it does not say any more.
//!
//! A quotation is inline code of three words or more, or a line of a code block that begins like a sentence, or something in
//! italics with `..` in it. `..` and `<..>` in it may be anything; so may ids, numbers, paths, names of variables and of
//! providers, which are examples. Each part of it between colons must be in one string of the source.

use std::fs;
use std::path::{Path, PathBuf};

/// With these begin commands and queries.
const COMMANDS: [&str; 14] = [
    "openssl",
    "cp",
    "devkit",
    "aws",
    "cargo",
    "docker",
    "make",
    "stripe",
    "curl",
    "filter",
    "fields",
    "systemctl",
    "git",
    "sam",
];
/// What somebody else says.
const OF_OTHERS: [&str; 2] =
    ["Missing Authentication Token", "license:read license:write user:read user:write"];
/// What stands before an id.
const KINDS: [&str; 5] = ["subscription", "order", "customer", "invoice", "payment"];
const TITLES: [&str; 3] = ["Stripe", "FastSpring", "Paddle"];

/// In a text of the source: where something is filled in. In a quotation: what may be anything.
const ANYTHING: char = '\u{0}';

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// All string literals of a file without its tests, each with `ANYTHING` for what is filled in.
fn literals(code: &str) -> Vec<String> {
    let own = code.split("#[cfg(test)]").next().unwrap();
    let mut all = Vec::new();
    let mut rest = own.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '/' if rest.peek() == Some(&'/') => while rest.next().is_some_and(|c| c != '\n') {},
            '\'' => {
                // A character, perhaps a quotation mark; a lifetime has no end.
                if rest.next() == Some('\\') {
                    rest.next();
                }
                rest.next_if_eq(&'\'');
            }
            '"' => all.push(literal(&mut rest)),
            _ => {}
        }
    }
    all
}

/// What stands up to the next quotation mark.
fn literal(rest: &mut std::iter::Peekable<impl Iterator<Item = char>>) -> String {
    let mut text = String::new();
    while let Some(c) = rest.next() {
        match c {
            '"' => break,
            '\\' => match rest.next() {
                Some('\n') => while rest.next_if(|c| c.is_whitespace()).is_some() {},
                Some(escaped) => text.push(escaped),
                None => {}
            },
            '{' if rest.next_if_eq(&'{').is_none() => {
                while rest.next().is_some_and(|c| c != '}') {}
                text.push(ANYTHING);
            }
            _ => text.push(c),
        }
    }
    text
}

fn said() -> Vec<String> {
    let mut said = Vec::new();
    let crates = repository().join("crates");
    let mut folders = vec![crates.join("webhook-core/src"), crates.join("devkit/src")];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if !path.to_string_lossy().contains("tests") {
                said.extend(literals(&fs::read_to_string(path).unwrap()));
            }
        }
    }
    assert!(said.len() > 1_000, "only {} texts", said.len());
    said
}

/// The pages whose quotations are looked at, with their texts.
fn pages() -> Vec<(String, String)> {
    let docs = fs::read_dir(repository().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages = docs.filter(|path| path.extension().is_some_and(|ending| ending == "md"));
    let mut pages: Vec<PathBuf> = pages.chain([repository().join("README.md")]).collect();
    pages.sort();
    let read = |path: PathBuf| (path.display().to_string(), fs::read_to_string(&path).unwrap());
    pages.into_iter().map(read).collect()
}

/// The texts between two marks on one line or two. A mark that is doubled is another one.
fn between(text: &str, mark: char) -> Vec<String> {
    let mut found = Vec::new();
    for paragraph in text.split("\n\n").filter(|it| !it.starts_with("    ")) {
        let paragraph = paragraph.replace(&String::from(mark).repeat(2), "");
        found.extend(paragraph.split(mark).skip(1).step_by(2).map(|it| it.replace('\n', " ")));
    }
    found
}

fn quotations(page: &str) -> Vec<String> {
    let fenced: Vec<&str> = page.split("```").collect();
    let prose: String = fenced.iter().step_by(2).copied().collect();
    let in_code = between(&prose, '`').into_iter();
    let without_code: String = prose.split('`').step_by(2).collect();
    let in_italics = between(&without_code, '*').into_iter().filter(|text| text.contains(".."));
    let indented = prose.lines().filter_map(|line| line.strip_prefix("    "));
    let lines = indented.chain(fenced.iter().skip(1).step_by(2).flat_map(|block| block.lines()));
    let sentences = lines.filter(|line| {
        let word = line.split(' ').next().unwrap();
        let mut letters = word.chars();
        letters.next().is_some_and(char::is_uppercase)
            && word.len() > 1
            && letters.all(char::is_lowercase)
    });
    let all = in_code.chain(in_italics).chain(sentences.map(str::to_owned));
    all.filter(|text| is_message(text)).collect()
}

fn is_message(text: &str) -> bool {
    let first = text.split(' ').next().unwrap();
    let is_code = text.contains(['=', '[', '{', '$']);
    let is_command = COMMANDS.contains(&first) || is_code || OF_OTHERS.contains(&text);
    text.split(' ').count() >= 3 && !is_command
}

/// Whether a word is an example, or may be anything.
fn is_example(word: &str) -> bool {
    let bare = word.trim_matches(|c: char| !c.is_alphanumeric() && c != '/');
    bare.is_empty()
        || word.starts_with('<')
        || bare.contains(['_', '/', '.'])
        || bare.chars().all(|c| c.is_uppercase() || c.is_ascii_digit())
        || bare.starts_with(|c: char| c.is_ascii_digit())
        || TITLES.contains(&bare)
}

/// With `<>` for whatever is in such brackets.
fn without_placeholders(quotation: &str) -> String {
    let mut pieces = quotation.split('<');
    let first = pieces.next().unwrap().to_owned();
    pieces.fold(first, |text, piece| {
        let after = piece.split_once('>').map_or(piece, |(_, after)| after);
        format!("{text}<>{after}")
    })
}

/// What of a part must be said, in this order: its words, apart from examples.
fn fragments(part: &str) -> Vec<String> {
    let words: Vec<&str> = part.split_whitespace().collect();
    let mut text = String::new();
    for (place, word) in words.iter().enumerate() {
        let names_an_id = || words.get(place + 1).is_some_and(|next| is_example(next));
        if is_example(word) || KINDS.contains(word) && names_an_id() {
            text.push(ANYTHING);
        } else {
            text.push_str(word);
        }
        text.push(' ');
    }
    let trimmed = |text: &str| text.trim_matches(|c: char| !c.is_alphanumeric()).to_owned();
    text.split(ANYTHING).map(trimmed).filter(|text| !text.is_empty()).collect()
}

fn is_said(part: &str, said: &[String]) -> bool {
    let fragments = fragments(part);
    said.iter().any(|text| {
        let mut rest = text.as_str();
        fragments.iter().all(|fragment| match rest.split_once(fragment.as_str()) {
            Some((_, after)) => {
                rest = after;
                true
            }
            None => false,
        })
    })
}

/// The parts of a quotation that nothing in the source says. A single word begins or ends a text, or is an example.
fn unsaid(quotation: &str, said: &[String]) -> Vec<String> {
    let quotation = without_placeholders(quotation);
    let is_at_an_end = |word: &str| {
        let (begins, ends) = (format!("{word}: "), format!(": {word}"));
        said.iter().any(|text| text.starts_with(&begins) || text.ends_with(&ends))
    };
    let is_right = |part: &&str| match part.contains(' ') {
        true => is_said(part, said),
        false => is_example(part) || part.contains('-') || is_at_an_end(part),
    };
    quotation.split(": ").filter(|part| !is_right(part)).map(str::to_owned).collect()
}

#[test]
fn quotations_in_the_documentation_are_said_by_the_code() {
    let said = said();
    let (mut looked_at, mut wrong) = (0, Vec::new());
    for (page, text) in pages() {
        for quotation in quotations(&text) {
            looked_at += 1;
            if !unsaid(&quotation, &said).is_empty() {
                wrong.push(format!("{page}: {quotation}"));
            }
        }
    }
    assert!(wrong.is_empty(), "nothing says:\n{}", wrong.join("\n"));
    assert!(looked_at > 30, "only {looked_at} quotations");
}

#[test]
fn quotation_that_nothing_says_is_found() {
    let said = literals(
        r#"let quote = '"'; format!("Recorded for {subject}: {why}."); "only a part \
           went back" // "a comment says nothing"
           error("{variable} must be {wanted}.")"#,
    );
    for right in [
        "Recorded for order cs_1: only a part went back.",
        "Recorded for ..: ..",
        "GRACE_DAYS must be <a number>",
        ".. must be ..",
    ] {
        assert_eq!(unsaid(right, &said), Vec::<String>::new(), "{right}");
    }
    for wrong in [
        "Recorded for ..: only a part goes back.",
        "Noted: only a part went back.",
        "a comment says nothing",
        "must not be",
        "be must",
    ] {
        assert_eq!(unsaid(wrong, &said).len(), 1, "{wrong}");
    }
    let page = "Look at `Recorded for x` and\n`is\nsaid so`; *.. in italics*, `two words`, *not this*, \
                `make it so`.\n\n    Received what it is\n    not this\n    CAPITALS are no sentence\n\n\
                ```\nFailed to find it\nnot this one\n```\n";
    let found = [
        "Recorded for x",
        "is said so",
        ".. in italics",
        "Received what it is",
        "Failed to find it",
    ];
    assert_eq!(quotations(page), found);
}
