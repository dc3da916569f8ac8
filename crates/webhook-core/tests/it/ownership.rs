//! Whose Cryptlex user it is: nobody's user or licenses are changed by somebody else's event, and honest changes arrive.

use std::collections::BTreeMap;

use devkit::sandbox::{License, Settings, UserRole};
use devkit::sign::Provider as Signer;
use serde_json::{Value, json};

use crate::support::gates::{Delivery, Next};
use crate::support::orders::orders;
use crate::support::people::{Person, Told, looks, owner_of};
use crate::support::{App, FASTSPRING, PADDLE, STRIPE};

const PROVIDERS: [Signer; 3] = [STRIPE, FASTSPRING, PADDLE];
const VICTIM: &str = "victim@example.com";
const STRANGER: &str = "stranger@example.com";

fn stranger(provider: Signer) -> Person {
    Person::new(provider, "stranger_1", "Mal Example")
}

fn person(provider: Signer) -> Person {
    Person::new(provider, "person_1", "Ada Example")
}

fn other(provider: Signer) -> Person {
    Person::new(provider, "person_2", "Bea Example")
}

/// Whoever was there before the stranger came. Gives the user.
async fn victim(app: &App, which: &str) -> String {
    let license = |user: &str| {
        app.sandbox.insert_license(json!({
            "userId": user, "productId": "11111111-1111-4111-8111-000000000001",
            "metadata": [{"key": "subscription_id", "value": "sub_of_before", "viewPermissions": []}],
        }))
    };
    let seeded = |more: Value| {
        let mut user = json!({"email": VICTIM, "firstName": "Vic", "lastName": "Example"});
        user.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        app.sandbox.insert_user(user)
    };
    match which {
        "of the predecessor" => {
            let user = seeded(json!({}));
            license(&user);
            user
        }
        "as an additional user" => {
            let owner = app.sandbox.insert_user(json!({"email": "o@example.com"}));
            let user = seeded(json!({}));
            let id = license(&owner);
            app.sandbox.insert_license(json!({
                "userId": owner, "additionalUserIds": [user], "productId": "11111111-1111-4111-8111-000000000001",
            }));
            assert!(!id.is_empty());
            user
        }
        "an administrator" => seeded(json!({"role": "admin"})),
        "of an organization" => seeded(json!({"organizationId": "org_1"})),
        "of a reseller" => seeded(json!({"resellerId": "res_1"})),
        "made by hand" => seeded(json!({})),
        provider => {
            let provider = PROVIDERS.into_iter().find(|it| it.name() == provider).unwrap();
            let victim = Person::new(provider, "victim_1", "Vic Example");
            victim.has(-20, VICTIM).done(app).await;
            victim.buys(-10, VICTIM).done(app).await;
            app.sandbox.users()[0].id.clone()
        }
    }
}

const VICTIMS: [&str; 9] = [
    "of the predecessor",
    "as an additional user",
    "an administrator",
    "of an organization",
    "of a reseller",
    "made by hand",
    "stripe",
    "fastspring",
    "paddle",
];

/// The licenses as they are, by id.
fn licenses(app: &App) -> BTreeMap<String, License> {
    app.sandbox.licenses().into_iter().map(|license| (license.id.clone(), license)).collect()
}

/// What a stranger can do about an address that is not theirs.
fn attacks(provider: Signer) -> Vec<Vec<Told>> {
    let stranger = stranger(provider);
    vec![
        vec![stranger.has(1, VICTIM), stranger.moves(2, VICTIM, STRANGER)],
        vec![
            stranger.has(1, VICTIM),
            stranger.buys(2, VICTIM),
            stranger.is(3, VICTIM, "http://evil.example.com"),
            stranger.moves(4, VICTIM, STRANGER),
        ],
        vec![stranger.buys(1, VICTIM), stranger.moves(2, VICTIM, STRANGER)],
    ]
}

