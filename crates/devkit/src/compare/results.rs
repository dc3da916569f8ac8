//! What one server came to in all situations, as a file in `situations/results/`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::judge::Outcome;
use super::play::Played;

/// The results of one server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Results {
    /// What it is called.
    pub server: String,
    /// Its version, and how it was obtained and run.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub about: String,
    /// The day on which it was played.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub played: String,
    /// By the name of the situation.
    pub situations: BTreeMap<String, ResultOf>,
}

/// The result of one situation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResultOf {
    /// The verdict.
    pub outcome: Outcome,
    /// The licenses that were there, if they were not exactly those that should be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<Vec<String>>,
    /// How many of the licenses are of another situation, because the server was late with them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub leftover: usize,
    /// How many deliveries were never answered 2xx.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unacknowledged: usize,
    /// What the last of these was answered.
    #[serde(skip)]
    pub refusal: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl From<&Played> for ResultOf {
    fn from(played: &Played) -> Self {
        Self {
            outcome: played.outcome,
            found: (!played.is_exact).then(|| played.found.clone()),
            leftover: played.leftover,
            unacknowledged: played.refused.len(),
            refusal: played.refused.last().cloned(),
        }
    }
}

impl Results {
    /// Reads a file of `situations/results/`.
    pub fn read(json: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json)
    }

    /// As the file is written.
    pub fn write(&self) -> String {
        let text = serde_json::to_string_pretty(self).unwrap_or_default();
        format!("{text}\n")
    }

    /// `58 right, 2 wrong, 1 not handled`.
    pub fn summary(&self) -> String {
        let count = |of: Outcome| self.situations.values().filter(|it| it.outcome == of).count();
        let all = [Outcome::Right, Outcome::Wrong, Outcome::NotHandled];
        all.map(|outcome| format!("{} {}", count(outcome), outcome.word())).join(", ")
    }

    /// Whether every situation came out right.
    pub fn is_right(&self) -> bool {
        self.situations.values().all(|it| it.outcome == Outcome::Right)
    }
}
