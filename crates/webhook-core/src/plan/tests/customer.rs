use serde_json::{Value, json};

use super::World;
use super::world::{about, customer, grant, line, user, user_id};
use crate::command::{Action, AddressTold, Command, Customer, Email, Name, customer_mark};
use crate::cryptlex::License;
use crate::ids::CustomerId;
use crate::plan::{Left, Step, association, left, user_of};
use crate::snapshot::{People, Remembered};

const DAY: &str = "2026-09-01";

fn paddle(email: Email, name: Option<&str>) -> Customer {
    let id = CustomerId::new("ctm_1").unwrap();
    let mark = customer_mark("paddle", &id);
    let name = Name::of(name, None);
    Customer { id: Some(id), email, name, company: None, mark }
}

fn sync(customer: Customer) -> Command {
    about(Action::SyncCustomer(customer, AddressTold::AsItIs))
}

fn real(address: &str) -> Email {
    Email::real(address).unwrap()
}

/// A user of role `user` with a mark (`-`: none) and an address, made on that day of September.
fn made(id: &str, mark: &str, email: &str, day: u8) -> Value {
    let key = if mark.starts_with("ctm") { "paddle_customer_id" } else { "stripe_customer_id" };
    let items = if mark == "-" { json!([]) } else { json!([{"key": key, "value": mark}]) };
    json!({"id": id, "email": email, "firstName": "Ada", "lastName": "Example", "role": "user",
           "createdAt": format!("2026-09-{day:02}T00:00:00Z"), "metadata": items})
}

fn license(id: &str, user: &str, metadata: Value) -> License {
    serde_json::from_value(json!({"id": id, "user": {"id": user}, "metadata": metadata})).unwrap()
}

fn bought(id: &str, user: &str, subject: &str) -> License {
    let slot = format!("stripe/{subject}/-/1");
    license(id, user, json!([{"key": "license_slot", "value": slot}]))
}

/// What is done about the customer `cus_1`, who is at ada@example.com now.
fn done(people: People) -> (Vec<String>, Option<Left>) {
    let mut world = World::new();
    world.snapshot.people = People { mark: customer().mark, ..people };
    let command = sync(customer());
    let done = world.settle(&command, DAY).unwrap();
    let people = &world.snapshot.people;
    (done, left("stripe", AddressTold::AsItIs, people))
}

fn known_as(user: &Value, is_own: bool) -> Option<Remembered> {
    let user = super::world::user(user.clone());
    Some(Remembered { id: user.id.clone(), is_own, user: Some(user) })
}

#[test]
fn a_name_is_as_the_provider_cuts_it_and_never_missing() {
    let placeholder = Email::placeholder(&CustomerId::new("ctm_1").unwrap());
    let named = |first: &str, last: &str| Name::of(Some(first), Some(last));
    let (long, cut) = ("x".repeat(200), "x".repeat(128));
    for (customer, first, last) in [
        (customer(), "Ada Example", None),
        (Customer { name: named("Ada", "Example"), ..customer() }, "Ada", Some("Example")),
        (Customer { name: None, ..customer() }, "ada", None),
        (paddle(real("ada@example.com"), None), "ada", None),
        (paddle(placeholder, None), "ctm_1", None),
        (Customer { name: named("Ada\r\n\u{202e}", "\u{0}"), ..customer() }, "Ada", None),
        (Customer { name: named(&long, ""), ..customer() }, &cut, None),
        (Customer { name: named("see http://evil.example.com", ""), ..customer() }, "ada", None),
        (Customer { name: named("Ada", "WWW.evil.example.com"), ..customer() }, "ada", None),
        (Customer { name: named("http:/", "/evil"), ..customer() }, "ada", None),
        (
            Customer { name: None, email: real("www.evil@example.com"), ..customer() },
            "Customer",
            None,
        ),
    ] {
        let mut world = World::new();
        world.snapshot.people = People::default();
        let plan = world.plan(&sync(customer), DAY).unwrap();
        let [Step::CreateUser(made)] = &plan.steps[..] else { panic!("{:?}", plan.steps) };
        assert_eq!((made.first_name.as_str(), made.last_name.as_deref()), (first, last));
    }
}

