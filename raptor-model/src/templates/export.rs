//! Exporting templates as PTDL_v2 for Pterodactyl.
//!
//! Its importer is stricter than the format: it rejects variables with unknown keys, rules that aren't strings, variables
//! without names, and missing startup commands. What can't be expressed is stored under the key `raptor`, which it ignores.

use super::{ConfigFile, ConfigParser, Template, import, own, placeholders::for_pterodactyl, stop};
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};

pub use own::to_own;

/// The template as a PTDL_v2 document. Importing it results in the same template.
#[must_use]
pub fn to_ptdl_v2(template: &Template, at: DateTime<Utc>) -> Value {
    let mut document = egg(template, at);
    let read = import::import(document.to_string().as_bytes());
    if let Ok(read) = read
        && let Some(more) = own::difference(template, &read.template)
        && let Some(map) = document.as_object_mut()
    {
        map.insert("raptor".into(), more);
    }
    document
}

fn egg(template: &Template, at: DateTime<Utc>) -> Value {
    let images: Map<String, Value> =
        template.images.iter().map(|image| (image.label.clone(), json!(image.image))).collect();
    let install = template.install.as_ref();
    let mut ready = Map::new();
    ready.insert(
        "done".into(),
        match template.done.as_slice() {
            [one] => json!(one),
            lines => json!(lines),
        },
    );
    if template.strip_ansi {
        ready.insert("strip_ansi".into(), json!(true));
    }
    let stop = template
        .stop_text
        .clone()
        .filter(|text| !text.trim().is_empty() && stop::read(text).0 == template.stop);
    let mut document = json!({
        "_comment": "Exported by Raptor",
        "meta": { "version": "PTDL_v2", "update_url": template.update_url },
        "exported_at": at.to_rfc3339_opts(SecondsFormat::Secs, false),
        "name": template.name,
        "author": if template.author.contains('@') { &template.author } else { "unknown@example.com" },
        "description": template.description,
        "features": Some(&template.features).filter(|features| !features.is_empty()),
        "docker_images": images,
        "file_denylist": template.denylist,
        "startup": template.startup,
        "config": {
            "files": files(&template.config_files),
            "startup": ready,
            "logs": if template.logs.is_null() { json!({}) } else { template.logs.clone() },
            "stop": stop.unwrap_or_else(|| stop::write(&template.stop)),
        },
        "scripts": { "installation": {
            "script": install.map(|install| install.script.as_str()).unwrap_or_default(),
            "container": install.map(|install| install.image.as_str()).unwrap_or_default(),
            "entrypoint": install.map(|install| install.entrypoint.as_str()).unwrap_or_default(),
        } },
        "variables": template.variables.iter().map(|variable| json!({
            "name": if variable.name.trim().is_empty() { &variable.env } else { &variable.name },
            "description": variable.description,
            "env_variable": variable.env,
            "default_value": variable.default_value,
            "user_viewable": variable.user_viewable,
            "user_editable": variable.user_editable,
            "rules": if variable.rules.is_empty() { "nullable|string" } else { &variable.rules },
            "field_type": "text",
        })).collect::<Vec<_>>(),
    });
    for (key, value) in [
        ("uuid", json!(template.uuid)),
        ("tags", if template.tags.is_empty() { Value::Null } else { json!(template.tags) }),
        ("icon", json!(template.icon)),
    ] {
        if let (Some(map), false) = (document.as_object_mut(), value.is_null()) {
            map.insert(key.into(), value);
        }
    }
    for (pointer, value) in &template.extra {
        put(&mut document, pointer, value);
    }
    // Pterodactyl stores these three as strings.
    if let Some(config) = document.get_mut("config").and_then(Value::as_object_mut) {
        for name in ["files", "startup", "logs"] {
            if let Some(held) = config.get_mut(name).filter(|held| !held.is_string()) {
                *held = json!(serde_json::to_string_pretty(held).unwrap_or_default());
            }
        }
    }
    document
}

