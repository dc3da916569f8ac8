//! Ways around the rule of whose user it is: races, crashes, lists that are old, and what people type. Each worked once.

use devkit::sandbox::Settings;
use devkit::sign::Provider as Signer;
use serde_json::{Value, json};

use crate::support::gates::{Delivery, Next};
use crate::support::people::{Person, Told, looks, owner_of};
use crate::support::{App, FASTSPRING, PADDLE, STRIPE, edited, path_of};

const VICTIM: &str = "victim@example.com";
const STRANGER: &str = "stranger@example.com";

fn stranger(provider: Signer) -> Person {
    Person::new(provider, "cus_m", "Mal Example")
}

fn buyer(provider: Signer) -> Person {
    Person::new(provider, "cus_v", "Vic Example")
}

async fn begun(app: &App, told: &Told) -> Delivery {
    let provider = told.person.provider;
    Delivery::begin(app, provider, provider.path(), &told.body).await
}

/// Lets it go on until a write to Cryptlex waits.
async fn until_a_write(delivery: &mut Delivery) {
    loop {
        let step = delivery.next().await;
        if step.next == Next::Answered || (step.next == Next::Cryptlex && step.is_a_write()) {
            return;
        }
        delivery.go_on(step.next).await;
    }
}

async fn to_its_end(delivery: &mut Delivery) -> u16 {
    loop {
        let step = delivery.next().await;
        if step.next == Next::Answered {
            return delivery.status().unwrap();
        }
        delivery.go_on(step.next).await;
    }
}

#[tokio::test]
async fn a_user_made_in_between_is_claimed_before_its_license() {
    for provider in [STRIPE, FASTSPRING] {
        let app = App::start().await;
        let (mallory, vic) = (stranger(STRIPE), buyer(provider));
        let mut delivery = begun(&app, &vic.buys(3, VICTIM)).await;
        until_a_write(&mut delivery).await;
        mallory.has(1, VICTIM).done(&app).await;
        // The creation of the user meets one, who is somebody's.
        delivery.go_on(Next::Cryptlex).await;
        until_a_write(&mut delivery).await;
        let moves = mallory.moves(2, VICTIM, STRANGER);
        // It waits until the license is there.
        let (moved, bought) = tokio::join!(moves.deliver(&app), to_its_end(&mut delivery));
        assert_eq!((moved, bought), (200, 200), "{provider}");
        assert_eq!(owner_of(&app, &vic.purchase(3)), VICTIM, "{provider}");
    }
}

#[tokio::test]
async fn licenses_move_only_to_a_user_that_is_claimed() {
    let app = App::start().await;
    let (mallory, ada) = (stranger(STRIPE), buyer(PADDLE));
    ada.buys(1, "").done(&app).await;
    let own = json!([{"key": "paddle_customer_id", "value": "cus_v", "viewPermissions": []}]);
    app.sandbox
        .insert_user(json!({"email": "own@example.com", "firstName": "Vic", "metadata": own}));
    mallory.has(2, VICTIM).done(&app).await;
    let mut delivery = begun(&app, &ada.has(3, VICTIM)).await;
    until_a_write(&mut delivery).await;
    let moves = mallory.moves(4, VICTIM, STRANGER);
    let (moved, told) = tokio::join!(moves.deliver(&app), to_its_end(&mut delivery));
    assert_eq!((moved, told), (200, 200));
    assert_ne!(owner_of(&app, &ada.purchase(1)), STRANGER);
}

#[tokio::test]
async fn a_list_that_hides_a_license_gives_no_user_away() {
    for stale_lists in 1..8 {
        let app = App::with(Settings { stale_lists, ..Settings::default() }, &[]).await;
        let (mallory, vic) = (stranger(STRIPE), buyer(STRIPE));
        let mark = json!([{"key": "stripe_customer_id", "value": "cus_m", "viewPermissions": []}]);
        app.sandbox
            .insert_user(json!({"email": VICTIM, "firstName": "Mal Example", "metadata": mark}));
        for told in [mallory.has(1, VICTIM), mallory.buys(2, VICTIM), vic.buys(3, VICTIM)] {
            told.done(&app).await;
        }
        mallory.moves(4, VICTIM, STRANGER).deliver(&app).await;
        assert_eq!(owner_of(&app, &vic.purchase(3)), VICTIM, "{stale_lists}");
    }
}

