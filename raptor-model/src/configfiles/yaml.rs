//! YAML: only changed values are replaced, and lines are added; everything else stays as it is written.

use super::{
    ConfigFileError, line_end, splice,
    tree::{self, Op, Part},
};
use crate::{
    templates::ConfigEdit,
    yaml::{self, Kind, Node, YamlError},
};
use saphyr_parser::ScalarStyle;
use serde_json::Value;
use std::ops::Range;

impl From<YamlError> for ConfigFileError {
    fn from(error: YamlError) -> Self {
        match error {
            YamlError::Syntax(_) => Self::Malformed("YAML"),
            YamlError::TooLarge => Self::TooDeep,
        }
    }
}

pub(super) fn edit(text: &str, edits: &[ConfigEdit]) -> Result<String, ConfigFileError> {
    let document = yaml::parse(text)?;
    let before = document.value()?.0;
    let (after, ops) = tree::edit(&before, edits)?;
    if ops.is_empty() {
        return Ok(text.to_owned());
    }
    let end = line_end(text);
    let empty = |root: &Node| matches!(&root.kind, Kind::Scalar { text, .. } if text.is_empty());
    let edited = match &document.root {
        Some(root) if !empty(root) => {
            let writing = Writing { text, end };
            let changes: Option<Vec<_>> = ops.iter().map(|op| writing.change(root, op)).collect();
            splice(text, changes.ok_or(ConfigFileError::Entangled)?)?
        }
        // The file has nothing but comments, if anything.
        _ => {
            let gap = if text.is_empty() || text.ends_with('\n') { "" } else { end };
            format!("{text}{gap}{}", block(&after, 0, end).trim_start_matches(['\r', '\n'])) + end
        }
    };
    let read = yaml::parse(&edited).and_then(|document| document.value()).map(|(value, _)| value);
    if read.as_ref() == Ok(&after) { Ok(edited) } else { Err(ConfigFileError::Entangled) }
}

/// The text being changed.
struct Writing<'t> {
    text: &'t str,
    end: &'static str,
}

type Change = (Range<usize>, String);