#[test]
fn an_address_is_short_plain_and_no_placeholder() {
    let of_length = |bytes: usize| format!("{}@example.com", "x".repeat(bytes - 12));
    assert!(Email::real(&of_length(254)).is_some() && Email::real(&of_length(255)).is_none());
    for text in
        ["ctm_1@CryptlexPaddle.com", "a\u{0}b@example.com", "a\u{200b}@example.com", "@", "a@"]
    {
        assert!(Email::real(text).is_none(), "{text:?}");
    }
    assert_eq!(real("\u{212a}IM@Example.com").as_str(), "\u{212a}im@example.com");
}

/// Who may be changed, and what happens instead.
#[test]
fn only_the_customers_own_user_is_changed() {
    let own = made("u1", "cus_1", "typo@example.com", 1);
    let with = |more: Value| {
        let mut user = own.clone();
        user.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        user
    };
    let both = json!([{"key": "stripe_customer_id", "value": "cus_1"}, {"key": "paddle_customer_id", "value": "ctm_2"}]);
    let given_up = json!([{"key": "stripe_customer_id", "value": "cus_1"}, {"key": "paddle_customer_id", "value": "nobody"}]);
    let theirs = bought("l1", "u1", "sub_1");
    let foreign = bought("l2", "u1", "sub_2");
    let of_before = license("l3", "u1", json!([{"key": "subscription_id", "value": "sub_0"}]));
    let adopted = license("l4", "u1", json!([{"key": "subscription_id", "value": "sub_1"}]));
    let also_used = bought("l5", "somebody", "sub_2");
    for (what, user, held, changes) in [
        ("own, nothing held", own.clone(), vec![], true),
        ("own, their license", own.clone(), vec![theirs.clone()], true),
        ("own, their license of before", own.clone(), vec![adopted], true),
        ("own, another's license", own.clone(), vec![theirs.clone(), foreign], false),
        ("own, a license of before", own.clone(), vec![of_before], false),
        ("own, used as an additional user", own.clone(), vec![theirs, also_used], false),
        ("two customers' marks", with(json!({"metadata": both})), vec![], false),
        ("a mark that was taken off", with(json!({"metadata": given_up})), vec![], true),
        ("an admin", with(json!({"role": "admin"})), vec![], false),
        ("no role", with(json!({"role": null})), vec![], false),
        ("the role in a list", with(json!({"role": null, "roles": ["user"]})), vec![], true),
        ("two roles", with(json!({"roles": ["user", "admin"]})), vec![], false),
        ("in an organization", with(json!({"organization": {"id": "o"}})), vec![], false),
        ("of a reseller", with(json!({"resellerId": "r"})), vec![], false),
        ("no mark", with(json!({"metadata": []})), vec![], false),
    ] {
        let people = People {
            by_mark: vec![super::world::user(user.clone())],
            remembered: known_as(&user, true),
            held: [(user_id("u1"), held)].into(),
            bought: vec![super::world::subscription().id],
            ..People::default()
        };
        let (done, left) = done(people);
        let expected = if changes { "change user u1" } else { "create user" };
        assert_eq!((done, left.is_some()), (vec![expected.to_owned()], !changes), "{what}");
    }
}

#[test]
fn an_address_that_another_user_has_moves_purchases_and_nothing_else() {
    let own = made("u_own", "cus_1", "old@example.com", 1);
    let others = made("u_other", "cus_2", "ada@example.com", 2);
    let people = People {
        by_email: vec![user(others)],
        by_mark: vec![user(own.clone())],
        remembered: known_as(&own, true),
        ..People::default()
    };
    let left = Left::User { kept: user_id("u_own"), now: user_id("u_other") };
    assert_eq!(done(people), (vec![], Some(left)));
}

