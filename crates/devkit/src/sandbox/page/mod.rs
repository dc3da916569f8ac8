//! `/`: what the sandbox holds and what it was asked, for people. It keeps itself up to date: its script asks again with the
//! tag of what it shows, and is answered 304 until something has changed.

mod view;

use std::{fmt::Write as _, sync::LazyLock};

use askama::Template as _;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, header::IF_NONE_MATCH};
use sha2::{Digest as _, Sha256};

use super::{reply::Reply, state::State};

const STYLE: &str = include_str!("../../../templates/sandbox.css");
const SCRIPT: &str = include_str!("../../../templates/sandbox.js");

/// Only the page's own style and script, by their hashes, and only itself to ask.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text));
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; img-src data:; \
         connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hash(STYLE),
        hash(SCRIPT)
    )
});

/// The page, or 304 if the caller has it as it is now.
pub(super) fn answer(state: &State, headers: &HeaderMap) -> Reply {
    let page = view::Page::of(state, STYLE, SCRIPT);
    let html = page.render().expect("texts are written into memory");
    let tag = tag(&html);
    let known = headers.get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let reply = if known { Reply::not_modified() } else { Reply::page(html) };
    reply
        .with("etag", tag)
        .with("cache-control", "no-store".to_owned())
        .with("content-security-policy", POLICY.clone())
        .with("cross-origin-opener-policy", "same-origin".to_owned())
        .with("cross-origin-resource-policy", "same-origin".to_owned())
        .with("referrer-policy", "no-referrer".to_owned())
        .with("x-content-type-options", "nosniff".to_owned())
}

fn tag(html: &str) -> String {
    let mut tag = String::from("\"");
    for byte in Sha256::digest(html).iter().take(16) {
        write!(tag, "{byte:02x}").expect("a string takes all");
    }
    tag.push('"');
    tag
}
