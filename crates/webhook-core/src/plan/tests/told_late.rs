//! A purchase, its first payment and changes of it, told in an order that nobody would choose.

use super::world::{POLICY, about, grant, line, mapping, purchase, renew_until};
use super::{World, at};
use crate::command::{
    Action, AtTheEnd, Cause, Command, Grant, Line, NamedBy, Pays, Period, QuantityMeans, Reversal,
    Reversed, Stands, Subscribed, Term, Unmapped,
};
use crate::config::Policy;
use crate::ids::Mark;
use crate::plan::Refused;

fn seats(product: Option<&str>, quantity: u32) -> Line {
    let quantity_means = Some(QuantityMeans::Licenses);
    Line { mapping: product.map(mapping), quantity_means, ..line("-", quantity) }
}

fn change(lines: Vec<Line>) -> Command {
    about(Action::ChangePlan(Subscribed { lines, unmapped: Vec::new(), with_add_ons: true }))
}

fn bought(named_by: NamedBy, line: Line, paid_through: Option<&str>) -> Command {
    let paid_through = paid_through.map(at);
    about(Action::Grant(Grant { named_by, paid_through, ..purchase(vec![line]) }))
}

fn added(key: &str, quantity: u32) -> Command {
    about(Action::Grant(Grant { pays: Pays::Beside, ..purchase(vec![line(key, quantity)]) }))
}

#[test]
fn seats_that_were_added_before_anybody_knew_the_end_end_with_the_first() {
    for (interval, paid_through) in
        [("P1M", "2027-09-01"), ("P1Y", "2026-09-15"), ("P1Y", "2027-09-01")]
    {
        let mut world = World::new();
        world.interval = interval;
        let session = bought(NamedBy::Session, seats(Some("pro"), 1), None);
        world.settle(&session, "2026-09-01T00:00:00Z").unwrap();
        // Told two days later.
        world.now = at("2026-09-03");
        world.settle(&change(vec![seats(None, 3)]), "2026-09-01T00:30:00Z").unwrap();
        let invoice = bought(NamedBy::Subscription, seats(Some("pro"), 1), Some(paid_through));
        for _ in 0..2 {
            world.settle(&invoice, "2026-09-01T00:00:02Z").unwrap();
            assert_eq!(world.shown(), [paid_through; 3], "{interval}");
        }
    }
}

#[test]
fn a_change_between_the_making_and_the_payment_of_an_invoice_counts() {
    let first = |quantity| {
        let invoice = purchase(vec![seats(Some("pro"), quantity)]);
        let (named_by, paid_through) = (NamedBy::Subscription, Some(at("2027-09-01")));
        let lines_at = Some(at("2026-09-01"));
        about(Action::Grant(Grant { named_by, paid_through, lines_at, ..invoice }))
    };
    let running = |world: &World| {
        let shown = world.shown();
        shown.iter().filter(|shown| shown.as_str() == "2027-09-01").count()
    };
    for (bought, changed) in [(2, 5), (5, 2), (3, 3)] {
        let mut events =
            [(change(vec![seats(None, changed)]), "2026-09-02"), (first(bought), "2026-09-04")];
        for _ in 0..2 {
            let mut world = World::new();
            for (command, told_at) in &events {
                world.settle(command, told_at).unwrap();
            }
            assert_eq!(running(&world), usize::try_from(changed).unwrap(), "{bought} {changed}");
            events.reverse();
        }
    }
    let mut events =
        [(change(vec![seats(Some("other"), 1)]), "2026-09-02"), (first(1), "2026-09-04")];
    for _ in 0..2 {
        let mut world = World::new();
        for (command, told_at) in &events {
            world.settle(command, told_at).unwrap();
        }
        let licenses = world.snapshot.licenses.iter().filter(|license| !license.is_revoked());
        let products: Vec<_> = licenses
            .filter_map(|license| license.product_id.as_ref())
            .map(|id| id.as_str())
            .collect();
        assert_eq!(products, ["other"]);
        events.reverse();
    }
}

#[test]
fn a_session_that_is_paid_late_knows_its_product_better_than_what_was_said_before() {
    let at_first = Some(at("2026-09-01"));
    let named = |named_by, product, paid_through| {
        let bought = purchase(vec![seats(Some(product), 1)]);
        about(Action::Grant(Grant { named_by, paid_through, lines_at: at_first, ..bought }))
    };
    let mut events = vec![
        (change(vec![seats(Some("said"), 1)]), "2026-09-02"),
        (named(NamedBy::Subscription, "said", Some(at("2027-09-01"))), "2026-09-04"),
        (named(NamedBy::Session, "sold", None), "2026-09-04"),
    ];
    for turn in 0..6 {
        let mut world = World::new();
        for (command, told_at) in &events {
            world.settle(command, told_at).unwrap();
        }
        let licenses = world.snapshot.licenses.iter().filter(|license| !license.is_revoked());
        let products: Vec<_> =
            licenses.filter_map(|license| license.product_id.as_ref()?.as_str().into()).collect();
        assert_eq!(products, ["sold"], "{turn}");
        events.rotate_left(1);
        if turn == 2 {
            events.swap(0, 1);
        }
    }
}

