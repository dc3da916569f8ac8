//! The words that all other folders share: ids, times, what an event says. No I/O, and no provider.

pub mod clock;
pub mod command;
pub mod contracts;
pub mod deadline;
pub mod entitlement;
pub mod fact;
pub mod ids;
pub mod interval;
pub mod policy;
pub mod profile;
pub mod work;
