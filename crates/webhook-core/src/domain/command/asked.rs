//! One command of an event: what it asks of one subject, and what came with it.

use serde::Serialize;

use super::{
    Action, Concern, Customer, Grant, Payment, Previous, Renew, Subject, Subscribed,
    SubscriptionRecord,
};
use crate::domain::ids::{Mark, PaymentId};

/// What a subject is, for people. What nobody knows yet is kept as an order, and is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Called {
    /// A subscription, an order or a customer.
    ByItsKind,
    /// An invoice of which nobody knows what it billed.
    Invoice,
    /// A payment of which nobody knows what it paid for.
    Payment,
}

/// One thing to do about one subject.
#[derive(Debug, Clone, Serialize)]
pub struct Command {
    /// Whose licenses are meant.
    pub subject: Subject,
    /// Metadata by which licenses of the subject are found; a license with any of them is the subject's.
    pub marks: Vec<Mark>,
    /// What to do.
    pub action: Action,
    /// What the payment is known by, for a refund or a dispute of it.
    pub payments: Vec<PaymentId>,
    /// What it brought.
    #[serde(skip_serializing_if = "Payment::is_unknown")]
    pub payment: Payment,
    /// What the event says of its subscription.
    pub record: Option<SubscriptionRecord>,
    /// What that subscription is for, where the event changes nothing about it (a change is [`Action::ChangePlan`]).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscribed: Option<Box<Subscribed>>,
    /// What was otherwise before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<Box<Previous>>,
    /// What a person should look at, once this is done.
    pub concern: Option<Concern>,
    /// Whose new seats are, where a change of the subscription tells it: by their id only.
    #[serde(skip)]
    pub contact: Option<Customer>,
    /// The purchase that its subject was ordered with, from the event that told it: only that event names the buyer.
    #[serde(skip)]
    pub ordered_as: Option<Box<Grant>>,
    /// Whether it makes licenses for a customer who is known by id only: nobody else may work on them meanwhile.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub locks_customer: bool,
    /// Whether it tells of a payment that nobody knows yet: of whatever that turns out to have paid for.
    #[serde(skip)]
    pub of_unknown_payment: bool,
    /// What the subject is called in texts.
    #[serde(skip)]
    pub called: Called,
    /// Whether the event only mentions the subject, which may be something that we never sold.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub may_be_foreign: bool,
}

impl Command {
    /// Without payment, record or concern.
    pub fn new(subject: Subject, marks: Vec<Mark>, action: Action) -> Self {
        Self {
            subject,
            marks,
            action,
            payments: Vec::new(),
            payment: Payment::default(),
            record: None,
            subscribed: None,
            previous: None,
            concern: None,
            contact: None,
            ordered_as: None,
            locks_customer: false,
            of_unknown_payment: false,
            called: Called::ByItsKind,
            may_be_foreign: false,
        }
    }
}

impl Command {
    /// What it is about, for texts: `subscription sub_1`, or `invoice in_1` as long as nobody knows what that paid for.
    pub fn object(&self) -> String {
        match self.called {
            Called::ByItsKind => self.subject.to_string(),
            Called::Invoice => format!("invoice {}", self.subject.id),
            Called::Payment => format!("payment {}", self.subject.id),
        }
    }

    /// The purchase that it is, or that was made before it.
    pub fn purchase(&self) -> Option<&Grant> {
        if let Action::Grant(grant) = &self.action {
            return Some(grant);
        }
        self.ordered_as.as_deref()
    }

    /// The same, to be changed.
    pub fn purchase_mut(&mut self) -> Option<&mut Grant> {
        if let Action::Grant(grant) = &mut self.action {
            return Some(grant);
        }
        self.ordered_as.as_deref_mut()
    }

    /// Whether its payment names what it is for, so that it is the purchase where none is known.
    pub fn would_be_a_purchase(&self) -> bool {
        matches!(&self.action, Action::Renew(Renew { else_buys: Some(_), .. }))
    }

    /// The same as the purchase, which nobody told.
    #[must_use]
    pub fn as_purchase(mut self) -> Self {
        let Action::Renew(Renew { through, scope, else_buys: Some(grant) }) = self.action else {
            return self;
        };
        let renews = Renew { through, scope, else_buys: None };
        let grant = Grant { else_renews: Some(Box::new(renews)), ..*grant };
        let concern = self.concern.take().or(Some(Concern::PurchaseUnseen));
        Self { action: Action::Grant(grant), locks_customer: true, concern, ..self }
    }
}
