//! Java properties (the format of `java.util.Properties`).

use super::{ConfigFileError, lines::Lines, plain, wanted};
use crate::templates::ConfigEdit;
use serde_json::Value;

/// A key, its value, and the lines that they occupy.
struct Entry {
    key: String,
    value: String,
    first: usize,
    lines: usize,
}

/// Sets each key; missing keys are added at the end. If a key is repeated, the last one counts, as in Java.
pub(super) fn edit(text: &str, edits: &[ConfigEdit]) -> Result<String, ConfigFileError> {
    let mut lines = Lines::of(text);
    for edit in edits.iter().filter(|edit| !edit.key.is_empty()) {
        let entry = entries(&lines).into_iter().rfind(|entry| entry.key == edit.key);
        let present = entry.as_ref().map(|entry| entry.value.as_str());
        let Some(value) = wanted(edit, present)? else { continue };
        let value = text_of(&value);
        if present == Some(value.as_str()) {
            continue;
        }
        let line = format!("{}={}", escaped(&edit.key, true), escaped(&value, false));
        match entry {
            Some(Entry { first, lines: count, .. }) => {
                lines.set(first, line);
                lines.remove(first + 1..first + count);
            }
            None => {
                close(&mut lines);
                lines.insert(lines.count(), line);
            }
        }
    }
    Ok(lines.join())
}

/// Ends a last line that asks to be continued, which would otherwise swallow what is added after it.
fn close(lines: &mut Lines) {
    let last = lines.count().saturating_sub(1);
    let open = entries(lines).last().is_some_and(|entry| entry.first + entry.lines == last + 1);
    if let Some(body) =
        lines.get(last).filter(|body| open && continues(body)).and_then(|body| body.strip_suffix('\\'))
    {
        let body = body.to_owned();
        lines.set(last, body);
    }
}

/// The value, with carriage returns replaced, since Java ends a line at them.
fn text_of(value: &Value) -> String {
    plain(value).replace("\r\n", "\n")
}

fn entries(lines: &Lines) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut number = 0;
    while let Some(line) = lines.get(number) {
        let first = number;
        number += 1;
        let mut whole = line.trim_start_matches([' ', '\t', '\u{c}']).to_owned();
        if whole.is_empty() || whole.starts_with(['#', '!']) {
            continue;
        }
        while continues(&whole) {
            whole.pop();
            let Some(next) = lines.get(number) else { break };
            whole.push_str(next.trim_start_matches([' ', '\t', '\u{c}']));
            number += 1;
        }
        let (key, value) = split(&whole);
        entries.push(Entry { key: unescaped(key), value: unescaped(value), first, lines: number - first });
    }
    entries
}

/// Whether it ends with an odd number of backslashes.
fn continues(line: &str) -> bool {
    line.chars().rev().take_while(|character| *character == '\\').count() % 2 == 1
}

/// Splits at the end of the key: the first `=`, `:` or whitespace that is not escaped.
fn split(line: &str) -> (&str, &str) {
    let mut escape = false;
    for (at, character) in line.char_indices() {
        if escape {
            escape = false;
        } else if character == '\\' {
            escape = true;
        } else if matches!(character, '=' | ':' | ' ' | '\t') {
            let rest = line.get(at..).unwrap_or_default().trim_start_matches([' ', '\t']);
            let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
            return (line.get(..at).unwrap_or_default(), rest.trim_start_matches([' ', '\t']));
        }
    }
    (line, "")
}

fn unescaped(text: &str) -> String {
    let mut units: Vec<u16> = Vec::new();
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        let mut push = |character: char| units.extend(character.encode_utf16(&mut [0; 2]).iter());
        if character != '\\' {
            push(character);
            continue;
        }
        match rest.next() {
            Some('n') => push('\n'),
            Some('r') => push('\r'),
            Some('t') => push('\t'),
            Some('f') => push('\u{c}'),
            Some('u') => {
                let digits: String = rest.clone().take(4).collect();
                match u16::from_str_radix(&digits, 16) {
                    Ok(unit) if digits.len() == 4 => {
                        units.push(unit);
                        rest.nth(3);
                    }
                    _ => push('u'),
                }
            }
            Some(other) => push(other),
            None => {}
        }
    }
    String::from_utf16_lossy(&units)
}

/// Servers read these files as Latin-1, so everything beyond ASCII is escaped.
fn escaped(text: &str, key: bool) -> String {
    let mut written = String::new();
    for (place, unit) in text.encode_utf16().enumerate() {
        match char::from_u32(u32::from(unit)).filter(|character| matches!(character, ' '..='~')) {
            Some('\\') => written.push_str("\\\\"),
            Some(' ') if key || place == 0 => written.push_str("\\ "),
            Some(character @ ('=' | ':')) if key => {
                written.push('\\');
                written.push(character);
            }
            Some(character @ ('#' | '!')) if key && place == 0 => {
                written.push('\\');
                written.push(character);
            }
            Some(character) => written.push(character),
            None => match unit {
                0x0a => written.push_str("\\n"),
                0x0d => written.push_str("\\r"),
                0x09 => written.push_str("\\t"),
                unit => written.push_str(&format!("\\u{unit:04x}")),
            },
        }
    }
    written
}
