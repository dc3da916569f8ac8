//! Reading fields of a provider's JSON, tolerant of everything that is not needed.
//!
//! A missing or misshapen field that is needed gives an error that names event, object and field, and no value.

use jiff::Timestamp;
use serde_json_borrow::{ObjectAsVec, Value};

use crate::domain::command::Unreadable;
use crate::domain::ids::plain;

/// The event that is being read, for error texts.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    /// The provider's event id.
    pub id: &'a str,
    /// The provider's event type.
    pub kind: &'a str,
}

/// A JSON object with the name that error texts give it.
#[derive(Debug, Clone, Copy)]
pub struct Object<'a> {
    event: Event<'a>,
    name: &'static str,
    map: &'a ObjectAsVec<'a>,
}

impl<'a> Object<'a> {
    /// Fails when `value` is no JSON object.
    pub fn new(
        event: Event<'a>,
        name: &'static str,
        value: &'a Value<'a>,
    ) -> Result<Self, Unreadable> {
        match value {
            Value::Object(map) => Ok(Self { event, name, map }),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Str(_) | Value::Array(_) => {
                Err(Unreadable(format!(
                    "{name} of event {} ({}) is not an object",
                    plain(event.id),
                    plain(event.kind)
                )))
            }
        }
    }

    /// `checkout session with ID: cs_1`: how error texts name it.
    pub fn title(&self) -> String {
        match self.reference("id") {
            Some(id) => format!("{} with ID: {}", self.name, plain(id)),
            None => format!("{} of event {}", self.name, plain(self.event.id)),
        }
    }

    /// The error for a field that is needed and not there.
    pub fn lacks(&self, field: &str) -> Unreadable {
        let [id, kind] = [self.event.id, self.event.kind].map(plain);
        Unreadable(format!("{field} not found in {} (event {id}, {kind})", self.title()))
    }

    /// The error for a field that is there and makes no sense.
    pub fn misshapen(&self, field: &str, wanted: &str) -> Unreadable {
        let [id, kind] = [self.event.id, self.event.kind].map(plain);
        Unreadable(format!("{field} in {} is not {wanted} (event {id}, {kind})", self.title()))
    }

    /// The raw value; `null` counts as absent.
    pub fn value(&self, field: &str) -> Option<&'a Value<'a>> {
        self.map.get(field).filter(|value| !value.is_null())
    }

    /// Whether it stands there, be it `null`.
    pub fn has(&self, field: &str) -> bool {
        self.map.get(field).is_some()
    }

