use jiff::SignedDuration;
use serde_json::{Value, json};

use super::world::{POLICY, about, renew_until};
use super::{World, at};
use crate::command::{
    Action, AtTheEnd, Cause, Command, Concern, Pays, Period, Renew, Reversal, Reversed, Stands,
    Through, Undated,
};
use crate::config::Policy;
use crate::ids::SubjectId;
use crate::plan::Refused;

fn license(expires: &str, interval: &str) -> Value {
    let expires = if expires == "never" { Value::Null } else { json!(at(expires)) };
    json!({"expiresAt": expires, "subscriptionInterval": interval})
}

#[test]
fn a_renewal_ends_where_the_payment_puts_it() {
    for (name, expires, interval, through, expected, step) in [
        ("in time, yearly", "2027-09-01", "P1Y", "2028-09-01", "2028-09-01", "renew"),
        (
            "in time, monthly, charged a while later",
            "2026-10-01",
            "P1M",
            "2026-11-01T01:00:00Z",
            "2026-11-01",
            "renew",
        ),
        (
            "in time, period ends hours before",
            "2026-10-01T12:00:00Z",
            "P1M",
            "2026-11-01",
            "2026-11-01",
            "renew",
        ),
        ("paid already", "2028-09-01", "P1Y", "2028-09-01", "2028-09-01", ""),
        ("paid beyond", "2030-01-01", "P1Y", "2028-09-01", "2030-01-01", ""),
        ("perpetual or not activated", "never", "P1Y", "2028-09-01", "never", ""),
        ("lapsed three months ago", "2026-06-01", "P1M", "2026-10-01", "2026-10-01", "set expiry"),
        ("moved by grace of a week", "2026-10-08", "P1M", "2026-11-01", "2026-11-01", "set expiry"),
        (
            "another period: yearly price, monthly template",
            "2027-09-01",
            "P1M",
            "2028-09-01",
            "2028-09-01",
            "set expiry",
        ),
        (
            "another period: monthly price, yearly template",
            "2026-10-01",
            "P1Y",
            "2026-11-01",
            "2026-11-01",
            "set expiry",
        ),
        ("no interval", "2026-10-01", "", "2026-11-01", "2026-11-01", "set expiry"),
        ("the day before", "2026-10-02T00:00:01Z", "P1M", "2026-11-01", "2026-11-01", "set expiry"),
        ("a leap day", "2027-02-28", "P1Y", "2028-02-29", "2028-02-29", "renew"),
        (
            "parts of a second round up",
            "2026-10-01",
            "P1M",
            "2026-11-20T00:00:00.1Z",
            "2026-11-20",
            "set expiry",
        ),
    ] {
        let mut world = World::with_license(license(expires, interval));
        let done = world.settle(&renew_until(through), "2026-09-10").unwrap();
        assert_eq!(world.shown(), [expected], "{name}: {done:?}");
        assert_eq!(
            done.first().is_some_and(|s| s.starts_with(step)),
            !step.is_empty(),
            "{name}: {done:?}"
        );
        let end = world.snapshot.licenses[0].expires_at;
        assert!(end.is_none_or(|end| end >= at(through)), "{name}: shorter than paid");
        assert_eq!(
            world.settle(&renew_until(through), "2026-09-10").unwrap(),
            [""; 0],
            "{name}, again"
        );
    }
}

#[test]
fn what_was_paid_for_a_time_that_is_over_moves_no_expiry_but_is_a_payment() {
    let mut world = World::with_license(license("2026-08-01", "P1M"));
    world.settle(&about(Action::PaymentFailed(None)), "2026-09-01").unwrap();
    world.settle(&renew_until("2026-09-01"), "2026-09-10").unwrap();
    assert_eq!(world.shown(), ["2026-08-01"]);
}

#[test]
fn leeway_is_kept_from_renewal_to_renewal() {
    let mut world = World::with_license(license("2026-10-01T02:00:00Z", "P1M"));
    world.policy = Policy { leeway: SignedDuration::from_hours(2), ..POLICY };
    let done = world.settle(&renew_until("2026-11-01"), "2026-10-01").unwrap();
    assert_eq!(done, ["renew license l1"]);
    assert_eq!(world.snapshot.licenses[0].expires_at, Some(at("2026-11-01T02:00:00Z")));
}

