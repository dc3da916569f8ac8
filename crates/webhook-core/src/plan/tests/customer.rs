use serde_json::json;

use super::World;
use super::world::{about, customer, grant, line, user, user_id};
use crate::command::{Action, Customer, Email, Name};
use crate::ids::{CustomerId, Mark};
use crate::plan::{Step, association, user_of};

const DAY: &str = "2026-09-01";

fn paddle(email: Email, name: Option<&str>) -> Customer {
    Customer {
        id: CustomerId::new("ctm_1").ok(),
        email,
        name: Name::of(name, None),
        company: None,
        mark: Mark::new("paddle_customer_id", "ctm_1").ok(),
    }
}

fn stand_in() -> serde_json::Value {
    json!({"id": "u_stand_in", "email": "ctm_1@cryptlexpaddle.com", "firstName": "ctm_1",
           "metadata": [{"key": "paddle_customer_id", "value": "ctm_1"}]})
}

fn sync(customer: Customer) -> crate::command::Command {
    about(Action::SyncCustomer(customer))
}

#[test]
fn a_name_is_as_the_provider_cuts_it_and_nobody_is_nameless() {
    let placeholder = Email::placeholder(&CustomerId::new("ctm_1").unwrap());
    let real = Email::real("ada@example.com").unwrap();
    for (customer, first, last) in [
        (customer(), "Ada Example", None),
        (
            Customer { name: Name::of(Some("Ada"), Some("Example")), ..customer() },
            "Ada",
            Some("Example"),
        ),
        (Customer { name: None, ..customer() }, "ada", None),
        (paddle(real, None), "ada", None),
        (paddle(placeholder, None), "ctm_1", None),
    ] {
        let mut world = World::new();
        world.snapshot.people = crate::snapshot::People::default();
        let plan = world.plan(&sync(customer), DAY).unwrap();
        let [Step::CreateUser(made)] = &plan.steps[..] else { panic!("{:?}", plan.steps) };
        assert_eq!((made.first_name.as_str(), made.last_name.as_deref()), (first, last));
    }
}

#[test]
fn an_existing_user_is_corrected_only_where_he_differs() {
    for (first, last, name, changes) in [
        ("Ada Example", None, Some("Ada Example"), false),
        ("Ada", Some("Example"), Some("Ada Example"), false),
        ("Ada", Some("Other"), Some("Ada Example"), true),
        ("Ada", None, None, false),
    ] {
        let mut world = World::new();
        world.snapshot.people.by_email = vec![user(
            json!({"id": "u1", "email": "ADA@Example.com", "firstName": first, "lastName": last}),
        )];
        let named = Customer { name: Name::of(name, None), ..customer() };
        let plan = world.plan(&sync(named), DAY).unwrap();
        assert_eq!(!plan.steps.is_empty(), changes, "{first} {last:?} against {name:?}");
    }
}

#[test]
fn a_changed_email_follows_the_remembered_user_or_moves_to_its_owner() {
    let mut world = World::new();
    world.snapshot.people.remembered = Some(user_id("u_old"));
    let plan = world.plan(&sync(customer()), DAY).unwrap();
    assert!(matches!(&plan.steps[..], [Step::ChangeUser(id, change)]
        if id.as_str() == "u_old" && change.email.as_deref() == Some("ada@example.com")));

    let owner = json!({"id": "u_owner", "email": "ada@example.com", "firstName": "Ada Example"});
    world.snapshot.people.by_email = vec![user(owner)];
    let plan = world.plan(&sync(customer()), DAY).unwrap();
    assert_eq!((plan.steps.len(), plan.warnings.len()), (0, 1));
    assert_eq!(association(&world.snapshot.people), Some(&user_id("u_owner")));
}

#[test]
fn a_stand_in_becomes_the_real_user() {
    let mut world = World::new();
    world.snapshot.people.by_mark = vec![user(stand_in())];
    let real = paddle(Email::real("ada@example.com").unwrap(), None);
    let plan = world.plan(&sync(real), DAY).unwrap();
    assert!(
        matches!(&plan.steps[..], [Step::ChangeUser(id, change)] if id.as_str() == "u_stand_in"
        && change.email.as_deref() == Some("ada@example.com") && change.first_name.as_deref() == Some("ada"))
    );
}

#[test]
fn the_licenses_of_a_stand_in_move_to_the_user_who_has_the_email() {
    let mut world = World::new();
    let owner = json!({"id": "u_owner", "email": "ada@example.com", "firstName": "Ada",
                       "metadata": [{"key": "plan", "value": "gold"}]});
    world.snapshot.people.by_mark = vec![user(stand_in())];
    world.snapshot.people.by_email = vec![user(owner)];
    world.add(json!({"user": {"id": "u_stand_in"}}));
    world.snapshot.people.to_move = std::mem::take(&mut world.snapshot.licenses);
    let real = sync(paddle(Email::real("ada@example.com").unwrap(), None));
    let plan = world.plan(&real, DAY).unwrap();
    assert!(plan.warnings.is_empty());
    let texts: Vec<String> = plan.steps.iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["change user u_owner", "move license l1 to user u_owner"]);
    let Step::ChangeUser(_, change) = &plan.steps[0] else { panic!() };
    let items = change.metadata.as_ref().unwrap();
    assert_eq!(
        items.iter().map(|item| item.key.as_str()).collect::<Vec<_>>(),
        ["plan", "paddle_customer_id"]
    );
    world.settle(&real, DAY).unwrap();
    assert_eq!(world.settle(&real, DAY).unwrap(), [""; 0]);
}

#[test]
fn a_purchase_goes_to_whom_the_customer_is_known_as() {
    let own = json!({"id": "u_own", "email": "ada@example.com", "metadata": [{"key": "paddle_customer_id", "value": "ctm_1"}]});
    let mut world = World::new();
    world.snapshot.people.by_email =
        vec![user(json!({"id": "u_email", "email": "ada@example.com"}))];
    assert_eq!(user_of(&world.snapshot.people), Some(&user_id("u_email")));
    world.snapshot.people.by_mark = vec![user(stand_in()), user(own)];
    assert_eq!(user_of(&world.snapshot.people), Some(&user_id("u_own")));
    world.snapshot.people.remembered = Some(user_id("u_known"));
    let plan = world.plan(&grant(vec![line("-", 1)]), DAY).unwrap();
    assert!(
        matches!(&plan.steps[..], [Step::CreateLicense(blank)] if blank.license.user_id == user_id("u_known"))
    );
}
