//! INI files: sets keys in sections, and leaves everything else unchanged.
//!
//! Programs differ in which of several equal keys counts, so all of them are set. Repeated sections are treated as one.

use super::{
    ConfigFileError,
    lines::Lines,
    memory::{FileMemory, Tail},
    one_line, wanted,
};
use crate::templates::ConfigEdit;
use std::{collections::BTreeMap, ops::Range};

/// Sets each `section.key`; missing sections and keys are added.
pub(super) fn edit(
    text: &str,
    edits: &[ConfigEdit],
    memory: &mut FileMemory,
) -> Result<String, ConfigFileError> {
    let mut lines = Lines::of(text);
    for edit in edits {
        let (section, key) = path(&edit.key);
        let writable = !key.starts_with([';', '#', '[']) && !key.contains(['\r', '\n', '=']);
        if key.is_empty() || !writable || section.contains(['\r', '\n', ']']) {
            continue;
        }
        let ranges = ranges(&lines, &section);
        let found = |place: &usize| lines.get(*place).is_some_and(|line| split(line, &key).is_some());
        let places: Vec<_> = ranges.iter().cloned().flatten().filter(found).collect();
        let name = format!("{section}\n{key}");
        for place in &places {
            let line = lines.get(*place).unwrap_or_default();
            if let Some(line) = set(line, &key, edit, memory, &name)? {
                lines.set(*place, line);
            }
        }
        if places.is_empty()
            && let Some(value) = wanted(edit, None)?
        {
            let value = one_line(&value);
            memory.note(&name, value.trim(), None);
            add(&mut lines, ranges.into_iter().next(), &section, &key, &value);
        }
    }
    Ok(lines.join())
}

/// The line with its new value; `None` if it doesn't change.
fn set(
    line: &str,
    key: &str,
    edit: &ConfigEdit,
    memory: &mut FileMemory,
    name: &str,
) -> Result<Option<String>, ConfigFileError> {
    let Some(Entry { head, whole }) = split(line, key) else { return Ok(None) };
    let tail = memory.judge(name, whole, comment(whole));
    let behind = match tail {
        Tail::None => "",
        Tail::Own(text) | Tail::Unsure(text) => text,
    };
    let bare = whole.strip_suffix(behind).unwrap_or(whole).trim_end();
    let Some(value) = wanted(edit, Some(bare))? else { return Ok(None) };
    let value = one_line(&value);
    if whole == value.trim() {
        memory.note(name, whole, None);
        return Ok(None);
    }
    if bare == value.trim() {
        if let Tail::Own(_) = tail {
            memory.note(name, whole, Some(behind));
        }
        return Ok(None);
    }
    // A comment after a value that looks like a comment itself could not be told from it.
    let kept = match tail {
        Tail::Own(text) if comment(&value).is_none() => text,
        _ => "",
    };
    let new = format!("{value}{kept}");
    memory.note(name, new.trim(), (!kept.is_empty()).then_some(kept));
    Ok(Some(format!("{head}{new}")))
}

fn add(lines: &mut Lines, range: Option<Range<usize>>, section: &str, key: &str, value: &str) {
    let between = separator(lines, key);
    let range = range.unwrap_or_else(|| {
        let ends = lines.get(lines.count().wrapping_sub(1)).is_none_or(|line| line.trim().is_empty());
        if !ends {
            lines.insert(lines.count(), String::new());
        }
        lines.insert(lines.count(), format!("[{section}]"));
        lines.count()..lines.count()
    });
    let last =
        range.clone().rev().find(|place| lines.get(*place).is_some_and(|line| !line.trim().is_empty()));
    lines.insert(last.map_or(range.start, |last| last + 1), format!("{key}{between}{value}"));
}

