//! The body of a delivery as it is kept, so that its events can be replayed.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use sha2::{Digest as _, Sha256};

/// Compressed; DynamoDB's items hold 400 KB, of which the rest is for key and attributes.
const MOST_BYTES: usize = 350 * 1024;

/// The body that one or more events came in. Nothing is computed before an event of it is claimed.
#[derive(Debug)]
pub struct Body<'b> {
    bytes: &'b [u8],
    digest: OnceLock<String>,
    kept: AtomicBool,
}

impl<'b> Body<'b> {
    /// The bytes that were verified.
    pub fn new(bytes: &'b [u8]) -> Self {
        Self { bytes, digest: OnceLock::new(), kept: AtomicBool::new(false) }
    }

    /// SHA-256, in hex: the name under which it is kept.
    pub(super) fn digest(&self) -> &str {
        self.digest.get_or_init(|| hex::encode(Sha256::digest(self.bytes)))
    }

    /// Compressed, unless it is kept already or too large.
    pub(super) fn to_store(&self) -> Option<Vec<u8>> {
        if self.is_stored() {
            return None;
        }
        Some(lz4_flex::compress_prepend_size(self.bytes)).filter(|small| small.len() <= MOST_BYTES)
    }

    /// Whether it is small enough to be kept, once it is needed.
    pub fn can_be_stored(&self) -> bool {
        self.bytes.len() <= MOST_BYTES || self.is_stored() || self.to_store().is_some()
    }

    /// Another event of the same delivery need not keep it again.
    pub(super) fn mark_stored(&self) {
        self.kept.store(true, Ordering::Relaxed);
    }

    /// Whether another event of the same delivery kept it.
    pub(super) fn is_stored(&self) -> bool {
        self.kept.load(Ordering::Relaxed)
    }
}

/// The bytes that were compressed; `None` if they are not what was kept.
pub(super) fn restored(kept: &[u8], digest: &str) -> Option<Vec<u8>> {
    let bytes = lz4_flex::decompress_size_prepended(kept).ok()?;
    (hex::encode(Sha256::digest(&bytes)) == digest).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_body_comes_back_byte_for_byte() {
        let bytes = b"{ \"a\" : \"\\u00e9\" }\r\n".repeat(100);
        let body = Body::new(&bytes);
        let kept = body.to_store().unwrap();
        assert!(kept.len() < bytes.len() / 4);
        assert_eq!(restored(&kept, body.digest()), Some(bytes.clone()));
        assert_eq!(restored(&kept, "another digest"), None);
        assert_eq!(restored(&kept[..kept.len() - 1], body.digest()), None);
    }

    #[test]
    fn a_body_is_kept_once_and_not_if_it_is_too_large() {
        let body = Body::new(b"{}");
        assert!(body.to_store().is_some());
        body.mark_stored();
        assert_eq!(body.to_store(), None);
        let noise: Vec<u8> =
            (0..400_000_u32).flat_map(|n| Sha256::digest(n.to_be_bytes())[..1].to_vec()).collect();
        assert_eq!(Body::new(&noise).to_store(), None);
    }
}