fn charge(order: &str, charged_at: &str) -> Command {
    let order = SubjectId::new(order).unwrap();
    let through =
        Through::NextPeriod { charged_at: at(charged_at), order, why: Undated::NotExpanded };
    about(Action::Renew(Renew { through, pays: Pays::ForThePeriod }))
}

#[test]
fn charge_without_a_date_advises_expansion_only_where_it_is_off() {
    let world = World::with_license(license("2026-10-01", "P1M"));
    for (why, advised) in [(Undated::NotExpanded, true), (Undated::NothingDue, false)] {
        let through = Through::NextPeriod {
            charged_at: at("2026-10-01"),
            order: SubjectId::new("ord_1").unwrap(),
            why,
        };
        let charge = about(Action::Renew(Renew { through, pays: Pays::ForThePeriod }));
        let warnings = world.plan(&charge, "2026-10-01").unwrap().warnings;
        let advises = |text: &&str| text.contains("expansion");
        assert_eq!((warnings.len(), warnings.iter().any(advises)), (1, advised), "{why:?}");
    }
}

#[test]
fn a_charge_without_a_date_renews_once_what_is_about_to_end() {
    for (name, expires, charged, expected) in [
        ("in time", "2026-10-01", "2026-10-01T01:00:00Z", "2026-11-01"),
        ("days before", "2026-10-05", "2026-10-01", "2026-11-05"),
        ("not about to end", "2026-10-20", "2026-10-01", "2026-10-20"),
        ("lapsed long ago", "2026-03-01", "2026-10-01", "2026-11-01"),
        ("perpetual", "never", "2026-10-01", "never"),
    ] {
        let mut world = World::with_license(license(expires, "P1M"));
        for _ in 0..3 {
            world.settle(&charge("ord_1", charged), "2026-10-01").unwrap();
            world.settle(&charge("ord_of_the_same_day", charged), "2026-10-01").unwrap();
        }
        assert_eq!(world.shown(), [expected], "{name}");
    }
    let mut world = World::with_license(license("2026-10-01", "P1M"));
    world.settle(&charge("ord_1", "2026-10-01"), "2026-10-01").unwrap();
    world.settle(&charge("ord_1", "2026-11-01"), "2026-11-01").unwrap();
    assert_eq!(world.shown(), ["2026-11-01"], "an order was counted twice");
    assert!(!world.plan(&charge("ord_2", "2026-11-01"), "2026-11-01").unwrap().warnings.is_empty());
}

fn command(word: &str) -> Command {
    match word {
        "pay" => renew_until("2026-12-01"),
        "update" => {
            let through = Through::Until(at("2026-12-01"));
            about(Action::Renew(Renew { through, pays: Pays::ForAChange }))
        }
        "fail" => about(Action::PaymentFailed(None)),
        "pause" => about(Action::Suspend(Cause::Pause)),
        "resume" => about(Action::Resume(&[Cause::Pause])),
        "end" => about(Action::End),
        "next" => renew_until("2027-02-01"),
        "shorter" => renew_until("2026-11-01"),
        "dispute-shorter" => {
            let of = Period { at: at("2026-10-05"), through: Some(at("2026-11-01")) };
            let (cause, stands) = (Cause::Dispute, Stands::Open);
            about(Action::Reverse(Reversal {
                cause,
                stands,
                since: None,
                of: Reversed::Period(of),
            }))
        }
        "refund" => reversal(Cause::Refund, Stands::Open, "2026-12-01"),
        "refund-old" => reversal(Cause::Refund, Stands::Open, "2026-10-01"),
        "unrefund" => reversal(Cause::Refund, Stands::TakenBack, "2026-12-01"),
        "dispute" => reversal(Cause::Dispute, Stands::Open, "2026-12-01"),
        "won" => reversal(Cause::Dispute, Stands::TakenBack, "2026-12-01"),
        "won-old" => reversal(Cause::Dispute, Stands::TakenBack, "2026-10-01"),
        "unrefund-old" => reversal(Cause::Refund, Stands::TakenBack, "2026-10-01"),
        "pay-old" => renew_until("2026-09-30"),
        "lost" => reversal(Cause::Dispute, Stands::Lost, "2026-12-01"),
        other => panic!("{other}"),
    }
}

