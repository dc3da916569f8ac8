//! The numbers of `docs/testing.md`: a test that counts what it tries holds its row of the table, or writes it.

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

pub(crate) const BEGIN: &str = "<!-- numbers: written by NUMBERS=write make test -->";
pub(crate) const END: &str = "<!-- end of numbers -->";

pub(crate) fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/testing.md")
}

/// Compares the row of that name with what was counted. With `NUMBERS=write` it writes the row first.
pub(crate) fn record(what: &str, counts: &[(usize, &str)]) {
    let row = format!("| {what} | {} |", in_words(counts));
    writeln!(std::io::stderr(), "{row}").ok();
    let mut file = File::options().read(true).write(true).open(page()).unwrap();
    // Other tests write their rows at the same time, also in other processes.
    file.lock().unwrap();
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    if is_to_be_written() {
        text = with_row(&text, what, &row);
        file.set_len(0).unwrap();
        file.rewind().unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }
    file.unlock().unwrap();
    assert!(
        rows(&text).any(|known| known == row),
        "docs/testing.md does not have the row\n{row}\nNUMBERS=write make test writes it, and git diff shows what it was"
    );
}

#[expect(clippy::disallowed_methods, reason = "it is asked for the test, and not for the function")]
fn is_to_be_written() -> bool {
    std::env::var("NUMBERS").as_deref() == Ok("write")
}

/// `2,000 lives, 19,476 events`.
pub(crate) fn in_words(counts: &[(usize, &str)]) -> String {
    let counts = counts.iter().map(|(count, of)| format!("{} {of}", grouped(*count)));
    counts.collect::<Vec<_>>().join(", ")
}

/// `19,476`.
fn grouped(count: usize) -> String {
    let digits = count.to_string();
    let groups = digits.as_bytes().rchunks(3).rev();
    let groups: Vec<&str> = groups.map(|group| std::str::from_utf8(group).unwrap()).collect();
    groups.join(",")
}

/// The rows between the markers, without the head of the table.
pub(crate) fn rows(page: &str) -> impl Iterator<Item = &str> {
    let table = page.split_once(BEGIN).and_then(|(_, rest)| rest.split_once(END));
    let (table, _) = table.unwrap_or_else(|| panic!("docs/testing.md has no numbers"));
    table.lines().filter(|line| line.starts_with("| ")).skip(1)
}

/// The page with the row in the place of the one of its name, or behind the last one.
pub(crate) fn with_row(page: &str, what: &str, row: &str) -> String {
    let name = format!("| {what} | ");
    let known = rows(page).find(|known| known.starts_with(&name));
    match known {
        Some(known) => page.replace(&format!("{known}\n"), &format!("{row}\n")),
        None => page.replace(END, &format!("{row}\n{END}")),
    }
}
