use serde_json::json;

use super::world::{POLICY, about, line, purchase, renew_until};
use super::{World, at};
use crate::command::{
    Action, AtTheEnd, Cause, Command, Concern, Grant, Period, Reversal, Reversed, Stands,
};
use crate::config::Policy;

const SEPTEMBER: (&str, &str) = ("2026-09-01", "2026-10-01");

fn paid(period: (&str, &str)) -> (Command, String) {
    (renew_until(period.1), period.0.to_owned())
}

fn reversal(
    (cause, stands): (Cause, Stands),
    (paid, until): (&str, &str),
    day: &str,
) -> (Command, String) {
    let of = Reversed::Period(Period { at: at(paid), through: Some(at(until)) });
    (about(Action::Reverse(Reversal { cause, stands, since: None, of })), day.to_owned())
}

const REFUND: (Cause, Stands) = (Cause::Refund, Stands::Open);
const REFUND_FAILED: (Cause, Stands) = (Cause::Refund, Stands::TakenBack);
const DISPUTE: (Cause, Stands) = (Cause::Dispute, Stands::Open);
const WON: (Cause, Stands) = (Cause::Dispute, Stands::TakenBack);
const LOST: (Cause, Stands) = (Cause::Dispute, Stands::Lost);

fn license() -> World {
    World::with_license(json!({"expiresAt": at("2026-09-01"), "subscriptionInterval": "P1M"}))
}

fn play(world: &mut World, story: &[(Command, String)]) -> Vec<String> {
    let mut shown = Vec::new();
    for (command, time) in story {
        world.settle(command, time).unwrap();
        shown = world.shown();
    }
    shown
}

#[test]
fn a_dispute_of_a_period_that_was_made_up_for_by_then_changes_nothing_in_any_order() {
    let october = ("2026-10-01", "2026-11-01");
    let (september, dispute) = (paid(SEPTEMBER), reversal(DISPUTE, SEPTEMBER, "2026-10-03"));
    let lost = reversal(LOST, SEPTEMBER, "2026-10-20");
    for story in [
        [september.clone(), paid(october), dispute.clone(), lost.clone()],
        [september.clone(), dispute.clone(), paid(october), lost.clone()],
    ] {
        let mut world = license();
        assert_eq!(play(&mut world, &story), ["2026-11-01"]);
        let again = reversal(LOST, SEPTEMBER, "2026-10-21");
        let plan = world.plan(&again.0, &again.1).unwrap();
        assert_eq!(plan.concern, Some(Concern::NothingReversed));
    }
    let late = ("2026-10-05", "2026-11-01");
    for story in
        [[september.clone(), dispute.clone(), paid(late)], [september, paid(late), dispute]]
    {
        let shown = play(&mut license(), &story);
        assert_eq!(shown, ["2026-11-01 suspended"], "a payment does not end a dispute");
    }
}

/// The checkout session does not say until when it pays; the first invoice does, at another time.
#[test]
fn a_purchase_that_is_told_by_two_events_is_one_payment() {
    let told = |day: &str, end: Option<&str>| {
        let paid_through = end.map(at);
        let grant = Grant { paid_through, ..purchase(vec![line("-", 1)]) };
        (about(Action::Grant(grant)), day.to_owned())
    };
    let between = |what: (Cause, Stands), day: &str| {
        let of = Reversed::Period(Period { at: at("2026-09-01"), through: None });
        let (cause, stands) = what;
        (about(Action::Reverse(Reversal { cause, stands, since: None, of })), day.to_owned())
    };
    for invoiced in ["2026-08-31", "2026-09-01", "2026-09-02"] {
        let whole = (invoiced, "2027-09-01");
        let (session, invoice) = (told("2026-09-01", None), told(invoiced, Some("2027-09-01")));
        for (gone, end, expected) in [
            (REFUND, None, "2027-09-01 suspended"),
            (DISPUTE, None, "2027-09-01 suspended"),
            (REFUND, Some(REFUND_FAILED), "2027-09-01"),
            (DISPUTE, Some(WON), "2027-09-01"),
            (DISPUTE, Some(LOST), "2027-09-01 suspended revoked"),
        ] {
            for ends_by_invoice in [true, false] {
                let end = end.map(|end| match ends_by_invoice {
                    true => reversal(end, whole, "2026-10-10"),
                    false => between(end, "2026-10-10"),
                });
                let gone = between(gone, "2026-10-03");
                let story = [session.clone(), gone, invoice.clone()].into_iter().chain(end);
                let shown = play(&mut World::new(), &story.collect::<Vec<_>>());
                assert_eq!(shown, [expected], "invoice of {invoiced}");
            }
        }
    }
}