/// Of what was paid when its license was made, or on the second day.
fn reversal(cause: Cause, stands: Stands, paid_until: &str) -> Command {
    let paid = if paid_until == "2026-12-01" { "2026-10-02" } else { "2026-08-01" };
    let of = Reversed::Period(Period { at: at(paid), through: Some(at(paid_until)) });
    about(Action::Reverse(Reversal { cause, stands, since: None, of }))
}

/// Each story is `word day` pairs in the order of delivery; the days are the events' own times.
fn story(text: &str) -> String {
    played(&mut World::with_license(license("2026-10-01", "P2M")), text)
}

fn played(world: &mut World, text: &str) -> String {
    for event in text.split(", ") {
        let (word, day) = event.split_once(' ').unwrap();
        world.settle(&command(word), &format!("2026-10-{day:0>2}")).unwrap();
    }
    world.shown()[0].clone()
}

#[test]
fn an_older_event_never_undoes_a_newer_one() {
    for (text, expected) in [
        ("fail 2", "2026-10-01 suspended"),
        ("fail 2, pay 3", "2026-12-01"),
        ("pay 3, fail 2", "2026-12-01"),
        ("fail 3, pay 3", "2026-12-01"),
        ("pay 3, fail 3", "2026-12-01"),
        ("pay 2, fail 3", "2026-12-01 suspended"),
        ("fail 3, pay 2", "2026-12-01 suspended"),
        ("pause 2, resume 3", "2026-10-01"),
        ("resume 3, pause 2", "2026-10-01"),
        ("pause 3, resume 3", "2026-10-01 suspended"),
        ("resume 3, pause 3", "2026-10-01 suspended"),
        ("pause 2, fail 3, resume 4", "2026-10-01 suspended"),
        ("pause 2, fail 3, resume 4, pay 5", "2026-12-01"),
        ("pause 2, fail 2, pay 3", "2026-12-01"),
        ("pause 2, update 3", "2026-12-01 suspended"),
        ("pause 2, fail 2, update 3", "2026-12-01 suspended"),
        ("update 3, pause 2", "2026-12-01 suspended"),
        ("update 3, fail 2", "2026-12-01"),
        ("fail 2, update 3", "2026-12-01"),
        ("end 3", "2026-10-01 revoked"),
        ("end 3, pay 2", "2026-10-01 revoked"),
        ("pay 2, end 3", "2026-12-01 revoked"),
        ("end 3, pay 3", "2026-10-01 revoked"),
        ("end 3, pay 4", "2026-12-01"),
        ("pay 4, end 3", "2026-12-01"),
        ("end 3, fail 2", "2026-10-01 revoked"),
        ("fail 2, end 3, pay 4", "2026-12-01"),
        ("end 3, resume 3", "2026-10-01 revoked"),
        ("pay 2, refund 3", "2026-12-01 suspended"),
        ("refund 3, pay 2", "2026-12-01 suspended"),
        ("pay 2, refund-old 3", "2026-12-01"),
        ("pay 2, refund 3, pay 4", "2026-12-01 suspended"),
        ("pay 2, refund 3, next 4", "2027-02-01"),
        ("pay 2, refund 3, unrefund 4", "2026-12-01"),
        ("pay 2, unrefund 4, refund 3", "2026-12-01"),
        ("pay 2, dispute 3, resume 4", "2026-12-01 suspended"),
        ("pay 2, dispute 3, update 4", "2026-12-01 suspended"),
        ("pay 2, dispute 3, next 4", "2027-02-01 suspended"),
        ("pay 2, dispute 3, won 4", "2026-12-01"),
        ("pay 2, won 4, dispute 3", "2026-12-01"),
        ("pay 2, pause 3, dispute 4, won 5", "2026-12-01 suspended"),
        ("pay 2, dispute 3, lost 5", "2026-12-01 suspended revoked"),
        // What came back is another payment than the one that is disputed or refunded.
        ("pay 2, dispute 3, won-old 4", "2026-12-01 suspended"),
        ("pay 2, dispute 3, won-old 4, won 5", "2026-12-01"),
        ("pay 2, refund 3, refund-old 4, unrefund-old 5", "2026-12-01 suspended"),
        // A period that was paid meanwhile does not keep a dispute from ending.
        ("pay 2, dispute 3, next 4, lost 5", "2027-02-01 suspended revoked"),
        // Who changes from years to months pays for less than what was refunded.
        ("pay 2, refund 3, shorter 4", "2026-12-01"),
        ("pay 2, shorter 4, refund 5", "2026-12-01"),
        ("pay 2, dispute 3, won 4, shorter 5, dispute-shorter 6", "2026-12-01"),
        // What a dispute came to does not outlive it.
        ("pay 2, dispute 3, lost 4, next 5", "2027-02-01"),
        // A last invoice for what is over is no reason to begin again.
        ("pay 2, end 3, pay-old 4", "2026-12-01 revoked"),
    ] {
        assert_eq!(story(text), expected, "{text}");
    }
}

