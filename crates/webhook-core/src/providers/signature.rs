//! Proof that bytes come from the provider.
//!
//! Works on raw bytes only, parses nothing of the body, and knows no way around itself: a [`Verified`] comes from
//! [`verify`], or is one whose bytes lay in the ledger meanwhile. Header formats are the providers' business.

use base64::Engine as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use sha2::Sha256;

pub use crate::infra::config::{Secrets, Tolerance};
use crate::providers::inbound::Inbound;

/// More signatures in one header than any rotation explains are not looked at.
const MOST_SIGNATURES: usize = 100;

/// The form of one provider's signature header.
pub trait Scheme {
    /// Lower case.
    const SIGNATURE_HEADER: &'static str;

    /// Takes the header apart; `None` when it does not have the provider's form.
    fn claimed(header: &[u8]) -> Option<Claimed>;
}

/// What a signature header says, taken apart by its provider.
#[derive(Debug, PartialEq, Eq)]
pub struct Claimed {
    /// The bytes that precede the body in what was signed.
    pub prefix: Vec<u8>,
    /// When it was signed, if the provider says so.
    pub signed_at: Option<i64>,
    /// Every signature of a scheme that counts, decoded.
    pub signatures: Vec<Vec<u8>>,
}

/// Why a delivery was not accepted. Each says something else about what to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// The header is not there or empty.
    #[error("signature header is missing")]
    Missing,
    /// The header is there more than once, or does not have the provider's form.
    #[error("signature header is malformed")]
    Malformed,
    /// No signature in the header was made with any configured secret.
    #[error("signature does not match any secret")]
    Mismatch,
    /// Signed longer ago than the tolerance.
    #[error("signature is {0} seconds old, which is too old")]
    TooOld(i64),
    /// Signed in the future, beyond the tolerance.
    #[error("signature is from {0} seconds in the future")]
    TooNew(i64),
}

/// Bytes that were proven to come from provider `P`.
pub struct Verified<P> {
    body: Vec<u8>,
    /// Seconds since it was signed, when that is in the last tenth of the tolerance.
    pub close_to_threshold: Option<i64>,
    provider: std::marker::PhantomData<P>,
}

impl<P> Verified<P> {
    /// Bytes that were verified when they were delivered, and kept in the ledger since.
    pub(crate) fn remembered(body: Vec<u8>) -> Self {
        Self { body, close_to_threshold: None, provider: std::marker::PhantomData }
    }

    pub(crate) fn into_body(self) -> Vec<u8> {
        self.body
    }

    /// The proven bytes.
    pub fn body(&self) -> &[u8] {
        &self.body
    }
}

/// Tries every signature of the header against every secret, in constant time, then looks at the time.
pub fn verify<P: Scheme>(
    inbound: Inbound,
    secrets: &Secrets,
    tolerance: Tolerance,
    now: Timestamp,
) -> Result<Verified<P>, Rejected> {
    let mut values = inbound.headers.get_all(P::SIGNATURE_HEADER).iter();
    let header = values.next().ok_or(Rejected::Missing)?;
    if values.next().is_some() {
        return Err(Rejected::Malformed);
    }
    if header.as_bytes().trim_ascii().is_empty() {
        return Err(Rejected::Missing);
    }
    let claimed = P::claimed(header.as_bytes()).ok_or(Rejected::Malformed)?;
    if claimed.signatures.is_empty() || claimed.signatures.len() > MOST_SIGNATURES {
        return Err(Rejected::Malformed);
    }
    let mut genuine = false;
    for secret in secrets.iter() {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()) else {
            continue;
        };
        mac.update(&claimed.prefix);
        mac.update(&inbound.body);
        for signature in &claimed.signatures {
            genuine |= mac.clone().verify_slice(signature).is_ok();
        }
    }
    if !genuine {
        return Err(Rejected::Mismatch);
    }
    let close_to_threshold = match claimed.signed_at {
        Some(signed_at) => within(signed_at, tolerance, now)?,
        None => None,
    };
    Ok(Verified { body: inbound.body, close_to_threshold, provider: std::marker::PhantomData })
}

fn within(signed_at: i64, tolerance: Tolerance, now: Timestamp) -> Result<Option<i64>, Rejected> {
    let age = now.as_second().saturating_sub(signed_at);
    let Tolerance(most) = tolerance;
    if age > most {
        return Err(Rejected::TooOld(age));
    }
    if age < most.saturating_neg() {
        return Err(Rejected::TooNew(age.saturating_neg()));
    }
    let last_tenth = most.saturating_sub(most / 10);
    Ok(Some(age).filter(|age| age.saturating_abs() > last_tenth))
}

/// Digits only: `parse` alone would also take a sign.
pub(crate) fn unix_seconds(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// A signature in hex; `None` for one that cannot be a SHA-256 digest.
pub(crate) fn from_hex(text: &[u8]) -> Option<Vec<u8>> {
    hex::decode(text).ok().filter(|bytes| bytes.len() == 32)
}

/// A signature in standard, padded base64; `None` for one that cannot be a SHA-256 digest.
pub(crate) fn from_base64(text: &[u8]) -> Option<Vec<u8>> {
    let decoded = base64::engine::general_purpose::STANDARD.decode(text).ok();
    decoded.filter(|bytes| bytes.len() == 32)
}

#[cfg(test)]
mod tests;
