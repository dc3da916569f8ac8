//! Subscription intervals and the instants they lead to, counted as Cryptlex counts: by calendar, in UTC.

use jiff::{SignedDuration, Span, Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};

/// An ISO 8601 duration such as `P1Y` that is longer than zero.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Interval(String);

/// A text that is no positive ISO 8601 duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an ISO 8601 duration such as P1Y or P30D")]
pub struct NotAnInterval(pub String);

impl Interval {
    /// Accepts what Cryptlex documents: `P1Y`, `P3M10D`, `P30D`; refuses zero and negative ones.
    pub fn parse(text: &str) -> Result<Self, NotAnInterval> {
        let text = text.trim();
        let span =
            text.parse::<Span>().ok().filter(|span| text.starts_with('P') && span.is_positive());
        match span {
            Some(_) => Ok(Self(text.to_owned())),
            None => Err(NotAnInterval(text.chars().take(40).collect())),
        }
    }

    /// `count` days, weeks, months or years, named by the ISO 8601 letter.
    pub fn of(count: u32, unit: char) -> Result<Self, NotAnInterval> {
        Self::parse(&format!("P{count}{unit}"))
    }

    /// The text, as Cryptlex takes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// One interval later by the calendar (31 January + P1M is the last of February); `None` past year 9999.
    pub fn after(&self, start: Timestamp) -> Option<Timestamp> {
        let span = self.0.parse::<Span>().ok()?;
        let end = start.to_zoned(TimeZone::UTC).checked_add(span).ok()?;
        Some(end.timestamp())
    }

    /// How long the interval is when it starts then.
    pub fn length_from(&self, start: Timestamp) -> Option<SignedDuration> {
        Some(self.after(start)?.duration_since(start))
    }
}

/// The first whole second that is not before `t`.
///
/// Cryptlex may keep fewer digits than it was sent; whole seconds survive, and up is never shorter than paid.
pub fn whole_second_from(t: Timestamp) -> Timestamp {
    let second = t.as_second();
    let whole = if t.subsec_nanosecond() > 0 { second.saturating_add(1) } else { second };
    Timestamp::from_second(whole).unwrap_or(t)
}

/// Whether two instants are less than a second apart: Cryptlex may keep fewer digits than it was sent.
pub fn same_second(a: Timestamp, b: Timestamp) -> bool {
    a.duration_since(b).abs() < SignedDuration::from_secs(1)
}

/// `t` moved by a duration, held at the ends of what a timestamp can say.
pub fn shifted(t: Timestamp, by: SignedDuration) -> Timestamp {
    t.saturating_add(by).unwrap_or(t)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn intervals_follow_the_calendar() {
        for (interval, start, end) in [
            ("P1M", "2026-01-31T10:00:00Z", "2026-02-28T10:00:00Z"),
            ("P1Y", "2028-02-29T00:00:00Z", "2029-02-28T00:00:00Z"),
            ("P30D", "2026-02-01T00:00:00Z", "2026-03-03T00:00:00Z"),
            ("P3M10D", "2026-09-01T00:00:00Z", "2026-12-11T00:00:00Z"),
            ("P2W", "2026-09-01T00:00:00Z", "2026-09-15T00:00:00Z"),
        ] {
            let interval = Interval::parse(interval).unwrap();
            assert_eq!(interval.after(at(start)), Some(at(end)), "{interval:?} from {start}");
        }
    }

    #[test]
    fn durations_that_are_not_positive_are_refused() {
        for text in ["", "yearly", "P0D", "-P1Y", "1 year", "P", "PT", "P1Yx"] {
            assert!(Interval::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_end_beyond_all_calendars_is_none() {
        let interval = Interval::parse("P9000Y").unwrap();
        assert_eq!(interval.after(at("2026-01-01T00:00:00Z")), None);
    }

    #[test]
    fn parts_of_a_second_round_up() {
        assert_eq!(
            whole_second_from(at("2026-09-01T00:00:00.0000001Z")),
            at("2026-09-01T00:00:01Z")
        );
        assert_eq!(whole_second_from(at("2026-09-01T00:00:00Z")), at("2026-09-01T00:00:00Z"));
    }
}
