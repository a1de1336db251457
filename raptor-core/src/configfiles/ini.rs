//! INI: sections, keys, and everything between them as it was.

use super::{ConfigFileError, line_end, plain, wanted};
use crate::templates::ConfigEdit;

/// Sets each `section.key`; missing sections and keys are added.
pub(super) fn edit(text: &str, edits: &[ConfigEdit]) -> Result<String, ConfigFileError> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for edit in edits {
        let (section, key) = path(&edit.key);
        let (begin, end) = match range(&lines, &section) {
            Some(range) => range,
            None => {
                if lines.last().is_some_and(|line| !line.trim().is_empty()) {
                    lines.push(String::new());
                }
                lines.push(format!("[{section}]"));
                (lines.len(), lines.len())
            }
        };
        let place = (begin..end).find(|place| {
            lines.get(*place).and_then(|line| split(line)).is_some_and(|(found, _)| found == key)
        });
        let present = place
            .and_then(|place| lines.get(place))
            .and_then(|line| split(line))
            .map(|(_, value)| value.to_owned());
        let Some(value) = wanted(edit, present.as_deref())? else { continue };
        let value = plain(&value);
        if present.as_deref() == Some(&value) {
            continue;
        }
        match place.and_then(|place| lines.get_mut(place)) {
            Some(line) => {
                // The space that the file has around `=` stays.
                let head = line.split_inclusive('=').next().unwrap_or_default().to_owned();
                let space =
                    if line.get(head.len()..).is_some_and(|rest| rest.starts_with(' ')) { " " } else { "" };
                *line = format!("{head}{space}{value}");
            }
            None => {
                let last = (begin..end)
                    .rev()
                    .find(|place| lines.get(*place).is_some_and(|line| !line.trim().is_empty()));
                lines.insert(last.map_or(begin, |last| last + 1), format!("{key} = {value}"));
            }
        }
    }
    let end = line_end(text);
    Ok(lines.into_iter().map(|line| line + end).collect())
}

/// `[Section.With.Dots].Key`, `section.key`, or `key` before the first section.
fn path(key: &str) -> (String, &str) {
    if let Some((section, key)) = key.strip_prefix('[').and_then(|rest| rest.split_once("].")) {
        return (section.to_owned(), key);
    }
    key.split_once('.').map_or((String::new(), key), |(section, key)| (section.to_owned(), key))
}

/// The lines of a section, without its head.
fn range(lines: &[String], section: &str) -> Option<(usize, usize)> {
    let head = |line: &String| {
        line.trim().strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).map(str::to_owned)
    };
    let begin = if section.is_empty() {
        0
    } else {
        lines.iter().position(|line| head(line).as_deref() == Some(section))? + 1
    };
    let rest = lines.iter().skip(begin).position(|line| head(line).is_some());
    Some((begin, rest.map_or(lines.len(), |rest| begin + rest)))
}

fn split(line: &str) -> Option<(&str, &str)> {
    let line = line.trim_start();
    if line.starts_with([';', '#', '[']) {
        return None;
    }
    let (key, value) = line.split_once('=')?;
    Some((key.trim(), value.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn edits(pairs: &[(&str, serde_json::Value)]) -> Vec<ConfigEdit> {
        pairs
            .iter()
            .map(|(key, value)| ConfigEdit { key: (*key).into(), if_value: None, value: value.clone() })
            .collect()
    }

    #[test]
    fn openttds_file_is_made_where_there_is_none() {
        let edits = edits(&[("network.server_port", json!("4711")), ("network.lan_internet", json!(0))]);
        assert_eq!(edit("", &edits).unwrap(), "[network]\nserver_port = 4711\nlan_internet = 0\n");
    }

    #[test]
    fn comments_order_and_other_sections_stay() {
        let text = "; top\n[a]\nx = 1\n\n[network]\n; the port\nserver_port = 3979\nname=Old\n\n[z]\ny = 2\n";
        let edits = edits(&[
            ("network.server_port", json!("4711")),
            ("network.name", json!("New")),
            ("network.extra", json!(true)),
        ]);
        let edited = edit(text, &edits).unwrap();
        assert_eq!(
            edited,
            "; top\n[a]\nx = 1\n\n[network]\n; the port\nserver_port = 4711\nname=New\nextra = true\n\n[z]\ny = 2\n"
        );
        assert_eq!(edit(&edited, &edits).unwrap(), edited);
    }

    #[test]
    fn brackets_protect_dots() {
        let edits = edits(&[("[/Script/Game.Session].Name", json!("x"))]);
        assert_eq!(edit("", &edits).unwrap(), "[/Script/Game.Session]\nName = x\n");
    }

    #[test]
    fn keys_before_the_first_section_are_found() {
        let edits = edits(&[("port", json!("1"))]);
        assert_eq!(edit("port=2\n[a]\nport=3\n", &edits).unwrap(), "port=1\n[a]\nport=3\n");
    }

    #[test]
    fn windows_line_ends_stay() {
        let edits = edits(&[("a.x", json!("2"))]);
        assert_eq!(edit("[a]\r\nx=1\r\n", &edits).unwrap(), "[a]\r\nx=2\r\n");
    }
}
