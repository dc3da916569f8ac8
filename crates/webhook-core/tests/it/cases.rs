//! Situations that people reported about their payment webhooks, or that a vendor documents: each ends as it should.
//!
//! A folder of `cases/` is one: the bodies, in the provider's order, and `case.json` with what must come of them.
//! `licenses` are written as [`shown`] does. `notifications` and `answers` are those of the provider's order; answers
//! that are not told are 200. `orders` are those that must end so: every one, unless it is `own` or lists them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use devkit::sandbox::{License, Settings, StartTrigger, Template};
use devkit::sign::Provider as Signer;
use http::StatusCode;
use jiff::Timestamp;
use serde_json::Value;

use crate::support::topics::Topic;
use crate::support::{App, FASTSPRING, PADDLE, STRIPE, end_of};

/// All of them, so that none goes missing.
const SITUATIONS: [&str; 23] = [
    "fastspring-edit-without-proration",
    "fastspring-next-date-moved",
    "fastspring-pause-scheduled",
    "paddle-customer-imported",
    "paddle-full-refund-by-items",
    "paddle-imported-renewal-accept",
    "paddle-invoice-period-shorter-than-cycle",
    "paddle-paid-trial-longer-than-cycle",
    "paddle-refund-in-two-parts",
    "paddle-subscription-gets-another-customer",
    "paddle-trial-extended",
    "stripe-captured-later",
    "stripe-connect-test-event",
    "stripe-email-known-later",
    "stripe-flexible-month-to-year",
    "stripe-inquiry-becomes-chargeback",
    "stripe-more-than-ten-lines",
    "stripe-old-invoice-retry-fails",
    "stripe-one-time-quantity",
    "stripe-quantity-zero",
    "stripe-second-payment-refunded",
    "stripe-tiered-seats",
    "stripe-usage-only-subscription",
];

/// Products and templates as the bodies call them, and as Cryptlex would: by UUIDs.
const NAMES: [(&str, &str); 7] = [
    ("prod_1", "11111111-1111-4111-8111-0000000000a1"),
    ("prod_2", "11111111-1111-4111-8111-0000000000a2"),
    ("prod_v1", "11111111-1111-4111-8111-0000000000a3"),
    ("prod_meta", "11111111-1111-4111-8111-0000000000a4"),
    ("tmpl_monthly", "66666666-6666-4666-8666-0000000000a1"),
    ("tmpl_yearly", "66666666-6666-4666-8666-0000000000a2"),
    ("tmpl_perpetual", "66666666-6666-4666-8666-0000000000a3"),
];

/// More deliveries than this are not tried in every order.
const MOST_IN_EVERY_ORDER: usize = 4;

struct Case {
    name: String,
    provider: Signer,
    environment: Vec<(String, String)>,
    deliveries: Vec<Delivery>,
    expected: End,
    answers: Option<Vec<u16>>,
    /// The provider's comes first.
    orders: Vec<Vec<usize>>,
}

