//! Which products are bought, and when a change takes effect.

use super::{Story, come_to_what_is_owed};

pub(super) const STORIES: &[Story] = &[
    (
        "an add-on is given up",
        "",
        "09-01 buy 1xA@pro until 2027-09-01; 10-01 lists 1xA@pro 1xB@addon:pro/help; 11-01 lists 1xA@pro",
        "1 A until 2027-09-01, B given up",
    ),
    (
        "an add-on is given up and bought again",
        "",
        "09-01 buy 1xA@pro 1xB@addon:pro/help until 2027-09-01; 10-01 lists 1xA@pro; \
         11-01 lists 1xA@pro 1xB@addon:pro/help",
        "1 A + 1 B until 2027-09-01",
    ),
    (
        "an add-on that was given up comes back without its product",
        "",
        "09-01 buy 1xA@pro 1xB@addon:pro/help until 2027-09-01; 10-01 lists 1xA@pro; \
         11-01 lists 1xA@pro 1x?@addon:pro/help",
        "1 A + 1 B until 2027-09-01",
    ),
    (
        "a switch whose charge and update are of one millisecond",
        "",
        "09-01 buy 1xA@pro until 10-01; 09-15 pay change until 10-01 bills 1xplus; \
         09-15 lists 1xB@plus when-charged",
        "1 B until 2026-10-01, A replaced",
    ),
    (
        "a switch that its next charge bills",
        "",
        "09-01 buy 1xA@pro until 10-01; 09-15 lists 1xB@plus when-charged; 10-01 pay until 11-01 bills 1xplus",
        "1 B until 2026-11-01, A replaced",
    ),
    (
        "a switch that nothing bills yet",
        "",
        "09-01 buy 1xA@pro until 10-01; 09-15 lists 1xB@plus when-charged; 10-01 pay until 11-01 bills 1xpro",
        "1 A until 2026-11-01",
    ),
    (
        "a mapped plan becomes a foreign one",
        "",
        "09-01 buy 1xA@pro until 2027-09-01; 10-01 lists !sub_1",
        "1 A until 2027-09-01",
    ),
    (
        "a mapped plan becomes a foreign one and comes back",
        "",
        "09-01 buy 2xA@pro until 2027-09-01; 10-01 lists !sub_1; 11-01 lists 2xA@pro",
        "2 A until 2027-09-01",
    ),
    (
        "a description without lines",
        "",
        "09-01 buy 2xA@pro until 2027-09-01; 10-01 lists",
        "2 A until 2027-09-01",
    ),
    (
        "a description without lines before the purchase",
        "",
        "09-01 lists; 09-02 buy 2xA@pro until 2027-09-01",
        "2 A until 2027-09-01",
    ),
    (
        "a product is replaced and comes back",
        "",
        "09-01 buy 1xA@pro until 2027-09-01; 10-01 lists 1xB@plus; 11-01 lists 1xA@pro",
        "1 A until 2027-09-01, B replaced",
    ),
    (
        "a renewal bills no add on that came after it",
        "",
        "09-01 buy 1xA@pro until 10-01; 10-01 pay until 11-01 bills 1xpro; \
         10-01T01 lists 1xA@pro 1xB@addon:pro/help when-charged",
        "1 A until 2026-11-01",
    ),
    (
        "a charge for more of a parent bills no add on",
        "",
        "09-01 buy 1xA@pro until 10-01; 09-10 lists 2xA@pro 1xB@addon:pro/help when-charged; \
         09-12 pay change until 10-01 bills 2xpro",
        "2 A until 2026-10-01",
    ),
    (
        "a charge for a parent bills no more of its add on",
        "",
        "09-01 buy 1xA@pro 1xB@addon:pro/help until 10-01; 10-01 pay until 11-01 bills 1xpro,1xhelp; \
         10-05 pay change until 11-01 bills 1xpro; 10-05T00 lists 1xA@pro 9xB@addon:pro/help when-charged",
        "1 A + 1 B until 2026-11-01",
    ),
    ("two products", "", "09-01 buy 1xA 2xB until 10-01", "1 A + 2 B until 2026-10-01"),
    (
        "one of two products is given up",
        "",
        "09-01 buy 1xA 1xB until 10-01; 09-10 lists 1xA",
        "1 A until 2026-10-01, B given up",
    ),
    (
        "another product in the place of one",
        "",
        "09-01 buy 1xA@pro until 10-01; 09-10 lists 1xB@plus",
        "1 B until 2026-10-01, A replaced",
    ),
    (
        "an add-on outlives a switch of its parent",
        "",
        "09-01 buy 1xA@pro 1xC@addon:pro/help until 10-01; 09-10 lists 1xB@plus 1xC@addon:plus/help",
        "1 B + 1 C until 2026-10-01, A replaced",
    ),
    (
        "an add-on that is bought later",
        "",
        "09-01 buy 1xA@pro until 10-01; 09-10 add 1xB@addon:pro/help",
        "1 A + 1 B until 2026-10-01",
    ),
    (
        "a line that names no product",
        "",
        "09-01 buy 1xA !pri_2 until 10-01",
        "1 A until 2026-10-01",
    ),
    (
        "a line that names no product until it does",
        "",
        "09-01 buy 1xA !pri_2 until 10-01; 09-10 lists 1xA 1xB@pri_2",
        "1 A + 1 B until 2026-10-01",
    ),
    ("a purchase that is not paid yet", "", "09-01 order 1xA; 09-10 lists 2xA", "nothing"),
];

#[test]
fn lines_change_when_their_change_takes_effect() {
    come_to_what_is_owed(STORIES);
}
