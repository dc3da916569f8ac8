//! JSON in few words, with no field left out.

use serde_json::{Map, Value};

/// An object whose fields are taken one by one. What nobody took is shown as it is.
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    /// Anything but an object is a field without a name.
    pub(super) fn of(value: Value) -> Self {
        match value {
            Value::Object(fields) => Self(fields),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => Self(Map::from_iter([(String::new(), value)])),
        }
    }

    pub(super) fn take(&mut self, name: &str) -> Value {
        self.0.remove(name).unwrap_or(Value::Null)
    }

    /// The variant of an enum, and what it holds.
    pub(super) fn variant(value: Value) -> (String, Value) {
        if value.is_object() {
            Self::of(value).0.into_iter().next().unwrap()
        } else {
            (plain(&value), Value::Null)
        }
    }

    /// The words before the field, and what it holds, unless it is empty.
    pub(super) fn said(&mut self, words: &str, name: &str) -> Option<String> {
        let value = self.take(name);
        (!is_empty(&value)).then(|| format!("{words}{}", plain(&value)))
    }

    /// The words for yes or for no, unless it says neither.
    pub(super) fn flag(&mut self, name: &str, yes: &str, no: &str) -> Option<String> {
        let value = self.take(name);
        let said = match value.as_bool() {
            Some(true) => yes.to_owned(),
            Some(false) => no.to_owned(),
            None => plain(&value),
        };
        (!is_empty(&value)).then_some(said)
    }

    /// Every field that is left, under its own name.
    pub(super) fn rest(self) -> Vec<String> {
        let full = self.0.into_iter().filter(|(_, value)| !is_empty(value));
        full.map(|(name, value)| format!("{} {}", name.replace('_', " "), plain(&value))).collect()
    }
}

/// What is no list is a list of one.
pub(super) fn items(value: Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items,
        Value::Null => Vec::new(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => vec![value],
    }
}

pub(super) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => {
            let full = fields.iter().filter(|(_, value)| !is_empty(value));
            let said =
                full.map(|(name, value)| format!("{} {}", name.replace('_', " "), plain(value)));
            format!("({})", said.collect::<Vec<_>>().join(", "))
        }
    }
}
