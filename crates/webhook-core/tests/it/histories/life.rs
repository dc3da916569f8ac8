//! A provider's life of one subscription: what happened there, when, and the state at the end.
//!
//! The turns are wishes. A turn that makes no sense in the present state (a second pause, a renewal after the end) is left
//! out, so that every list of turns is a life, and every shorter list is one as well.

use devkit::sign::Provider;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::bodies;
use crate::support::clock::{DAY, SEPTEMBER};
use crate::support::vendor::{AtTheEnd, Policy, Term, later, policies};

/// What is sold, on which terms, and the vendor's settings.
#[derive(Debug, Clone)]
pub(super) struct Sketch {
    pub(super) provider: Provider,
    /// Stripe only: the product comes from the configuration.
    pub(super) on_v1: bool,
    pub(super) term: Term,
    pub(super) trial: bool,
    pub(super) seats: u32,
    /// Paddle only: something is bought once, in addition to the subscription.
    pub(super) one_time: bool,
    /// Stripe and Paddle: the customer, or the first invoice, is told before what it belongs to.
    pub(super) swapped: bool,
    pub(super) start: Timestamp,
    /// How much later than the start of the first period Cryptlex's clock is when the purchase comes.
    pub(super) lag: SignedDuration,
    pub(super) turns: Vec<(Turn, i64)>,
    pub(super) policy: Policy,
}

/// What happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// The next period is paid: in time, late, to end a failed payment, or to end a pause.
    Pay,
    /// The period after the next one is paid, and the next one never.
    PayWithAGap,
    Fail,
    Pause,
    Resume,
    /// So many from now on.
    Seats(u32),
    /// The latest payment goes back whole.
    Refund,
    /// The customer disputes the latest payment.
    Dispute,
    /// The dispute goes against the customer.
    Win,
    /// Something is bought once, in addition to the subscription.
    BuyBeside,
    Cancel,
    /// An invoice that was open at the end is paid after it.
    PayAfterTheEnd,
}

impl Turn {
    pub(super) fn needs_the_ledger(self) -> bool {
        matches!(self, Self::Seats(_) | Self::Refund | Self::Dispute | Self::Win)
    }
}

/// What an event tells, in the oracle's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Customer,
    Checkout,
    FirstInvoice { through: Timestamp },
    Order { through: Timestamp },
    Paid { from: Timestamp, through: Timestamp },
    Failed,
    Paused,
    Resumed,
    Changed { status: Status },
    Refunded(Payment),
    Disputed(Payment),
    DisputeWon(Payment),
    BoughtBeside(usize),
    Ended,
}

/// One that can go back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Payment {
    First,
    /// By the number of its event.
    Later(usize),
}

/// What a subscription says of itself when it changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Active,
    Paused,
    PastDue,
}

impl What {
    pub(super) fn is_purchase(self) -> bool {
        matches!(self, Self::Checkout | Self::FirstInvoice { .. } | Self::Order { .. })
    }

    pub(super) fn is_reversal(self) -> bool {
        matches!(self, Self::Refunded(_) | Self::Disputed(_) | Self::DisputeWon(_))
    }
}

#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) at: Timestamp,
    pub(super) what: What,
    pub(super) body: Vec<u8>,
}

/// The state at the provider after its last event.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing {
    /// The end of the first period, or of the trial.
    pub(super) first_through: Timestamp,
    pub(super) paid_through: Timestamp,
    pub(super) first_failure: Option<Timestamp>,
    pub(super) paused: bool,
    /// That are paid for, and that it is described with: FastSpring changes them with the next charge.
    pub(super) seats: u32,
    pub(super) described_seats: u32,
    pub(super) most_seats: u32,
    pub(super) latest_payment: Payment,
    /// The end of the period whose payment went back.
    pub(super) refunded: Option<Timestamp>,
    pub(super) first_refunded: bool,
    pub(super) disputed: Option<Payment>,
    pub(super) ended: bool,
    /// A payment came after an end.
    pub(super) revived: bool,
    /// Periods began to be counted from another day.
    pub(super) shifted: bool,
    pub(super) bought_beside: usize,
}

/// Events in the order in which they happened, and what they came to.
#[derive(Debug, Clone)]
pub(super) struct Life {
    pub(super) sketch: Sketch,
    pub(super) events: Vec<Event>,
    pub(super) standing: Standing,
}

const HOUR: SignedDuration = SignedDuration::from_hours(1);