async fn attack(which: &str, settings: Settings, told: &[Told], lost_before: Option<usize>) {
    let mut app = App::with(settings, &[]).await;
    let user = victim(&app, which).await;
    let (before, licenses_before) = (looks(&app, &user), licenses(&app));
    for (place, event) in told.iter().enumerate() {
        if lost_before == Some(place) {
            app.restart();
        }
        let status = event.deliver(&app).await;
        assert_eq!(status, 200, "{which}: {place} of {told:?}, {lost_before:?}");
        assert_eq!(looks(&app, &user), before, "{which}: {place} of {told:?}");
        let now = licenses(&app);
        for (id, license) in &licenses_before {
            assert_eq!(json!(now.get(id)), json!(license), "{which}: {place} of {told:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_changes_nobody_elses_user() {
    for which in VICTIMS {
        for provider in PROVIDERS {
            for told in attacks(provider) {
                let places: Vec<usize> = (0..told.len()).collect();
                for order in orders(&places) {
                    let told: Vec<Told> = order.iter().map(|place| told[*place].clone()).collect();
                    attack(which, Settings::default(), &told, None).await;
                }
                for lost_before in places {
                    attack(which, Settings::default(), &told, Some(lost_before)).await;
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_that_is_not_plainly_user_is_never_changed() {
    for user_role in [UserRole::Role, UserRole::Roles, UserRole::Absent] {
        for provider in PROVIDERS {
            for told in attacks(provider) {
                let settings = Settings { user_role, ..Settings::default() };
                attack("an administrator", settings.clone(), &told, None).await;
                attack("of the predecessor", settings, &told, None).await;
            }
            // The honest customer is served where Cryptlex says that it is a plain user.
            let settings = Settings { user_role, ..Settings::default() };
            let app = App::with(settings, &[]).await;
            person(provider).has(1, "typo@example.com").done(&app).await;
            person(provider).has(2, "ada@example.com").done(&app).await;
            let users = if user_role == UserRole::Absent { 2 } else { 1 };
            assert_eq!(app.sandbox.users().len(), users, "{provider} {user_role:?}");
        }
    }
}

#[tokio::test]
async fn a_corrected_typo_reaches_the_customers_own_user() {
    for provider in PROVIDERS {
        let ada = person(provider);
        let told = [
            ada.has(1, "typo@example.com"),
            ada.buys(2, "typo@example.com"),
            ada.moves(3, "typo@example.com", "ada@example.com"),
        ];
        for order in orders(&[0, 1, 2]) {
            let app = App::start().await;
            for place in &order {
                told[*place].done(&app).await;
            }
            let users: Vec<String> = app.sandbox.users().into_iter().map(|u| u.email).collect();
            assert_eq!(users, ["ada@example.com"], "{provider} {order:?}");
            assert_eq!(owner_of(&app, &ada.purchase(2)), "ada@example.com");
        }
    }
}

#[tokio::test]
async fn losing_the_ledger_changes_no_user_with_licenses() {
    for provider in PROVIDERS {
        let ada = person(provider);
        let mut app = App::start().await;
        ada.has(1, "typo@example.com").done(&app).await;
        ada.buys(2, "typo@example.com").done(&app).await;
        app.restart();
        ada.has(3, "ada@example.com").done(&app).await;
        assert_eq!(owner_of(&app, &ada.purchase(2)), "typo@example.com", "{provider}");
        ada.buys(4, "ada@example.com").done(&app).await;
        assert_eq!(owner_of(&app, &ada.purchase(4)), "ada@example.com", "{provider}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn colleagues_with_one_address_keep_their_licenses() {
    const TEAM: &str = "team@example.com";
    for one in PROVIDERS {
        for two in PROVIDERS {
            for first_changes in [true, false] {
                let (one, two) = (person(one), other(two));
                let app = App::start().await;
                for (nth, colleague) in [(1, one), (3, two)] {
                    colleague.has(nth, TEAM).done(&app).await;
                    colleague.buys(nth + 1, TEAM).done(&app).await;
                }
                let before = licenses(&app);
                let (leaves, stays) = if first_changes { (one, two) } else { (two, one) };
                leaves.moves(5, TEAM, "new@example.com").done(&app).await;
                for (id, license) in before {
                    assert_eq!(json!(licenses(&app)[&id]), json!(license), "{one:?} {two:?}");
                }
                leaves.buys(6, "new@example.com").done(&app).await;
                stays.buys(7, TEAM).done(&app).await;
                assert_eq!(owner_of(&app, &leaves.purchase(6)), "new@example.com");
                assert_eq!(owner_of(&app, &stays.purchase(7)), TEAM);
            }
        }
    }
}

#[tokio::test]
async fn a_renamed_domain_reaches_everybody_in_it() {
    for provider in PROVIDERS {
        let app = App::start().await;
        let all = [(person(provider), "ada"), (other(provider), "bea")];
        for (who, name) in all {
            who.has(1, &format!("{name}@old.example.com")).done(&app).await;
            who.buys(2, &format!("{name}@old.example.com")).done(&app).await;
        }
        for (who, name) in all {
            who.has(3, &format!("{name}@new.example.com")).done(&app).await;
            assert_eq!(owner_of(&app, &who.purchase(2)), format!("{name}@new.example.com"));
        }
        assert_eq!(app.sandbox.users().len(), 2, "{provider}");
    }
}

#[tokio::test]
async fn an_address_of_somebody_else_changes_nothing() {
    for one in PROVIDERS {
        for two in PROVIDERS {
            let (ada, bea) = (person(one), other(two));
            let app = App::start().await;
            for (nth, who, email) in [(1, ada, "ada@example.com"), (3, bea, "bea@example.com")] {
                who.has(nth, email).done(&app).await;
                who.buys(nth + 1, email).done(&app).await;
            }
            let (users, before) = (app.sandbox.users(), licenses(&app));
            ada.moves(5, "ada@example.com", "bea@example.com").done(&app).await;
            assert_eq!(json!(app.sandbox.users()), json!(users), "{one} {two}");
            assert_eq!(json!(licenses(&app)), json!(before), "{one} {two}");
            ada.buys(6, "bea@example.com").done(&app).await;
            assert_eq!(owner_of(&app, &ada.purchase(6)), "bea@example.com", "{one} {two}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_who_signs_up_first_gets_nothing_of_the_buyer() {
    for one in PROVIDERS {
        for two in PROVIDERS {
            let (mallory, ada) = (stranger(one), person(two));
            let bought = ada.buys(4, "ada@example.com");
            let told = [mallory.has(1, "ada@example.com"), ada.has(2, "ada@example.com"), bought];
            for order in orders(&[0, 1, 2]) {
                let app = App::start().await;
                for place in &order {
                    told[*place].done(&app).await;
                }
                let context = format!("{one} {two} {order:?}");
                let users = app.sandbox.users();
                let user = users.iter().find(|user| user.email == "ada@example.com").unwrap();
                // Paddle's purchase tells no name, and what was told before it is not kept.
                assert!(!user.name.contains("Mal"), "{context}");
                assert!(two == PADDLE || user.name == "Ada Example", "{context}: {}", user.name);
                let marks: Vec<&str> = user.metadata.iter().map(|it| it.value.as_str()).collect();
                assert!(marks.contains(&ada.id) && !marks.contains(&mallory.id), "{context}");
                assert_eq!(owner_of(&app, &ada.purchase(4)), "ada@example.com", "{context}");
                let before = looks(&app, &user.id);
                mallory.moves(5, "ada@example.com", STRANGER).done(&app).await;
                mallory.buys(6, STRANGER).done(&app).await;
                assert_eq!(looks(&app, &user.id), before, "{context}");
                assert_eq!(owner_of(&app, &mallory.purchase(6)), STRANGER, "{context}");
                // The user is the buyer's own from then on.
                ada.has(7, "ada@new.example.com").done(&app).await;
                assert_eq!(owner_of(&app, &ada.purchase(4)), "ada@new.example.com", "{context}");
                let users = app.sandbox.users();
                let user = users.iter().find(|user| user.email == "ada@new.example.com").unwrap();
                assert_eq!(user.name, "Ada Example", "{context}");
            }
        }
    }
}

#[tokio::test]
async fn a_buyer_in_the_domain_of_placeholders_has_no_address() {
    for (provider, status) in [(STRIPE, 400), (FASTSPRING, 400)] {
        let app = App::start().await;
        let mallory = stranger(provider);
        mallory.has(1, "person_1@CryptlexPaddle.com").done(&app).await;
        assert_eq!(mallory.buys(2, "person_1@CryptlexPaddle.com").deliver(&app).await, status);
        assert_eq!((app.sandbox.users().len(), app.sandbox.licenses().len()), (0, 0));
    }
}

#[tokio::test]
async fn only_the_customers_own_purchases_leave_a_placeholder() {
    for found in [false, true] {
        let app = App::start().await;
        let ada = person(PADDLE);
        ada.buys(1, "").done(&app).await;
        let placeholder = app.sandbox.users()[0].id.clone();
        // By hand: somebody else's license is there, too.
        let foreign = app.sandbox.insert_license(json!({
            "userId": placeholder, "productId": "11111111-1111-4111-8111-000000000001",
            "metadata": [{"key": "license_slot", "value": "stripe/cs_1/-/1", "viewPermissions": []}],
        }));
        if found {
            app.sandbox.insert_user(json!({"email": "ada@example.com", "firstName": "Ada"}));
        }
        ada.has(2, "ada@example.com").done(&app).await;
        assert_eq!(owner_of(&app, &ada.purchase(1)), "ada@example.com", "{found}");
        let stays = app.sandbox.license(&foreign).unwrap().user.unwrap();
        assert_eq!(stays.id, placeholder, "{found}");
    }
}

/// By hand, or by a process that shares no ledger.
#[tokio::test]
async fn a_license_that_comes_in_between_puts_the_address_back() {
    for provider in PROVIDERS {
        let app = App::start().await;
        let ada = person(provider);
        ada.has(1, "team@example.com").done(&app).await;
        let user = app.sandbox.users()[0].id.clone();
        let moves = ada.moves(2, "team@example.com", "new@example.com");
        let mut delivery = Delivery::begin(&app, provider, provider.path(), &moves.body).await;
        let is_changed = || app.sandbox.users()[0].email == "new@example.com";
        while !is_changed() {
            let step = delivery.next().await;
            delivery.go_on(step.next).await;
        }
        app.sandbox.insert_license(json!({
            "userId": user, "productId": "11111111-1111-4111-8111-000000000001",
            "metadata": [{"key": "license_slot", "value": "stripe/cs_of_bea/-/1", "viewPermissions": []}],
        }));
        loop {
            let step = delivery.next().await;
            if step.next == Next::Answered {
                break;
            }
            delivery.go_on(step.next).await;
        }
        assert_eq!(delivery.status(), Some(200), "{provider}");
        let emails: Vec<String> = app.sandbox.users().into_iter().map(|user| user.email).collect();
        assert_eq!(emails, ["team@example.com", "new@example.com"], "{provider}");
    }
}

#[tokio::test]
async fn letters_beyond_ascii_are_not_folded() {
    // U+212A is the Kelvin sign, whose small letter is k.
    for provider in PROVIDERS {
        let app = App::start().await;
        let user = app.sandbox.insert_user(json!({"email": "kim@example.com", "firstName": "Kim"}));
        let before = looks(&app, &user);
        let mallory = stranger(provider);
        // The sandbox takes it for Kim's. A purchase is refused then; a customer without one is acknowledged in the end.
        let told = mallory.has(1, "\u{212a}im@example.com");
        told.deliver(&app).await;
        told.deliver(&app).await;
        told.done(&app).await;
        mallory.buys(2, "\u{212a}im@example.com").deliver(&app).await;
        assert_eq!(looks(&app, &user), before, "{provider}");
        let owns = |license: &License| license.user.as_ref().is_some_and(|it| it.id == user);
        assert!(!app.sandbox.licenses().iter().any(owns), "{provider}");
    }
}
