//! Variables, one at a time. What is missing or wrong is collected.

use std::ops::RangeInclusive;

use http::Uri;

use super::problem::{Problem, Warning};

/// What was read so far, and what was wrong with it.
pub(super) struct Reader<R> {
    pub(super) read: R,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<String>,
    pub(super) alarms: Vec<String>,
}

impl<R: Fn(&str) -> Option<String>> Reader<R> {
    pub(super) fn new(read: R) -> Self {
        Self { read, problems: Vec::new(), warnings: Vec::new(), alarms: Vec::new() }
    }

    /// Works, and should be looked at all the same.
    pub(super) fn warn(&mut self, warning: Warning) {
        self.warnings.push(warning.to_string());
    }

    pub(super) fn optional(&mut self, variable: &str) -> Option<String> {
        let raw = (self.read)(variable).unwrap_or_default();
        let value = raw.trim();
        let file = format!("{variable}_FILE");
        // What nobody could read must not be the same as what nobody wants.
        if value.is_empty() && (self.read)(&file).is_some_and(|path| !path.trim().is_empty()) {
            self.problems.push(Problem::NoFile(file));
            return None;
        }
        if value.len() != raw.len() && !value.is_empty() {
            self.warn(Warning::Blanks(variable.to_owned()));
        }
        Some(value.to_owned()).filter(|value| !value.is_empty())
    }

    /// Whether Lambda runs the process.
    pub(super) fn is_in_lambda(&mut self) -> bool {
        self.optional("AWS_LAMBDA_RUNTIME_API").is_some()
    }

    pub(super) fn required(&mut self, variable: &'static str) -> Option<String> {
        let value = self.optional(variable);
        if value.is_none() {
            self.problems.push(Problem::Missing(variable));
        }
        value
    }

    pub(super) fn number(
        &mut self,
        variable: &'static str,
        default: u64,
        range: RangeInclusive<u64>,
        wanted: &'static str,
    ) -> u64 {
        let Some(text) = self.optional(variable) else {
            return default;
        };
        match text.parse::<u64>() {
            Ok(number) if range.contains(&number) => number,
            Ok(_) | Err(_) => {
                self.problems.push(Problem::Invalid { variable, wanted });
                default
            }
        }
    }

    pub(super) fn choice<T: Copy>(
        &mut self,
        variable: &'static str,
        default: T,
        choices: &[(&str, T)],
        wanted: &'static str,
    ) -> T {
        let Some(text) = self.optional(variable) else {
            return default;
        };
        match choices.iter().find(|(name, _)| *name == text) {
            Some((_, choice)) => *choice,
            None => {
                self.problems.push(Problem::Invalid { variable, wanted });
                default
            }
        }
    }
}

/// Where something can be reached by HTTP.
pub(super) fn web_address(url: &str) -> Option<Uri> {
    let uri: Uri = url.parse().ok()?;
    let authority = uri.authority()?.as_str();
    let has_port = authority.rsplit(']').next()?.contains(':');
    let whole = matches!(uri.scheme_str(), Some("http" | "https"))
        && !uri.host()?.is_empty()
        && (!has_port || uri.port_u16().is_some());
    whole.then_some(uri)
}
