//! Whatever customers, addresses and orders: no event of one customer changes a user that holds a license of another, and
//! none moves or changes a license that another bought.

use devkit::sandbox::{License, User};
use devkit::sign::Provider as Signer;
use proptest::collection::vec;
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, RngSeed, TestCaseError, TestRunner};
use serde_json::json;

use crate::support::licenses::slot_of;
use crate::support::people::{Person, Told};
use crate::support::{App, FASTSPRING, PADDLE, STRIPE, numbers};

const STORIES: u32 = 400;
const PEOPLE: [(Signer, &str, &str); 5] = [
    (STRIPE, "cus_a", "Ada Example"),
    (STRIPE, "cus_b", "Bea Example"),
    (PADDLE, "ctm_c", "Cyd Example"),
    (PADDLE, "ctm_d", "Dan Example"),
    (FASTSPRING, "acc_e", "Eve Example"),
];
const ADDRESSES: [&str; 3] = ["one@example.com", "two@example.com", "three@example.com"];

/// One thing that happens: a customer tells an address or buys with it; the ledger may be lost before.
#[derive(Debug, Clone, Copy)]
struct Turn {
    who: usize,
    address: usize,
    buys: bool,
    ledger_lost: bool,
    twice: bool,
}

/// How it began, what happens, and in which order it is told: each by the rank that it is given.
#[derive(Debug, Clone)]
struct Story {
    of_before: bool,
    turns: Vec<(Turn, u8)>,
}

fn stories() -> impl Strategy<Value = Story> {
    let turn = (0..PEOPLE.len(), 0..ADDRESSES.len(), proptest::bool::weighted(0.4)).prop_flat_map(
        |(who, address, buys)| {
            let chances = (proptest::bool::weighted(0.05), proptest::bool::weighted(0.2));
            chances.prop_map(move |(ledger_lost, twice)| Turn {
                who,
                address,
                buys,
                ledger_lost,
                twice,
            })
        },
    );
    (proptest::bool::ANY, vec((turn, 0..12_u8), 2..12))
        .prop_map(|(of_before, turns)| Story { of_before, turns })
}

impl Story {
    fn told(&self) -> Vec<(Turn, Told)> {
        let mut told: Vec<(usize, Turn, Told)> = Vec::new();
        for (place, (turn, rank)) in self.turns.iter().enumerate() {
            let (provider, id, name) = PEOPLE[turn.who];
            let (person, email) = (Person::new(provider, id, name), ADDRESSES[turn.address]);
            let nth = i64::try_from(place).unwrap();
            let event = if turn.buys { person.buys(nth, email) } else { person.has(nth, email) };
            // Most come in their order; some a few places late.
            told.push((place + usize::from(rank / 4), *turn, event));
        }
        told.sort_by_key(|(rank, _, _)| *rank);
        told.into_iter().map(|(_, turn, event)| (turn, event)).collect()
    }
}

/// The customer who bought a license, if one of ours did.
fn buyer(license: &License) -> Option<&'static str> {
    let slot = slot_of(license)?;
    PEOPLE.iter().map(|(_, id, _)| *id).find(|id| slot.contains(&format!("/bought_{id}_")))
}

fn holds_what_others_bought(user: &User, licenses: &[License], who: &str) -> bool {
    let shows = |license: &&License| {
        license.user.as_ref().is_some_and(|owner| owner.id == user.id)
            || license.additional_user_ids.contains(&user.id)
    };
    licenses.iter().filter(shows).any(|license| buyer(license) != Some(who))
}

async fn play(story: &Story) -> Result<usize, TestCaseError> {
    let mut app = App::start().await;
    if story.of_before {
        let user = app.sandbox.insert_user(json!({"email": ADDRESSES[0], "firstName": "Old"}));
        app.sandbox.insert_license(json!({
            "userId": user, "productId": "11111111-1111-4111-8111-000000000001",
            "metadata": [{"key": "subscription_id", "value": "sub_of_before", "viewPermissions": []}],
        }));
    }
    let mut judged = 0;
    for (turn, event) in story.told() {
        if turn.ledger_lost {
            app.restart();
        }
        let who = event.person.id;
        let (users, licenses) = (app.sandbox.users(), app.sandbox.licenses());
        for _ in 0..=usize::from(turn.twice) {
            let status = event.deliver(&app).await;
            proptest::prop_assert_eq!(status, 200, "{:?}", event);
        }
        let (users_now, licenses_now) = (app.sandbox.users(), app.sandbox.licenses());
        for user in users.iter().filter(|user| holds_what_others_bought(user, &licenses, who)) {
            let now = users_now.iter().find(|now| now.id == user.id);
            proptest::prop_assert_eq!(json!(now), json!(user), "{:?} changed a user", event);
            judged += 1;
        }
        for license in licenses.iter().filter(|license| buyer(license) != Some(who)) {
            let mut now = json!(licenses_now.iter().find(|now| now.id == license.id));
            let mut before = json!(license);
            // A name or an address of their user is judged above.
            for shown in [&mut now, &mut before] {
                if let Some(user) = shown.get_mut("user").filter(|user| user.is_object()) {
                    *user = json!(user["id"]);
                }
            }
            proptest::prop_assert_eq!(now, before, "{:?} changed a license", event);
            judged += 1;
        }
    }
    Ok(judged)
}

#[test]
fn no_event_touches_what_another_customer_bought() {
    let mut runner = TestRunner::new(Config {
        cases: STORIES,
        rng_algorithm: RngAlgorithm::ChaCha,
        rng_seed: RngSeed::Fixed(2026),
        failure_persistence: None,
        max_shrink_iters: 200,
        ..Config::default()
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let judged = std::cell::Cell::new(0);
    let outcome = runner.run(&stories(), |story| {
        judged.set(judged.get() + runtime.block_on(play(&story))?);
        Ok(())
    });
    if let Err(why) = outcome {
        panic!("{why}");
    }
    let what = "customers who sign up, buy and move, and touch nothing of each other";
    let stories = usize::try_from(STORIES).unwrap();
    numbers::record(what, &[(stories, "stories"), (judged.get(), "times that nothing changed")]);
    assert!(judged.get() > 1_000, "{}", judged.get());
}
