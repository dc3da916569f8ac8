//! A store around another one in which something goes wrong at one of its calls.

use std::sync::{Arc, Mutex};

use futures_util::future::{BoxFuture, FutureExt as _};
use tokio::sync::watch;
use webhook_core::ledger::{Committed, SoleOwner, Store, StoreError, Versioned, Write};

/// What can happen to a call of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mishap {
    /// It fails and had no effect.
    ErrorBefore,
    /// It fails although it had its effect.
    ErrorAfter,
    /// It never ends and has no effect.
    HangBefore,
    /// It never ends although it had its effect.
    HangAfter,
}

pub(crate) struct Tampered {
    inner: Arc<dyn Store>,
    /// Which call, counted from 0, and how many from there on.
    at: (usize, usize),
    mishap: Option<Mishap>,
    calls: Mutex<Vec<&'static str>>,
    hits: watch::Sender<usize>,
}

impl Tampered {
    /// Goes wrong at the call of that number, counted from 0, and at those that follow, `times` in all.
    pub(crate) fn at(
        inner: Arc<dyn Store>,
        call: usize,
        times: usize,
        mishap: Mishap,
    ) -> Arc<Self> {
        Arc::new(Self { mishap: Some(mishap), ..Self::around(inner, (call, times)) })
    }

    /// Only counts.
    pub(crate) fn counting(inner: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self::around(inner, (0, 0)))
    }

    fn around(inner: Arc<dyn Store>, at: (usize, usize)) -> Self {
        Self { inner, at, mishap: None, calls: Mutex::default(), hits: watch::Sender::new(0) }
    }

    /// The names of the calls so far.
    pub(crate) fn calls(&self) -> Vec<&'static str> {
        self.calls.lock().unwrap().clone()
    }

    pub(crate) fn hits(&self) -> watch::Receiver<usize> {
        self.hits.subscribe()
    }

    async fn meet<T>(
        &self,
        name: &'static str,
        call: BoxFuture<'_, Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let number = {
            let mut calls = self.calls.lock().unwrap();
            calls.push(name);
            calls.len() - 1
        };
        let (first, times) = self.at;
        let Some(mishap) = self.mishap.filter(|_| number >= first && number - first < times) else {
            return call.await;
        };
        if matches!(mishap, Mishap::ErrorAfter | Mishap::HangAfter) {
            call.await?;
        }
        self.hits.send_modify(|hits| *hits += 1);
        match mishap {
            Mishap::ErrorBefore | Mishap::ErrorAfter => {
                Err(StoreError(format!("{name} failed on purpose")))
            }
            Mishap::HangBefore | Mishap::HangAfter => std::future::pending().await,
        }
    }
}

impl Store for Tampered {
    fn read<'a>(
        &'a self,
        keys: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<Option<Versioned>>, StoreError>> {
        self.meet("read", self.inner.read(keys)).boxed()
    }

    fn commit<'a>(&'a self, writes: &'a [Write]) -> BoxFuture<'a, Result<Committed, StoreError>> {
        self.meet("commit", self.inner.commit(writes)).boxed()
    }

    fn list<'a>(
        &'a self,
        prefix: &'a str,
    ) -> BoxFuture<'a, Result<Vec<(String, Versioned)>, StoreError>> {
        self.meet("list", self.inner.list(prefix)).boxed()
    }

    fn sole_owner(&self) -> Option<SoleOwner> {
        self.inner.sole_owner()
    }
}
