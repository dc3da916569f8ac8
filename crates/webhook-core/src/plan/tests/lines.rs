use super::world::{POLICY, about, grant, line, mapping};
use super::{World, at};
use crate::command::{Action, AtTheEnd, Command, Line, QuantityMeans, Subscribed, Term};
use crate::config::Policy;
use crate::ids::Mark;

fn of(product: &str, key: &str, quantity: u32) -> Line {
    Line { mapping: Some(mapping(product)), ..line(key, quantity) }
}

fn added(product: Option<&str>, key: &str, quantity: u32) -> Line {
    let (kind, rest) = key.split_once(':').unwrap();
    let driver = format!("{kind}_{}", rest.split_once('/').unwrap().0);
    Line {
        mapping: product.map(mapping),
        term: Term::AsParent(None),
        metadata: vec![Mark::new("fastspring_driver", &driver).unwrap()],
        driver: Some(driver),
        ..line(key, quantity)
    }
}

fn change(lines: Vec<Line>) -> Command {
    about(Action::ChangePlan(Subscribed { lines, unmapped: Vec::new(), with_add_ons: true }))
}

fn silent_on_add_ons(lines: Vec<Line>) -> Command {
    about(Action::ChangePlan(Subscribed { lines, unmapped: Vec::new(), with_add_ons: false }))
}

/// A world in which `lines` were bought, with a year that ends on 1 September 2027. What ends is deleted.
fn bought(lines: Vec<Line>) -> World {
    let mut world = World::new();
    world.policy = Policy { at_the_end: AtTheEnd::Delete, ..POLICY };
    world.settle(&grant(lines), "2026-09-01").unwrap();
    world
}

#[test]
fn an_add_on_is_kept_by_its_own_path_when_what_it_was_added_to_changes() {
    for lost in [false, true] {
        // Another price, another product, and an add-on that is more seats of the product itself.
        for (plan, other) in [("pro", "pro"), ("pro", "max"), ("support", "support")] {
            let support = added(Some("support"), "addon:pro-m/support", 1);
            let mut world = bought(vec![of(plan, "pro-m", 1), support]);
            if lost {
                world.snapshot.state = crate::ledger::SubjectState::default();
            }
            let kept = added(None, "addon:pro-y/support", 1);
            let after = change(vec![of(other, "pro-y", 1), kept]);
            for _ in 0..2 {
                world.settle(&after, "2026-10-01").unwrap();
                assert_eq!(world.shown(), ["2027-09-01"; 2], "{plan} {lost}: {:?}", world.log);
            }
            let slot = "stripe/sub_1/addon:pro-m/support/1";
            assert!(world.snapshot.state.slots.contains_key(slot), "{plan} {lost}");
            // Given up at last, it is suspended.
            world.settle(&change(vec![of(other, "pro-y", 1)]), "2026-10-02").unwrap();
            let mut ends = world.shown();
            ends.sort();
            assert_eq!(ends, ["2027-09-01", "2027-09-01 suspended"], "{plan} {lost}");
        }
    }
}

#[test]
fn an_add_on_that_no_purchase_told_of_is_made_if_the_change_says_what_it_is() {
    let mut world = bought(vec![of("pro", "pro", 1)]);
    world.now = at("2026-12-01");
    let unsaid = change(vec![of("pro", "pro", 1), added(None, "addon:pro/support", 1)]);
    assert_eq!(world.settle(&unsaid, "2026-11-01").unwrap(), [""; 0]);
    let support = || added(Some("support"), "addon:pro/support", 2);
    world.settle(&change(vec![of("pro", "pro", 1), support()]), "2026-12-01").unwrap();
    assert_eq!(world.shown(), ["2027-09-01"; 3]);
    // Its purchase, if there is one, comes to nothing more.
    let late = about(Action::Grant(crate::command::Grant {
        pays: crate::command::Pays::Beside,
        ..super::world::purchase(vec![support()])
    }));
    assert_eq!(world.settle(&late, "2026-12-02").unwrap(), [""; 0]);
}

