//! One delivery over HTTP, signed now, well or badly.

use std::sync::LazyLock;

use http::header::{CONTENT_TYPE, USER_AGENT};

use super::situation::{Delivery, Signature};
use crate::send::{client, innermost, now_unix};
use crate::sign::{Provider, sign};

static CLIENT: LazyLock<reqwest::Client> = LazyLock::new(|| client(0));

/// Long enough ago for any tolerance.
const AN_HOUR: i64 = 3600;

/// A secret that no server has.
const FOREIGN_SECRET: &str = "a_secret_that_no_server_has";

/// As much of an answer is read.
const MOST_READ: usize = 64 * 1024;

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// 0 if there was no answer. The body says why.
    pub(super) status: u16,
    /// The beginning of it.
    pub(super) body: String,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unanswered {
    pub(super) reason: String,
    /// Whether it was waited for in vain, which takes long.
    pub(super) timed_out: bool,
}

/// Sends it once. Providers look at the status: a body that breaks off is an answer, too.
pub(super) async fn deliver(
    url: &str,
    provider: Provider,
    delivery: &Delivery,
) -> Result<Answer, Unanswered> {
    let unanswered = |error: reqwest::Error| Unanswered {
        reason: innermost(&error),
        timed_out: error.is_timeout(),
    };
    let mut response = CLIENT
        .post(url)
        .header(CONTENT_TYPE, "application/json")
        .header(USER_AGENT, provider.user_agent())
        .header(provider.signature_header(), header(provider, delivery, now_unix()))
        .body(delivery.body.clone())
        .send()
        .await
        .map_err(unanswered)?;
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while body.len() < MOST_READ
        && let Ok(Some(chunk)) = response.chunk().await
    {
        let room = MOST_READ - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
    }
    Ok(Answer { status, body: String::from_utf8_lossy(&body).into_owned() })
}

fn header(provider: Provider, delivery: &Delivery, now: i64) -> String {
    let signed = |secret, at| sign(provider, secret, delivery.body.as_bytes(), at);
    let secret = provider.demo_secret();
    match delivery.signature {
        Signature::Genuine => signed(secret, now),
        Signature::Foreign => signed(FOREIGN_SECRET, now),
        Signature::Stale => signed(secret, now - AN_HOUR),
        Signature::Rotated => {
            let (before, present) = (signed(FOREIGN_SECRET, now), signed(secret, now));
            match provider {
                Provider::Stripe => both(&before, &present, ','),
                Provider::Paddle => both(&before, &present, ';'),
                // Has one signature only.
                Provider::Fastspring => present,
            }
        }
    }
}

/// `t=1,v1=before` and `t=1,v1=present` are `t=1,v1=before,v1=present`.
fn both(before: &str, present: &str, separator: char) -> String {
    let signature = present.split_once(separator).map_or("", |(_, signature)| signature);
    format!("{before}{separator}{signature}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rotated_signature_is_two_of_one_time() {
        assert_eq!(both("t=1,v1=a", "t=1,v1=b", ','), "t=1,v1=a,v1=b");
        assert_eq!(both("ts=1;h1=a", "ts=1;h1=b", ';'), "ts=1;h1=a;h1=b");
    }
}
