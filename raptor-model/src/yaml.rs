//! YAML 1.2 with its core schema: documents as trees with the position of each part in the text.
//!
//! Words such as `yes`, `no`, `on` and `off` are strings. Depth, size and the expansion of aliases are limited, so that no
//! document takes excessive resources.

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};
use serde_json::{Map, Number, Value};
use std::ops::Range;

/// The deepest nesting of collections.
pub(crate) const MAX_DEPTH: usize = 64;
/// Most nodes of a document, including those repeated by aliases.
const MAX_NODES: usize = 200_000;
/// Most bytes of text in a document, including those repeated by aliases.
const MAX_TEXT: usize = 16 * 1024 * 1024;

/// Why a text was not parsed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum YamlError {
    #[error("{0}")]
    Syntax(String),
    /// It is nested too deeply, has too many nodes, or its aliases expand to too much.
    #[error("it is nested too deeply or its aliases expand to too much")]
    TooLarge,
}

/// A node of a document, with its position in bytes.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    /// For a scalar: its text with anchor and tag. For a collection: from its first to its last character.
    pub(crate) span: Range<usize>,
    /// The column where it begins, in characters.
    pub(crate) column: usize,
    anchor: usize,
}

/// The kind of a node.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Scalar { text: String, style: ScalarStyle, tagged: bool },
    Sequence { items: Vec<Node>, flow: bool },
    Mapping { entries: Vec<(Node, Node)>, flow: bool },
    Alias(usize),
}

/// A parsed text.
#[derive(Debug)]
pub(crate) struct Document {
    /// The first document; `None` if the text is empty.
    pub(crate) root: Option<Node>,
    /// Whether more documents follow.
    pub(crate) more: bool,
}

/// Byte positions of a text's characters.
struct Offsets(Option<Vec<u32>>);

impl Offsets {
    fn new(text: &str) -> Self {
        let offsets = || {
            let starts = text.char_indices().map(|(at, _)| at);
            starts.chain([text.len()]).map(|at| u32::try_from(at).unwrap_or(u32::MAX)).collect()
        };
        Self((!text.is_ascii()).then(offsets))
    }

    fn byte(&self, character: usize) -> usize {
        match &self.0 {
            None => character,
            Some(offsets) => offsets.get(character).or(offsets.last()).map_or(0, |at| *at as usize),
        }
    }

    fn span(&self, span: Span) -> Range<usize> {
        let start = self.byte(span.start.index());
        start..self.byte(span.end.index()).max(start)
    }
}

/// A collection being parsed.
struct Open {
    node: Node,
    key: Option<Node>,
}

pub(crate) fn parse(text: &str) -> Result<Document, YamlError> {
    let offsets = Offsets::new(text);
    let mut parser = Parser::new_from_str(text);
    let mut open: Vec<Open> = Vec::new();
    let (mut root, mut more, mut nodes) = (None, false, 0_usize);
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| YamlError::Syntax(error.to_string()))?;
        nodes += 1;
        if open.len() > MAX_DEPTH || nodes > MAX_NODES * 2 {
            return Err(YamlError::TooLarge);
        }
        let column = span.start.col();
        let node = |kind, anchor| Node { kind, span: offsets.span(span), column, anchor };
        let done = match event {
            Event::DocumentStart(_) if root.is_some() => {
                more = true;
                break;
            }
            Event::Scalar(value, style, anchor, tag) => {
                let tagged = tag.as_deref().is_some_and(is_text_tag);
                let mut node = node(Kind::Scalar { text: value.into_owned(), style, tagged }, anchor);
                node.span.end = closing_quote(text, &node.span, style).unwrap_or(node.span.end);
                node
            }
            Event::Alias(to) => node(Kind::Alias(to), 0),
            Event::SequenceStart(anchor, _) => {
                let flow = span.start.index() != span.end.index();
                open.push(Open { node: node(Kind::Sequence { items: Vec::new(), flow }, anchor), key: None });
                continue;
            }
            Event::MappingStart(anchor, _) => {
                let flow = span.start.index() != span.end.index();
                open.push(Open {
                    node: node(Kind::Mapping { entries: Vec::new(), flow }, anchor),
                    key: None,
                });
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(Open { node: mut done, .. }) = open.pop() else { continue };
                done.span.end = offsets.span(span).end.max(done.span.start);
                done
            }
            _ => continue,
        };
        match open.last_mut() {
            None => root = Some(done),
            Some(Open { node: Node { kind: Kind::Sequence { items, .. }, .. }, .. }) => items.push(done),
            Some(Open { node: Node { kind: Kind::Mapping { entries, .. }, .. }, key }) => match key.take() {
                None => *key = Some(done),
                Some(name) => entries.push((name, done)),
            },
            Some(_) => {}
        }
    }
    Ok(Document { root, more })
}

/// The real end of a quoted scalar: the parser includes a comment after it.
fn closing_quote(text: &str, span: &Range<usize>, style: ScalarStyle) -> Option<usize> {
    let quote = match style {
        ScalarStyle::SingleQuoted => '\'',
        ScalarStyle::DoubleQuoted => '"',
        _ => return None,
    };
    let whole = text.get(span.clone())?;
    let mut before = ' ';
    let open = whole.char_indices().find_map(|(at, character)| {
        let begins = character == quote && before.is_whitespace();
        before = character;
        begins.then_some(at)
    })?;
    let mut rest = whole.get(open + 1..)?.char_indices().peekable();
    while let Some((at, character)) = rest.next() {
        if character == '\\' && quote == '"' {
            rest.next();
        } else if character == quote {
            if quote == '\'' && rest.peek().is_some_and(|(_, next)| *next == quote) {
                rest.next();
                continue;
            }
            return Some(span.start + open + 1 + at + 1);
        }
    }
    None
}

