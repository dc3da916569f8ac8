//! A delivery as it came in: nothing in here is proven or parsed yet.

use std::net::IpAddr;

use http::HeaderMap;

/// Headers, the raw bytes of the body, and where it came from.
#[derive(Clone)]
pub struct Inbound {
    /// All request headers; names are case-insensitive.
    pub headers: HeaderMap,
    /// The exact bytes that the provider signed, a gateway's base64 undone.
    pub body: Vec<u8>,
    /// The gateway's source address or the peer's, or whom a trusted proxy names.
    pub source: Option<IpAddr>,
}
