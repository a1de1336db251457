//! The configuration files of an egg.

use super::{Reader, escape};
use crate::templates::{ConfigEdit, ConfigFile, ConfigParser};
use serde_json::{Map, Value};

impl Reader {
    pub(super) fn files(&mut self, config: &Value) -> Vec<ConfigFile> {
        let mut files = Vec::new();
        for (path, entry) in self.embedded(config, "files") {
            let at = format!("config.files.{path}");
            let Some(find) = entry.get("find").and_then(Value::as_object) else {
                self.warn(&at, "It lists no edits and was left out.");
                continue;
            };
            let Some(parser) = entry.get("parser").and_then(Value::as_str).and_then(parser) else {
                self.warn(&at, "Its parser is unknown; it was left out.");
                continue;
            };
            if path.split('/').any(|part| part == "..") || path.trim_matches('/').is_empty() {
                self.warn(&at, "It is outside the container's folder and was left out.");
                continue;
            }
            self.keep(&format!("/config/files/{}", escape(&path)), Some(&entry), &["parser", "find"]);
            let edits = find.iter().flat_map(|(key, value)| edits(key, value)).collect();
            files.push(ConfigFile { path, parser, edits });
        }
        files
    }

    /// An object that eggs contain as a string.
    pub(super) fn embedded(&mut self, config: &Value, name: &str) -> Map<String, Value> {
        let at = format!("config.{name}");
        match config.get(name) {
            Some(Value::Object(map)) => map.clone(),
            Some(Value::String(text)) if text.trim().is_empty() => Map::new(),
            Some(Value::String(text)) => match serde_json::from_str(text) {
                Ok(Value::Object(map)) => map,
                Ok(Value::Array(list)) if list.is_empty() => Map::new(),
                Ok(Value::Null) => Map::new(),
                Ok(_) => {
                    self.warn(&at, "This is not an object and was left out.");
                    Map::new()
                }
                Err(error) => {
                    self.warn(&at, format!("This is not JSON and was left out: {error}."));
                    Map::new()
                }
            },
            _ => Map::new(),
        }
    }
}

fn parser(name: &str) -> Option<ConfigParser> {
    Some(match name.to_ascii_lowercase().as_str() {
        "file" => ConfigParser::File,
        "properties" => ConfigParser::Properties,
        "ini" => ConfigParser::Ini,
        "json" => ConfigParser::Json,
        "yaml" | "yml" => ConfigParser::Yaml,
        "xml" => ConfigParser::Xml,
        "toml" => ConfigParser::Toml,
        _ => return None,
    })
}

/// One edit, or several with conditions if the value is an object.
fn edits(key: &str, value: &Value) -> Vec<ConfigEdit> {
    let edit = |if_value, value: &Value| ConfigEdit { key: key.to_owned(), if_value, value: value.clone() };
    match value {
        Value::Object(conditions) => {
            conditions.iter().map(|(present, new)| edit(Some(present.clone()), new)).collect()
        }
        value => vec![edit(None, value)],
    }
}
