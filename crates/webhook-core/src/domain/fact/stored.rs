//! How a set of facts is stored: each distinct line once, and facts that name their lines by number.
//!
//! A description repeats all lines of its subscription, and most of them did not change. What a fact does not say is left
//! out.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};

use super::set::{Facts, Kept, Leaving};
use super::{Fact, Says};
use crate::domain::command::{Effect, Line, Mapping, Subscribed, Term, Unmapped};
use crate::domain::ids::{CustomerId, EntitlementSetId, EventId, Mark, ProductId, TemplateId};
use crate::domain::policy::QuantityMeans;

/// What a fact takes apart from what it says: its commit, its time and its event's id, which others may tell with an id of
/// another length.
const NAMES: usize = 128;
/// What the number of a line takes.
const PLACE: usize = 5;

/// Bytes that facts take as they are stored, in whatever order they came.
pub(super) fn bytes<'f>(facts: impl Iterator<Item = &'f Fact>) -> usize {
    let mut taken = Taken(0);
    let mut known = HashSet::new();
    for fact in facts {
        taken.add(NAMES);
        taken.json(&fact.says);
        for line in fact.lines().unwrap_or_default() {
            taken.add(PLACE);
            if known.insert(line) {
                taken.json(&WrittenLine(line));
            }
        }
    }
    taken.0
}

/// Counts what is written and keeps nothing.
struct Taken(usize);

impl Taken {
    fn add(&mut self, bytes: usize) {
        self.0 = self.0.saturating_add(bytes);
    }

    fn json(&mut self, value: &impl Serialize) {
        let written = serde_json::to_writer(self, value);
        debug_assert!(written.is_ok(), "facts have keys that are texts");
    }
}

impl io::Write for Taken {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.add(bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Serialize)]
struct Written<'f> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    lines: Vec<WrittenLine<'f>>,
    kept: Vec<WrittenFact<'f>>,
    commits: u32,
    settled: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    dropped: Option<Timestamp>,
}

#[derive(Serialize)]
struct WrittenLine<'l>(#[serde(with = "StoredLine")] &'l Line);

#[derive(Serialize)]
struct WrittenFact<'f> {
    n: u32,
    at: Timestamp,
    event: &'f EventId,
    says: &'f Says,
    /// Places in the table. Only orders and descriptions have lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    lines: Option<Vec<usize>>,
    /// The commit that it was dropped with.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<u32>,
}

impl Serialize for Facts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut table = Table::default();
        let kept = self.kept.iter().map(|kept| (kept, None));
        let leaving = self.leaving.iter().map(|it| (&it.kept, Some(it.dropped_by)));
        let kept = kept.chain(leaving).map(|(Kept { commit, fact }, until)| WrittenFact {
            n: *commit,
            at: fact.at,
            event: &fact.event,
            says: &fact.says,
            lines: fact.lines().map(|lines| lines.iter().map(|line| table.place(line)).collect()),
            until,
        });
        let kept = kept.collect();
        let Self { commits, settled, dropped, .. } = *self;
        let lines = table.lines.into_iter().map(WrittenLine).collect();
        Written { lines, kept, commits, settled, dropped }.serialize(serializer)
    }
}

/// Distinct lines in the order in which they were met.
#[derive(Default)]
struct Table<'f> {
    lines: Vec<&'f Line>,
    places: HashMap<&'f Line, usize>,
}

