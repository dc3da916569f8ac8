//! From a signed payment webhook to the Cryptlex licenses that it paid for.
//!
//! Read the modules in the order in which a delivery passes them: [`inbound`], [`limits`], [`signature`], [`provider`] (which reads
//! into [`command`]), [`ledger`], [`snapshot`], [`decide`], [`apply`], [`reply`]. [`service`] strings them together,
//! [`router`] and [`host`] put them on the network.

// A module imports only from those above it; `tests/it/architecture.rs` looks.
pub mod aws;
pub mod clock;
pub mod deadline;
pub mod ids;
pub mod interval;

pub mod inbound;
pub mod limits;
pub mod signature;

pub mod command;
pub mod fact;
pub mod json;
pub mod provider;
pub mod work;

pub mod config;
pub mod measure;
pub mod secrets;

pub mod cryptlex;
pub mod ledger;

pub mod snapshot;

pub mod decide;

pub mod apply;

pub mod notify;
mod outcome;
pub mod overflow;
pub mod reply;

pub mod contract;
mod remembered;

pub mod waiting;

pub mod health;

mod about;
mod customers;
mod expected;

mod act;
mod event;
pub mod state;

pub mod service;

pub mod router;
pub mod telemetry;

pub mod host;