#[derive(Clone, PartialEq, Eq)]
struct Delivery {
    body: Vec<u8>,
    path: String,
    /// What the clocks show when it comes, of ours and of Cryptlex.
    at: Timestamp,
}

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
    let cases = cases();
    let names: Vec<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names, SITUATIONS);
    for case in &cases {
        wrong.extend(case.faults().await);
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

impl Case {
    fn read(folder: &Path) -> Self {
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let case = parsed(&fs::read(folder.join("case.json")).unwrap());
        let provider = Signer::ALL.into_iter().find(|known| case["provider"] == known.name());
        let provider = provider.unwrap_or_else(|| panic!("{name}: whose case is it?"));
        let environment = case["environment"].as_object().cloned().unwrap_or_default();
        let value = |value: &Value| value.as_str().unwrap().to_owned();
        let environment = environment.iter().map(|(key, set)| (key.clone(), value(set))).collect();
        let deliveries = case["deliveries"].as_array().unwrap().iter().map(|delivery| {
            let body = fs::read_to_string(folder.join(delivery["body"].as_str().unwrap()));
            let body = with_ids(body.unwrap()).into_bytes();
            let at = match delivery["at"].as_str() {
                Some(at) => at.parse().unwrap(),
                None => happened(provider, &body) + jiff::SignedDuration::from_secs(2),
            };
            Delivery { body, path: delivery["path"].as_str().unwrap().to_owned(), at }
        });
        let expected = |of: &str| texts(&case[of]);
        Self {
            environment,
            deliveries: deliveries.collect(),
            expected: End {
                licenses: expected("licenses"),
                notifications: expected("notifications"),
                undone: 0,
            },
            answers: case["answers"].as_array().map(|all| {
                all.iter().map(|status| status.as_u64().unwrap().try_into().unwrap()).collect()
            }),
            orders: orders(&case),
            name,
            provider,
        }
    }

    /// What is wrong, in any of the orders that count.
    async fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for (number, order) in self.orders.iter().enumerate() {
            let (answers, mut end) = self.played(order).await;
            if number > 0 {
                end.notifications.clone_from(&self.expected.notifications);
            }
            let name = &self.name;
            if end != self.expected {
                faults.push(format!(
                    "{name} in the order {order:?} ({answers:?}): {end:?}, not {:?}",
                    self.expected
                ));
            }
            let expected = self.answers.clone().unwrap_or_else(|| vec![200; answers.len()]);
            if number == 0 && answers != expected {
                faults.push(format!("{name}: answers {answers:?}, not {expected:?}"));
            }
        }
        faults
    }

    /// Each is delivered once in that order; then what was not answered 200, as long as that helps.
    async fn played(&self, order: &[usize]) -> (Vec<u16>, End) {
        let topic = Topic::answering(StatusCode::OK).await;
        let app = self.app(&topic).await;
        let mut left: Vec<usize> = order.to_vec();
        let mut first_answers = None;
        loop {
            let mut undone = Vec::new();
            let mut answers = Vec::new();
            for delivery in &left {
                let answer = self.delivered(&app, &self.deliveries[*delivery]).await;
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
        let mut licenses: Vec<String> = app.sandbox.licenses().iter().map(shown).collect();
        licenses.sort();
        let mut notifications: Vec<String> =
            topic.told().into_iter().map(|(concern, _)| concern).collect();
        notifications.sort();
        (first_answers.unwrap_or_default(), End { licenses, notifications, undone: left.len() })
    }

    async fn app(&self, topic: &Topic) -> App {
        let mut variables =
            vec![("EXPIRY_LEEWAY_HOURS", "0"), ("CRYPTLEX_PRODUCT_ID", id_of("prod_v1"))];
        variables
            .extend(self.environment.iter().map(|(key, value)| (key.as_str(), value.as_str())));
        let mut app = App::with(Settings::default(), &variables).await;
        app.notifier = topic.notifier.clone();
        let creation = Some(StartTrigger::Creation);
        for (id, interval, trigger) in [
            ("tmpl_monthly", "P1M", creation),
            ("tmpl_yearly", "P1Y", creation),
            ("tmpl_perpetual", "", None),
        ] {
            app.sandbox.insert_template(Template::new(id_of(id), id, interval, trigger));
        }
        for product in ["prod_1", "prod_2", "prod_v1", "prod_meta"] {
            app.sandbox.insert_product(id_of(product), id_of("tmpl_monthly"));
        }
        // Whatever comes first, its clock goes only forward.
        let long_ago = Timestamp::UNIX_EPOCH.as_second();
        app.pass(long_ago - app.now());
        app
    }

    async fn delivered(&self, app: &App, delivery: &Delivery) -> u16 {
        app.pass((delivery.at.as_second() - app.now()).max(0));
        app.sandbox.set_now(Timestamp::from_second(app.now()).unwrap());
        app.deliver(self.provider, &delivery.path, &delivery.body).await.status
    }
}

/// Slot, product, end and owner.
fn shown(license: &License) -> String {
    let slot = license.metadata.iter().find(|item| item.key == "license_slot");
    let slot = slot.map_or("-", |item| item.value.as_str());
    let owner = license.user.as_ref().map_or("nobody", |user| user.email.as_str());
    let product = NAMES.iter().find(|(_, id)| *id == license.product_id).unwrap().0;
    format!("{slot} {product} until {} for {owner}", end_of(license))
}

fn orders(case: &Value) -> Vec<Vec<usize>> {
    let own: Vec<usize> = (0..case["deliveries"].as_array().unwrap().len()).collect();
    if case["orders"] == "own" {
        return vec![own];
    }
    if !case["orders"].is_null() {
        return serde_json::from_value(case["orders"].clone()).unwrap();
    }
    if own.len() <= MOST_IN_EVERY_ORDER {
        return permutations(&own);
    }
    let moved = |at: usize, to: usize| {
        let mut order = own.clone();
        let one = order.remove(at);
        order.insert(to, one);
        order
    };
    let reversed = own.iter().rev().copied().collect();
    let first = own.iter().map(|at| moved(*at, 0));
    let last = own.iter().map(|at| moved(*at, own.len() - 1));
    [own.clone(), reversed].into_iter().chain(first).chain(last).collect()
}

fn id_of(name: &str) -> &'static str {
    NAMES.iter().find(|(known, _)| *known == name).unwrap().1
}

fn with_ids(body: String) -> String {
    let named = |body: String, (name, id): &(&str, &str)| {
        body.replace(&format!("\"{name}\""), &format!("\"{id}\""))
    };
    NAMES.iter().fold(body, named)
}

fn cases() -> Vec<Case> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/cases");
    let folders: BTreeSet<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.iter().map(|folder| Case::read(folder)).collect()
}

fn happened(provider: Signer, body: &[u8]) -> Timestamp {
    let event = parsed(body);
    match provider {
        STRIPE => Timestamp::from_second(event["created"].as_i64().unwrap()).unwrap(),
        FASTSPRING => {
            Timestamp::from_millisecond(event["events"][0]["created"].as_i64().unwrap()).unwrap()
        }
        PADDLE => event["occurred_at"].as_str().unwrap().parse().unwrap(),
    }
}

fn permutations(of: &[usize]) -> Vec<Vec<usize>> {
    if of.is_empty() {
        return vec![Vec::new()];
    }
    let beginning_with = |first: &usize| {
        let rest: Vec<usize> = of.iter().filter(|other| *other != first).copied().collect();
        let first = *first;
        permutations(&rest).into_iter().map(move |rest| [vec![first], rest].concat())
    };
    of.iter().flat_map(beginning_with).collect()
}

fn parsed(json: &[u8]) -> Value {
    serde_json::from_slice(json).unwrap()
}

fn texts(of: &Value) -> Vec<String> {
    let all = of.as_array().cloned().unwrap_or_default();
    all.iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}
