//! Until when a purchase runs: what the payload says it paid, else one interval from its own time, however late it comes.

use devkit::sign::Provider as Signer;
use http::Method;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::support::clock::SEPTEMBER;
use crate::support::{
    App, FASTSPRING, PADDLE, STRIPE, body, date_event, edited, path_of, rename_event,
};

const HOUR: i64 = 3_600;

async fn late_by(hours: i64, variables: &[(&str, &str)]) -> App {
    let app = App::with(<_>::default(), variables).await;
    app.sandbox.set_now(Timestamp::from_second(SEPTEMBER + hours * HOUR).unwrap());
    app
}

/// To the minute: the bodies were sent some seconds after the purchase.
fn ends(app: &App) -> Vec<String> {
    let minute = |end: Timestamp| end.to_string()[..16].to_owned();
    let end = |end: Option<Timestamp>| end.map_or("never".to_owned(), minute);
    let mut ends: Vec<String> =
        app.sandbox.licenses().iter().map(|license| end(license.expires_at)).collect();
    ends.sort();
    ends
}

/// The same event, sent again by hand.
fn by_hand(provider: Signer, body: &[u8], hours: i64) -> Vec<u8> {
    let mut delivery: Value = serde_json::from_slice(body).unwrap();
    let at = Timestamp::from_second(SEPTEMBER + hours * HOUR).unwrap();
    rename_event(provider, &mut delivery, "evt_by_hand");
    date_event(provider, &mut delivery, at);
    serde_json::to_vec(&delivery).unwrap()
}