impl Writing<'_> {
    fn change(&self, root: &Node, op: &Op) -> Option<Change> {
        match op {
            Op::Replace(place, value) => self.replace(root, place, value),
            Op::Insert(place, key, value) => match find(root, place)? {
                Node { kind: Kind::Mapping { entries, flow: true }, span, .. } => {
                    let pair = format!("{}: {}", inline(&Value::from(key.as_str()), None), flow(value));
                    let last = entries.last().map(|(key, value)| reach(key).max(reach(value)));
                    Some(into_flow(span, last, pair))
                }
                map @ Node { kind: Kind::Mapping { entries, .. }, .. } => {
                    let column = entries.first()?.0.column;
                    let line = entry(key, value, column, self.end);
                    Some(self.new_line(reach(map), column, &line))
                }
                _ => None,
            },
            Op::Append(place, value) => match find(root, place)? {
                Node { kind: Kind::Sequence { items, flow: true }, span, .. } => {
                    Some(into_flow(span, items.last().map(reach), flow(value)))
                }
                list @ Node { kind: Kind::Sequence { .. }, column, .. } => {
                    let line = format!("- {}", block(value, column + 2, self.end).trim_start());
                    Some(self.new_line(reach(list), *column, &line))
                }
                _ => None,
            },
        }
    }

    /// A new line after the line in which something ends.
    fn new_line(&self, behind: usize, column: usize, line: &str) -> Change {
        let indent = " ".repeat(column);
        if self.text.get(..behind).is_some_and(|before| before.ends_with('\n')) {
            return (behind..behind, format!("{indent}{line}{}", self.end));
        }
        let rest = self.text.get(behind..).unwrap_or_default();
        let at = behind + rest.find(['\r', '\n']).unwrap_or(rest.len());
        (at..at, format!("{}{indent}{line}", self.end))
    }

    fn replace(&self, root: &Node, place: &[Part], value: &Value) -> Option<Change> {
        let (last, above) = place.split_last()?;
        let parent = find(root, above)?;
        let node = child(parent, last)?;
        let in_flow =
            matches!(parent.kind, Kind::Mapping { flow: true, .. } | Kind::Sequence { flow: true, .. });
        let scalar = !matches!(value, Value::Object(_) | Value::Array(_));
        match &node.kind {
            Kind::Scalar { style: ScalarStyle::Literal | ScalarStyle::Folded, .. } if scalar => {
                let start = self.behind_key(parent, last)?;
                let ended = self.text.get(node.span.clone()).is_some_and(|text| text.ends_with('\n'));
                let end = if ended { self.end } else { "" };
                Some((start..node.span.end.max(start), format!(" {}{end}", inline(value, None))))
            }
            Kind::Scalar { text, style, .. } if scalar && (!text.is_empty() || !node.span.is_empty()) => {
                let (start, quoted) = self.behind_anchor(node, *style);
                Some((start..node.span.end, inline(value, quoted)))
            }
            _ if in_flow => {
                let range = if node.span.is_empty() {
                    let at = self.behind_key(parent, last)?;
                    at..at
                } else {
                    node.span.clone()
                };
                let gap = if range.is_empty() { " " } else { "" };
                Some((range, format!("{gap}{}", flow(value))))
            }
            _ => {
                let start = self.behind_key(parent, last)?;
                let until = if node.span.is_empty() { start } else { reach(node).max(start) };
                let indent = match last {
                    Part::Key(key) => key_node(parent, key)?.column + 2,
                    Part::Index(_) => parent.column + 2,
                };
                let new =
                    if scalar { format!(" {}", inline(value, None)) } else { block(value, indent, self.end) };
                Some((start..until, new))
            }
        }
    }

    /// The position after the `:` of a key or the `-` of an item.
    fn behind_key(&self, parent: &Node, part: &Part) -> Option<usize> {
        match part {
            Part::Key(key) => {
                let from = key_node(parent, key)?.span.end;
                Some(from + self.text.get(from..)?.find(':')? + 1)
            }
            Part::Index(_) => {
                let start = child(parent, part)?.span.start;
                Some(self.text.get(..start)?.rfind('-')? + 1)
            }
        }
    }

    /// Where the text of a scalar begins, and its quotes. An anchor before it stays.
    fn behind_anchor(&self, node: &Node, style: ScalarStyle) -> (usize, Option<char>) {
        let whole = self.text.get(node.span.clone()).unwrap_or_default();
        let anchor = if whole.starts_with('&') {
            whole.find([' ', '\t']).map_or(0, |blank| {
                let rest = whole.get(blank..).unwrap_or_default();
                whole.len() - rest.trim_start().len()
            })
        } else {
            0
        };
        let quote = match style {
            ScalarStyle::SingleQuoted => Some('\''),
            ScalarStyle::DoubleQuoted => Some('"'),
            _ => None,
        };
        (node.span.start + anchor, quote)
    }
}

fn into_flow(span: &Range<usize>, last: Option<usize>, new: String) -> Change {
    match last {
        Some(last) => (last..last, format!(", {new}")),
        None => (span.start + 1..span.start + 1, new),
    }
}

/// Where the last part of a node ends. The end that a block collection reports may be many comments further.
fn reach(node: &Node) -> usize {
    match &node.kind {
        Kind::Sequence { flow: true, .. } | Kind::Mapping { flow: true, .. } => node.span.end,
        Kind::Sequence { items, .. } => items.iter().map(reach).max().unwrap_or(node.span.end),
        Kind::Mapping { entries, .. } => {
            entries.iter().map(|(key, value)| reach(key).max(reach(value))).max().unwrap_or(node.span.end)
        }
        Kind::Scalar { .. } | Kind::Alias(_) => node.span.end,
    }
}

fn find<'n>(root: &'n Node, place: &[Part]) -> Option<&'n Node> {
    place.iter().try_fold(root, child)
}

