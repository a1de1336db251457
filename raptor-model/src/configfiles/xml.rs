//! XML: texts and attributes are replaced in place; missing elements are added with the indentation of their siblings.

use super::{
    ConfigFileError, line_end, plain, splice, wanted,
    xml_path::{self, Filter, Step},
};
use crate::templates::ConfigEdit;
use roxmltree::{Document, Node, ParsingOptions};
use std::ops::Range;

const MALFORMED: ConfigFileError = ConfigFileError::Malformed("XML");
const MAX_NODES: u32 = 500_000;
const MAX_DEPTH: usize = 64;
/// The most elements that one key can reach.
const MAX_REACHED: usize = 10_000;

type Change = (Range<usize>, String);

pub(super) fn edit(text: &str, edits: &[ConfigEdit]) -> Result<String, ConfigFileError> {
    let mut text = text.to_owned();
    for edit in edits {
        let Some(steps) = xml_path::steps(&edit.key) else { continue };
        if steps.len() > MAX_DEPTH {
            return Err(ConfigFileError::TooDeep);
        }
        if text.trim().is_empty() {
            text = begin(&text, &steps);
        }
        let changes = one(&text, &steps, edit)?;
        if !changes.is_empty() {
            text = splice(&text, changes)?;
            read(&text).map_err(|_| ConfigFileError::Entangled)?;
        }
    }
    Ok(text)
}

/// Checks that a text is XML that can be edited.
pub(super) fn check(text: &str) -> Result<(), ConfigFileError> {
    read(text).map(drop)
}

fn read(text: &str) -> Result<Document<'_>, ConfigFileError> {
    // Documents that define their own entities are rejected: expanded text has no position in the source.
    let allow_dtd = !text.contains("<!ENTITY");
    let options = ParsingOptions { allow_dtd, nodes_limit: MAX_NODES, ..ParsingOptions::default() };
    if too_deep(text) {
        return Err(ConfigFileError::TooDeep);
    }
    Document::parse_with_options(text, options).map_err(|_| MALFORMED)
}

/// Checks the nesting depth before anything recurses: each level requires an opening tag without `/>`.
fn too_deep(text: &str) -> bool {
    let (mut depth, mut deepest) = (0_i64, 0);
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        rest = rest.get(at + 1..).unwrap_or_default();
        match rest.chars().next() {
            Some('/') => depth -= 1,
            Some('!' | '?') | None => {}
            Some(_) => {
                let tag = rest.find('>').and_then(|end| rest.get(..end)).unwrap_or_default();
                if !tag.ends_with('/') {
                    depth += 1;
                }
            }
        }
        deepest = deepest.max(depth);
    }
    deepest > 512
}

fn begin(text: &str, steps: &[Step]) -> String {
    let root = steps.first().filter(|step| step.name != "*").map(|step| element(step, "", ""));
    let declaration = "<?xml version=\"1.0\" encoding=\"utf-8\"?>";
    root.map_or_else(|| text.to_owned(), |root| format!("{declaration}\n{root}\n"))
}

fn one(text: &str, steps: &[Step], edit: &ConfigEdit) -> Result<Vec<Change>, ConfigFileError> {
    let document = read(text)?;
    let root = document.root_element();
    let Some((first, rest)) = steps.split_first() else { return Ok(Vec::new()) };
    if !meets(root, first, 1) {
        return Ok(Vec::new());
    }
    let mut found = vec![root];
    for (place, step) in rest.iter().enumerate() {
        let next: Vec<_> = found.iter().flat_map(|node| children(*node, step)).take(MAX_REACHED).collect();
        if next.is_empty() {
            let missing = rest.get(place..).unwrap_or_default();
            let makes = edit.if_value.is_none() && steps.iter().all(|step| step.name != "*");
            return match found.first().filter(|_| makes && !numbered(missing)) {
                Some(parent) => Ok(vec![add(text, *parent, missing, edit)]),
                None => Ok(Vec::new()),
            };
        }
        found = next;
    }
    let changes: Result<Vec<_>, _> = found.into_iter().map(|node| set(text, node, edit)).collect();
    Ok(changes?.into_iter().flatten().collect())
}

