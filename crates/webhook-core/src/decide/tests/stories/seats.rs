//! How many licenses a quantity buys.

use super::{Story, come_to_what_is_owed};

pub(super) const STORIES: &[Story] = &[
    (
        "fewer seats, then more",
        "",
        "09-01 buy 3xA until 2027-09-01; 10-01 lists 1xA; 11-01 lists 2xA",
        "2 A and 1 spare until 2027-09-01",
    ),
    (
        "seats that are changed twice in one second",
        "",
        "09-01 buy 1xA until 2027-09-01; 10-01 lists 1xA changed-from 5; 10-01 lists 5xA changed-from 1",
        "1 A and 4 spare until 2027-09-01",
    ),
    ("more seats", "", "09-01 buy 1xA until 10-01; 09-10 lists 3xA", "3 A until 2026-10-01"),
    (
        "fewer seats",
        "",
        "09-01 buy 3xA until 10-01; 09-10 lists 1xA",
        "1 A and 2 spare until 2026-10-01",
    ),
    (
        "seats that are given up are not renewed",
        "",
        "09-01 buy 3xA until 10-01; 09-10 lists 1xA; 10-01 pay until 11-01",
        "1 A and 2 spare until 2026-11-01",
    ),
    (
        "all seats are given up",
        "",
        "09-01 buy 2xA until 10-01; 09-10 lists 0xA",
        "0 A and 2 spare until 2026-10-01, A given up",
    ),
    (
        "an older description of seats",
        "",
        "09-01 buy 1xA until 10-01; 09-10 lists 2xA; 09-20 lists 4xA",
        "4 A until 2026-10-01",
    ),
    (
        "seats that are added to a purchase",
        "",
        "09-01 buy 1xA until 10-01; 09-10 add 2xA",
        "3 A until 2026-10-01",
    ),
    (
        "a description says all seats, those of an addition too",
        "",
        "09-01 buy 1xA until 10-01; 09-10 add 2xA; 09-20 lists 2xA",
        "2 A and 1 spare until 2026-10-01",
    ),
    (
        "seats that the next charge bills",
        "",
        "09-01 buy 1xA until 10-01; 09-10 lists 3xA when-charged",
        "1 A until 2026-10-01",
    ),
    (
        "seats that a charge billed",
        "",
        "09-01 buy 1xA until 10-01; 09-10 lists 3xA when-charged; 10-01 pay until 11-01 bills 3xA",
        "3 A until 2026-11-01",
    ),
    (
        "seats while it is over, then paid",
        "revoke",
        "09-01 buy 1xA until 10-01; 09-10 end; 09-20 lists 3xA; 10-01 pay until 11-01",
        "3 A until 2026-11-01",
    ),
    (
        "a quantity that buys one license",
        "one",
        "09-01 buy 5xA until 10-01; 09-10 lists 3xA",
        "1 A until 2026-10-01",
    ),
    (
        "a quantity that buys activations",
        "activations",
        "09-01 buy 5xA until 10-01; 09-10 lists 3xA",
        "1 A with 3 activations until 2026-10-01",
    ),
];

#[test]
fn seats_follow_the_newest_quantity() {
    come_to_what_is_owed(STORIES);
}
