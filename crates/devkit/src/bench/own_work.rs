//! What a delivery costs without any call: proving, reading, deciding, answering. For the table, for micro-benchmarks and
//! for counts of allocations.

use std::hint::black_box;
use std::marker::PhantomData;

use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::time::Instant;
use webhook_core::decide::Snapshot;
use webhook_core::decide::{Owed, Plan, plan};
use webhook_core::domain::command::{Meaning, Notice, Outcome};
use webhook_core::domain::policy::Policy;
use webhook_core::domain::work::Work;
use webhook_core::execute::report::Report;
use webhook_core::http::reply::{Reply, ReplyStyle, reply_for};
use webhook_core::ledger::SubjectState;
use webhook_core::providers::inbound::Inbound;
use webhook_core::providers::signature::{Rejected, Secrets, Tolerance, Verified, verify};
use webhook_core::providers::{FastSpring, NotEvents, Paddle, ProductLookup, Stripe};

use super::milliseconds;
use super::table::Row;
use crate::corpus;
use crate::sign::{Provider, sign};

const SECRET: &str = "not_a_secret";
const SIGNED_AT: i64 = 1_800_000_000;
/// One value of a row is the mean of so many.
const BATCH: usize = 100;
const VALUES: usize = 100;
/// As many as a body may have.
const LARGE: usize = 1024 * 1024;

/// A delivery of provider `P`, and the license that a renewal finds.
pub struct OwnWork<P> {
    inbound: Inbound,
    secrets: Secrets,
    snapshot: Snapshot,
    policy: Policy,
    now: Timestamp,
    provider: PhantomData<P>,
}

impl<P: webhook_core::providers::Provider> OwnWork<P> {
    /// A renewal as its provider sends it.
    pub fn renewal() -> OwnWork<P> {
        let case = match signer::<P>() {
            Provider::Stripe => "invoice-cycle",
            Provider::Fastspring => "charge-completed",
            Provider::Paddle => "transaction-recurring",
        };
        let case = corpus::case(signer::<P>(), case).expect("the corpus has a renewal of each");
        OwnWork::of(case.body)
    }

    /// Any body, with a genuine signature.
    pub fn of(body: Vec<u8>) -> OwnWork<P> {
        OwnWork::signed_with(SECRET, body)
    }

    /// Any body, with a signature of the right form that is not genuine.
    pub fn forged(body: Vec<u8>) -> OwnWork<P> {
        OwnWork::signed_with("another_secret", body)
    }

    fn signed_with(secret: &str, body: Vec<u8>) -> OwnWork<P> {
        let signature = sign(signer::<P>(), secret, &body, SIGNED_AT);
        let name = HeaderName::from_static(P::SIGNATURE_HEADER);
        let value = HeaderValue::from_str(&signature).expect("signatures are plain text");
        let license = json!({
            "id": "11111111-1111-4111-8111-111111111111", "productId": "22222222-2222-4222-8222-222222222222",
            "createdAt": "2026-09-01T00:00:00Z", "expiresAt": "2026-10-01T00:00:00Z", "subscriptionInterval": "P1M",
            "metadata": [], "user": {"id": "33333333-3333-4333-8333-333333333333"},
        });
        let license = serde_json::from_value(license).expect("Cryptlex sends such licenses");
        OwnWork {
            inbound: Inbound { headers: HeaderMap::from_iter([(name, value)]), body, source: None },
            secrets: Secrets::new(SECRET, []).expect("the secret is not blank"),
            snapshot: Snapshot { licenses: vec![license], ..Snapshot::default() },
            policy: Policy::of::<P>(),
            now: Timestamp::from_second(SIGNED_AT).expect("a year that Timestamp knows"),
            provider: PhantomData,
        }
    }

    /// As it comes in.
    pub fn inbound(&self) -> Inbound {
        self.inbound.clone()
    }

    /// Proves that it comes from the provider.
    pub fn prove(&self, inbound: Inbound) -> Result<Verified<P>, Rejected> {
        verify::<P>(inbound, &self.secrets, Tolerance(300), self.now)
    }

    /// Reads what it means.
    pub fn read(&self, verified: &Verified<P>) -> Result<Vec<Notice>, NotEvents> {
        P::read(verified, &ProductLookup::Metadata)
    }

    /// Decides what it needs; nothing for what is not acted upon.
    pub fn decide(&self, notices: &[Notice]) -> Vec<Plan> {
        let decide = |work: Work<'_>| {
            let mut snapshot = self.snapshot.clone();
            snapshot.state.facts.add(&work.facts);
            let owed = Owed::of(&work.subject, &snapshot.state, &self.policy);
            plan(&work, &owed, &snapshot, &self.policy).expect("a renewal finds its license")
        };
        works(notices).map(decide).collect()
    }

    /// Says that it was handled.
    pub fn answer(&self, notices: Vec<Notice>) -> Reply {
        let done = |notice: Notice| Report { event: notice.id, result: Ok(Outcome::default()) };
        let reports: Vec<Report> = notices.into_iter().map(done).collect();
        reply_for(ReplyStyle::Lifecycle, &reports, P::BATCHES)
    }

    /// All of that.
    pub fn whole(&self, inbound: Inbound) -> Reply {
        let verified = self.prove(inbound).expect("it is genuine");
        let notices = self.read(&verified).expect("it is an event");
        black_box(self.decide(&notices));
        self.answer(notices)
    }
}

