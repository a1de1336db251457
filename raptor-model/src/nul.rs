//! The character U+0000: PostgreSQL accepts it neither in text nor in JSON, so it is rejected in input, and replaced in what
//! hosts report.

use crate::{Error, Result};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::borrow::Cow;

/// The replacement character.
const REPLACEMENT: &str = "\u{fffd}";

/// Rejects `text`, which is the input's `field`, if it contains the character.
///
/// # Errors
/// [`Error::Invalid`] at `field`.
pub fn check(field: &str, text: &str) -> Result<()> {
    if text.contains('\0') { Err(refusal(field)) } else { Ok(()) }
}

/// The error for an input whose `field` contains the character.
#[must_use]
pub fn refusal(field: &str) -> Error {
    Error::invalid(field, "This contains the character U+0000 (NUL), which can't be stored. Remove it.")
        .because("unstorable")
}

/// The dotted path of the first string or key that contains the character: `variables.MOTD`, `ports.0.note`.
#[must_use]
pub fn field(value: &Value) -> Option<String> {
    let below = |name: &dyn std::fmt::Display, value| {
        field(value).map(|rest| if rest.is_empty() { name.to_string() } else { format!("{name}.{rest}") })
    };
    match value {
        Value::String(text) => text.contains('\0').then(String::new),
        Value::Array(items) => items.iter().enumerate().find_map(|(place, item)| below(&place, item)),
        Value::Object(map) => map.iter().find_map(|(key, value)| match key.contains('\0') {
            true => Some(key.replace('\0', REPLACEMENT)),
            false => below(key, value),
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

/// The text with the character replaced by U+FFFD.
#[must_use]
pub fn replaced(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', REPLACEMENT)) } else { Cow::Borrowed(text) }
}

/// The value with the character replaced by U+FFFD in all strings and keys.
#[must_use]
pub fn replaced_in(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(replaced(&text).into_owned()),
        Value::Array(items) => Value::Array(items.into_iter().map(replaced_in).collect()),
        Value::Object(map) => Value::Object(
            map.into_iter().map(|(key, value)| (replaced(&key).into_owned(), replaced_in(value))).collect(),
        ),
        other => other,
    }
}

/// A message with the character replaced, so that it can be stored.
#[must_use]
pub fn storable<T: Serialize + DeserializeOwned>(message: T) -> T {
    let escaped = serde_json::to_string(&message).is_ok_and(|text| text.contains(r"\u0000"));
    if !escaped {
        return message;
    }
    let cleaned = serde_json::to_value(&message).and_then(|value| serde_json::from_value(replaced_in(value)));
    cleaned.unwrap_or(message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_field_that_holds_nul_is_named() {
        for (value, named) in [
            (json!({ "name": "a\0" }), Some("name")),
            (json!({ "variables": { "A": "", "B": "\0" } }), Some("variables.B")),
            (json!({ "list": ["a", { "b": "\0" }] }), Some("list.1.b")),
            (json!("\0"), Some("")),
            (json!({ "a": r"\u0000", "n": 0 }), None),
        ] {
            assert_eq!(field(&value).as_deref(), named, "{value}");
        }
    }

    #[test]
    fn a_message_is_stored_with_a_sign_in_its_place_and_otherwise_as_it_was() {
        let message = json!({ "a\0": ["x\0y", 7, null], "b": r"\u0000" });
        assert_eq!(storable(message), json!({ "a\u{fffd}": ["x\u{fffd}y", 7, null], "b": r"\u0000" }));
    }
}
