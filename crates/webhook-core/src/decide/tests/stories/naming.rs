//! Who names the product of a Stripe purchase.

use super::{Story, come_to_what_is_owed};

pub(super) const STORIES: &[Story] = &[
    (
        "the configuration alone",
        "",
        "09-01 order 1xA@- named-by configuration; 09-02 first until 10-01",
        "1 A, provisional, until 2026-10-01",
    ),
    (
        "the subscription before the configuration",
        "",
        "09-01 order 1xA@- named-by configuration as p1; 09-01T01 order 1xB@- named-by subscription as p1; \
         09-02 first until 10-01",
        "1 B, provisional, until 2026-10-01, A replaced",
    ),
    (
        "the session before the configuration",
        "",
        "09-01 order 1xA@- named-by configuration as p1; 09-01T01 order 1xB@- named-by session as p1; \
         09-02 first until 10-01",
        "1 B until 2026-10-01, A replaced",
    ),
    (
        "the session before the subscription",
        "",
        "09-01 order 1xA@- named-by subscription as p1; 09-01T01 order 1xB@- named-by session as p1; \
         09-02 first until 10-01",
        "1 B until 2026-10-01, A replaced",
    ),
    (
        "the subscription says the same as the session",
        "",
        "09-01 order 1xA@- named-by subscription as p1; 09-01T01 order 1xA@- named-by session as p1; \
         09-02 first until 10-01",
        "1 A until 2026-10-01",
    ),
    (
        "the subscription names another product later",
        "",
        "09-01 order 1xA@- named-by session as p1; 09-01T01 order 1xA@- named-by subscription as p1; \
         09-02 first until 10-01; 09-10 lists 1xB@-",
        "1 B until 2026-10-01, A replaced",
    ),
    (
        "the subscription repeats what the session did not name",
        "",
        "09-01 order 1xB@- named-by session as p1; 09-01T01 order 1xA@- named-by subscription as p1; \
         09-02 first until 10-01; 09-10 lists 1xA@-",
        "1 B until 2026-10-01, A replaced",
    ),
    (
        "the subscription changes what the session did not name",
        "",
        "09-01 order 1xB@- named-by session as p1; 09-01T01 order 1xA@- named-by subscription as p1; \
         09-02 first until 10-01; 09-10 lists 1xC@-",
        "1 C until 2026-10-01, A replaced, B replaced",
    ),
    (
        "a change that names nothing",
        "",
        "09-01 order 1xA@- named-by session as p1; 09-02 first until 10-01; 09-10 lists 2x?@-",
        "2 A until 2026-10-01",
    ),
];

#[test]
fn sessions_name_products_before_subscriptions() {
    come_to_what_is_owed(STORIES);
}
