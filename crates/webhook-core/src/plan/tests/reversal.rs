use proptest::prelude::*;
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

/// Before anything says until when its payment pays.
fn between((cause, stands): (Cause, Stands), paid: &str, day: &str) -> (Command, String) {
    let of = Reversed::Period(Period { at: at(paid), through: None });
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
            let end = end.map(|end| reversal(end, whole, "2026-10-10"));
            let gone = between(gone, "2026-09-01", "2026-10-03");
            let story = [session.clone(), gone, invoice.clone()].into_iter().chain(end);
            let shown = play(&mut World::new(), &story.collect::<Vec<_>>());
            assert_eq!(shown, [expected], "invoice of {invoiced}");
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

/// An event of a small story: what it is, of which of the two payments, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    /// The checkout session of the first payment: it does not say until when.
    Session,
    Paid(usize),
    Went(usize, (Cause, Stands), u8),
    End(u8),
}

#[derive(Debug, Clone)]
struct Story {
    /// Day and end of each payment.
    payments: [(u8, &'static str); 2],
    /// The day that the session was told.
    session: u8,
    at_the_end: AtTheEnd,
    /// In the order of their times.
    events: Vec<Event>,
}

fn day(day: u8) -> String {
    format!("2026-08-{day:02}")
}

impl Story {
    fn time(&self, event: Event) -> u8 {
        match event {
            Event::Session => self.session,
            Event::Paid(payment) => self.payments[payment].0,
            Event::Went(_, _, day) | Event::End(day) => day,
        }
    }

    /// As the ledger knows the payment: by whichever event told it, until one says until when.
    fn command(&self, event: Event, told: &[Event]) -> Command {
        let grant = |end: Option<&str>| {
            let paid_through = end.map(at);
            about(Action::Grant(Grant { paid_through, ..purchase(vec![line("-", 1)]) }))
        };
        match event {
            Event::Session => grant(None),
            Event::Paid(0) => grant(Some(self.payments[0].1)),
            Event::Paid(payment) => renew_until(self.payments[payment].1),
            Event::Went(payment, what, time) => {
                let (paid, until) = self.payments[payment];
                let told = match told.contains(&Event::Paid(payment)) {
                    true => reversal(what, (&day(paid), until), &day(time)).0,
                    false => between(what, &day(self.session), &day(time)).0,
                };
                self.since_it_was_opened(payment, told)
            }
            Event::End(_) => about(Action::End),
        }
    }

    /// As Stripe tells it of a dispute that is over.
    fn since_it_was_opened(&self, of: usize, command: Command) -> Command {
        let Action::Reverse(reversal) = &command.action else { return command };
        let opened = self.events.iter().find_map(|event| match event {
            Event::Went(payment, DISPUTE, day) if *payment == of => Some(*day),
            Event::Session | Event::Paid(_) | Event::Went(..) | Event::End(_) => None,
        });
        let since = opened.map(|opened| at(&day(opened)));
        Command { action: Action::Reverse(Reversal { since, ..reversal.clone() }), ..command }
    }

    /// How it ends, and what becomes of it when it is paid for again: that shows what is only remembered.
    fn told(&self, order: &[Event], times: usize) -> [Vec<String>; 2] {
        let (mut world, mut told) = (World::new(), Vec::new());
        world.policy = Policy { at_the_end: self.at_the_end, ..POLICY };
        for event in order {
            let command = self.command(*event, &told);
            for _ in 0..times {
                // A payment before its purchase is told again; orders with one are left out.
                world.settle(&command, &day(self.time(*event))).unwrap();
            }
            told.push(*event);
        }
        // Whether what is revoked is suspended too, no customer notices.
        let ended = world.shown().into_iter().map(|l| l.replace("suspended revoked", "revoked"));
        let ended = ended.collect();
        world.settle(&renew_until("2028-01-01"), "2026-09-20").unwrap();
        [ended, world.shown()]
    }

    /// A reversal before its own payment is only noted; a payment before the purchase is told again. An end, of itself
    /// or for a lost dispute, is taken back by nothing but a newer payment.
    fn is_promised(&self, order: &[Event]) -> bool {
        let place = |event: Event| order.iter().position(|other| *other == event);
        let first = [Event::Session, Event::Paid(0)].into_iter().filter_map(place).min();
        let after_older = |here: usize, makes_up: fn(Event) -> bool| {
            let later = &order[here..];
            let time = self.time(order[here]);
            !later.iter().any(|event| makes_up(*event) && self.time(*event) <= time)
        };
        order.iter().enumerate().all(|(here, event)| match event {
            Event::Session | Event::Paid(0) => true,
            Event::Paid(_) | Event::Went(0, (_, Stands::Open | Stands::TakenBack), _) => {
                first < Some(here)
            }
            Event::Went(1, (_, Stands::Open | Stands::TakenBack), _) => {
                place(Event::Paid(1)) < Some(here)
            }
            Event::Went(_, _, lost) => {
                let came_back = |event: &Event| match event {
                    Event::Went(_, (_, Stands::TakenBack), day) => day > lost,
                    Event::Session | Event::Paid(_) | Event::Went(..) | Event::End(_) => false,
                };
                !order.iter().any(came_back)
                    && after_older(here, |event| match event {
                        Event::Session
                        | Event::Paid(_)
                        | Event::Went(_, (_, Stands::TakenBack), _) => true,
                        Event::Went(..) | Event::End(_) => false,
                    })
            }
            Event::End(_) => {
                first < Some(here)
                    && (self.at_the_end == AtTheEnd::Nothing
                        || after_older(here, |event| {
                            matches!(event, Event::Session | Event::Paid(_))
                        }))
            }
        })
    }
}

fn stories() -> impl Strategy<Value = (Story, Vec<Event>)> {
    let went = prop::option::of((
        prop::sample::select(vec![(REFUND, REFUND_FAILED), (DISPUTE, WON), (DISPUTE, LOST)]),
        2_u8..24,
        prop::option::of(1_u8..6),
    ));
    let ends = prop::sample::select(vec!["2026-10-01", "2026-11-01", "2027-09-01"]);
    let policy = prop::sample::select(vec![AtTheEnd::Revoke, AtTheEnd::Suspend, AtTheEnd::Nothing]);
    let payments = (ends.clone(), ends, 2_u8..24, 1_u8..4, any::<bool>());
    let end = prop::option::weighted(0.3, 5_u8..30);
    (payments, prop::collection::vec(went, 2), end, policy)
        .prop_map(|((first, second, paid, session, is_told), went, end, at_the_end)| {
            let payments = [(2, first), (paid.max(3), second)];
            let mut events = vec![Event::Paid(0), Event::Paid(1)];
            events.extend(is_told.then_some(Event::Session));
            events.extend(end.map(Event::End));
            for (payment, went) in went.into_iter().enumerate() {
                let Some(((gone, over), time, days)) = went else { continue };
                let time = time.max(payments[payment].0 + 1).max(session + 1);
                events.push(Event::Went(payment, gone, time));
                events.extend(days.map(|days| Event::Went(payment, over, time + days)));
            }
            let mut story = Story { payments, session, at_the_end, events };
            let mut events = story.events.clone();
            events.sort_by_key(|event| story.time(*event));
            story.events = events;
            story
        })
        .prop_flat_map(|story| {
            let shuffled = Just(story.events.clone()).prop_shuffle();
            (Just(story), shuffled)
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, max_global_rejects: 10_000, ..<_>::default() })]

    #[test]
    fn a_story_of_payments_and_reversals_ends_the_same_in_any_order(
        (story, order) in stories(),
        times in 1_usize..3,
    ) {
        prop_assume!(story.is_promised(&story.events) && story.is_promised(&order));
        prop_assert_eq!(story.told(&order, times), story.told(&story.events, 1));
    }
}
