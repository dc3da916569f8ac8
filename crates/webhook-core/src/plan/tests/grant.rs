use jiff::SignedDuration;
use serde_json::json;

use super::world::{POLICY, about, grant, line, mapping, metadata_of, purchase};
use super::{World, at};
use crate::command::{Action, Command, Grant, NamedBy, Pays, QuantityMeans, Term, Unmapped};
use crate::config::Policy;
use crate::interval::Interval;
use crate::plan::{Refused, Step};

const DAY: &str = "2026-09-01";

fn slot(ordinal: u32) -> serde_json::Value {
    json!([{"key": "license_slot", "value": format!("stripe/sub_1/-/{ordinal}")}])
}

#[test]
fn a_quantity_is_licenses_or_activations_or_nothing() {
    for (policy, of_product, licenses, activations) in [
        (QuantityMeans::One, None, 1, None),
        (QuantityMeans::Licenses, None, 3, None),
        (QuantityMeans::Activations, None, 1, Some(3)),
        (QuantityMeans::One, Some(QuantityMeans::Licenses), 3, None),
        (QuantityMeans::Licenses, Some(QuantityMeans::Activations), 1, Some(3)),
    ] {
        let mut world = World::new();
        world.policy = Policy { quantity_means: policy, ..POLICY };
        let bought = crate::command::Line { quantity_means: of_product, ..line("-", 3) };
        world.settle(&grant(vec![bought]), DAY).unwrap();
        let made = &world.snapshot.licenses;
        assert_eq!(
            (made.len(), made[0].activations()),
            (licenses, activations),
            "{policy:?} {of_product:?}"
        );
    }
}

#[test]
fn one_user_is_made_and_slots_count_from_one() {
    let mut world = World::new();
    let done = world.settle(&grant(vec![line("a", 2), line("b", 1)]), DAY).unwrap();
    let licenses = ["a/1", "a/2", "b/1"].map(|slot| format!("create license stripe/sub_1/{slot}"));
    assert_eq!(done, [&["create user".to_owned()][..], &licenses[..]].concat());
}

#[test]
fn slots_are_filled_by_slot_then_by_adoption_oldest_first() {
    for (name, held, made) in [
        ("the slot itself", json!([{"metadata": slot(1)}, {"metadata": slot(2)}]), 0),
        ("one slot of two", json!([{"metadata": slot(2)}]), 1),
        ("a slot of another product", json!([{"metadata": slot(1), "productId": "other"}]), 2),
        ("without a slot", json!([{}, {}]), 0),
        ("one without a slot", json!([{}]), 1),
        ("without a slot, of another product", json!([{"productId": "other"}]), 2),
        ("more than wanted", json!([{}, {}, {}]), 0),
        (
            "with a driver that the line does not have",
            json!([{"metadata": [{"key": "fastspring_driver", "value": "addon_x"}]}]),
            2,
        ),
        (
            "a slot of another line",
            json!([{"metadata": [{"key": "license_slot", "value": "stripe/sub_1/x/1"}]}]),
            2,
        ),
    ] {
        let mut world = World::new();
        for fields in held.as_array().unwrap() {
            world.add(fields.clone());
        }
        let done = world.settle(&grant(vec![line("-", 2)]), DAY).unwrap();
        let creations = done.iter().filter(|step| step.starts_with("create license")).count();
        assert_eq!(creations, made, "{name}: {done:?}");
        assert_eq!(
            world.settle(&grant(vec![line("-", 2)]), DAY).unwrap(),
            [""; 0],
            "{name}, again"
        );
    }
}

#[test]
fn the_ledger_fills_slots_that_metadata_does_not_show() {
    let mut world = World::new();
    world.settle(&grant(vec![line("-", 1)]), DAY).unwrap();
    let hidden = &mut world.snapshot.licenses[0];
    *hidden = serde_json::from_value(json!({"id": "l1", "productId": "pro"})).unwrap();
    assert_eq!(world.settle(&grant(vec![line("-", 1)]), DAY).unwrap(), [""; 0]);
}

