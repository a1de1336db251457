//! Parsing the text of a file: JSON or YAML 1.2.

use super::import::ImportWarning;
use crate::{Error, Result, yaml};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::{cell::RefCell, fmt};

/// The largest accepted file, in bytes.
pub const MAX_SIZE: usize = 4 * 1024 * 1024;

thread_local! {
    /// Repeated keys in the document that this thread is parsing.
    static REPEATED: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

pub(super) fn parse(bytes: &[u8]) -> Result<(Value, Vec<ImportWarning>)> {
    let read = read(bytes)?;
    // Neither databases nor environments can hold U+0000.
    if has_nul(&read.0) {
        return Err(Error::invalid(
            "body",
            "This file holds text with a NUL character, which no template may have.",
        )
        .because("unstorable"));
    }
    Ok(read)
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(map) => map.iter().any(|(key, value)| key.contains('\0') || has_nul(value)),
        _ => false,
    }
}

fn read(bytes: &[u8]) -> Result<(Value, Vec<ImportWarning>)> {
    let refuse = |why: String| Error::invalid("body", why).because("template_file");
    if bytes.len() > MAX_SIZE {
        return Err(refuse("A template has at most 4 MiB.".into()).because("template_size"));
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|_| refuse("This file is not UTF-8 text.".into()).because("not_utf8"))?;
    let text = text.trim_start_matches('\u{feff}');
    // E.g. the address of a web page about the file instead of the file's own.
    if text.trim_start().starts_with('<') {
        return Err(refuse(
            "This is a web page or XML, not a template. Take the file itself; many sites call it Raw.".into(),
        )
        .because("web_page"));
    }
    let twice = |key: &String| ImportWarning {
        path: key.clone(),
        message: "This key appears twice; the last one is used.".into(),
    };
    if text.trim_start().starts_with(['{', '[']) {
        REPEATED.take();
        let read = serde_json::from_str::<Strict>(text);
        let repeated = REPEATED.take();
        let value = read.map_err(|error| refuse(format!("This is not a template in JSON: {error}.")))?;
        return Ok((value.0, repeated.iter().map(twice).collect()));
    }
    let document =
        yaml::parse(text).map_err(|error| refuse(format!("This is not a template in YAML: {error}.")))?;
    let (value, repeated) =
        document.value().map_err(|error| refuse(format!("This is not a template in YAML: {error}.")))?;
    let mut warnings: Vec<_> = repeated.iter().map(twice).collect();
    if document.more {
        warnings.push(ImportWarning {
            path: String::new(),
            message: "The file holds several documents; the first one was read.".into(),
        });
    }
    Ok((value, warnings))
}

/// A value that records repeated keys while it is parsed.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reading)
    }
}

struct Reading;

impl<'de> Visitor<'de> for Reading {
    type Value = Strict;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Strict, E> {
        Ok(Strict(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Strict, E> {
        Ok(Strict(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Strict, E> {
        Ok(Strict(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Strict, E> {
        serde_json::Number::from_f64(value).map(|n| Strict(n.into())).ok_or_else(|| E::custom("no number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Strict, E> {
        Ok(Strict(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Strict, E> {
        Ok(Strict(Value::Null))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Strict, A::Error> {
        let mut list = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Strict(list.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Strict, A::Error> {
        let mut map = Map::new();
        while let Some((key, Strict(value))) = entries.next_entry::<String, Strict>()? {
            if map.insert(key.clone(), value).is_some() {
                REPEATED.with_borrow_mut(|repeated| repeated.push(key));
            }
            if map.len() > 100_000 {
                return Err(A::Error::custom("too many keys"));
            }
        }
        Ok(Strict(map.into()))
    }
}
