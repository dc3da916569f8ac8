//! What a product says of itself, wherever FastSpring puts it.

use std::borrow::Cow;

use serde_json_borrow::Value;

use crate::domain::command::Term;
use crate::domain::interval::Interval;
use crate::domain::policy::QuantityMeans;
use crate::providers::json::Object;

/// The path of a product: the value itself, or a field of the expanded product.
pub(super) fn product_path<'a>(item: &Object<'a>) -> Option<&'a str> {
    let expanded = item.object("product", "product");
    item.text("product").or(expanded.and_then(|p| p.text("product").or(p.text("id"))))
}

/// Product attributes, which are on the item, on the expanded product, or on the subscription.
pub(super) struct Attributes<'a>(Vec<Object<'a>>);

impl<'a> Attributes<'a> {
    pub(super) fn of(item: &Object<'a>) -> Self {
        let product = item.object("product", "product");
        let subscription = item.object("subscription", "subscription");
        let places = [Some(*item), product, subscription].into_iter().flatten();
        Self(places.filter_map(|place| place.object("attributes", "attributes")).collect())
    }

    fn value(&self, name: &str) -> Option<&'a Value<'a>> {
        self.0.iter().find_map(|attributes| attributes.value(name))
    }

    /// Whatever type it was given: a release version `2` is a number in the JSON.
    fn written(&self, name: &str) -> Option<Cow<'a, str>> {
        match self.value(name)? {
            Value::Str(text) => Some(Cow::Borrowed(text.trim())),
            // A float stays one: release `2.0` is not `2`.
            Value::Number(number) => Some(Cow::Owned(match (number.as_i64(), number.as_f64()) {
                (None, Some(float)) => format!("{float:?}"),
                (Some(_) | None, _) => number.to_string(),
            })),
            Value::Bool(flag) => Some(Cow::Borrowed(if *flag { "true" } else { "false" })),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }

    pub(super) fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        self.written(name).filter(|text| !text.is_empty())
    }

    /// A bundle that is no license itself.
    pub(super) fn are_of_a_bundle(&self) -> bool {
        self.text("cryptlex_is_bundle").is_some_and(|flag| flag.eq_ignore_ascii_case("true"))
    }

    /// The name that the code of the predecessor reads first, then the one that was documented. Empty means perpetual.
    pub(super) fn interval(&self) -> Result<Option<Term>, String> {
        for name in ["cryptlex_license_subscription_interval", "cryptlex_subscription_interval"] {
            match self.written(name).as_deref() {
                None => {}
                Some("") => return Ok(Some(Term::Perpetual)),
                Some(text) => {
                    let interval = Interval::parse(text).map_err(|e| format!("{name}: {e}"))?;
                    return Ok(Some(Term::Every(interval)));
                }
            }
        }
        Ok(None)
    }

    /// A value that nobody documents counts as one license, as it did with the predecessor.
    pub(super) fn quantity_means(&self) -> Option<QuantityMeans> {
        Some(match self.text("cryptlex_mappings_quantity")?.as_ref() {
            "total_licenses" => QuantityMeans::Licenses,
            "allowed_activations" => QuantityMeans::Activations,
            _ => QuantityMeans::One,
        })
    }
}
