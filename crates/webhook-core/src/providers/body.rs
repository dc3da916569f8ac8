//! A body as JSON, in no more memory than a small multiple of its bytes.

use std::cell::OnceCell;

use serde_json_borrow::Value;

use super::NotEvents;

/// Smaller ones are read however they are made.
const SMALL_BYTES: usize = 32 * 1024;
/// What a value takes in addition to its text: its place in a list or, with its name, in an object. While one grows, it is there three
/// times.
const VALUE_BYTES: usize = 168;
/// What an object takes as soon as it holds anything: four places.
const OBJECT_BYTES: usize = 224;
/// The size in memory, in sizes of the body. What providers send stays below ten.
const MOST_TIMES: usize = 32;

/// What `read` makes of the body, whose texts are not copied.
pub(super) fn parsed<T>(
    body: &[u8],
    read: impl FnOnce(&Value<'_>) -> Result<T, NotEvents>,
) -> Result<T, NotEvents> {
    if body.len() > SMALL_BYTES && expected_bytes(body) > body.len().saturating_mul(MOST_TIMES) {
        return Err(NotEvents::TooFine);
    }
    let whole = OnceCell::new();
    let value = match std::str::from_utf8(body) {
        // Looked at as a whole, it need not be looked at text by text.
        Ok(text) => serde_json::from_str(text),
        Err(_not_utf_8) => serde_json::from_slice(body),
    };
    let value = value.or_else(|error| {
        // Somebody paid, whatever a name was cut to.
        serde_json::from_slice(whole.get_or_init(|| mended(body))).map_err(|_still_not_json| error)
    });
    // serde_json's texts quote nothing of a syntax error but its place.
    let place = |e: serde_json::Error| format!("at line {} column {}", e.line(), e.column());
    read(&value.map_err(|error| NotEvents::NotJson(place(error)))?)
}

/// The body with U+FFFD for each half of a surrogate pair without the other half, and null for each number beyond all floats:
/// JSON allows both, and no value here can hold them.
fn mended(body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::with_capacity(body.len());
    let (mut rest, mut in_text) = (body, false);
    while let Some(first) = rest.first() {
        let (length, instead): (usize, Option<&[u8]>) = match (in_text, first) {
            (true, b'\\') => match (unit(rest), rest.get(6..).and_then(unit)) {
                (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => (12, None),
                (Some(0xD800..=0xDFFF), _) => (6, Some(b"\\ufffd")),
                (Some(_) | None, _) => (2, None),
            },
            (_, b'"') => {
                in_text = !in_text;
                (1, None)
            }
            (false, b'-' | b'0'..=b'9') => {
                let length = rest.iter().take_while(|byte| is_of_number(**byte)).count();
                let text = rest.get(..length).and_then(|text| std::str::from_utf8(text).ok());
                let float = text.and_then(|text| text.parse::<f64>().ok());
                (length, float.filter(|float| float.is_infinite()).map(|_| &b"null"[..]))
            }
            (true | false, _) => (1, None),
        };
        let (piece, after) = rest.split_at(length.min(rest.len()));
        whole.extend_from_slice(instead.unwrap_or(piece));
        rest = after;
    }
    whole
}

/// Of `\u12ab` at the beginning.
fn unit(text: &[u8]) -> Option<u16> {
    let digits = text.strip_prefix(b"\\u")?.get(..4)?;
    let digits =
        std::str::from_utf8(digits).ok().filter(|_| digits.iter().all(u8::is_ascii_hexdigit))?;
    u16::from_str_radix(digits, 16).ok()
}

fn is_of_number(byte: u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E')
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
    fn punctuation_within_a_text_is_not_read_as_values() {
        let times = |text: &str| expected_bytes(text.as_bytes());
        assert_eq!(times(r#"{"a,b[{\\\"{,":"[\\"}"#), OBJECT_BYTES);
        assert_eq!(times(r#"[{"a":1,"b":[]},2]"#), OBJECT_BYTES + 4 * VALUE_BYTES);
    }

    #[test]
    fn unreadable_values_are_mended_and_all_else_stays() {
        let nines = "9".repeat(400);
        for (text, expected) in [
            (r#"{"a":"\ud83d"}"#, r#"{"a":"\ufffd"}"#),
            (r#"{"a":"x\uDe00y"}"#, r#"{"a":"x\ufffdy"}"#),
            (r#"["\ud83d\ud83d\ude00"]"#, r#"["\ufffd\ud83d\ude00"]"#),
            (r#"["\ud83d\ude00\ude00"]"#, r#"["\ud83d\ude00\ufffd"]"#),
            (r#"["\\ud83d","\"","\\\ud83d"]"#, r#"["\\ud83d","\"","\\\ufffd"]"#),
            (r#"["\ud83"]"#, r#"["\ud83"]"#),
            (r#"{"\ud83d":1e999}"#, r#"{"\ufffd":null}"#),
            (r#"[-1E+400, 1e3,"1e999"]"#, r#"[null, 1e3,"1e999"]"#),
            (&format!("[{nines}]"), "[null]"),
            ("[1", "[1"),
            (r#""\"#, r#""\"#),
            (r#""\ud83d"#, r#""\ufffd"#),
        ] {
            let mended = String::from_utf8(mended(text.as_bytes())).unwrap();
            assert_eq!(mended, expected, "{text}");
        }
        let text = |body: &[u8]| parsed(body, |value| Ok(value.to_string()));
        assert_eq!(text(br#"{"n":1e999}"#).unwrap(), r#"{"n":null}"#);
        let broken = text(b"{\"a\":\"\\ud83d\",}").unwrap_err().to_string();
        assert_eq!(broken, "the body is not valid JSON: at line 1 column 13");
    }

    #[test]
    fn bodies_of_providers_are_far_below_the_limit() {
        for case in devkit::corpus::cases() {
            let times = expected_bytes(&case.body) / case.body.len();
            assert!(times < MOST_TIMES / 2, "{} {}: {times}", case.provider, case.name);
        }
    }
}
