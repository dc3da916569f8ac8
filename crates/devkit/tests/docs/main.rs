//! The documents of the repository: their links lead somewhere, their commands exist, their sentences are short.

mod claims;
mod commands;
mod links;
mod pages;
mod sentences;
mod terms;