/// The separator that most lines of the file use; ` = ` if there is none.
fn separator(lines: &Lines, key: &str) -> &'static str {
    let mut counts = BTreeMap::from([(" = ", 0), ("=", 0), ("= ", 0), (": ", 0)]);
    for line in (0..lines.count()).filter_map(|place| lines.get(place)) {
        let Some((at, sign)) = sign(line) else { continue };
        let (before, after) = (line.get(..at).unwrap_or_default(), line.get(at + 1..).unwrap_or_default());
        if after.trim().is_empty() {
            continue;
        }
        let style = match (sign, before.ends_with(BLANK), after.starts_with(BLANK)) {
            (':', ..) => ": ",
            (_, true, _) => " = ",
            (_, false, true) => "= ",
            (_, false, false) => "=",
        };
        counts.entry(style).and_modify(|count| *count += 1);
    }
    let usual = counts.get(" = ").copied().unwrap_or_default();
    let most = counts.into_iter().filter(|(style, _)| *style != ": " || !key.contains(':'));
    most.max_by_key(|(_, count)| *count).filter(|(_, count)| *count > usual).map_or(" = ", |(style, _)| style)
}

const BLANK: [char; 2] = [' ', '\t'];

/// A comment after a value, including the whitespace before it. Quoted text is not a comment.
fn comment(value: &str) -> Option<&str> {
    let quote = value.chars().next().filter(|first| matches!(first, '"' | '\'' | '`'));
    let quoted = quote.and_then(|quote| value.get(1..)?.find(quote)).map_or(0, |at| at + 2);
    let rest = value.get(quoted..)?;
    let at = [" ;", "\t;", " # ", "\t# "].iter().filter_map(|sign| rest.find(sign)).min()?;
    let begin = rest.get(..at)?.trim_end_matches(BLANK).len();
    value.get(quoted + begin..)
}

/// Splits `[Section.With.Dots].Key`, `section.key`, or `key` before the first section, at the first dot outside of brackets.
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

/// The lines of a section, without its headers.
fn ranges(lines: &Lines, section: &str) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut begin = section.is_empty().then_some(0);
    for place in 0..lines.count() {
        let Some(name) = lines.get(place).and_then(head) else { continue };
        ranges.extend(begin.take().map(|begin| begin..place));
        begin = (!section.is_empty() && name == section).then_some(place + 1);
    }
    ranges.extend(begin.map(|begin| begin..lines.count()));
    ranges
}

/// The name in a section's header, which may be followed by a comment.
fn head(line: &str) -> Option<&str> {
    let inner = line.trim().strip_prefix('[')?;
    inner.strip_suffix(']').or_else(|| {
        let (name, behind) = inner.rsplit_once(']')?;
        behind.trim_start().starts_with([';', '#']).then_some(name)
    })
}

/// A line with a key: everything before its value, and the rest.
struct Entry<'l> {
    head: &'l str,
    whole: &'l str,
}

/// Where a line's key ends, and with which sign: `=`, or a `:` before it.
fn sign(line: &str) -> Option<(usize, char)> {
    if line.trim_start().starts_with([';', '#', '[']) {
        return None;
    }
    colon(line).map(|at| (at, ':')).or_else(|| line.find('=').map(|at| (at, '=')))
}

/// A colon that ends a key: followed by whitespace, or in a line without `=`.
fn colon(line: &str) -> Option<usize> {
    let at = line.find(':')?;
    let before = line
        .find('=')
        .is_none_or(|equals| at < equals && line.get(at + 1..).is_some_and(|rest| rest.starts_with(BLANK)));
    before.then_some(at)
}

fn split<'l>(line: &'l str, key: &str) -> Option<Entry<'l>> {
    sign(line)?;
    let named = |at: &usize| line.get(..*at).is_some_and(|name| name.trim() == key);
    let at = line.find('=').filter(named).or_else(|| colon(line).filter(named))?;
    let rest = line.get(at + 1..)?;
    let whole = rest.trim();
    // After a key without a value, at most one space is kept.
    let gap = if whole.is_empty() { rest.len().min(1) } else { rest.len() - rest.trim_start().len() };
    Some(Entry { head: line.get(..at + 1 + gap)?, whole })
}
