//! Writing templates as PTDL_v2, which a Pterodactyl panel reads.

use super::{ConfigFile, ConfigParser, StopRule, Template};
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};

/// The template as a PTDL_v2 document. What Raptor has no use for is as it was imported.
#[must_use]
pub fn to_ptdl_v2(template: &Template, at: DateTime<Utc>) -> Value {
    let kept = |pointer: &str| template.source.pointer(pointer).cloned();
    if kept("/meta/version").as_ref().and_then(Value::as_str) == Some("PTDL_v2") {
        let mut document = template.source.clone();
        if let Some(map) = document.as_object_mut() {
            map.insert("exported_at".into(), json!(at.to_rfc3339_opts(SecondsFormat::Secs, false)));
        }
        return document;
    }
    let images: Map<String, Value> =
        template.images.iter().map(|image| (image.label.clone(), json!(image.image))).collect();
    let install = template.install.as_ref();
    json!({
        "_comment": "Exported by Raptor",
        "meta": { "version": "PTDL_v2", "update_url": kept("/meta/update_url") },
        "exported_at": at.to_rfc3339_opts(SecondsFormat::Secs, false),
        "name": template.name,
        "author": template.author,
        "description": template.description,
        "features": template.features,
        "docker_images": images,
        "file_denylist": template.denylist,
        "startup": template.startup,
        "config": {
            "files": files(&template.config_files).to_string(),
            "startup": json!({ "done": template.done }).to_string(),
            "logs": kept("/config/logs").unwrap_or_else(|| json!("{}")),
            "stop": stop(&template.stop),
        },
        "scripts": { "installation": {
            "script": install.map(|install| install.script.as_str()).unwrap_or_default(),
            "container": install.map(|install| install.image.as_str()).unwrap_or_default(),
            "entrypoint": install.map(|install| install.entrypoint.as_str()).unwrap_or_default(),
        } },
        "variables": template.variables.iter().map(|variable| json!({
            "name": variable.name,
            "description": variable.description,
            "env_variable": variable.env,
            "default_value": variable.default_value,
            "user_viewable": variable.user_viewable,
            "user_editable": variable.user_editable,
            "rules": variable.rules,
            "field_type": "text",
        })).collect::<Vec<_>>(),
    })
}

fn stop(rule: &StopRule) -> String {
    match rule {
        StopRule::Command { command } => command.clone(),
        StopRule::Signal { signal } if signal == "SIGINT" => "^C".into(),
        StopRule::Signal { signal } => format!("^{signal}"),
        StopRule::Docker => String::new(),
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
                    find.insert(edit.key.clone(), edit.value.clone());
                }
                Some(present) => {
                    let entry = find.entry(edit.key.clone()).or_insert_with(|| json!({}));
                    if let Some(conditions) = entry.as_object_mut() {
                        conditions.insert(present.clone(), edit.value.clone());
                    }
                }
            }
        }
        written.insert(file.path.clone(), json!({ "parser": parser, "find": find }));
    }
    Value::Object(written)
}
