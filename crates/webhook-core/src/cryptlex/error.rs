//! What can go wrong with a call, told apart by what it means for the caller.

use std::fmt;
use std::time::Duration;

/// A call that did not do what it was made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// Method and path, which hold ids at most.
    pub call: String,
    /// What it means.
    pub kind: Kind,
    /// Cryptlex's own message, cleaned of what must not leak.
    pub message: Option<String>,
}

/// What a failed call means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// 401 or 403: the token is wrong, expired or lacks a scope. A person must act.
    Unauthorized(u16),
    /// 404: what the call is about does not exist (any more).
    NotFound,
    /// 409: exists already, or was changed at the same time.
    Conflict,
    /// Another 4xx or 3xx: the request itself must change.
    Refused(u16),
    /// 429, and how long Cryptlex asks to wait. Nothing was done.
    Throttled(Option<Duration>),
    /// 500 or 503: probably nothing was done; a look will tell.
    Failed(u16),
    /// Another 5xx: a gateway gave up, Cryptlex may still be at it.
    GatewayFailed(u16),
    /// No connection, so nothing was done.
    NoConnection,
    /// Sent, and no answer in time, or the connection broke.
    NoAnswer,
    /// A success whose body cannot be read.
    Unreadable,
    /// Not sent: too little time is left.
    OutOfTime,
}

/// What is known of a write that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certainty {
    /// It had no effect.
    NotDone,
    /// The answer says it failed; a look tells whether it did.
    Answered,
    /// It may have had its effect, or may still have it.
    Unknown,
}

impl ApiError {
    /// What this failure says about the effect of a write.
    pub fn certainty(&self) -> Certainty {
        match self.kind {
            Kind::Unauthorized(_)
            | Kind::NotFound
            | Kind::Conflict
            | Kind::Refused(_)
            | Kind::Throttled(_)
            | Kind::NoConnection
            | Kind::OutOfTime => Certainty::NotDone,
            Kind::Failed(_) => Certainty::Answered,
            Kind::GatewayFailed(_) | Kind::NoAnswer | Kind::Unreadable => Certainty::Unknown,
        }
    }

    /// How long Cryptlex asked to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        if let Kind::Throttled(after) = self.kind { after } else { None }
    }

    /// Whether it may pass without a person.
    pub fn passes_by_itself(&self) -> bool {
        match self.kind {
            Kind::Unauthorized(_) | Kind::NotFound | Kind::Conflict | Kind::Refused(_) => false,
            Kind::Throttled(_)
            | Kind::Failed(_)
            | Kind::GatewayFailed(_)
            | Kind::NoConnection
            | Kind::NoAnswer
            | Kind::Unreadable
            | Kind::OutOfTime => true,
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let call = &self.call;
        match self.kind {
            Kind::Unauthorized(status) => {
                write!(f, "Cryptlex refused the access token for {call} with status {status}")?;
            }
            Kind::NotFound => write!(f, "Cryptlex answered {call} with status 404")?,
            Kind::Conflict => write!(f, "Cryptlex answered {call} with status 409")?,
            Kind::Refused(status) | Kind::Failed(status) | Kind::GatewayFailed(status) => {
                write!(f, "Cryptlex answered {call} with status {status}")?;
            }
            Kind::Throttled(_) => write!(f, "Cryptlex throttled {call} with status 429")?,
            Kind::NoConnection => write!(f, "Cryptlex could not be reached for {call}")?,
            Kind::NoAnswer => write!(f, "Cryptlex gave no answer to {call}")?,
            Kind::Unreadable => write!(f, "Cryptlex gave an unreadable answer to {call}")?,
            Kind::OutOfTime => write!(f, "no time was left for {call}")?,
        }
        match &self.message {
            Some(message) => write!(f, ": {message}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ApiError {}

/// Cryptlex's message without what must not leak: e-mail addresses, license keys, tokens, control characters.
pub(super) fn cleaned(message: &str) -> String {
    let words = message.split_whitespace().take(60).map(|word| {
        let bare = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        let long = bare.len() >= 16 && bare.chars().any(|c| c.is_ascii_digit()) && !is_uuid(bare);
        if word.contains('@') || word.contains("%40") || long || bare.len() > 60 {
            "[redacted]"
        } else {
            word
        }
    });
    let text = words.collect::<Vec<_>>().join(" ");
    text.chars().filter(|c| !c.is_control()).take(300).collect()
}

fn is_uuid(word: &str) -> bool {
    word.len() == 36 && word.chars().all(|c| c.is_ascii_hexdigit() || c == '-')
}

#[cfg(test)]
mod tests {
    use super::cleaned;

    #[test]
    fn messages_lose_what_must_not_leak() {
        for (message, clean) in [
            ("User with email 'ada@example.com' exists.", "User with email [redacted] exists."),
            ("license key A1B2C3-D4E5F6-A1B2C3-D4E5F6 is taken", "license key [redacted] is taken"),
            (
                "License 11111111-1111-4111-8111-000000000001 not found",
                "License 11111111-1111-4111-8111-000000000001 not found",
            ),
            ("two\nlines\u{7}", "two lines"),
        ] {
            assert_eq!(cleaned(message), clean);
        }
        assert!(cleaned(&"word ".repeat(1000)).len() <= 300);
    }
}
