//! From a signed payment webhook to the Cryptlex licenses that it paid for.
//!
//! Read the modules in the order in which a delivery passes them:
//! [`inbound`] → [`signature`] → [`provider`] (which reads into [`command`]) → [`ledger`] → [`snapshot`] → [`plan`] →
//! [`apply`] → [`reply`]. [`service`] strings them together, [`router`] and [`host`] put them on the network.
//! A module imports only from those before it.

pub mod ids;
pub mod interval;

pub mod clock;
pub mod config;
pub mod deadline;
pub mod inbound;
pub mod signature;

pub mod command;
pub mod json;
pub mod provider;

pub mod apply;
pub mod cryptlex;
pub mod ledger;
pub mod plan;
pub mod reply;

pub mod host;
pub mod router;
pub mod service;
pub mod snapshot;
pub mod telemetry;
