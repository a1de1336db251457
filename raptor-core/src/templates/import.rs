//! Reading Pterodactyl's eggs (PTDL_v1 and PTDL_v2, JSON).

use super::{
    ConfigEdit, ConfigFile, ConfigParser, StopRule, Template,
    document::{Install, TemplateImage, Variable},
};
use crate::{Error, Result, configfiles};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The largest egg that is read, in bytes.
pub const MAX_SIZE: usize = 4 * 1024 * 1024;

/// Something odd in an egg, and what was made of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ImportWarning {
    /// Where, as a dotted path.
    pub path: String,
    /// What is odd and what was made of it.
    pub message: String,
}

/// What an egg says.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    /// The template.
    pub template: Template,
    /// Its dialect: `PTDL_v1` or `PTDL_v2`.
    pub format: String,
    /// What was odd.
    pub warnings: Vec<ImportWarning>,
}

struct Reader {
    warnings: Vec<ImportWarning>,
}

/// Reads an egg.
///
/// # Errors
/// [`Error::Invalid`] where it is none, or of a dialect that this version does not read.
pub fn import(bytes: &[u8]) -> Result<Imported> {
    let refuse = |why: String| Error::invalid("body", why);
    if bytes.len() > MAX_SIZE {
        return Err(refuse("An egg has at most 4 MiB.".into()));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| refuse("This file is not UTF-8 text.".into()))?;
    let source: Value = serde_json::from_str(text.trim_start_matches('\u{feff}'))
        .map_err(|error| refuse(format!("This is not an egg in JSON: {error}.")))?;
    let format = source.pointer("/meta/version").and_then(Value::as_str).unwrap_or_default().to_owned();
    if !matches!(format.as_str(), "PTDL_v1" | "PTDL_v2") {
        let found = if format.is_empty() { "It names no version".into() } else { format!("It is {format}") };
        return Err(refuse(format!("This version reads eggs of PTDL_v1 and PTDL_v2. {found}.")));
    }
    let mut reader = Reader { warnings: Vec::new() };
    let template = reader.template(&source)?;
    Ok(Imported { template, format, warnings: reader.warnings })
}

impl Reader {
    fn warn(&mut self, path: &str, message: impl Into<String>) {
        self.warnings.push(ImportWarning { path: path.into(), message: message.into() });
    }

    fn template(&mut self, source: &Value) -> Result<Template> {
        let text = |name: &str| source.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let name = text("name").trim().to_owned();
        if name.is_empty() {
            return Err(Error::invalid("name", "The egg has no name."));
        }
        let config = source.get("config").cloned().unwrap_or_default();
        let ready = self.embedded(&config, "startup");
        let startup = text("startup");
        if startup.is_empty() {
            self.warn("startup", "There is no startup command; each container needs one of its own.");
        }
        Ok(Template {
            name,
            author: text("author"),
            description: text("description").replace("\r\n", "\n"),
            features: strings(source.get("features")),
            images: self.images(source),
            startup,
            done: done(ready.get("done")),
            strip_ansi: ready.get("strip_ansi").and_then(Value::as_bool).unwrap_or(false),
            stop: stop(config.get("stop").and_then(Value::as_str).unwrap_or_default()),
            config_files: self.files(&config),
            variables: self.variables(source),
            install: install(source),
            denylist: strings(source.get("file_denylist")),
            source: source.clone(),
        })
    }

    /// An object that eggs hold as text.
    fn embedded(&mut self, config: &Value, name: &str) -> Map<String, Value> {
        match config.get(name) {
            Some(Value::Object(map)) => map.clone(),
            Some(Value::String(text)) if text.trim().is_empty() => Map::new(),
            Some(Value::String(text)) => serde_json::from_str(text).unwrap_or_else(|error| {
                self.warn(&format!("config.{name}"), format!("This is not JSON and was left out: {error}."));
                Map::new()
            }),
            _ => Map::new(),
        }
    }

