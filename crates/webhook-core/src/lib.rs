//! From a signed payment webhook to the Cryptlex licenses that it paid for.
//!
//! Read the folders in the order in which a delivery passes them: [`http`] takes it in, [`providers`] proves and reads it,
//! [`domain`] has the words for what it says, [`execute`] handles it, [`ledger`] remembers it, [`decide`] says what is missing,
//! [`cryptlex`] is told. [`infra`] is what all of them use.

// A folder imports only from those above it; `tests/it/architecture.rs` looks.
pub mod domain;

pub mod infra;

pub mod providers;

pub mod cryptlex;
pub mod ledger;

pub mod decide;

pub mod execute;

pub mod http;
