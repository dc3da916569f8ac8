//! Ends of subscriptions, and payments around them.

use super::{Story, come_to_what_is_owed};

pub(super) const STORIES: &[Story] = &[
    (
        "an end before the purchase",
        "",
        "09-01 end; 09-02 buy 1xA until 10-02",
        "1 A until 2026-10-02",
    ),
    (
        "an end before the purchase, then a newer payment",
        "",
        "09-01 end; 09-02 buy 1xA until 10-02; 10-02 pay until 11-02",
        "1 A until 2026-11-02",
    ),
    (
        "a change that is older than the end",
        "",
        "09-01 buy 2xA until 10-01; 09-10 lists 3xA; 09-11 end",
        "3 A until 2026-10-01, over since 2026-09-11",
    ),
    (
        "a change that is older than an end which a payment takes back",
        "",
        "09-01 buy 2xA until 10-01; 09-10 lists 3xA; 09-11 end; 09-20 pay until 11-01",
        "3 A until 2026-11-01",
    ),
    (
        "a first invoice after the end, for the time before it",
        "",
        "09-01 order 1xA; 09-05 end; 09-06 first until 09-05",
        "1 A until 2026-09-05, over since 2026-09-05",
    ),
    (
        "a first invoice after the end, for the time after it",
        "",
        "09-01 order 1xA; 09-05 end; 09-06 first until 10-06",
        "1 A until 2026-10-06",
    ),
    (
        "two ends with a payment between them",
        "",
        "09-01 buy 1xA until 10-01; 09-10 end; 09-15 pay until 11-01; 09-20 end",
        "1 A until 2026-11-01, over since 2026-09-20",
    ),
    (
        "two ends, then a payment",
        "",
        "09-01 buy 1xA until 10-01; 09-10 end; 09-15 end; 09-20 pay until 11-01",
        "1 A until 2026-11-01",
    ),
    (
        "an end of the time of the payment that would take it back",
        "",
        "09-01 buy 1xA until 10-01; 10-01 end; 10-01 pay until 11-01",
        "1 A until 2026-11-01, over since 2026-10-01",
    ),
    (
        "a change within a period after the end gives nothing back",
        "",
        "09-01 buy 1xA until 10-01; 09-10 end; 09-11 pay proration from 09-11 until 11-01",
        "1 A until 2026-10-01, over since 2026-09-10",
    ),
    (
        "an end where ends revoke",
        "revoke",
        "09-01 buy 1xA until 10-01; 09-10 end",
        "1 A until 2026-10-01, revoked since 2026-09-10",
    ),
    (
        "an end where ends delete",
        "delete",
        "09-01 buy 1xA until 10-01; 09-10 end",
        "1 A until 2026-10-01, deleted since 2026-09-10",
    ),
    (
        "an end where ends suspend",
        "",
        "09-01 buy 1xA until 10-01; 09-10 end",
        "1 A until 2026-10-01, over since 2026-09-10",
    ),
    (
        "an end where ends change nothing",
        "none",
        "09-01 buy 1xA until 10-01; 09-10 end",
        "1 A until 2026-10-01, left alone since 2026-09-10",
    ),
    (
        "an end, then a payment for the time after it",
        "revoke",
        "09-01 buy 1xA until 10-01; 09-10 end; 10-01 pay until 11-01",
        "1 A until 2026-11-01",
    ),
    (
        "an end, then a payment for the time before it",
        "revoke",
        "09-01 buy 1xA until 10-01; 10-10 end; 10-11 pay until 10-05",
        "1 A until 2026-10-05, revoked since 2026-10-10",
    ),
    (
        "an end, then a payment for something else",
        "revoke",
        "09-01 buy 1xA until 10-01; 09-10 end; 09-15 pay one-off until 10-01",
        "1 A until 2026-10-01, revoked since 2026-09-10",
    ),
    (
        "an end, then a description that it runs",
        "revoke",
        "09-01 buy 1xA until 10-01; 09-10 end; 09-11 is active",
        "1 A until 2026-10-01, revoked since 2026-09-10",
    ),
    (
        "an end while it is refunded",
        "",
        "09-01 buy 1xA until 10-01; 09-02 refund of pay_1; 09-10 end",
        "1 A until 2026-10-01, over since 2026-09-10, suspended: refund",
    ),
    (
        "an end that changes nothing while it is refunded",
        "none",
        "09-01 buy 1xA until 10-01; 09-02 refund of pay_1; 09-10 end",
        "1 A until 2026-10-01, left alone since 2026-09-10, suspended: refund",
    ),
];

#[test]
fn ends_hold_until_a_newer_payment() {
    come_to_what_is_owed(STORIES);
}
