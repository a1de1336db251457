//! Formats of single lines: plain files and Java properties.

use super::{ConfigFileError, line_end, plain, wanted};
use crate::templates::ConfigEdit;

/// Lines that begin with a key are replaced as a whole; the last edit that fits a line wins.
pub(super) fn replace_lines(text: &str, edits: &[ConfigEdit]) -> String {
    text.split_inclusive('\n')
        .map(|line| {
            let body = line.trim_end_matches(['\r', '\n']);
            let end = line.get(body.len()..).unwrap_or_default();
            let edit = edits.iter().rev().find(|edit| !edit.key.is_empty() && body.starts_with(&edit.key));
            edit.map_or_else(|| line.to_owned(), |edit| format!("{}{end}", plain(&edit.value)))
        })
        .collect()
}

/// `key=value` lines as Java's `Properties` reads them; missing keys are added at the end.
pub(super) fn properties(text: &str, edits: &[ConfigEdit]) -> Result<String, ConfigFileError> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for edit in edits {
        let place = lines.iter().position(|line| split(line).is_some_and(|(key, _)| key == edit.key));
        let present = place
            .and_then(|place| lines.get(place))
            .and_then(|line| split(line))
            .map(|(_, value)| value.to_owned());
        let Some(value) = wanted(edit, present.as_deref())? else { continue };
        if present.as_deref() == Some(&escaped(&plain(&value))) {
            continue;
        }
        let line = format!("{}={}", edit.key, escaped(&plain(&value)));
        match place.and_then(|place| lines.get_mut(place)) {
            Some(old) => *old = line,
            None => lines.push(line),
        }
    }
    let end = line_end(text);
    Ok(lines.into_iter().map(|line| line + end).collect())
}

fn split(line: &str) -> Option<(&str, &str)> {
    let line = line.trim_start();
    if line.starts_with(['#', '!']) {
        return None;
    }
    let (key, value) = line.split_once(['=', ':'])?;
    Some((key.trim_end(), value.trim_start()))
}

/// Servers read these files as Latin-1: everything above ASCII is written as an escape.
fn escaped(value: &str) -> String {
    let mut written = String::new();
    for unit in value.encode_utf16() {
        match char::from_u32(u32::from(unit)).filter(char::is_ascii) {
            Some('\n') => written.push_str("\\n"),
            Some('\r') => {}
            Some(character) => written.push(character),
            None => written.push_str(&format!("\\u{unit:04x}")),
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn edit(key: &str, value: serde_json::Value) -> ConfigEdit {
        ConfigEdit { key: key.into(), if_value: None, value }
    }

    #[test]
    fn a_line_that_begins_with_the_key_is_replaced_and_its_end_kept() {
        let text = "port=1\r\n# port=2\r\nname=x";
        assert_eq!(
            replace_lines(text, &[edit("port", json!("port=25565"))]),
            "port=25565\r\n# port=2\r\nname=x"
        );
    }

    #[test]
    fn properties_keep_comments_and_order_and_add_what_is_missing() {
        let text = "#Minecraft\nserver-port = 1\nmotd=A\n";
        let edits =
            [edit("server-port", json!("25565")), edit("query", json!(true)), edit("motd", json!("§6Hi"))];
        let edited = properties(text, &edits).unwrap();
        assert_eq!(edited, "#Minecraft\nserver-port=25565\nmotd=\\u00a76Hi\nquery=true\n");
        assert_eq!(properties(&edited, &edits).unwrap(), edited);
    }
}
