//! The products and templates that the situations sell, by the names that they use.

use crate::sandbox::{Sandbox, StartTrigger, Template, catalogue};

/// `CRYPTLEX_PRODUCT_ID` of the server that is compared. Situations whose bodies name no product sell a month of it.
pub const CONFIGURED_PRODUCT: &str = "11111111-1111-4111-8111-0000000000a3";

/// Products that bodies call by a name, and as Cryptlex would: by a UUID. Their default template is `tmpl_monthly`.
const PRODUCTS: [(&str, &str); 4] = [
    ("prod_1", "11111111-1111-4111-8111-0000000000a1"),
    ("prod_2", "11111111-1111-4111-8111-0000000000a2"),
    ("prod_v1", CONFIGURED_PRODUCT),
    ("prod_meta", "11111111-1111-4111-8111-0000000000a4"),
];

/// Templates likewise, and the interval that each gives a license.
const TEMPLATES: [(&str, &str, &str); 3] = [
    ("tmpl_monthly", "66666666-6666-4666-8666-0000000000a1", "P1M"),
    ("tmpl_yearly", "66666666-6666-4666-8666-0000000000a2", "P1Y"),
    ("tmpl_perpetual", "66666666-6666-4666-8666-0000000000a3", ""),
];

/// The products of `events/`, which every sandbox has.
const OF_EVENTS: [(&str, &str); 4] = [
    ("yearly", catalogue::YEARLY_PRODUCT),
    ("monthly", catalogue::MONTHLY_PRODUCT),
    ("perpetual", catalogue::PERPETUAL_PRODUCT),
    ("other", catalogue::OTHER_YEARLY_PRODUCT),
];

/// Adds the products and templates that a sandbox does not begin with.
pub fn fill(sandbox: &Sandbox) {
    for (name, id, interval) in TEMPLATES {
        let trigger = if interval.is_empty() { None } else { Some(StartTrigger::Creation) };
        sandbox.insert_template(Template::new(id, name, interval, trigger));
    }
    for (_, id) in PRODUCTS {
        sandbox.insert_product(id, TEMPLATES[0].1);
    }
}

/// The name of a product.
pub(super) fn name_of(product: &str) -> &str {
    let known = PRODUCTS.iter().chain(&OF_EVENTS).find(|(_, id)| *id == product);
    known.map_or(product, |(name, _)| name)
}

/// A body with UUIDs in it instead of names.
pub(super) fn with_ids(body: &str) -> String {
    let templates = TEMPLATES.iter().map(|(name, id, _)| (*name, *id));
    PRODUCTS.into_iter().chain(templates).fold(body.to_owned(), |body, (name, id)| {
        body.replace(&format!("\"{name}\""), &format!("\"{id}\""))
    })
}