#[tokio::test]
async fn a_buyer_whose_user_was_lost_in_a_crash_gets_their_own() {
    for retried_first in [false, true] {
        let app = App::start().await;
        // They typed another one's address.
        let (typo, vic) = (stranger(STRIPE), buyer(FASTSPRING));
        typo.has(1, VICTIM).done(&app).await;
        let buys = vic.buys(2, VICTIM);
        let mut delivery = begun(&app, &buys).await;
        until_a_write(&mut delivery).await;
        delivery.go_on(Next::Cryptlex).await;
        drop(delivery);
        app.pass(3600);
        let typo_buys = typo.buys(4, STRANGER);
        let order = if retried_first { [&buys, &typo_buys] } else { [&typo_buys, &buys] };
        for told in order {
            told.done(&app).await;
        }
        assert_eq!(owner_of(&app, &typo.purchase(4)), STRANGER, "{retried_first}");
        vic.has(5, "vic@example.com").done(&app).await;
        assert_eq!(owner_of(&app, &vic.purchase(2)), "vic@example.com", "{retried_first}");
    }
}

#[tokio::test]
async fn a_buyer_known_elsewhere_takes_nobodys_user() {
    for provider in [STRIPE, FASTSPRING, PADDLE] {
        let app = App::start().await;
        app.sandbox
            .insert_user(json!({"email": STRANGER, "firstName": "Made", "lastName": "By hand"}));
        let (mallory, ada) = (stranger(provider), buyer(STRIPE));
        mallory.has(1, STRANGER).done(&app).await;
        mallory.buys(2, STRANGER).done(&app).await;
        ada.has(3, VICTIM).done(&app).await;
        let users = app.sandbox.users();
        let user = &users.iter().find(|user| user.email == VICTIM).unwrap().id;
        let before = looks(&app, user);
        mallory.moves(4, STRANGER, VICTIM).done(&app).await;
        assert_eq!(looks(&app, user), before, "{provider}");
        ada.buys(5, VICTIM).done(&app).await;
        ada.moves(6, VICTIM, "ada@example.com").done(&app).await;
        assert_eq!(owner_of(&app, &ada.purchase(5)), "ada@example.com", "{provider}");
    }
}

#[tokio::test]
async fn a_gift_or_a_guest_takes_nobodys_user() {
    for (provider, place, given) in [
        (
            FASTSPRING,
            "/events/0/data/recipients",
            json!([{"recipient": {"first": "Evil", "last": "Name", "email": VICTIM}}]),
        ),
        (STRIPE, "/data/object/customer", Value::Null),
    ] {
        let app = App::start().await;
        let ada = buyer(STRIPE);
        ada.has(1, VICTIM).done(&app).await;
        let before = looks(&app, &app.sandbox.users()[0].id);
        // A gift is to somebody with another address than the buyer's.
        let email = if provider == FASTSPRING { STRANGER } else { VICTIM };
        let told = Person::new(provider, "cus_m", "Evil Name").buys(2, email);
        let mut event: Value = serde_json::from_slice(&told.body).unwrap();
        *event.pointer_mut(place).unwrap() = given;
        let body = serde_json::to_vec(&event).unwrap();
        assert_eq!(app.deliver(provider, path_of(provider), &body).await.status, 200);
        assert_eq!(looks(&app, &app.sandbox.users()[0].id), before, "{provider}");
    }
}