#[test]
fn what_takes_the_place_of_a_presumed_product_runs_as_long_as_was_paid() {
    for (at_the_end, expected) in [
        (AtTheEnd::Revoke, vec!["2027-09-01 revoked", "2026-10-01"]),
        (AtTheEnd::Delete, vec!["2026-10-01"]),
        (AtTheEnd::Nothing, vec!["2026-10-01", "2026-10-01"]),
    ] {
        let mut world = World::new();
        world.policy = Policy { at_the_end, ..POLICY };
        let session = bought(NamedBy::Configuration, seats(Some("yearly"), 1), None);
        world.settle(&session, "2026-09-01T00:00:00Z").unwrap();
        (world.interval, world.now) = ("P1M", at("2026-09-03"));
        world.settle(&change(vec![seats(Some("monthly"), 1)]), "2026-09-01T00:00:01Z").unwrap();
        let invoice = bought(NamedBy::Subscription, seats(Some("monthly"), 1), Some("2026-10-01"));
        world.settle(&invoice, "2026-09-01T00:00:02Z").unwrap();
        assert_eq!(world.shown(), expected);
    }
}

#[test]
fn a_session_that_comes_last_names_the_product_and_not_how_many() {
    let mut world = World::new();
    let invoice = bought(NamedBy::Configuration, seats(Some("pro"), 3), Some("2027-09-01"));
    world.settle(&invoice, "2026-09-01").unwrap();
    world.settle(&change(vec![seats(None, 1)]), "2026-09-01T01:00:00Z").unwrap();
    let session = bought(NamedBy::Session, seats(Some("other"), 3), None);
    world.settle(&session, "2026-09-01").unwrap();
    let running: Vec<String> =
        world.shown().into_iter().filter(|shown| !shown.contains("revoked")).collect();
    assert_eq!(running, ["2027-09-01", "2027-09-01 suspended", "2027-09-01 suspended"]);
}

#[test]
fn what_was_given_up_and_is_bought_again_comes_back() {
    for (before, after) in [(1, 1), (1, 2), (2, 1)] {
        let mut world = World::new();
        let both = vec![line("pro", 1), line("addon:pro/extra", before)];
        world.settle(&grant(both), "2026-09-01").unwrap();
        world.settle(&change(vec![line("pro", 1)]), "2026-10-01").unwrap();
        world.settle(&added("addon:pro/extra", after), "2026-10-02").unwrap();
        let valid = world.shown().iter().filter(|shown| !shown.contains("suspended")).count();
        assert_eq!(valid, 1 + usize::try_from(after).unwrap(), "{before} {after}");
        // An older purchase that is told again gives nothing back.
        world.settle(&change(vec![line("pro", 1)]), "2026-10-03").unwrap();
        world.settle(&added("addon:pro/extra", after), "2026-10-02").unwrap();
        let valid = world.shown().iter().filter(|shown| !shown.contains("suspended")).count();
        assert_eq!(valid, 1, "{before} {after}");
    }
}

#[test]
fn an_older_change_does_not_speak_of_what_was_added_since() {
    let mut world = World::new();
    world.settle(&grant(vec![line("pro", 1)]), "2026-09-01").unwrap();
    world.settle(&added("addon:pro/support", 1), "2026-10-02").unwrap();
    let older = change(vec![line("pro", 2)]);
    for _ in 0..2 {
        world.settle(&older, "2026-10-01").unwrap();
        assert_eq!(world.shown(), ["2027-09-01"; 3]);
    }
    world.settle(&change(vec![line("pro", 2)]), "2026-10-03").unwrap();
    assert_eq!(world.shown(), ["2027-09-01", "2027-09-01 suspended", "2027-09-01"]);
}

#[test]
fn an_older_order_of_an_add_on_does_not_make_a_newer_one_old() {
    let mut world = World::new();
    world.settle(&grant(vec![line("pro", 1)]), "2026-09-01").unwrap();
    world.settle(&added("addon:pro/extra", 1), "2026-10-03").unwrap();
    world.settle(&added("addon:pro/extra", 1), "2026-10-01").unwrap();
    world.settle(&change(vec![line("pro", 1)]), "2026-10-02").unwrap();
    assert_eq!(world.shown(), ["2027-09-01"; 2]);
}

#[test]
fn a_renewal_that_is_told_before_the_first_payment_makes_no_year_of_a_month() {
    let mut world = World::new();
    world.settle(&bought(NamedBy::Session, seats(Some("yearly"), 1), None), "2026-09-01").unwrap();
    world.settle(&renew_until("2026-10-15"), "2026-09-15").unwrap();
    (world.interval, world.now) = ("P1M", at("2026-09-17"));
    world.settle(&change(vec![seats(Some("monthly"), 2)]), "2026-09-16").unwrap();
    let invoice = bought(NamedBy::Subscription, seats(Some("yearly"), 1), Some("2026-09-15"));
    world.settle(&invoice, "2026-09-01").unwrap();
    let running: Vec<String> =
        world.shown().into_iter().filter(|shown| !shown.contains("revoked")).collect();
    assert_eq!(running, ["2026-10-15"; 2]);
}

