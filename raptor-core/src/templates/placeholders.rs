//! Placeholders in startup commands and configuration files, in the spellings that published eggs use.

use super::{ConfigFile, Template};
use regex::{Captures, Regex};
use serde_json::Value;
use std::{collections::BTreeMap, sync::LazyLock};

static PLACEHOLDER: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\{\{\s*([\w.\-]+)\s*\}\}").ok());

/// What placeholders stand for, for one container.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// The variables' values.
    pub environment: BTreeMap<String, String>,
    /// The primary allocation's address.
    pub ip: String,
    /// The primary allocation's port.
    pub port: String,
    /// Memory in MiB.
    pub memory: String,
    /// The container's id.
    pub uuid: String,
}

impl Context {
    /// What `name` stands for. `config.*` is the daemon's and never resolved here, whatever it names.
    fn resolve(&self, name: &str) -> Option<String> {
        let path = name.strip_prefix("server.").unwrap_or(name);
        let env = ["build.env.", "build.environment.", "environment.", "env."]
            .iter()
            .find_map(|prefix| path.strip_prefix(prefix));
        match env.unwrap_or(path) {
            "SERVER_IP" | "build.default.ip" | "allocations.default.ip" => Some(self.ip.clone()),
            "SERVER_PORT" | "build.default.port" | "allocations.default.port" => Some(self.port.clone()),
            "SERVER_MEMORY" | "build.memory" | "build.memory_limit" => Some(self.memory.clone()),
            "uuid" | "P_SERVER_UUID" => Some(self.uuid.clone()),
            name => self.environment.get(name).cloned(),
        }
    }

    fn replace(&self, text: &str, unknown: impl Fn(&str) -> String) -> String {
        let Some(placeholder) = PLACEHOLDER.as_ref() else { return text.to_owned() };
        let replaced = placeholder.replace_all(text, |found: &Captures<'_>| {
            let (whole, name) = (&found[0], &found[1]);
            if name.starts_with("config.") {
                whole.to_owned()
            } else {
                self.resolve(name).unwrap_or_else(|| unknown(whole))
            }
        });
        replaced.into_owned()
    }

    /// The startup command as it will run. Unknown placeholders stay as they are written.
    #[must_use]
    pub fn startup(&self, command: &str) -> String {
        self.replace(command, str::to_owned)
    }

    /// The template's configuration files for this container. Unknown placeholders become empty, as panels do it.
    #[must_use]
    pub fn files(&self, template: &Template) -> Vec<ConfigFile> {
        let mut files = template.config_files.clone();
        for file in &mut files {
            file.path = self.replace(&file.path, |_| String::new());
            for edit in &mut file.edits {
                if let Value::String(text) = &mut edit.value {
                    *text = self.replace(text, |_| String::new());
                }
            }
        }
        files
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context() -> Context {
        Context {
            environment: BTreeMap::from([("srv_name".into(), "My server".into())]),
            ip: "192.0.2.1".into(),
            port: "25565".into(),
            memory: "1024".into(),
            uuid: "u".into(),
        }
    }

    #[test]
    fn all_spellings_mean_the_same() {
        for name in ["srv_name", "env.srv_name", "server.build.env.srv_name", "server.environment.srv_name"] {
            assert_eq!(context().startup(&format!("{{{{{name}}}}}")), "My server");
        }
        let line = "{{SERVER_IP}}:{{server.build.default.port}} {{server.allocations.default.port}} {{SERVER_MEMORY}} {{env.SERVER_PORT}}";
        assert_eq!(context().startup(line), "192.0.2.1:25565 25565 1024 25565");
    }

    #[test]
    fn the_daemons_own_settings_are_never_resolved_here() {
        for name in ["{{config.docker.interface}}", "{{config.token}}"] {
            assert_eq!(context().startup(name), name);
        }
        assert_eq!(context().startup("{{NOBODY}}"), "{{NOBODY}}");
    }
}
