//! Links between the pages, and from them to files.

use std::path::{Component, Path, PathBuf};

use pulldown_cmark::{Event, Tag};

use crate::pages::{Page, pages, root};

/// On GitHub this leads out of the files and to the repository's own page of the workflow.
const BADGE: &str = "../../actions/workflows/ci.yml";

fn links(page: &Page) -> Vec<String> {
    let links = page.events().filter_map(|event| match event {
        Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
            Some(dest_url.into_string())
        }
        _ => None,
    });
    links.collect()
}

/// `docs/aws.md` and `../README.md` are `README.md`.
fn resolved(page: &str, link: &str) -> Option<PathBuf> {
    let mut path = PathBuf::from(page);
    path.pop();
    for part in Path::new(link).components() {
        match part {
            Component::Normal(name) => path.push(name),
            Component::CurDir => {}
            Component::ParentDir => {
                if !path.pop() {
                    return None;
                }
            }
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(path)
}

fn fault(pages: &[Page], page: &Page, link: &str) -> Option<String> {
    if link.starts_with("https://") || link.starts_with("mailto:") || link.starts_with(BADGE) {
        return None;
    }
    if link.contains("://") {
        return Some("is neither https nor a file".to_owned());
    }
    let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = if file.is_empty() {
        PathBuf::from(&page.name)
    } else {
        match resolved(&page.name, file) {
            Some(target) => target,
            None => return Some("leads out of the repository".to_owned()),
        }
    };
    let Some(target) = pages.iter().find(|page| Path::new(&page.name) == target) else {
        return match (root().join(&target).exists(), anchor.is_empty()) {
            (true, true) => None,
            (true, false) => Some("has an anchor, and leads to no page".to_owned()),
            (false, _) => Some(format!("{} does not exist", target.display())),
        };
    };
    if anchor.is_empty() || target.anchors().iter().any(|known| known == anchor) {
        return None;
    }
    Some(format!("{} has no heading for #{anchor}", target.name))
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let (pages, mut faults, mut count) = (pages(), Vec::new(), 0);
    for page in &pages {
        for link in links(page) {
            count += 1;
            faults.extend(
                fault(&pages, page, &link).map(|why| format!("{}: {link} {why}", page.name)),
            );
        }
    }
    assert!(faults.is_empty(), "{} links are wrong:\n{}", faults.len(), faults.join("\n"));
    assert!(count > 200, "only {count} links were looked at");
}

#[test]
fn a_wrong_link_is_found() {
    let text = "# One\n".to_owned();
    let pages = [Page { name: "docs/page.md".to_owned(), text }];
    let found = |link: &str| fault(&pages, &pages[0], link);
    for link in ["#two", "nowhere.md", "../../etc", "http://example.com", "../Cargo.toml#one"] {
        assert!(found(link).is_some(), "{link}");
    }
    for link in ["#one", "../Cargo.toml", "https://example.com"] {
        assert_eq!(found(link), None, "{link}");
    }
}

#[test]
fn every_page_is_in_the_table_of_contents() {
    let pages = pages();
    let summary = pages.iter().find(|page| page.name == "docs/SUMMARY.md").unwrap();
    let listed: Vec<PathBuf> =
        links(summary).iter().filter_map(|link| resolved(&summary.name, link)).collect();
    // The introduction takes the place of the README, which is for GitHub.
    for page in pages.iter().filter(|page| !["README.md", "docs/SUMMARY.md"].contains(&&*page.name))
    {
        let count = listed.iter().filter(|path| Path::new(&page.name) == path.as_path()).count();
        assert_eq!(count, 1, "docs/SUMMARY.md must list {} once", page.name);
        assert!(page.title().is_some(), "{} has no title", page.name);
    }
}
