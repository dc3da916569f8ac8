//! Metadata of licenses and users.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::{instant, settings::MetadataPatch};

const MAX_ITEMS: usize = 50;
const VIEWERS: [&str; 4] = ["activation", "user", "organization", "reseller"];

/// One item.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MetadataItem {
    /// Its own id.
    pub id: String,
    /// Key.
    pub key: String,
    /// Value, always a text.
    pub value: String,
    /// Who may see it besides administrators.
    pub view_permissions: Vec<String>,
    /// When it was written first.
    #[serde(serialize_with = "instant::serialize")]
    pub created_at: Timestamp,
    /// When it was written last.
    #[serde(serialize_with = "instant::serialize")]
    pub updated_at: Timestamp,
}

/// What is wrong with a posted list, if anything.
pub(super) fn flaw(value: &Value) -> Option<String> {
    let Some(items) = value.as_array() else {
        return Some("must be an array".to_owned());
    };
    if items.len() > MAX_ITEMS {
        return Some(format!("must have at most {MAX_ITEMS} items"));
    }
    items.iter().enumerate().find_map(|(index, item)| {
        let Some(item) = item.as_object() else {
            return Some(format!("has an item {index} that is not an object"));
        };
        let unknown = item.iter().find(|(name, value)| !is_known(name, value));
        if let Some((name, _)) = unknown {
            return Some(format!("has an item {index} with an unknown or wrong '{name}'"));
        }
        let missing = ["key", "value"].into_iter().find(|name| !item.contains_key(*name));
        if let Some(name) = missing {
            return Some(format!("has an item {index} without '{name}'"));
        }
        let same_key = |other: &&Value| other.get("key") == item.get("key");
        let again = items.iter().filter(same_key).count() > 1;
        again.then(|| format!("has the key of item {index} more than once"))
    })
}

fn is_known(name: &str, value: &Value) -> bool {
    let is_viewer = |it: &Value| it.as_str().is_some_and(|text| VIEWERS.contains(&text));
    match name {
        "key" => value.as_str().is_some_and(|text| !text.is_empty()),
        "value" => value.is_string(),
        "viewPermissions" => value.as_array().is_some_and(|list| list.iter().all(is_viewer)),
        // Required until view permissions came, and still sent by Cryptlex's own importer.
        "visible" => value.is_boolean(),
        _ => false,
    }
}

/// Writes a posted list over the items that are there.
pub(super) fn write(
    items: &mut Vec<MetadataItem>,
    posted: &Value,
    how: MetadataPatch,
    now: Timestamp,
    mut next_id: impl FnMut() -> String,
) -> Result<(), String> {
    let before = match how {
        MetadataPatch::MergeByKey => items.clone(),
        MetadataPatch::Replace => std::mem::take(items),
    };
    for item in posted.as_array().into_iter().flatten() {
        let text = |name: &str| item[name].as_str().unwrap_or_default().to_owned();
        let known = before.iter().find(|old| old.key == text("key"));
        let new = MetadataItem {
            id: known.map_or_else(&mut next_id, |old| old.id.clone()),
            key: text("key"),
            value: text("value"),
            view_permissions: serde_json::from_value(item["viewPermissions"].clone())
                .unwrap_or_default(),
            created_at: known.map_or(now, |old| old.created_at),
            updated_at: now,
        };
        match items.iter_mut().find(|old| old.key == new.key) {
            Some(old) => *old = new,
            None => items.push(new),
        }
    }
    if items.len() > MAX_ITEMS {
        *items = before;
        return Err(format!("'metadata' would have more than {MAX_ITEMS} items"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn flaws_name_the_item() {
        let many: Vec<Value> =
            (0..51).map(|n| json!({"key": format!("k{n}"), "value": ""})).collect();
        for (posted, expect) in [
            (json!([{"key": "a", "value": "1", "viewPermissions": []}]), None),
            (json!([{"key": "a", "value": "", "visible": true}]), None),
            (json!(many[..50]), None),
            (json!(many), Some("must have at most 50 items")),
            (json!({}), Some("must be an array")),
            (json!(["a"]), Some("has an item 0 that is not an object")),
            (
                json!([{"key": "a", "value": 1}]),
                Some("has an item 0 with an unknown or wrong 'value'"),
            ),
            (
                json!([{"key": "a", "value": "", "id": "x"}]),
                Some("has an item 0 with an unknown or wrong 'id'"),
            ),
            (json!([{"key": "a"}]), Some("has an item 0 without 'value'")),
            (
                json!([{"key": "a", "value": "1"}, {"key": "a", "value": "2"}]),
                Some("has the key of item 0 more than once"),
            ),
        ] {
            assert_eq!(flaw(&posted).as_deref(), expect, "{posted}");
        }
    }
}