    fn images(&mut self, source: &Value) -> Vec<TemplateImage> {
        let image = |label: &str, image: &str| TemplateImage {
            label: label.trim().into(),
            image: image.trim().into(),
        };
        let same = |text: &str| image(text, text);
        let images: Vec<_> = match (source.get("docker_images"), source.get("images"), source.get("image")) {
            (Some(Value::Object(map)), _, _) => {
                map.iter().filter_map(|(label, reference)| Some(image(label, reference.as_str()?))).collect()
            }
            (list @ Some(Value::Array(_)), _, _) | (_, list @ Some(Value::Array(_)), _) => {
                strings(list).iter().map(|text| same(text)).collect()
            }
            (_, _, Some(Value::String(text))) if !text.starts_with("data:") => vec![same(text)],
            _ => Vec::new(),
        };
        if images.is_empty() {
            self.warn("docker_images", "There is no image; each container needs one of its own.");
        }
        images
    }

    fn files(&mut self, config: &Value) -> Vec<ConfigFile> {
        let mut files = Vec::new();
        for (path, entry) in self.embedded(config, "files") {
            let at = format!("config.files.{path}");
            let Some(find) = entry.get("find").and_then(Value::as_object) else {
                self.warn(&at, "It names no edits and was left out.");
                continue;
            };
            let Some(parser) = entry.get("parser").and_then(Value::as_str).and_then(parser) else {
                self.warn(&at, "Its parser is unknown; it was left out.");
                continue;
            };
            if path.split('/').any(|part| part == "..") {
                self.warn(&at, "It lies outside of the container's folder and was left out.");
                continue;
            }
            if !configfiles::is_supported(parser) {
                self.warn(
                    &at,
                    "This version does not edit files of this format; the console will say so at each start.",
                );
            }
            let edits = find.iter().flat_map(|(key, value)| edits(key, value)).collect();
            files.push(ConfigFile { path, parser, edits });
        }
        files
    }

    fn variables(&mut self, source: &Value) -> Vec<Variable> {
        let mut variables: Vec<Variable> = Vec::new();
        for (place, entry) in
            source.get("variables").and_then(Value::as_array).into_iter().flatten().enumerate()
        {
            let text = |name: &str| entry.get(name).map(plain).unwrap_or_default();
            let flag = |name: &str| {
                entry.get(name).is_some_and(|value| value.as_bool().unwrap_or(value.as_i64() == Some(1)))
            };
            let env = text("env_variable");
            let at = format!("variables.{place}");
            if env.is_empty() || !env.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
                self.warn(&at, format!("{env:?} can't be a variable's name; it was left out."));
                continue;
            }
            if variables.iter().any(|variable| variable.env == env) {
                self.warn(&at, format!("{env} is there twice; the first one counts."));
                continue;
            }
            let rules = match entry.get("rules") {
                Some(Value::Array(rules)) => rules.iter().map(plain).collect::<Vec<_>>().join("|"),
                Some(Value::String(rules)) => rules.clone(),
                _ => String::new(),
            };
            variables.push(Variable {
                name: text("name"),
                description: text("description"),
                env,
                default_value: text("default_value"),
                user_viewable: flag("user_viewable"),
                user_editable: flag("user_editable"),
                rules,
            });
        }
        variables
    }
}

fn strings(value: Option<&Value>) -> Vec<String> {
    value
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|item| item.as_str().map(str::to_owned))
        .collect()
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn done(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(text)) if !text.is_empty() => vec![text.clone()],
        Some(Value::Array(_)) => strings(value),
        _ => Vec::new(),
    }
}

