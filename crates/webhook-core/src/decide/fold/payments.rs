//! The payments of a subject, each from everything that was told of it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::described::{is_beside, renewed_period, was_the_last};
use crate::domain::command::{
    Amount, OfPayment, PaidItem, PaymentScope, Subject, SubjectKind, SuspensionReason, Through,
    Undated,
};
use crate::domain::entitlement::OneMore;
use crate::domain::fact::{Covers, Fact, Paid, Says};
use crate::domain::ids::PaymentId;
use crate::domain::interval::same_second;

/// One payment.
#[derive(Debug, Clone)]
pub(super) struct Payment {
    /// When it was told first.
    pub(super) at: Timestamp,
    pub(super) ids: BTreeSet<PaymentId>,
    pub(super) scope: PaymentScope,
    /// Whether it came with the purchase.
    pub(super) is_first: bool,
    /// When what it pays for begins and ends, as its payload says it or as the subscription was described.
    pub(super) starts: Option<Timestamp>,
    pub(super) end: Option<Timestamp>,
    /// It is a proration that is not known to begin a period.
    is_proration: bool,
    /// It pays for one more interval, because nobody says until when.
    pub(super) one_more: Option<OneMore>,
    /// It may be for what was used before.
    pub(super) is_usage: bool,
    /// What it brought: the whole of it, its single payments, the items of this subject.
    pub(super) amount: Option<Amount>,
    pub(super) parts: BTreeMap<PaymentId, Option<Amount>>,
    pub(super) items: Vec<PaidItem>,
    /// Why it does not count now: all of it went back, for these causes.
    pub(super) gone: Vec<Gone>,
}

/// All of a payment went back for this cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gone {
    pub(super) cause: SuspensionReason,
    /// Since when the money is gone.
    pub(super) since: Timestamp,
    /// When the newest of it was told.
    pub(super) at: Timestamp,
    /// When it was lost for good.
    pub(super) lost: Option<Timestamp>,
    /// When the period of the payment ends, as it was paid or described.
    pub(super) period_end: Option<Timestamp>,
}

impl Payment {
    /// Whether it is for the subscription itself, or a change of it. What was added within a period settles nothing.
    pub(super) fn pays_for_the_subject(&self) -> bool {
        self.scope != PaymentScope::OneOff && !self.is_proration
    }

    /// Whether money back of it takes a time back: a change's, too, where its end counts.
    pub(super) fn pays_for_a_time(&self) -> bool {
        match self.scope {
            PaymentScope::Period | PaymentScope::Proration => true,
            PaymentScope::PlanChange => self.end.is_some(),
            PaymentScope::OneOff => false,
        }
    }

    pub(super) fn shares_an_id(&self, ids: &[PaymentId]) -> bool {
        ids.iter().any(|id| self.ids.contains(id))
    }
}

/// All payments, the oldest first.
pub(super) fn of(subject: &Subject, facts: &[&Fact]) -> Vec<Payment> {
    let mut payments: Vec<Payment> = Vec::new();
    for fact in facts {
        match &fact.says {
            Says::Paid(paid) => tell(&mut payments, fact.at, paid, facts),
            Says::OfPayment(of) => {
                if let OfPayment::Captured { ids, amount } = &**of {
                    let payment = crate::domain::command::Payment {
                        amount: amount.clone(),
                        ..<_>::default()
                    };
                    let covers = Covers::First(None);
                    let (ids, scope) = (ids.clone(), PaymentScope::Period);
                    let paid = Paid { ids, scope, covers, payment };
                    tell(&mut payments, fact.at, &paid, facts);
                }
            }
            Says::Ordered(_)
            | Says::Failed(_)
            | Says::Described(_)
            | Says::Paused
            | Says::Resumed
            | Says::MoneyBack(_)
            | Says::Ended => {}
        }
    }
    payments.extend(presumed(subject, facts, &payments));
    for fact in facts {
        if let Says::OfPayment(of) = &fact.says
            && let OfPayment::Part { id, of, amount } = &**of
            && let Some(payment) = payments.iter_mut().find(|payment| payment.ids.contains(of))
        {
            payment.ids.insert(id.clone());
            payment.parts.insert(id.clone(), amount.clone());
        }
    }
    find_changes(&mut payments, facts);
    find_periods(&mut payments);
    payments
}

/// A charge that also bills a change is a payment for the period all the same, if it pays for a time that no older payment
/// reaches.
fn find_periods(payments: &mut [Payment]) {
    let reaches = |older: &Payment, charge: &Payment, end: Timestamp| {
        older.at < charge.at
            && older.pays_for_a_time()
            && older.end.is_some_and(|paid| paid >= end || same_second(paid, end))
    };
    let is_for_a_period = |charge: &Payment| {
        charge.scope == PaymentScope::PlanChange
            && charge.end.is_some_and(|end| !payments.iter().any(|it| reaches(it, charge, end)))
    };
    let found: Vec<bool> = payments.iter().map(is_for_a_period).collect();
    for (payment, _) in payments.iter_mut().zip(found).filter(|(_, is_found)| *is_found) {
        payment.scope = PaymentScope::Period;
    }
}