/// Whoever signed up with it first may leave an address; a Paddle purchase says the id only.
#[tokio::test]
async fn a_buyer_keeps_an_address_that_another_leaves() {
    for provider in [STRIPE, FASTSPRING, PADDLE] {
        let app = App::start().await;
        let (mallory, ada) = (stranger(provider), buyer(PADDLE));
        for told in [
            mallory.has(1, VICTIM),
            ada.has(2, VICTIM),
            mallory.moves(3, VICTIM, STRANGER),
            ada.buys(4, ""),
        ] {
            told.done(&app).await;
        }
        assert_eq!(owner_of(&app, &ada.purchase(4)), VICTIM, "{provider}");
    }
}

#[tokio::test]
async fn a_stranger_who_was_deleted_leaves_no_name() {
    let app = App::start().await;
    let (mallory, vic) = (Person::new(STRIPE, "cus_m", "Call 555"), buyer(STRIPE));
    mallory.has(1, VICTIM).done(&app).await;
    let gone =
        edited(STRIPE, "customer-deleted", |event| event["data"]["object"]["id"] = json!("cus_m"));
    assert_eq!(app.deliver(STRIPE, path_of(STRIPE), &gone).await.status, 200);
    vic.buys(3, VICTIM).done(&app).await;
    assert_eq!(app.sandbox.users()[0].name, "Vic Example");
    vic.moves(4, VICTIM, "vic@example.com").done(&app).await;
    assert_eq!(owner_of(&app, &vic.purchase(3)), "vic@example.com");
}

#[tokio::test]
async fn no_name_makes_an_event_fail_for_ever() {
    let names = ["Ada", "Ada  Bea", "Ada\u{a0}Bea", "Ada \u{200b} Bea", "-", "Ada\u{2028}Bea"];
    for provider in [STRIPE, FASTSPRING, PADDLE] {
        for name in names {
            let app = App::start().await;
            let ada = buyer(provider);
            ada.has(1, VICTIM).done(&app).await;
            ada.is(2, VICTIM, name).done(&app).await;
            ada.is(3, VICTIM, name).done(&app).await;
        }
    }
    // A user of first and last name whom a buyer with one field of both took over.
    let app = App::start().await;
    stranger(FASTSPRING).has(1, VICTIM).done(&app).await;
    buyer(STRIPE).buys(2, VICTIM).done(&app).await;
    for (nth, name) in (3..).zip(names) {
        buyer(STRIPE).is(nth, VICTIM, name).done(&app).await;
    }
}

#[tokio::test]
async fn the_address_of_a_checkout_notifies_nobody_twice() {
    for provider in [STRIPE, FASTSPRING, PADDLE] {
        let app = App::start().await;
        for email in [VICTIM, "new@example.com"] {
            app.sandbox.insert_user(json!({"email": email, "firstName": "By hand"}));
        }
        let (ada, mut told) = (buyer(provider), 0);
        for nth in 0..3 {
            ada.buys(3 * nth, VICTIM).done(&app).await;
            let event = ada.has(3 * nth + 1, "new@example.com");
            let answer = app.deliver(provider, path_of(provider), &event.body).await;
            told += usize::from(answer.body.contains("keeps its licenses"));
        }
        assert!(told <= 1, "{provider}: {told}");
    }
}

/// Each wants the customer whom the other holds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn buyers_with_each_others_address_do_not_block_both() {
    let app = App::with(Settings { latency_ms: 3, ..Settings::default() }, &[]).await;
    for (email, id) in [(VICTIM, "cus_v"), (STRANGER, "cus_m")] {
        let mark = json!([{"key": "stripe_customer_id", "value": id, "viewPermissions": []}]);
        app.sandbox.insert_user(json!({"email": email, "firstName": "Ada", "metadata": mark}));
    }
    let (one, two) = (stranger(STRIPE).buys(1, VICTIM), buyer(STRIPE).buys(2, STRANGER));
    let (first, second) = tokio::join!(one.deliver(&app), two.deliver(&app));
    assert!(first == 200 || second == 200, "{first} {second}");
    one.done(&app).await;
    two.done(&app).await;
    assert_eq!(owner_of(&app, &stranger(STRIPE).purchase(1)), VICTIM);
    assert_eq!(owner_of(&app, &buyer(STRIPE).purchase(2)), STRANGER);
}
