//! What a delivery costs without any call: proving it, reading it, deciding about it. `cargo bench -p webhook-core`.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a benchmark that meets the unexpected stops"
)]

use devkit::corpus;
use devkit::sign::{Provider as Signer, sign};
use divan::Bencher;
use divan::counter::BytesCount;
use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use serde_json::json;
use webhook_core::command::{Command, Meaning};
use webhook_core::config::Policy;
use webhook_core::inbound::Inbound;
use webhook_core::plan::plan;
use webhook_core::provider::{FastSpring, Paddle, ProductSource, Provider, Stripe};
use webhook_core::signature::{Secrets, Tolerance, Verified, verify};
use webhook_core::snapshot::Snapshot;

const SECRET: &str = "not_a_secret";
const SIGNED_AT: i64 = 1_800_000_000;

fn main() {
    divan::main();
}

/// A renewal, as its provider sends it.
fn renewal<P: Provider>() -> Inbound {
    let (signer, case) = match P::NAME {
        "stripe" => (Signer::Stripe, "invoice-cycle"),
        "fastspring" => (Signer::Fastspring, "charge-completed"),
        "paddle" => (Signer::Paddle, "transaction-recurring"),
        other => panic!("{other} has no renewal here"),
    };
    let body = corpus::case(signer, case).unwrap().body;
    let signature = sign(signer, SECRET, &body, SIGNED_AT);
    let name = HeaderName::from_static(P::SIGNATURE_HEADER);
    let headers = HeaderMap::from_iter([(name, HeaderValue::from_str(&signature).unwrap())]);
    Inbound { headers, body, source: None }
}

fn verified<P: Provider>(inbound: Inbound, secrets: &Secrets) -> Verified<P> {
    let now = Timestamp::from_second(SIGNED_AT).unwrap();
    verify::<P>(inbound, secrets, Tolerance(300), now).unwrap()
}

fn read<P: Provider>(verified: &Verified<P>) -> (Timestamp, Command) {
    let mut notices = P::read(verified, &ProductSource::Metadata).unwrap();
    let Meaning::Act { at, mut commands } = notices.remove(0).meaning.unwrap() else {
        panic!("a renewal asks for something");
    };
    (at, commands.remove(0))
}

/// One license, which it renews.
fn snapshot() -> Snapshot {
    let license = json!({
        "id": "11111111-1111-4111-8111-111111111111", "productId": "22222222-2222-4222-8222-222222222222",
        "createdAt": "2026-09-01T00:00:00Z", "expiresAt": "2026-10-01T00:00:00Z", "subscriptionInterval": "P1M",
        "metadata": [],
    });
    let licenses = vec![serde_json::from_value(license).unwrap()];
    Snapshot { licenses, ..Snapshot::default() }
}

#[divan::bench(types = [Stripe, FastSpring, Paddle])]
fn prove<P: Provider>(bencher: Bencher<'_, '_>) {
    let secrets = Secrets::new(SECRET, []).unwrap();
    bencher
        .with_inputs(renewal::<P>)
        .input_counter(|inbound| BytesCount::of_slice(&inbound.body))
        .bench_values(|inbound| verified::<P>(inbound, &secrets));
}

#[divan::bench(types = [Stripe, FastSpring, Paddle])]
fn understand<P: Provider>(bencher: Bencher<'_, '_>) {
    let secrets = Secrets::new(SECRET, []).unwrap();
    bencher
        .with_inputs(|| verified::<P>(renewal::<P>(), &secrets))
        .bench_refs(|verified| read::<P>(verified));
}

#[divan::bench(types = [Stripe, FastSpring, Paddle])]
fn decide<P: Provider>(bencher: Bencher<'_, '_>) {
    let secrets = Secrets::new(SECRET, []).unwrap();
    let (at, command) = read::<P>(&verified::<P>(renewal::<P>(), &secrets));
    let (snapshot, policy) = (snapshot(), Policy::of::<P>());
    bencher.bench(|| plan(&command, at, &snapshot, &policy).unwrap());
}

/// All three, as a delivery needs them.
#[divan::bench(types = [Stripe, FastSpring, Paddle])]
fn own_work<P: Provider>(bencher: Bencher<'_, '_>) {
    let secrets = Secrets::new(SECRET, []).unwrap();
    let (snapshot, policy) = (snapshot(), Policy::of::<P>());
    bencher.with_inputs(renewal::<P>).bench_values(|inbound| {
        let (at, command) = read::<P>(&verified::<P>(inbound, &secrets));
        plan(&command, at, &snapshot, &policy).unwrap()
    });
}
