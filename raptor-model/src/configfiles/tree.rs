//! The meaning of an edit in tree formats: which value it sets, and of which type.

use super::{ConfigFileError, plain, wanted};
use crate::templates::ConfigEdit;
use serde_json::{Map, Value};

/// The deepest level that a key can reach.
const MAX_DEPTH: usize = 64;
/// The most values that a wildcard can reach in total.
const MAX_REACHED: usize = 100_000;

/// One step of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Into a map. Protected keys were written in brackets and are taken literally.
    Key {
        name: String,
        /// Whether it was written in brackets.
        protected: bool,
    },
    Index(usize),
    /// Into every child.
    Any,
}

/// A position in a tree.
pub(super) type Place = Vec<Part>;

/// One step of a position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Key(String),
    Index(usize),
}

/// A change of a tree.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Op {
    /// Replaces the value at a position.
    Replace(Place, Value),
    /// Adds a key to the map at a position.
    Insert(Place, String, Value),
    /// Appends an item to the list at a position.
    Append(Place, Value),
}

/// Parses a key: `a.b[0].*`, `[key.with.dots].b`, and `a~1b` for a key `a.b`.
pub(super) fn steps(key: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut part = String::new();
    let mut rest = key.chars();
    let plain = |part: &mut String, steps: &mut Vec<Step>| {
        if !part.is_empty() {
            let name = std::mem::take(part).replace("~1", ".").replace("~0", "~");
            steps.push(if name == "*" { Step::Any } else { Step::Key { name, protected: false } });
        }
    };
    while let Some(character) = rest.next() {
        match character {
            '.' => plain(&mut part, &mut steps),
            '[' if rest.as_str().contains(']') => {
                plain(&mut part, &mut steps);
                let inner: String = rest.by_ref().take_while(|character| *character != ']').collect();
                let name = inner.trim_matches(['"', '\'']).to_owned();
                steps.push(match inner.parse() {
                    Ok(index) => Step::Index(index),
                    Err(_) if inner == "*" => Step::Any,
                    Err(_) => Step::Key { name, protected: true },
                });
            }
            other => part.push(other),
        }
    }
    plain(&mut part, &mut steps);
    steps
}

/// The document after the edits, and the changes that lead to it.
pub(super) fn edit(before: &Value, edits: &[ConfigEdit]) -> Result<(Value, Vec<Op>), ConfigFileError> {
    let mut after = before.clone();
    let mut reached = 0;
    for edit in edits {
        let steps = steps(&edit.key);
        if steps.len() > MAX_DEPTH {
            return Err(ConfigFileError::TooDeep);
        }
        if !steps.is_empty() {
            set(&mut after, &steps, edit, &mut reached)?;
        }
    }
    let mut ops = Vec::new();
    compare(before, &after, &mut Vec::new(), &mut ops);
    Ok((after, ops))
}

fn set(at: &mut Value, path: &[Step], edit: &ConfigEdit, reached: &mut usize) -> Result<(), ConfigFileError> {
    *reached += 1;
    if *reached > MAX_REACHED {
        return Err(ConfigFileError::TooLarge);
    }
    let Some((step, rest)) = path.split_first() else {
        let present = (!at.is_null()).then(|| plain(at));
        if let Some(value) = wanted(edit, present.as_deref())? {
            *at = typed(value, at);
        }
        return Ok(());
    };
    let makes = edit.if_value.is_none() && !path.contains(&Step::Any);
    match (step, at) {
        (Step::Any, Value::Object(map)) => {
            map.values_mut().try_for_each(|child| set(child, rest, edit, reached))
        }
        (Step::Any, Value::Array(items)) => {
            items.iter_mut().try_for_each(|child| set(child, rest, edit, reached))
        }
        (Step::Any, _) => Ok(()),
        (step, Value::Array(items)) => {
            let Some(index) = index(step) else { return Ok(()) };
            if index == items.len() && makes && reachable(rest) {
                items.push(Value::Null);
            }
            items.get_mut(index).map_or(Ok(()), |item| set(item, rest, edit, reached))
        }
        (step, Value::Object(map)) => {
            let (name, rest) = in_map(map, step, path);
            if !map.contains_key(&name) {
                if !makes || !reachable(rest) {
                    return Ok(());
                }
                map.insert(name.clone(), Value::Null);
            }
            map.get_mut(&name).map_or(Ok(()), |child| set(child, rest, edit, reached))
        }
        (step, at) => {
            if !makes || !reachable(path) {
                return Ok(());
            }
            *at = match step {
                Step::Index(_) => Value::Array(Vec::new()),
                _ => Value::Object(Map::new()),
            };
            set(at, path, edit, reached)
        }
    }
}

