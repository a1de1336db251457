//! Sentences for people, with the values that they name.

use serde_json::Value;
use std::{collections::BTreeMap, fmt, ops::Deref};

/// Values of a sentence by their names, in snake_case. They are texts and numbers; a name says the unit (`limit_bytes`).
pub type Params = BTreeMap<&'static str, Value>;

/// An English sentence, and the values in it: with them and the code of its error, a panel words it in another language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sentence {
    text: String,
    params: Params,
}

impl Sentence {
    /// It with a value that it names.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.params.insert(name, value.into());
        self
    }

    /// It with the machine-readable reason why a field of the input is refused, in snake_case.
    #[must_use]
    pub fn because(self, reason: &'static str) -> Self {
        self.with("reason", reason)
    }

    /// The values that it names.
    #[must_use]
    pub const fn params(&self) -> &Params {
        &self.params
    }
}

impl From<String> for Sentence {
    fn from(text: String) -> Self {
        Self { text, params: Params::new() }
    }
}

impl From<&str> for Sentence {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl Deref for Sentence {
    type Target = str;
    fn deref(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Sentence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
