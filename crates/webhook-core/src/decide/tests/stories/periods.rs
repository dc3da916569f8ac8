//! Until when licenses run: as long as payments paid for, and as the provider moved it since.

use super::{Story, come_to_what_is_owed};

pub(super) const STORIES: &[Story] = &[
    (
        "payments follow each other",
        "",
        "09-01 buy 2xA until 10-01; 10-01 pay until 11-01; 11-01 pay until 12-01",
        "2 A until 2026-12-01",
    ),
    (
        "payments that tell no date count intervals",
        "",
        "09-01 buy 1xA; 10-01 pay",
        "1 A for one interval from 2026-09-01 and one from 2026-10-01",
    ),
    ("an order that nobody paid", "", "09-01 order 1xA", "nothing"),
    (
        "a proration is for a change within the period that is not paid",
        "",
        "09-01 buy 1xA until 10-01; 10-01 is past_due from 10-01 until 11-01; \
         10-05 pay proration from 10-05 until 11-01",
        "1 A until 2026-10-01, suspended: payment",
    ),
    (
        "a proration of which no period is described",
        "",
        "09-01 buy 1xA until 10-01; 10-05 pay proration from 10-05 until 11-01",
        "1 A until 2026-10-01",
    ),
    (
        "a proration from a period's described start is its payment",
        "",
        "09-01 buy 1xA until 10-01; 09-15 pay proration from 09-15 until 10-15; \
         09-16 is active from 09-15 until 10-15",
        "1 A until 2026-10-15",
    ),
    (
        "prorations that follow a paid period, each from the end of the one before",
        "",
        "09-01 buy 1xA until 10-01; 10-01 pay proration from 10-01 until 11-01; \
         11-01 pay proration from 11-01 until 12-01",
        "1 A until 2026-12-01",
    ),
    (
        "two changes of one second prove no period to each other",
        "",
        "09-01 buy 1xA until 10-01; 10-05 pay proration from 10-05 until 11-01; \
         10-05 pay proration from 10-05 until 11-01",
        "1 A until 2026-10-01",
    ),
    (
        "the end of a renewal that also bills a change can be moved",
        "",
        "09-01 buy 1xA until 10-01; 10-01 pay change until 11-01; 10-10 is active until 11-15",
        "1 A until 2026-11-15",
    ),
    (
        "hours of leeway",
        "leeway 48",
        "09-01 buy 1xA until 10-01; 10-01 pay until 11-01",
        "1 A until 2026-11-03",
    ),
    (
        "a paid period whose end is moved",
        "",
        "09-01 buy 1xA until 10-01; 09-15 is active until 10-15",
        "1 A until 2026-10-15",
    ),
    (
        "a paid period whose end is moved back",
        "",
        "09-01 buy 1xA until 10-01; 09-15 is active until 09-20",
        "1 A until 2026-10-01",
    ),
    (
        "a next period that is described and not paid",
        "",
        "09-01 buy 1xA from 09-01 until 10-01; 09-30 is active from 10-01 until 11-01",
        "1 A until 2026-10-01",
    ),
    (
        "a shorter period after a longer one",
        "",
        "09-01 buy 1xA until 2027-09-01; 09-15 pay until 10-15",
        "1 A until 2027-09-01",
    ),
];

#[test]
fn licenses_run_as_long_as_payments_say() {
    come_to_what_is_owed(STORIES);
}
