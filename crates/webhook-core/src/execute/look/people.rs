//! Looking for the users of Cryptlex that may be a customer, and what those hold.

use futures_util::future::{try_join, try_join_all};

use crate::cryptlex::{ApiError, Calls, User};
use crate::decide::{People, Remembered};
use crate::domain::command::{Customer, email_digest};
use crate::domain::ids::{Mark, UserId};
use crate::ledger::KnownCustomer;

/// What a list shows may be old: whoever has another address by now is not found by this one.
pub async fn look_again(
    people: &mut People,
    calls: &Calls<'_>,
    id: &UserId,
) -> Result<(), ApiError> {
    let now = calls.user(id).await?;
    let was = people.by_email.iter().find(|user| user.id == *id);
    let email = was.and_then(|user| user.email.as_deref());
    let still_theirs = now.filter(|now| email.is_some_and(|email| now.has_email(email.trim())));
    people.by_email.retain(|user| user.id != *id);
    people.by_email.extend(still_theirs);
    Ok(())
}

/// The user found by e-mail was made for another customer, who is claimed and has bought nothing: what it holds decides.
pub async fn look_at_idle(
    people: &mut People,
    calls: &Calls<'_>,
    idle: Mark,
) -> Result<(), ApiError> {
    for user in people.by_email.iter().filter(|user| user.is_only_of(&idle)) {
        let held = calls.licenses_shown_for(&user.id).await?;
        people.held.insert(user.id.clone(), held);
    }
    people.idle = Some(idle);
    Ok(())
}

/// Who gets the licenses of a purchase. Without a customer the ledger alone tells.
pub(super) async fn buyer(
    calls: &Calls<'_>,
    customer: Option<&Customer>,
    known: KnownCustomer,
) -> Result<People, ApiError> {
    let mark = customer.and_then(|customer| customer.mark.clone());
    let KnownCustomer { user, owns_user, email: known_email, bought, shared, .. } = known;
    let bought = bought.into_iter().collect();
    // One that is shared may have been taken over.
    let remembered = user.map(|id| {
        let is_own = owns_user && !shared.contains(&id);
        Remembered { id, is_own, user: None }
    });
    let people = People { mark, remembered, bought, shared, ..People::default() };
    if people.remembered.as_ref().is_some_and(|known| known.is_own) {
        return Ok(people);
    }
    if let Some(customer) = customer.filter(|customer| !customer.is_placeholder()) {
        // A crash between the making of a user and its record loses nothing: it is found by its e-mail, too.
        return Ok(People { by_email: with_email(calls, customer).await?, ..people });
    }
    // Only their id is known. The user of somebody else may have got another address since.
    if let Some(known) = &people.remembered {
        let user = calls.user(&known.id).await?;
        let is_theirs = |user: &User| {
            people.mark.as_ref().is_some_and(|mark| user.is_only_of(mark))
                || user.email.as_deref().is_some_and(|e| known_email == Some(email_digest(e)))
        };
        if let Some(user) = user.filter(is_theirs) {
            return Ok(People { by_email: vec![user], ..people });
        }
    }
    match customer {
        Some(customer) => Ok(People { by_mark: with_mark(calls, customer).await?, ..people }),
        None => Ok(people),
    }
}

/// For a change of the customer all of their users count, whatever the ledger remembers.
pub(super) async fn person(
    calls: &Calls<'_>,
    customer: &Customer,
    known: KnownCustomer,
) -> Result<People, ApiError> {
    let lists = try_join(with_email(calls, customer), with_mark(calls, customer));
    let (by_email, by_mark) = lists.await?;
    let KnownCustomer { user, owns_user, held_by_placeholder, bought, email, shared, .. } = known;
    let mut remembered = None;
    if let Some(id) = user {
        let listed = by_email.iter().chain(&by_mark).find(|listed| listed.id == id).cloned();
        // A list may be too old to show it.
        let user = match listed {
            Some(user) => Some(user),
            None => calls.user(&id).await?,
        };
        remembered = Some(Remembered { id, is_own: owns_user, user });
    }
    let told = email_digest(customer.email.as_str());
    let is_told = known.kept_for.as_ref() == Some(&told);
    let mut people = People {
        mark: customer.mark.clone(),
        remembered,
        by_email,
        by_mark,
        held_by_placeholder: held_by_placeholder.into_iter().collect(),
        bought: bought.into_iter().collect(),
        shared,
        is_told,
        email_changed: email.is_some_and(|known| known != told),
        ..People::default()
    };
    for user in that_may_change(customer, &people) {
        let mut held = calls.licenses_shown_for(&user.id).await?;
        if user.is_placeholder() {
            for id in &people.held_by_placeholder {
                if !held.iter().any(|license| license.id == *id) {
                    let hidden = calls.license(id).await?;
                    held.extend(hidden.filter(|license| license.user() == Some(&user.id)));
                }
            }
        }
        people.held.insert(user.id, held);
    }
    Ok(people)
}

/// Their own users that differ from what the event tells, and their placeholder.
fn that_may_change(customer: &Customer, people: &People) -> Vec<User> {
    let differs = |user: &User| {
        let name = customer.name.as_ref().map(|_| customer.written_name());
        let is_called = name.is_none_or(|name| user.is_called(&name));
        user.is_placeholder()
            || people.email_changed
            || !user.has_email(customer.email.as_str())
            || !is_called
    };
    let is_own = |user: &&User| people.mark.as_ref().is_some_and(|mark| user.is_only_of(mark));
    let mut found: Vec<User> = Vec::new();
    for user in people.users().filter(is_own).filter(|user| differs(user)) {
        if !found.iter().any(|known| known.id == user.id) {
            found.push(user.clone());
        }
    }
    found
}

/// Users with the customer's e-mail, however it is spelt.
async fn with_email(calls: &Calls<'_>, customer: &Customer) -> Result<Vec<User>, ApiError> {
    let spellings = customer.email.spellings().into_iter();
    let lists = try_join_all(spellings.map(|email| calls.users_with_email(email))).await?;
    let mut users: Vec<User> = Vec::new();
    for user in lists.into_iter().flatten() {
        if !users.iter().any(|known| known.id == user.id) {
            users.push(user);
        }
    }
    Ok(users)
}

async fn with_mark(calls: &Calls<'_>, customer: &Customer) -> Result<Vec<User>, ApiError> {
    match &customer.mark {
        Some(mark) => calls.users_with(mark).await,
        None => Ok(Vec::new()),
    }
}
