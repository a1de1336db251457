//! Editing configuration files: bytes in, bytes out. Comments, order, encoding and everything not named stay unchanged.
//!
//! JSON, YAML and TOML share one meaning of an edit ([`tree`]): it is applied to the parsed value, and only where that changes
//! something is the text changed, in place. The result is parsed again and compared: if anything else would change, the file is
//! not written.

mod ini;
mod json;
mod lines;
mod memory;
mod properties;
mod sniff;
mod toml;
mod tree;
mod xml;
mod xml_path;
mod yaml;

pub use memory::{FileMemory, Memory};

use crate::{
    templates::{ConfigEdit, ConfigParser},
    text::{LackingOne, Lossless, is_reserved},
};
use serde_json::Value;

/// The largest file that is edited, in bytes.
pub const MAX_SIZE: usize = 4 * 1024 * 1024;
/// The largest result of editing a file, in bytes.
const MAX_RESULT: usize = 2 * MAX_SIZE;
/// The largest compiled pattern of a condition, in bytes.
const MAX_PATTERN: usize = 1024 * 1024;

/// Why a file was not edited.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigFileError {
    /// It is larger than [`MAX_SIZE`], or would become too large.
    #[error("it is larger than 4 MiB")]
    TooLarge,
    /// It is not in the format that the template states.
    #[error("it is no valid {0}")]
    Malformed(&'static str),
    /// The file or the key is nested too deeply.
    #[error("it is nested too deeply")]
    TooDeep,
    /// The condition of an edit is not a valid pattern.
    #[error("the condition {0:?} is no valid pattern")]
    Condition(String),
    /// An edit is not possible without changing something else.
    #[error("the edits can't be made without changing other parts of it")]
    Entangled,
    /// The file's encoding lacks a character of a value.
    #[error("it is {encoding} text, which can't hold \"{}\". Save it as UTF-8 or choose another value", .character.escape_debug())]
    Unrepresentable {
        /// The name of the encoding.
        encoding: &'static str,
        /// The missing character.
        character: char,
    },
}

/// Applies `edits` to a file, given as empty if it doesn't exist. All bytes but those of edited values stay unchanged, and
/// values are written in the file's encoding. `memory` is what earlier starts wrote into this file, and is updated.
///
/// # Errors
/// [`ConfigFileError`]; the file must be left unchanged then.
pub fn apply(
    parser: ConfigParser,
    bytes: &[u8],
    edits: &[ConfigEdit],
    memory: &mut FileMemory,
) -> Result<Vec<u8>, ConfigFileError> {
    if bytes.len() > MAX_SIZE {
        return Err(ConfigFileError::TooLarge);
    }
    if let Some(character) = reserved(edits) {
        return Err(ConfigFileError::Unrepresentable { encoding: "Unicode", character });
    }
    let file = Lossless::of(bytes, sniff::charset(bytes, parser));
    if file.text.len() > MAX_RESULT {
        return Err(ConfigFileError::TooLarge);
    }
    let mut learned = memory.clone();
    let edited = edit(parser, &file.text, edits, &mut learned)?;
    let written = if edited == file.text { bytes.to_vec() } else { write(parser, &file, &edited)? };
    if written.len() > MAX_RESULT {
        return Err(ConfigFileError::TooLarge);
    }
    *memory = learned;
    Ok(written)
}

fn edit(
    parser: ConfigParser,
    text: &str,
    edits: &[ConfigEdit],
    memory: &mut FileMemory,
) -> Result<String, ConfigFileError> {
    match parser {
        ConfigParser::File => lines::replace(text, edits),
        ConfigParser::Properties => properties::edit(text, edits),
        ConfigParser::Ini => ini::edit(text, edits, memory),
        ConfigParser::Json => json::edit(text, edits),
        ConfigParser::Yaml => yaml::edit(text, edits),
        ConfigParser::Xml => xml::edit(text, edits),
        ConfigParser::Toml => toml::edit(text, edits),
    }
}

fn write(parser: ConfigParser, file: &Lossless, edited: &str) -> Result<Vec<u8>, ConfigFileError> {
    let lacking = match file.encode(edited) {
        Err(lacking) if parser == ConfigParser::Xml => lacking,
        written => return Ok(written?),
    };
    // XML can express missing characters as references, except in names of elements.
    let referring = file.with_references(edited);
    if xml::check(&referring).is_err() {
        return Err(lacking.into());
    }
    Ok(file.encode(&referring)?)
}

impl From<LackingOne> for ConfigFileError {
    fn from(LackingOne { charset, character }: LackingOne) -> Self {
        Self::Unrepresentable { encoding: charset, character }
    }
}

/// A character of an edit that would be mistaken for a byte of the file.
fn reserved(edits: &[ConfigEdit]) -> Option<char> {
    fn in_text(text: &str) -> Option<char> {
        text.chars().find(|character| is_reserved(*character))
    }
    fn within(value: &Value) -> Option<char> {
        match value {
            Value::String(text) => in_text(text),
            Value::Array(items) => items.iter().find_map(within),
            Value::Object(map) => map.iter().find_map(|(key, value)| in_text(key).or_else(|| within(value))),
            _ => None,
        }
    }
    edits.iter().find_map(|edit| in_text(&edit.key).or_else(|| within(&edit.value)))
}

/// The new value if the present one meets the edit's condition. The value may refer to the condition's groups (`$1`).
fn wanted(edit: &ConfigEdit, present: Option<&str>) -> Result<Option<Value>, ConfigFileError> {
    let Some(condition) = &edit.if_value else { return Ok(Some(edit.value.clone())) };
    let Some(present) = present else { return Ok(None) };
    let Some(pattern) = condition.strip_prefix("regex:") else {
        return Ok((present == condition).then(|| edit.value.clone()));
    };
    let pattern = regex::RegexBuilder::new(pattern)
        .size_limit(MAX_PATTERN)
        .build()
        .map_err(|_| ConfigFileError::Condition(condition.clone()))?;
    if !pattern.is_match(present) {
        return Ok(None);
    }
    Ok(Some(match &edit.value {
        Value::String(new) => Value::String(pattern.replace(present, new.as_str()).into_owned()),
        other => other.clone(),
    }))
}

/// A value as line-based formats write it.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// A value for formats in which it ends with its line.
fn one_line(value: &Value) -> String {
    plain(value).replace(['\r', '\n'], " ")
}

fn line_end(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}

/// Replaces parts of a text. Changes at the same position are applied in the order in which they were requested.
fn splice(text: &str, mut changes: Vec<(std::ops::Range<usize>, String)>) -> Result<String, ConfigFileError> {
    changes.sort_by_key(|(range, _)| range.start);
    let mut written = String::with_capacity(text.len());
    let mut at = 0;
    for (range, new) in changes {
        let kept = text.get(at..range.start).ok_or(ConfigFileError::Entangled)?;
        written.push_str(kept);
        written.push_str(&new);
        at = range.end;
    }
    written.push_str(text.get(at..).ok_or(ConfigFileError::Entangled)?);
    Ok(written)
}

#[cfg(test)]
mod tests;