fn works(notices: &[Notice]) -> impl Iterator<Item = Work<'_>> {
    let acts = notices.iter().filter_map(|notice| match &notice.meaning {
        Ok(Meaning::Act { at, commands }) => Some(Work::of(&notice.id, *at, commands)),
        Ok(Meaning::Ignore(_)) | Err(_) => None,
    });
    acts.flatten()
}

/// What cannot be done without: one HMAC over a body.
pub fn hmac(body: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any key will do");
    mac.update(body);
    mac.finalize().into_bytes().into()
}

fn signer<P: webhook_core::providers::Provider>() -> Provider {
    let found = Provider::ALL.into_iter().find(|provider| provider.name() == P::NAME);
    found.expect("both sides know the same providers")
}

pub(super) fn measure() -> Vec<Row> {
    let mut rows = vec![renewal::<Stripe>(), renewal::<FastSpring>(), renewal::<Paddle>()];
    rows.extend(refusal());
    rows.push(many_payments());
    rows
}

/// As many payments as are kept of one subscription.
const PAYMENTS: i64 = 64;
const MONTH: i64 = 30 * 24 * 3600;

/// What a subscription of more than five years is entitled to.
fn many_payments() -> Row {
    let work = OwnWork::<Paddle>::renewal();
    let body: Value = serde_json::from_slice(&work.inbound.body).expect("the corpus is JSON");
    let mut state = SubjectState::default();
    let mut subject = None;
    for month in 0..PAYMENTS {
        let at = |months| Timestamp::from_second(SIGNED_AT + months * MONTH);
        let [starts, ends] = [month, month + 1]
            .map(|at_month| at(at_month).expect("a year that Timestamp knows").to_string());
        let mut body = body.clone();
        body["event_id"] = json!(format!("evt_{month}"));
        body["occurred_at"] = json!(starts);
        body["data"]["id"] = json!(format!("txn_{month}"));
        body["data"]["billing_period"] = json!({"starts_at": starts, "ends_at": ends});
        let work = OwnWork::<Paddle>::of(body.to_string().into_bytes());
        let notices = work.read(&work.prove(work.inbound()).expect("it is genuine"));
        for work in works(&notices.expect("it is an event")) {
            state.facts.add(&work.facts);
            subject = Some(work.subject);
        }
    }
    state.facts.settle();
    let subject = subject.expect("a renewal is about a subscription");
    let fold = |()| Owed::of(&subject, &state, &work.policy);
    let values = (0..VALUES).map(|_| mean(|| (), fold));
    Row::of(format!("fold of {PAYMENTS} payments of one subscription"), "us", values.collect())
}

fn renewal<P: webhook_core::providers::Provider>() -> Row {
    let work = OwnWork::<P>::renewal();
    let values = (0..VALUES).map(|_| mean(|| work.inbound(), |inbound| work.whole(inbound)));
    let what = format!(
        "own work on a renewal of {}, {} bytes: prove, read, decide, answer",
        P::TITLE,
        work.inbound.body.len()
    );
    Row::of(what, "us", values.collect()).at_most(40.0)
}

/// A body as large as may be with a wrong signature: one HMAC, nothing is read.
fn refusal() -> [Row; 2] {
    let forged = OwnWork::<Stripe>::forged(vec![b'['; LARGE]);
    let (mut alone, mut refused) = (Vec::new(), Vec::new());
    for _ in 0..VALUES {
        alone.push(once(|| forged.inbound(), |inbound| hmac(&inbound.body)));
        refused.push(once(|| forged.inbound(), |inbound| forged.prove(inbound).is_err()));
    }
    let floor = Row::of("one HMAC-SHA256 over 1 MiB", "us", alone);
    let what = "refusing 1 MiB with a wrong signature, one secret";
    [Row::of(what, "us", refused).over(&floor, 1.1), floor]
}

/// Microseconds, without what was made before.
fn once<I, O>(make: impl Fn() -> I, work: impl Fn(I) -> O) -> f64 {
    let input = make();
    let before = Instant::now();
    black_box(work(black_box(input)));
    milliseconds(before.elapsed()) * 1000.0
}

fn mean<I, O>(make: impl Fn() -> I, work: impl Fn(I) -> O) -> f64 {
    let inputs: Vec<I> = (0..BATCH).map(|_| make()).collect();
    let before = Instant::now();
    for input in inputs {
        black_box(work(black_box(input)));
    }
    milliseconds(before.elapsed()) * 1000.0 / BATCH as f64
}
