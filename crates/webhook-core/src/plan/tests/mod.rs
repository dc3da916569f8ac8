//! Each rule of `plan` as a table, and the properties that hold for all of them.

mod customer;
mod grant;
mod lines;
mod payment;
mod properties;
mod reversal;
mod seats;
mod told_late;
mod world;

use world::{World, at};
