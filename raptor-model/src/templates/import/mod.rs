//! Importing templates: Pterodactyl's eggs (`PTDL_v1`, `PTDL_v2`), Pelican's (`PLCN_v1` to `PLCN_v3`), and Raptor's own format,
//! as JSON or YAML.

mod files;
mod images;
#[cfg(test)]
mod tests;
mod variables;

use super::{
    Template,
    check::check,
    document::{Install, StartupCommand},
    lint::lint,
    own, stop, text,
};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
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

/// A parsed file.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    pub template: Template,
    /// Its format: `PTDL_v1`, `PTDL_v2`, `PLCN_v1`, `PLCN_v2`, `PLCN_v3` or `RAPTOR_v1`.
    pub format: String,
    /// What could not be imported as is.
    pub warnings: Vec<ImportWarning>,
}

struct Reader {
    warnings: Vec<ImportWarning>,
    extra: BTreeMap<String, Value>,
}

/// Parses a template.
///
/// # Errors
/// [`Error::Invalid`] if it is not a template.
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

    /// The format of a file with an unknown version, if it looks like an egg.
    fn guess(&mut self, source: &Value, version: &str) -> Result<String> {
        let looks =
            ["startup", "startup_commands", "docker_images", "images", "image", "variables", "scripts"]
                .iter()
                .filter(|key| source.get(**key).is_some())
                .count();
        if source.get("name").is_none() || looks < 2 {
            return Err(Error::invalid(
                "body",
                "This is not a template. Raptor reads eggs of PTDL_v1, PTDL_v2 and PLCN_v1 to PLCN_v3, and its own format.",
            ).because("not_a_template"));
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
            format!("{version} is not a known version")
        };
        self.warn("meta.version", format!("{found}; it was read as {format}."));
        Ok(format.to_owned())
    }

    /// Keeps properties that have no equivalent.
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
            return Err(Error::invalid("name", "The template has no name.").because("required"));
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
            denylist: patterns(source.get("file_denylist")),
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
                "An empty text matches every line: the container counts as running at its first output.",
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
}

/// Escapes a segment of a JSON pointer (RFC 6901).
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

/// A list, or a string with one item per line.
fn patterns(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(text)) => {
            text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
        }
        other => strings(other),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn install(installation: Option<&Value>) -> Option<Install> {
    let installation = installation?;
    let text = |name: &str| installation.get(name).map(plain).unwrap_or_default();
    let install = Install {
        image: text("container").trim().to_owned(),
        entrypoint: text("entrypoint"),
        script: text("script"),
        strict: false,
    };
    (!install.script.trim().is_empty()).then_some(install)
}
