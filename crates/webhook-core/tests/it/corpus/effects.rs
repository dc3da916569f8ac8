//! What a case does to licenses and users is what its description says, on every path.

use std::collections::{BTreeMap, BTreeSet};

use devkit::corpus::{Case, Effect};
use devkit::sandbox::{License, Settings};
use webhook_core::domain::command::{Meaning, Reason};
use webhook_core::providers::ProductLookup;

use super::{CASES, notices, prepare_on};
use crate::support::App;

/// Everything that an effect shows in, by id.
struct Seen {
    licenses: BTreeMap<String, License>,
    /// Address, names and company.
    users: BTreeMap<String, [String; 4]>,
}

fn seen(app: &App) -> Seen {
    let licenses = app.sandbox.licenses().into_iter().map(|it| (it.id.clone(), it)).collect();
    let users = app.sandbox.users().into_iter().map(|it| {
        let company = it.company.unwrap_or_default();
        (it.id, [it.email, it.first_name, it.last_name, company])
    });
    Seen { licenses, users: users.collect() }
}

fn effects(before: &Seen, after: &Seen) -> BTreeSet<Effect> {
    let mut effects = BTreeSet::new();
    for (id, license) in &before.licenses {
        let Some(now) = after.licenses.get(id) else {
            effects.insert(Effect::Deletes);
            continue;
        };
        // What never ends is later than any end.
        let ends = |it: &License| (it.expires_at.is_none(), it.expires_at);
        for (happened, effect) in [
            (ends(now) > ends(license), Effect::Renews),
            (ends(now) < ends(license), Effect::Shortens),
            (now.suspended && !license.suspended, Effect::Suspends),
            (!now.suspended && license.suspended, Effect::Resumes),
            (now.revoked && !license.revoked, Effect::Revokes),
        ] {
            effects.extend(happened.then_some(effect));
        }
        assert!(now.revoked || !license.revoked, "nothing gives a revoked license back");
    }
    if after.licenses.keys().any(|id| !before.licenses.contains_key(id)) {
        effects.insert(Effect::Grants);
    } else if after.users.len() > before.users.len() {
        effects.insert(Effect::MakesUser);
    }
    if before.users.iter().any(|(id, user)| after.users.get(id) != Some(user)) {
        effects.insert(Effect::ChangesUser);
    }
    effects
}

fn is_ignored(case: &Case) -> bool {
    let notices = notices(case, &ProductLookup::Metadata);
    let is_unhandled =
        |meaning: &Meaning| matches!(meaning, Meaning::Ignore(Reason::UnhandledType));
    notices.iter().all(|notice| notice.meaning.as_ref().is_ok_and(is_unhandled))
}

#[tokio::test]
async fn every_case_has_the_effect_that_its_description_names() {
    let mut wrong = Vec::new();
    for case in CASES.iter() {
        for on in case.paths() {
            let app = App::with(Settings::default(), &[]).await;
            prepare_on(&app, case, on).await;
            let before = seen(&app);
            let answer = app.deliver(case.provider, on, &case.body).await;
            let mut found = effects(&before, &seen(&app));
            if found.is_empty() {
                found.insert(if is_ignored(case) { Effect::Ignored } else { Effect::Nothing });
            }
            let said: BTreeSet<Effect> = case.description.effect.iter().copied().collect();
            // `/webhooks/<provider>` answers what a person must mend with another status.
            let refused = case.description.answer >= 400 && answer.status >= 400;
            if said != found || !(refused || answer.status == case.description.answer) {
                let name = format!("events/{}/{}.toml", case.provider, case.name);
                wrong.push(format!(
                    "{name} says {said:?}, and on {on} it has {found:?}: {answer:?}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