/// Whether missing parts can be created. A list can only be created by its first item: a later one would need items that nobody
/// specified.
fn reachable(path: &[Step]) -> bool {
    !path.iter().any(|step| matches!(step, Step::Index(index) if *index > 0))
}

fn index(step: &Step) -> Option<usize> {
    match step {
        Step::Index(index) => Some(*index),
        Step::Key { name, .. } => name.parse().ok(),
        Step::Any => None,
    }
}

/// The key of a map that a step refers to, and the rest of the path. A key that contains dots takes precedence if the map has
/// it literally and doesn't have its first part.
fn in_map<'p>(map: &Map<String, Value>, step: &Step, path: &'p [Step]) -> (String, &'p [Step]) {
    let (first, rest) = (name(step), path.get(1..).unwrap_or_default());
    if map.contains_key(&first) || matches!(step, Step::Key { protected: true, .. }) {
        return (first, rest);
    }
    for length in (2..=path.len()).rev() {
        let parts = path.get(..length).unwrap_or_default();
        if parts.iter().any(|part| !matches!(part, Step::Key { protected: false, .. })) {
            continue;
        }
        let whole = parts.iter().map(name).collect::<Vec<_>>().join(".");
        if map.contains_key(&whole) {
            return (whole, path.get(length..).unwrap_or_default());
        }
    }
    (first, rest)
}

fn name(step: &Step) -> String {
    match step {
        Step::Key { name, .. } => name.clone(),
        Step::Index(index) => index.to_string(),
        Step::Any => "*".into(),
    }
}

/// Converts a value to the type of the present one, since templates write all values as strings. Without a present value, what
/// looks like a number becomes one.
fn typed(value: Value, present: &Value) -> Value {
    let Value::String(text) = &value else { return value };
    match present {
        Value::Bool(_) => match text.to_ascii_lowercase().as_str() {
            "true" | "1" => Value::Bool(true),
            "false" | "0" => Value::Bool(false),
            _ => value,
        },
        Value::Number(_) => {
            let number = serde_json::from_str::<serde_json::Number>(text).ok();
            let number = number.filter(|number| number.to_string() == *text);
            // Also with a sign or leading zeros, as people type them.
            let whole = || text.parse::<i64>().ok().map(Into::into);
            number.or_else(whole).map_or(value, Value::Number)
        }
        Value::String(_) => value,
        _ => {
            let number = text.parse::<i64>().ok().filter(|number| number.to_string() == *text);
            number.map_or(value, Value::from)
        }
    }
}

/// The changes that turn `before` into `after`. Nothing is ever removed.
fn compare(before: &Value, after: &Value, place: &mut Place, ops: &mut Vec<Op>) {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            for (key, value) in after {
                match before.get(key) {
                    Some(old) => {
                        place.push(Part::Key(key.clone()));
                        compare(old, value, place, ops);
                        place.pop();
                    }
                    None => ops.push(Op::Insert(place.clone(), key.clone(), value.clone())),
                }
            }
        }
        (Value::Array(before), Value::Array(after)) => {
            for (number, value) in after.iter().enumerate() {
                match before.get(number) {
                    Some(old) => {
                        place.push(Part::Index(number));
                        compare(old, value, place, ops);
                        place.pop();
                    }
                    None => ops.push(Op::Append(place.clone(), value.clone())),
                }
            }
        }
        (before, after) if before == after => {}
        (_, after) => ops.push(Op::Replace(place.clone(), after.clone())),
    }
}
