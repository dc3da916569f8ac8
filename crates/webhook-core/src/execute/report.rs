//! What became of a delivery and of its events, before it is an answer.

use std::time::Duration;

use crate::domain::command::Outcome;
use crate::domain::ids::EventId;
use crate::infra::metrics::{Count, count};
use crate::ledger::StoreError;

/// What became of one event.
#[derive(Debug)]
pub struct Report {
    /// The event.
    pub event: EventId,
    /// Done, ignored and duplicate events have an outcome.
    pub result: Result<Outcome, Failure>,
}

impl Report {
    /// Whether Cryptlex refused the token that was tried.
    pub fn lacks_token(&self) -> bool {
        self.result.as_ref().is_err_and(|failure| failure.class == Class::Token)
    }
}

/// How an event came to its outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Finished {
    /// It was carried out.
    Done(Outcome),
    /// It was carried out before, with this outcome.
    Before(Outcome),
    /// It is answered as done, and waits for a person or for another event. The log says so already.
    Waits(Outcome),
}

impl Finished {
    /// What is answered.
    pub(crate) fn into_outcome(self) -> Outcome {
        let (Self::Done(outcome) | Self::Before(outcome) | Self::Waits(outcome)) = self;
        outcome
    }
}

/// An event that was not done; the provider is to deliver it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What happened, to which object, what to do. Nothing secret or personal.
    pub message: String,
    /// Whether a person must act.
    pub class: Class,
}

/// What it takes for a failure to pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// A person must fix something.
    Person,
    /// Cryptlex refuses the access token: a person must fix that, or has, and we do not know the new one yet.
    Token,
    /// Time, or another event.
    Passing(Option<Duration>),
    /// The customer's own event, which tells who bought.
    Buyer,
    /// Time alone: nothing is wrong with the event itself.
    Delayed(Option<Duration>),
}

/// A ledger that works answers in a small part of this.
const LEDGER_MAY_TAKE: Duration = Duration::from_secs(1);

/// Whoever gave it little time is no reason to look at the ledger.
pub(crate) fn count_late_ledger(given: Duration) {
    if given >= LEDGER_MAY_TAKE {
        count(Count::LedgerFailed);
    }
}

impl Failure {
    /// The ledger did not answer within this time.
    pub(crate) fn ledger_is_late(given: Duration) -> Self {
        count_late_ledger(given);
        Self::delayed(StoreError::late().to_string(), None)
    }

    /// A failure that stays until a person acts.
    pub fn person(message: impl Into<String>) -> Self {
        Self { message: message.into(), class: Class::Person }
    }

    /// A failure that passes by itself.
    pub fn passing(message: impl Into<String>, retry_after: Option<Duration>) -> Self {
        Self { message: message.into(), class: Class::Passing(retry_after) }
    }

    /// A failure that says nothing about the event: there was no time for it, or Cryptlex is down or throttles.
    pub fn delayed(message: impl Into<String>, retry_after: Option<Duration>) -> Self {
        Self { message: message.into(), class: Class::Delayed(retry_after) }
    }
}

/// What is wrong with a delivery before it is events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The function lacks configuration.
    NotConfigured(String),
    /// There is no signature: the header of that name is not there, or empty.
    Unsigned {
        /// The name of the header.
        header: &'static str,
        /// Whether it is there.
        is_there: bool,
    },
    /// The signature does not prove anything.
    Forged(String),
    /// Genuine, and no events.
    NotEvents(String),
    /// It did not arrive whole.
    Damaged(String),
    /// Handling it stopped in the middle.
    Stopped,
}
