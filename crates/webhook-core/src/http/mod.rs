//! Deliveries from the network: paths, contracts, replies, and the two hosts.

pub mod host;
pub mod reply;
pub mod router;
