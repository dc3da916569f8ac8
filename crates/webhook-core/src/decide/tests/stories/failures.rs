//! Failed payments, and days of grace.

use super::{Story, come_to_what_is_owed};

pub(super) const STORIES: &[Story] = &[
    (
        "a failed renewal suspends",
        "",
        "09-01 buy 1xA until 10-01; 10-01 fail until 11-01",
        "1 A until 2026-10-01, suspended: payment",
    ),
    (
        "a failure counts until its period is paid",
        "",
        "09-01 buy 1xA until 10-01; 10-01 fail until 11-01; 10-03 fail until 11-01; 10-05 pay until 11-01",
        "1 A until 2026-11-01",
    ),
    (
        "a failure of a period that is paid",
        "",
        "09-01 buy 1xA until 10-01; 10-01 pay until 11-01; 10-02 fail until 11-01",
        "1 A until 2026-11-01",
    ),
    (
        "a failure of the period after the paid one",
        "",
        "09-01 buy 1xA until 10-01; 10-01 pay until 11-01; 11-01 fail until 12-01",
        "1 A until 2026-11-01, suspended: payment",
    ),
    (
        "a failure without a period, then a payment",
        "",
        "09-01 buy 1xA until 10-01; 10-01 fail; 10-02 pay until 11-01",
        "1 A until 2026-11-01",
    ),
    (
        "a year fails, a month is paid",
        "",
        "09-01 buy 1xA until 2027-09-01; 2027-09-01 fail until 2028-09-01; 2027-09-02 pay until 2027-10-02",
        "1 A until 2027-10-02",
    ),
    (
        "overdue until a payment reaches the described end",
        "",
        "09-01 buy 1xA until 10-01; 10-01 is past_due until 11-01; 10-02 pay until 11-01",
        "1 A until 2026-11-01",
    ),
    (
        "a weekly price with more grace than a week",
        "grace 8",
        "09-01 buy 1xA until 09-08; 09-08 fail until 09-15; 09-15 fail until 09-22",
        "1 A until 2026-09-08 or 2026-09-16",
    ),
    (
        "a weekly price that is paid late and fails again",
        "grace 8",
        "09-01 buy 1xA until 09-08; 09-08 fail until 09-15; 09-12 pay until 09-15; 09-15 fail until 09-22",
        "1 A until 2026-09-15 or 2026-09-23",
    ),
    (
        "days of grace from a failed renewal",
        "grace 8",
        "09-01 buy 1xA until 10-01; 10-01 fail until 11-01",
        "1 A until 2026-10-01 or 2026-10-09",
    ),
    (
        "days of grace count from the first of two failures",
        "grace 8",
        "09-01 buy 1xA until 10-01; 10-01 fail until 11-01; 10-05 fail until 11-01",
        "1 A until 2026-10-01 or 2026-10-09",
    ),
    (
        "days of grace, and then a payment for longer",
        "grace 8",
        "09-01 buy 1xA until 10-01; 10-01 fail until 11-01; 10-05 pay until 11-01",
        "1 A until 2026-11-01 or 2026-10-09",
    ),
    (
        "a failure, then a description that it runs",
        "",
        "09-01 buy 1xA until 10-01; 10-01 fail until 11-01; 10-02 is active",
        "1 A until 2026-10-01",
    ),
    (
        "a description that it runs, then a failure",
        "",
        "09-01 buy 1xA until 10-01; 10-01 is active; 10-02 fail until 11-01",
        "1 A until 2026-10-01, suspended: payment",
    ),
    (
        "overdue",
        "",
        "09-01 buy 1xA until 10-01; 10-01 is past_due from 10-01 until 11-01",
        "1 A until 2026-10-01, suspended: payment",
    ),
    (
        "overdue, with grace",
        "grace 8",
        "09-01 buy 1xA until 10-01; 10-01 is past_due from 10-01 until 11-01",
        "1 A until 2026-10-01 or 2026-10-09",
    ),
    (
        "given up as unpaid",
        "grace 8",
        "09-01 buy 1xA until 10-01; 10-01 is past_due from 10-01 until 11-01; \
         10-20 is unpaid from 10-01 until 11-01",
        "1 A until 2026-10-01 or 2026-10-09, suspended: payment",
    ),
    (
        "a failure that a payment for something else does not settle",
        "",
        "09-01 buy 1xA until 10-01; 10-01 fail until 11-01; 10-02 pay one-off until 10-01",
        "1 A until 2026-10-01, suspended: payment",
    ),
    (
        "a failed change within a period that is paid",
        "",
        "09-01 buy 1xA until 10-01; 09-15 fail until 10-01",
        "1 A until 2026-10-01",
    ),
];

#[test]
fn failures_suspend_until_their_period_is_paid() {
    come_to_what_is_owed(STORIES);
}
