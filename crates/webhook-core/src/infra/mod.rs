//! What a function is built on: its configuration, secrets, notifications, metrics and logs.

pub mod aws;
pub mod config;
pub mod health;
pub mod limits;
pub mod metrics;
pub mod networks;
pub mod notify;
pub mod overflow;
pub mod secrets;
pub mod telemetry;
pub mod trouble;
