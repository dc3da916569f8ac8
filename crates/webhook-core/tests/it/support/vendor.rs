//! What a vendor may choose and sell, for lives that are drawn.

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use proptest::prelude::*;
use proptest::sample::select;

use super::App;

/// What the variables of the functions say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Policy {
    pub(crate) at_the_end: AtTheEnd,
    pub(crate) quantity: Quantity,
    pub(crate) grace_days: i64,
    pub(crate) leeway_hours: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AtTheEnd {
    Revoke,
    Suspend,
    Delete,
    Nothing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quantity {
    One,
    Licenses,
    Activations,
}

impl Policy {
    /// An application of a vendor who chose it.
    pub(crate) async fn app(self) -> App {
        let variables = self.variables();
        let variables: Vec<(&str, &str)> =
            variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        App::with(<_>::default(), &variables).await
    }

    fn variables(self) -> Vec<(&'static str, String)> {
        let at_the_end = match self.at_the_end {
            AtTheEnd::Revoke => "revoke",
            AtTheEnd::Suspend => "suspend",
            AtTheEnd::Delete => "delete",
            AtTheEnd::Nothing => "none",
        };
        let quantity = match self.quantity {
            Quantity::One => "one",
            Quantity::Licenses => "total_licenses",
            Quantity::Activations => "allowed_activations",
        };
        vec![
            ("CRYPTLEX_CANCELLATION_ACTION", at_the_end.to_owned()),
            ("CRYPTLEX_MAPPINGS_QUANTITY", quantity.to_owned()),
            ("GRACE_DAYS", self.grace_days.to_string()),
            ("EXPIRY_LEEWAY_HOURS", self.leeway_hours.to_string()),
        ]
    }
}

pub(crate) fn policies() -> impl Strategy<Value = Policy> {
    let ends = [AtTheEnd::Revoke, AtTheEnd::Suspend, AtTheEnd::Delete, AtTheEnd::Nothing];
    let quantities = [Quantity::Licenses, Quantity::One, Quantity::Activations];
    (
        select(ends.to_vec()),
        select(quantities.to_vec()),
        select(vec![0_i64, 3, 8]),
        select(vec![0_i64, 2]),
    )
        .prop_map(|(at_the_end, quantity, grace_days, leeway_hours)| Policy {
            at_the_end,
            quantity,
            grace_days,
            leeway_hours,
        })
}

/// The interval of a price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Term {
    Month,
    Year,
}

/// So many months or years later.
pub(crate) fn later(start: Timestamp, term: Term, count: i64) -> Timestamp {
    let span = match term {
        Term::Month => Span::new().months(count),
        Term::Year => Span::new().years(count),
    };
    start.to_zoned(TimeZone::UTC).checked_add(span).unwrap().timestamp()
}
