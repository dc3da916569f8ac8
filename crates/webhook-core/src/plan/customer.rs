//! Which Cryptlex user a customer is.

use jiff::Timestamp;

use super::{Plan, SLOT_KEY, Step, stale};
use crate::command::{Customer, Email, Name};
use crate::cryptlex::{MetadataItem, NewUser, User, UserChange};
use crate::ids::{Mark, UserId};
use crate::snapshot::{People, Snapshot};

/// The user to whom the customer's licenses belong, if there is one: as remembered, by the customer's id, by e-mail.
pub fn user_of(people: &People) -> Option<&UserId> {
    let known = people.remembered.as_ref();
    known.or_else(|| by_mark(people).or_else(|| oldest(&people.by_email)).map(|user| &user.id))
}

/// Whom a customer that changed is to be known as: the user with the e-mail has it whatever was remembered.
pub fn association(people: &People) -> Option<&UserId> {
    oldest(&people.by_email).map(|user| &user.id).or_else(|| user_of(people))
}

/// A user of his own before a stand-in; else the newest association.
fn by_mark(people: &People) -> Option<&User> {
    people.by_mark.iter().max_by_key(|user| (!user.is_placeholder(), user.created_at))
}

fn oldest(users: &[User]) -> Option<&User> {
    users.iter().min_by_key(|user| (user.created_at, &user.id))
}

/// The user to make for a customer whom nobody knows.
pub(super) fn new_user(customer: &Customer) -> NewUser {
    let Name { first, last } = named(customer);
    let metadata =
        customer.mark.iter().map(|mark| MetadataItem::hidden(&mark.key, mark.value())).collect();
    NewUser {
        email: customer.email.as_str().to_owned(),
        first_name: first,
        last_name: last,
        company: customer.company.clone(),
        metadata,
    }
}

/// Cryptlex requires a first name, so somebody without a name gets what stands before the @.
fn named(customer: &Customer) -> Name {
    let nameless = || match (&customer.email, &customer.id) {
        (Email::Placeholder(_), Some(id)) => id.to_string(),
        (email, _) => email.local_part().to_owned(),
    };
    customer.name.clone().unwrap_or_else(|| Name { first: nameless(), last: None })
}

/// A customer exists or changed: the user with that e-mail is the customer's, else the one known so far becomes it.
pub(super) fn plan(
    provider: &str,
    customer: &Customer,
    at: Timestamp,
    snapshot: &Snapshot,
) -> Plan {
    if snapshot.state.synced_at.is_some_and(|newest| newest > at) {
        return stale(snapshot);
    }
    let people = &snapshot.people;
    let mut plan = Plan { state: snapshot.state.clone(), ..Plan::default() };
    plan.state.synced_at = Some(at);
    let known = by_mark(people);
    match oldest(&people.by_email) {
        Some(user) => {
            let foreign = people.remembered.as_ref().or(known.map(|user| &user.id));
            let stand_in = known.is_some_and(User::is_placeholder);
            if is_shared(provider, people) {
                plan.warnings
                    .push("the customer's user is another customer's too: he is one of his own now, and his licenses stay there");
            } else if foreign.is_some_and(|foreign| foreign != &user.id) && !stand_in {
                plan.warnings
                    .push("the customer's e-mail is another user's: that user is the customer now");
            }
            plan.steps.extend(correction(customer, user));
            let strays = people.to_move.iter().filter(|license| license.user() != Some(&user.id));
            plan.steps
                .extend(strays.map(|l| Step::Move { license: l.id.clone(), to: user.id.clone() }));
        }
        None if is_shared(provider, people) => {
            plan.steps.push(Step::CreateUser(new_user(customer)));
        }
        None => match (known, &people.remembered) {
            (Some(user), _) => plan.steps.extend(correction(customer, user)),
            (None, Some(user)) => plan.steps.push(Step::ChangeUser(user.clone(), all_of(customer))),
            (None, None) => plan.steps.push(Step::CreateUser(new_user(customer))),
        },
    }
    plan
}

/// Whether the user that would get another e-mail has licenses that others bought: two customers may have had one e-mail.
/// Without any memory of what the customer bought, the user is taken for his.
fn is_shared(provider: &str, people: &People) -> bool {
    let own: Vec<String> =
        people.bought.iter().map(|subject| format!("{provider}/{subject}/")).collect();
    let mut slots = people.held.iter().filter_map(|license| license.metadata(SLOT_KEY));
    let of_others = slots.any(|slot| !own.iter().any(|own| slot.starts_with(own)));
    of_others && !own.is_empty()
}

/// What differs between the user and the customer. A customer without a name leaves the user's.
fn correction(customer: &Customer, user: &User) -> Option<Step> {
    let email =
        (!user.has_email(customer.email.as_str())).then(|| customer.email.as_str().to_owned());
    let (first_name, last_name) = match &customer.name {
        Some(name) if !is_called(user, name) => (Some(name.first.clone()), name.last.clone()),
        // A stand-in is called by the customer's id, which is nobody's name.
        None if user.is_placeholder() && email.is_some() => (Some(named(customer).first), None),
        Some(_) | None => (None, None),
    };
    let missing_mark =
        |mark: &Mark| (!user.carries(mark)).then(|| user.metadata_with(mark)).flatten();
    let metadata = customer.mark.as_ref().and_then(missing_mark);
    let change = UserChange { email, first_name, last_name, metadata };
    (change != UserChange::default()).then(|| Step::ChangeUser(user.id.clone(), change))
}

/// A provider with one name field is content when first and last name together are the name.
fn is_called(user: &User, name: &Name) -> bool {
    let own = |part: &Option<String>| part.as_deref().map(str::trim).unwrap_or_default().to_owned();
    let (first, last) = (own(&user.first_name), own(&user.last_name));
    match &name.last {
        Some(wanted) => first == name.first && &last == wanted,
        None => first == name.first || format!("{first} {last}").trim() == name.first,
    }
}

fn all_of(customer: &Customer) -> UserChange {
    UserChange {
        email: Some(customer.email.as_str().to_owned()),
        first_name: customer.name.as_ref().map(|name| name.first.clone()),
        last_name: customer.name.as_ref().and_then(|name| name.last.clone()),
        metadata: None,
    }
}
