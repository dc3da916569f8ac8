//! The licenses of a story in words, and whether they are what is owed.

use std::collections::BTreeMap;

use super::stories::Owed;
use crate::sandbox::{License, catalogue};

/// How long an owner's name may be. Their beginning tells ids apart.
const MOST_OF_NAME: usize = 26;

/// What the sandbox holds, seen from one story.
pub(super) struct Holding {
    /// Licenses that were there before the story began, as they were.
    before: Vec<String>,
    /// Owners of the last step.
    owners: Vec<String>,
}

impl Holding {
    /// When a story begins.
    pub(super) fn new(licenses: &[License]) -> Holding {
        Holding { before: licenses.iter().map(fingerprint).collect(), owners: Vec::new() }
    }

    /// Whether the story's licenses are what is owed, and no other license was touched.
    pub(super) fn is(&self, licenses: &[License], owed: &[Owed]) -> bool {
        let untouched = licenses.iter().map(fingerprint).take(self.before.len());
        let mut wanted: BTreeMap<&str, usize> = BTreeMap::new();
        for Owed(count, kind) in owed {
            *wanted.entry(kind).or_default() += count;
        }
        let mut held: BTreeMap<String, usize> = BTreeMap::new();
        for license in self.own(licenses) {
            *held.entry(kind(license)).or_default() += 1;
        }
        untouched.eq(self.before.iter().cloned())
            && held.iter().map(|(kind, count)| (kind.as_str(), *count)).eq(wanted)
    }

    /// The story's licenses, those that are alike on one line; their owners, if these have changed.
    pub(super) fn describe(&mut self, licenses: &[License]) -> String {
        let mut by_owner: Vec<(String, Vec<(usize, String)>)> = Vec::new();
        for license in self.own(licenses) {
            let (owner, kind) = (owner(license), kind(license));
            let at = by_owner.iter().position(|(known, _)| *known == owner);
            let at = at.unwrap_or_else(|| {
                by_owner.push((owner, Vec::new()));
                by_owner.len() - 1
            });
            let kinds = &mut by_owner[at].1;
            match kinds.iter_mut().find(|(_, known)| *known == kind) {
                Some((count, _)) => *count += 1,
                None => kinds.push((1, kind)),
            }
        }
        let owners: Vec<String> = by_owner.iter().map(|(owner, _)| owner.clone()).collect();
        let news = owners != self.owners;
        self.owners = owners;
        let mut lines = Vec::new();
        for (owner, kinds) in by_owner {
            lines.extend(kinds.iter().map(|(count, kind)| format!("{count} {kind}")));
            if news {
                lines.push(format!("for {owner}"));
            }
        }
        if lines.is_empty() { "none".to_owned() } else { lines.join("\n") }
    }

    /// Those that were made since the story began: licenses are listed in the order of their creation.
    fn own<'a>(&self, licenses: &'a [License]) -> &'a [License] {
        licenses.get(self.before.len()..).unwrap_or_default()
    }
}

/// `yearly until 2027-09-01`
fn kind(license: &License) -> String {
    let product = catalogue::product_name(&license.product_id).unwrap_or("other");
    match license {
        License { revoked: true, .. } => format!("{product}, revoked"),
        License { suspended: true, .. } => format!("{product}, suspended"),
        License { expires_at: Some(end), .. } => {
            format!("{product} until {}", end.strftime("%Y-%m-%d"))
        }
        License { expires_at: None, .. } => format!("{product}, no end"),
    }
}

/// All that a story could change of a license of another story.
fn fingerprint(license: &License) -> String {
    let License { id, revoked, suspended, expires_at, .. } = license;
    format!("{id} {revoked} {suspended} {expires_at:?}")
}

fn owner(license: &License) -> String {
    let owner = license.user.as_ref().map_or("nobody", |user| user.email.as_str());
    super::shortened(owner, MOST_OF_NAME)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sandbox::{Sandbox, Settings};

    #[tokio::test]
    async fn a_story_is_wrong_when_it_touches_another_ones_license() {
        let sandbox = Sandbox::start(Settings::default()).await.unwrap();
        let license = |id: &str, suspended: bool| {
            sandbox.insert_license(json!({
                "id": id, "key": id, "productId": catalogue::YEARLY_PRODUCT,
                "expiresAt": "2027-09-01T00:00:00Z", "suspended": suspended,
            }))
        };
        license("of another story", false);
        let mut holding = Holding::new(&sandbox.licenses());
        assert!(holding.is(&sandbox.licenses(), &[]));
        assert_eq!(holding.describe(&sandbox.licenses()), "none");

        license("own", false);
        license("own, too", false);
        license("suspended", true);
        let owed = [Owed(2, "yearly until 2027-09-01"), Owed(1, "yearly, suspended")];
        let licenses = sandbox.licenses();
        assert!(holding.is(&licenses, &owed));
        assert!(!holding.is(&licenses, &owed[..1]));
        let lines = "2 yearly until 2027-09-01\n1 yearly, suspended";
        assert_eq!(holding.describe(&licenses), format!("{lines}\nfor nobody"));
        assert_eq!(holding.describe(&licenses), lines);

        let mut touched = licenses;
        touched[0].suspended = true;
        assert!(!holding.is(&touched, &owed));
    }
}