#[test]
fn a_change_waits_for_what_it_was_added_to() {
    let extra = || Line {
        driver: Some("addon_pro".to_owned()),
        term: Term::AsParent(None),
        metadata: vec![Mark::new("fastspring_driver", "addon_pro").unwrap()],
        ..line("addon:pro/extra", 1)
    };
    let mut world = World::new();
    world.interval = "P1M";
    let first = Grant { pays: Pays::Beside, ..purchase(vec![extra()]) };
    world.settle(&about(Action::Grant(first)), "2026-09-02").unwrap();
    world.settle(&change(vec![line("pro", 1), extra()]), "2026-09-03").unwrap();
    assert_eq!(world.shown(), ["2026-10-01"]);
    world.interval = "P1Y";
    world.settle(&grant(vec![line("pro", 1)]), "2026-09-01").unwrap();
    assert_eq!(world.shown(), ["2027-09-01"; 2]);
}

#[test]
fn of_two_prices_of_a_product_the_one_that_is_given_up_goes() {
    let seats = |key: &str, quantity| Line {
        quantity_means: Some(QuantityMeans::Activations),
        ..line(key, quantity)
    };
    for (kept, quantity, expected) in [
        ("one", 3, [(false, Some(3)), (true, Some(2))]),
        ("two", 2, [(true, Some(3)), (false, Some(2))]),
        ("two", 4, [(true, Some(3)), (false, Some(4))]),
    ] {
        let mut world = World::new();
        world.settle(&grant(vec![seats("one", 3), seats("two", 2)]), "2026-09-01").unwrap();
        for _ in 0..2 {
            world.settle(&change(vec![seats(kept, quantity)]), "2026-10-01").unwrap();
            let licenses = world.snapshot.licenses.iter();
            let found: Vec<_> =
                licenses.map(|license| (license.is_suspended(), license.activations())).collect();
            assert_eq!(found, expected, "{kept} {quantity}");
        }
    }
}

#[test]
fn what_was_replaced_and_runs_on_is_suspended_no_longer_than_the_rest() {
    let mut world = World::new();
    world.policy = Policy { at_the_end: AtTheEnd::Nothing, ..POLICY };
    let of = |product: &str, key: &str| Line { mapping: Some(mapping(product)), ..line(key, 1) };
    world.settle(&grant(vec![of("yearly", "one")]), "2026-09-01").unwrap();
    world.interval = "P1M";
    world.settle(&change(vec![of("monthly", "two")]), "2026-09-02").unwrap();
    world.settle(&about(Action::PaymentFailed(None)), "2026-10-01").unwrap();
    assert!(world.shown().iter().all(|shown| shown.contains("suspended")));
    world.settle(&renew_until("2027-11-01"), "2026-10-03").unwrap();
    assert_eq!(world.shown(), ["2027-09-01", "2027-11-01"]);
}

#[test]
fn a_payment_for_what_became_ours_or_was_deleted_is_no_success() {
    let foreign = Line { mapping: None, ..line("free", 1) };
    let unmapped = vec![Unmapped { line: "free".to_owned(), problem: "no product".to_owned() }];
    let mut world = World::new();
    world.policy = Policy { accept_unmapped: true, ..POLICY };
    let accepted = Grant { unmapped, ..purchase(vec![foreign]) };
    world.settle(&about(Action::Grant(accepted)), "2026-09-01").unwrap();
    assert_eq!(world.settle(&renew_until("2026-11-01"), "2026-10-01"), Ok(Vec::new()));
    world.settle(&change(vec![line("pro", 1)]), "2026-10-02").unwrap();
    let refused = world.settle(&renew_until("2026-12-01"), "2026-11-01");
    assert!(matches!(refused, Err(Refused::NoLicense(_))), "{refused:?}");

    let mut world = World::new();
    world.policy = Policy { at_the_end: AtTheEnd::Delete, ..POLICY };
    let paid_through = Some(at("2026-10-01"));
    let first = Grant { paid_through, ..purchase(vec![line("pro", 1)]) };
    world.settle(&about(Action::Grant(first)), "2026-09-01").unwrap();
    for (stands, told_at) in [(Stands::Open, "2026-09-02"), (Stands::Lost, "2026-09-10")] {
        let of = Reversed::Period(Period { at: at("2026-09-01"), through: paid_through });
        let dispute = Reversal { of, cause: Cause::Dispute, stands, since: None };
        world.settle(&about(Action::Reverse(dispute)), told_at).unwrap();
    }
    assert_eq!(world.shown(), [""; 0]);
    let refused = world.settle(&renew_until("2027-09-01"), "2026-10-01");
    assert!(matches!(refused, Err(Refused::Deleted(_))), "{refused:?}");
}
