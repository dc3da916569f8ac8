//! Facts in, writes out: what a subject is entitled to, and what is still missing at Cryptlex.
//!
//! Everything here is pure: no clock, no I/O. `fold` reads facts and knows no license; `diff` compares with what Cryptlex
//! shows, and names at most one step for each license or user. Whoever applies the steps takes the answers in and asks
//! again, until nothing is left. So a redelivery, a crash between two calls and a second event of the same story all go on
//! from what is there.

mod customer;
mod diff;
mod explain;
mod fold;
mod owed;
mod plan;
mod snapshot;
mod step;
mod verdict;

pub use customer::{Left, association, found, holder, is_own, left, moves, user_of};
pub use diff::all_ours;
pub use explain::{Explained, Explanation, explain, policy_in_words};
pub use fold::fold;
pub use owed::{Owed, lacks_its_buyer, needs_a_look, plan, unlooked};
pub use plan::{Excess, Plan, Refused};
pub use snapshot::{People, Remembered, Snapshot};
pub use step::{LicenseDraft, Step};

#[cfg(test)]
mod tests;
