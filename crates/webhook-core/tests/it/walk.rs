//! One Stripe subscription from its customer to its refund and its end, told as what is read, called and written for each
//! delivery. `WALK=write` writes the story into `docs/walk.md`; without it the page must be what happens.

mod told;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde_json::{Value, json};
use webhook_core::ledger::{Committed, Store, StoreError, Versioned, Write};

use crate::support::{App, STRIPE, edited, path_of};
use told::{calls, day, licenses, read, shortened, written};

const BEGINS: &str = "<!-- The test `walk` writes what follows: WALK=write -->\n";
const ENDS: &str = "<!-- Here ends what the test writes. -->\n";

/// What the vendor's customer does, and the body that tells it.
const STORY: [(&str, &str); 11] = [
    ("customer-created", "Ada becomes a customer"),
    ("checkout-subscription", "Ada buys a yearly subscription"),
    ("invoice-create", "The first invoice is paid: it says that there are three seats"),
    ("subscription-updated-seats", "Ada wants five seats"),
    ("invoice-update-proration-only", "Ada pays for the two new seats"),
    ("subscription-updated-fewer-seats", "Ada wants three seats again"),
    ("invoice-payment-failed", "A year after the purchase, the renewal fails"),
    ("invoice-cycle", "The renewal is paid after all"),
    ("invoice-payment-paid", "Stripe says which payment paid that invoice"),
    ("charge-refunded", "The vendor gives the money of the renewal back"),
    ("subscription-deleted", "The subscription ends"),
];

/// The body of a case, with as many seats as the story has by then.
fn body_of(case: &str) -> Vec<u8> {
    edited(STRIPE, case, |event| {
        if case == "subscription-updated-fewer-seats" {
            let subscription = &mut event["data"]["object"];
            subscription["quantity"] = json!(3);
            subscription["items"]["data"][0]["quantity"] = json!(3);
        }
    })
}

/// What was done with the ledger, and how many calls of Cryptlex had been made by then.
type Seen = Arc<Mutex<Vec<(usize, String)>>>;

/// A store that says what is done with it.
struct Telling {
    inner: Arc<dyn Store>,
    /// Where the sandbox tells its calls.
    calls: String,
    seen: Seen,
}

impl Telling {
    async fn calls(&self) -> usize {
        let calls =
            devkit::send::client(0).get(&self.calls).send().await.unwrap().bytes().await.unwrap();
        let calls: Vec<Value> = serde_json::from_slice(&calls).unwrap();
        calls.len()
    }

    async fn tell(&self, lines: impl Iterator<Item = String>) {
        let calls = self.calls().await;
        self.seen.lock().unwrap().extend(lines.map(|line| (calls, line)));
    }
}

impl Store for Telling {
    fn read<'a>(
        &'a self,
        keys: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<Option<Versioned>>, StoreError>> {
        Box::pin(async move {
            let found = self.inner.read(keys).await?;
            self.tell(keys.iter().zip(&found).map(|(key, found)| read(key, found.is_some()))).await;
            Ok(found)
        })
    }

    fn commit<'a>(&'a self, writes: &'a [Write]) -> BoxFuture<'a, Result<Committed, StoreError>> {
        Box::pin(async move {
            let committed = self.inner.commit(writes).await?;
            assert_eq!(committed, Committed::All, "nobody else writes");
            self.tell(writes.iter().map(|write| written(&write.key, &write.value))).await;
            Ok(committed)
        })
    }

    fn list<'a>(
        &'a self,
        prefix: &'a str,
    ) -> BoxFuture<'a, Result<Vec<(String, Versioned)>, StoreError>> {
        self.inner.list(prefix)
    }
}

/// Delivers one event, and says what happened.
async fn step(app: &App, seen: &Seen, case: &str) -> String {
    let body = body_of(case);
    let event: Value = serde_json::from_slice(&body).unwrap();
    let at = event["created"].as_i64().unwrap() + 1;
    app.pass(at - app.now());
    app.sandbox.set_now(Timestamp::from_second(at).unwrap());
    app.sandbox.clear_calls();
    seen.lock().unwrap().clear();
    let answer = app.deliver(STRIPE, path_of(STRIPE), &body).await;
    assert_eq!(answer.status, 200, "{case}: {}", answer.body);
    let made = app.sandbox.calls();
    let (mut lines, mut told) = (Vec::new(), 0);
    for (made_before, line) in seen.lock().unwrap().drain(..) {
        lines.extend(calls(&made[told..made_before]));
        told = made_before;
        lines.push(line);
    }
    lines.extend(calls(&made[told..]));
    lines.push(format!("answers  {} {}", answer.status, shortened(&answer.message())));
    let kind = event["type"].as_str().unwrap();
    let (day, licenses) = (day(at), licenses(&app.sandbox.licenses()));
    let lines = lines.join("\n");
    format!("`{kind}`, {day}:\n\n```\n{lines}\n```\n\nCryptlex holds {licenses}.\n")
}

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/walk.md")
}

#[tokio::test]
async fn walk_is_what_happens() {
    let variables = [("CRYPTLEX_MAPPINGS_QUANTITY", "total_licenses")];
    let mut app = App::with(<_>::default(), &variables).await;
    let seen = Seen::default();
    let calls = format!("{}/sandbox/calls", app.sandbox.url());
    app.restart_over(Arc::new(Telling { inner: app.store(), calls, seen: Arc::clone(&seen) }));
    let mut story = String::new();
    for (number, (case, what)) in (1..).zip(STORY) {
        story.push_str(&format!("\n## {number}. {what}\n\n{}", step(&app, &seen, case).await));
    }
    story.push('\n');
    let known = fs::read_to_string(page()).unwrap();
    let (before, rest) = known.split_once(BEGINS).unwrap();
    let (told, after) = rest.split_once(ENDS).unwrap();
    if std::env::var_os("WALK").is_some_and(|it| it == "write") {
        fs::write(page(), format!("{before}{BEGINS}{story}{ENDS}{after}")).unwrap();
    } else {
        assert_eq!(told, story, "WALK=write cargo test -p webhook-core --test it -- walk::");
    }
}