fn child<'n>(node: &'n Node, part: &Part) -> Option<&'n Node> {
    match (&node.kind, part) {
        (Kind::Mapping { entries, .. }, Part::Key(key)) => entries
            .iter()
            .rev()
            .find(|(found, _)| yaml::key_text(found).as_ref() == Some(key))
            .map(|(_, value)| value),
        (Kind::Sequence { items, .. }, Part::Index(index)) => items.get(*index),
        _ => None,
    }
}

fn key_node<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    let Kind::Mapping { entries, .. } = &node.kind else { return None };
    entries.iter().rev().map(|(found, _)| found).find(|found| yaml::key_text(found).as_deref() == Some(key))
}

fn entry(key: &str, value: &Value, column: usize, end: &str) -> String {
    format!("{}:{}", inline(&Value::from(key), None), block(value, column + 2, end))
}

/// A value after a key: on the same line, or on lines of its own if it contains others.
fn block(value: &Value, column: usize, end: &str) -> String {
    let indent = " ".repeat(column);
    match value {
        Value::Object(map) if !map.is_empty() => map
            .iter()
            .map(|(key, value)| format!("{end}{indent}{}", entry(key, value, column, end)))
            .collect(),
        Value::Array(items) if !items.is_empty() => items
            .iter()
            .map(|item| format!("{end}{indent}- {}", block(item, column + 2, end).trim_start()))
            .collect(),
        other => format!(" {}", flow(other)),
    }
}

/// A value on one line. JSON is valid YAML.
fn flow(value: &Value) -> String {
    match value {
        Value::Object(_) | Value::Array(_) => value.to_string(),
        scalar => inline(scalar, None),
    }
}

/// A scalar, in the given kind of quotes, or in quotes if it needs them.
fn inline(value: &Value, quote: Option<char>) -> String {
    let Value::String(text) = value else { return value.to_string() };
    let printable = !text.chars().any(char::is_control);
    match quote {
        Some('\'') if printable => format!("'{}'", text.replace('\'', "''")),
        None if printable && is_plain(text) => text.clone(),
        _ => quoted(text),
    }
}

/// A double-quoted string, with everything that is not printable escaped.
fn quoted(text: &str) -> String {
    let mut written = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => written.push_str("\\\""),
            '\\' => written.push_str("\\\\"),
            '\n' => written.push_str("\\n"),
            '\r' => written.push_str("\\r"),
            '\t' => written.push_str("\\t"),
            control if control.is_control() || matches!(control, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                written.push_str(&format!("\\u{:04x}", u32::from(control)));
            }
            other => written.push(other),
        }
    }
    written.push('"');
    written
}

/// Whether a text needs no quotes, not even for the YAML 1.1 parsers of many programs, in which `yes`, `0x1`, `1:30` and
/// `2020-01-01` are not strings.
fn is_plain(text: &str) -> bool {
    let words = ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "~", ".nan", ".inf", "<<", "="];
    let first = text.chars().next();
    let begins = first.is_some_and(|c| c.is_alphabetic() || matches!(c, '_' | '/' | '$' | '(' | '^'));
    let allowed = |c: char| {
        !matches!(
            c,
            '#' | ','
                | '['
                | ']'
                | '{'
                | '}'
                | '"'
                | '\''
                | '\\'
                | '`'
                | '\u{2028}'
                | '\u{2029}'
                | '\u{feff}'
        )
    };
    let looks_numeric = first.is_some_and(|c| c.is_ascii_digit())
        && text.matches('.').count() >= 2
        && text.chars().all(|c| c.is_ascii_digit() || c == '.');
    (begins || looks_numeric)
        && text.chars().all(allowed)
        && !text.contains(": ")
        && !text.ends_with(':')
        && !text.ends_with(' ')
        && !words.contains(&text.to_ascii_lowercase().as_str())
        && yaml::resolve(text) == Value::String(text.to_owned())
}
