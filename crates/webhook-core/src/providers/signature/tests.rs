use std::sync::LazyLock;

use base64::Engine as _;
use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;

use super::*;
use crate::providers::{FastSpring, Paddle, Stripe};
use devkit::sign::{Provider as Signer, sign};

const NOW: i64 = 1_700_000_000;
const FIVE_MINUTES: Tolerance = Tolerance(300);

fn attempt<P: Scheme>(
    headers: &[&str],
    body: &[u8],
    secrets: (&str, Option<&str>),
    now: i64,
) -> Result<Option<i64>, Rejected> {
    let mut map = HeaderMap::new();
    for value in headers {
        map.append(P::SIGNATURE_HEADER, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    let inbound = Inbound { headers: map, body: body.to_vec(), source: None };
    let secrets = Secrets::new(secrets.0, secrets.1).unwrap();
    let now = Timestamp::from_second(now).unwrap();
    verify::<P>(inbound, &secrets, FIVE_MINUTES, now).map(|verified| {
        assert_eq!(verified.body(), body);
        verified.close_to_threshold
    })
}

fn check<P: Scheme>(
    header: &str,
    body: &str,
    secret: &str,
    now: i64,
    expected: Result<(), Rejected>,
) {
    let result = attempt::<P>(&[header], body.as_bytes(), (secret, None), now).map(|_| ());
    assert_eq!(result, expected, "{header} over {body}");
}

#[test]
fn known_answers_are_genuine() {
    let stripe = "4f1cd7feda9826e746b7d482c4badebb657398df1099e1046364f6196a230150";
    check::<Stripe>(
        &format!("t={NOW},v1={stripe}"),
        "{\n  \"id\": \"evt_test_webhook\",\n  \"object\": \"event\"\n}",
        "whsec_test_secret",
        NOW,
        Ok(()),
    );
    for (secret, at, body, signature) in [
        (
            "VALID_SECRET",
            1_698_796_800,
            r#"{"data": ["1", "2"]}"#,
            "a300428748dce5c70e4da19bffd60769591ea969c99dea3105d0ec9612cf43f9",
        ),
        (
            "VALID_SECRET",
            1_698_796_800,
            r#"{"data": "value"}"#,
            "28981e941fae76e53db32f3d2a83cb69db41476595e84e1970a1b5d98f62b261",
        ),
        (
            "pdl_ntf_01hbpjmytsa32fhr36nqgc3kgb_WvRO0eL4Bj9rgYYIBZY6wZhG4EHy9jzh",
            1_696_195_954,
            "hello-world",
            "d96299976a6eb066f484d7fde011ac56fc32b38fc9940bc419d6e537fdc6ef02",
        ),
    ] {
        check::<Paddle>(&format!("ts={at};h1={signature}"), body, secret, at, Ok(()));
    }
    check::<FastSpring>(
        "mebohHUR2FDyJVka9IAotcfdagBT1uLAG7oiHWz3qlA=",
        r#"{"events":[{"id":"evt-1","live":false,"processed":false,"type":"order.completed","created":1751328000000,"data":{}}]}"#,
        "fs_secret",
        NOW,
        Ok(()),
    );
}

static GOOD: LazyLock<String> = LazyLock::new(|| {
    let header = sign(Signer::Stripe, "secret", b"body", NOW);
    header.split_once("v1=").unwrap().1.to_owned()
});

#[test]
fn stripe_headers_are_read_in_every_form() {
    let good = GOOD.as_str();
    let foreign = "0".repeat(64);
    for (header, expected) in [
        (format!("t={NOW},v1={good}"), Ok(())),
        (format!("v1={good},t={NOW}"), Ok(())),
        (format!("t={NOW},v1={foreign},v1={good}"), Ok(())),
        (format!("t={NOW},v1={good},v1={foreign}"), Ok(())),
        (format!("t={NOW},v1=bad_signature,v1={good}"), Ok(())),
        (format!("t={NOW},v0={foreign},v1={good},v9=x,nonsense,=,"), Ok(())),
        (format!("t={NOW},v1={}", good.to_uppercase()), Ok(())),
        (format!("t={NOW},v0={good}"), Err(Rejected::Malformed)),
        (format!("t={NOW}, v1={good}"), Err(Rejected::Malformed)),
        (format!("t={NOW},v1={foreign}"), Err(Rejected::Mismatch)),
        (format!("t={},v1={good}", NOW + 1), Err(Rejected::Mismatch)),
        (format!("t=+{NOW},v1={good}"), Err(Rejected::Malformed)),
        (format!("t=,v1={good}"), Err(Rejected::Malformed)),
        (format!("t=99999999999999999999,v1={good}"), Err(Rejected::Malformed)),
        (format!("t={NOW},t={NOW},v1={good}"), Err(Rejected::Malformed)),
        (format!("v1={good}"), Err(Rejected::Malformed)),
        (format!("t={NOW},v1={}", good.get(..62).unwrap()), Err(Rejected::Malformed)),
        ("bad_header".to_owned(), Err(Rejected::Malformed)),
        (" ".to_owned(), Err(Rejected::Missing)),
        (format!("t={NOW}{}", format!(",v1={good}").repeat(1000)), Err(Rejected::Malformed)),
    ] {
        check::<Stripe>(&header, "body", "secret", NOW, expected);
    }
}

#[test]
fn paddle_headers_are_read_in_every_form() {
    let header = sign(Signer::Paddle, "secret", b"body", NOW);
    let good = header.split_once("h1=").unwrap().1;
    let foreign = "f".repeat(64);
    for (header, expected) in [
        (format!("ts={NOW};h1={good}"), Ok(())),
        (format!(" h1={good};ts={NOW} "), Ok(())),
        (format!("ts={NOW};h1={foreign};h1={good}"), Ok(())),
        (format!("ts={NOW};h1={good};h2={foreign};x"), Ok(())),
        (format!("ts={NOW},h1={good}"), Err(Rejected::Malformed)),
        (format!("ts={NOW};h2={good}"), Err(Rejected::Malformed)),
        (format!("h1={good}"), Err(Rejected::Malformed)),
        (format!("ts={NOW};h1=ä{good}"), Err(Rejected::Malformed)),
        (format!("ts={NOW};ts={NOW};h1={good}"), Err(Rejected::Malformed)),
    ] {
        check::<Paddle>(&header, "body", "secret", NOW, expected);
    }
}

#[test]
fn fastspring_headers_are_read_in_every_form() {
    let good = sign(Signer::Fastspring, "secret", b"body", NOW);
    for (header, expected) in [
        (good.clone(), Ok(())),
        (format!(" {good}\t"), Ok(())),
        (good.trim_end_matches('=').to_owned(), Err(Rejected::Malformed)),
        ("AAAA".to_owned(), Err(Rejected::Malformed)),
        (base64::engine::general_purpose::STANDARD.encode([0_u8; 32]), Err(Rejected::Mismatch)),
    ] {
        check::<FastSpring>(&header, "body", "secret", NOW, expected);
    }
}

#[test]
fn a_missing_or_repeated_header_is_told_apart() {
    let good = format!("t={NOW},v1={}", GOOD.as_str());
    let secrets = ("secret", None);
    assert_eq!(attempt::<Stripe>(&[], b"body", secrets, NOW), Err(Rejected::Missing));
    assert_eq!(attempt::<Stripe>(&[&good, &good], b"body", secrets, NOW), Err(Rejected::Malformed));
}

#[test]
fn both_secrets_of_a_rotation_count_and_an_empty_one_never() {
    for (current, previous, expected) in [
        ("secret", None, Ok(None)),
        ("newer", Some("secret"), Ok(None)),
        ("newer", Some(" "), Err(Rejected::Mismatch)),
        ("newer", None, Err(Rejected::Mismatch)),
    ] {
        for signer in Signer::ALL {
            let header = sign(signer, "secret", b"body", NOW);
            let result = match signer {
                Signer::Stripe => attempt::<Stripe>(&[&header], b"body", (current, previous), NOW),
                Signer::Fastspring => {
                    attempt::<FastSpring>(&[&header], b"body", (current, previous), NOW)
                }
                Signer::Paddle => attempt::<Paddle>(&[&header], b"body", (current, previous), NOW),
            };
            assert_eq!(result, expected, "{signer} with {current}");
        }
    }
    assert!(Secrets::new("  ", ["secret"]).is_none());
}

#[test]
fn time_is_bounded_both_ways_to_the_second() {
    for (age, expected) in [
        (0, Ok(None)),
        (270, Ok(None)),
        (271, Ok(Some(271))),
        (300, Ok(Some(300))),
        (301, Err(Rejected::TooOld(301))),
        (-270, Ok(None)),
        (-300, Ok(Some(-300))),
        (-301, Err(Rejected::TooNew(301))),
    ] {
        let stripe = sign(Signer::Stripe, "secret", b"body", NOW - age);
        assert_eq!(
            attempt::<Stripe>(&[&stripe], b"body", ("secret", None), NOW),
            expected,
            "{age}"
        );
        let paddle = sign(Signer::Paddle, "secret", b"body", NOW - age);
        assert_eq!(
            attempt::<Paddle>(&[&paddle], b"body", ("secret", None), NOW),
            expected,
            "{age}"
        );
    }
    let far = format!("t={},v1={}", i64::MAX, "0".repeat(64));
    check::<Stripe>(&far, "body", "secret", NOW, Err(Rejected::Mismatch));
}

fn genuine(signer: Signer, header: &str, body: &[u8]) -> bool {
    let (headers, secrets) = (&[header], ("secret", None));
    match signer {
        Signer::Stripe => attempt::<Stripe>(headers, body, secrets, NOW).is_ok(),
        Signer::Fastspring => attempt::<FastSpring>(headers, body, secrets, NOW).is_ok(),
        Signer::Paddle => attempt::<Paddle>(headers, body, secrets, NOW).is_ok(),
    }
}

fn any_signer() -> impl Strategy<Value = Signer> {
    prop::sample::select(Signer::ALL.to_vec())
}

proptest! {
    #[test]
    fn any_flipped_bit_of_the_body_is_refused(
        signer in any_signer(),
        body in prop::collection::vec(any::<u8>(), 1..300),
        at in any::<prop::sample::Index>(),
        bit in 0_u8..8,
    ) {
        let header = sign(signer, "secret", &body, NOW);
        prop_assert!(genuine(signer, &header, &body));
        let mut flipped = body;
        let at = at.index(flipped.len());
        flipped[at] ^= 1 << bit;
        prop_assert!(!genuine(signer, &header, &flipped));
    }

    #[test]
    fn any_changed_digit_of_time_or_signature_is_refused(
        signer in any_signer(),
        body in prop::collection::vec(any::<u8>(), 0..100),
        at in any::<prop::sample::Index>(),
        digit in prop::sample::select(b"0123456789abcdefABCDEFGHIJ+/".to_vec()),
    ) {
        let header = sign(signer, "secret", &body, NOW);
        let mut changed = header.clone().into_bytes();
        let at = at.index(changed.len());
        // Hex has two spellings of a letter; only another value is another signature.
        prop_assume!(!changed[at].eq_ignore_ascii_case(&digit));
        changed[at] = digit;
        let changed = String::from_utf8(changed).unwrap();
        prop_assert!(!genuine(signer, &changed, &body), "{changed}");
    }

    #[test]
    fn an_added_foreign_signature_changes_nothing(
        signer in prop::sample::select(vec![Signer::Stripe, Signer::Paddle]),
        body in prop::collection::vec(any::<u8>(), 0..100),
        foreign in prop::collection::vec(any::<u8>(), 32),
        first in any::<bool>(),
        signed in any::<bool>(),
    ) {
        let own = sign(signer, if signed { "secret" } else { "other" }, &body, NOW);
        let (separator, key) = if signer == Signer::Stripe { (",", "v1") } else { (";", "h1") };
        let added = format!("{key}={}", hex::encode(foreign));
        let header = if first { [added, own].join(separator) } else { [own, added].join(separator) };
        prop_assert_eq!(genuine(signer, &header, &body), signed);
    }
}
