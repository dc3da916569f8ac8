//! How turns are entered into the ledger: each as things are after those before it.

use devkit::sign::Provider;
use jiff::{SignedDuration, Timestamp};

use super::ledger::{Dispute, Kind, Payment, Refund};
use super::life::{Entry, Life, PRICE, Plan, Status, Turn, What, Which};
use crate::support::vendor::{Term, later};

const SECOND: SignedDuration = SignedDuration::from_secs(1);
const HOUR: SignedDuration = SignedDuration::from_hours(1);
const WEEK: SignedDuration = SignedDuration::from_hours(7 * 24);

/// The purchase, and each wish of the sketch that makes sense.
pub(super) fn turns(life: &mut Life, plan: Plan) {
    let sketch = life.sketch.clone();
    let mut story = Story {
        life,
        plan,
        now: sketch.start,
        anchor: if sketch.trial { plan.through } else { sketch.start },
    };
    story.tell(sketch.start + SECOND, What::Bought);
    for (turn, hours) in &sketch.turns {
        let at = story.now + HOUR + SignedDuration::from_hours(i64::from(*hours));
        if story.take(*turn, at).is_some() {
            story.life.taken.push(*turn);
        }
    }
}

struct Story<'l> {
    life: &'l mut Life,
    plan: Plan,
    now: Timestamp,
    /// Periods end on this day of the month, or on the last one of a shorter month.
    anchor: Timestamp,
}

