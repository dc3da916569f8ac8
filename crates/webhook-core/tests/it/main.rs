//! End to end: signed deliveries go in over the router, the sandbox's licenses are looked at. One binary, so that it
//! links once.

mod bad_input;
mod corpus;
mod deliveries;
mod faults;
mod leaks;
mod purchases;
mod support;
mod unknowns;
