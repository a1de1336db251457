//! Reading templates: Pterodactyl's eggs (`PTDL_v1`, `PTDL_v2`), Pelican's (`PLCN_v1` to `PLCN_v3`), and Raptor's own format,
//! each as JSON or YAML.

use super::{
    ConfigEdit, ConfigFile, ConfigParser, Template,
    check::check,
    document::{Install, StartupCommand, TemplateImage, Variable, looks_secret},
    lint::lint,
    own, stop, text,
};
use crate::{Error, Result, containers::check_image};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

pub use text::MAX_SIZE;

/// Something odd in a template, and what was made of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ImportWarning {
    /// Where, as a dotted path.
    pub path: String,
    /// What is odd and what was made of it.
    pub message: String,
}

/// What a file says.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    /// The template.
    pub template: Template,
    /// Its dialect: `PTDL_v1`, `PTDL_v2`, `PLCN_v1`, `PLCN_v2`, `PLCN_v3` or `RAPTOR_v1`.
    pub format: String,
    /// What was odd.
    pub warnings: Vec<ImportWarning>,
}

struct Reader {
    warnings: Vec<ImportWarning>,
    extra: BTreeMap<String, Value>,
}

/// Reads a template.
///
/// # Errors
/// [`Error::Invalid`] where it is none.
pub fn import(bytes: &[u8]) -> Result<Imported> {
    let (source, warnings) = text::parse(bytes)?;
    if own::is_own(&source) {
        return own::read(source, warnings);
    }
    let version = source.pointer("/meta/version").and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut reader = Reader { warnings, extra: BTreeMap::new() };
    let known = ["PTDL_v1", "PTDL_v2", "PLCN_v1", "PLCN_v2", "PLCN_v3"].contains(&version.as_str());
    let format = if known { version } else { reader.guess(&source, &version)? };
    let mut template = reader.template(&source)?;
    own::overlay(&mut template, &source, &mut reader.warnings);
    check(&template)?;
    let mut warnings = reader.warnings;
    warnings.extend(lint(&template));
    Ok(Imported { template, format, warnings })
}

impl Reader {
    fn warn(&mut self, path: &str, message: impl Into<String>) {
        self.warnings.push(ImportWarning { path: path.into(), message: message.into() });
    }

    /// An egg of no known version is read where it looks like one.
    fn guess(&mut self, source: &Value, version: &str) -> Result<String> {
        let looks =
            ["startup", "startup_commands", "docker_images", "images", "image", "variables", "scripts"]
                .iter()
                .filter(|key| source.get(**key).is_some())
                .count();
        if source.get("name").is_none() || looks < 2 {
            return Err(Error::invalid(
                "body",
                "This is no template. Raptor reads eggs of PTDL_v1, PTDL_v2 and PLCN_v1 to PLCN_v3, and its own format.",
            ));
        }
        let format = if version.starts_with("PLCN") || source.get("startup_commands").is_some() {
            "PLCN_v3"
        } else if source.get("docker_images").is_some() {
            "PTDL_v2"
        } else {
            "PTDL_v1"
        };
        let found = if version.is_empty() {
            "It names no version".into()
        } else {
            format!("{version} is no known version")
        };
        self.warn("meta.version", format!("{found}; it was read like {format}."));
        Ok(format.to_owned())
    }

    /// Keeps what there is no word for.
    fn keep(&mut self, pointer: &str, map: Option<&Value>, known: &[&str]) {
        for (key, value) in map.and_then(Value::as_object).into_iter().flatten() {
            if !known.contains(&key.as_str()) {
                self.extra.insert(format!("{pointer}/{}", escape(key)), value.clone());
            }
        }
    }

