//! Keeps other web pages out of what is for people.
//!
//! A browser on this machine reaches loopback for any page that it shows. Such a page gives itself away: by its `Origin`,
//! or, where its own name was pointed at loopback (DNS rebinding), by that name in `Host`. A sandbox that listens elsewhere is
//! meant to be reached, by whatever name its machine has.

use std::net::{IpAddr, SocketAddr};

use http::{
    HeaderMap, Uri,
    header::{HOST, HeaderName, ORIGIN},
    request::Parts,
    uri::Authority,
};
use tokio::net::TcpListener;

/// Who can reach a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// This machine only.
    Loopback,
    /// It was told so.
    Others,
}

impl Scope {
    /// Where a listener does not know its address, the stricter one.
    pub(super) fn of(listener: &TcpListener) -> Scope {
        listener.local_addr().map_or(Scope::Loopback, Scope::of_address)
    }

    fn of_address(address: SocketAddr) -> Scope {
        match address.ip().to_canonical().is_loopback() {
            true => Scope::Loopback,
            false => Scope::Others,
        }
    }
}

/// Whether a request has a local name, if only this machine can send one, and does not come from a page of somebody else.
/// Browsers send `Host` always.
pub(super) fn is_own(parts: &Parts, scope: Scope) -> bool {
    let Some(host) = text(&parts.headers, HOST) else {
        return !parts.headers.contains_key(HOST);
    };
    let Ok(authority) = host.parse::<Authority>() else { return false };
    if scope == Scope::Loopback && !is_local(authority.host()) {
        return false;
    }
    match text(&parts.headers, ORIGIN).map(str::parse::<Uri>) {
        None => !parts.headers.contains_key(ORIGIN),
        Some(Ok(origin)) => origin.authority() == Some(&authority),
        Some(Err(_)) => false,
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// Nobody can register such a name: addresses, names without a dot, and the reserved domains `localhost` and `internal`, by
/// which containers call their host. Those two may end with the dot of the root.
fn is_local(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let host = host.to_ascii_lowercase();
    let domain = host.strip_suffix('.').unwrap_or(&host);
    address.parse::<IpAddr>().is_ok()
        || !host.contains('.')
        || domain == "localhost"
        || domain.ends_with(".localhost")
        || domain.ends_with(".internal")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(headers: &[(&str, &str)]) -> Parts {
        let mut request = http::Request::get("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn only_local_names_are_answered() {
        for (host, own) in [
            ("127.0.0.1:4000", true),
            ("127.0.0.1", true),
            ("[::1]:4000", true),
            ("localhost:4000", true),
            ("LOCALHOST", true),
            ("sandbox", true),
            ("a.localhost:4000", true),
            ("host.docker.internal:4000", true),
            ("shop.example.com", false),
            ("127.0.0.1.example.com:4000", false),
            ("localhost.:4000", true),
            ("a.localhost.", true),
            ("localhost..", false),
            ("com.", false),
            ("shop.example.com.", false),
            ("evil-internal.example", false),
            ("not a host", false),
        ] {
            assert_eq!(is_own(&parts(&[("host", host)]), Scope::Loopback), own, "{host}");
        }
        assert!(is_own(&parts(&[]), Scope::Loopback));
    }

    #[test]
    fn beyond_loopback_every_name_is_answered_to_its_own_pages() {
        for (address, scope) in [
            ("127.0.0.1:4000", Scope::Loopback),
            ("127.0.1.1:4000", Scope::Loopback),
            ("[::1]:4000", Scope::Loopback),
            ("[::ffff:127.0.0.1]:4000", Scope::Loopback),
            ("0.0.0.0:4000", Scope::Others),
            ("[::]:4000", Scope::Others),
            ("192.168.1.2:4000", Scope::Others),
        ] {
            assert_eq!(Scope::of_address(address.parse().unwrap()), scope, "{address}");
        }
        let host = ("host", "build.example.com:4000");
        for (headers, own) in [
            (vec![host], true),
            (vec![host, ("origin", "http://build.example.com:4000")], true),
            (vec![host, ("origin", "https://shop.example.com")], false),
            (vec![host, ("origin", "null")], false),
            (vec![("host", "not a host")], false),
        ] {
            assert_eq!(is_own(&parts(&headers), Scope::Others), own, "{headers:?}");
        }
    }

    #[test]
    fn other_pages_are_refused() {
        for (origin, own) in [
            ("http://127.0.0.1:4000", true),
            ("http://127.0.0.1:4001", false),
            ("https://shop.example.com", false),
            ("null", false),
            ("", false),
        ] {
            let parts = parts(&[("host", "127.0.0.1:4000"), ("origin", origin)]);
            assert_eq!(is_own(&parts, Scope::Loopback), own, "{origin}");
        }
    }
}