#[test]
fn what_went_back_itself_makes_up_for_nothing() {
    let (year, month) = (("2026-09-01", "2027-09-01"), ("2026-09-05", "2026-10-05"));
    for gone in [REFUND, DISPUTE] {
        let back = (gone.0, Stands::TakenBack);
        let mut story = vec![paid(year), reversal(REFUND, year, "2026-09-03"), paid(month)];
        assert_eq!(play(&mut license(), &story), ["2027-09-01"], "the month is paid");
        story.push(reversal(gone, month, "2026-09-10"));
        assert_eq!(play(&mut license(), &story), ["2027-09-01 suspended"], "neither is");
        for back in
            [reversal(back, month, "2026-09-11"), reversal(REFUND_FAILED, year, "2026-09-11")]
        {
            let story = [&story[..], &[back]].concat();
            assert_eq!(play(&mut license(), &story), ["2027-09-01"], "one is");
        }
        story.push(paid(("2026-10-05", "2026-11-05")));
        let next = play(&mut license(), &story);
        let expected = if gone == REFUND { "2027-09-01" } else { "2027-09-01 suspended" };
        assert_eq!(next, [expected], "a payment makes up for a refund, and for no dispute");
    }
}

#[test]
fn what_came_back_before_the_end_is_there_when_it_is_paid_for_again() {
    let year = ("2026-09-01", "2027-09-01");
    let (gone, back) = (reversal(DISPUTE, year, "2026-09-10"), reversal(WON, year, "2026-09-15"));
    let end = (about(Action::End), "2026-09-20".to_owned());
    let next = paid(("2026-10-01", "2027-10-01"));
    let shown = play(&mut license(), &[paid(year), gone, end, back, next]);
    assert_eq!(shown, ["2027-10-01"]);
}

#[test]
fn a_dispute_that_is_lost_before_it_is_told_was_open_since_it_was_opened() {
    let year = ("2026-09-01", "2027-09-01");
    let of = Reversed::Period(Period { at: at(year.0), through: Some(at(year.1)) });
    let (cause, stands) = LOST;
    let lost = Reversal { cause, stands, since: Some(at("2026-09-10")), of };
    let lost = (about(Action::Reverse(lost)), "2026-09-20".to_owned());
    let dispute = reversal(DISPUTE, year, "2026-09-10");
    let mut world = license();
    let story = [paid(year), paid(("2026-09-15", "2027-10-01")), lost, dispute];
    assert_eq!(play(&mut world, &story), ["2027-10-01 revoked"]);
    assert_eq!(play(&mut world, &[paid(("2026-10-01", "2027-11-01"))]), ["2027-11-01"]);
}
#[test]
fn what_is_left_alone_at_the_end_runs_again_when_its_money_comes_back() {
    let year = ("2026-09-01", "2027-09-01");
    let end = (about(Action::End), "2026-09-20".to_owned());
    for (gone, back) in [(REFUND, REFUND_FAILED), (DISPUTE, WON)] {
        let gone = reversal(gone, year, "2026-09-10");
        // Before the end and after it.
        for day in ["2026-09-15", "2026-09-25"] {
            let back = reversal(back, year, day);
            for story in [
                [paid(year), gone.clone(), end.clone(), back.clone()],
                [paid(year), gone.clone(), back.clone(), end.clone()],
                [paid(year), end.clone(), back.clone(), gone.clone()],
            ] {
                let mut world = license();
                world.policy = Policy { at_the_end: AtTheEnd::Nothing, ..POLICY };
                assert_eq!(play(&mut world, &story), ["2027-09-01"], "{day}");
            }
        }
    }
}
