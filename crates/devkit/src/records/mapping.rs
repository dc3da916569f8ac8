//! Cryptlex ids that are written into the body of a purchase: as if they had been there when it was bought.

use std::str::FromStr;

use serde_json::{Value, json};

use super::RecordsError;
use crate::sign::Provider;

/// A line of a purchase with the ids that it should have named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineMapping {
    line: String,
    product: String,
    template: String,
}

impl FromStr for LineMapping {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('=').and_then(|(line, ids)| Some((line, ids.split_once(':')?)));
        match parts {
            Some((line, (product, template))) if !product.is_empty() && !template.is_empty() => {
                Ok(Self {
                    line: line.to_owned(),
                    product: product.to_owned(),
                    template: template.to_owned(),
                })
            }
            Some(_) | None => Err("write LINE=PRODUCT:TEMPLATE".to_owned()),
        }
    }
}

/// Where one line says what it is.
struct Line<'b> {
    /// A price or a product path. Stripe's purchases have one line, whatever it is called.
    name: Option<String>,
    ids: &'b mut Value,
}

impl Line<'_> {
    fn is(&self, name: &str) -> bool {
        self.name.as_deref().is_none_or(|own| own == name)
    }

    fn write(&mut self, provider: Provider, mapping: &LineMapping) {
        let (product, template) = keys(provider);
        if !self.ids.is_object() {
            *self.ids = json!({});
        }
        self.ids[product] = json!(mapping.product);
        self.ids[template] = json!(mapping.template);
    }

    /// Neither of the ids, and no bundle, whose members are lines of their own.
    fn lacks_a_mapping(&self, provider: Provider) -> bool {
        let (product, template) = keys(provider);
        let is_blank = |key: &str| self.ids[key].as_str().is_none_or(str::is_empty);
        is_blank(product) && is_blank(template) && self.ids["cryptlex_is_bundle"] != "true"
    }
}

fn keys(provider: Provider) -> (&'static str, &'static str) {
    match provider {
        Provider::Stripe => ("CRYPTLEX_PRODUCT_ID", "CRYPTLEX_LICENSE_TEMPLATE"),
        Provider::Fastspring | Provider::Paddle => {
            ("cryptlex_product_id", "cryptlex_license_template_id")
        }
    }
}

/// The lines of one event. FastSpring's bodies may hold several.
fn lines<'b>(provider: Provider, id: &str, body: &'b mut Value) -> Vec<Line<'b>> {
    let all =
        |value: Option<&'b mut Value>| value.and_then(Value::as_array_mut).into_iter().flatten();
    match provider {
        Provider::Stripe => {
            let metadata = body.pointer_mut("/data/object/metadata");
            metadata.map(|ids| Line { name: None, ids }).into_iter().collect()
        }
        Provider::Paddle => all(body.pointer_mut("/data/details/line_items"))
            .map(|item| Line {
                name: item["price_id"].as_str().map(str::to_owned),
                ids: &mut item["product"]["custom_data"],
            })
            .collect(),
        Provider::Fastspring => all(body.pointer_mut("/events"))
            .filter(|event| event["id"] == id)
            .flat_map(|event| all(event.pointer_mut("/data/items")))
            .map(|item| {
                let path = item["product"].as_str().or(item["product"]["product"].as_str());
                Line { name: path.map(str::to_owned), ids: &mut item["attributes"] }
            })
            .collect(),
    }
}

/// The body with these mappings. A line that is then left without one would get no license, for good: that is refused, unless
/// it is among those to skip.
pub(super) fn mapped(
    provider: Provider,
    id: &str,
    body: &[u8],
    map: &[LineMapping],
    skip: &[String],
) -> Result<Vec<u8>, RecordsError> {
    let mut body: Value = serde_json::from_slice(body)
        .map_err(|_| RecordsError::NotMapped("in a form that devkit knows".to_owned()))?;
    let mut lines = lines(provider, id, &mut body);
    let named = map.iter().map(|mapping| &mapping.line).chain(skip);
    for name in named {
        if !lines.iter().any(|line| line.is(name)) {
            return Err(RecordsError::NotMapped(name.clone()));
        }
    }
    for mapping in map {
        for line in lines.iter_mut().filter(|line| line.is(&mapping.line)) {
            line.write(provider, mapping);
        }
    }
    let is_skipped = |line: &&Line<'_>| skip.iter().any(|name| line.is(name));
    let left = lines.iter().filter(|line| line.lacks_a_mapping(provider) && !is_skipped(line));
    let left: Vec<&str> = left.filter_map(|line| line.name.as_deref()).collect();
    if !left.is_empty() {
        return Err(RecordsError::LeftUnmapped(left.join(", ")));
    }
    Ok(body.to_string().into_bytes())
}
