//! What one event asks, subject by subject.

use std::sync::Arc;

use jiff::Timestamp;

use crate::domain::command::{Action, Command, Customer, Grant, Subject};
use crate::domain::fact::{Fact, facts_of};
use crate::domain::ids::{EventId, PaymentId};

/// What one event asks of one subject.
#[derive(Debug, Clone)]
pub struct Work<'c> {
    /// Whose licenses are meant.
    pub subject: Subject,
    /// The event's time.
    pub at: Timestamp,
    /// Everything that the event asks of it.
    pub commands: Vec<&'c Command>,
    /// The same as facts. They are large, and are looked at from several places.
    pub facts: Arc<[Fact]>,
}

impl<'c> Work<'c> {
    /// What an event asks, subject by subject, in the order in which it must be carried out.
    pub fn of(event: &EventId, at: Timestamp, commands: &'c [Command]) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for command in commands {
            match all.iter_mut().find(|work| work.subject == command.subject) {
                Some(work) => work.commands.push(command),
                None => all.push(Self {
                    subject: command.subject.clone(),
                    at,
                    commands: vec![command],
                    facts: facts_of(event, at, &command.subject, commands),
                }),
            }
        }
        all
    }

    /// What it is about, for texts.
    pub fn object(&self) -> String {
        self.leading().map_or_else(|| self.subject.to_string(), Command::object)
    }

    /// The command that says most: a purchase, else the first.
    pub fn leading(&self) -> Option<&'c Command> {
        let grant = self.commands.iter().find(|command| command.purchase().is_some());
        grant.or_else(|| self.commands.first()).copied()
    }

    /// Whose new seats are, if it is a change that tells it.
    pub fn contact(&self) -> Option<&Customer> {
        self.commands.iter().find_map(|command| command.contact.as_ref())
    }

    /// Its purchase, if it is one.
    pub fn grant(&self) -> Option<&Grant> {
        self.commands.iter().find_map(|command| {
            let Action::Grant(grant) = &command.action else { return None };
            Some(grant)
        })
    }

    /// The purchase that it is, or that was made before it.
    pub fn purchase(&self) -> Option<&Grant> {
        self.commands.iter().find_map(|command| command.purchase())
    }

    /// What it tells of payments that nobody knows yet, with their ids.
    pub fn told_of_unknown_payments(&self) -> impl Iterator<Item = (Vec<PaymentId>, &Fact)> {
        let is_unknown = self.commands.iter().any(|command| command.of_unknown_payment);
        let told = self.facts.iter().filter(move |_| is_unknown);
        told.filter_map(|fact| {
            let back = fact.money_back().map(|back| back.ids.clone());
            Some((back.or_else(|| Some(fact.of_payment()?.ids()))?, fact))
        })
    }

    /// Whether it is about a customer and not about what was bought.
    pub fn is_of_a_customer(&self) -> bool {
        self.commands.iter().any(|command| matches!(command.action, Action::SyncCustomer(..)))
    }
}
