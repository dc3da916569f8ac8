//! What readers say of sums, items, lines and times, in the smallest bodies.

mod fastspring;
mod paddle;
mod stripe;

use serde_json::Value;

use super::{FastSpring, PUBLISHED, Paddle, ProductLookup, Profile as _, Provider, Stripe};
use crate::domain::command::{
    Action, Amount, Back, Command, Grant, Meaning, Notice, Payment, Renew, Reversal, Unreadable,
};
use crate::domain::ids::ProductId;
use crate::infra::networks::Networks;
use crate::providers::signature::Verified;

const PRODUCT: &str = "11111111-1111-4111-8111-000000000001";
const TEMPLATE: &str = "66666666-6666-4666-8666-000000000001";

fn notice<P: Provider>(body: &Value, source: &ProductLookup) -> Notice {
    let verified = Verified::<P>::remembered(serde_json::to_vec(body).unwrap());
    P::read(&verified, source).unwrap().remove(0)
}

fn meaning<P: Provider>(body: &Value) -> Result<Meaning, Unreadable> {
    notice::<P>(body, &ProductLookup::Metadata).meaning
}

fn commands<P: Provider>(body: &Value) -> Vec<Command> {
    commands_on::<P>(body, &ProductLookup::Metadata)
}

fn commands_on<P: Provider>(body: &Value, source: &ProductLookup) -> Vec<Command> {
    match notice::<P>(body, source).meaning.unwrap() {
        Meaning::Act { commands, .. } => commands,
        Meaning::Ignore(reason) => panic!("{reason:?}"),
    }
}

fn command<P: Provider>(body: &Value) -> Command {
    let mut commands = commands::<P>(body);
    assert_eq!(commands.len(), 1, "{commands:?}");
    commands.remove(0)
}

fn payment<P: Provider>(body: &Value) -> Payment {
    command::<P>(body).payment
}

fn reversal<P: Provider>(body: &Value) -> Reversal {
    let command = command::<P>(body);
    let Action::Reverse(reversal) = command.action else { panic!("{command:?}") };
    reversal
}

fn back<P: Provider>(body: &Value) -> Back {
    reversal::<P>(body).back
}

fn else_buys(command: &Command) -> Option<&Grant> {
    let Action::Renew(Renew { else_buys, .. }) = &command.action else { panic!("{command:?}") };
    else_buys.as_deref()
}

/// In dollars.
fn dollars(value: i64) -> Option<Amount> {
    Some(Amount { value, currency: Some("usd".to_owned()) })
}

fn unpriced(value: i64) -> Option<Amount> {
    Some(Amount { value, currency: None })
}

fn configured() -> ProductId {
    ProductId::new(PRODUCT).unwrap()
}

#[test]
fn every_published_address_can_be_read() {
    let lines = PUBLISHED.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let all = [Stripe::addresses(), FastSpring::addresses(), Paddle::addresses()];
    assert_eq!(all.each_ref().map(Vec::len), [15, 1, 12]);
    assert_eq!(all.concat().len(), lines.count());
    for address in all.concat() {
        assert!(Networks::parse(address, None).is_some(), "{address}");
    }
}
