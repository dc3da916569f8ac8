//! The numbers of `docs/testing.md` are counted, each by a test.

use std::fs;
use std::path::Path;

use crate::support::numbers::{BEGIN, END, in_words, page, rows, with_row};

const PAGE: &str = "Before.\n\n<!-- begin -->\n| what was tried | how many |\n|---|---|\n| one thing | 1 event |\n| another | 2 events |\n<!-- end -->\n\nAfter.\n";

fn marked() -> String {
    PAGE.replace("<!-- begin -->", BEGIN).replace("<!-- end -->", END)
}

#[test]
fn a_row_takes_the_place_of_the_one_of_its_name() {
    let page = with_row(&marked(), "one thing", "| one thing | 3 events |");
    assert_eq!(page, marked().replace("1 event ", "3 events "));
    let page = with_row(&page, "a third", "| a third | 4 events |");
    let expected = ["| one thing | 3 events |", "| another | 2 events |", "| a third | 4 events |"];
    assert_eq!(rows(&page).collect::<Vec<_>>(), expected);
    assert!(page.starts_with("Before.\n") && page.ends_with("\nAfter.\n"), "{page}");
}

#[test]
fn counts_are_written_with_their_words() {
    let counts = [(7, "stories"), (1_304, "events"), (1_000_000, "deliveries")];
    assert_eq!(in_words(&counts), "7 stories, 1,304 events, 1,000,000 deliveries");
}

/// A test that is gone leaves no row behind.
#[test]
fn every_row_of_the_numbers_is_written_by_a_test() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let (mut sources, mut folders) = (String::new(), vec![crates.to_owned()]);
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                sources.push_str(&fs::read_to_string(path).unwrap());
            }
        }
    }
    let page = fs::read_to_string(page()).unwrap();
    let rows: Vec<&str> = rows(&page).collect();
    assert!(rows.len() > 8, "{rows:?}");
    for row in rows {
        let what = row.trim_start_matches("| ").split(" | ").next().unwrap();
        assert!(sources.contains(&format!("\"{what}\"")), "no test counts: {what}");
    }
}
