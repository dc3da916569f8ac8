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
mod attack;
mod attack_readers;
mod bad_input;
mod books;
mod burst;
mod buyers;
mod capacity;
mod cases;
mod change_reversed;
mod changes;
mod charges;
mod configuration;
mod corpus;
mod costs;
mod counts;
mod credit;
mod deliveries;
mod ends;
mod fastspring;
mod faults;
mod health;
mod histories;
mod intake;
mod interleavings;
mod items;
mod known;
mod leaks;
mod lifecycle;
mod limits;
mod matrix;
mod naming;
mod notifications;
mod numbers;
mod overflow;
mod ownership;
mod ownership_attacks;
mod ownership_property;
mod places;
mod purchases;
mod readings;
mod records;
mod refund_action;
mod reversals;
mod scenarios;
mod secrets;
mod stores;
mod support;
mod template;
mod test_events;
mod test_names;
mod texts;
mod unfinished;
mod unknowns;
mod unserved;
mod walk;
mod words;
