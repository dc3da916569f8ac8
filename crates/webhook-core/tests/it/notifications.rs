//! People are told once of what they should look at, and nothing depends on it.

use devkit::corpus::cases;
use devkit::sign::Provider as Signer;
use http::StatusCode;
use serde_json::{Value, json};
use webhook_core::infra::config::Topics;
use webhook_core::infra::notify::Notifier;

use crate::corpus::{path, prepare};
use crate::support::moto::{found, region, sdk};
use crate::support::people::Person;
use crate::support::topics::{Topic, operations};
use crate::support::{App, FASTSPRING, PADDLE, STRIPE, body, edited};

async fn deliver(app: &App, provider: Signer, case: &str) -> u16 {
    app.deliver(provider, path(provider, case), &body(provider, case)).await.status
}

#[tokio::test]
async fn each_concern_is_notified_once_for_repeated_events() {
    let mut wrong = Vec::new();
    for case in cases() {
        let (provider, name) = (case.provider, case.name.as_str());
        let topic = Topic::answering(StatusCode::OK).await;
        let app = topic.app(&[("GRACE_DAYS", "3")]).await;
        prepare(&app, provider, name).await;
        let earlier = topic.told().len();
        for _ in 0..3 {
            deliver(&app, provider, name).await;
        }
        let told = topic.told().split_off(earlier);
        let concerns: Vec<&str> = told.iter().map(|(concern, _)| concern.as_str()).collect();
        let expected: Vec<&str> = case.description.notifies.iter().map(String::as_str).collect();
        if concerns != expected {
            wrong.push(format!("events/{provider}/{name}.toml: {concerns:?}"));
        }
        assert!(told.iter().all(|(_, text)| !text.contains("@example.com")), "{told:?}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A customer of each provider leaves an address that a colleague uses too.
#[tokio::test]
async fn an_abandoned_address_is_notified_once_for_each_customer() {
    for provider in [STRIPE, FASTSPRING, PADDLE] {
        let topic = Topic::answering(StatusCode::OK).await;
        let app = topic.app(&[]).await;
        let ada = Person::new(provider, "person_1", "Ada Example");
        let bea = Person::new(provider, "person_2", "Bea Example");
        for (nth, who) in [(1, ada), (3, bea)] {
            // FastSpring tells an account only when it changes.
            if provider != FASTSPRING {
                who.has(nth, "team@example.com").done(&app).await;
            }
            who.buys(nth + 1, "team@example.com").done(&app).await;
        }
        assert_eq!(topic.told(), [], "{provider}");
        let leaves = ada.moves(5, "team@example.com", "new@example.com");
        for told in [&leaves, &leaves, &ada.is(6, "new@example.com", "Ada New")] {
            told.done(&app).await;
        }
        let told = topic.told();
        assert_eq!(told.len(), 1, "{provider}: {told:?}");
        let users = app.sandbox.users();
        let [kept, now] = &users[..] else { panic!("{users:?}") };
        assert_eq!((told[0].0.as_str(), now.name.as_str()), ("user_kept", "Ada New"));
        for said in ["customer person_1", &kept.id, &now.id, "give it user"] {
            assert!(told[0].1.contains(said), "{provider}: {said} is not in {}", told[0].1);
        }
        assert!(!told[0].1.contains("@example.com"), "{}", told[0].1);
        ada.moves(7, "new@example.com", "newer@example.com").done(&app).await;
        assert_eq!(topic.told().len(), 1, "{provider}: it is their own user now");
    }
}

/// Nobody knows whose user a customer of the predecessor was.
#[tokio::test]
async fn a_predecessors_customer_who_moves_is_notified() {
    for (provider, told) in [(STRIPE, 1), (FASTSPRING, 1), (PADDLE, 0)] {
        let topic = Topic::answering(StatusCode::OK).await;
        let app = topic.app(&[]).await;
        let ada = Person::new(provider, "person_1", "Ada Example");
        ada.moves(1, "old@example.com", "new@example.com").done(&app).await;
        assert_eq!(topic.told().len(), told, "{provider}: {:?}", topic.told());
    }
}

#[tokio::test]
async fn money_and_trials_have_a_topic_of_their_own() {
    let moto = region().await;
    let sns = aws_sdk_sns::Client::new(&sdk(moto.url(), moto.region()));
    let mut app = App::start().await;
    let mut arns = Vec::new();
    for name in ["operations", "business"] {
        let inbox = moto.create_queue(name).await.unwrap();
        let topic = sns.create_topic().name(name).send().await.unwrap().topic_arn.unwrap();
        let queue = topic.replace(":sns:", ":sqs:");
        sns.subscribe().topic_arn(&topic).protocol("sqs").endpoint(queue).send().await.unwrap();
        arns.push((topic, inbox));
    }
    let [(operations, mended), (business, money)] = arns.try_into().unwrap();
    let topics = Topics { operations: Some(operations), business: Some(business) };
    app.notifier = Notifier::of(&topics, &found(&moto)).await;
    deliver(&app, STRIPE, "subscription-trial-will-end").await;
    deliver(&app, STRIPE, "charge-refunded").await;
    for (inbox, concern) in [(mended, "nothing_reversed"), (money, "trial_ends")] {
        let told = moto.receive(&inbox).await.unwrap();
        let bodies: Vec<&str> = told.iter().map(|it| it["Body"].as_str().unwrap()).collect();
        assert!(
            matches!(bodies.as_slice(), [one] if one.contains(concern)),
            "{concern}: {bodies:?}"
        );
    }
}

#[tokio::test]
async fn a_topic_that_refuses_is_named_until_it_takes_something() {
    let topic = Topic::answering(StatusCode::FORBIDDEN).await;
    let app = topic.app(&[]).await;
    assert_eq!(topic.notifier.trouble().next(), None);
    deliver(&app, STRIPE, "subscription-trial-will-end").await;
    let trouble = topic.notifier.trouble().next().unwrap();
    assert!(trouble.contains("licenses") && trouble.contains("sns:Publish"), "{trouble}");
    assert!(!trouble.contains("123456789012"), "{trouble}");
}

#[tokio::test]
async fn a_topic_passes_messages_on_unchanged() {
    let moto = region().await;
    let sns = aws_sdk_sns::Client::new(&sdk(moto.url(), moto.region()));
    let topic = sns.create_topic().name("licenses").send().await.unwrap().topic_arn.unwrap();
    let inbox = moto.create_queue("inbox").await.unwrap();
    let arn = topic.replace(":sns:", ":sqs:").replace(":licenses", ":inbox");
    sns.subscribe().topic_arn(&topic).protocol("sqs").endpoint(arn).send().await.unwrap();
    let mut app = App::start().await;
    app.notifier = Notifier::of(&operations(&topic), &found(&moto)).await;
    deliver(&app, STRIPE, "subscription-trial-will-end").await;
    let told = moto.receive(&inbox).await.unwrap();
    let envelope: Value = serde_json::from_str(told[0]["Body"].as_str().unwrap()).unwrap();
    assert_eq!(
        envelope["Subject"],
        "stripe: A trial ends soon. Its first payment follows unless the customer cancels."
    );
    let message: Value = serde_json::from_str(envelope["Message"].as_str().unwrap()).unwrap();
    assert_eq!(message["notification"], "trial_ends");
}

#[tokio::test]
async fn a_refund_that_found_no_license_is_notified() {
    let topic = Topic::answering(StatusCode::OK).await;
    let app = topic.app(&[]).await;
    for (provider, case) in [
        (STRIPE, "charge-refunded"),
        (STRIPE, "charge-refunded-one-time"),
        (FASTSPRING, "return-full"),
        (PADDLE, "adjustment-refund"),
    ] {
        assert_eq!(deliver(&app, provider, case).await, 200, "{provider} {case}");
        assert_eq!(topic.told().last().unwrap().0, "nothing_reversed", "{provider} {case}");
    }
    assert_eq!(topic.told().len(), 4);
}

#[tokio::test]
async fn a_settled_event_notifies_nobody() {
    let topic = Topic::answering(StatusCode::OK).await;
    let app = topic.app(&[]).await;
    for case in [
        "checkout-subscription",
        "invoice-create",
        "invoice-cycle",
        // Older than the payment.
        "invoice-payment-failed",
        "dispute-inquiry",
        "subscription-created",
    ] {
        assert_eq!(deliver(&app, STRIPE, case).await, 200, "{case}");
    }
    assert_eq!(topic.told(), []);
}

#[tokio::test]
async fn a_topic_that_fails_fails_no_webhook() {
    let topic = Topic::answering(StatusCode::INTERNAL_SERVER_ERROR).await;
    let app = topic.app(&[]).await;
    prepare(&app, STRIPE, "invoice-payment-failed").await;
    assert_eq!(deliver(&app, STRIPE, "invoice-payment-failed").await, 200);
    assert_eq!(app.ends(), ["2027-09-01 suspended"]);
    let again = edited(STRIPE, "invoice-payment-failed", |event| event["id"] = json!("evt_again"));
    assert_eq!(app.deliver(STRIPE, "/v2", &again).await.status, 200);
}

#[tokio::test]
async fn a_dispute_that_several_events_open_notifies_once() {
    let topic = Topic::answering(StatusCode::OK).await;
    let app = topic.app(&[]).await;
    app.cases(STRIPE, &["checkout-payment", "dispute-created"]).await;
    for (kind, after) in [("funds_withdrawn", 0), ("updated", 60)] {
        let again = edited(STRIPE, "dispute-created", |event| {
            event["id"] = json!(format!("evt_{kind}"));
            event["type"] = json!(format!("charge.dispute.{kind}"));
            event["created"] = json!(event["created"].as_i64().unwrap() + after);
        });
        assert_eq!(app.deliver(STRIPE, "/v2", &again).await.status, 200);
    }
    assert_eq!(topic.told().iter().filter(|(kind, _)| kind == "dispute_opened").count(), 1);
    assert_eq!(app.ends(), ["never suspended"]);
}
