//! The Markdown pages, and what is read out of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

/// The checkout.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// One page.
pub(crate) struct Page {
    /// From the root of the checkout, such as `docs/aws.md`.
    pub(crate) name: String,
    pub(crate) text: String,
}

impl Page {
    pub(crate) fn events(&self) -> Parser<'_> {
        Parser::new_ext(&self.text, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH)
    }

    /// The anchors that headings get on GitHub and in mdBook.
    pub(crate) fn anchors(&self) -> Vec<String> {
        let (mut anchors, mut heading): (Vec<String>, Option<String>) = (Vec::new(), None);
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        for event in self.events() {
            match (event, &mut heading) {
                (Event::Start(Tag::Heading { .. }), _) => heading = Some(String::new()),
                (Event::Text(text) | Event::Code(text), Some(heading)) => heading.push_str(&text),
                (Event::End(TagEnd::Heading(_)), Some(text)) => {
                    let anchor = anchor(text);
                    let count = seen.entry(anchor.clone()).or_default();
                    anchors.push(match *count {
                        0 => anchor,
                        earlier => format!("{anchor}-{earlier}"),
                    });
                    *count += 1;
                    heading = None;
                }
                _ => {}
            }
        }
        anchors
    }

    /// The text of its first heading.
    pub(crate) fn title(&self) -> Option<String> {
        let mut events = self.events();
        let is_title = |event: &Event<'_>| {
            matches!(event, Event::Start(Tag::Heading { level: HeadingLevel::H1, .. }))
        };
        events.find(is_title)?;
        let of_title = events.take_while(|event| !matches!(event, Event::End(TagEnd::Heading(_))));
        Some(of_title.filter_map(text_of).collect())
    }
}

fn text_of(event: Event<'_>) -> Option<String> {
    match event {
        Event::Text(text) | Event::Code(text) => Some(text.into_string()),
        _ => None,
    }
}

fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter_map(|c| match c {
        ' ' => Some('-'),
        '-' | '_' => Some(c),
        c if c.is_alphanumeric() => Some(c.to_ascii_lowercase()),
        _ => None,
    });
    kept.collect()
}

/// The pages at the root and those in `docs/`, by name.
pub(crate) fn pages() -> Vec<Page> {
    let mut pages = Vec::new();
    for folder in ["", "docs/"] {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let file = entry.unwrap().file_name().into_string().unwrap();
            if file.ends_with(".md") {
                let name = format!("{folder}{file}");
                let text = fs::read_to_string(root().join(&name)).unwrap();
                pages.push(Page { name, text });
            }
        }
    }
    pages.sort_by(|one, other| one.name.cmp(&other.name));
    assert!(pages.len() > 10, "only {} pages were found", pages.len());
    pages
}

#[test]
fn anchors_are_those_of_github() {
    let text = "# What `A_B` costs: 5 %\n\n## Same\n\n## Same\n".to_owned();
    let page = Page { name: "page.md".to_owned(), text };
    assert_eq!(page.anchors(), ["what-a_b-costs-5-", "same", "same-1"]);
    assert_eq!(page.title().as_deref(), Some("What A_B costs: 5 %"));
}
