//! Which Cryptlex user a customer is, and whether their events may change it.
//!
//! A user is somebody's access to paid licenses, and an e-mail address or a name is a claim of whoever types it. So a user
//! is changed only by the customer that it was made for, and only while it holds nothing that others bought; otherwise it
//! is used as it is.

use jiff::Timestamp;

use super::plan::Plan;
use super::step::Step;
use crate::cryptlex::{License, MetadataItem, NO_NAME, NewUser, User, UserChange};
use crate::decide::snapshot::{People, Snapshot};
use crate::domain::command::{AddressTold, Concern, Customer, Email, Name};
use crate::domain::ids::UserId;
use crate::providers::marks::SLOT_KEY;

/// What a changed address leaves for a person to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Left {
    /// A user that the customer was known as stays as it is, with its licenses; another gets their later purchases.
    User {
        /// That stays.
        kept: UserId,
        /// That gets them.
        now: UserId,
    },
    /// The customer's user has their new address, and also holds licenses that they did not buy.
    Shared(UserId),
    /// Nobody knows which user the customer was; this one was made.
    Unknown(UserId),
}

/// The user to whom the customer's licenses belong, if there is one: their own, else the one with their e-mail.
pub fn user_of(people: &People) -> Option<&UserId> {
    let own = people.remembered.as_ref().filter(|known| known.is_own);
    own.map(|known| &known.id).or_else(|| found(people).map(|user| &user.id))
}

/// The same, of those that were looked at.
pub fn found(people: &People) -> Option<&User> {
    let by_mark = |placeholder: bool| {
        let users = people.by_mark.iter().filter(move |user| user.is_placeholder() == placeholder);
        users.max_by_key(|user| user.created_at)
    };
    let own = people.by_email.iter().find(|user| is_own(user, people));
    own.or_else(|| by_mark(false)).or_else(|| oldest(&people.by_email)).or_else(|| by_mark(true))
}

/// Whom a customer that changed is to be known as: whoever has their e-mail, whatever was remembered.
pub fn association(people: &People) -> Option<&User> {
    holder(people).or_else(|| own_user(people)).or_else(|| found(people))
}

/// Whether a user carries the mark of this customer, and of nobody else.
pub fn is_own(user: &User, people: &People) -> bool {
    people.mark.as_ref().is_some_and(|mark| user.is_only_of(mark))
}

/// The user with the customer's e-mail.
pub fn holder(people: &People) -> Option<&User> {
    let own = people.by_email.iter().find(|user| is_own(user, people));
    own.or_else(|| oldest(&people.by_email))
}

fn oldest(users: &[User]) -> Option<&User> {
    users.iter().min_by_key(|user| (user.created_at, &user.id))
}

/// The newest user that was made for the customer, apart from a placeholder.
fn own_user(people: &People) -> Option<&User> {
    let remembered = people.remembered.iter().filter_map(|known| known.user.as_ref());
    let all = people.by_mark.iter().chain(remembered);
    let own = all.filter(|user| !user.is_placeholder() && is_own(user, people));
    own.max_by_key(|user| (user.created_at, &user.id))
}

/// A list may be too old to show the one that is remembered.
fn placeholder(people: &People) -> Option<&User> {
    let remembered = people.remembered.iter().filter_map(|known| known.user.as_ref());
    people.by_mark.iter().chain(remembered).find(|user| user.is_placeholder())
}

/// Whether events of this customer may change the user. The rule is in docs/policies.md, "Whose user it is".
fn may_change(provider: &str, user: &User, people: &People) -> bool {
    // A placeholder whose address this event changed holds what it held.
    let before = people.before.as_ref().filter(|before| before.id == user.id);
    let holder = before.unwrap_or(user);
    let bought = |license: &License| people.bought(provider, SLOT_KEY, license, holder);
    let held = people.held.get(&user.id);
    let is_shared = people.shared.contains(&user.id);
    is_own(user, people)
        && user.is_plain()
        && !is_shared
        && held.is_some_and(|held| held.iter().all(bought))
}

/// The user to make for a customer whom nobody knows.
pub(super) fn new_user(customer: &Customer) -> NewUser {
    let Name { first, last } = customer.written_name();
    let metadata =
        customer.mark.iter().map(|mark| MetadataItem::hidden(&mark.key, mark.value())).collect();
    NewUser {
        email: customer.email.as_str().to_owned(),
        first_name: first,
        last_name: last,
        company: customer.written_company(),
        metadata,
    }
}

/// Whoever signed up with an address and never bought gets nothing of whoever buys with it: neither the user nor their name
/// in it.
pub(super) fn take_over(customer: &Customer, people: &People) -> Option<Step> {
    let (idle, mark) = (people.idle.as_ref()?, customer.mark.as_ref()?);
    let user = holder(people)?;
    let holds_nothing = people.held.get(&user.id).is_some_and(Vec::is_empty);
    if !user.is_only_of(idle) || !user.is_plain() || !holds_nothing {
        return None;
    }
    let metadata = Some(user.metadata_for(mark));
    // Where a purchase tells no name, their address does until they tell it themselves.
    let email = user.email.as_deref().and_then(Email::real);
    let email = email.unwrap_or_else(|| customer.email.clone());
    let name = Customer { email, ..customer.clone() }.written_name();
    let change = UserChange { metadata, ..named(user, name) };
    Some(Step::ChangeUser(user.id.clone(), change))
}