    fn template(&mut self, source: &Value) -> Result<Template> {
        let text = |name: &str| source.get(name).map(plain).unwrap_or_default();
        let name = text("name").trim().to_owned();
        if name.is_empty() {
            return Err(Error::invalid("name", "The template has no name."));
        }
        self.keep(
            "",
            Some(source),
            &[
                "_comment",
                "meta",
                "exported_at",
                "name",
                "author",
                "description",
                "uuid",
                "tags",
                "icon",
                "features",
                "image",
                "images",
                "docker_images",
                "file_denylist",
                "startup",
                "startup_commands",
                "config",
                "scripts",
                "variables",
                "raptor",
            ],
        );
        self.keep("/meta", source.get("meta"), &["version", "update_url"]);
        let config = source.get("config").cloned().unwrap_or_default();
        self.keep("/config", Some(&config), &["files", "startup", "logs", "stop"]);
        let ready = self.embedded(&config, "startup");
        self.keep("/config/startup", Some(&Value::Object(ready.clone())), &["done", "strip_ansi"]);
        self.keep("/scripts", source.get("scripts"), &["installation"]);
        let installation = source.pointer("/scripts/installation");
        self.keep("/scripts/installation", installation, &["script", "container", "entrypoint"]);
        let stop_text = config.get("stop").map(plain).unwrap_or_default();
        let (stop, odd) = stop::read(&stop_text);
        if let Some(odd) = odd {
            self.warn("config.stop", odd);
        }
        let update_url = source.pointer("/meta/update_url").and_then(Value::as_str);
        let icon = ["icon", "image"].iter().filter_map(|key| source.get(*key)?.as_str());
        let (startup, startup_commands) = self.startup(source);
        let done = self.done(ready.get("done"));
        let mut template = Template {
            name,
            author: text("author"),
            description: text("description"),
            uuid: source.get("uuid").and_then(Value::as_str).map(str::to_owned),
            tags: strings(source.get("tags")),
            icon: icon.into_iter().find(|icon| icon.starts_with("data:image/")).map(str::to_owned),
            update_url: update_url.filter(|url| !["", "null"].contains(url)).map(str::to_owned),
            features: strings(source.get("features")),
            images: self.images(source),
            startup,
            startup_commands,
            done,
            strip_ansi: ready.get("strip_ansi").and_then(Value::as_bool).unwrap_or(false),
            stop_text: Some(stop_text).filter(|text| *text != stop::write(&stop)),
            stop,
            config_files: self.files(&config),
            variables: self.variables(source),
            install: install(installation),
            denylist: strings(source.get("file_denylist")),
            logs: self.logs(&config),
            extra: BTreeMap::new(),
        };
        template.extra = std::mem::take(&mut self.extra);
        Ok(template)
    }

    fn startup(&mut self, source: &Value) -> (String, Vec<StartupCommand>) {
        let named: Vec<StartupCommand> = source
            .get("startup_commands")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .filter_map(|(name, command)| {
                Some(StartupCommand { name: name.clone(), command: command.as_str()?.to_owned() })
            })
            .collect();
        match (source.get("startup").and_then(Value::as_str), named.first()) {
            (Some(startup), _) => (startup.to_owned(), Vec::new()),
            (None, Some(first)) => (first.command.clone(), named),
            (None, None) => (String::new(), Vec::new()),
        }
    }

    fn done(&mut self, value: Option<&Value>) -> Vec<String> {
        let lines = match value {
            Some(Value::String(text)) => vec![text.clone()],
            other => strings(other),
        };
        if lines.iter().any(String::is_empty) {
            self.warn(
                "config.startup.done",
                "An empty text is in every line: it counts as running at its first output.",
            );
        }
        lines
    }