#[test]
fn a_payment_resumes_what_is_suspended_without_a_recorded_cause_and_a_resumption_does_not() {
    let suspended =
        json!({"suspended": true, "expiresAt": at("2026-10-01"), "subscriptionInterval": "P2M"});
    for (word, expected) in [
        ("pay", "2026-12-01"),
        ("update", "2026-12-01 suspended"),
        ("resume", "2026-10-01 suspended"),
    ] {
        let mut world = World::with_license(suspended.clone());
        world.settle(&command(word), "2026-10-02").unwrap();
        assert_eq!(world.shown(), [expected], "{word}");
    }
}

#[test]
fn expiry_comes_before_the_end_of_a_suspension() {
    let mut world = World::with_license(license("2026-06-01", "P1M"));
    world.settle(&command("fail"), "2026-10-02").unwrap();
    let done = world.settle(&command("pay"), "2026-10-03").unwrap();
    assert_eq!(done, ["set expiry of license l1 to 2026-12-01T00:00:00Z", "resume license l1"]);
}

#[test]
fn a_revoked_license_without_a_known_end_stays_revoked() {
    let mut world = World::with_license(json!({"revoked": true}));
    assert!(!world.plan(&command("pay"), "2026-10-02").unwrap().warnings.is_empty());
    world.settle(&renew_until("2028-09-01"), "2027-09-01").unwrap();
    assert_eq!(world.shown(), ["2028-09-01 revoked"]);
}

#[test]
fn the_end_is_a_policy() {
    for (at_the_end, expected) in [
        (AtTheEnd::Revoke, vec!["2027-09-01 revoked"; 2]),
        (AtTheEnd::Suspend, vec!["2027-09-01 suspended"; 2]),
        (AtTheEnd::Delete, Vec::new()),
        (AtTheEnd::Nothing, vec!["2027-09-01"; 2]),
    ] {
        let mut world = World::with_license(json!({}));
        world.add(json!({}));
        world.policy = Policy { at_the_end, ..POLICY };
        for _ in 0..2 {
            world.settle(&command("end"), "2026-10-02").unwrap();
            assert_eq!(world.shown(), expected, "{at_the_end:?}");
        }
        let paid = world.settle(&renew_until("2028-09-01"), "2026-10-03");
        match at_the_end {
            AtTheEnd::Delete => assert!(matches!(paid, Err(Refused::Deleted(_)))),
            AtTheEnd::Revoke | AtTheEnd::Suspend | AtTheEnd::Nothing => {
                assert_eq!(world.shown(), ["2028-09-01"; 2], "{at_the_end:?}");
            }
        }
    }
}

#[test]
fn what_was_paid_beside_the_period_is_for_a_person_to_judge() {
    let mut world = World::with_license(license("2026-10-01", "P2M"));
    for cause in [Cause::Refund, Cause::Dispute] {
        let (stands, of) = (Stands::Open, Reversed::Beside);
        let reversal = about(Action::Reverse(Reversal { cause, stands, since: None, of }));
        let plan = world.plan(&reversal, "2026-10-02").unwrap();
        assert_eq!(plan.concern, Some(Concern::NothingReversed));
        world.settle(&reversal, "2026-10-02").unwrap();
        assert_eq!(world.shown(), ["2026-10-01"]);
    }
}

