//! List calls: filters, order, pages. An empty filter is ignored, as Cryptlex does, so it returns everybody's items.

use std::cmp::Ordering;

use jiff::Timestamp;

use super::{
    instant,
    metadata::MetadataItem,
    reply::Refusal,
    settings::{BareFilters, MetadataFilters, Settings},
};

const MAX_PAGE_SIZE: usize = 100;

/// What can be listed.
pub(super) trait Listed {
    /// Filters with the type of what they compare.
    const FILTERS: &'static [(&'static str, Compared)];
    /// Whether a filter on text without an operator may mean "contains".
    const BARE_MAY_CONTAIN: bool;

    /// The value that a filter looks at; fields of metadata excepted.
    fn seen(&self, field: &str, now: Timestamp) -> Seen<'_>;
    fn metadata(&self) -> &[MetadataItem];
}

/// Type of a filter's value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Compared {
    Text,
    Email,
    /// Like text, but never compared in part.
    Id,
    Flag,
    Whole,
    Instant,
}

/// A value of an item.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
pub(super) enum Seen<'a> {
    Absent,
    Text(&'a str),
    Flag(bool),
    Whole(i64),
    Instant(Timestamp),
    AnyOf(&'a [String]),
    /// The first, or any of the others.
    Among(&'a str, &'a [String]),
}

impl<'a> Seen<'a> {
    pub(super) fn text(text: Option<&'a String>) -> Seen<'a> {
        text.map_or(Seen::Absent, |text| Seen::Text(text))
    }
}

/// A list call that was understood.
pub(super) struct Listing {
    conditions: Vec<Condition>,
    about_metadata: Vec<Condition>,
    metadata_filters: MetadataFilters,
    sort_by: &'static str,
    descending: bool,
    page: usize,
    limit: usize,
}

struct Condition {
    field: &'static str,
    operator: Operator,
    wanted: Vec<Wanted>,
    folds_case: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    StartsWith,
    EndsWith,
    Contains,
    NotContains,
    In,
    NotIn,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

enum Wanted {
    Text(String),
    Flag(bool),
    Whole(i64),
    Instant(Timestamp),
}

impl Listing {
    pub(super) fn read<T: Listed>(
        query: &[(String, String)],
        settings: &Settings,
    ) -> Result<Listing, Refusal> {
        let mut listing = Listing {
            conditions: Vec::new(),
            about_metadata: Vec::new(),
            metadata_filters: settings.metadata_filters,
            sort_by: "createdAt",
            descending: false,
            page: 1,
            limit: settings.default_page_size,
        };
        for (name, value) in query.iter().filter(|(_, value)| !value.is_empty()) {
            match name.as_str() {
                "page" => listing.page = number(name, value, usize::MAX)?,
                "limit" => listing.limit = number(name, value, MAX_PAGE_SIZE)?,
                "sort" => {
                    let field = value.strip_prefix('-').unwrap_or(value);
                    let known = T::FILTERS.iter().find(|(it, _)| *it == field);
                    let unknown = || Refusal::invalid(format!("cannot sort by '{field}'"));
                    listing.sort_by = known.ok_or_else(unknown)?.0;
                    listing.descending = value.starts_with('-');
                }
                _ => {
                    let Some(condition) = condition::<T>(name, value, settings)? else {
                        continue;
                    };
                    if condition.field.starts_with("metadata.") {
                        listing.about_metadata.push(condition);
                    } else {
                        listing.conditions.push(condition);
                    }
                }
            }
        }
        Ok(listing)
    }

    /// The page of the items that the call asks for.
    pub(super) fn pick<'a, T: Listed>(
        &self,
        items: impl Iterator<Item = &'a T>,
        now: Timestamp,
    ) -> Vec<&'a T> {
        let mut found: Vec<&T> = items.filter(|item| self.is_met_by(*item, now)).collect();
        let order = |a: &&T, b: &&T| {
            let (a, b) = (a.seen(self.sort_by, now), b.seen(self.sort_by, now));
            let order = a.partial_cmp(&b).unwrap_or(Ordering::Equal);
            if self.descending { order.reverse() } else { order }
        };
        found.sort_by(order);
        let before = (self.page - 1).saturating_mul(self.limit);
        found.into_iter().skip(before).take(self.limit).collect()
    }

    fn is_met_by<T: Listed>(&self, item: &T, now: Timestamp) -> bool {
        let plain = |condition: &Condition| condition.is_met_by(item.seen(condition.field, now));
        let on = |condition: &Condition, item: &MetadataItem| {
            let is_key = condition.field == "metadata.key";
            condition.is_met_by(Seen::Text(if is_key { &item.key } else { &item.value }))
        };
        let about_metadata = &self.about_metadata;
        let metadata = || match self.metadata_filters {
            MetadataFilters::SameItem => {
                item.metadata().iter().any(|it| about_metadata.iter().all(|wanted| on(wanted, it)))
            }
            MetadataFilters::AnyItem => {
                about_metadata.iter().all(|wanted| item.metadata().iter().any(|it| on(wanted, it)))
            }
        };
        self.conditions.iter().all(plain) && (about_metadata.is_empty() || metadata())
    }
}

fn number(name: &str, value: &str, max: usize) -> Result<usize, Refusal> {
    match value.parse() {
        Ok(number) if (1..=max).contains(&number) => Ok(number),
        Ok(_) | Err(_) => {
            Err(Refusal::invalid(format!("'{name}' must be a number between 1 and {max}")))
        }
    }
}

fn condition<T: Listed>(
    name: &str,
    value: &str,
    settings: &Settings,
) -> Result<Option<Condition>, Refusal> {
    let unknown = || Refusal::invalid(format!("unknown filter '{name}'"));
    let (field, operator) = match name.strip_suffix(']').and_then(|it| it.split_once('[')) {
        Some((field, operator)) => (field, Some(operator)),
        None => (name, None),
    };
    let (field, compared) = *T::FILTERS.iter().find(|(it, _)| *it == field).ok_or_else(unknown)?;
    let is_text = matches!(compared, Compared::Text | Compared::Email);
    let is_ordered = matches!(compared, Compared::Whole | Compared::Instant);
    let bare_contains = T::BARE_MAY_CONTAIN && settings.bare_filters == BareFilters::Contains;
    let operator = match operator {
        None if is_text && bare_contains => Operator::Contains,
        None | Some("eq") => Operator::Equal,
        Some("ne") => Operator::NotEqual,
        Some("in") => Operator::In,
        Some("nin") => Operator::NotIn,
        Some("sw") if is_text => Operator::StartsWith,
        Some("ew") if is_text => Operator::EndsWith,
        Some("cn") if is_text => Operator::Contains,
        Some("nc") if is_text => Operator::NotContains,
        Some("gt") if is_ordered => Operator::Greater,
        Some("gte") if is_ordered => Operator::GreaterOrEqual,
        Some("lt") if is_ordered => Operator::Less,
        Some("lte") if is_ordered => Operator::LessOrEqual,
        Some(_) => return Err(unknown()),
    };
    let values: Vec<&str> = match operator {
        Operator::In | Operator::NotIn => value.split(',').filter(|it| !it.is_empty()).collect(),
        _ => vec![value],
    };
    if values.is_empty() {
        return Ok(None);
    }
    let folds_case = compared == Compared::Email && !settings.email_filter_case_sensitive;
    let wanted = |value: &&str| {
        let wanted = match compared {
            Compared::Text | Compared::Email | Compared::Id if folds_case => {
                Some(Wanted::Text(value.to_lowercase()))
            }
            Compared::Text | Compared::Email | Compared::Id => {
                Some(Wanted::Text((*value).to_owned()))
            }
            Compared::Flag => value.parse().ok().map(Wanted::Flag),
            Compared::Whole => value.parse().ok().map(Wanted::Whole),
            Compared::Instant => instant::read(value).map(Wanted::Instant),
        };
        wanted.ok_or_else(|| Refusal::invalid(format!("'{name}' has the wrong type")))
    };
    let wanted = values.iter().map(wanted).collect::<Result<_, _>>()?;
    Ok(Some(Condition { field, operator, wanted, folds_case }))
}

impl Condition {
    fn is_met_by(&self, seen: Seen<'_>) -> bool {
        match (seen, self.folds_case) {
            (Seen::AnyOf(texts), _) => self.meets(texts.iter().map(String::as_str)),
            (Seen::Among(first, others), _) => {
                self.meets(std::iter::once(first).chain(others.iter().map(String::as_str)))
            }
            (Seen::Text(text), true) => self.compare(Seen::Text(&text.to_lowercase())),
            (seen, _) => self.compare(seen),
        }
    }

    /// A list that excludes a value excludes it everywhere.
    fn meets<'t>(&self, mut texts: impl Iterator<Item = &'t str>) -> bool {
        let meets = |text| self.compare(Seen::Text(text));
        match self.operator {
            Operator::NotEqual | Operator::NotContains | Operator::NotIn => texts.all(meets),
            _ => texts.any(meets),
        }
    }

    fn compare(&self, seen: Seen<'_>) -> bool {
        let any = |test: fn(&str, &str) -> bool| {
            self.wanted.iter().any(|wanted| match (seen, wanted) {
                (Seen::Text(text), Wanted::Text(part)) => test(text, part),
                _ => false,
            })
        };
        let equals = || self.wanted.iter().any(|wanted| wanted.seen() == seen);
        let order = || match seen {
            Seen::Absent => None,
            _ => self.wanted.first().and_then(|wanted| seen.partial_cmp(&wanted.seen())),
        };
        match self.operator {
            Operator::Equal | Operator::In => equals(),
            Operator::NotEqual | Operator::NotIn => !equals(),
            Operator::StartsWith => any(|text, part| text.starts_with(part)),
            Operator::EndsWith => any(|text, part| text.ends_with(part)),
            Operator::Contains => any(|text, part| text.contains(part)),
            Operator::NotContains => !any(|text, part| text.contains(part)),
            Operator::Greater => order().is_some_and(Ordering::is_gt),
            Operator::GreaterOrEqual => order().is_some_and(Ordering::is_ge),
            Operator::Less => order().is_some_and(Ordering::is_lt),
            Operator::LessOrEqual => order().is_some_and(Ordering::is_le),
        }
    }
}

impl Wanted {
    fn seen(&self) -> Seen<'_> {
        match self {
            Wanted::Text(text) => Seen::Text(text),
            Wanted::Flag(flag) => Seen::Flag(*flag),
            Wanted::Whole(number) => Seen::Whole(*number),
            Wanted::Instant(instant) => Seen::Instant(*instant),
        }
    }
}
