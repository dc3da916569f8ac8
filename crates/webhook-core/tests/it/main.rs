//! End to end: signed deliveries go in over the router, the sandbox's licenses are looked at. One binary, so that it
//! links once.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test that meets the unexpected fails"
)]

mod allocations;
mod architecture;
mod bad_input;
mod buyers;
mod cases;
mod changes;
mod charges;
mod corpus;
mod costs;
mod counts;
mod deliveries;
mod ends;
mod fastspring;
mod faults;
mod function;
mod gates;
mod histories;
mod intake;
mod interleavings;
mod items;
mod leaks;
mod lifecycle;
mod limits;
mod matrix;
mod mishaps;
mod moto;
mod naming;
mod notifications;
mod overflow;
mod purchases;
mod readings;
mod records;
mod reversals;
mod scenarios;
mod secrets;
mod stores;
mod support;
mod template;
mod test_events;
mod unfinished;
mod unknowns;
mod words;
