//! Trials, and what follows them.

use super::{Story, come_to_what_is_owed};

pub(super) const STORIES: &[Story] = &[
    ("a free trial", "", "09-01 buy 1xA from 09-01 until 09-15 for 0 usd", "1 A until 2026-09-15"),
    (
        "a trial becomes a paid period",
        "",
        "09-01 buy 1xA from 09-01 until 09-15 for 0 usd; 09-15 pay until 10-15 for 900 usd",
        "1 A until 2026-10-15",
    ),
    (
        "a trial is extended",
        "",
        "09-01 buy 1xA from 09-01 until 09-15 for 0 usd; 09-10 is trialing from 09-01 until 09-22",
        "1 A until 2026-09-22",
    ),
    (
        "a trial is extended twice",
        "",
        "09-01 buy 1xA from 09-01 until 09-15 for 0 usd; 09-10 is trialing from 09-01 until 09-22; \
         09-20 is trialing from 09-01 until 09-29",
        "1 A until 2026-09-29",
    ),
    (
        "a trial is extended, then paid",
        "",
        "09-01 buy 1xA from 09-01 until 09-15 for 0 usd; 09-10 is trialing from 09-01 until 09-22; \
         09-22 pay until 10-22 for 900 usd",
        "1 A until 2026-10-22",
    ),
    (
        "a trial whose first payment fails",
        "",
        "09-01 buy 1xA from 09-01 until 09-15 for 0 usd; 09-15 fail until 10-15",
        "1 A until 2026-09-15, suspended: payment",
    ),
    (
        "a trial whose first payment fails, with grace",
        "grace 8",
        "09-01 buy 1xA from 09-01 until 09-15 for 0 usd; 09-15 fail until 10-15",
        "1 A until 2026-09-15 or 2026-09-23",
    ),
    (
        "a trial that is cancelled",
        "revoke",
        "09-01 buy 1xA from 09-01 until 09-15 for 0 usd; 09-10 end",
        "1 A until 2026-09-15, revoked since 2026-09-10",
    ),
    (
        "a refund of nothing",
        "",
        "09-01 buy 1xA from 09-01 until 09-15 for 0 usd; 09-10 refund of pay_1 for 0 usd part",
        "1 A until 2026-09-15",
    ),
];

#[test]
fn trials_run_until_their_end_or_a_payment() {
    come_to_what_is_owed(STORIES);
}
