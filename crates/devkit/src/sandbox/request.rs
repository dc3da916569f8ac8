//! A call as it came in: percent-encoding undone, body still bytes.

use serde_json::Value;

/// One HTTP request to the API.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) segments: Vec<String>,
    pub(super) query: Vec<(String, String)>,
    pub(super) token: Option<String>,
    pub(super) body: Vec<u8>,
}

impl Request {
    /// What its head says. The body is yet to come.
    pub(super) fn new(parts: &http::request::Parts) -> Request {
        let token = parts
            .headers
            .get(http::header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "))
            .map(str::to_owned);
        let path = parts.uri.path().trim_start_matches('/');
        let pairs = parts.uri.query().unwrap_or_default().split('&');
        Request {
            method: parts.method.as_str().to_owned(),
            segments: path.split('/').map(|segment| decode(segment, false)).collect(),
            query: pairs
                .filter(|pair| !pair.is_empty())
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
                .map(|(name, value)| (decode(name, true), decode(value, true)))
                .collect(),
            token,
            body: Vec::new(),
        }
    }

    /// The page, or a control of the sandbox; everything else is a call of the API.
    pub(super) fn is_for_people(&self) -> bool {
        match self.segments.as_slice() {
            [root] if root.is_empty() => matches!(self.method.as_str(), "GET" | "HEAD"),
            [first, ..] => first == "sandbox",
            [] => false,
        }
    }

    /// Path and query for people to read and for faults to match.
    pub(super) fn readable_path(&self) -> String {
        let mut text = format!("/{}", self.segments.join("/"));
        for (index, (name, value)) in self.query.iter().enumerate() {
            text.push(if index == 0 { '?' } else { '&' });
            text.push_str(name);
            text.push('=');
            text.push_str(value);
        }
        text
    }

    /// The body as JSON, or as text when it is none.
    pub(super) fn readable_body(&self) -> Option<Value> {
        if self.body.is_empty() {
            return None;
        }
        let json = serde_json::from_slice(&self.body);
        Some(json.unwrap_or_else(|_| String::from_utf8_lossy(&self.body).into()))
    }
}

fn decode(text: &str, plus_is_space: bool) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = |digits: &[u8]| {
            let digits = std::str::from_utf8(digits).ok()?;
            u8::from_str_radix(digits, 16).ok()
        };
        match (first, after.get(..2).and_then(hex)) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
                continue;
            }
            (b'+', _) if plus_is_space => bytes.push(b' '),
            (other, _) => bytes.push(other),
        }
        rest = after;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_encoding_is_undone() {
        for (text, path, query) in [
            ("sub_1%202%2B%26%C3%A9", "sub_1 2+&é", "sub_1 2+&é"),
            ("a+b", "a+b", "a b"),
            ("50%", "50%", "50%"),
            ("%zz%4", "%zz%4", "%zz%4"),
        ] {
            assert_eq!(decode(text, false), path);
            assert_eq!(decode(text, true), query);
        }
    }
}
