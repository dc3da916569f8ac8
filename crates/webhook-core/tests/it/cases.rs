//! The situations of `situations/` that come to the same licenses in other orders than the provider's: each ends as it should.
//!
//! Most are what people reported about their payment webhooks, or what a vendor documents. `devkit compare` plays all situations in
//! the provider's order, against the binaries, too.

use std::collections::BTreeSet;

use devkit::compare::judge::{compared, shown};
use devkit::compare::{Delivery, Orders, Situation, catalog, situations};
use devkit::sandbox::Settings;
use http::StatusCode;
use jiff::Timestamp;

use crate::support::App;
use crate::support::orders::orders as every_order;
use crate::support::topics::Topic;

/// How many there are at least, so that none goes missing.
const AT_LEAST: usize = 23;

/// What the expectations assume, as `devkit compare` prints it.
const ASSUMED: [(&str, &str); 3] = [
    ("EXPIRY_LEEWAY_HOURS", "0"),
    ("CRYPTLEX_PRODUCT_ID", catalog::CONFIGURED_PRODUCT),
    ("CRYPTLEX_MAPPINGS_QUANTITY", "total_licenses"),
];

/// More deliveries than this are not tried in every order.
const MOST_IN_EVERY_ORDER: usize = 4;

/// What a story came to.
#[derive(Debug, PartialEq, Eq)]
struct End {
    licenses: Vec<String>,
    notifications: Vec<String>,
    /// Those that were still not answered 200 when everything else was.
    undone: usize,
}

#[tokio::test]
async fn reported_situations_end_right_in_every_order() {
    let mut wrong = Vec::new();
    let told = situations().into_iter().filter(|situation| situation.orders != Orders::Own);
    let told: Vec<Situation> = told.collect();
    assert!(told.len() >= AT_LEAST, "only {} are left", told.len());
    for situation in &told {
        wrong.extend(faults(situation).await);
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// What is wrong, in any of the orders that count.
async fn faults(situation: &Situation) -> Vec<String> {
    let mut faults = Vec::new();
    let expected = End {
        licenses: situation.licenses.clone(),
        notifications: situation.notifications.clone(),
        undone: 0,
    };
    for (number, order) in orders(situation).iter().enumerate() {
        let (answers, mut end) = played(situation, order).await;
        if number > 0 {
            end.notifications.clone_from(&expected.notifications);
        }
        let name = &situation.name;
        if end != expected {
            faults.push(format!(
                "{name} in the order {order:?} ({answers:?}): {end:?}, not {expected:?}"
            ));
        }
        let told = situation.answers.clone().unwrap_or_else(|| vec![200; answers.len()]);
        if number == 0 && answers != told {
            faults.push(format!("{name}: answers {answers:?}, not {told:?}"));
        }
    }
    faults
}

/// Each is delivered once in that order; then what was not answered 200, as long as that helps.
async fn played(situation: &Situation, order: &[usize]) -> (Vec<u16>, End) {
    let topic = Topic::answering(StatusCode::OK).await;
    let app = app(&topic).await;
    let mut left: Vec<usize> = order.to_vec();
    let mut first_answers = None;
    loop {
        let mut undone = Vec::new();
        let mut answers = Vec::new();
        for delivery in &left {
            let answer = delivered(&app, situation, &situation.deliveries[*delivery]).await;
            if answer != 200 {
                undone.push(*delivery);
            }
            answers.push(answer);
        }
        first_answers.get_or_insert(answers);
        let stuck = undone.len() == left.len();
        left = undone;
        if left.is_empty() || stuck {
            break;
        }
    }
    let there: Vec<String> = app.sandbox.licenses().iter().map(shown).collect();
    let licenses = compared(&there, &situation.licenses);
    let mut notifications: Vec<String> =
        topic.told().into_iter().map(|(concern, _)| concern).collect();
    notifications.sort();
    (first_answers.unwrap_or_default(), End { licenses, notifications, undone: left.len() })
}

async fn app(topic: &Topic) -> App {
    let mut app = App::with(Settings::default(), &ASSUMED).await;
    app.notifier = topic.notifier.clone();
    catalog::fill(&app.sandbox);
    // Whatever comes first, its clock goes only forward.
    let long_ago = Timestamp::UNIX_EPOCH.as_second();
    app.pass(long_ago - app.now());
    app
}

async fn delivered(app: &App, situation: &Situation, delivery: &Delivery) -> u16 {
    app.pass((delivery.at.as_second() - app.now()).max(0));
    app.sandbox.set_now(Timestamp::from_second(app.now()).unwrap());
    let provider = situation.provider;
    let path = format!("/webhooks/{provider}");
    app.deliver(provider, &path, delivery.body.as_bytes()).await.status
}

fn orders(situation: &Situation) -> Vec<Vec<usize>> {
    let own: Vec<usize> = (0..situation.deliveries.len()).collect();
    match &situation.orders {
        Orders::Own => vec![own],
        Orders::These(these) => these.clone(),
        Orders::Every if own.len() <= MOST_IN_EVERY_ORDER => every_order(&own),
        Orders::Every => {
            let moved = |at: usize, to: usize| {
                let mut order = own.clone();
                let one = order.remove(at);
                order.insert(to, one);
                order
            };
            let reversed = own.iter().rev().copied().collect();
            let first = own.iter().map(|at| moved(*at, 0));
            let last = own.iter().map(|at| moved(*at, own.len() - 1));
            let own = own.clone();
            [own, reversed]
                .into_iter()
                .chain(first)
                .chain(last)
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect()
        }
    }
}
