//! Customers and what they pay with.

use super::super::{ProductLookup, Profile as _, subject_of};
use super::{Decided, Stripe, of_data};
use crate::domain::command::{
    Action, AddressTold, Command, CustomerChange, Email, Name, Note, NoteEffect, Subject,
    SubjectKind, Unreadable,
};
use crate::domain::ids::CustomerId;
use crate::providers::json::Object;

/// `customer.created`, `customer.updated`.
pub(super) fn changed(data: &Object<'_>, _source: &ProductLookup) -> Result<Decided, Unreadable> {
    let customer = of_data(data, "customer")?;
    let before = data.object("previous_attributes", "previous attributes");
    let address = match before.and_then(|before| before.text("email")) {
        Some(_) => AddressTold::Changed,
        None => AddressTold::AsItIs,
    };
    let id = customer.text("id");
    let subject = subject_of(Stripe::NAME, SubjectKind::Customer, &customer, "id", id)?;
    let action = match customer.text("email").and_then(Email::real) {
        Some(email) => {
            let id = id.and_then(|id| CustomerId::new(id).ok());
            let name = Name::of(customer.text("name"), None);
            let customer = super::super::customer::<Stripe>(id, email, name);
            Action::SyncCustomer(customer, address)
        }
        None => Action::Note(Note::of("the customer has no e-mail")),
    };
    Ok(Command::new(subject, Vec::new(), action).into())
}

/// `customer.deleted`. Stripe ends its subscriptions by itself, and says so in events of their own.
pub(super) fn deleted(data: &Object<'_>, _source: &ProductLookup) -> Result<Decided, Unreadable> {
    let customer = of_data(data, "customer")?;
    note(
        &customer,
        "id",
        customer.text("id"),
        "the customer was deleted",
        CustomerChange::Forgotten,
    )
}

/// `payment_method.attached`.
pub(super) fn payment_method_attached(
    data: &Object<'_>,
    _source: &ProductLookup,
) -> Result<Decided, Unreadable> {
    let method = of_data(data, "payment method")?;
    let id = method.text("id").ok_or_else(|| method.lacks("id"))?;
    let Some(owner) = method.reference("customer") else {
        return Ok(Decided::Nothing("the payment method is nobody's"));
    };
    let change = CustomerChange::Pays(id.to_owned());
    note(&method, "customer", Some(owner), "a payment method was added", change)
}

/// `payment_method.detached`: the customer is in `previous_attributes`.
pub(super) fn payment_method_detached(
    data: &Object<'_>,
    owner: Option<&str>,
) -> Result<Decided, Unreadable> {
    let method = of_data(data, "payment method")?;
    let id = method.text("id").ok_or_else(|| method.lacks("id"))?;
    let owner = owner.or(method.reference("customer"));
    if owner.is_none() {
        return Ok(Decided::Nothing("the payment method was nobody's"));
    }
    let change = CustomerChange::PaysNoMore(id.to_owned());
    note(&method, "customer", owner, "a payment method was removed", change)
}

fn note(
    object: &Object<'_>,
    field: &str,
    customer: Option<&str>,
    why: &'static str,
    change: CustomerChange,
) -> Result<Decided, Unreadable> {
    let subject: Subject =
        subject_of(Stripe::NAME, SubjectKind::Customer, object, field, customer)?;
    let customer = CustomerId::new(subject.id.as_str())
        .map_err(|_not_an_id| object.misshapen(field, "an id"))?;
    let effect = NoteEffect::Customer(customer, change);
    Ok(Command::new(subject, Vec::new(), Action::Note(Note { why, effect })).into())
}
