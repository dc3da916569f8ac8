//! The last trouble with something that a function can do without, for whoever asks how it is.

use std::sync::{Arc, Mutex, PoisonError};

/// Shared by all copies.
#[derive(Debug, Clone, Default)]
pub struct Trouble(Arc<Mutex<Option<String>>>);

impl Trouble {
    /// It refused, for this reason.
    pub fn tell(&self, why: String) {
        self.set(Some(why));
    }

    /// It did what was asked.
    pub fn is_over(&self) {
        self.set(None);
    }

    /// Why it refused last, unless it has worked since.
    pub fn last(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, why: Option<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }
}