/// A customer exists or changed: the user with that e-mail is the customer's, else the one made for them becomes it.
pub(super) fn plan(
    provider: &str,
    customer: &Customer,
    address: AddressTold,
    at: Timestamp,
    snapshot: &Snapshot,
) -> Plan {
    if snapshot.state.synced_at.is_some_and(|newest| newest > at) {
        return Plan { state: snapshot.state.clone(), stale: true, ..Plan::default() };
    }
    let people = &snapshot.people;
    let mut plan = Plan { state: snapshot.state.clone(), ..Plan::default() };
    plan.state.synced_at = Some(at);
    if let Some(step) = put_back(provider, people) {
        plan.steps.push(step);
        return plan;
    }
    let may_change = |user: &&User| may_change(provider, user, people);
    match holder(people) {
        Some(user) => {
            let correction = || Some(user).filter(may_change).and_then(|u| correction(customer, u));
            plan.steps.extend(take_over(customer, people).or_else(correction));
            if plan.steps.is_empty() {
                plan.steps.extend(moves(provider, user, people));
            }
        }
        None => {
            let mut known = [own_user(people), placeholder(people)].into_iter().flatten();
            plan.steps.extend(match known.find(may_change) {
                Some(user) => correction(customer, user),
                None => Some(Step::CreateUser(new_user(customer))),
            });
        }
    }
    if plan.steps.is_empty() {
        plan.concern = left(provider, address, people).map(|_| Concern::UserKept);
    }
    plan
}

/// A license that came to the user while its address was changed belongs to somebody who knew it by the old one.
fn put_back(provider: &str, people: &People) -> Option<Step> {
    let before = people.before.as_ref()?;
    let user = people.users().find(|user| user.id == before.id)?;
    let (email, first) = (before.email.clone()?, before.first_name.clone()?);
    if user.has_email(&email) || may_change(provider, user, people) {
        return None;
    }
    let name = named(user, Name { first, last: before.last_name.clone() });
    Some(Step::PutBack(user.id.clone(), UserChange { email: Some(email), ..name }))
}

/// What the customer bought while only their id was known moves to the user of their address; nothing else does.
pub fn moves(provider: &str, to: &User, people: &People) -> Vec<Step> {
    let Some(from) = placeholder(people).filter(|from| from.id != to.id) else { return Vec::new() };
    let held = people.held.get(&from.id).into_iter().flatten();
    let theirs = held.filter(|license| {
        license.user() == Some(&from.id) && people.bought(provider, SLOT_KEY, license, from)
    });
    theirs.map(|license| Step::Move { license: license.id.clone(), to: to.id.clone() }).collect()
}

/// What somebody should look at: only of an address that changed, and so once for each.
pub fn left(provider: &str, address: AddressTold, people: &People) -> Option<Left> {
    let now = association(people).filter(|_| !people.is_told)?;
    let kept = |kept: &UserId| Some(Left::User { kept: kept.clone(), now: now.id.clone() });
    let remembered = people.remembered.as_ref().and_then(|known| known.user.as_ref());
    match remembered.or_else(|| own_user(people)) {
        Some(known) if known.id != now.id && !known.is_placeholder() => kept(&known.id),
        Some(_) if people.email_changed && people.held.contains_key(&now.id) => {
            (!may_change(provider, now, people)).then(|| Left::Shared(now.id.clone()))
        }
        Some(_) => None,
        None if address == AddressTold::Changed && people.made.is_some() => {
            Some(Left::Unknown(now.id.clone()))
        }
        None => None,
    }
}

/// What differs between the customer's own user and the customer. A customer without a name leaves the user's.
fn correction(customer: &Customer, user: &User) -> Option<Step> {
    let email =
        (!user.has_email(customer.email.as_str())).then(|| customer.email.as_str().to_owned());
    let name = match &customer.name {
        Some(_) => Some(customer.written_name()).filter(|name| !user.is_called(name)),
        // A placeholder is called by the customer's id, which is nobody's name.
        None if user.is_placeholder() && email.is_some() => Some(customer.written_name()),
        None => None,
    };
    let named = name.map(|name| named(user, name)).unwrap_or_default();
    let change = UserChange { email, ..named };
    (change != UserChange::default()).then(|| Step::ChangeUser(user.id.clone(), change))
}

/// A name that has no last part must not leave the last name of the one before. Whether an empty one can be written is
/// not documented, so the name is cut in two, or gets a [`NO_NAME`].
fn named(user: &User, name: Name) -> UserChange {
    let has_last = user.last_name.as_deref().is_some_and(|last| !last.trim().is_empty());
    let (first, last) = match (name.last, name.first.split_once(' ')) {
        (None, Some((first, rest))) if has_last => (first.to_owned(), Some(rest.to_owned())),
        (None, None) if has_last => (name.first, Some(NO_NAME.to_owned())),
        (last, _) => (name.first, last),
    };
    UserChange { first_name: Some(first), last_name: last, ..UserChange::default() }
}
