//! INI: sections, keys, and everything between them as it was.

use super::{ConfigFileError, lines::Lines, one_line, wanted};
use crate::templates::ConfigEdit;
use std::ops::Range;

/// Sets each `section.key`; missing sections and keys are added.
pub(super) fn edit(text: &str, edits: &[ConfigEdit]) -> Result<String, ConfigFileError> {
    let mut lines = Lines::of(text);
    for edit in edits {
        let (section, key) = path(&edit.key);
        let writable = !key.starts_with([';', '#', '[']) && !key.contains(['\r', '\n', '=']);
        if key.is_empty() || !writable || section.contains(['\r', '\n', ']']) {
            continue;
        }
        let found = range(&lines, &section);
        let place = found.clone().and_then(|mut range| {
            range.find(|place| lines.get(*place).and_then(split).is_some_and(|(found, _)| found == key))
        });
        let present =
            place.and_then(|place| lines.get(place)).and_then(split).map(|(_, value)| value.to_owned());
        let whole = present.as_deref().unwrap_or_default();
        let comment = comment(whole);
        let bare = whole.get(..whole.len() - comment.map_or(0, str::len)).unwrap_or_default().trim_end();
        let Some(value) = wanted(edit, present.is_some().then_some(bare))? else { continue };
        let value = one_line(&value);
        if present.as_deref() == Some(value.trim()) || (comment.is_some() && bare == value) {
            continue;
        }
        match place.and_then(|place| lines.get(place)).map(str::to_owned) {
            Some(line) => {
                // The space that the file has around `=` stays, and so does a comment behind the value.
                let head = line.split_inclusive('=').next().unwrap_or_default();
                let space =
                    if line.get(head.len()..).is_some_and(|rest| rest.starts_with(' ')) { " " } else { "" };
                let behind = if self::comment(&value).is_some() { "" } else { comment.unwrap_or_default() };
                lines.set(place.unwrap_or_default(), format!("{head}{space}{value}{behind}"));
            }
            None => {
                let range = found.unwrap_or_else(|| {
                    let ends =
                        lines.get(lines.count().wrapping_sub(1)).is_none_or(|line| line.trim().is_empty());
                    if !ends {
                        lines.insert(lines.count(), String::new());
                    }
                    lines.insert(lines.count(), format!("[{section}]"));
                    lines.count()..lines.count()
                });
                let last = range
                    .clone()
                    .rev()
                    .find(|place| lines.get(*place).is_some_and(|line| !line.trim().is_empty()));
                lines.insert(last.map_or(range.start, |last| last + 1), format!("{key} = {value}"));
            }
        }
    }
    Ok(lines.join())
}

/// A comment behind a value, with the blank before it.
fn comment(value: &str) -> Option<&str> {
    let at = [" ;", "\t;", " # ", "\t# "].iter().filter_map(|sign| value.find(sign)).min()?;
    value.get(at..)
}

/// `[Section.With.Dots].Key`, `section.key`, or `key` before the first section: the first dot outside of brackets parts them.
fn path(key: &str) -> (String, String) {
    let mut depth = 0_usize;
    let bare = |text: &str| {
        let text = text.trim();
        text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text).trim().to_owned()
    };
    for (at, character) in key.char_indices() {
        match character {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            '.' if depth == 0 && at > 0 => {
                return (
                    bare(key.get(..at).unwrap_or_default()),
                    bare(key.get(at + 1..).unwrap_or_default()),
                );
            }
            _ => {}
        }
    }
    (String::new(), bare(key))
}

/// The lines of a section, without its head.
fn range(lines: &Lines, section: &str) -> Option<Range<usize>> {
    let head = |place: usize| lines.get(place)?.trim().strip_prefix('[')?.strip_suffix(']');
    let begin = if section.is_empty() {
        0
    } else {
        (0..lines.count()).find(|place| head(*place) == Some(section))? + 1
    };
    let end = (begin..lines.count()).find(|place| head(*place).is_some()).unwrap_or(lines.count());
    Some(begin..end)
}

fn split(line: &str) -> Option<(&str, &str)> {
    let line = line.trim_start();
    if line.starts_with([';', '#', '[']) {
        return None;
    }
    let (key, value) = line.split_once('=')?;
    Some((key.trim(), value.trim()))
}
