//! Bodies that are made of other bodies.

use super::{CorpusError, case};
use crate::sign::Provider;

/// A body with other ids, people and times in it: changed as text, so that the rest stays the bytes that a provider sends.
#[derive(Debug, Clone)]
pub struct Text {
    text: String,
    of: String,
}

impl Text {
    /// As it lies in the file.
    pub fn of(provider: Provider, name: &str) -> Result<Text, CorpusError> {
        let body = case(provider, name)?.body;
        let of = format!("{provider}/{name}");
        match String::from_utf8(body) {
            Ok(text) => Ok(Text { text, of }),
            Err(_) => Err(CorpusError::Changed { case: of, what: "UTF-8 only".to_owned() }),
        }
    }

    /// What must be there: a corpus that changed would otherwise be delivered unchanged.
    pub fn change(&mut self, from: &str, to: &str) -> Result<(), CorpusError> {
        self.must_hold(from)?;
        self.text = self.text.replace(from, to);
        Ok(())
    }

    /// The first of several.
    pub fn change_first(&mut self, from: &str, to: &str) -> Result<(), CorpusError> {
        self.must_hold(from)?;
        self.text = self.text.replacen(from, to, 1);
        Ok(())
    }

    /// What may be there.
    pub fn rename(&mut self, from: &str, to: &str) {
        self.text = self.text.replace(from, to);
    }

    /// As it is now.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// As it is now.
    pub fn into_string(self) -> String {
        self.text
    }

    /// The error for something that should be in it.
    pub fn lacks(&self, what: &str) -> CorpusError {
        CorpusError::Changed { case: self.of.clone(), what: what.to_owned() }
    }

    fn must_hold(&self, what: &str) -> Result<(), CorpusError> {
        if self.text.contains(what) { Ok(()) } else { Err(self.lacks(what)) }
    }
}
