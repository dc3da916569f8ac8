//! Whether an event may ask Cryptlex now: asked before a lease is taken, so that nothing is begun in vain.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::{Delivery, Ready};
use crate::cryptlex::{Calls, NotAdmitted, Reserved, Turn};
use crate::domain::clock::Clock;
use crate::domain::ids::EventId;
use crate::execute::report::Failure;
use crate::ledger::EventKey;

/// What becomes of an event whose calls do not fit before its deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// It is kept, and goes on where there is more time.
    Elsewhere,
    /// There is no such place: what takes longer than this is begun all the same, and done in parts.
    Here(Duration),
}

/// The way of one event to Cryptlex.
pub(super) struct Gate<'r, 'd> {
    ready: &'r Ready,
    event: &'d EventId,
    delivery: &'d Delivery<'d>,
    passed: Mutex<Passed<'r>>,
}

#[derive(Default)]
enum Passed<'r> {
    #[default]
    Nobody,
    Admitted(Calls<'r>),
    Refused(Failure),
}

impl<'r, 'd> Gate<'r, 'd> {
    pub(super) fn of(ready: &'r Ready, event: &'d EventKey, delivery: &'d Delivery<'d>) -> Self {
        Self { ready, event: &event.id, delivery, passed: Mutex::default() }
    }

    fn passed(&self) -> MutexGuard<'_, Passed<'r>> {
        self.passed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for its turn. What needs no call needs no place.
    pub(super) async fn admits(&self, turn: Turn, clock: &Clock) -> bool {
        *self.delivery.turn() = Some(turn);
        if turn.calls == 0 || matches!(*self.passed(), Passed::Admitted(_)) {
            return true;
        }
        let (cryptlex, deadline) = (&self.ready.cryptlex, self.delivery.deadline);
        let before = self.delivery.places.lock().unwrap_or_else(PoisonError::into_inner).take();
        let places = match before {
            Some(places) => Ok(places),
            None => self.places(turn, clock).await,
        };
        let (passed, is_admitted) = match places {
            Ok(places) => (Passed::Admitted(cryptlex.begin(places, deadline)), true),
            Err(refused) => (Passed::Refused(refused), false),
        };
        *self.passed() = passed;
        is_admitted
    }

    async fn places(&self, turn: Turn, clock: &Clock) -> Result<Reserved, Failure> {
        let takes = self.ready.cryptlex.takes(turn.calls);
        let (takes, waits_elsewhere) = match self.delivery.patience {
            Patience::Elsewhere => (takes, true),
            Patience::Here(most) => (takes.min(most), false),
        };
        let latest = self.delivery.deadline.instant().checked_sub(takes);
        let Some(latest) = latest.filter(|latest| *latest >= Instant::now()) else {
            let text = format!("too little time was left for {} calls of Cryptlex", turn.calls);
            return Err(Failure::delayed(text, None));
        };
        let waiting = &self.ready.waiting;
        let turn = waiting.turn_of(self.event, turn, clock.now());
        let ahead = || match waits_elsewhere {
            true => waiting.ahead_of(self.event, &turn, clock.now()),
            false => 0,
        };
        self.ready.cryptlex.reserve(&turn, ahead, latest).await.map_err(refusal)
    }

    /// The calls of whoever was admitted, and needs any.
    pub(super) fn calls(&self) -> Option<Calls<'r>> {
        match std::mem::take(&mut *self.passed()) {
            Passed::Admitted(calls) => Some(calls),
            Passed::Nobody | Passed::Refused(_) => None,
        }
    }

    /// Why it was not admitted.
    pub(super) fn refusal(&self) -> Failure {
        match std::mem::take(&mut *self.passed()) {
            Passed::Refused(failure) => failure,
            Passed::Nobody | Passed::Admitted(_) => {
                Failure::delayed("other events may call Cryptlex first", None)
            }
        }
    }

    /// Whoever waits for something else keeps no places from others.
    pub(super) fn give_back(&self) {
        drop(self.calls());
        drop(self.delivery.places.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

fn refusal(refused: NotAdmitted) -> Failure {
    Failure::delayed(refused.to_string(), Some(refused.retry_after))
}