    /// A text that is not blank.
    pub fn text(&self, field: &str) -> Option<&'a str> {
        self.value(field)?.as_str().map(str::trim).filter(|text| !text.is_empty())
    }

    /// An object inside.
    pub fn object(&self, field: &str, name: &'static str) -> Option<Object<'a>> {
        Object::new(self.event, name, self.value(field)?).ok()
    }

    /// The objects of a list; anything else in it is passed over.
    pub fn objects(&self, field: &str, name: &'static str) -> Vec<Object<'a>> {
        let items = self.value(field).and_then(Value::as_array).unwrap_or_default();
        items.iter().filter_map(|item| Object::new(self.event, name, item).ok()).collect()
    }

    /// An id: the value itself, or `id` of the expanded object.
    pub fn reference(&self, field: &str) -> Option<&'a str> {
        reference_of(self.value(field)?)
    }

    /// A flag, also as the text `true` or `false`.
    pub fn flag(&self, field: &str) -> Option<bool> {
        match self.value(field)? {
            Value::Bool(flag) => Some(*flag),
            Value::Str(text) if text.trim().eq_ignore_ascii_case("true") => Some(true),
            Value::Str(text) if text.trim().eq_ignore_ascii_case("false") => Some(false),
            Value::Null | Value::Number(_) | Value::Str(_) | Value::Array(_) | Value::Object(_) => {
                None
            }
        }
    }

    /// An amount of money, as a number or as text.
    pub fn amount(&self, field: &str) -> Option<f64> {
        amount_of(self.value(field)?)
    }

    /// A sum of money in minor units; one that is no whole number from 0 is as good as none.
    pub fn minor_units(&self, field: &str) -> Option<i64> {
        whole_number(self.value(field)?).filter(|sum| *sum >= 0)
    }

    /// A sum of money that is told in main units, in thousandths of them; one that is negative or too large to be exact
    /// is as good as none.
    pub fn thousandths(&self, field: &str) -> Option<i64> {
        let sum = self.amount(field)? * 1000.0;
        (0.0..EXACT).contains(&sum).then(|| format!("{sum:.0}").parse().ok())?
    }

    /// ISO 4217, in lower case.
    pub fn currency(&self, field: &str) -> Option<String> {
        let code = self.text(field).filter(|code| code.len() == 3);
        code.filter(|code| code.bytes().all(|b| b.is_ascii_alphabetic()))
            .map(str::to_ascii_lowercase)
    }

    /// A whole number, also written `28.0`, `4E+1` or `"15"`; absent is `None`, nonsense an error.
    pub fn count(&self, field: &str) -> Result<Option<u32>, Unreadable> {
        let Some(value) = self.value(field) else {
            return Ok(None);
        };
        match whole_number(value).and_then(|n| u32::try_from(n).ok()) {
            Some(count) => Ok(Some(count)),
            None => Err(self.misshapen(field, "a whole number of 0 to 4294967295")),
        }
    }

    /// Unix seconds.
    pub fn seconds(&self, field: &str) -> Result<Option<Timestamp>, Unreadable> {
        self.unix(field, "a time in unix seconds", Timestamp::from_second)
    }

    /// Unix milliseconds.
    pub fn millis(&self, field: &str) -> Result<Option<Timestamp>, Unreadable> {
        self.unix(field, "a time in unix milliseconds", Timestamp::from_millisecond)
    }

    /// An RFC 3339 time.
    pub fn rfc3339(&self, field: &str) -> Result<Option<Timestamp>, Unreadable> {
        let Some(value) = self.value(field) else {
            return Ok(None);
        };
        match value.as_str().and_then(|text| text.parse().ok()).filter(is_sane) {
            Some(at) => Ok(Some(at)),
            None => Err(self.misshapen(field, "an RFC 3339 time")),
        }
    }

    fn unix(
        &self,
        field: &str,
        wanted: &str,
        convert: fn(i64) -> Result<Timestamp, jiff::Error>,
    ) -> Result<Option<Timestamp>, Unreadable> {
        let Some(value) = self.value(field) else {
            return Ok(None);
        };
        match whole_number(value).and_then(|n| convert(n).ok()).filter(is_sane) {
            Some(at) => Ok(Some(at)),
            None => Err(self.misshapen(field, wanted)),
        }
    }
}

/// An amount of money, as a number or as text.
pub fn amount_of(value: &Value<'_>) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.trim().parse().ok()).filter(|n| n.is_finite())
}

/// An id: the value itself, or `id` of the expanded object.
pub fn reference_of<'a>(value: &'a Value<'_>) -> Option<&'a str> {
    let text = match value {
        Value::Str(text) => text,
        Value::Object(map) => map.get("id")?.as_str()?,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => return None,
    };
    Some(text.trim()).filter(|text| !text.is_empty())
}

/// Beyond year 9000 the arithmetic on it would run out of calendar.
fn is_sane(at: &Timestamp) -> bool {
    (0..221_845_392_000).contains(&at.as_second())
}

/// A float is exact up to 2^53, which is far more than any time, count or sum.
const EXACT: f64 = 9_007_199_254_740_992.0;

