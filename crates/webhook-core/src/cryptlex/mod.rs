//! The Cryptlex Web API v3, as far as licenses and users go: <https://cryptlex.com/reference/web-api>.
//!
//! Invariant: no license key is ever read. A license's key is not a field of [`License`].

mod client;
mod error;
mod latency;
mod license;
mod pace;
mod transport;
mod turn;
mod user;

pub use client::{Calls, Client, Reserved};
pub use error::{ApiError, Certainty, Kind};
pub use license::{License, LicenseChange, MetadataItem, NewLicense};
pub use transport::NoTls;
pub use turn::{NotAdmitted, Rank, Turn};
pub use user::{NO_NAME, NewUser, User, UserChange};