impl<'f> Table<'f> {
    fn place(&mut self, line: &'f Line) -> usize {
        let next = self.lines.len();
        *self.places.entry(line).or_insert_with(|| {
            self.lines.push(line);
            next
        })
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Read {
    lines: Vec<ReadLine>,
    kept: Vec<ReadFact>,
    commits: u32,
    settled: u32,
    dropped: Option<Timestamp>,
}

#[derive(Deserialize)]
struct ReadLine(#[serde(with = "StoredLine")] Line);

#[derive(Deserialize)]
struct ReadFact {
    n: u32,
    at: Timestamp,
    event: EventId,
    says: Says,
    lines: Option<Vec<usize>>,
    until: Option<u32>,
}

/// Stored facts that name a line that is not stored, or do not say which lines they have.
#[derive(Debug, thiserror::Error)]
#[error("a fact of event {0} has lines that are not stored")]
pub(super) struct NoSuchLine(EventId);

impl TryFrom<Read> for Facts {
    type Error = NoSuchLine;

    fn try_from(read: Read) -> Result<Self, NoSuchLine> {
        let Read { lines: table, kept, commits, settled, dropped } = read;
        let (mut all, mut leaving) = (Vec::with_capacity(kept.len()), Vec::new());
        for fact in kept {
            let until = fact.until;
            let kept = fact.with_lines(&table)?;
            match until {
                None => all.push(kept),
                Some(dropped_by) => leaving.push(Leaving { dropped_by, kept }),
            }
        }
        Ok(Self { kept: Arc::new(all), commits, settled, dropped, leaving })
    }
}

impl ReadFact {
    fn with_lines(self, table: &[ReadLine]) -> Result<Kept, NoSuchLine> {
        let Self { n: commit, at, event, says, lines, until: _ } = self;
        let line = |place: usize| table.get(place).map(|ReadLine(line)| line.clone());
        let lines = lines.map(|places| places.into_iter().map(line).collect::<Option<Vec<_>>>());
        let mut fact = Fact { at, event, says };
        match (fact.lines_mut(), lines) {
            (None, None) => {}
            (Some(of_fact), Some(Some(lines))) => *of_fact = lines,
            (None, Some(_)) | (Some(_), None | Some(None)) => return Err(NoSuchLine(fact.event)),
        }
        Ok(Kept { commit, fact })
    }
}

impl Fact {
    fn lines_mut(&mut self) -> Option<&mut Vec<Line>> {
        match &mut self.says {
            Says::Ordered(ordered) => Some(&mut ordered.lines),
            Says::Described(described) => Some(&mut described.subscribed.as_mut()?.lines),
            Says::Paid(_)
            | Says::OfPayment(_)
            | Says::Failed(_)
            | Says::Paused
            | Says::Resumed
            | Says::MoneyBack(_)
            | Says::Ended => None,
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Line")]
struct StoredLine {
    key: String,
    quantity: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    quantity_means: Option<QuantityMeans>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "mapping")]
    mapping: Option<Mapping>,
    term: Term,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    driver: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_release: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    metadata: Vec<Mark>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Mapping")]
struct StoredMapping {
    product: ProductId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    template: Option<TemplateId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    entitlement_set: Option<EntitlementSetId>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Subscribed")]
struct StoredSubscribed {
    #[serde(skip)]
    lines: Vec<Line>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    unmapped: Vec<Unmapped>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    with_add_ons: bool,
    #[serde(default, skip_serializing_if = "super::is_default")]
    takes_effect: Effect,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "crate::domain::command::SubscriptionRecord")]
pub(super) struct Record {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    customer: Option<CustomerId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    plan: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    quantity: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    period_start: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    period_end: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cancellation_reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cancel_at_period_end: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    is_pause_scheduled: Option<bool>,
}

/// A stored form of what may be missing: serde's `remote` knows none.
macro_rules! optional {
    ($name:ident, $type:ty, $stored:literal) => {
        pub(super) mod $name {
            use serde::{Deserialize, Deserializer, Serialize, Serializer};

            #[derive(Serialize)]
            struct Written<'w>(#[serde(with = $stored)] &'w $type);

            #[derive(Deserialize)]
            struct Read(#[serde(with = $stored)] $type);

            pub(in crate::domain::fact) fn serialize<S: Serializer>(
                value: &Option<$type>,
                serializer: S,
            ) -> Result<S::Ok, S::Error> {
                value.as_ref().map(Written).serialize(serializer)
            }

            pub(in crate::domain::fact) fn deserialize<'de, D: Deserializer<'de>>(
                deserializer: D,
            ) -> Result<Option<$type>, D::Error> {
                Ok(Option::<Read>::deserialize(deserializer)?.map(|Read(value)| value))
            }
        }
    };
}

optional!(mapping, crate::domain::command::Mapping, "super::StoredMapping");
optional!(subscribed, crate::domain::command::Subscribed, "super::StoredSubscribed");