#[test]
fn the_end_of_the_first_payment_wins_over_the_template() {
    for (name, interval, created, expires, end, expected) in [
        ("yearly price, monthly template", "P1M", DAY, "2026-10-01", "2027-09-01", "2027-09-01"),
        ("a trial of a yearly plan", "P1Y", DAY, "2027-09-01", "2026-09-15", "2026-09-15"),
        ("as long as the template", "P1Y", DAY, "2027-09-01", "2027-09-01", "2027-09-01"),
        ("made a day late", "P1Y", DAY, "2027-09-01", "2027-08-31", "2027-08-31"),
        ("a day that somebody added", "P1Y", DAY, "2027-09-02", "2027-09-01", "2027-09-02"),
        ("moved since it was made", "P1Y", DAY, "2028-09-01", "2026-09-15", "2028-09-01"),
        ("made long before", "P1Y", "2025-01-01", "2027-09-01", "2026-09-15", "2027-09-01"),
    ] {
        let mut world = World::with_license(json!({
            "metadata": slot(1), "subscriptionInterval": interval,
            "createdAt": at(created), "expiresAt": at(expires),
        }));
        let first = Grant { paid_through: Some(at(end)), ..purchase(vec![line("-", 1)]) };
        world.settle(&about(Action::Grant(first)), DAY).unwrap();
        assert_eq!(world.shown(), [expected], "{name}");
    }
}

#[test]
fn leeway_is_added_to_every_end_and_once_to_an_interval() {
    let leeway = SignedDuration::from_hours(48);
    for (paid_through, expected) in [(None, "2027-09-03"), (Some("2026-09-15"), "2026-09-17")] {
        let mut world = World::new();
        world.policy = Policy { leeway, ..POLICY };
        let command = |paid_through: Option<&str>| {
            let paid_through = paid_through.map(at);
            about(Action::Grant(Grant { paid_through, ..purchase(vec![line("-", 1)]) }))
        };
        // The checkout comes first, and does not know the end.
        world.settle(&command(None), DAY).unwrap();
        world.settle(&command(paid_through), DAY).unwrap();
        assert_eq!(world.shown(), [expected]);
    }
}

fn session(product: Option<&str>) -> Command {
    let bought = crate::command::Line { mapping: product.map(mapping), ..line("-", 1) };
    let missing = Unmapped { line: "session".to_owned(), problem: "is not mapped".to_owned() };
    about(Action::Grant(Grant {
        unmapped: if product.is_none() { vec![missing] } else { Vec::new() },
        named_by: if product.is_some() { NamedBy::Session } else { NamedBy::Configuration },
        ..purchase(vec![bought])
    }))
}

fn invoice(product: Option<&str>, quantity: u32) -> Command {
    invoice_named_by(NamedBy::Configuration, product, quantity)
}

fn invoice_named_by(named_by: NamedBy, product: Option<&str>, quantity: u32) -> Command {
    let bought = crate::command::Line { mapping: product.map(mapping), ..line("-", quantity) };
    about(Action::Grant(Grant {
        paid_through: Some(at("2026-09-15")),
        named_by,
        ..purchase(vec![bought])
    }))
}

/// Product, end and flags of each license after the commands, in the given and in the other order.
fn either_order(first: &Command, second: &Command, expected: &[&str]) {
    for order in [[first, second], [second, first]] {
        let mut world = World::new();
        for command in order.into_iter().chain(order) {
            world.settle(command, DAY).unwrap();
        }
        let products =
            world.snapshot.licenses.iter().map(|l| l.product_id.clone().unwrap().to_string());
        let mut shown: Vec<String> =
            products.zip(world.shown()).map(|(p, s)| format!("{p} {s}")).collect();
        shown.sort();
        assert_eq!(shown, expected);
    }
}

#[test]
fn checkout_and_first_invoice_are_one_purchase_in_either_order() {
    let yearly_for_two_weeks = ["pro 2026-09-15"];
    either_order(&session(Some("pro")), &invoice(Some("pro"), 1), &yearly_for_two_weeks);
    either_order(&session(Some("pro")), &invoice(None, 1), &yearly_for_two_weeks);
    // The quantity is known to the invoice only, the product to the session only.
    either_order(&session(Some("pro")), &invoice(None, 3), &["pro 2026-09-15"; 3]);
    either_order(&session(Some("pro")), &invoice(Some("pro"), 3), &["pro 2026-09-15"; 3]);
}

