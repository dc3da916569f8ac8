use serde_json::json;

use super::world::{POLICY, about, grant, line, mapping};
use super::{World, at};
use crate::command::{
    Action, AtTheEnd, Cause, Command, Concern, Grant, Line, NamedBy, QuantityMeans, Subscribed,
    Unmapped,
};
use crate::config::Policy;
use crate::plan::Refused;

fn change(lines: Vec<Line>) -> Command {
    about(Action::ChangePlan(Subscribed { lines, unmapped: Vec::new(), with_add_ons: true }))
}

fn of(product: &str, key: &str, quantity: u32) -> Line {
    Line { mapping: Some(mapping(product)), ..line(key, quantity) }
}

/// A world in which `lines` were bought, with a year that ends on 1 September 2027.
fn bought(lines: Vec<Line>) -> World {
    let mut world = World::new();
    world.settle(&grant(lines), "2026-09-01").unwrap();
    world
}

#[test]
fn there_are_as_many_licenses_as_the_lines_say_and_none_is_deleted() {
    for (before, after, expected) in [
        (2, 4, vec!["2027-09-01"; 4]),
        (3, 1, vec!["2027-09-01", "2027-09-01 suspended", "2027-09-01 suspended"]),
        (2, 2, vec!["2027-09-01"; 2]),
    ] {
        let mut world = bought(vec![line("price", before)]);
        // What is made later by the clock ends with the others all the same.
        world.now = at("2026-11-01");
        for _ in 0..2 {
            world.settle(&change(vec![line("price", after)]), "2026-11-01").unwrap();
            assert_eq!(world.shown(), expected, "{before} to {after}");
        }
    }
}

#[test]
fn seats_that_were_given_up_come_back_before_new_ones_are_made() {
    let mut world = bought(vec![line("price", 3)]);
    world.settle(&change(vec![line("price", 1)]), "2026-10-01").unwrap();
    let done = world.settle(&change(vec![line("price", 2)]), "2026-10-02").unwrap();
    assert_eq!(done, ["resume license l2"]);
    world.settle(&change(vec![line("price", 4)]), "2026-10-03").unwrap();
    assert_eq!(world.shown(), ["2027-09-01"; 4]);
}

#[test]
fn a_seat_comes_back_suspended_while_another_cause_is_left() {
    let mut world = bought(vec![line("price", 2)]);
    world.settle(&change(vec![line("price", 1)]), "2026-10-01").unwrap();
    world.settle(&about(Action::PaymentFailed(None)), "2026-10-02").unwrap();
    world.settle(&change(vec![line("price", 2)]), "2026-10-03").unwrap();
    assert_eq!(world.shown(), ["2027-09-01 suspended"; 2]);
    world.settle(&super::world::renew_until("2027-09-01"), "2026-10-04").unwrap();
    assert_eq!(world.shown(), ["2027-09-01"; 2]);
}

#[test]
fn another_price_of_the_same_product_keeps_the_licenses() {
    let mut world = bought(vec![line("monthly", 2)]);
    let done = world.settle(&change(vec![line("yearly", 2)]), "2026-10-01").unwrap();
    assert_eq!(done, [""; 0]);
    let slots: Vec<&str> = world.snapshot.state.slots.keys().map(|slot| slot.as_str()).collect();
    assert_eq!(slots, ["stripe/sub_1/yearly/1", "stripe/sub_1/yearly/2"]);
}

#[test]
fn another_product_ends_with_the_one_that_it_replaces_which_goes_as_at_the_end() {
    for (at_the_end, old) in [
        (AtTheEnd::Revoke, "2027-09-01 revoked"),
        (AtTheEnd::Suspend, "2027-09-01 suspended"),
        (AtTheEnd::Nothing, "2027-09-01"),
    ] {
        let mut world = bought(vec![of("basic", "price", 1)]);
        (world.policy, world.now) = (Policy { at_the_end, ..POLICY }, at("2026-12-01"));
        world.settle(&change(vec![of("pro", "other", 1)]), "2026-12-01").unwrap();
        assert_eq!(world.shown(), [old, "2027-09-01"], "{at_the_end:?}");
    }
}