fn numbered(steps: &[Step]) -> bool {
    steps
        .iter()
        .flat_map(|step| &step.filters)
        .any(|filter| matches!(filter, Filter::Number(number) if *number > 1))
}

fn name<'t>(text: &'t str, node: Node<'_, '_>) -> &'t str {
    let tag = text.get(node.range().start + 1..node.range().end).unwrap_or_default();
    tag.split([' ', '\t', '\r', '\n', '/', '>']).next().unwrap_or_default()
}

fn children<'a, 'i>(node: Node<'a, 'i>, step: &Step) -> Vec<Node<'a, 'i>> {
    let text = node.document().input_text();
    let named = node
        .children()
        .filter(|child| child.is_element() && (step.name == "*" || name(text, *child) == step.name));
    named
        .enumerate()
        .filter(|(place, child)| meets(*child, step, place + 1))
        .map(|(_, child)| child)
        .collect()
}

fn meets(node: Node<'_, '_>, step: &Step, number: usize) -> bool {
    let text = node.document().input_text();
    (step.name == "*" || name(text, node) == step.name)
        && step.filters.iter().all(|filter| match filter {
            Filter::Number(wanted) => *wanted == number,
            Filter::Attribute(name, value) => node.attributes().any(|attribute| {
                attribute.name() == name && value.as_ref().is_none_or(|value| attribute.value() == value)
            }),
            Filter::Child(wanted, value) => node
                .children()
                .any(|child| child.is_element() && name(text, child) == wanted && content(child) == *value),
        })
}

fn content(node: Node<'_, '_>) -> String {
    node.children().filter(Node::is_text).filter_map(|child| child.text()).collect()
}

/// The change that gives one element the wanted value.
fn set(text: &str, node: Node<'_, '_>, edit: &ConfigEdit) -> Result<Option<Change>, ConfigFileError> {
    let sets = plain(&edit.value);
    if let Some((attribute, _)) = xml_path::attribute(&sets) {
        let present = node.attributes().find(|found| found.name() == attribute);
        let Some(value) = wanted(edit, present.map(|found| found.value()))? else { return Ok(None) };
        let value = plain(&value);
        let Some((_, value)) = xml_path::attribute(&value) else { return Ok(None) };
        return Ok(match present {
            Some(found) if found.value() == value => None,
            Some(found) => Some((found.range_value(), escaped(value, true))),
            None => {
                let at = node.range().start + 1 + name(text, node).len();
                Some((at..at, format!(" {attribute}=\"{}\"", escaped(value, true))))
            }
        });
    }
    let present = content(node);
    let Some(value) = wanted(edit, Some(&present))? else { return Ok(None) };
    let value = plain(&value);
    if present == value || node.children().any(|child| child.is_element()) {
        // An element with child elements has no text to set.
        return Ok(None);
    }
    let value = escaped(&value, false);
    let texts: Vec<_> = node.children().filter(Node::is_text).map(|child| child.range()).collect();
    if let (Some(first), Some(last)) = (texts.first(), texts.last()) {
        let between = text.get(first.start..last.end).unwrap_or_default();
        if !between.contains("<!--") && !between.contains("<?") {
            return Ok(Some((first.start..last.end, value)));
        }
        return Err(ConfigFileError::Entangled);
    }
    let range = node.range();
    let tag = text.get(range.clone()).unwrap_or_default();
    let name = name(text, node);
    if let Some(open) = tag.strip_suffix("/>").filter(|_| node.first_child().is_none()) {
        let open = open.trim_end();
        return Ok(Some((range.start + open.len()..range.end, format!(">{value}</{name}>"))));
    }
    let close = tag.rfind("</").ok_or(ConfigFileError::Entangled)?;
    Ok(Some((range.start + close..range.start + close, value)))
}

