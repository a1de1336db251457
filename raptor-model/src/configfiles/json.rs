//! JSON, with comments and trailing commas as many programs allow them.

use super::{
    ConfigFileError,
    tree::{self, Op, Part},
};
use crate::templates::ConfigEdit;
use jsonc_parser::{
    ParseOptions,
    cst::{CstContainerNode, CstInputValue, CstNode, CstRootNode},
};
use serde::Serialize;
use serde_json::{Value, ser::PrettyFormatter};

const MALFORMED: ConfigFileError = ConfigFileError::Malformed("JSON");

pub(super) fn edit(text: &str, edits: &[ConfigEdit]) -> Result<String, ConfigFileError> {
    let before = read(text)?;
    let (after, ops) = tree::edit(&before, edits)?;
    if ops.is_empty() {
        return Ok(text.to_owned());
    }
    if text.trim().is_empty() {
        return pretty(&after);
    }
    let root = CstRootNode::parse(text, &ParseOptions::default()).map_err(|_| MALFORMED)?;
    for op in &ops {
        change(&root, op).ok_or(ConfigFileError::Entangled)?;
    }
    let edited = root.to_string();
    if read(&edited)? == after { Ok(edited) } else { Err(ConfigFileError::Entangled) }
}

/// The value of a text. Strict JSON is parsed with a parser that keeps every digit of numbers.
fn read(text: &str) -> Result<Value, ConfigFileError> {
    if text.trim().is_empty() {
        return Ok(Value::Null);
    }
    let options = ParseOptions::default();
    jsonc_parser::parse_to_serde_value::<Value>(text, &options).map_err(|_| MALFORMED)
}

fn pretty(value: &Value) -> Result<String, ConfigFileError> {
    let mut written = Vec::new();
    let formatter = PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut written, formatter);
    value.serialize(&mut serializer).map_err(|_| MALFORMED)?;
    written.push(b'\n');
    String::from_utf8(written).map_err(|_| MALFORMED)
}

fn change(root: &CstRootNode, op: &Op) -> Option<()> {
    match op {
        Op::Replace(place, value) => {
            let value = input(value);
            match place.split_last() {
                None => root.set_value(value),
                Some((Part::Key(key), parent)) => {
                    let map = find(root, parent)?.as_object()?;
                    // If a key is repeated, programs use the last one.
                    let property =
                        map.properties().into_iter().rev().find(|p| p.decoded_name().as_ref() == Some(key));
                    property?.set_value(value);
                }
                Some((Part::Index(index), parent)) => {
                    let item = find(root, parent)?.as_array()?.elements().into_iter().nth(*index)?;
                    replace(item, value)?;
                }
            }
        }
        Op::Insert(place, key, value) => {
            find(root, place)?.as_object()?.append(key, input(value));
        }
        Op::Append(place, value) => {
            find(root, place)?.as_array()?.append(input(value));
        }
    }
    Some(())
}

fn replace(node: CstNode, value: CstInputValue) -> Option<CstNode> {
    if let Some(container) = node.as_object() {
        return container.replace_with(value);
    }
    if let Some(container) = node.as_array() {
        return container.replace_with(value);
    }
    if let Some(leaf) = node.as_string_lit() {
        return leaf.replace_with(value);
    }
    if let Some(leaf) = node.as_number_lit() {
        return leaf.replace_with(value);
    }
    if let Some(leaf) = node.as_boolean_lit() {
        return leaf.replace_with(value);
    }
    node.as_null_keyword()?.replace_with(value)
}

fn find(root: &CstRootNode, place: &[Part]) -> Option<CstNode> {
    place.iter().try_fold(root.value()?, |node, part| match (part, node) {
        (Part::Key(key), CstNode::Container(CstContainerNode::Object(map))) => {
            let mut properties = map.properties().into_iter().rev();
            properties.find(|property| property.decoded_name().as_ref() == Some(key))?.value()
        }
        (Part::Index(index), CstNode::Container(CstContainerNode::Array(list))) => {
            list.elements().into_iter().nth(*index)
        }
        _ => None,
    })
}

fn input(value: &Value) -> CstInputValue {
    match value {
        Value::Null => CstInputValue::Null,
        Value::Bool(value) => CstInputValue::Bool(*value),
        Value::Number(number) => CstInputValue::Number(number.to_string()),
        Value::String(text) => CstInputValue::String(text.clone()),
        Value::Array(items) => CstInputValue::Array(items.iter().map(input).collect()),
        Value::Object(map) => {
            CstInputValue::Object(map.iter().map(|(key, value)| (key.clone(), input(value))).collect())
        }
    }
}
