//! What a delivery costs without any call: proving it, reading it, deciding about it. `cargo bench -p webhook-core`.

#![expect(clippy::unwrap_used, reason = "a benchmark that meets the unexpected stops")]

use devkit::bench::own_work::{OwnWork, hmac};
use divan::Bencher;
use divan::counter::BytesCount;
use webhook_core::providers::inbound::Inbound;
use webhook_core::providers::{FastSpring, Paddle, Provider, Stripe};

fn main() {
    divan::main();
}

fn bytes(inbound: &Inbound) -> BytesCount {
    BytesCount::of_slice(&inbound.body)
}

#[divan::bench(types = [Stripe, FastSpring, Paddle])]
fn prove<P: Provider>(bencher: Bencher<'_, '_>) {
    let work = OwnWork::<P>::renewal();
    bencher
        .with_inputs(|| work.inbound())
        .input_counter(bytes)
        .bench_values(|inbound| work.prove(inbound).unwrap());
}

/// What proving cannot be faster than.
#[divan::bench(types = [Stripe, FastSpring, Paddle])]
fn hmac_alone<P: Provider>(bencher: Bencher<'_, '_>) {
    let work = OwnWork::<P>::renewal();
    bencher
        .with_inputs(|| work.inbound())
        .input_counter(bytes)
        .bench_refs(|inbound| hmac(&inbound.body));
}

#[divan::bench(types = [Stripe, FastSpring, Paddle])]
fn read<P: Provider>(bencher: Bencher<'_, '_>) {
    let work = OwnWork::<P>::renewal();
    bencher
        .with_inputs(|| work.prove(work.inbound()).unwrap())
        .bench_refs(|verified| work.read(verified).unwrap());
}

#[divan::bench(types = [Stripe, FastSpring, Paddle])]
fn decide<P: Provider>(bencher: Bencher<'_, '_>) {
    let work = OwnWork::<P>::renewal();
    let notices = work.read(&work.prove(work.inbound()).unwrap()).unwrap();
    bencher.bench(|| work.decide(&notices));
}

/// All three and the answer, as a delivery needs them.
#[divan::bench(types = [Stripe, FastSpring, Paddle])]
fn own_work<P: Provider>(bencher: Bencher<'_, '_>) {
    let work = OwnWork::<P>::renewal();
    bencher.with_inputs(|| work.inbound()).bench_values(|inbound| work.whole(inbound));
}
