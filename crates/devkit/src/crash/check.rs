//! What Cryptlex holds in the end against what was sold.

use std::collections::BTreeMap;

use super::story::{Expected, Story};
use crate::sandbox::{License, User};

/// Nothing if all is right.
pub(super) fn differences(story: &Story, licenses: &[License], users: &[User]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut by_slot: BTreeMap<&str, Vec<&License>> = BTreeMap::new();
    for license in licenses {
        match slot(license) {
            Some(slot) => by_slot.entry(slot).or_default().push(license),
            None => wrong.push(format!("license {} has no slot", license.id)),
        }
    }
    for expected in &story.licenses {
        let held = by_slot.remove(expected.slot.as_str()).unwrap_or_default();
        match held.as_slice() {
            [] if expected.must_exist => wrong.push(format!("{}: no license", expected.slot)),
            [] => {}
            [license] => wrong.extend(difference(expected, license)),
            [..] => wrong.push(format!("{}: {} licenses", expected.slot, held.len())),
        }
    }
    wrong.extend(
        by_slot.into_keys().map(|slot| format!("{slot}: nobody has a right to this license")),
    );
    wrong.extend(wrong_users(story, users));
    wrong
}

fn difference(expected: &Expected, license: &License) -> Option<String> {
    let end = license.expires_at.map(|end| end.as_second());
    let right_end = match end {
        Some(end) => expected.ends.contains(&end),
        None => expected.ends.is_empty(),
    };
    let owner = license.user.as_ref().map(|user| user.email.as_str());
    let right = right_end
        && license.product_id == expected.product
        && license.suspended == expected.suspended
        && license.revoked == expected.revoked
        && owner == Some(expected.owner.as_str());
    let shown = |end: i64| jiff::Timestamp::from_second(end).unwrap_or_default().to_string();
    let found = format!(
        "until {}, suspended: {}, revoked: {}, product {}, owner {}",
        end.map_or("ever".to_owned(), shown),
        license.suspended,
        license.revoked,
        license.product_id,
        owner.unwrap_or("nobody"),
    );
    let ends: Vec<String> = expected.ends.iter().copied().map(shown).collect();
    (!right).then(|| {
        format!(
            "{}: {found}; expected: until {}, suspended: {}, revoked: {}, product {}, owner {}",
            expected.slot,
            if ends.is_empty() { "ever".to_owned() } else { ends.join(" or ") },
            expected.suspended,
            expected.revoked,
            expected.product,
            expected.owner,
        )
    })
}

fn wrong_users(story: &Story, users: &[User]) -> Vec<String> {
    let mut by_email: BTreeMap<&str, usize> = BTreeMap::new();
    for user in users {
        *by_email.entry(user.email.as_str()).or_default() += 1;
    }
    let mut wrong = Vec::new();
    for (email, must_exist) in &story.users {
        match by_email.remove(email.as_str()).unwrap_or_default() {
            0 if *must_exist => wrong.push(format!("{email}: no user")),
            0 | 1 => {}
            several => wrong.push(format!("{email}: {several} users")),
        }
    }
    wrong.extend(by_email.into_keys().map(|email| format!("{email}: a user who is nobody's")));
    wrong
}

fn slot(license: &License) -> Option<&str> {
    let item = license.metadata.iter().find(|item| item.key == "license_slot")?;
    Some(&item.value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::{Sandbox, Settings, catalogue::YEARLY_PRODUCT};
    use serde_json::{Value, json};

    const SLOT: &str = "stripe/sub_1/-/1";
    const END: i64 = 1_819_756_800;

    fn story(must_exist: bool) -> Story {
        let expected = Expected {
            slot: SLOT.to_owned(),
            product: YEARLY_PRODUCT,
            owner: "ada@example.com".to_owned(),
            ends: vec![END],
            suspended: false,
            revoked: false,
            must_exist,
        };
        let users = [("ada@example.com".to_owned(), must_exist)].into();
        Story { deliveries: Vec::new(), licenses: vec![expected], users }
    }

    fn license(change: impl FnOnce(&mut Value)) -> Value {
        let mut license = json!({
            "productId": YEARLY_PRODUCT,
            "expiresAt": "2027-09-01T00:00:00.000017Z",
            "user": {"id": "ada"},
            "metadata": [{"key": "license_slot", "value": SLOT}],
        });
        change(&mut license);
        license
    }

    async fn found(story: &Story, licenses: &[Value], users: &[&str]) -> Vec<String> {
        let sandbox = Sandbox::start(Settings::default()).await.unwrap();
        for email in users {
            sandbox.insert_user(json!({"email": email, "id": email.split_once('@').unwrap().0}));
        }
        for license in licenses {
            sandbox.insert_license(license.clone());
        }
        differences(story, &sandbox.licenses(), &sandbox.users())
    }

    #[tokio::test]
    async fn licenses_that_differ_from_what_was_sold_are_named() {
        let (must, may) = (story(true), story(false));
        let right = || license(|_| {});
        let ada = ["ada@example.com"];
        assert!(found(&must, &[right()], &ada).await.is_empty());
        assert!(found(&may, &[right()], &ada).await.is_empty());
        assert!(found(&may, &[], &[]).await.is_empty());
        assert_eq!(
            found(&must, &[], &[]).await,
            ["stripe/sub_1/-/1: no license", "ada@example.com: no user"]
        );
        assert_eq!(found(&must, &[right(), right()], &ada).await, ["stripe/sub_1/-/1: 2 licenses"]);
        for wrong in [
            license(|it| it["expiresAt"] = json!("2028-09-01T00:00:00Z")),
            license(|it| it["suspended"] = json!(true)),
            license(|it| it["revoked"] = json!(true)),
            license(|it| it["productId"] = json!("11111111-1111-4111-8111-000000000002")),
            license(|it| it["user"] = Value::Null),
        ] {
            let shown = wrong.to_string();
            assert_eq!(found(&must, &[wrong], &ada).await.len(), 1, "{shown}");
        }
        let nameless = license(|it| it["metadata"] = json!([]));
        let told = found(&must, &[right(), nameless], &ada).await;
        assert!(told[0].ends_with(" has no slot"), "{told:?}");
        let foreign = license(|it| it["metadata"][0]["value"] = json!("stripe/sub_2/-/1"));
        assert_eq!(
            found(&must, &[right(), foreign], &["ada@example.com", "bob@example.com"]).await,
            [
                "stripe/sub_2/-/1: nobody has a right to this license",
                "bob@example.com: a user who is nobody's",
            ]
        );
    }
}
