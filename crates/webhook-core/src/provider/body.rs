//! A body as JSON, in no more memory than a small multiple of its bytes.

use serde_json::Value;

use super::NotEvents;

/// Smaller ones are read however they are made.
const SMALL_BYTES: usize = 32 * 1024;
/// What a value takes beside its text: its place in a list or an object, which may be twice as long as it is full.
const VALUE_BYTES: usize = 128;
/// What an object takes as soon as it holds anything.
const OBJECT_BYTES: usize = 640;
/// The size in memory, in sizes of the body. What providers send stays below twelve.
const MOST_TIMES: usize = 32;

pub(super) fn parse(body: &[u8]) -> Result<Value, NotEvents> {
    if body.len() > SMALL_BYTES && expected_bytes(body) > body.len().saturating_mul(MOST_TIMES) {
        return Err(NotEvents::TooFine);
    }
    // serde_json's texts quote nothing of a syntax error but its place.
    serde_json::from_slice(body)
        .map_err(|e| NotEvents::NotJson(format!("at line {} column {}", e.line(), e.column())))
}

/// Roughly what the body takes once it is read: counted, not parsed.
fn expected_bytes(body: &[u8]) -> usize {
    let (mut bytes, mut in_text, mut escaped) = (0_usize, false, false);
    for byte in body {
        match (in_text, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_text = !in_text,
            (false, b',' | b'[') => bytes = bytes.saturating_add(VALUE_BYTES),
            (false, b'{') => bytes = bytes.saturating_add(OBJECT_BYTES),
            (true | false, _) => {}
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_in_a_text_are_no_values() {
        let times = |text: &str| expected_bytes(text.as_bytes());
        assert_eq!(times(r#"{"a,b[{\\\"{,":"[\\"}"#), OBJECT_BYTES);
        assert_eq!(times(r#"[{"a":1,"b":[]},2]"#), OBJECT_BYTES + 4 * VALUE_BYTES);
    }

    #[test]
    fn what_providers_send_is_far_below_the_limit() {
        for case in devkit::corpus::cases() {
            let times = expected_bytes(&case.body) / case.body.len();
            assert!(times < MOST_TIMES / 2, "{} {}: {times}", case.provider, case.name);
        }
    }
}
