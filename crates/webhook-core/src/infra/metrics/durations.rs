//! Many durations in little memory: how many, their sum, and their percentiles to half a percent.

use std::collections::BTreeMap;
use std::time::Duration;

/// A class holds what is the same in its first so many binary digits, in microseconds: the middle of it is within half a
/// percent of all of its members.
const DIGITS: u32 = 8;

/// Durations in milliseconds, in classes that grow with them: some thousand for anything up to a day.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Durations {
    count: u64,
    sum: f64,
    longest: f64,
    /// How many of each class, by the shortest that it may hold.
    classes: BTreeMap<u64, u64>,
}

impl Durations {
    /// One more; what is no duration counts as none.
    pub(super) fn add(&mut self, value: f64) {
        let value = if value.is_finite() { value.max(0.0) } else { 0.0 };
        self.count = self.count.saturating_add(1);
        self.sum += value;
        self.longest = self.longest.max(value);
        let members = self.classes.entry(class(value)).or_default();
        *members = members.saturating_add(1);
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn sum(&self) -> f64 {
        self.sum
    }

    pub(super) fn longest(&self) -> f64 {
        self.longest
    }

    /// The shortest value that so many of a hundred are not above.
    pub(super) fn percentile(&self, percent: u64) -> f64 {
        let wanted = self.count.saturating_mul(percent).div_ceil(100).max(1);
        let mut seen = 0_u64;
        for (value, members) in self.values() {
            seen = seen.saturating_add(members);
            if seen >= wanted {
                return value;
            }
        }
        self.longest
    }

    /// A value for the members of each class, and how many there are, the shortest first. A single one is exact.
    pub(super) fn values(&self) -> impl Iterator<Item = (f64, u64)> {
        let is_single = self.count == 1;
        self.classes.iter().map(move |(class, members)| {
            let value = if is_single { self.longest } else { middle(*class) };
            (value.min(self.longest), *members)
        })
    }
}

/// How many last binary digits of so many microseconds do not count.
fn blurred(microseconds: u64) -> u32 {
    u64::BITS.saturating_sub(microseconds.leading_zeros()).saturating_sub(DIGITS)
}

/// The shortest that is of the same class as this many milliseconds.
fn class(milliseconds: f64) -> u64 {
    let duration = Duration::try_from_secs_f64(milliseconds / 1_000.0).unwrap_or(Duration::MAX);
    let microseconds = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    let blurred = blurred(microseconds);
    (microseconds >> blurred) << blurred
}

/// The middle of a class, in milliseconds.
fn middle(class: u64) -> f64 {
    let width = 1_u64 << blurred(class);
    Duration::from_micros(class.saturating_add(width / 2)).as_secs_f64() * 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: impl IntoIterator<Item = f64>) -> Durations {
        let mut durations = Durations::default();
        values.into_iter().for_each(|value| durations.add(value));
        durations
    }

    fn is_near(value: f64, expected: f64) -> bool {
        (value - expected).abs() <= expected * 0.005
    }

    #[test]
    fn percentiles_are_right_to_half_a_percent() {
        let thousand = of((1..=1_000).map(f64::from));
        for (percent, expected) in [(0, 1.0), (1, 10.0), (50, 500.0), (95, 950.0), (99, 990.0)] {
            let value = thousand.percentile(percent);
            assert!(is_near(value, expected), "p{percent} is {value}");
        }
        assert_eq!(thousand.percentile(100), 1_000.0);
        assert_eq!((thousand.count(), thousand.longest()), (1_000, 1_000.0));
        assert!(is_near(thousand.sum(), 500_500.0));
        let skewed = of([3.0; 99].into_iter().chain([7_000.0]));
        assert!(is_near(skewed.percentile(99), 3.0) && skewed.percentile(100) > 6_900.0);
        assert_eq!(of([12.345]).percentile(50), 12.345);
        assert_eq!(Durations::default().percentile(99), 0.0);
    }

    #[test]
    fn memory_is_bounded_for_any_measurements() {
        let all = of((0..200_000).map(|n| f64::from(n) * 432.1));
        assert_eq!(all.count(), 200_000);
        assert!(all.classes.len() < 4_000, "{}", all.classes.len());
        let odd = of([f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 0.0, f64::MAX]);
        assert_eq!((odd.count(), odd.longest()), (6, f64::MAX));
        assert_eq!(odd.percentile(50), 0.0);
    }
}
