//! Who gets the licenses of an order.

use super::super::customer;
use super::FastSpring;
use crate::domain::command::{Customer, Email, Name, Unreadable};
use crate::domain::contracts;
use crate::domain::ids::CustomerId;
use crate::providers::json::Object;

/// The buyer, unless exactly one recipient has another e-mail: then it is a gift to that recipient.
pub(super) fn receiver(order: &Object<'_>) -> Result<Customer, Unreadable> {
    let buyer = order.object("customer", "customer");
    let expanded = order.object("account", "account");
    let contact = expanded.and_then(|account| account.object("contact", "contact"));
    let buyer_email =
        [buyer, contact].into_iter().flatten().find_map(|c| c.text("email").and_then(Email::real));
    let recipients = order.objects("recipients", "recipients");
    let recipients = recipients.iter().filter_map(|entry| entry.object("recipient", "recipient"));
    let mut others: Vec<(Object<'_>, Email)> = Vec::new();
    for recipient in recipients {
        let Some(email) = recipient.text("email").and_then(Email::real) else { continue };
        let is_buyer = buyer_email.as_ref().is_some_and(|buyer| buyer.as_str() == email.as_str());
        if !is_buyer && !others.iter().any(|(_, known)| known.as_str() == email.as_str()) {
            others.push((recipient, email));
        }
    }
    let account = order.reference("account");
    if let [(recipient, email)] = others.as_slice() {
        // The buyer's own account identifies the buyer, not the recipient of a gift.
        let of_recipient = recipient.reference("account").filter(|id| Some(*id) != account);
        return Ok(person(recipient, email.clone(), of_recipient));
    }
    let missing = || Unreadable(contracts::no_email(order.title()));
    let email = buyer_email.ok_or_else(missing)?;
    let person_fields = buyer.or(contact).ok_or_else(|| order.lacks("customer"))?;
    Ok(person(&person_fields, email, account))
}

fn person(fields: &Object<'_>, email: Email, account: Option<&str>) -> Customer {
    let id = account.and_then(|id| CustomerId::new(id).ok());
    let name = Name::of(fields.text("first"), fields.text("last"));
    let company = fields.text("company").map(str::to_owned);
    Customer { company, ..customer::<FastSpring>(id, email, name) }
}
