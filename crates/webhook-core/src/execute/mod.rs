//! Handling a delivery: claim its events, look at Cryptlex, write what is missing, record what came of it.

pub mod apply;
mod claim_scope;
mod customers;
pub mod delivery;
mod expected_calls;
mod handle_event;
mod log_event;
pub mod look;
pub(crate) mod outcome;
mod replay;
pub mod report;
pub mod runtime;
pub mod waiting;
