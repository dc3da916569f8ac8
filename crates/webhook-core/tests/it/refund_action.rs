//! What a refund does to licenses is the vendor's choice: `REFUND_ACTION`.

use serde_json::json;

use crate::support::clock::DAY;
use crate::support::first_year::{about_the_first_payment, bought};
use crate::support::{STRIPE, edited, path_of};

#[tokio::test]
async fn a_refund_does_what_the_vendor_chose_until_it_fails() {
    for at_the_end in ["revoke", "delete", "suspend", "none"] {
        for (chosen, then) in [
            ("suspend", "2027-09-01 suspended"),
            ("revoke", "2027-09-01 revoked"),
            ("none", "2027-09-01"),
        ] {
            let variables =
                [("CRYPTLEX_CANCELLATION_ACTION", at_the_end), ("REFUND_ACTION", chosen)];
            let (app, paid) = bought(&variables).await;
            let refund = about_the_first_payment("charge-refunded", paid + DAY);
            let failed = about_the_first_payment("refund-failed", paid + 10 * DAY);
            app.accepts(STRIPE, &refund).await;
            assert_eq!(app.ends(), [then], "{at_the_end}, {chosen}");
            app.accepts(STRIPE, &refund).await;
            assert_eq!(app.ends(), [then], "{at_the_end}, {chosen}: told twice");
            app.accepts(STRIPE, &failed).await;
            assert_eq!(app.ends(), ["2027-09-01"], "{at_the_end}, {chosen}: it failed");

            let (app, _) = bought(&variables).await;
            app.accepts(STRIPE, &failed).await;
            app.accepts(STRIPE, &refund).await;
            assert_eq!(app.ends(), ["2027-09-01"], "{at_the_end}, {chosen}: told in reverse");
        }
    }
}

#[tokio::test]
async fn a_license_revoked_for_a_refund_returns_with_a_payment() {
    let (app, paid) = bought(&[("REFUND_ACTION", "revoke")]).await;
    app.accepts(STRIPE, &about_the_first_payment("charge-refunded", paid + DAY)).await;
    assert_eq!(app.ends(), ["2027-09-01 revoked"]);
    app.cases(STRIPE, &["invoice-cycle"]).await;
    assert_eq!(app.ends(), ["2028-09-01"]);
}

#[tokio::test]
async fn an_end_after_a_refund_does_what_ends_do() {
    let end = |created: i64| {
        edited(STRIPE, "subscription-deleted", |event| event["created"] = json!(created))
    };
    for (at_the_end, then) in [
        ("revoke", vec!["2027-09-01 revoked"]),
        ("delete", vec![]),
        ("suspend", vec!["2027-09-01 revoked"]),
        ("none", vec!["2027-09-01 revoked"]),
    ] {
        for days in [[1, 2], [2, 1]] {
            let variables =
                [("CRYPTLEX_CANCELLATION_ACTION", at_the_end), ("REFUND_ACTION", "revoke")];
            let (app, paid) = bought(&variables).await;
            let refund = about_the_first_payment("charge-refunded", paid + days[0] * DAY);
            let end = end(paid + days[1] * DAY);
            app.accepts(STRIPE, &refund).await;
            app.accepts(STRIPE, &end).await;
            assert_eq!(app.ends(), then, "{at_the_end}, refund and end on days {days:?}");
        }
    }
}

#[tokio::test]
async fn the_answer_says_that_a_refund_changes_nothing_by_choice() {
    let (app, paid) = bought(&[("REFUND_ACTION", "none")]).await;
    let refund = about_the_first_payment("charge-refunded", paid + DAY);
    let answer = app.deliver(STRIPE, path_of(STRIPE), &refund).await;
    assert!(answer.message().contains("REFUND_ACTION=none"), "{}", answer.body);
    assert_eq!(app.ends(), ["2027-09-01"]);
}