/// A proration without a credit pays for a period if it begins where a known one begins or ends. Else something was added
/// within a period: that is no payment for the period.
fn find_changes(payments: &mut [Payment], facts: &[&Fact]) {
    if !payments.iter().any(|payment| payment.is_proration) {
        return;
    }
    let described = facts.iter().filter_map(|fact| fact.described()).map(|it| &it.record);
    let described = described.flat_map(|record| [record.period_start, record.period_end]);
    let paid = payments.iter().filter(|payment| payment.pays_for_the_subject());
    let paid = paid.flat_map(|payment| [payment.starts, payment.end]);
    let mut bounds: Vec<Timestamp> = described.chain(paid).flatten().collect();
    let begins_a_period = |payment: &Payment, bounds: &[Timestamp]| {
        let starts = payment.starts;
        starts.is_some_and(|starts| bounds.iter().any(|bound| same_second(*bound, starts)))
    };
    let is_found = |payment: &&mut Payment, bounds: &[Timestamp]| {
        payment.is_proration && begins_a_period(payment, bounds)
    };
    while let Some(period) = payments.iter_mut().find(|payment| is_found(payment, &bounds)) {
        period.is_proration = false;
        bounds.extend(period.end);
    }
    for change in payments.iter_mut().filter(|payment| payment.is_proration) {
        (change.scope, change.end) = (PaymentScope::PlanChange, None);
    }
}

/// Of what was bought once and is not known, a refund or a dispute tells that it was paid: its license says whose it is.
fn presumed(subject: &Subject, facts: &[&Fact], known: &[Payment]) -> Option<Payment> {
    let is_unknown = subject.kind == SubjectKind::Order && known.is_empty();
    let told = facts.iter().filter(|_| is_unknown).find_map(|fact| {
        let back = fact.money_back()?;
        Some((fact.at, back.ids.clone()))
    });
    let (at, ids) = told?;
    let (scope, covers) = (PaymentScope::Period, Covers::First(None));
    let paid = Paid { ids, scope, covers, payment: crate::domain::command::Payment::default() };
    Some(Payment::told(at, &paid, facts))
}

/// Several events may tell one payment. The earliest that says a thing is believed.
fn tell(payments: &mut Vec<Payment>, at: Timestamp, paid: &Paid, facts: &[&Fact]) {
    let told = Payment::told(at, paid, facts);
    let is_it = |known: &&mut Payment| {
        known.shares_an_id(&paid.ids)
            // A purchase whose payload tells no date, and the one that does.
            || (known.is_first
                && told.is_first
                && known.scope == told.scope
                && (known.end.is_none() || told.end.is_none()))
    };
    match payments.iter_mut().find(is_it) {
        Some(known) => known.merge(told),
        None => payments.push(told),
    }
}

impl Payment {
    fn told(at: Timestamp, paid: &Paid, facts: &[&Fact]) -> Self {
        let is_beside = is_beside(paid, facts);
        let (end, one_more, is_usage) = match &paid.covers {
            Covers::First(end) => (*end, None, false),
            Covers::Later(Through::Until(end)) => (Some(*end), None, false),
            Covers::Later(Through::NextPeriod { charged_at, order, why }) => {
                let (charged_at, order, why) = (*charged_at, order.clone(), *why);
                (None, Some(OneMore { charged_at, order, why, is_usage: false }), false)
            }
            Covers::Later(Through::Described { billed_at, order, used_until }) => {
                let why = Undated::NothingDue;
                let (charged_at, order) = (*billed_at, order.clone());
                let one_more = OneMore { charged_at, order, why, is_usage: true };
                let used_until = used_until.as_deref().copied();
                match renewed_period(*billed_at, used_until, facts) {
                    Some(end) => (Some(end), None, true),
                    None if is_beside || was_the_last(facts) => (None, None, true),
                    None => (None, Some(one_more), true),
                }
            }
        };
        Self {
            at,
            ids: paid.ids.iter().cloned().collect(),
            scope: match paid.scope {
                _ if is_beside => PaymentScope::OneOff,
                PaymentScope::Proration => PaymentScope::Period,
                scope
                @ (PaymentScope::Period | PaymentScope::PlanChange | PaymentScope::OneOff) => scope,
            },
            is_first: matches!(paid.covers, Covers::First(_)),
            starts: paid.payment.starts,
            end,
            is_proration: paid.scope == PaymentScope::Proration,
            one_more,
            is_usage,
            amount: paid.payment.amount.clone(),
            parts: BTreeMap::new(),
            items: paid.payment.items.clone(),
            gone: Vec::new(),
        }
    }

    fn merge(&mut self, told: Self) {
        self.at = self.at.min(told.at);
        self.ids.extend(told.ids);
        if told.scope == PaymentScope::Period {
            self.scope = told.scope;
        }
        self.is_first |= told.is_first;
        if self.end.is_none() {
            // The one that knows the period knows the payment.
            (self.end, self.starts) = (told.end, told.starts.or(self.starts));
            self.is_proration = told.is_proration;
            self.amount = told.amount.or(self.amount.take());
        } else {
            self.amount = self.amount.take().or(told.amount);
        }
        self.one_more = self.one_more.take().or(told.one_more).filter(|_| self.end.is_none());
        self.is_usage &= told.is_usage;
        if self.items.is_empty() {
            self.items = told.items;
        }
    }
}
