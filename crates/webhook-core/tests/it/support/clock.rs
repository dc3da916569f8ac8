//! Times of the stories, in seconds.

pub(crate) const DAY: i64 = 86_400;

/// 2026-09-01, when the bodies of the corpus say that something is bought.
pub(crate) const SEPTEMBER: i64 = 1_788_220_800;
