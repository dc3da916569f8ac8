//! Counts and durations of one process, until somebody asks for them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use metrics::{
    Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};

use super::durations::Durations;

/// The dimensions of a number in addition to the provider: names and values.
type Labels = Vec<(String, String)>;

/// What was counted and timed. Clones are one.
#[derive(Clone, Default)]
pub(super) struct Collected(Arc<Mutex<Registry>>);

#[derive(Default)]
struct Registry {
    units: BTreeMap<String, &'static str>,
    series: BTreeMap<Labels, BTreeMap<String, Series>>,
}

enum Series {
    Count(Arc<AtomicU64>),
    Durations(Arc<Timed>),
}

#[derive(Default)]
struct Timed(Mutex<Durations>);

/// The numbers with one set of labels.
pub(super) struct Group {
    pub(super) labels: Labels,
    pub(super) numbers: Vec<Number>,
}

pub(super) struct Number {
    pub(super) name: String,
    pub(super) unit: Option<&'static str>,
    pub(super) value: Value,
}

pub(super) enum Value {
    Count(u64),
    Durations(Durations),
}

impl Collected {
    /// What there is since the last time; nothing that is zero.
    pub(super) fn take(&self) -> Vec<Group> {
        let registry = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut groups = Vec::new();
        for (labels, series) in &registry.series {
            let taken = |(name, series): (&String, &Series)| {
                let value = match series {
                    Series::Count(count) => match count.swap(0, Ordering::Relaxed) {
                        0 => return None,
                        count => Value::Count(count),
                    },
                    Series::Durations(timed) => {
                        let durations = std::mem::take(&mut *timed.durations());
                        Value::Durations(Some(durations).filter(|all| all.count() > 0)?)
                    }
                };
                let unit = registry.units.get(name).copied();
                Some(Number { name: name.clone(), unit, value })
            };
            let numbers: Vec<Number> = series.iter().filter_map(taken).collect();
            if !numbers.is_empty() {
                groups.push(Group { labels: labels.clone(), numbers });
            }
        }
        groups
    }

    fn registered<T>(&self, key: &Key, of: impl FnOnce(&mut BTreeMap<String, Series>) -> T) -> T {
        let label = |label: &metrics::Label| (label.key().to_owned(), label.value().to_owned());
        let labels: Labels = key.labels().map(label).collect();
        let mut registry = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        of(registry.series.entry(labels).or_default())
    }

    fn describe(&self, name: &KeyName, unit: Option<Unit>) {
        let mut registry = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let unit = match unit {
            Some(Unit::Milliseconds) => "Milliseconds",
            Some(Unit::Count) => "Count",
            Some(_) | None => return,
        };
        registry.units.insert(name.as_str().to_owned(), unit);
    }
}

impl Recorder for Collected {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, _description: SharedString) {
        self.describe(&name, unit);
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, _description: SharedString) {
        self.describe(&name, unit);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, _description: SharedString) {
        self.describe(&name, unit);
    }

    fn register_counter(&self, key: &Key, _metadata: &Metadata<'_>) -> Counter {
        self.registered(key, |series| {
            let new = || Series::Count(Arc::default());
            match series.entry(key.name().to_owned()).or_insert_with(new) {
                Series::Count(count) => Counter::from_arc(Arc::<AtomicU64>::clone(count)),
                Series::Durations(_) => Counter::noop(),
            }
        })
    }

    /// Nothing is measured so.
    fn register_gauge(&self, _key: &Key, _metadata: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _metadata: &Metadata<'_>) -> Histogram {
        self.registered(key, |series| {
            let new = || Series::Durations(Arc::default());
            match series.entry(key.name().to_owned()).or_insert_with(new) {
                Series::Durations(timed) => Histogram::from_arc(Arc::<Timed>::clone(timed)),
                Series::Count(_) => Histogram::noop(),
            }
        })
    }
}

impl Timed {
    fn durations(&self) -> std::sync::MutexGuard<'_, Durations> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HistogramFn for Timed {
    fn record(&self, value: f64) {
        self.durations().add(value);
    }
}
