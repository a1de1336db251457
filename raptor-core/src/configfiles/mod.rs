//! Edits of configuration files: text in, text out. Comments, order and what is not named stay as they are.

mod ini;
mod json;
mod lines;

use crate::templates::{ConfigEdit, ConfigParser};
use serde_json::Value;

/// The largest file that is edited, in bytes.
pub const MAX_SIZE: usize = 4 * 1024 * 1024;

/// Why a file was not edited.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigFileError {
    /// It is larger than [`MAX_SIZE`].
    #[error("it is larger than 4 MiB")]
    TooLarge,
    /// It is not of the format that the template says.
    #[error("it is no valid {0}")]
    Malformed(&'static str),
    /// This version does not edit this format.
    #[error("this version of Raptor does not edit {0} files")]
    Unsupported(&'static str),
    /// A condition of an edit is no pattern.
    #[error("the condition {0:?} is no valid pattern")]
    Condition(String),
}

/// Whether files of this format are edited by this version.
#[must_use]
pub const fn is_supported(parser: ConfigParser) -> bool {
    matches!(parser, ConfigParser::File | ConfigParser::Properties | ConfigParser::Ini | ConfigParser::Json)
}

/// Applies `edits` to `text`, which is empty where there was no file.
///
/// # Errors
/// [`ConfigFileError`]; then the file is to be left as it is.
pub fn apply(parser: ConfigParser, text: &str, edits: &[ConfigEdit]) -> Result<String, ConfigFileError> {
    if text.len() > MAX_SIZE {
        return Err(ConfigFileError::TooLarge);
    }
    match parser {
        ConfigParser::File => Ok(lines::replace_lines(text, edits)),
        ConfigParser::Properties => lines::properties(text, edits),
        ConfigParser::Ini => ini::edit(text, edits),
        ConfigParser::Json => json::edit(text, edits),
        ConfigParser::Yaml => Err(ConfigFileError::Unsupported("YAML")),
        ConfigParser::Xml => Err(ConfigFileError::Unsupported("XML")),
        ConfigParser::Toml => Err(ConfigFileError::Unsupported("TOML")),
    }
}

/// The new value where the present one meets the edit's condition; a pattern's groups may be named in it (`$1`).
fn wanted(edit: &ConfigEdit, present: Option<&str>) -> Result<Option<Value>, ConfigFileError> {
    let Some(condition) = &edit.if_value else { return Ok(Some(edit.value.clone())) };
    let Some(present) = present else { return Ok(None) };
    let Some(pattern) = condition.strip_prefix("regex:") else {
        return Ok((present == condition).then(|| edit.value.clone()));
    };
    let pattern = regex::Regex::new(pattern).map_err(|_| ConfigFileError::Condition(condition.clone()))?;
    if !pattern.is_match(present) {
        return Ok(None);
    }
    Ok(Some(match &edit.value {
        Value::String(new) => Value::String(pattern.replace_all(present, new.as_str()).into_owned()),
        other => other.clone(),
    }))
}

/// A value as a line-based format writes it.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The line end that a text uses.
fn line_end(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}
