//! One subject of an event: look at Cryptlex, decide, write, remember.

use super::Ready;
use crate::cryptlex::{ApiError, Kind};
use crate::decide::Snapshot;
use crate::decide::{Owed, Refused, all_ours, association, needs_a_look, unlooked, user_of};
use crate::domain::work::Work;
use crate::execute::apply::{Settled, StopReason, Stopped, settle};
use crate::execute::claim_scope::customer_of;
use crate::execute::customers::{
    Looking, MOST_LOOKS, NotSeen, is_gone, lost_address, remember, unless_refused,
};
use crate::execute::look::Look;
use crate::execute::outcome::{Told, describe};
use crate::execute::report::{Class, Failure};
use crate::ledger::{KnownCustomer, LeaseOnFailure, Leases};

impl Ready {
    pub(super) async fn one(
        &self,
        looking: Option<Looking<'_>>,
        work: &Work<'_>,
        owed: &Owed,
        leases: &mut Leases,
    ) -> Result<Told, (Failure, LeaseOnFailure)> {
        let state = leases.state(&work.subject);
        let is_needed = needs_a_look(work, owed, &state);
        let Some(looking) = looking.filter(|_| is_needed) else {
            let snapshot = Snapshot { state, ..Snapshot::default() };
            let plan = unlooked(work, owed, &snapshot, &self.config.policy).map_err(|refused| {
                (Failure::person(refused.to_string()), LeaseOnFailure::Release)
            })?;
            let mut settled = Settled { plan, done: Vec::new() };
            settled.plan.state.facts.settle();
            let told = describe(work, &settled, &snapshot, None, &self.config.policy);
            leases.set_state(&work.subject, settled.plan.state);
            return Ok(told);
        };
        let (snapshot, settled) = self.settled(&looking, work, owed, leases).await?;
        match settled {
            Ok(settled) => Ok(self.told(work, settled, &snapshot, leases)),
            Err(stopped) => {
                let mut state = snapshot.state;
                if matches!(stopped.cause, StopReason::Refused(Refused::TooMany(_))) {
                    // What is refused must not block what comes after it.
                    leases.take_back(&work.subject, &mut state);
                }
                leases.set_state(&work.subject, state);
                Err(failure(&stopped))
            }
        }
    }

    /// Looked at and carried out as far as it goes; looked at again where somebody else was faster.
    async fn settled(
        &self,
        looking: &Looking<'_>,
        work: &Work<'_>,
        owed: &Owed,
        leases: &mut Leases,
    ) -> Result<(Snapshot, Result<Settled, Stopped>), (Failure, LeaseOnFailure)> {
        let Some(command) = work.leading() else {
            return Ok((Snapshot::default(), Ok(Settled::default())));
        };
        let customer = customer_of(command);
        let mut known = customer.map(|id| leases.customer(id)).unwrap_or_default();
        let mut state = leases.state(&command.subject);
        let look = match leases.all_ours(&command.subject) {
            true => Look::AtOurs,
            false => Look::Everywhere,
        };
        let mut looks = 0;
        loop {
            let seen = looking.take(work, look, &mut state, &known, leases).await;
            // What turned out to be gone is not looked for again, whatever becomes of this delivery.
            leases.set_state(&command.subject, state.clone());
            let mut snapshot = seen.map_err(|why| match why {
                NotSeen::Call(error) => (call_failure(&error), LeaseOnFailure::Release),
                NotSeen::Ledger(failure) => (failure, LeaseOnFailure::Release),
            })?;
            let settled =
                settle(looking.calls, work, owed, &mut snapshot, &self.config.policy).await;
            let settled = unless_refused(command, settled, &snapshot, leases.attempts());
            let done =
                settled.as_ref().map_or_else(|stopped| &stopped.done, |settled| &settled.done);
            if !done.is_empty() {
                leases.touch();
            }
            match &settled {
                // Whose user that is must be known before it gets a license.
                Err(Stopped { cause: StopReason::Faster, .. }) if looks < MOST_LOOKS => looks += 1,
                Err(stopped) if is_gone(looking.calls, stopped, &snapshot.people).await => {
                    known = KnownCustomer { user: None, owns_user: false, ..known };
                }
                Ok(_) | Err(_) => {
                    if let Some(customer) = customer {
                        remember(command, customer, known, (&snapshot, &settled), leases);
                    }
                    return Ok((snapshot, settled));
                }
            }
        }
    }

    fn told(
        &self,
        work: &Work<'_>,
        settled: Settled,
        snapshot: &Snapshot,
        leases: &mut Leases,
    ) -> Told {
        for warning in &settled.plan.warnings {
            tracing::warn!(subject = %work.subject, "{}: {warning}", work.subject);
        }
        let user = match work.is_of_a_customer() {
            true => association(&snapshot.people).map(|user| &user.id),
            false => user_of(&snapshot.people),
        };
        let mut told = describe(work, &settled, snapshot, user.cloned(), &self.config.policy);
        let lost = work.leading().and_then(|command| {
            let customer = customer_of(command)?;
            lost_address(command, customer, snapshot, leases)
        });
        let mut state = settled.plan.state;
        state.facts.settle();
        leases.set_all_ours(&work.subject, all_ours(snapshot, &state.slots));
        leases.set_state(&work.subject, state);
        told.concern = told.concern.or(lost);
        told
    }
}

/// What stopped work on one subject means for the event.
fn failure(stopped: &Stopped) -> (Failure, LeaseOnFailure) {
    let message = stopped.to_string();
    let failure = match &stopped.cause {
        StopReason::Faster => Failure::delayed(message, None),
        StopReason::Call(error) | StopReason::Unknown(error) => {
            Failure { message, ..call_failure(error) }
        }
        StopReason::Refused(Refused::NoCustomer(_)) => Failure { message, class: Class::Buyer },
        StopReason::Refused(Refused::NoLicense(_)) => Failure::passing(message, None),
        StopReason::Refused(Refused::NoUser(_) | Refused::TooMany(..)) | StopReason::NoChange => {
            Failure::person(message)
        }
    };
    let keep = match stopped.cause {
        StopReason::Unknown(_) => LeaseOnFailure::LetExpire,
        StopReason::Call(_)
        | StopReason::Refused(_)
        | StopReason::NoChange
        | StopReason::Faster => LeaseOnFailure::Release,
    };
    (failure, keep)
}

fn call_failure(error: &ApiError) -> Failure {
    let message = error.to_string();
    match (error.kind, error.passes_by_itself()) {
        (Kind::Unauthorized(_), _) => Failure { message, class: Class::Token },
        (_, true) => Failure::delayed(message, error.retry_after()),
        (_, false) => Failure::person(message),
    }
}
