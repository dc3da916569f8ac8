//! No page uses a term before it explains it, or leads to where it is explained.

use pulldown_cmark::{Event, HeadingLevel, Tag, TagEnd};

use crate::pages::{Page, pages};

/// Where all terms are explained.
const GLOSSARY: &str = "docs/words.md";

/// The terms of the glossary: the first cells of its rows. Some rows have two.
fn terms(glossary: &Page) -> Vec<String> {
    let rows = glossary.text.lines().filter_map(|line| line.strip_prefix("| "));
    let cells = rows.filter_map(|row| row.split(" |").next()).filter(|cell| *cell != "word");
    cells.flat_map(|cell| cell.split(", ")).map(str::to_lowercase).collect()
}

/// Where in the page a term is first used in prose, and where the page first explains it or leads to the glossary.
fn uses(page: &Page, term: &str) -> (Option<usize>, Option<usize>) {
    let (mut used, mut explained, mut is_skipped) = (None, None, false);
    let (mut is_bold, mut cell) = (false, 1_usize);
    for (event, range) in page.events().into_offset_iter() {
        match event {
            // The title only says which page it is.
            Event::Start(Tag::CodeBlock(_) | Tag::Heading { level: HeadingLevel::H1, .. }) => {
                is_skipped = true;
            }
            Event::End(TagEnd::CodeBlock | TagEnd::Heading(_)) => is_skipped = false,
            Event::Start(Tag::Strong) => is_bold = true,
            Event::End(TagEnd::Strong) => is_bold = false,
            Event::Start(Tag::TableRow) => cell = 0,
            Event::End(TagEnd::TableCell) => cell += 1,
            Event::Start(Tag::Link { dest_url, .. }) if dest_url.contains("words.md") => {
                explained = explained.or(Some(range.start));
            }
            Event::Text(text) if !is_skipped && has(&text, term) => {
                let is_definition = (is_bold || cell == 0) && is(&text, term);
                explained = explained.or(is_definition.then_some(range.start));
                used = used.or(Some(range.start));
            }
            _ => {}
        }
    }
    (used, explained)
}

fn is(text: &str, term: &str) -> bool {
    text.trim().eq_ignore_ascii_case(term)
}

/// Whether the term is in it as a word of its own, or in the plural.
fn has(text: &str, term: &str) -> bool {
    let text = text.to_lowercase();
    text.match_indices(term).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let rest = &text[at + term.len()..];
        let after = rest.strip_prefix('s').unwrap_or(rest).chars().next();
        let is_end = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric() && c != '-');
        is_end(before) && is_end(after)
    })
}

#[test]
fn a_page_explains_a_term_before_it_uses_it() {
    let pages = pages();
    let terms = terms(pages.iter().find(|page| page.name == GLOSSARY).unwrap());
    assert!(terms.len() > 30, "{terms:?}");
    let (mut faults, mut count) = (Vec::new(), 0);
    // The README is read first: it may lead to a page for a word, but not away to a glossary.
    let is_read = |page: &&Page| page.name.starts_with("docs/") && page.name != GLOSSARY;
    for page in pages.iter().filter(is_read).filter(|page| page.name != "docs/SUMMARY.md") {
        let early = terms.iter().filter(|term| {
            let (used, explained) = uses(page, term);
            count += usize::from(used.is_some());
            used.is_some_and(|used| explained.is_none_or(|explained| explained > used))
        });
        let early: Vec<&str> = early.map(String::as_str).collect();
        if !early.is_empty() {
            faults.push(format!("{} uses before it explains: {}", page.name, early.join(", ")));
        }
    }
    assert!(faults.is_empty(), "{}\nA link to words.md explains all.", faults.join("\n"));
    assert!(count > 150, "only {count} uses were looked at");
}

#[test]
fn a_term_that_is_used_too_early_is_found() {
    let early = |text: &str| {
        let page = Page { name: "docs/page.md".to_owned(), text: text.to_owned() };
        let (used, explained) = uses(&page, "lease");
        used.is_some_and(|used| explained.is_none_or(|explained| explained > used))
    };
    assert!(early("It takes leases.\n\n| word | meaning |\n|---|---|\n| lease | a right |\n"));
    assert!(early("A lease, see [words](words.md#lease).\n"));
    assert!(!early("[Words](words.md) explains it. It takes a lease.\n"));
    assert!(!early("A **lease** is a right. A lease ends.\n"));
    assert!(!early("A release, and `lease` as code.\n"));
}