    fn logs(&mut self, config: &Value) -> Value {
        match config.get("logs") {
            Some(Value::String(text)) => {
                serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone()))
            }
            Some(other) => other.clone(),
            None => Value::Null,
        }
    }

    /// An object that eggs hold as text.
    fn embedded(&mut self, config: &Value, name: &str) -> Map<String, Value> {
        let at = format!("config.{name}");
        match config.get(name) {
            Some(Value::Object(map)) => map.clone(),
            Some(Value::String(text)) if text.trim().is_empty() => Map::new(),
            Some(Value::String(text)) => match serde_json::from_str(text) {
                Ok(Value::Object(map)) => map,
                Ok(Value::Array(list)) if list.is_empty() => Map::new(),
                Ok(Value::Null) => Map::new(),
                Ok(_) => {
                    self.warn(&at, "This is no object and was left out.");
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

    fn images(&mut self, source: &Value) -> Vec<TemplateImage> {
        let pair = |text: &String| match text.split_once('|') {
            Some((label, image)) => (label.to_owned(), image.to_owned()),
            None => (text.trim().to_owned(), text.clone()),
        };
        let (at, found): (_, Vec<(String, String)>) =
            match (source.get("docker_images"), source.get("images"), source.get("image")) {
                (Some(Value::Object(map)), _, _) => (
                    "docker_images",
                    map.iter().map(|(label, image)| (label.clone(), plain(image))).collect(),
                ),
                (list @ Some(Value::Array(_)), _, _) => {
                    self.warn("docker_images", "The images have no labels; they are called by their names.");
                    ("docker_images", strings(list).iter().map(pair).collect())
                }
                (_, list @ Some(Value::Array(_)), _) => ("images", strings(list).iter().map(pair).collect()),
                (_, _, Some(Value::String(text))) if !text.starts_with("data:") => {
                    ("image", vec![pair(text)])
                }
                _ => ("docker_images", Vec::new()),
            };
        let mut images: Vec<TemplateImage> = Vec::new();
        for (label, image) in found {
            if image != image.trim() {
                self.warn(at, format!("There were blanks around {:?}; they were left out.", image.trim()));
            }
            match check_image(&image) {
                Err(_) => self.warn(at, format!("{image:?} is no image reference and was left out.")),
                Ok(image) => {
                    let label = Some(label.trim().to_owned()).filter(|label| !label.is_empty());
                    let label = label.unwrap_or_else(|| image.clone());
                    let taken = images.iter().any(|other| other.label == label);
                    images.push(TemplateImage { label: if taken { image.clone() } else { label }, image });
                }
            }
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
            if path.split('/').any(|part| part == "..") || path.trim_matches('/').is_empty() {
                self.warn(&at, "It lies outside of the container's folder and was left out.");
                continue;
            }
            self.keep(&format!("/config/files/{}", escape(&path)), Some(&entry), &["parser", "find"]);
            let edits = find.iter().flat_map(|(key, value)| edits(key, value)).collect();
            files.push(ConfigFile { path, parser, edits });
        }
        files
    }

    fn variables(&mut self, source: &Value) -> Vec<Variable> {
        let mut variables: Vec<Variable> = Vec::new();
        let list = source.get("variables").and_then(Value::as_array);
        for (place, entry) in list.into_iter().flatten().enumerate() {
            let text = |name: &str| entry.get(name).map(plain).unwrap_or_default();
            let flag = |name: &str| match entry.get(name) {
                Some(Value::Bool(flag)) => *flag,
                Some(Value::String(text)) => ["1", "true"].contains(&text.as_str()),
                Some(value) => value.as_i64() == Some(1),
                None => false,
            };
            let env = text("env_variable").trim().to_owned();
            let at = format!("variables.{place}");
            if !super::check::is_env(&env) {
                self.warn(&at, format!("{env:?} can't be a variable's name; it was left out."));
                continue;
            }
            if variables.iter().any(|variable| variable.env == env) {
                self.warn(&at, format!("{env} is there twice; the first one counts."));
                continue;
            }
            let mut rules = match entry.get("rules") {
                Some(Value::Array(rules)) => rules.iter().map(plain).collect::<Vec<_>>().join("|"),
                Some(Value::String(rules)) => rules.clone(),
                _ => String::new(),
            };
            if rules.trim_matches(['|', ' ']).is_empty() {
                self.warn(&at, format!("{env} has no rules; any text is taken."));
                rules = "nullable|string".into();
            }
            let mut default_value = text("default_value");
            if let Some(Value::Bool(on)) = entry.get("default_value") {
                let digit = super::variables::Rules::parse(&rules).check(&default_value).is_err();
                default_value = if digit { u8::from(*on).to_string() } else { on.to_string() };
                self.warn(&at, format!("The default of {env} is {on}, which is read as {default_value}."));
            }
            let known = [
                "name",
                "description",
                "env_variable",
                "default_value",
                "user_viewable",
                "user_editable",
                "rules",
                "field_type",
            ];
            let extra = entry.as_object().into_iter().flatten().filter(|(key, value)| {
                !known.contains(&key.as_str()) || (*key == "field_type" && *value != "text")
            });
            variables.push(Variable {
                extra: extra.map(|(key, value)| (key.clone(), value.clone())).collect(),
                secret: looks_secret(&env, &rules),
                name: text("name"),
                description: text("description"),
                env,
                default_value,
                user_viewable: flag("user_viewable"),
                user_editable: flag("user_editable"),
                rules,
            });
        }
        variables
    }
}

/// A part of a JSON pointer (RFC 6901).
fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
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

fn install(installation: Option<&Value>) -> Option<Install> {
    let installation = installation?;
    let text = |name: &str| installation.get(name).map(plain).unwrap_or_default();
    let install = Install {
        image: text("container").trim().to_owned(),
        entrypoint: text("entrypoint"),
        script: text("script"),
    };
    (!install.script.trim().is_empty()).then_some(install)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::templates::StopRule;
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
        assert_eq!(template.install.unwrap().mended(), "#!/bin/sh\ntrue");
        let said: Vec<_> = imported.warnings.iter().map(|warning| warning.path.as_str()).collect();
        assert_eq!(said, ["docker_images"], "the blank before the image");
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
            ["config.files.../x", "variables.0", "variables.1", "variables.2", "images", "startup"]
        );
    }

    #[test]
    fn what_is_no_egg_is_refused_with_the_reason() {
        for (bytes, why) in
            [(&b"{"[..], "JSON"), (b"{}", "PTDL_v2"), (b"\xff", "UTF-8"), (b"a: [", "YAML"), (b"x", "PLCN")]
        {
            assert!(import(bytes).unwrap_err().to_string().contains(why));
        }
    }
}