fn whole_number(value: &Value<'_>) -> Option<i64> {
    let (whole, float) = match value {
        Value::Number(number) => (number.as_i64(), number.as_f64()),
        Value::Str(text) => {
            let number: serde_json::Number = text.trim().parse().ok()?;
            (number.as_i64(), number.as_f64())
        }
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    if whole.is_some() {
        return whole;
    }
    let float = float.filter(|f| f.fract() == 0.0 && f.abs() < EXACT)?;
    format!("{float:.0}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Value<'_> {
        serde_json::from_str(text).unwrap()
    }

    fn object<'a>(value: &'a Value<'a>) -> Object<'a> {
        Object::new(Event { id: "evt_1", kind: "order.completed" }, "order", value).unwrap()
    }

    #[test]
    fn numbers_come_in_many_spellings() {
        let value = value(
            r#"{"a":28.0,"b":4E+1,"c":"15","d":-1,"e":1.5,"f":1e300,"g":99999999999999999999,"h":"x","i":null,
            "j":"4e1","k":"inf","l":"-7","m":"","n":"+5","o":"007"}"#,
        );
        let order = object(&value);
        for (field, count) in [("a", 28), ("b", 40), ("c", 15), ("j", 40)] {
            assert_eq!(order.count(field), Ok(Some(count)), "{field}");
        }
        for field in ["d", "e", "f", "g", "h", "k", "l", "m", "n", "o"] {
            let error = order.count(field).unwrap_err().to_string();
            assert!(error.contains(field) && error.contains("evt_1"), "{error}");
        }
        assert_eq!(order.count("i"), Ok(None));
        assert!(order.seconds("f").is_err() && order.millis("g").is_err());
    }

    #[test]
    fn sums_of_money_are_whole_or_ignored() {
        let value = value(
            r#"{"a":24900,"b":"24900","c":249.0,"d":"1e3","e":9.99,"f":"19.995","g":0,
            "n":-1,"o":1e300,"p":"much","q":null,"r":{},"s":"inf","t":99999999999999999999,"u":"-0.5","v":[]}"#,
        );
        let order = object(&value);
        let sums = [("a", 24_900), ("b", 24_900), ("c", 249), ("d", 1000), ("g", 0)];
        for (field, minor) in sums {
            assert_eq!(order.minor_units(field), Some(minor), "{field}");
            assert_eq!(order.thousandths(field), Some(minor * 1000), "{field}");
        }
        for (field, thousandths) in [("e", 9990), ("f", 19_995)] {
            let found = (order.minor_units(field), order.thousandths(field));
            assert_eq!(found, (None, Some(thousandths)), "{field}");
        }
        for field in ["n", "o", "p", "q", "r", "s", "t", "u", "v", "absent"] {
            let found = (order.minor_units(field), order.thousandths(field));
            assert_eq!(found, (None, None), "{field}");
        }
    }

    #[test]
    fn a_currency_has_three_letters() {
        let value = value(r#"{"a":"USD","b":" eur ","c":"dollars","d":"","e":7,"f":"U$D"}"#);
        let order = object(&value);
        let found: Vec<_> =
            ["a", "b", "c", "d", "e", "f"].iter().map(|f| order.currency(f)).collect();
        assert_eq!(found, [Some("usd".into()), Some("eur".into()), None, None, None, None]);
    }

    #[test]
    fn errors_name_event_object_and_field_but_no_value() {
        let value = value(r#"{"id": "ord_1", "email": "ada@example.com"}"#);
        assert_eq!(
            object(&value).lacks("customer.email").to_string(),
            "customer.email not found in order with ID: ord_1 (event evt_1, order.completed)"
        );
    }

    #[test]
    fn errors_are_one_line_with_any_id() {
        let value = value(r#"{"id": "ord\n2026-09-01 ERROR forged"}"#);
        let event = Event { id: "evt\r\n1", kind: "x\ny" };
        let order = Object::new(event, "order", &value).unwrap();
        for error in [
            order.lacks("total"),
            order.misshapen("total", "a number"),
            Object::new(event, "order", &Value::Null).unwrap_err(),
        ] {
            assert!(!error.to_string().contains(char::is_control), "{error}");
        }
    }

    #[test]
    fn a_reference_is_an_id_or_an_object_with_one() {
        let value = value(r#"{"a": "sub_1", "b": {"id": "sub_2"}, "c": {}, "d": "", "e": 7}"#);
        let order = object(&value);
        let found: Vec<_> = ["a", "b", "c", "d", "e"].iter().map(|f| order.reference(f)).collect();
        assert_eq!(found, [Some("sub_1"), Some("sub_2"), None, None, None]);
    }
}
