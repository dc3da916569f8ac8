//! Keeps other web pages out of what is for people.
//!
//! A browser on this machine reaches loopback for any page that it shows. Such a page gives itself away: by its `Origin`,
//! or, where its own name was pointed at loopback (DNS rebinding), by that name in `Host`.

use std::net::IpAddr;

use http::{
    HeaderMap, Uri,
    header::{HOST, HeaderName, ORIGIN},
    request::Parts,
    uri::Authority,
};

/// Whether a request has a local name and does not come from a page of somebody else. Browsers send `Host` always.
pub(super) fn is_own(parts: &Parts) -> bool {
    let Some(host) = text(&parts.headers, HOST) else {
        return !parts.headers.contains_key(HOST);
    };
    let Ok(authority) = host.parse::<Authority>() else { return false };
    if !is_local(authority.host()) {
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
/// which containers call their host.
fn is_local(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let host = host.to_ascii_lowercase();
    address.parse::<IpAddr>().is_ok()
        || !host.contains('.')
        || host.ends_with(".localhost")
        || host.ends_with(".internal")
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
            ("localhost.:4000", false),
            ("evil-internal.example", false),
            ("not a host", false),
        ] {
            assert_eq!(is_own(&parts(&[("host", host)])), own, "{host}");
        }
        assert!(is_own(&parts(&[])));
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
            assert_eq!(is_own(&parts), own, "{origin}");
        }
    }
}
