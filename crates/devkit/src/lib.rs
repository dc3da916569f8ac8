//! Tools around the bridge that are never deployed: a Cryptlex sandbox, signers, envelopes, an emulator of the Lambda
//! Runtime API, the demo, the comparison with other servers, the crash loop, the benchmark, and the functions on an emulated processor.
//!
//! But for [`records`], which reads the ledger, [`bench::own_work`] and [`function`], this library knows nothing of `webhook-core`: what
//! it signs and what it answers follows the providers' and Cryptlex's own documentation, so that a misreading on one side fails a test.

pub mod announce;
pub mod arm64;
pub mod bench;
pub mod compare;
pub mod corpus;
pub mod crash;
pub mod demo;
pub mod envelope;
pub mod function;
pub mod help;
pub mod hosts;
pub mod moto;
pub mod records;
pub mod runtime_api;
pub mod sandbox;
pub mod send;
pub mod sign;