impl Life {
    pub(super) fn of(sketch: &Sketch) -> Self {
        let trial = SignedDuration::from_hours(14 * 24);
        let first_through = match sketch.trial {
            true => sketch.start + trial,
            false => later(sketch.start, sketch.term, 1),
        };
        let anchor = if sketch.trial { first_through } else { sketch.start };
        let mut story = Story {
            sketch,
            told: Vec::new(),
            now: sketch.start,
            anchor,
            furthest: first_through,
            standing: Standing {
                first_through,
                paid_through: first_through,
                first_failure: None,
                paused: false,
                seats: sketch.seats,
                described_seats: sketch.seats,
                most_seats: sketch.seats,
                latest_payment: Payment::First,
                refunded: None,
                first_refunded: false,
                disputed: None,
                ended: false,
                revived: false,
                shifted: false,
                bought_beside: 0,
            },
        };
        story.buy();
        for (turn, hours) in &sketch.turns {
            story.take(*turn, SignedDuration::from_hours(*hours));
        }
        let Story { told, standing, .. } = story;
        let events = told
            .into_iter()
            .enumerate()
            .map(|(number, (at, what, seats))| Event {
                at,
                what,
                body: bodies::body(sketch, number, at, what, seats),
            })
            .collect();
        Self { sketch: sketch.clone(), events, standing }
    }
}

struct Story<'s> {
    sketch: &'s Sketch,
    /// When, what, and for how many seats the subscription was then.
    told: Vec<(Timestamp, What, u32)>,
    now: Timestamp,
    /// Periods end on this day of the month, or on the last one of a shorter month.
    anchor: Timestamp,
    /// The latest end that was ever paid for.
    furthest: Timestamp,
    standing: Standing,
}

impl Story<'_> {
    fn tell(&mut self, at: Timestamp, what: What) {
        assert!(at > self.now, "events happen one after the other");
        self.now = at;
        if matches!(what, What::Paid { .. }) {
            self.seats_count();
        }
        self.told.push((at, what, self.standing.described_seats));
    }

    fn seats_count(&mut self) {
        let standing = &mut self.standing;
        standing.seats = standing.described_seats;
        standing.most_seats = standing.most_seats.max(standing.seats);
    }

    fn buy(&mut self) {
        let through = self.standing.first_through;
        let mut parts = match self.sketch.provider {
            Provider::Stripe => vec![What::Checkout, What::FirstInvoice { through }],
            Provider::Fastspring => vec![What::Order { through }],
            Provider::Paddle => vec![What::Customer, What::Order { through }],
        };
        if self.sketch.swapped {
            parts.reverse();
        }
        for what in parts {
            self.tell(self.now + SignedDuration::from_secs(1), what);
        }
    }

    fn take(&mut self, turn: Turn, wait: SignedDuration) {
        let Standing { paused, ended, first_failure, .. } = self.standing;
        let (provider, soon) = (self.sketch.provider, self.now + HOUR + wait);
        match (turn, provider) {
            (Turn::Pay | Turn::PayWithAGap, Provider::Paddle) if paused && !ended => {
                self.pay_to_end_a_pause(soon);
            }
            // A paused subscription of Stripe is not billed.
            (Turn::Pay | Turn::PayWithAGap, _) if !paused && !ended => {
                self.pay(turn == Turn::PayWithAGap, wait);
            }
            (Turn::Fail, _) if !paused && !ended => {
                let at = self.now.max(self.standing.paid_through) + HOUR + wait / 8;
                self.tell(at, What::Failed);
                self.standing.first_failure = first_failure.or(Some(at));
            }
            (Turn::Pause, _) if !paused && !ended => {
                self.tell(soon, What::Paused);
                self.standing.paused = true;
            }
            (Turn::Resume, _) if paused && !ended => {
                self.tell(soon, What::Resumed);
                self.standing.paused = false;
            }
            (Turn::Seats(seats), _) if seats != self.standing.described_seats && !ended => {
                self.standing.described_seats = seats;
                if provider != Provider::Fastspring {
                    self.seats_count();
                }
                let status = match (paused, first_failure) {
                    (true, _) => Status::Paused,
                    (false, Some(_)) => Status::PastDue,
                    (false, None) => Status::Active,
                };
                self.tell(soon, What::Changed { status });
            }
            (Turn::Refund, _) if self.standing.refunded.is_none() && self.is_reversible() => {
                let payment = self.standing.latest_payment;
                self.tell(soon, What::Refunded(payment));
                self.standing.refunded = Some(self.standing.paid_through);
                self.standing.first_refunded |= payment == Payment::First;
            }
            (Turn::Dispute, _) if self.standing.disputed.is_none() && self.is_reversible() => {
                let payment = self.standing.latest_payment;
                self.tell(soon, What::Disputed(payment));
                self.standing.disputed = Some(payment);
            }
            // FastSpring tells no end of a dispute.
            (Turn::Win, Provider::Stripe | Provider::Paddle) if !ended => {
                if let Some(payment) = self.standing.disputed.take() {
                    self.tell(soon, What::DisputeWon(payment));
                }
            }
            (Turn::BuyBeside, Provider::Paddle) if !ended => {
                let number = self.standing.bought_beside;
                self.tell(soon, What::BoughtBeside(number));
                self.standing.bought_beside = number + 1;
            }
            (Turn::Cancel, _) if !ended => {
                self.tell(soon, What::Ended);
                self.standing.ended = true;
            }
            // A deleted license cannot be given back: that payment is an error for a person.
            (Turn::PayAfterTheEnd, Provider::Stripe)
                if ended && self.sketch.policy.at_the_end != AtTheEnd::Delete =>
            {
                self.pay(false, wait);
                self.standing.ended = false;
                self.standing.revived = true;
            }
            _ => {}
        }
    }

    /// For the next period, which is not over yet when it is paid: what to make of a payment for the past the design
    /// leaves open.
    fn pay(&mut self, gap: bool, wait: SignedDuration) {
        let longest =
            SignedDuration::from_hours(if self.sketch.term == Term::Month { 20 } else { 60 } * 24);
        let mut from = self.standing.paid_through;
        let periods = if gap { 2 } else { 1 };
        for _ in 1..periods {
            from = self.period_after(from);
        }
        while self.period_after(from) <= self.now.max(from) + longest + HOUR {
            from = self.period_after(from);
        }
        let at = self.now.max(from) + SignedDuration::from_secs(7) + wait.min(longest);
        self.paid(at, from, self.period_after(from));
    }

    /// A new period begins, whatever was left of the old one.
    fn pay_to_end_a_pause(&mut self, at: Timestamp) {
        self.anchor = at;
        self.standing.shifted = true;
        self.paid(at + SignedDuration::from_secs(1), at, later(at, self.sketch.term, 1));
    }

    /// Nothing was paid for a trial, and what a longer period paid for is no business of a shorter one.
    fn is_reversible(&self) -> bool {
        let Standing { latest_payment, paid_through, ended, .. } = self.standing;
        let was_paid = latest_payment != Payment::First || !self.sketch.trial;
        was_paid && paid_through == self.furthest && !ended
    }

    fn paid(&mut self, at: Timestamp, from: Timestamp, through: Timestamp) {
        self.standing.latest_payment = Payment::Later(self.told.len());
        self.tell(at, What::Paid { from, through });
        self.standing.paid_through = through;
        self.standing.refunded = self.standing.refunded.filter(|refunded| through <= *refunded);
        self.furthest = self.furthest.max(through);
        self.standing.first_failure = None;
        self.standing.paused = false;
    }

    fn period_after(&self, from: Timestamp) -> Timestamp {
        let ends = (1..).map(|count| later(self.anchor, self.sketch.term, count));
        ends.into_iter().find(|end| *end > from).unwrap()
    }
}