impl Story<'_> {
    fn tell(&mut self, at: Timestamp, what: What) {
        assert!(at > self.now, "things happen one after the other");
        // One entry is several events, each a second after the other.
        self.now = at + SignedDuration::from_secs(5);
        self.life.entries.push(Entry { at, what, plan: self.plan });
    }

    /// `None` where the turn makes no sense.
    fn take(&mut self, turn: Turn, at: Timestamp) -> Option<()> {
        let provider = self.life.sketch.provider;
        let is = |wanted: Provider| (provider == wanted).then_some(());
        let status = self.plan.status;
        let runs = (status != Status::Ended).then_some(());
        match turn {
            Turn::Paid => return self.pay(at),
            Turn::Failed => {
                runs?;
                (status != Status::Paused).then_some(())?;
                let (from, through) = self.next_period(at);
                let at = at.max(from + HOUR);
                self.plan.status = Status::PastDue;
                if provider != Provider::Fastspring {
                    // Stripe and Paddle move the period before it is paid.
                    (self.plan.from, self.plan.through) = (from, through);
                }
                self.life.ledger.failures.push(at);
                self.tell(at, What::Failed { from, through });
            }
            Turn::Paused => {
                matches!(status, Status::Trial | Status::Active).then_some(())?;
                self.plan.status = Status::Paused;
                self.life.ledger.paused = true;
                self.tell(at, What::Paused);
            }
            Turn::Resumed => {
                (status == Status::Paused).then_some(())?;
                self.plan.status = Status::Active;
                self.life.ledger.paused = false;
                self.tell(at, What::Resumed);
            }
            Turn::Seats(seats) => self.change(at, self.plan.product, seats)?,
            Turn::Product => self.change(at, 3 - self.plan.product, self.plan.seats)?,
            Turn::SeatsLater(seats) => {
                is(Provider::Fastspring)?;
                (status == Status::Active && seats != self.plan.seats).then_some(())?;
                self.plan.seats = seats;
                self.life.ledger.ordered = Some(seats);
                self.tell(at, What::Changed(None));
            }
            Turn::Yearly => self.yearly(at)?,
            Turn::Extended => {
                (status == Status::Trial && at < self.plan.through).then_some(())?;
                self.plan.through += WEEK;
                self.anchor = self.plan.through;
                self.life.ledger.payments[0].through = self.plan.through;
                self.tell(at, What::Extended);
            }
            Turn::Refund(part, which) => self.refund(at, part, which)?,
            Turn::RefundFailed => {
                is(Provider::Stripe)?;
                let (of, number) = self.life.ledger.last_refund()?;
                self.life.ledger.payments[of].refunds[number].failed = true;
                self.tell(at, What::RefundFailed { of, number });
            }
            Turn::Dispute(which) => {
                let of = self.life.ledger.reversible(which)?;
                let payment = &mut self.life.ledger.payments[of];
                payment.dispute.is_none().then_some(())?;
                payment.dispute = Some(Dispute { opened: at, closed: None, lost: false });
                self.tell(at, What::Disputed(of));
            }
            Turn::Won => {
                let of = self.life.ledger.open_dispute()?;
                self.life.ledger.payments[of].dispute.as_mut()?.closed = Some(at);
                self.tell(at, What::Won(of));
            }
            Turn::Lost => {
                is(Provider::Stripe)?;
                let of = self.life.ledger.open_dispute()?;
                self.life.ledger.note_an_end();
                let dispute = self.life.ledger.payments[of].dispute.as_mut()?;
                (dispute.closed, dispute.lost) = (Some(at), true);
                self.tell(at, What::Lost(of));
            }
            Turn::Addon => {
                is(Provider::Fastspring)?;
                (status == Status::Active && !self.plan.addon).then_some(())?;
                self.plan.addon = true;
                let (since, _) = self.life.ledger.addon.unwrap_or((at, None));
                self.life.ledger.addon = Some((since, None));
                self.tell(at, What::Addon);
            }
            Turn::AddonGone => {
                (status == Status::Active && self.plan.addon).then_some(())?;
                self.plan.addon = false;
                self.life.ledger.addon.as_mut()?.1 = Some(at);
                self.tell(at, What::AddonGone);
            }
            Turn::Address => {
                (!self.life.ledger.moved).then_some(())?;
                self.life.ledger.moved = true;
                self.tell(at, What::Address);
            }
            Turn::Cancel => {
                (status == Status::Active).then_some(())?;
                self.tell(at, What::Cancel);
            }
            Turn::Ended => {
                runs?;
                self.plan.status = Status::Ended;
                self.life.ledger.note_an_end();
                self.life.ledger.ended = Some(at);
                self.tell(at, What::Ended);
            }
        }
        Some(())
    }

    fn change(&mut self, at: Timestamp, product: usize, seats: u32) -> Option<()> {
        let Plan { status, .. } = self.plan;
        let is_new = product != self.plan.product || seats != self.plan.seats;
        (is_new && status != Status::Ended).then_some(())?;
        let ledger = &self.life.ledger;
        let billed = match self.life.sketch.provider {
            Provider::Fastspring => {
                // No change of what it waits for money of, nor while it collects none.
                (status == Status::Active).then_some(())?;
                true
            }
            Provider::Stripe | Provider::Paddle => {
                let grows = seats > self.plan.seats && product == self.plan.product;
                grows && status == Status::Active && ledger.ends().next().is_none()
            }
        };
        (self.plan.product, self.plan.seats) = (product, seats);
        self.life.ledger.is_now(product, seats);
        // It bills what was ordered before, too.
        self.life.ledger.ordered = None;
        let payment =
            billed.then(|| self.brought(at + SECOND, at, self.plan.through, Kind::Change));
        self.tell(at, What::Changed(payment));
        Some(())
    }

    /// A new period begins at once.
    fn yearly(&mut self, at: Timestamp) -> Option<()> {
        (self.plan.term == Term::Month && self.plan.status == Status::Active).then_some(())?;
        self.plan.term = Term::Year;
        self.anchor = at;
        let through = later(at, Term::Year, 1);
        (self.plan.from, self.plan.through) = (at, through);
        if let Some(seats) = self.life.ledger.ordered.take() {
            self.life.ledger.is_now(self.plan.product, seats);
        }
        let payment = self.brought(at + SECOND, at, through, Kind::Period);
        self.tell(at, What::Yearly(payment));
        Some(())
    }

    /// For the next period, which is not over yet when it is paid.
    fn pay(&mut self, at: Timestamp) -> Option<()> {
        let Plan { status, term, .. } = self.plan;
        let provider = self.life.sketch.provider;
        let (at, from, through) = match (status, provider) {
            // A new period begins, whatever was left of the old one.
            (Status::Paused, Provider::Paddle) => {
                self.anchor = at;
                (at + SECOND, at, later(at, term, 1))
            }
            // An invoice of Stripe may be paid after the end.
            (Status::Paused, _) | (Status::Ended, Provider::Fastspring | Provider::Paddle) => {
                return None;
            }
            _ => {
                let (from, through) = self.next_period(at);
                let longest = SignedDuration::from_hours(20 * 24);
                (at.clamp(from + SECOND * 7, (from + longest).max(at)), from, through)
            }
        };
        if status != Status::Ended {
            self.plan.status = Status::Active;
        }
        (self.plan.from, self.plan.through) = (from, through);
        if let Some(seats) = self.life.ledger.ordered.take() {
            self.life.ledger.is_now(self.plan.product, seats);
        }
        let payment = self.brought(at, from, through, Kind::Period);
        self.life.ledger.paused = false;
        self.tell(at, What::Paid(payment));
        Some(())
    }

    fn brought(&mut self, at: Timestamp, from: Timestamp, through: Timestamp, kind: Kind) -> usize {
        let payments = &mut self.life.ledger.payments;
        let (refunds, dispute) = (Vec::new(), None);
        payments.push(Payment { at, from, through, brought: PRICE, kind, refunds, dispute });
        payments.len() - 1
    }

    fn refund(&mut self, at: Timestamp, part: u32, which: Which) -> Option<()> {
        let of = self.life.ledger.reversible(which)?;
        let payment = &mut self.life.ledger.payments[of];
        let amount = part.min(payment.left());
        (amount > 0).then_some(())?;
        payment.refunds.push(Refund { at, amount, failed: false });
        let number = payment.refunds.len() - 1;
        self.tell(at, What::Refund { of, number });
        Some(())
    }

    /// The period after what was billed last, or the first later one that is not over for long.
    fn next_period(&self, at: Timestamp) -> (Timestamp, Timestamp) {
        let ends = |from: Timestamp| {
            (1..).map(|count| later(self.anchor, self.plan.term, count)).find(|end| *end > from)
        };
        let mut from = self.life.ledger.billed_through();
        let mut through = ends(from).unwrap();
        while through <= at + HOUR {
            from = through;
            through = ends(from).unwrap();
        }
        (from, through)
    }
}