/// Puts a value where it was found, unless there is another value now.
fn put(document: &mut Value, pointer: &str, value: &Value) {
    let Some((parent, key)) = pointer.rsplit_once('/') else { return };
    let key = key.replace("~1", "/").replace("~0", "~");
    if let Some(Value::Object(map)) = document.pointer_mut(parent) {
        map.entry(key).or_insert_with(|| value.clone());
    }
}

fn files(files: &[ConfigFile]) -> Value {
    let mut written = Map::new();
    for file in files {
        let parser = match file.parser {
            ConfigParser::File => "file",
            ConfigParser::Properties => "properties",
            ConfigParser::Ini => "ini",
            ConfigParser::Json => "json",
            ConfigParser::Yaml => "yaml",
            ConfigParser::Xml => "xml",
            ConfigParser::Toml => "toml",
        };
        let mut find = Map::new();
        for edit in &file.edits {
            match &edit.if_value {
                None => {
                    find.insert(for_pterodactyl(&edit.key), spelled(&edit.value));
                }
                Some(present) => {
                    let entry = find.entry(for_pterodactyl(&edit.key)).or_insert_with(|| json!({}));
                    if let Some(conditions) = entry.as_object_mut() {
                        conditions.insert(present.clone(), spelled(&edit.value));
                    }
                }
            }
        }
        written.insert(for_pterodactyl(&file.path), json!({ "parser": parser, "find": find }));
    }
    Value::Object(written)
}

/// A value with placeholders in Pterodactyl's notation.
fn spelled(value: &Value) -> Value {
    match value {
        Value::String(text) => for_pterodactyl(text).into(),
        Value::Array(items) => items.iter().map(spelled).collect(),
        Value::Object(map) => {
            map.iter().map(|(key, value)| (key.clone(), spelled(value))).collect::<Map<_, _>>().into()
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pelicans_placeholders_become_pterodactyls_and_come_back_on_import() {
        let egg = json!({
            "meta": { "version": "PLCN_v3" }, "name": "Archean", "docker_images": { "a": "img:1" }, "startup": "x",
            "config": { "files": { "server.ini": { "parser": "ini", "find": {
                "a.port": "{{server.allocations.default.port}}", "a.mode": { "x": "{{server.environment.GAME_MODE}}" } } } } },
            "variables": [{ "name": "Mode", "env_variable": "GAME_MODE", "default_value": "x", "rules": "string" }],
        });
        let template = import::import(egg.to_string().as_bytes()).unwrap().template;
        let exported = to_ptdl_v2(&template, DateTime::UNIX_EPOCH);
        let files: Value = serde_json::from_str(exported["config"]["files"].as_str().unwrap()).unwrap();
        assert_eq!(
            files["server.ini"]["find"],
            json!({ "a.port": "{{server.build.default.port}}", "a.mode": { "x": "{{server.build.env.GAME_MODE}}" } })
        );
        assert_eq!(import::import(exported.to_string().as_bytes()).unwrap().template, template);
    }

    #[test]
    fn whether_the_script_has_to_succeed_comes_back_on_import() {
        let egg = json!({
            "meta": { "version": "PTDL_v2" }, "name": "Game", "docker_images": { "a": "img:1" }, "startup": "x",
            "scripts": { "installation": { "script": "true", "container": "alpine", "entrypoint": "ash" } },
        });
        let mut template = import::import(egg.to_string().as_bytes()).unwrap().template;
        assert!(!template.install.as_ref().unwrap().strict);
        template.install.as_mut().unwrap().strict = true;
        let exported = to_ptdl_v2(&template, DateTime::UNIX_EPOCH);
        assert_eq!(exported["raptor"]["install"]["strict"], json!(true));
        for document in [exported, to_own(&template)] {
            assert_eq!(import::import(document.to_string().as_bytes()).unwrap().template, template);
        }
    }
}
