//! The kinds of input that suit the rules of variables.

use super::{Rules, notation::Rule};
use serde::{Deserialize, Serialize};

/// What a person is shown to set a variable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum VariableInput {
    /// A switch between two values.
    Toggle {
        /// The value when it is on.
        on: String,
        /// The value when it is off.
        off: String,
    },
    /// One of some values.
    Select {
        /// The values to choose from, in the order of the rule.
        options: Vec<String>,
    },
    /// A field for numbers.
    Number {
        /// The smallest number allowed; null = no limit.
        min: Option<f64>,
        /// The largest number allowed; null = no limit.
        max: Option<f64>,
        /// Whether it has no fraction.
        integer: bool,
    },
    /// A field for text.
    Text {
        /// The least number of characters; null = no minimum.
        min_length: Option<u32>,
        /// The greatest number of characters; null = no maximum.
        max_length: Option<u32>,
    },
    /// Text that is not shown again.
    Secret {
        /// The least number of characters; null = no minimum.
        min_length: Option<u32>,
        /// The greatest number of characters; null = no maximum.
        max_length: Option<u32>,
    },
}

impl Rules {
    /// The kind of input that suits the rules.
    #[must_use]
    pub fn input(&self) -> VariableInput {
        let options = self
            .0
            .iter()
            .find_map(|rule| if let Rule::In(values) = rule { Some(values.clone()) } else { None });
        if let Some(options) = options {
            return match options.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
                ["true", "false"] | ["false", "true"] => {
                    VariableInput::Toggle { on: "true".into(), off: "false".into() }
                }
                ["0", "1"] | ["1", "0"] => VariableInput::Toggle { on: "1".into(), off: "0".into() },
                ["yes", "no"] | ["no", "yes"] => VariableInput::Toggle { on: "yes".into(), off: "no".into() },
                ["on", "off"] | ["off", "on"] => VariableInput::Toggle { on: "on".into(), off: "off".into() },
                ["True", "False"] | ["False", "True"] => {
                    VariableInput::Toggle { on: "True".into(), off: "False".into() }
                }
                _ => VariableInput::Select { options },
            };
        }
        if self.has(&Rule::Boolean) {
            return VariableInput::Toggle { on: "1".into(), off: "0".into() };
        }
        let (mut min, mut max) = (None, None);
        for rule in &self.0 {
            match rule {
                Rule::Min(bound) => min = bound.parse::<f64>().ok(),
                Rule::Max(bound) => max = bound.parse::<f64>().ok(),
                Rule::Between(low, high) => (min, max) = (low.parse().ok(), high.parse().ok()),
                _ => {}
            }
        }
        if self.is_number() {
            return VariableInput::Number { min, max, integer: self.has(&Rule::Integer) };
        }
        let length =
            |bound: Option<f64>| bound.filter(|bound| (0.0..1e6).contains(bound)).map(|bound| bound as u32);
        VariableInput::Text { min_length: length(min), max_length: length(max) }
    }
}
