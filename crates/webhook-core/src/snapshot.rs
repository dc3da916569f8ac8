//! What Cryptlex and the ledger hold about a subject before a command is planned.

use std::collections::BTreeSet;

use futures_util::future::{try_join, try_join_all};
use futures_util::stream::{self, StreamExt as _};

use crate::command::{Action, Command, Customer, Email};
use crate::cryptlex::{ApiError, License, Session, User};
use crate::ids::{LicenseId, Mark, SubjectId, UserId};
use crate::ledger::{KnownCustomer, SubjectState};

/// Everything that `plan` decides from.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// The subject's licenses, oldest first.
    pub licenses: Vec<License>,
    /// What the ledger knows of the subject.
    pub state: SubjectState,
    /// Who the customer might be.
    pub people: People,
}

/// The users that may be the customer.
#[derive(Debug, Clone, Default)]
pub struct People {
    /// The user that the ledger knows the customer as.
    pub remembered: Option<UserId>,
    /// Users with the customer's e-mail.
    pub by_email: Vec<User>,
    /// Users that carry the customer's id.
    pub by_mark: Vec<User>,
    /// Licenses of a stand-in for the customer, to be moved once the customer has a user of his own.
    pub to_move: Vec<License>,
    /// Licenses of the user that would get the customer's new e-mail.
    pub held: Vec<License>,
    /// What the customer himself bought.
    pub bought: Vec<SubjectId>,
}

impl Snapshot {
    /// Reads what the command needs, side by side. Slots whose license is no more are forgotten in `state`, also when
    /// the rest could not be read.
    pub async fn take(
        session: &Session<'_>,
        command: &Command,
        state: &mut SubjectState,
        known: KnownCustomer,
    ) -> Result<Self, ApiError> {
        let (licenses, people) = match &command.action {
            Action::Grant(grant) => {
                let people = async {
                    match &grant.customer {
                        Some(customer) => buyer(session, customer, known).await,
                        None => Ok(People { remembered: known.user, ..People::default() }),
                    }
                };
                try_join(licenses(session, &command.marks, state), people).await?
            }
            Action::Renew(_)
            | Action::PaymentFailed(_)
            | Action::Suspend(_)
            | Action::Resume(_)
            | Action::Reverse(_)
            | Action::ChangePlan(_)
            | Action::End => (licenses(session, &command.marks, state).await?, People::default()),
            Action::SyncCustomer(customer) => (Vec::new(), person(session, customer, known).await?),
            Action::Note(_) => (Vec::new(), People::default()),
        };
        Ok(Self { licenses, state: state.clone(), people })
    }

    /// Takes in a license as a write left it.
    pub fn absorb_license(&mut self, license: License) {
        let places = [&mut self.licenses, &mut self.people.to_move];
        for place in places {
            if let Some(known) = place.iter_mut().find(|known| known.id == license.id) {
                *known = license;
                return;
            }
        }
        self.licenses.push(license);
    }

    /// Takes out a license that is no more.
    pub fn forget_license(&mut self, id: &LicenseId) {
        self.licenses.retain(|license| &license.id != id);
    }

    /// Takes in a user as a write left it.
    pub fn absorb_user(&mut self, user: User) {
        let mut places = self.people.by_email.iter_mut().chain(&mut self.people.by_mark);
        match places.find(|known| known.id == user.id) {
            Some(known) => *known = user,
            None => self.people.by_email.push(user),
        }
    }
}

/// Looks at single licenses that run side by side.
const SIDE_BY_SIDE: usize = 8;

