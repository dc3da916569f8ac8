//! What a situation came to: the licenses that are there, compared with those that should be.

use serde::{Deserialize, Serialize};

use super::catalog;
use crate::sandbox::License;

/// How a situation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The licenses are as they should be.
    Right,
    /// They are not.
    Wrong,
    /// They are not, and the server said of a delivery that it does not handle such events.
    NotHandled,
}

impl Outcome {
    /// As tables say it.
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Right => "right",
            Outcome::Wrong => "wrong",
            Outcome::NotHandled => "not handled",
        }
    }
}

/// `prod_1 until 2027-01-14 suspended for ada@example.com`. Days are those of UTC.
pub fn shown(license: &License) -> String {
    let product = catalog::name_of(&license.product_id);
    let end = license.expires_at.map_or("never".to_owned(), |end| end.strftime("%F").to_string());
    let suspended = if license.suspended { " suspended" } else { "" };
    let revoked = if license.revoked { " revoked" } else { "" };
    let owner = license.user.as_ref().map_or("nobody", |user| user.email.as_str());
    format!("{product} until {end}{suspended}{revoked} for {owner}")
}

/// The licenses that are there, sorted, each with as much said of it as is said of the one that it should be.
pub fn compared(found: &[String], expected: &[String]) -> Vec<String> {
    let mut open: Vec<&String> = expected.iter().collect();
    let mut all: Vec<String> = found
        .iter()
        .map(|license| {
            let without_owner = license.split(" for ").next().unwrap_or_default();
            let same = |should: &&&String| ***should == *license || ***should == *without_owner;
            match open.iter().position(|should| same(&should)) {
                Some(place) => open.remove(place).clone(),
                None if expected.iter().any(|should| should.contains(" for ")) => license.clone(),
                None => without_owner.to_owned(),
            }
        })
        .collect();
    all.sort();
    all
}

/// Whether customers can use what they paid for, and nothing else. A license that nobody may use is as good suspended as revoked
/// or deleted, but it must have been there: who makes no license is not right about a refund.
pub fn is_right(found: &[String], expected: &[String], deleted: usize) -> bool {
    running(found) == running(expected) && found.len() + deleted >= expected.len()
}

fn running(all: &[String]) -> Vec<&String> {
    let mut all: Vec<&String> = all.iter().filter(|one| is_running(one)).collect();
    all.sort();
    all
}

/// What a wrong end means to vendor or customer, in a few words.
pub fn meaning(found: &[String], expected: &[String]) -> String {
    let (has, should) = (running(found), running(expected));
    let licenses = |count: usize| if count == 1 { "license" } else { "licenses" };
    match (has.len(), should.len()) {
        (has, should) if has < should => {
            let lacking = should - has;
            format!("{lacking} paid {} cannot be used", licenses(lacking))
        }
        (has, should) if has > should => {
            let free = has - should;
            format!("{free} {} can be used that nobody pays for", licenses(free))
        }
        _ if has == should => "a license was never made".to_owned(),
        _ => {
            let differs = |part: fn(&str) -> &str| {
                has.iter().map(|it| part(it)).ne(should.iter().map(|it| part(it)))
            };
            if differs(product) {
                return "the license is for another product".to_owned();
            }
            if differs(end) {
                let shorter = has.iter().zip(&should).any(|(has, should)| end(has) < end(should));
                let what =
                    if shorter { "ends before what was paid" } else { "runs longer than paid" };
                return what.to_owned();
            }
            "the license belongs to somebody else".to_owned()
        }
    }
}

fn is_running(license: &str) -> bool {
    !license.contains(" suspended") && !license.contains(" revoked")
}

fn product(license: &str) -> &str {
    license.split(" until ").next().unwrap_or_default()
}

/// A day, or `never`, which is later than any day.
fn end(license: &str) -> &str {
    let (_, rest) = license.split_once(" until ").unwrap_or_default();
    rest.split(' ').next().unwrap_or_default()
}

/// Lines that are the same become one: `3 x prod_1 until 2027-01-01`.
pub fn grouped(lines: &[String]) -> String {
    let counted = lines.chunk_by(|a, b| a == b).map(|same| match same {
        [one] => one.clone(),
        more => format!("{} x {}", more.len(), more[0]),
    });
    let all: Vec<String> = counted.collect();
    if all.is_empty() { "none".to_owned() } else { all.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.split("; ").filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }

    #[test]
    fn an_owner_counts_only_where_it_is_told() {
        let found =
            lines("a until 2027-01-01 for ada@example.com; b until never for bob@example.com");
        for (expected, right) in [
            ("a until 2027-01-01; b until never", true),
            ("a until 2027-01-01 for ada@example.com; b until never", true),
            ("a until 2027-01-01 for bob@example.com; b until never", false),
            ("a until 2027-01-01", false),
            ("a until 2027-01-01; a until 2027-01-01", false),
        ] {
            let expected = lines(expected);
            assert_eq!(compared(&found, &expected) == expected, right, "{expected:?}");
        }
    }

    #[test]
    fn a_license_that_nobody_may_use_may_be_blocked_in_any_way() {
        for (found, expected, deleted, right) in [
            ("a until never revoked", "a until never suspended", 0, true),
            ("", "a until never suspended", 1, true),
            ("", "a until never suspended", 0, false),
            ("a until never", "a until never suspended", 0, false),
            ("a until never suspended; b until never", "b until never", 0, true),
        ] {
            let is = is_right(&lines(found), &lines(expected), deleted);
            assert_eq!(is, right, "{found}, not {expected}");
        }
    }

    #[test]
    fn a_wrong_end_is_told_in_plain_words() {
        for (found, expected, means) in [
            (
                "a until never; a until never",
                "a until never",
                "1 license can be used that nobody pays for",
            ),
            ("", "a until never; a until never", "2 paid licenses cannot be used"),
            ("a until never suspended", "a until never", "1 paid license cannot be used"),
            ("a until 2027-01-01", "a until 2027-02-01", "ends before what was paid"),
            ("a until never", "a until 2027-02-01", "runs longer than paid"),
            ("b until 2027-02-01", "a until 2027-02-01", "the license is for another product"),
            ("a until never for b", "a until never for a", "the license belongs to somebody else"),
            ("", "a until never revoked", "a license was never made"),
        ] {
            assert_eq!(meaning(&lines(found), &lines(expected)), means, "{found}, not {expected}");
        }
    }

    #[test]
    fn equal_lines_are_counted() {
        assert_eq!(grouped(&lines("a; a; b")), "2 x a; b");
        assert_eq!(grouped(&[]), "none");
    }
}
