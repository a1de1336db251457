//! JSON: the order of keys and the indentation stay.

use super::{ConfigFileError, plain, wanted};
use crate::templates::ConfigEdit;
use serde::Serialize;
use serde_json::{Map, Value, ser::PrettyFormatter};

pub(super) fn edit(text: &str, edits: &[ConfigEdit]) -> Result<String, ConfigFileError> {
    let mut document = if text.trim().is_empty() {
        Value::Object(Map::new())
    } else {
        serde_json::from_str(text).map_err(|_| ConfigFileError::Malformed("JSON"))?
    };
    let before = document.clone();
    for edit in edits {
        set(&mut document, &parts(&edit.key), edit)?;
    }
    if document == before && !text.trim().is_empty() {
        return Ok(text.to_owned());
    }
    let indent = text.lines().find_map(|line| {
        let space = line.len() - line.trim_start().len();
        line.get(..space).filter(|space| !space.is_empty())
    });
    let mut written = Vec::new();
    let formatter = PrettyFormatter::with_indent(indent.unwrap_or("    ").as_bytes());
    document
        .serialize(&mut serde_json::Serializer::with_formatter(&mut written, formatter))
        .map_err(|_| ConfigFileError::Malformed("JSON"))?;
    written.push(b'\n');
    String::from_utf8(written).map_err(|_| ConfigFileError::Malformed("JSON"))
}

/// `a.b[0].*` as `a`, `b`, `0`, `*`.
fn parts(key: &str) -> Vec<String> {
    key.replace('[', ".")
        .replace(']', "")
        .split('.')
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect()
}

fn set(at: &mut Value, path: &[String], edit: &ConfigEdit) -> Result<(), ConfigFileError> {
    let Some((part, rest)) = path.split_first() else {
        let present = (!at.is_null()).then(|| plain(at));
        if let Some(value) = wanted(edit, present.as_deref())? {
            *at = typed(value, at);
        }
        return Ok(());
    };
    if part == "*" {
        let children: Vec<&mut Value> = match at {
            Value::Object(map) => map.values_mut().collect(),
            Value::Array(items) => items.iter_mut().collect(),
            _ => Vec::new(),
        };
        return children.into_iter().try_for_each(|child| set(child, rest, edit));
    }
    if let (Value::Array(items), Ok(index)) = (&mut *at, part.parse::<usize>()) {
        if index == items.len() && edit.if_value.is_none() {
            items.push(Value::Null);
        }
        return items.get_mut(index).map_or(Ok(()), |item| set(item, rest, edit));
    }
    if !at.is_object() {
        if edit.if_value.is_some() {
            return Ok(());
        }
        *at = if part == "0" { Value::Array(Vec::new()) } else { Value::Object(Map::new()) };
        return set(at, path, edit);
    }
    match at {
        Value::Object(map) if edit.if_value.is_none() => {
            set(map.entry(part).or_insert(Value::Null), rest, edit)
        }
        Value::Object(map) => map.get_mut(part).map_or(Ok(()), |child| set(child, rest, edit)),
        _ => Ok(()),
    }
}

/// Templates write all values as text. What is there already tells what is meant; else what looks like a number is one.
fn typed(value: Value, present: &Value) -> Value {
    let Value::String(text) = &value else { return value };
    let number = || text.parse::<i64>().ok().filter(|number| number.to_string() == *text).map(Value::from);
    match present {
        Value::Bool(_) => text.parse().map(Value::Bool).unwrap_or(value),
        Value::Number(_) => {
            serde_json::from_str::<serde_json::Number>(text).map(Value::Number).unwrap_or(value)
        }
        Value::String(_) => value,
        _ => number().unwrap_or(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn edits(pairs: &[(&str, Value)]) -> Vec<ConfigEdit> {
        pairs
            .iter()
            .map(|(key, value)| ConfigEdit { key: (*key).into(), if_value: None, value: value.clone() })
            .collect()
    }

    #[test]
    fn values_take_the_type_that_is_there() {
        let text = "{\n  \"b\": {\"port\": 1, \"on\": false, \"id\": \"7\"},\n  \"a\": 1\n}\n";
        let edits = edits(&[
            ("b.port", json!("25565")),
            ("b.on", json!("true")),
            ("b.id", json!("8")),
            ("c[0].x", json!("y")),
        ]);
        let edited = edit(text, &edits).unwrap();
        let read: Value = serde_json::from_str(&edited).unwrap();
        assert_eq!(
            read,
            json!({ "b": { "port": 25565, "on": true, "id": "8" }, "a": 1, "c": [{ "x": "y" }] })
        );
        assert!(edited.starts_with("{\n  \"b\""), "order and indentation stay: {edited}");
        assert_eq!(edit(&edited, &edits).unwrap(), edited);
    }

    #[test]
    fn a_condition_changes_only_what_meets_it() {
        let text = r#"{"servers":{"a":{"address":"127.0.0.1:1"},"b":{"address":"example.com:2"}}}"#;
        let rule = ConfigEdit {
            key: "servers.*.address".into(),
            if_value: Some(r"regex:^(127\.0\.0\.1|localhost)(:\d{1,5})?$".into()),
            value: json!("172.17.0.1$2"),
        };
        let read: Value = serde_json::from_str(&edit(text, &[rule]).unwrap()).unwrap();
        assert_eq!(read["servers"]["a"]["address"], "172.17.0.1:1");
        assert_eq!(read["servers"]["b"]["address"], "example.com:2");
    }

    #[test]
    fn what_is_no_json_is_left_alone() {
        assert_eq!(edit("{", &[]), Err(ConfigFileError::Malformed("JSON")));
    }
}