#[test]
fn what_runs_on_at_the_end_does_not_run_on_without_money() {
    let mut world = World::with_license(license("2026-10-01", "P2M"));
    world.policy = Policy { at_the_end: AtTheEnd::Nothing, ..POLICY };
    world.settle(&command("pay"), "2026-10-02").unwrap();
    for _ in 0..2 {
        world.settle(&command("lost"), "2026-10-03").unwrap();
        assert_eq!(world.shown(), ["2026-12-01 suspended"]);
    }
}

#[test]
fn grace_runs_from_the_first_failure_and_suspends_nobody() {
    let mut world = World::with_license(license("2026-10-01", "P1M"));
    world.policy = Policy { grace: SignedDuration::from_hours(7 * 24), ..POLICY };
    for day in ["2026-10-02", "2026-10-05", "2026-10-06"] {
        world.settle(&command("fail"), day).unwrap();
        assert_eq!(world.shown(), ["2026-10-09"], "{day}");
    }
    world.settle(&command("pay"), "2026-10-07").unwrap();
    assert_eq!(world.shown(), ["2026-12-01"]);
    world.settle(&command("fail"), "2026-10-06").unwrap();
    world.settle(&command("fail"), "2026-12-01").unwrap();
    assert_eq!(world.shown(), ["2026-12-08"]);
}

#[test]
fn a_failure_outranks_a_resumption_of_the_same_time_and_a_payment_the_failure() {
    let active = about(Action::Resume(&[Cause::Payment, Cause::Pause]));
    let (fail, pay) = (command("fail"), command("pay"));
    for (story, expected) in [
        // The first failure of the second day counts, and seven days from then.
        ([(&fail, "02"), (&active, "02"), (&fail, "04")], "2026-10-09"),
        ([(&active, "02"), (&fail, "02"), (&fail, "04")], "2026-10-09"),
        ([(&fail, "02"), (&active, "03"), (&fail, "04")], "2026-10-11"),
        ([(&fail, "02"), (&pay, "02"), (&active, "02")], "2026-12-01"),
        ([(&pay, "02"), (&fail, "02"), (&active, "02")], "2026-12-01"),
    ] {
        let mut world = World::with_license(license("2026-10-01", "P2M"));
        world.policy = Policy { grace: SignedDuration::from_hours(7 * 24), ..POLICY };
        for (command, day) in story {
            world.settle(command, &format!("2026-10-{day}")).unwrap();
        }
        assert_eq!(world.shown(), [expected], "{story:?}");
    }
}

#[test]
fn what_comes_before_its_purchase_is_remembered() {
    use super::world::{grant, line};
    for (before, expected) in
        [("pause", vec!["2027-09-01 suspended"]), ("end", vec![]), ("resume", vec!["2027-09-01"])]
    {
        let mut world = World::new();
        world.settle(&command(before), "2026-10-02").unwrap();
        world.settle(&grant(vec![line("-", 1)]), "2026-10-01").unwrap();
        assert_eq!(world.shown(), expected, "{before}");
    }
}

/// What is left alone at the end ends as if there had been none.
#[test]
fn what_is_left_alone_at_the_end_is_not_over() {
    for (text, expected) in [
        ("pause 2, end 3, resume 4", "2026-10-01"),
        ("pause 2, end 4, resume 3", "2026-10-01"),
        ("end 4, resume 3, pause 2", "2026-10-01"),
        ("pause 2, end 3", "2026-10-01 suspended"),
        ("end 3, pay 2", "2026-12-01"),
        ("pay 2, end 3, fail 2", "2026-12-01"),
    ] {
        let mut world = World::with_license(license("2026-10-01", "P2M"));
        world.policy = Policy { at_the_end: AtTheEnd::Nothing, ..POLICY };
        assert_eq!(played(&mut world, text), expected, "{text}");
    }
}
