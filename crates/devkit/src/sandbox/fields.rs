//! Strict reading of request bodies: a table of fields, and a refusal that names the one that is wrong.

use serde_json::{Map, Value};
use uuid::Uuid;

use super::{instant, metadata, reply::Refusal, settings::PatchOfFixedField};

/// A body that is a JSON object.
pub(super) type Body = Map<String, Value>;

/// A field that a body may have.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) shape: Shape,
    pub(super) after_creation: After,
}

/// What may happen to a field once the license or user exists.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// Nothing.
    Fixed,
    /// Another value.
    Changed,
    /// Another value or, with `null`, none.
    Cleared,
}

/// What a value must look like.
pub(super) enum Shape {
    Text {
        min: usize,
        max: usize,
    },
    OneOf(&'static [&'static str]),
    Email,
    Flag,
    Whole {
        min: i64,
    },
    Id,
    Ids,
    Instant,
    Interval,
    Texts {
        max: usize,
    },
    Version,
    Metadata,
    MeterAttributes,
    /// Only `null`: the field names something that this sandbox does not have.
    Nothing,
}

/// The body of a call that needs one.
pub(super) fn object(body: &[u8]) -> Result<Body, Refusal> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Refusal::invalid("the body is not a JSON object")),
        Err(error) => Err(Refusal::invalid(format!("the body is not JSON: {error}"))),
    }
}

/// Checks a body of a creation. A `null` is the same as no field, so it is taken out.
pub(super) fn check_creation(
    body: &mut Body,
    fields: &[Field],
    required: &[&str],
) -> Result<(), Refusal> {
    for (name, value) in &*body {
        let field = find(fields, name)?;
        if !value.is_null() {
            field.check(value)?;
        }
    }
    body.retain(|_, value| !value.is_null());
    match required.iter().find(|name| !body.contains_key(**name)) {
        Some(name) => Err(Refusal::invalid(format!("'{name}' is required"))),
        None => Ok(()),
    }
}

/// Checks a body of a change. Fixed fields are refused or, by switch, taken out.
pub(super) fn check_change(
    body: &mut Body,
    fields: &[Field],
    fixed: PatchOfFixedField,
) -> Result<(), Refusal> {
    for (name, value) in &*body {
        let field = find(fields, name)?;
        match (field.after_creation, fixed) {
            (After::Fixed, PatchOfFixedField::Refuse400) => {
                return Err(Refusal::invalid(format!("'{name}' cannot be changed")));
            }
            (After::Fixed, PatchOfFixedField::Ignore) => {}
            (After::Cleared, _) if value.is_null() => {}
            (After::Changed | After::Cleared, _) => field.check(value)?,
        }
    }
    body.retain(|name, _| find(fields, name).is_ok_and(|it| it.after_creation != After::Fixed));
    Ok(())
}

fn find<'f>(fields: &'f [Field], name: &str) -> Result<&'f Field, Refusal> {
    fields
        .iter()
        .find(|field| field.name == name)
        .ok_or_else(|| Refusal::invalid(format!("unknown field '{name}'")))
}

impl Field {
    fn check(&self, value: &Value) -> Result<(), Refusal> {
        match self.shape.flaw(value) {
            Some(flaw) => Err(Refusal::invalid(format!("'{}' {flaw}", self.name))),
            None => Ok(()),
        }
    }
}

