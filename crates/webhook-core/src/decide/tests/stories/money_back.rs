//! Refunds, disputes and chargebacks, and what makes up for them.

use super::{Story, come_to_what_is_owed};

pub(super) const STORIES: &[Story] = &[
    (
        "a refund, perhaps before any delivery of its payment",
        "",
        "09-01 buy 1xA until 10-01; 10-01 pay until 11-01 for 900 usd; 10-02 refund of pay_2 for 900 usd",
        "1 A until 2026-11-01, suspended: refund",
    ),
    (
        "a refund with an older time than its payment",
        "",
        "09-01 buy 1xA until 10-01; 10-02 pay until 11-01 for 900 usd; 10-01 refund of pay_2 for 900 usd",
        "1 A until 2026-11-01, suspended: refund",
    ),
    (
        "a refund, then a newer payment",
        "",
        "09-01 buy 1xA until 10-01; 10-01 pay until 11-01; 10-02 refund of pay_2; 10-20 pay until 12-01",
        "1 A until 2026-12-01",
    ),
    (
        "a refund that is taken back",
        "",
        "09-01 buy 1xA until 10-01; 09-02 refund of pay_1; 09-03 unrefund of pay_1",
        "1 A until 2026-10-01",
    ),
    (
        "parts of a refund add up",
        "",
        "09-01 buy 1xA until 10-01 for 900 usd; 09-02 refund of pay_1 for 400 usd part; \
         09-03 refund of pay_1 for 500 usd part named 2",
        "1 A until 2026-10-01, suspended: refund",
    ),
    (
        "a dispute is lost",
        "",
        "09-01 buy 1xA until 10-01; 09-02 dispute of pay_1; 09-20 lose of pay_1",
        "1 A until 2026-10-01, over since 2026-09-20",
    ),
    (
        "a renewal that also bills a change goes back",
        "",
        "09-01 buy 1xA until 10-01; 10-01 pay change until 11-01; 10-02 dispute of pay_2",
        "1 A until 2026-11-01, suspended: dispute",
    ),
    (
        "a change within the period goes back",
        "",
        "09-01 buy 1xA until 10-01; 09-15 pay change until 10-01; 09-20 dispute of pay_2",
        "1 A until 2026-10-01",
    ),
    (
        "a change within the period goes back, and then the period",
        "",
        "09-01 buy 1xA until 10-01; 09-15 pay change until 10-01; 09-20 dispute of pay_2; \
         09-21 refund of pay_1",
        "1 A until 2026-10-01, suspended: refund dispute",
    ),
    (
        "a charge for a change that does not say until when goes back",
        "",
        "09-01 buy 1xA until 10-01; 09-15 pay change; 09-20 dispute of pay_2",
        "1 A until 2026-10-01 and one from 2026-09-15",
    ),
    (
        "a refund, then a renewal that is given away",
        "",
        "09-01 buy 1xA until 10-01 for 900 usd; 09-20 refund of pay_1 for 900 usd; \
         10-01 pay from 10-01 until 11-01 for 0 usd",
        "1 A until 2026-11-01",
    ),
    (
        "a refund, then a renewal that is given away and tells no start",
        "",
        "09-01 buy 1xA until 10-01 for 900 usd; 09-20 refund of pay_1 for 900 usd; \
         10-01 pay until 11-01 for 0 usd",
        "1 A until 2026-11-01",
    ),
    (
        "a switch that credit paid, then a refund of what the credit is from",
        "",
        "09-01 buy 1xA until 2027-09-01 for 900 usd; 09-10 pay from 09-10 until 10-10 for 0 usd; \
         09-20 refund of pay_1 for 900 usd",
        "1 A until 2027-09-01, suspended: refund",
    ),
    (
        "a switch that credit paid and that tells no start",
        "",
        "09-01 buy 1xA until 2027-09-01 for 900 usd; 09-10 pay until 10-10 for 0 usd; \
         09-20 refund of pay_1 for 900 usd",
        "1 A until 2027-09-01, suspended: refund",
    ),
    (
        "a switch for nothing of which only a description tells that it is within the period",
        "",
        "09-01 first for 900 usd; 09-01 is active 1xA from 09-01 until 10-01; 09-01 order 1xA; \
         09-10 pay from 09-10 until 10-10 for 0 usd; 09-20 refund of pay_1 for 900 usd",
        "1 A until 2026-10-10, suspended: refund",
    ),
    (
        "a switch of an amount that is not known",
        "",
        "09-01 buy 1xA until 2027-09-01 for 900 usd; 09-10 pay from 09-10 until 10-10; \
         09-20 refund of pay_1 for 900 usd",
        "1 A until 2026-10-10",
    ),
    (
        "a switch that credit paid, after the credit's own payment was lost",
        "",
        "09-01 buy 1xA until 2027-09-01 for 900 usd; 09-02 dispute of pay_1 for 900 usd; \
         09-20 lose of pay_1 for 900 usd; 09-25 pay from 09-25 until 10-25 for 0 usd",
        "1 A until 2027-09-01, over since 2026-09-20",
    ),
    (
        "what was added to a free trial goes back",
        "",
        "09-01 buy 1xA until 10-01 for 0 usd; 09-05 pay from 09-05 until 10-01 for 50 usd; \
         09-06 refund of pay_2 for 50 usd",
        "1 A until 2026-10-01",
    ),
    (
        "of two chargebacks the one of the same sum is reversed",
        "",
        "09-01 buy 1xA until 10-01 for 100 usd; 09-02 dispute of pay_1 for 70 usd; \
         09-03 dispute of pay_1 for 20 usd named 2; 09-10 win of pay_1 for 70 usd named 3",
        "1 A until 2026-10-01",
    ),
    (
        "a payment of another currency than the one before goes back",
        "",
        "09-01 buy 1xA until 10-01 for 900 usd; 10-01 pay until 11-01 for 800 eur; \
         10-02 refund of pay_2 for 800 eur",
        "1 A until 2026-11-01, suspended: refund",
    ),
    (
        "a refund in another currency, which its provider calls a part",
        "",
        "09-01 buy 1xA until 10-01 for 900 usd; 09-02 refund of pay_1 for 900 eur part",
        "1 A until 2026-10-01",
    ),
    (
        "a refund in another currency, which its provider calls whole",
        "",
        "09-01 buy 1xA until 10-01 for 900 usd; 09-02 refund of pay_1 for 700 eur whole",
        "1 A until 2026-10-01, suspended: refund",
    ),
    (
        "a renewal that also bills a change makes up for a refund",
        "",
        "09-01 buy 1xA until 10-01 for 900 usd; 09-20 refund of pay_1 for 900 usd; \
         10-01 pay change until 11-01 for 950 usd",
        "1 A until 2026-11-01",
    ),
    (
        "a renewal that also bills a change makes up for a dispute",
        "revoke",
        "09-01 buy 1xA until 10-01 for 900 usd; 10-01 pay change until 11-01 for 950 usd; \
         10-15 dispute of pay_1 for 900 usd; 10-20 lose of pay_1 for 900 usd",
        "1 A until 2026-11-01",
    ),
    (
        "a change after a renewal that billed one too goes back",
        "",
        "09-01 buy 1xA until 10-01; 10-01 pay change until 11-01; 10-15 pay change until 11-01; \
         10-20 dispute of pay_3",
        "1 A until 2026-11-01",
    ),
    (
        "a reversal takes one chargeback of its sum not a smaller one",
        "",
        "09-01 buy 1xA until 10-01 for 100 usd; 09-02 dispute of pay_1 for 30 usd; \
         09-03 dispute of pay_1 for 30 usd named 2; 09-04 dispute of pay_1 for 5 usd named 3; \
         09-10 win of pay_1 for 30 usd named 4",
        "1 A until 2026-10-01",
    ),
    (
        "a reversed refund without approval takes no other with it",
        "",
        "09-01 buy 1xA until 10-01 for 100 usd; 09-02 refund of pay_1 for 40 usd part; \
         09-03 unrefund of pay_1 for 60 usd named 2; 09-04 refund of pay_1 for 60 usd part named 3",
        "1 A until 2026-10-01, suspended: refund",
    ),
    (
        "a chargeback that was reversed is told again",
        "",
        "09-01 buy 1xA until 10-01 for 100 usd; 09-02 dispute of pay_1 for 100 usd; \
         09-10 win of pay_1 for 100 usd named 2; 09-11 dispute of pay_1 for 100 usd",
        "1 A until 2026-10-01",
    ),
    (
        "a change within a refunded year pays no time",
        "",
        "09-01 buy 1xA until 2027-09-01 for 900 usd; 09-05 pay until 2027-09-01 for 5 usd; \
         09-10 pay until 10-10 for 90 usd; 09-20 refund of pay_1 for 900 usd",
        "1 A until 2026-10-10",
    ),
    (
        "a prorated change within a refunded year pays no time",
        "",
        "09-01 buy 1xA until 2027-09-01 for 900 usd; 09-05 pay change until 2027-09-01 for 5 usd; \
         09-10 pay until 10-10 for 90 usd; 09-20 refund of pay_1 for 900 usd",
        "1 A until 2026-10-10",
    ),
    (
        "a period that is paid after a change within it goes back",
        "",
        "09-15 pay from 09-15 until 10-01 for 5 usd; 09-25 buy 1xA from 09-01 until 10-01 for 900 usd; \
         09-28 refund of pay_2 for 900 usd",
        "1 A until 2026-10-01, suspended: refund",
    ),
    (
        "a renewal that is paid after a change within it goes back",
        "revoke",
        "09-01 buy 1xA from 09-01 until 10-01 for 900 usd; 10-01 is past_due from 10-01 until 11-01; \
         10-03 pay from 10-03 until 11-01 for 5 usd; 10-10 pay from 10-01 until 11-01 for 900 usd; \
         10-12 dispute of pay_4 for 900 usd; 10-20 lose of pay_4 for 900 usd",
        "1 A until 2026-11-01, revoked since 2026-10-20",
    ),
    (
        "a switch paid by credit makes up for no period without end",
        "",
        "09-01 buy 1xA for 900 usd; 09-10 pay until 10-10 for 0 usd; 09-20 refund of pay_1 for 900 usd",
        "1 A until 2026-10-10, suspended: refund",
    ),
    (
        "a prorated switch of interval makes up for the month before",
        "",
        "09-01 buy 1xA until 10-01 for 90 usd; 09-20 pay change until 2027-09-20 for 900 usd; \
         09-25 refund of pay_1 for 90 usd",
        "1 A until 2027-09-20",
    ),
    (
        "a refund",
        "",
        "09-01 buy 1xA until 10-01 for 900 usd; 09-02 refund of pay_1 for 900 usd",
        "1 A until 2026-10-01, suspended: refund",
    ),
    (
        "a refund of a part",
        "",
        "09-01 buy 1xA until 10-01 for 900 usd; 09-02 refund of pay_1 for 400 usd part",
        "1 A until 2026-10-01",
    ),
    (
        "a refund where refunds revoke",
        "refund-revoke",
        "09-01 buy 1xA until 10-01; 09-02 refund of pay_1",
        "1 A until 2026-10-01, revoked since 2026-09-02",
    ),
    (
        "a refund where refunds revoke, then a payment",
        "refund-revoke",
        "09-01 buy 1xA until 10-01; 09-02 refund of pay_1; 10-01 pay until 11-01",
        "1 A until 2026-11-01",
    ),
    (
        "a refund where refunds change nothing",
        "refund-none",
        "09-01 buy 1xA until 10-01; 09-02 refund of pay_1",
        "1 A until 2026-10-01",
    ),
    (
        "a dispute where refunds change nothing",
        "refund-none",
        "09-01 buy 1xA until 10-01; 09-02 dispute of pay_1",
        "1 A until 2026-10-01, suspended: dispute",
    ),
    (
        "a refund of an older period",
        "",
        "09-01 buy 1xA until 10-01; 10-01 pay until 11-01; 10-02 refund of pay_1",
        "1 A until 2026-11-01",
    ),
    (
        "a refund of the latest period and the one before",
        "",
        "09-01 buy 1xA until 10-01; 10-01 pay until 11-01; 10-02 refund of pay_1; 10-03 refund of pay_2",
        "1 A until 2026-11-01, suspended: refund",
    ),
    (
        "a refund of a payment for something else",
        "",
        "09-01 buy 1xA until 10-01; 09-15 pay one-off until 10-01; 09-16 refund of pay_2",
        "1 A until 2026-10-01",
    ),
    (
        "a refund of a payment that nobody told",
        "",
        "09-01 buy 1xA until 10-01; 09-15 refund of pay_9",
        "1 A until 2026-10-01",
    ),
    (
        "a dispute",
        "",
        "09-01 buy 1xA until 10-01; 09-02 dispute of pay_1",
        "1 A until 2026-10-01, suspended: dispute",
    ),
    (
        "a dispute of half of the payment",
        "",
        "09-01 buy 1xA until 10-01 for 900 usd; 09-02 dispute of pay_1 for 450 usd",
        "1 A until 2026-10-01, suspended: dispute",
    ),
    (
        "a dispute of less than half of the payment",
        "",
        "09-01 buy 1xA until 10-01 for 900 usd; 09-02 dispute of pay_1 for 449 usd",
        "1 A until 2026-10-01",
    ),
    (
        "a dispute that is won",
        "",
        "09-01 buy 1xA until 10-01; 09-02 dispute of pay_1; 09-20 win of pay_1",
        "1 A until 2026-10-01",
    ),
    (
        "a dispute that a later payment does not end",
        "",
        "09-01 buy 1xA until 10-01; 09-02 dispute of pay_1; 10-01 pay until 11-01",
        "1 A until 2026-11-01, suspended: dispute",
    ),
    (
        "a dispute of a period that was followed by another",
        "",
        "09-01 buy 1xA until 10-01; 10-01 pay until 11-01; 10-02 dispute of pay_1",
        "1 A until 2026-11-01",
    ),
    (
        "a dispute is lost where an end changes nothing",
        "none",
        "09-01 buy 1xA until 10-01; 09-02 dispute of pay_1; 09-20 lose of pay_1",
        "1 A until 2026-10-01, suspended: dispute",
    ),
    (
        "a dispute is lost, then a newer payment",
        "revoke",
        "09-01 buy 1xA until 10-01; 09-02 dispute of pay_1; 09-20 lose of pay_1; 10-01 pay until 11-01",
        "1 A until 2026-11-01",
    ),
    (
        "a refund and a dispute, and the refund fails",
        "",
        "09-01 buy 1xA until 10-01; 09-02 refund of pay_1; 09-03 dispute of pay_1; 09-10 unrefund of pay_1",
        "1 A until 2026-10-01, suspended: dispute",
    ),
    (
        "items that are back in full",
        "",
        "09-01 buy 1xA until 10-01 for 900 usd items pro:600,once:300; \
         09-02 refund of pay_1 for 900 usd part takes pro:600,once:300",
        "1 A until 2026-10-01, suspended: refund",
    ),
    (
        "one of two items is back",
        "",
        "09-01 buy 1xA until 10-01 for 900 usd items pro:600,help:300; \
         09-02 refund of pay_1 for 300 usd part takes help:300",
        "1 A until 2026-10-01",
    ),
    (
        "both items are back, one after the other",
        "",
        "09-01 buy 1xA until 10-01 for 900 usd items pro:600,help:300; \
         09-02 refund of pay_1 for 300 usd part takes help:300; \
         09-03 refund of pay_1 for 600 usd part takes pro:600 named 2",
        "1 A until 2026-10-01, suspended: refund",
    ),
    (
        "the subscription's items are back, and what was bought once is not",
        "",
        "09-01 buy 1xA until 10-01 for 900 usd items pro:600; \
         09-02 refund of pay_1 for 600 usd part takes pro:600",
        "1 A until 2026-10-01, suspended: refund",
    ),
];

#[test]
fn money_that_went_back_suspends_until_made_up_for() {
    come_to_what_is_owed(STORIES);
}
