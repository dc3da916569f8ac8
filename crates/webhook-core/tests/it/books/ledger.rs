//! What the provider's books come to at the end of a life: the payments with what went back of them, and the
//! subscription.

use jiff::Timestamp;

use super::life::Which;

#[derive(Debug, Clone)]
pub(super) struct Payment {
    pub(super) at: Timestamp,
    pub(super) from: Timestamp,
    pub(super) through: Timestamp,
    pub(super) brought: u32,
    pub(super) kind: Kind,
    pub(super) refunds: Vec<Refund>,
    pub(super) dispute: Option<Dispute>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Period,
    /// For a change in the middle of a period.
    Change,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Refund {
    pub(super) at: Timestamp,
    pub(super) amount: u32,
    /// It did not arrive.
    pub(super) failed: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Dispute {
    pub(super) opened: Timestamp,
    pub(super) closed: Option<Timestamp>,
    pub(super) lost: bool,
}

impl Payment {
    pub(super) fn back(&self) -> u32 {
        self.refunds.iter().filter(|refund| !refund.failed).map(|refund| refund.amount).sum()
    }

    pub(super) fn left(&self) -> u32 {
        self.brought - self.back()
    }

    /// What a dispute can be about: what had not gone back before it was opened.
    pub(super) fn disputed(&self) -> u32 {
        let opened = self.dispute.map(|dispute| dispute.opened);
        let before =
            self.refunds.iter().filter(|refund| Some(refund.at) < opened && !refund.failed);
        self.brought - before.map(|refund| refund.amount).sum::<u32>()
    }

    pub(super) fn is_refunded(&self) -> bool {
        self.brought > 0 && self.left() == 0
    }

    /// Disputed and not won back.
    pub(super) fn is_withdrawn(&self) -> bool {
        self.dispute.is_some_and(|dispute| dispute.lost || dispute.closed.is_none())
    }

    /// The provider still has what it brought, or some of it.
    pub(super) fn is_kept(&self) -> bool {
        !self.is_refunded() && !self.is_withdrawn()
    }
}

#[derive(Debug, Clone)]
pub(super) struct Ledger {
    /// In the order in which they were made; the first is the purchase or the trial.
    pub(super) payments: Vec<Payment>,
    pub(super) failures: Vec<Timestamp>,
    pub(super) paused: bool,
    pub(super) ended: Option<Timestamp>,
    /// How many seats each product has, and the most that it ever had. The last one is sold now.
    pub(super) lines: Vec<Line>,
    /// Seats that the next charge bills.
    pub(super) ordered: Option<u32>,
    /// When it was bought first, and when it was given up.
    pub(super) addon: Option<(Timestamp, Option<Timestamp>)>,
    /// The customer has another address.
    pub(super) moved: bool,
    /// What was sold when something ended last.
    pub(super) at_an_end: Option<Line>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    pub(super) product: usize,
    pub(super) seats: u32,
    pub(super) most: u32,
}

impl Ledger {
    pub(super) fn new(first: Payment, seats: u32) -> Self {
        Self {
            payments: vec![first],
            failures: Vec::new(),
            paused: false,
            ended: None,
            lines: vec![Line { product: 1, seats, most: seats }],
            ordered: None,
            addon: None,
            moved: false,
            at_an_end: None,
        }
    }

    pub(super) fn is_now(&mut self, product: usize, seats: u32) {
        let known = self.lines.iter().position(|line| line.product == product);
        let most = known.map_or(0, |at| self.lines.remove(at).most);
        self.lines.push(Line { product, seats, most: most.max(seats) });
    }

    pub(super) fn line(&self) -> Line {
        *self.lines.last().unwrap()
    }

    /// Before the end is entered: nothing is made while it is over already.
    pub(super) fn note_an_end(&mut self) {
        let last = self.payments.last().unwrap().at;
        if !self.ends().any(|end| end > last) {
            self.at_an_end = Some(self.line());
        }
    }

    /// A payment for a period of which something is left, and that made up for no end.
    pub(super) fn reversible(&self, which: Which) -> Option<usize> {
        let mut periods = (0..self.payments.len())
            .rev()
            .filter(|number| self.payments[*number].kind == Kind::Period);
        let number = match which {
            Which::Newest => periods.next()?,
            Which::Before => periods.nth(1)?,
        };
        let payment = &self.payments[number];
        let first_end = self.ends().min();
        let made_up = first_end.is_some_and(|end| payment.at > end);
        (payment.brought > 0 && payment.is_kept() && !made_up).then_some(number)
    }

    /// Whenever the subscription ended or a dispute was lost.
    pub(super) fn ends(&self) -> impl Iterator<Item = Timestamp> {
        let disputes = self.payments.iter().filter_map(|payment| payment.dispute);
        let losses = disputes.filter(|dispute| dispute.lost).filter_map(|dispute| dispute.closed);
        self.ended.into_iter().chain(losses)
    }

    /// Its payment, and its number among that one's. Only a refund that is the last of all can be told apart.
    pub(super) fn last_refund(&self) -> Option<(usize, usize)> {
        let all = self.payments.iter().enumerate().flat_map(|(of, payment)| {
            let refunds = payment.refunds.iter().enumerate();
            refunds.map(move |(number, refund)| (refund, of, number))
        });
        let (last, of, number) = all.max_by_key(|(refund, ..)| refund.at)?;
        let is_disputed = self.payments[of].dispute.is_some();
        (!last.failed && !is_disputed).then_some((of, number))
    }

    pub(super) fn open_dispute(&self) -> Option<usize> {
        let is_open = |payment: &Payment| payment.dispute.is_some_and(|it| it.closed.is_none());
        self.payments.iter().rposition(is_open)
    }

    /// The end of the newest period that was billed.
    pub(super) fn billed_through(&self) -> Timestamp {
        self.payments.last().unwrap().through
    }
}