impl Shape {
    fn flaw(&self, value: &Value) -> Option<String> {
        let text = value.as_str();
        match self {
            Shape::Text { min, max } => {
                let fits = text.is_some_and(|it| (*min..=*max).contains(&it.chars().count()));
                (!fits).then(|| format!("must be a text of {min} to {max} characters"))
            }
            Shape::OneOf(words) => {
                let fits = text.is_some_and(|it| words.contains(&it));
                (!fits).then(|| format!("must be one of {words:?}"))
            }
            Shape::Whole { min } => {
                let allowed = *min..=i64::from(i32::MAX);
                let fits = value.as_i64().is_some_and(|it| allowed.contains(&it));
                (!fits).then(|| format!("must be an integer from {min}"))
            }
            Shape::Texts { max } => {
                let fits = value
                    .as_array()
                    .is_some_and(|it| it.len() <= *max && it.iter().all(Value::is_string));
                (!fits).then(|| format!("must be an array of at most {max} texts"))
            }
            Shape::Metadata => metadata::flaw(value),
            Shape::Email => unless(text.is_some_and(is_email), "must be an e-mail address"),
            Shape::Flag => unless(value.is_boolean(), "must be a boolean"),
            Shape::Id => unless(is_id(value), "must be a UUID"),
            Shape::Ids => {
                let fits = value.as_array().is_some_and(|it| it.iter().all(is_id));
                unless(fits, "must be an array of UUIDs")
            }
            Shape::Instant => {
                let fits = text.is_some_and(|it| instant::read(it).is_some());
                unless(fits, "must be an ISO 8601 date-time with an offset")
            }
            Shape::Interval => {
                let fits = text.is_some_and(|it| it.is_empty() || instant::is_interval(it));
                unless(fits, "must be an ISO 8601 duration, or empty for perpetual")
            }
            Shape::Version => {
                unless(text.is_some_and(is_version), "must look like x.x, x.x.x or x.x.x.x")
            }
            Shape::MeterAttributes => {
                let fits = value.as_array().is_some_and(|it| it.iter().all(Value::is_object));
                unless(fits, "must be an array of objects")
            }
            Shape::Nothing => Some("names something that does not exist".to_owned()),
        }
    }
}

fn unless(fits: bool, flaw: &str) -> Option<String> {
    (!fits).then(|| flaw.to_owned())
}

fn is_id(value: &Value) -> bool {
    value.as_str().is_some_and(|text| Uuid::try_parse(text).is_ok())
}

fn is_email(text: &str) -> bool {
    let parts = text.split_once('@');
    parts.is_some_and(|(name, host)| !name.is_empty() && !host.is_empty() && !host.contains('@'))
        && !text.contains(char::is_whitespace)
        && text.len() <= 256
}

fn is_version(text: &str) -> bool {
    let parts: Vec<&str> = text.split('.').collect();
    let digits = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    (2..=4).contains(&parts.len()) && parts.iter().all(digits)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_accept_what_the_reference_allows() {
        let id = "22222222-2222-4222-8222-000000000001";
        for (shape, good, bad) in [
            (Shape::Text { min: 2, max: 3 }, json!("äöü"), json!("a")),
            (Shape::OneOf(&["fuzzy"]), json!("fuzzy"), json!("Fuzzy")),
            (Shape::Email, json!("a+b@x.org"), json!("a b@x.org")),
            (Shape::Flag, json!(false), json!("false")),
            (Shape::Whole { min: -1 }, json!(-1), json!(-2)),
            (Shape::Whole { min: 0 }, json!(2_147_483_647), json!(2_147_483_648_i64)),
            (Shape::Whole { min: 0 }, json!(1), json!(1.5)),
            (Shape::Id, json!(id), json!("")),
            (Shape::Ids, json!([id]), json!(["x"])),
            (Shape::Instant, json!("2026-01-01T00:00:00+02:00"), json!("2026-01-01")),
            (Shape::Interval, json!(""), json!("monthly")),
            (Shape::Interval, json!("P3M10D"), json!(30)),
            (Shape::Texts { max: 1 }, json!(["a"]), json!(["a", "b"])),
            (Shape::Version, json!("1.20.3.4"), json!("1")),
            (Shape::Version, json!("1.2"), json!("1.2.3.4.5")),
            (Shape::Version, json!("1.2.3"), json!("1.2.x")),
            (Shape::MeterAttributes, json!([{}]), json!({})),
        ] {
            assert_eq!(shape.flaw(&good), None, "{good}");
            assert!(shape.flaw(&bad).is_some(), "{bad}");
        }
        assert!(Shape::Nothing.flaw(&json!(id)).is_some());
    }
}