#[test]
fn a_session_that_names_another_product_replaces_what_was_presumed() {
    let mut world = World::new();
    world.settle(&invoice(Some("presumed"), 1), DAY).unwrap();
    let done = world.settle(&session(Some("named")), DAY).unwrap();
    assert_eq!(
        done,
        [
            "create license stripe/sub_1/-/1",
            "set expiry of license l2 to 2026-09-15T00:00:00Z",
            "revoke license l1"
        ]
    );
    assert_eq!(world.settle(&invoice(Some("presumed"), 1), DAY).unwrap(), [""; 0]);
    world.settle(&super::world::renew_until("2027-09-15"), "2026-09-15").unwrap();
    assert_eq!(world.shown(), ["2026-09-15 revoked", "2027-09-15"]);
    either_order(&session(Some("named")), &session(Some("named")), &["named 2027-09-01"]);
}

#[test]
fn who_knows_the_product_better_names_it_in_either_order() {
    let of_subscription = invoice_named_by(NamedBy::Subscription, Some("better"), 1);
    let presumed = Grant { named_by: NamedBy::Configuration, ..purchase(vec![line("-", 1)]) };
    let named = session(Some("best"));
    for (one, other, best) in [
        (&about(Action::Grant(presumed)), &of_subscription, "better 2026-09-15"),
        (&named, &of_subscription, "best 2026-09-15"),
        (&named, &invoice(Some("pro"), 1), "best 2026-09-15"),
    ] {
        for order in [[one, other], [other, one]] {
            let mut world = World::new();
            for command in order.into_iter().chain(order) {
                world.settle(command, DAY).unwrap();
            }
            let products = world.snapshot.licenses.iter().map(|l| l.product_id.clone().unwrap());
            let shown =
                products.zip(world.shown()).map(|(product, end)| format!("{product} {end}"));
            let running: Vec<String> = shown.filter(|shown| !shown.contains("revoked")).collect();
            assert_eq!(running, [best]);
        }
    }
}

#[test]
fn a_purchase_that_names_half_of_its_product_is_reported_and_takes_nothing_away() {
    let mut world = World::new();
    let Action::Grant(nothing) = session(None).action else { panic!() };
    let half = about(Action::Grant(Grant { named_by: NamedBy::Session, ..nothing }));
    assert_eq!(world.plan(&half, DAY).unwrap().unmapped.len(), 1);
    world.settle(&invoice(Some("pro"), 1), DAY).unwrap();
    // Also where nobody remembers who named the product.
    for _ in 0..2 {
        assert_eq!(world.plan(&half, DAY).unwrap().unmapped.len(), 1);
        assert_eq!(world.settle(&half, DAY).unwrap(), [""; 0]);
        world.snapshot.state = crate::ledger::SubjectState::default();
    }
}

#[test]
fn an_unmapped_purchase_is_reported_unless_its_license_is_there() {
    let mut world = World::new();
    assert_eq!(world.plan(&session(None), DAY).unwrap().unmapped.len(), 1);
    world.settle(&invoice(Some("pro"), 1), DAY).unwrap();
    assert!(world.plan(&session(None), DAY).unwrap().unmapped.is_empty());
}

#[test]
fn what_is_not_ours_renews_without_a_license() {
    let mut world = World::new();
    let foreign = Grant { foreign: true, customer: None, ..purchase(Vec::new()) };
    world.settle(&about(Action::Grant(foreign)), DAY).unwrap();
    let renewal = super::world::renew_until("2027-09-01");
    assert_eq!(world.settle(&renewal, "2026-09-02"), Ok(Vec::new()));
    assert!(matches!(World::new().settle(&renewal, "2026-09-02"), Err(Refused::NoLicense(_))));
}

fn add_on(declared: Option<&str>) -> crate::command::Line {
    let declared = declared.map(|text| Interval::parse(text).unwrap());
    crate::command::Line {
        term: Term::AsParent(declared),
        driver: Some("addon_app".to_owned()),
        metadata: vec![crate::ids::Mark::new("fastspring_driver", "addon_app").unwrap()],
        ..line("addon:app/support", 1)
    }
}

fn bought_later() -> Command {
    about(Action::Grant(Grant { pays: Pays::Beside, ..purchase(vec![add_on(None)]) }))
}

