//! Variables, one at a time. What is missing or wrong is collected.

use std::ops::RangeInclusive;

use http::Uri;

/// Something about the configuration that a person must fix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A required variable is not there, or blank.
    #[error("{0} was not found in environment variables.")]
    Missing(&'static str),
    /// A variable has a value that means nothing.
    #[error("{variable} must be {wanted}.")]
    Invalid {
        /// Its name.
        variable: &'static str,
        /// The values that are allowed.
        wanted: &'static str,
    },
    /// A file that should hold a value.
    #[error("the file that {0} names cannot be read, or is empty.")]
    NoFile(String),
}

impl Problem {
    /// The variable that it is about.
    pub fn variable(&self) -> &str {
        match self {
            Self::Missing(variable) | Self::Invalid { variable, .. } => variable,
            Self::NoFile(variable) => variable,
        }
    }
}

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
            self.warnings.push(format!("{variable} has blanks around it: they were cut off"));
        }
        Some(value.to_owned()).filter(|value| !value.is_empty())
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
