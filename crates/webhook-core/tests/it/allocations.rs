//! Memory that a delivery takes before its first call: counted, which is the same on every machine.

use allocation_counter::{AllocationInfo, measure};
use devkit::bench::own_work::OwnWork;
use webhook_core::providers::signature::Rejected;
use webhook_core::providers::{FastSpring, Paddle, Provider, Stripe};

const LARGEST: usize = 1024 * 1024;
/// In memory a body may take so many times its own bytes.
const MOST_TIMES: u64 = 40;

fn renewal<P: Provider>() -> AllocationInfo {
    let work = OwnWork::<P>::renewal();
    let inbound = work.inbound();
    measure(|| drop(work.whole(inbound)))
}

#[test]
fn a_renewal_allocates_no_more_than_it_did() {
    let found = [renewal::<Stripe>(), renewal::<FastSpring>(), renewal::<Paddle>()];
    let found = found.map(|info| (info.count_total, info.bytes_total));
    // All facts are folded again for every event; a digest of them was cheaper, and wrong.
    let most = [(113, 34_665), (286, 64_775), (265, 42_227)];
    let is_more = |(found, most): (&(u64, u64), &(u64, u64))| found.0 > most.0 || found.1 > most.1;
    assert!(!found.iter().zip(&most).any(is_more), "allocations and bytes: {found:?}");
}

fn refused<P: Provider>() {
    let forged = OwnWork::<P>::forged(vec![b'['; LARGEST]);
    let inbound = forged.inbound();
    let cost = measure(|| assert_eq!(forged.prove(inbound).err(), Some(Rejected::Mismatch)));
    // The header is taken apart; of the body there is no copy.
    assert!(cost.bytes_total < 1024, "{}: {cost:?}", P::NAME);
}

#[test]
fn a_large_body_with_a_wrong_signature_is_not_read() {
    refused::<Stripe>();
    refused::<FastSpring>();
    refused::<Paddle>();
}

#[test]
fn a_header_with_a_thousand_signatures_is_refused() {
    let work = OwnWork::<Stripe>::renewal();
    let mut inbound = work.inbound();
    let header = inbound.headers.values_mut().next().unwrap();
    let other = format!(",v1={}", "00".repeat(32));
    let many = format!("{}{}", header.to_str().unwrap(), other.repeat(1000));
    let length = u64::try_from(many.len()).unwrap();
    *header = many.parse().unwrap();
    let cost = measure(|| assert_eq!(work.prove(inbound).err(), Some(Rejected::Malformed)));
    assert!(cost.bytes_max < MOST_TIMES * length, "{length} bytes: {cost:?}");
}

fn read<P: Provider>(body: Vec<u8>) {
    let length = u64::try_from(body.len()).unwrap();
    let start = String::from_utf8_lossy(&body[..16]).into_owned();
    let work = OwnWork::<P>::of(body);
    let verified = work.prove(work.inbound()).unwrap();
    let cost = measure(|| assert!(work.read(&verified).is_err(), "{start}"));
    let times = cost.bytes_max / length;
    assert!(times < MOST_TIMES, "{} {start}..: {times} times its size", P::NAME);
}

#[test]
fn a_genuine_body_takes_a_small_multiple_of_its_size() {
    let list = |piece: &str| {
        let pieces = piece.repeat(LARGEST / piece.len() - 1);
        format!("[{}]", pieces.trim_end_matches(',')).into_bytes()
    };
    let object = || {
        let pairs: Vec<String> = (0..LARGEST / 12).map(|key| format!("\"{key:06}\":0")).collect();
        format!("{{{}}}", pairs.join(",")).into_bytes()
    };
    for piece in [
        "0,",
        "[],",
        "{},",
        "{\"\":0},",
        "\"\",",
        "[[[[[[0]]]]]],",
        "{\"a\":{\"b\":[]}},",
        "\"ab\",",
    ] {
        read::<Stripe>(list(piece));
    }
    read::<FastSpring>(object());
    read::<FastSpring>(vec![b'['; LARGEST]);
    read::<Paddle>("{\"a\":".repeat(LARGEST / 5).into_bytes());
    // Small bodies may be as fine as they like.
    read::<Stripe>(format!("[{}0]", "{\"a\":\"0123456789\"},".repeat(1600)).into_bytes());
}
