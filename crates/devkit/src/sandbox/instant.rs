//! Instants and intervals as Cryptlex keeps them: ticks of 100 ns, written with seven digits; calendar arithmetic in UTC.

use jiff::{SignedDuration, Span, Timestamp, tz::TimeZone};
use serde::{Serialize, Serializer};

use super::settings::Precision;

const TICK_NANOS: i128 = 100;
const MILLI_NANOS: i128 = 1_000_000;
const SECOND_NANOS: i128 = 1_000_000_000;

/// What of an instant survives being stored.
pub(super) fn cut(instant: Timestamp, precision: Precision) -> Timestamp {
    let step = match precision {
        Precision::Full => TICK_NANOS,
        Precision::Milliseconds => MILLI_NANOS,
        Precision::Seconds => SECOND_NANOS,
    };
    let nanos = instant.as_nanosecond();
    Timestamp::from_nanosecond(nanos - nanos.rem_euclid(step))
        .expect("the earliest instant lies on a whole second")
}

/// An instant from text; an offset is required, as nothing says which zone would be meant without one.
pub(super) fn read(text: &str) -> Option<Timestamp> {
    text.parse().ok().map(|instant| cut(instant, Precision::Full))
}

/// The instant one interval later, or nothing if the calendar ends before.
pub(super) fn after(instant: Timestamp, interval: &str) -> Option<Timestamp> {
    let span: Span = interval.parse().ok()?;
    let later = instant.to_zoned(TimeZone::UTC).checked_add(span).ok()?;
    Some(later.timestamp())
}

/// The instant so much later, or the last one if the calendar ends before.
pub(super) fn later(instant: Timestamp, by: SignedDuration) -> Timestamp {
    instant.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// Whether headers can show it, and every answer has a `Date`: the year is one from 1 to 9999.
pub(super) fn has_date(instant: Timestamp) -> bool {
    instant.to_zoned(TimeZone::UTC).year() > 0
}

/// Whether the text is a positive ISO 8601 duration.
pub(super) fn is_interval(text: &str) -> bool {
    // The parser would take "1 year" as well.
    text.starts_with('P') && text.parse::<Span>().is_ok_and(|span| span.is_positive())
}

/// Serialises with exactly seven fractional digits.
pub(super) fn serialize<S: Serializer>(instant: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&format_args!("{instant:.7}"))
}

/// The same for an instant that may be missing.
pub(super) fn serialize_option<S: Serializer>(
    instant: &Option<Timestamp>,
    to: S,
) -> Result<S::Ok, S::Error> {
    match instant {
        Some(instant) => serialize(instant, to),
        None => None::<()>.serialize(to),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_follow_the_calendar() {
        for (from, interval, to) in [
            ("2026-01-31T10:00:00Z", "P1M", "2026-02-28T10:00:00Z"),
            ("2028-02-29T00:00:00Z", "P1Y", "2029-02-28T00:00:00Z"),
            ("2026-11-30T23:59:59.9999999Z", "P3M", "2027-02-28T23:59:59.9999999Z"),
            ("2026-09-01T00:00:00Z", "P30D", "2026-10-01T00:00:00Z"),
        ] {
            let from = read(from).unwrap();
            assert_eq!(after(from, interval), read(to), "{from} + {interval}");
        }
        assert_eq!(after(Timestamp::MAX, "P1Y"), None);
    }

    #[test]
    fn only_positive_iso_durations_are_intervals() {
        for (text, expect) in [
            ("P1Y", true),
            ("P3M10D", true),
            ("P2W", true),
            ("", false),
            ("P0D", false),
            ("-P1Y", false),
            ("1 year", false),
            ("P", false),
            ("monthly", false),
        ] {
            assert_eq!(is_interval(text), expect, "{text:?}");
        }
    }

    #[test]
    fn ticks_beyond_the_precision_are_cut_off() {
        let posted = "2026-09-01T00:00:01.123456789Z".parse().unwrap();
        for (precision, kept) in [
            (Precision::Full, "2026-09-01T00:00:01.1234567Z"),
            (Precision::Milliseconds, "2026-09-01T00:00:01.123Z"),
            (Precision::Seconds, "2026-09-01T00:00:01Z"),
        ] {
            assert_eq!(cut(posted, precision), kept.parse().unwrap());
        }
    }
}