#[test]
fn a_product_that_is_given_up_beside_one_that_stays_is_suspended() {
    let mut world = bought(vec![of("basic", "one", 1), of("pro", "two", 1)]);
    world.settle(&change(vec![of("pro", "two", 1)]), "2026-10-01").unwrap();
    assert_eq!(world.shown(), ["2027-09-01 suspended", "2027-09-01"]);
    world.settle(&change(vec![of("basic", "one", 1), of("pro", "two", 1)]), "2026-10-02").unwrap();
    assert_eq!(world.shown(), ["2027-09-01"; 2]);
}

#[test]
fn an_older_change_never_undoes_a_newer_one() {
    let mut world = bought(vec![line("price", 1)]);
    world.settle(&change(vec![line("price", 3)]), "2026-10-03").unwrap();
    let plan = world.plan(&change(vec![line("price", 1)]), "2026-10-02").unwrap();
    assert!(plan.stale && plan.steps.is_empty());
    // Nor does the purchase, when it comes last.
    let mut world = World::new();
    let early = world.plan(&change(vec![line("price", 2)]), "2026-10-03").unwrap();
    assert_eq!((early.noted, early.steps.len()), (Some("there is no license of it"), 0));
    world.settle(&change(vec![line("price", 2)]), "2026-10-03").unwrap();
    world.settle(&grant(vec![line("price", 1)]), "2026-10-01").unwrap();
    assert_eq!(world.shown().len(), 2);
}

#[test]
fn while_a_line_is_not_understood_nothing_goes() {
    let mut world = bought(vec![of("basic", "one", 1)]);
    let unmapped = vec![Unmapped { line: "new".to_owned(), problem: "no product".to_owned() }];
    let lines = vec![of("pro", "two", 1)];
    let half = about(Action::ChangePlan(Subscribed { lines, unmapped, with_add_ons: true }));
    world.settle(&half, "2026-10-01").unwrap();
    assert_eq!(world.shown(), ["2027-09-01"; 2]);
    let plan = world.plan(&half, "2026-10-01").unwrap();
    assert_eq!((plan.concern, plan.unmapped.len()), (Some(Concern::Unmapped), 1));
}

#[test]
fn activations_follow_where_a_quantity_means_them() {
    let seats = |n| Line { quantity_means: Some(QuantityMeans::Activations), ..line("price", n) };
    let mut world = bought(vec![seats(5)]);
    let done = world.settle(&change(vec![seats(8)]), "2026-10-01").unwrap();
    assert_eq!((done.len(), world.shown().len()), (1, 1));
    assert_eq!(world.snapshot.licenses[0].activations(), Some(8));
}

#[test]
fn what_was_added_stays_unless_the_change_speaks_of_it() {
    let added = || of("extra", "addon:pro/extra", 1);
    let quiet = |lines| {
        about(Action::ChangePlan(Subscribed { lines, unmapped: Vec::new(), with_add_ons: false }))
    };
    let mut world = bought(vec![of("pro", "pro", 1), added()]);
    world.settle(&quiet(vec![of("pro", "pro", 1)]), "2026-10-01").unwrap();
    assert_eq!(world.shown(), ["2027-09-01"; 2]);
    world.settle(&change(vec![of("pro", "pro", 1)]), "2026-10-02").unwrap();
    assert_eq!(world.shown(), ["2027-09-01", "2027-09-01 suspended"]);
}

