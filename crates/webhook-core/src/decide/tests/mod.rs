//! The pure core against stories in words.

pub(in crate::decide) mod words;