/// `^C` and its spellings are what the key sends: an interrupt. `^SIGNAME` names the signal. The rest is typed.
fn stop(text: &str) -> StopRule {
    let text = text.trim();
    let signal = |name: &str| StopRule::Signal { signal: name.to_owned() };
    match text.strip_prefix('^') {
        None if text.is_empty() => StopRule::Docker,
        None => StopRule::Command { command: text.to_owned() },
        Some(keys) => match keys.trim_start_matches('^').to_ascii_uppercase().as_str() {
            "\\" => signal("SIGQUIT"),
            name if name.starts_with("SIG") => signal(name),
            _ => signal("SIGINT"),
        },
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

/// One edit, or several with conditions where the value is an object of them.
fn edits(key: &str, value: &Value) -> Vec<ConfigEdit> {
    let edit = |if_value, value: &Value| ConfigEdit { key: key.to_owned(), if_value, value: value.clone() };
    match value {
        Value::Object(conditions) => {
            conditions.iter().map(|(present, new)| edit(Some(present.clone()), new)).collect()
        }
        value => vec![edit(None, value)],
    }
}

fn install(source: &Value) -> Option<Install> {
    let installation = source.pointer("/scripts/installation")?;
    let text = |name: &str| installation.get(name).and_then(Value::as_str).unwrap_or_default();
    let script = text("script").replace("\r\n", "\n");
    if script.trim().is_empty() {
        return None;
    }
    Some(Install {
        image: text("container").trim().to_owned(),
        entrypoint: text("entrypoint").to_owned(),
        script,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn egg(change: impl FnOnce(&mut Value)) -> Result<Imported> {
        let mut egg = json!({
            "meta": { "version": "PTDL_v2", "update_url": null }, "name": "Game", "author": "a@b", "description": "x\r\ny",
            "docker_images": { "Java 21": " ghcr.io/x/java:21" }, "startup": "java -jar {{JAR}}",
            "config": { "files": "{\"a.properties\":{\"parser\":\"properties\",\"find\":{\"port\":\"{{server.build.default.port}}\"}}}",
                        "startup": "{\"done\": \"Done (\"}", "logs": "{}", "stop": "^^C" },
            "scripts": { "installation": { "script": "#!/bin/sh\r\ntrue", "container": "alpine", "entrypoint": "ash" } },
            "variables": [{ "name": "Jar", "env_variable": "JAR", "default_value": 1, "user_viewable": 1, "user_editable": true,
                            "rules": ["required", "string"] }],
        });
        change(&mut egg);
        import(egg.to_string().as_bytes())
    }

    #[test]
    fn an_egg_is_read_with_all_it_says() {
        let imported = egg(|_| {}).unwrap();
        let template = imported.template;
        assert_eq!(template.images[0].image, "ghcr.io/x/java:21");
        assert_eq!(template.done, ["Done ("]);
        assert_eq!(template.stop, StopRule::Signal { signal: "SIGINT".into() });
        assert_eq!(template.config_files[0].edits[0].key, "port");
        assert_eq!(
            (template.variables[0].default_value.as_str(), template.variables[0].rules.as_str()),
            ("1", "required|string")
        );
        assert!(template.variables[0].user_viewable);
        assert_eq!(template.install.unwrap().script, "#!/bin/sh\ntrue");
        assert!(imported.warnings.is_empty());
    }

    #[test]
    fn what_is_odd_is_said() {
        let imported = egg(|egg| {
            egg["docker_images"] = json!(null);
            egg["startup"] = json!(null);
            egg["config"]["files"] =
                json!("{\"../x\":{\"parser\":\"ini\",\"find\":{}},\"a\":{\"parser\":\"xml\",\"find\":{}}}");
            egg["variables"] =
                json!([{ "env_variable": "A" }, { "env_variable": "A" }, { "env_variable": "A B" }]);
        })
        .unwrap();
        let paths: Vec<_> = imported.warnings.iter().map(|warning| warning.path.as_str()).collect();
        assert_eq!(
            paths,
            ["startup", "docker_images", "config.files.../x", "config.files.a", "variables.1", "variables.2"]
        );
    }

    #[test]
    fn what_is_no_egg_is_refused_with_the_reason() {
        for (bytes, why) in [(&b"{"[..], "JSON"), (b"{}", "PTDL_v2"), (b"\xff", "UTF-8")] {
            assert!(import(bytes).unwrap_err().to_string().contains(why));
        }
    }
}