#[test]
fn a_line_that_comes_back_after_its_license_moved_to_another_has_one_of_its_own() {
    let two = |month, year| {
        let lines = [("month", month), ("year", year)].into_iter().filter(|(_, n)| *n > 0);
        lines.map(|(key, n)| line(key, n)).collect::<Vec<Line>>()
    };
    for (bought_at_first, changes) in [
        ((1, 0), vec![(0, 1), (1, 1)]),
        ((2, 0), vec![(1, 1), (2, 1)]),
        ((1, 0), vec![(1, 1), (0, 2), (1, 2)]),
        ((3, 0), vec![(0, 3), (1, 3), (0, 3)]),
        ((1, 2), vec![(3, 0), (1, 2), (2, 4)]),
    ] {
        let mut world = bought(two(bought_at_first.0, bought_at_first.1));
        let mut seats = 0;
        for (day, (month, year)) in changes.iter().enumerate() {
            let at = format!("2026-10-{:0>2}", day + 1);
            world.settle(&change(two(*month, *year)), &at).unwrap();
            seats = usize::try_from(month + year).unwrap();
            let running = world.shown().iter().filter(|end| *end == "2027-09-01").count();
            assert_eq!(running, seats, "{bought_at_first:?} {changes:?} at {at}: {:?}", world.log);
        }
        // All of them are renewed, and paused.
        world.settle(&super::world::renew_until("2028-09-01"), "2027-09-01").unwrap();
        let renewed = world.shown().iter().filter(|end| end.starts_with("2028-09-01")).count();
        assert_eq!(renewed, world.snapshot.licenses.len(), "{changes:?}");
        world.settle(&about(Action::Suspend(Cause::Pause)), "2027-09-02").unwrap();
        assert!(world.shown().iter().all(|end| end.ends_with("suspended")), "{seats}");
    }
}

#[test]
fn a_change_after_the_end_makes_nothing() {
    for at_the_end in [AtTheEnd::Revoke, AtTheEnd::Suspend, AtTheEnd::Delete, AtTheEnd::Nothing] {
        let mut world = bought(vec![line("price", 2)]);
        world.policy = Policy { at_the_end, ..POLICY };
        world.settle(&about(Action::End), "2026-10-01").unwrap();
        let ended = world.shown();
        world.settle(&change(vec![line("price", 3)]), "2026-10-02").unwrap();
        assert_eq!(world.shown(), ended, "{at_the_end:?}");
    }
}

#[test]
fn no_payment_is_for_a_product_that_was_replaced() {
    for (at_the_end, ended, paid) in [
        (AtTheEnd::Nothing, "2027-09-01", ["2027-09-01", "2028-09-01"]),
        (AtTheEnd::Revoke, "2027-09-01 revoked", ["2027-09-01 revoked", "2028-09-01"]),
    ] {
        let mut world = bought(vec![of("basic", "price", 1)]);
        world.policy = Policy { at_the_end, ..POLICY };
        world.settle(&change(vec![of("pro", "other", 1)]), "2026-12-01").unwrap();
        world.settle(&about(Action::End), "2026-12-02").unwrap();
        assert_eq!(world.shown()[0], ended, "{at_the_end:?}");
        world.settle(&super::world::renew_until("2028-09-01"), "2026-12-03").unwrap();
        assert_eq!(world.shown(), paid, "{at_the_end:?}");
    }
}

#[test]
fn a_license_that_was_revoked_by_hand_is_no_seat() {
    let mut world = bought(vec![line("price", 2)]);
    let revoked = json!({
        "id": "l2", "productId": "pro", "revoked": true, "createdAt": at("2026-09-01"),
        "expiresAt": at("2027-09-01"), "subscriptionInterval": "P1Y", "user": {"id": "u1"},
        "metadata": [{"key": "subscription_id", "value": "sub_1"}, {"key": "license_slot", "value": "stripe/sub_1/price/2"}],
    });
    world.snapshot.absorb_license(serde_json::from_value(revoked).unwrap());
    world.settle(&change(vec![line("price", 3)]), "2026-10-01").unwrap();
    let live = world.shown().iter().filter(|end| !end.contains("revoked")).count();
    assert_eq!(live, 3);
}