#[test]
fn a_first_sight_of_a_found_user_is_nothing_to_look_at() {
    let found = made("u_found", "-", "ada@example.com", 1);
    let people = People { by_email: vec![user(found)], ..People::default() };
    assert_eq!(done(people.clone()), (vec![], None));
    let mut world = World::new();
    world.snapshot.people = people;
    assert_eq!(association(&world.snapshot.people).unwrap().id, user_id("u_found"));
}

#[test]
fn a_license_that_came_in_between_puts_the_address_back() {
    let own = made("u1", "cus_1", "old@example.com", 1);
    let mut world = World::new();
    world.snapshot.people = People {
        mark: customer().mark,
        by_mark: vec![user(own.clone())],
        remembered: known_as(&own, true),
        held: [(user_id("u1"), Vec::new())].into(),
        ..People::default()
    };
    let command = sync(customer());
    let step = world.plan(&command, DAY).unwrap().steps.remove(0);
    world.apply(&step);
    world.snapshot.people.held.insert(user_id("u1"), vec![bought("l9", "u1", "sub_9")]);
    let done = world.settle(&command, DAY).unwrap();
    assert_eq!(done, ["put back the address of user u1", "create user"]);
    let kept = world.snapshot.people.users().find(|user| user.id == user_id("u1")).unwrap();
    assert!(kept.has_email("old@example.com"));
}

#[test]
fn a_placeholder_becomes_the_real_user() {
    let placeholder = made("u_p", "ctm_1", "ctm_1@cryptlexpaddle.com", 1);
    let mut world = World::new();
    let customer = paddle(real("ada@example.com"), None);
    world.snapshot.people = People {
        mark: customer.mark.clone(),
        by_mark: vec![user(placeholder)],
        held: [(user_id("u_p"), Vec::new())].into(),
        ..People::default()
    };
    let plan = world.plan(&sync(customer), DAY).unwrap();
    let [Step::ChangeUser(id, change)] = &plan.steps[..] else { panic!("{:?}", plan.steps) };
    assert_eq!((id.as_str(), change.email.as_deref()), ("u_p", Some("ada@example.com")));
    assert_eq!(
        (change.first_name.as_deref(), change.last_name.as_deref()),
        (Some("ada"), Some("-"))
    );
}

#[test]
fn a_purchase_goes_to_the_customers_own_user_first() {
    let mut world = World::new();
    let people = |by_email: &[Value], by_mark: &[Value]| People {
        mark: paddle(real("a@example.com"), None).mark,
        by_email: by_email.iter().cloned().map(user).collect(),
        by_mark: by_mark.iter().cloned().map(user).collect(),
        ..People::default()
    };
    let found = made("u_found", "-", "ada@example.com", 1);
    let placeholder = made("u_p", "ctm_1", "ctm_1@cryptlexpaddle.com", 2);
    let own = made("u_own", "ctm_1", "other@example.com", 3);
    for (by_email, by_mark, expected) in [
        (std::slice::from_ref(&found), &[][..], "u_found"),
        (&[found.clone(), own.clone()], &[], "u_own"),
        (std::slice::from_ref(&found), std::slice::from_ref(&placeholder), "u_found"),
        (&[], &[placeholder.clone(), own.clone()], "u_own"),
        (&[], std::slice::from_ref(&placeholder), "u_p"),
    ] {
        assert_eq!(user_of(&people(by_email, by_mark)), Some(&user_id(expected)));
    }
    let remembered = Remembered { id: user_id("u_known"), is_own: true, user: None };
    world.snapshot.people = People { remembered: Some(remembered), ..People::default() };
    let plan = world.plan(&grant(vec![line("-", 1)]), DAY).unwrap();
    assert!(
        matches!(&plan.steps[..], [Step::CreateLicense(blank)] if blank.license.user_id == user_id("u_known"))
    );
}
