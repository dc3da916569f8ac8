//! What a refund does to licenses is the vendor's choice: `REFUND_ACTION`.

use serde_json::json;

use crate::reversals::{about_the_first_payment, link_of_the_first_invoice, tell};
use crate::support::{App, STRIPE, edited, json, path_of};

const DAY: i64 = 86_400;

async fn bought(variables: &[(&str, &str)]) -> (App, i64) {
    let app = App::with(<_>::default(), variables).await;
    app.cases(STRIPE, &["checkout-subscription", "invoice-create"]).await;
    tell(&app, STRIPE, &link_of_the_first_invoice()).await;
    (app, json(STRIPE, "invoice-create")["created"].as_i64().unwrap())
}

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
            tell(&app, STRIPE, &refund).await;
            assert_eq!(app.ends(), [then], "{at_the_end}, {chosen}");
            tell(&app, STRIPE, &refund).await;
            assert_eq!(app.ends(), [then], "{at_the_end}, {chosen}: told twice");
            tell(&app, STRIPE, &failed).await;
            assert_eq!(app.ends(), ["2027-09-01"], "{at_the_end}, {chosen}: it failed");

            let (app, _) = bought(&variables).await;
            tell(&app, STRIPE, &failed).await;
            tell(&app, STRIPE, &refund).await;
            assert_eq!(app.ends(), ["2027-09-01"], "{at_the_end}, {chosen}: told in reverse");
        }
    }
}

#[tokio::test]
async fn a_license_revoked_for_a_refund_returns_with_a_payment() {
    let (app, paid) = bought(&[("REFUND_ACTION", "revoke")]).await;
    tell(&app, STRIPE, &about_the_first_payment("charge-refunded", paid + DAY)).await;
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
            tell(&app, STRIPE, &refund).await;
            tell(&app, STRIPE, &end).await;
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