/// Licenses that the predecessor made: they say whose they are, but not which. All end on 1 September 2027.
fn taken_over(products: &[&str]) -> World {
    let mut world = World::new();
    for product in products {
        world.add(json!({
            "productId": product, "user": {"id": "u1"},
            "metadata": [{"key": "subscription_id", "value": "sub_1"}],
        }));
    }
    world
}

#[test]
fn a_change_that_names_no_product_is_of_the_only_one_that_there_is() {
    let nameless = |key| Line { mapping: None, ..line(key, 1) };
    for key in ["-", "pro-annual"] {
        let mut world = taken_over(&["pro"]);
        let plan = world.plan(&change(vec![nameless(key)]), "2026-10-01").unwrap();
        assert_eq!((plan.unmapped, plan.steps), (Vec::new(), Vec::new()), "{key}");
        world.settle(&change(vec![nameless(key)]), "2026-10-01").unwrap();
        // Of two products, or of another line, nobody knows which it is.
        let two = taken_over(&["pro", "basic"]);
        let plan = two.plan(&change(vec![nameless(key)]), "2026-10-01").unwrap();
        assert_eq!((plan.unmapped.len(), plan.steps.len()), (1, 0), "{key}");
        let other = world.plan(&change(vec![nameless("enterprise")]), "2026-10-02").unwrap();
        assert_eq!((other.unmapped.len(), other.steps.len()), (1, 0), "{key}");
    }
}

#[test]
fn a_change_of_what_was_revoked_long_ago_makes_nothing() {
    let mut world = World::with_license(json!({"revoked": true, "user": {"id": "u1"}}));
    assert_eq!(world.settle(&change(vec![line("-", 2)]), "2026-10-01").unwrap(), [""; 0]);
}

#[test]
fn what_a_change_makes_ends_with_what_was_there_though_the_ledger_does_not_know_it() {
    for lost in [false, true] {
        for (after, expected) in [
            (of("pro", "-", 3), vec!["2027-09-01"; 3]),
            (of("max", "-", 1), vec!["2027-09-01 revoked", "2027-09-01"]),
        ] {
            let mut world = taken_over(&["pro"]);
            world.now = at("2027-06-28T00:00:10Z");
            let after = change(vec![after]);
            if lost {
                // It dies once the first license is made.
                let plan = world.plan(&after, "2027-06-28").unwrap();
                world.apply(&plan.steps[0]);
                world.snapshot.state = crate::ledger::SubjectState::default();
            }
            world.settle(&after, "2027-06-28").unwrap();
            assert_eq!(world.shown(), expected, "{lost}");
            assert_eq!(world.settle(&after, "2027-06-28").unwrap(), [""; 0]);
        }
    }
}

#[test]
fn what_is_given_up_is_suspended_though_the_ledger_does_not_know_it() {
    for at_the_end in [AtTheEnd::Revoke, AtTheEnd::Delete, AtTheEnd::Suspend] {
        let mut world = taken_over(&["pro", "pro", "basic"]);
        world.policy = Policy { at_the_end, ..POLICY };
        world.settle(&change(vec![of("pro", "one", 2)]), "2026-10-01").unwrap();
        let end = "2027-09-01";
        assert_eq!(world.shown(), [end, end, "2027-09-01 suspended"], "{at_the_end:?}");
        let again = change(vec![of("pro", "one", 2), of("basic", "two", 1)]);
        world.settle(&again, "2026-10-02").unwrap();
        assert_eq!(world.shown(), [end; 3], "{at_the_end:?}");
    }
}

#[test]
fn only_what_was_bought_can_be_too_many() {
    // Nobody knows how many the predecessor sold.
    let mut world = taken_over(&["pro", "pro"]);
    world.settle(&change(vec![line("-", 1)]), "2026-10-01").unwrap();
    assert_eq!(world.shown(), ["2027-09-01"; 2]);
    // A license with a slot tells that it was sold, whatever became of the ledger.
    let mut world = bought(vec![line("-", 3)]);
    world.snapshot.state = crate::ledger::SubjectState::default();
    world.settle(&change(vec![line("-", 1)]), "2026-10-01").unwrap();
    assert_eq!(world.shown(), ["2027-09-01", "2027-09-01 suspended", "2027-09-01 suspended"]);
}