#[test]
fn an_add_on_takes_interval_and_expiry_of_its_parent() {
    // In one order with it: the parent is made first.
    let mut world = World::new();
    let parent = crate::command::Line {
        term: Term::Every(Interval::parse("P6M").unwrap()),
        ..line("app", 1)
    };
    let done = world.settle(&grant(vec![parent, add_on(None)]), DAY).unwrap();
    assert_eq!(
        done[1..],
        ["app/1", "addon:app/support/1"].map(|s| format!("create license stripe/sub_1/{s}"))
    );
    assert_eq!(world.shown(), ["2027-03-01", "2027-03-01"]);

    // Bought later: it ends with the parent.
    let mut world = World::with_license(json!({"metadata": [], "subscriptionInterval": "P1Y"}));
    world.now = at("2027-03-01");
    world.settle(&bought_later(), "2027-03-01").unwrap();
    assert_eq!(world.shown(), ["2027-09-01", "2027-09-01"]);
    let interval = world.snapshot.licenses[1].interval().unwrap();
    assert_eq!(
        (interval.as_str(), metadata_of(&world.snapshot.licenses[1])[1]["key"].clone()),
        ("P1Y", json!("fastspring_driver"))
    );

    // Without a parent anywhere: as the parent's line says, else as its template says.
    for (declared, expected) in [(Some("P6M"), "2027-03-01"), (None, "2027-09-01")] {
        let mut world = World::new();
        world.settle(&grant(vec![add_on(declared)]), DAY).unwrap();
        assert_eq!(world.shown(), [expected]);
    }
}

#[test]
fn an_add_on_bought_later_resumes_nothing_and_shares_the_suspension() {
    let mut world = World::with_license(json!({}));
    world.settle(&about(Action::Suspend(crate::command::Cause::Payment)), "2027-02-01").unwrap();
    world.now = at("2027-03-01");
    world.settle(&bought_later(), "2027-03-01").unwrap();
    assert_eq!(world.shown(), ["2027-09-01 suspended", "2027-09-01 suspended"]);
    world.settle(&super::world::renew_until("2028-09-01"), "2027-03-02").unwrap();
    assert_eq!(world.shown(), ["2028-09-01", "2028-09-01"]);
}

#[test]
fn an_account_that_sells_other_things_too_renews_them_without_an_error() {
    let renewal = super::world::renew_until("2026-10-01");
    for accept_unmapped in [false, true] {
        let mut world = World::new();
        world.policy = Policy { accept_unmapped, ..POLICY };
        world.settle(&invoice(None, 1), DAY).unwrap();
        let renewed = world.settle(&renewal, "2026-09-15");
        assert_eq!(renewed.is_ok(), accept_unmapped, "{renewed:?}");
        // A session that names a product makes it ours.
        world.settle(&session(Some("pro")), "2026-09-16").unwrap();
        assert!(!world.snapshot.state.unlicensed);
    }
}

#[test]
fn more_activations_are_allowed_and_fewer_never() {
    for (now, bought, expected) in
        [(json!(1), 5, Some(5)), (json!(9), 5, Some(9)), (json!(-1), 5, None)]
    {
        let mut world =
            World::with_license(json!({"metadata": slot(1), "allowedActivations": now}));
        world.policy = Policy { quantity_means: QuantityMeans::Activations, ..POLICY };
        world.settle(&grant(vec![line("-", bought)]), DAY).unwrap();
        assert_eq!(world.snapshot.licenses[0].activations(), expected);
    }
}

#[test]
fn a_purchase_without_a_buyer_is_refused() {
    let nobody = Grant { customer: None, ..purchase(vec![line("-", 1)]) };
    let refused = World::new().plan(&about(Action::Grant(nobody)), DAY).unwrap_err();
    assert_eq!(refused.to_string(), "customer email not found for subscription sub_1");
}

#[test]
fn perpetual_lines_say_so_whatever_the_template_says() {
    let mut world = World::new();
    world
        .settle(&grant(vec![crate::command::Line { term: Term::Perpetual, ..line("-", 1) }]), DAY)
        .unwrap();
    assert_eq!(world.shown(), ["never"]);
    let plan = world.plan(&grant(vec![line("x", 1)]), DAY).unwrap();
    assert!(
        matches!(&plan.steps[..], [Step::CreateLicense(blank)] if blank.license.subscription_interval.is_none())
    );
}