fn is_text_tag(tag: &Tag) -> bool {
    tag.is_yaml_core_schema() && tag.suffix == "str"
}

impl Document {
    /// The value with aliases expanded. The second value lists repeated keys, of which the last one counts.
    pub(crate) fn value(&self) -> Result<(Value, Vec<String>), YamlError> {
        let Some(root) = &self.root else { return Ok((Value::Null, Vec::new())) };
        let mut anchors = Vec::new();
        collect(root, &mut anchors);
        let mut reading = Reading { anchors, nodes: 0, text: 0, repeated: Vec::new() };
        let value = reading.value(root, 0)?;
        Ok((value, reading.repeated))
    }
}

fn collect<'n>(node: &'n Node, anchors: &mut Vec<(usize, &'n Node)>) {
    if node.anchor > 0 {
        anchors.push((node.anchor, node));
    }
    match &node.kind {
        Kind::Sequence { items, .. } => items.iter().for_each(|item| collect(item, anchors)),
        Kind::Mapping { entries, .. } => entries.iter().for_each(|(key, value)| {
            collect(key, anchors);
            collect(value, anchors);
        }),
        Kind::Scalar { .. } | Kind::Alias(_) => {}
    }
}

struct Reading<'n> {
    anchors: Vec<(usize, &'n Node)>,
    nodes: usize,
    text: usize,
    repeated: Vec<String>,
}

impl<'n> Reading<'n> {
    fn value(&mut self, node: &'n Node, depth: usize) -> Result<Value, YamlError> {
        self.nodes += 1;
        if self.nodes > MAX_NODES || self.text > MAX_TEXT || depth > MAX_DEPTH {
            return Err(YamlError::TooLarge);
        }
        Ok(match &node.kind {
            Kind::Alias(to) => {
                let target = self.anchors.iter().find(|(anchor, _)| anchor == to).map(|(_, node)| *node);
                let target = target.ok_or_else(|| YamlError::Syntax("an alias names nothing".into()))?;
                self.value(target, depth + 1)?
            }
            Kind::Scalar { text, style, tagged } => {
                self.text += text.len();
                if *style == ScalarStyle::Plain && !tagged {
                    resolve(text)
                } else {
                    Value::String(text.clone())
                }
            }
            Kind::Sequence { items, .. } => {
                let items: Result<Vec<_>, _> = items.iter().map(|item| self.value(item, depth + 1)).collect();
                Value::Array(items?)
            }
            Kind::Mapping { entries, .. } => {
                let mut map = Map::new();
                for (key, value) in entries {
                    let key = key_text(key).unwrap_or_default();
                    self.text += key.len();
                    let value = self.value(value, depth + 1)?;
                    if map.insert(key.clone(), value).is_some() {
                        self.repeated.push(key);
                    }
                }
                Value::Object(map)
            }
        })
    }
}

/// A key as a string; `None` if it is a collection.
pub(crate) fn key_text(key: &Node) -> Option<String> {
    match &key.kind {
        Kind::Scalar { text, .. } => Some(text.clone()),
        _ => None,
    }
}

/// The meaning of a plain scalar in the core schema. A number that would be written differently stays a string: `1.10` is more
/// likely a version than 1.1.
pub(crate) fn resolve(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    if let Ok(number) = text.parse::<i64>()
        && number.to_string() == text
    {
        return Value::Number(number.into());
    }
    let begins = text.starts_with(|c: char| c.is_ascii_digit() || c == '-');
    if begins
        && text.contains('.')
        && let Some(number) = text.parse::<f64>().ok().and_then(Number::from_f64)
        && number.to_string() == text
    {
        return Value::Number(number);
    }
    Value::String(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn value(text: &str) -> Value {
        parse(text).unwrap().value().unwrap().0
    }

    #[test]
    fn words_of_yaml_1_1_are_text_and_numbers_are_kept_as_written() {
        assert_eq!(
            value("a: yes\nb: off\nc: true\nd: 1.10\ne: 007\nf: 30033\ng: 1.5\nh: ~\ni: '5'\nj: !!str 5\n"),
            json!({ "a": "yes", "b": "off", "c": true, "d": "1.10", "e": "007", "f": 30033, "g": 1.5, "h": null,
                    "i": "5", "j": "5" })
        );
    }

    #[test]
    fn aliases_are_expanded_within_bounds() {
        assert_eq!(value("a: &x [1, 2]\nb: *x\n"), json!({ "a": [1, 2], "b": [1, 2] }));
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..12 {
            let inner = vec![format!("*a{}", level - 1); 10].join(", ");
            bomb += &format!("a{level}: &a{level} [{inner}]\n");
        }
        assert_eq!(parse(&bomb).unwrap().value().unwrap_err(), YamlError::TooLarge);
        assert!(parse(&"- ".repeat(5_000)).is_err());
        assert!(parse(&"[".repeat(5_000)).is_err());
    }

    #[test]
    fn an_alias_of_what_it_stands_in_ends() {
        assert!(parse("a: &x\n  b: *x\n").map_or(true, |document| document.value().is_err()));
    }

    #[test]
    fn keys_that_are_there_twice_are_named() {
        let (value, repeated) = parse("a: 1\na: 2\n").unwrap().value().unwrap();
        assert_eq!((value, repeated), (json!({ "a": 2 }), vec!["a".to_owned()]));
    }
}