#[test]
fn an_add_on_whose_purchase_comes_after_an_update_is_made_unless_it_was_given_up_since() {
    let later = about(Action::Grant(crate::command::Grant {
        pays: crate::command::Pays::Beside,
        ..super::world::purchase(vec![added(Some("support"), "addon:pro/support", 1)])
    }));
    let pro = || of("pro", "pro", 1);
    for (update, running) in [
        (change(vec![pro(), added(None, "addon:pro/support", 1)]), 2),
        (silent_on_add_ons(vec![pro()]), 2),
        (change(vec![pro()]), 1),
    ] {
        let mut world = bought(vec![pro()]);
        world.settle(&update, "2026-10-02").unwrap();
        for _ in 0..2 {
            world.settle(&later, "2026-10-01").unwrap();
        }
        assert_eq!(world.shown(), vec!["2027-09-01"; running], "{:?}", world.log);
    }
}

#[test]
fn members_of_a_bundle_are_kept_by_a_change_that_never_lists_them() {
    let member = added(Some("tool"), "bundle:mega/tool", 1);
    let mut world = bought(vec![of("pro", "mega", 1), member]);
    for (day, quantity) in [("2026-10-01", 1), ("2026-10-02", 3)] {
        world.settle(&change(vec![of("pro", "mega", quantity)]), day).unwrap();
        let all = usize::try_from(quantity).unwrap() + 1;
        assert_eq!(world.shown(), vec!["2027-09-01"; all], "{:?}", world.log);
    }
    // Nor does losing the ledger, or having been made by the predecessor, make them strangers.
    world.snapshot.state = crate::ledger::SubjectState::default();
    world.settle(&change(vec![of("pro", "mega", 3)]), "2026-10-03").unwrap();
    assert_eq!(world.shown(), ["2027-09-01"; 4]);
    let mut world = World::new();
    let mark = serde_json::json!([{"key": "fastspring_driver", "value": "bundle_mega"}]);
    world.add(serde_json::json!({"productId": "tool", "metadata": mark}));
    world.add(serde_json::json!({}));
    world.settle(&change(vec![of("pro", "mega", 1)]), "2026-10-03").unwrap();
    assert_eq!(world.shown(), ["2027-09-01"; 2]);
}

#[test]
fn a_change_of_a_bundle_itself_speaks_of_add_ons_only() {
    let lines = || {
        let support = added(Some("support"), "addon:mega/support", 1);
        vec![added(Some("tool"), "bundle:mega/tool", 1), support, of("pro", "pro", 1)]
    };
    let mut world = bought(lines());
    let listed = change(vec![added(None, "addon:mega/support", 1)]);
    assert_eq!(world.settle(&listed, "2026-10-01").unwrap(), [""; 0]);
    world.settle(&change(Vec::new()), "2026-10-02").unwrap();
    let suspended: Vec<_> = world.snapshot.licenses.iter().filter(|l| l.is_suspended()).collect();
    assert_eq!(suspended.len(), 1);
    assert_eq!(suspended[0].product_id, Some(mapping("support").product));
}

#[test]
fn what_renews_by_itself_is_the_line_of_its_own_subscription_whatever_it_came_with() {
    for key in ["addon:pro/support", "bundle:mega/support"] {
        let mut world = bought(vec![added(Some("support"), key, 1)]);
        let update = |n| silent_on_add_ons(vec![of("support", "support", n)]);
        assert_eq!(world.settle(&update(1), "2026-10-01").unwrap(), [""; 0], "{key}");
        world.settle(&update(2), "2026-10-02").unwrap();
        assert_eq!(world.shown(), ["2027-09-01"; 2], "{key}");
    }
}

#[test]
fn a_quantity_means_what_it_meant_when_it_was_bought_unless_the_change_says_it() {
    use QuantityMeans::{Activations, Licenses, One};
    for policy in [One, Licenses, Activations] {
        for (meant, expected) in
            [(One, (1, Some(1))), (Licenses, (3, Some(1))), (Activations, (1, Some(3)))]
        {
            let said = |n| Line { quantity_means: Some(meant), ..of("pro", "pro", n) };
            let mut world = bought(vec![said(2)]);
            world.policy.quantity_means = policy;
            let unsaid = change(vec![Line { mapping: None, ..line("pro", 2) }]);
            assert_eq!(
                world.settle(&unsaid, "2026-10-01").unwrap(),
                [""; 0],
                "{policy:?} {meant:?}"
            );
            world.settle(&change(vec![line("pro", 3)]), "2026-10-02").unwrap();
            let licenses = world.snapshot.licenses.len();
            let activations = world.snapshot.licenses[0].activations().or(Some(1));
            assert_eq!((licenses, activations), expected, "{policy:?} {meant:?}");
        }
    }
}