/// Days on which calendars differ, and any others.
fn days() -> impl Strategy<Value = i64> {
    let peculiar =
        ["2026-10-31", "2026-12-31", "2027-01-29", "2027-01-31", "2028-01-30", "2028-02-29"];
    let peculiar = peculiar.map(|day| {
        let day: Timestamp = format!("{day}T00:00:00Z").parse().unwrap();
        (day.as_second() - SEPTEMBER) / DAY
    });
    prop_oneof![0_i64..900, prop::sample::select(peculiar.to_vec())]
}

fn turns() -> impl Strategy<Value = Vec<(Turn, i64)>> {
    let turn = prop_oneof![
        5 => Just(Turn::Pay),
        1 => Just(Turn::PayWithAGap),
        3 => Just(Turn::Fail),
        2 => Just(Turn::Pause),
        2 => Just(Turn::Resume),
        3 => (1_u32..6).prop_map(Turn::Seats),
        1 => Just(Turn::Refund),
        1 => Just(Turn::Dispute),
        1 => Just(Turn::Win),
        1 => Just(Turn::BuyBeside),
        1 => Just(Turn::Cancel),
        1 => Just(Turn::PayAfterTheEnd),
    ];
    prop::collection::vec((turn, prop_oneof![0_i64..72, 0_i64..1_400]), 0..9)
}

pub(super) fn sketches() -> impl Strategy<Value = Sketch> {
    let providers = vec![Provider::Stripe, Provider::Fastspring, Provider::Paddle];
    let shape = (
        prop::sample::select(providers),
        any::<bool>(),
        prop::sample::select(vec![Term::Year, Term::Month]),
        prop::bool::weighted(0.3),
        1_u32..4,
        any::<bool>(),
        any::<bool>(),
    );
    // Purchase and period begin on one day. Counted from the day after, the interval may be shorter than what was
    // paid: 28 January 22:00 to 28 February 22:00, but 29 January 01:00 to 28 February 01:00.
    let start = (days(), 0_i64..12, prop::sample::select(vec![0_i64, 0, 1, 9]));
    (shape, start, turns(), policies()).prop_map(|(shape, (day, hour, lag), turns, policy)| {
        let (provider, on_v1, term, trial, seats, one_time, swapped) = shape;
        // The corpus has Paddle's trial in years, and something bought once in the monthly purchase.
        let paddle = provider == Provider::Paddle;
        let term = if paddle && trial { Term::Year } else { term };
        let start = Timestamp::from_second(SEPTEMBER + day * DAY + hour * 3_600).unwrap();
        Sketch {
            provider,
            on_v1: on_v1 && provider == Provider::Stripe,
            term,
            trial,
            seats,
            one_time: one_time && paddle && term == Term::Month,
            swapped,
            start,
            lag: SignedDuration::from_hours(lag),
            turns,
            policy,
        }
    })
}
