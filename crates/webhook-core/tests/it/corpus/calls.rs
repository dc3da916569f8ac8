//! The calls of Cryptlex that a delivery makes, one line each.

use devkit::sandbox::Call;
use serde_json::Value;

use super::fields::{Fields, items, plain};

/// Calls that run side by side arrive in any order, so neighbours of one kind are sorted.
pub(super) fn transcript(calls: &[Call]) -> Vec<String> {
    let mut lines: Vec<String> = calls.iter().map(call).collect();
    for neighbours in lines.chunk_by_mut(|a, b| kind_of(a) == kind_of(b)) {
        neighbours.sort();
    }
    lines
}

fn call(call: &Call) -> String {
    let path = call.path.replace("[eq]=", " is ").replace("[in]=", " is any of ");
    let path = path.replace("&limit=100&page=1", "").replace('?', " where ").replace('&', " and ");
    let status = match call.status {
        Some(200..=299) => String::new(),
        Some(status) => format!(" -> {status}"),
        None => " -> dropped".to_owned(),
    };
    let body = call.body.as_ref().map(body).unwrap_or_default();
    format!("{} {path}{body}{status}", call.method)
}

pub(super) fn body(body: &Value) -> String {
    let mut body = Fields::of(body.clone());
    let metadata = items(body.take("metadata")).into_iter().map(|item| {
        let mut item = Fields::of(item);
        let said = format!("{}={}", plain(&item.take("key")), plain(&item.take("value")));
        [vec![said], item.rest()].concat().join(" ")
    });
    let metadata: Vec<String> = metadata.collect();
    let password = body.take("password");
    let password = (!password.is_null()).then(|| "a random password".to_owned());
    let said = body.rest().into_iter().chain(metadata).chain(password);
    said.map(|it| format!(", {it}")).collect()
}

/// Reads are one kind, writes differ by what is written: `POST /v3/users`.
fn kind_of(line: &str) -> String {
    let words = if line.starts_with("GET") { 1 } else { 3 };
    line.split_inclusive([' ', '/', '?', ',']).take(words + 1).collect()
}