/// Licenses that a list shows under any of the marks, and those that the ledger knows and a stale list does not show.
pub async fn licenses(
    session: &Session<'_>,
    marks: &[Mark],
    state: &mut SubjectState,
) -> Result<Vec<License>, ApiError> {
    let lists = try_join_all(marks.iter().map(|mark| session.licenses_with(mark))).await?;
    let mut seen = BTreeSet::new();
    let mut all: Vec<License> =
        lists.into_iter().flatten().filter(|l| seen.insert(l.id.clone())).collect();
    let unlisted: Vec<LicenseId> =
        state.slots.values().filter(|id| !seen.contains(*id)).cloned().collect();
    let looks = unlisted.into_iter().map(async |id| (session.license(&id).await, id));
    let mut looks = stream::iter(looks).buffer_unordered(SIDE_BY_SIDE);
    while let Some((found, id)) = looks.next().await {
        match found? {
            Some(license) => all.push(license),
            None => state.slots.retain(|_, known| known != &id),
        }
    }
    all.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
    Ok(all)
}

async fn buyer(
    session: &Session<'_>,
    customer: &Customer,
    known: KnownCustomer,
) -> Result<People, ApiError> {
    if known.user.is_some() {
        return Ok(People { remembered: known.user, ..People::default() });
    }
    let (by_email, by_mark) = candidates(session, customer).await?;
    Ok(People { by_email, by_mark, ..People::default() })
}

/// For a change of the customer all of its users count, whatever the ledger remembers.
async fn person(
    session: &Session<'_>,
    customer: &Customer,
    known: KnownCustomer,
) -> Result<People, ApiError> {
    let (by_email, mut by_mark) = candidates(session, customer).await?;
    let KnownCustomer { user: remembered, held_by_stand_in, bought, .. } = known;
    // A list may be too old to show the stand-in, or what it holds.
    let shown = |id: &UserId| by_email.iter().chain(&by_mark).any(|user| &user.id == id);
    if let Some(hidden) = remembered.as_ref().filter(|id| !by_email.is_empty() && !shown(id)) {
        by_mark.extend(session.user(hidden).await?);
    }
    let stand_in = match customer.email {
        Email::Real { .. } if !by_email.is_empty() => {
            by_mark.iter().find(|user| user.is_placeholder())
        }
        Email::Real { .. } | Email::Placeholder(_) => None,
    };
    let mut to_move = Vec::new();
    if let Some(stand_in) = stand_in {
        to_move = session.licenses_of(&stand_in.id).await?;
        for id in held_by_stand_in {
            if !to_move.iter().any(|license| license.id == id) {
                let held = session.license(&id).await?;
                to_move.extend(held.filter(|license| license.user() == Some(&stand_in.id)));
            }
        }
    }
    let mut held = Vec::new();
    if by_email.is_empty() {
        let is_stand_in =
            |id: &UserId| by_mark.iter().any(|user| &user.id == id && user.is_placeholder());
        let marked = by_mark.iter().map(|user| &user.id);
        let known: BTreeSet<&UserId> = marked.chain(&remembered).collect();
        for user in known.into_iter().filter(|id| !is_stand_in(id)) {
            held.extend(session.licenses_of(user).await?);
        }
    }
    let bought = bought.into_iter().collect();
    Ok(People { remembered, by_email, by_mark, to_move, held, bought })
}

/// Users with the customer's e-mail, however it is spelt, and users that carry the customer's id.
async fn candidates(
    session: &Session<'_>,
    customer: &Customer,
) -> Result<(Vec<User>, Vec<User>), ApiError> {
    let spellings = customer.email.spellings().into_iter();
    let by_email = try_join_all(spellings.map(|email| session.users_with_email(email)));
    let (by_email, by_mark) = try_join(by_email, with_mark(session, customer)).await?;
    let mut seen = BTreeSet::new();
    let by_email = by_email.into_iter().flatten().filter(|user| seen.insert(user.id.clone()));
    Ok((by_email.collect(), by_mark))
}

async fn with_mark(session: &Session<'_>, customer: &Customer) -> Result<Vec<User>, ApiError> {
    match &customer.mark {
        Some(mark) => session.users_with(mark).await,
        None => Ok(Vec::new()),
    }
}