#[tokio::test]
async fn a_purchase_that_comes_late_ends_at_its_paid_end() {
    for (provider, purchase, renewal, first, renewed) in [
        (FASTSPRING, &["order-subscription"][..], "charge-completed", "2027-09-01", "2028-09-01"),
        (PADDLE, &["transaction-api"], "", "2027-09-01", ""),
        (
            STRIPE,
            &["checkout-subscription", "invoice-create"],
            "invoice-cycle",
            "2027-09-01",
            "2028-09-01",
        ),
    ] {
        for hours in [0, 1, 23, 25, 24 * 40] {
            for (leeway, time) in [("0", "T00:00"), ("5", "T05:00")] {
                let app = late_by(hours, &[("EXPIRY_LEEWAY_HOURS", leeway)]).await;
                app.cases(provider, purchase).await;
                let late = format!("{provider} {hours} hours late, leeway {leeway}");
                assert_eq!(ends(&app), [format!("{first}{time}")], "{late}");
                if !renewal.is_empty() {
                    app.cases(provider, &[renewal]).await;
                    assert_eq!(ends(&app), [format!("{renewed}{time}")], "{late}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_purchase_without_end_runs_one_interval_from_its_time() {
    let paddle = edited(PADDLE, "transaction-api", |event| {
        event["data"]["billing_period"] = Value::Null;
    });
    let once = edited(FASTSPRING, "order-plain", |batch| {
        let item = &mut batch["events"][0]["data"]["items"][0];
        item["attributes"]["cryptlex_license_subscription_interval"] = json!("P1Y");
    });
    for (provider, purchase, has_leeway) in [
        (FASTSPRING, body(FASTSPRING, "order-not-expanded"), true),
        (PADDLE, paddle, true),
        // Nothing that could be collected late follows a purchase of once.
        (FASTSPRING, once, false),
    ] {
        for hours in [0, 1, 5, 30, 24 * 40] {
            for leeway in ["0", "5"] {
                let app = late_by(hours, &[("EXPIRY_LEEWAY_HOURS", leeway)]).await;
                app.accepts(provider, &purchase).await;
                let time = if has_leeway && leeway == "5" { "T05:00" } else { "T00:00" };
                let (late, end) =
                    (format!("{provider} {hours} hours late"), format!("2027-09-01{time}"));
                assert_eq!(ends(&app), [end.as_str()], "{late}");
                let writes = app.writes();
                app.accepts(provider, &by_hand(provider, &purchase, hours + 7)).await;
                assert_eq!(ends(&app), [end.as_str()], "{late}, sent again by hand");
                assert_eq!(app.writes(), writes, "{late}");
            }
        }
    }
}

#[tokio::test]
async fn a_purchase_without_end_cuts_none_that_told_it() {
    // The webhook was not expanded, and sends the order once more when it is; or the other way round.
    let expanded = body(FASTSPRING, "order-subscription");
    let mut order: Value = serde_json::from_slice(&expanded).unwrap();
    let data = &mut order["events"][0]["data"];
    data["items"][0]["subscription"] = data["items"][0]["subscription"]["id"].clone();
    let bare = by_hand(FASTSPRING, &serde_json::to_vec(&order).unwrap(), 0);
    for order in [[&expanded, &bare], [&bare, &expanded]] {
        for hours in [0, 5, 30] {
            let app = late_by(hours, &[]).await;
            for event in order {
                app.accepts(FASTSPRING, event).await;
            }
            assert_eq!(ends(&app), ["2027-09-01T00:00"]);
        }
    }
}

#[tokio::test]
async fn a_purchase_without_end_in_a_later_year_runs_its_own() {
    let app = late_by(0, &[]).await;
    app.cases(FASTSPRING, &["order-subscription"]).await;
    let mut order: Value = serde_json::from_slice(&by_hand(
        FASTSPRING,
        &body(FASTSPRING, "order-subscription"),
        24 * 400,
    ))
    .unwrap();
    let data = &mut order["events"][0]["data"];
    (data["id"], data["order"]) = (json!("ord-of-next-year"), json!("ord-of-next-year"));
    data["items"][0]["product"] = json!("another");
    data["items"][0]["subscription"] = data["items"][0]["subscription"]["id"].clone();
    app.sandbox.set_now(Timestamp::from_second(SEPTEMBER + 24 * 400 * HOUR).unwrap());
    app.accepts(FASTSPRING, &serde_json::to_vec(&order).unwrap()).await;
    assert_eq!(ends(&app), ["2027-09-01T00:00", "2028-10-06T00:00"]);
}

#[tokio::test]
async fn a_first_period_of_any_length_is_as_long_as_told() {
    let quarter = |delivery: &mut Value, provider: Signer| match provider {
        FASTSPRING => {
            let items = delivery["events"][0]["data"]["items"].as_array_mut().unwrap();
            for item in items.iter_mut().filter(|item| item["subscription"].is_object()) {
                item["subscription"]["next"] = json!(1_796_083_200_000_i64);
            }
        }
        PADDLE => {
            delivery["data"]["billing_period"]["ends_at"] = json!("2026-12-01T00:00:00Z");
        }
        STRIPE => unreachable!("its invoices always said it"),
    };
    for (provider, case) in [
        (FASTSPRING, "order-subscription"),
        (FASTSPRING, "order-subscription-trial"),
        (FASTSPRING, "order-addon-first"),
        (PADDLE, "transaction-api"),
        (PADDLE, "transaction-trial"),
    ] {
        // A yearly price, paid for three months; a trial of two weeks, made three months.
        let app = late_by(0, &[]).await;
        app.accepts(provider, &edited(provider, case, |delivery| quarter(delivery, provider)))
            .await;
        let ends = ends(&app);
        assert!(ends.iter().all(|end| end == "2026-12-01T00:00"), "{provider} {case}: {ends:?}");
    }
}

#[tokio::test]
async fn a_seat_that_is_added_by_hand_keeps_its_own_end() {
    // What somebody moved was meant, also by less than a day.
    let app = late_by(0, &[]).await;
    app.cases(FASTSPRING, &["order-subscription"]).await;
    let license = app.sandbox.licenses()[0].clone();
    let moved = license.expires_at.unwrap() + SignedDuration::from_hours(5);
    let url = format!("{}/v3/licenses/{}/expires-at", app.sandbox.url(), license.id);
    let call = devkit::send::client(0)
        .request(Method::PATCH, url)
        .bearer_auth(devkit::sandbox::ACCESS_TOKEN)
        .json(&json!({"expiresAt": moved.to_string()}));
    assert!(call.send().await.unwrap().status().is_success());
    app.accepts(FASTSPRING, &by_hand(FASTSPRING, &body(FASTSPRING, "order-subscription"), 0)).await;
    assert_eq!(ends(&app), ["2027-09-01T05:00"]);
}

#[tokio::test]
async fn an_unreadable_end_is_an_error_by_name() {
    let (next, ends_at) =
        ("/events/0/data/items/0/subscription/next", "/data/billing_period/ends_at");
    for (provider, case, pointer, says) in [
        (FASTSPRING, "order-subscription", next, "next in subscription with ID: "),
        (PADDLE, "transaction-api", ends_at, "ends_at in billing period of event "),
    ] {
        for wrong in [
            json!("soon"),
            json!(true),
            json!({}),
            json!([1]),
            json!(-5_000),
            json!(1e300),
            json!("9999-12-31T23:59:59Z"),
            json!("2026-13-01T00:00:00Z"),
        ] {
            let app = late_by(0, &[]).await;
            let purchase = edited(provider, case, |delivery| {
                *delivery.pointer_mut(pointer).unwrap() = wrong.clone();
            });
            let answer = app.deliver(provider, path_of(provider), &purchase).await;
            assert_eq!(answer.status, 400, "{wrong}: {}", answer.body);
            assert!(answer.message().starts_with(says), "{wrong}: {}", answer.body);
            assert!(app.sandbox.calls().is_empty(), "{wrong}");
        }
    }
    // What does not say any is documented to run one interval.
    for wrong in [Value::Null, json!("month"), json!(7), json!([])] {
        let app = late_by(0, &[]).await;
        let purchase = edited(PADDLE, "transaction-api", |event| {
            event["data"]["billing_period"] = wrong;
        });
        app.accepts(PADDLE, &purchase).await;
        assert_eq!(ends(&app), ["2027-09-01T00:00"]);
    }
}

/// Usage is an amount; it may be more than any number of seats.
#[tokio::test]
async fn usage_of_any_size_stops_no_renewal() {
    let app = App::start().await;
    app.cases(STRIPE, &["checkout-subscription"]).await;
    let body = edited(STRIPE, "invoice-cycle", |event| {
        let lines = event["data"]["object"]["lines"]["data"].as_array_mut().unwrap();
        let mut usage = lines[0].clone();
        usage["id"] = json!("il_usage");
        usage["quantity"] = json!(5_000_000_000_u64);
        lines.push(usage);
    });
    let answer = app.deliver(STRIPE, "/webhooks/stripe", &body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}