/// The change that adds missing elements below `parent`.
fn add(text: &str, parent: Node<'_, '_>, missing: &[Step], edit: &ConfigEdit) -> Change {
    let value = plain(&edit.value);
    let (attribute, content) = match xml_path::attribute(&value) {
        Some((name, value)) => (format!(" {name}=\"{}\"", escaped(value, true)), String::new()),
        None => (String::new(), escaped(&value, false)),
    };
    let end = line_end(text);
    let indent = indent_of(text, parent.range().start);
    let inner = parent
        .children()
        .rfind(Node::is_element)
        .map(|child| indent_of(text, child.range().start))
        .filter(|inner| inner.len() > indent.len())
        .unwrap_or_else(|| format!("{indent}  "));
    let step = inner.get(indent.len()..).unwrap_or("  ").to_owned();
    let new = nested(missing, &attribute, &content, &inner, &step, end);
    let range = parent.range();
    let tag = text.get(range.clone()).unwrap_or_default();
    let name = name(text, parent);
    if tag.ends_with("/>") && parent.first_child().is_none() {
        let open = tag.strip_suffix("/>").unwrap_or_default().trim_end();
        let at = range.start + open.len();
        return (at..range.end, format!(">{end}{inner}{new}{end}{indent}</{name}>"));
    }
    let close = range.start + tag.rfind("</").unwrap_or(tag.len());
    let before = text.get(..close).unwrap_or_default();
    let blank = before.len() - before.trim_end_matches([' ', '\t']).len();
    if before.trim_end_matches([' ', '\t']).ends_with('\n') {
        return (
            close - blank..close,
            format!("{inner}{new}{end}{}", before.get(close - blank..).unwrap_or_default()),
        );
    }
    (close..close, format!("{end}{inner}{new}{end}{indent}"))
}

fn nested(steps: &[Step], attribute: &str, content: &str, indent: &str, by: &str, end: &str) -> String {
    match steps.split_first() {
        None => String::new(),
        Some((step, [])) => element(step, attribute, content),
        Some((step, rest)) => {
            let deeper = format!("{indent}{by}");
            let inner = nested(rest, attribute, content, &deeper, by, end);
            element(step, "", &format!("{end}{deeper}{inner}{end}{indent}"))
        }
    }
}

fn element(step: &Step, attribute: &str, content: &str) -> String {
    let mut open = step.name.clone();
    let mut inner = content.to_owned();
    for filter in &step.filters {
        match filter {
            Filter::Attribute(name, value) => {
                open += &format!(" {name}=\"{}\"", escaped(value.as_deref().unwrap_or_default(), true));
            }
            Filter::Child(name, value) => inner += &format!("<{name}>{}</{name}>", escaped(value, false)),
            Filter::Number(_) => {}
        }
    }
    if inner.is_empty() && (!attribute.is_empty() || !step.filters.is_empty()) {
        return format!("<{open}{attribute}/>");
    }
    format!("<{open}{attribute}>{inner}</{}>", step.name)
}

/// The whitespace at the beginning of the line.
fn indent_of(text: &str, at: usize) -> String {
    let line = text.get(..at).unwrap_or_default();
    let line = line.rsplit('\n').next().unwrap_or_default();
    if line.trim().is_empty() { line.to_owned() } else { String::new() }
}

/// Escapes text. Control characters are not allowed in XML and are dropped.
fn escaped(text: &str, attribute: bool) -> String {
    let mut written = String::new();
    for character in text.chars() {
        match character {
            '&' => written.push_str("&amp;"),
            '<' => written.push_str("&lt;"),
            '>' => written.push_str("&gt;"),
            '"' if attribute => written.push_str("&quot;"),
            '\'' if attribute => written.push_str("&apos;"),
            '\n' | '\t' if attribute => written.push_str(&format!("&#{};", u32::from(character))),
            '\r' => written.push_str("&#13;"),
            '\n' | '\t' => written.push(character),
            '\u{fffe}' | '\u{ffff}' => {}
            control if control.is_control() && u32::from(control) < 0x20 => {}
            other => written.push(other),
        }
    }
    written
}