#[test]
fn what_nobody_would_own_is_refused_aloud() {
    let mut world = taken_over(&["pro"]);
    world.snapshot.licenses.clear();
    world.add(json!({"metadata": []}));
    for more in [line("-", 2), of("max", "-", 1)] {
        let refused = world.plan(&change(vec![more]), "2026-10-01").unwrap_err();
        assert!(matches!(&refused, Refused::NoUser(_)), "{refused}");
    }
    // Any user of the subject's is better than none.
    world.add(json!({"user": {"id": "u1"}, "expiresAt": "2027-08-01T00:00:00Z"}));
    world.settle(&change(vec![line("-", 3)]), "2026-10-01").unwrap();
    assert_eq!(world.snapshot.licenses[2].user(), Some(&super::world::user_id("u1")));
}

/// A purchase that Stripe tells in two events.
fn told(quantity: u32) -> Command {
    let purchase = super::world::purchase(vec![line("-", quantity)]);
    let named_by = NamedBy::Configuration;
    about(Action::Grant(Grant { named_by, ..purchase }))
}

#[test]
fn as_many_run_as_the_newest_change_says_in_whatever_order_it_is_told() {
    let (session, invoice) = ((told(1), "2026-09-01"), (told(3), "2026-09-02"));
    for seats in [1, 2, 5] {
        let update = (change(vec![line("-", seats)]), "2026-10-01");
        for order in [
            [&session, &invoice, &update],
            [&session, &update, &invoice],
            [&invoice, &session, &update],
            [&invoice, &update, &session],
            [&update, &session, &invoice],
            [&update, &invoice, &session],
        ] {
            let mut world = World::new();
            for (command, at) in order.into_iter().chain(order) {
                world.settle(command, at).unwrap();
            }
            let running = world.shown().iter().filter(|end| *end == "2027-09-01").count();
            assert_eq!(running, usize::try_from(seats).unwrap(), "{:?}", world.log);
        }
    }
}

#[test]
fn of_a_purchase_and_a_change_in_one_second_the_change_is_the_newer() {
    let update = change(vec![Line { mapping: None, ..line("-", 5) }]);
    let session = told(1);
    for order in [[&session, &update], [&update, &session]] {
        let mut world = World::new();
        for command in order {
            world.settle(command, "2026-09-01").unwrap();
        }
        assert_eq!(world.shown(), ["2027-09-01"; 5], "{:?}", world.log);
    }
}

#[test]
fn a_session_names_its_product_before_or_after_an_update_that_names_none() {
    let named = |product, named_by| {
        let purchase = super::world::purchase(vec![of(product, "-", 1)]);
        about(Action::Grant(Grant { named_by, ..purchase }))
    };
    let invoice = named("presumed", NamedBy::Configuration);
    let session = named("pro", NamedBy::Session);
    let update = change(vec![Line { mapping: None, ..line("-", 1) }]);
    for updated in ["2026-09-01", "2026-10-01"] {
        let [invoice, session] = [&invoice, &session].map(|command| (command, "2026-09-01"));
        let update = (&update, updated);
        for order in [
            [invoice, session, update],
            [invoice, update, session],
            [update, invoice, session],
            [update, session, invoice],
            [session, update, invoice],
        ] {
            let mut world = World::new();
            for (command, at) in order {
                world.settle(command, at).unwrap();
            }
            let running = world.snapshot.licenses.iter().filter(|l| !l.is_revoked());
            let running: Vec<_> =
                running.map(|l| (l.product_id.clone().unwrap(), l.is_suspended())).collect();
            assert_eq!(running, [(mapping("pro").product, false)], "{:?}", world.log);
        }
    }
}
