//! Pauses, and payments that are not collected.

use super::{Story, come_to_what_is_owed};

pub(super) const STORIES: &[Story] = &[
    (
        "a pause ends by a payment",
        "",
        "09-01 buy 1xA until 10-01; 09-10 pause; 10-01 pay until 11-01",
        "1 A until 2026-11-01",
    ),
    (
        "a payment before a pause does not end it",
        "",
        "09-01 buy 1xA until 10-01; 10-01 pay until 11-01; 10-02 pause",
        "1 A until 2026-11-01, suspended: pause",
    ),
    (
        "a renewal that also bills a change ends a pause",
        "",
        "09-01 buy 1xA until 10-01; 09-10 pause; 10-01 pay change until 11-01",
        "1 A until 2026-11-01",
    ),
    (
        "a pause and its end",
        "",
        "09-01 buy 1xA until 10-01; 09-10 pause; 09-20 resume",
        "1 A until 2026-10-01",
    ),
    (
        "a second pause",
        "",
        "09-01 buy 1xA until 10-01; 09-10 pause; 09-20 resume; 09-25 pause",
        "1 A until 2026-10-01, suspended: pause",
    ),
    (
        "a pause that a description does not end",
        "",
        "09-01 buy 1xA until 10-01; 09-10 pause; 09-20 is active",
        "1 A until 2026-10-01, suspended: pause",
    ),
    (
        "a pause that ends by a description of all of it",
        "",
        "09-01 buy 1xA until 10-01; 09-10 pause; 09-20 is active collected",
        "1 A until 2026-10-01",
    ),
    (
        "a pause that a payment for something else does not end",
        "",
        "09-01 buy 1xA until 10-01; 09-10 pause; 09-15 pay one-off until 10-01",
        "1 A until 2026-10-01, suspended: pause",
    ),
    (
        "a pause and a failed payment, then paid",
        "",
        "09-01 buy 1xA until 10-01; 09-10 pause; 10-01 fail until 11-01; 10-05 pay until 11-01",
        "1 A until 2026-11-01",
    ),
    (
        "a pause and a failed payment, then its end",
        "",
        "09-01 buy 1xA until 10-01; 09-10 pause; 10-01 fail until 11-01; 10-05 resume",
        "1 A until 2026-10-01, suspended: payment",
    ),
    (
        "payments are not collected",
        "",
        "09-01 buy 1xA until 10-01; 09-10 is active not-collected",
        "1 A until 2026-10-01, suspended: collection",
    ),
    (
        "payments are collected again",
        "",
        "09-01 buy 1xA until 10-01; 09-10 is active not-collected; 09-20 is active collected",
        "1 A until 2026-10-01",
    ),
    (
        "payments are not collected, and one is made",
        "",
        "09-01 buy 1xA until 10-01; 09-10 is active not-collected; 10-01 pay until 11-01",
        "1 A until 2026-11-01",
    ),
    (
        "payments are not collected, where that is only noted",
        "note-collection",
        "09-01 buy 1xA until 10-01; 09-10 is active not-collected",
        "1 A until 2026-10-01",
    ),
];

#[test]
fn pauses_suspend_until_they_end() {
    come_to_what_is_owed(STORIES);
}
