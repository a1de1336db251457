//! Placeholders in startup commands and configuration files, in the notations that published eggs use.

use super::{ConfigFile, Template};
use regex::{Captures, Regex};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

static PLACEHOLDER: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\{\{\s*([\w.\-]+)\s*\}\}").ok());

/// The values of placeholders for one container.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// Values of variables, by environment name.
    pub environment: BTreeMap<String, String>,
    /// IP address of the primary allocation.
    pub ip: String,
    /// Port of the primary allocation.
    pub port: String,
    /// Memory limit in MiB.
    pub memory: String,
    /// Id of the container.
    pub uuid: String,
}

/// The daemon's settings that placeholders can refer to. No other setting ever leaves the daemon.
pub const OF_THE_DAEMON: [&str; 2] = ["config.docker.interface", "config.docker.network.interface"];

/// Variables that every container has in addition to its template's.
const BUILT_IN: [&str; 8] = [
    "SERVER_IP",
    "SERVER_PORT",
    "SERVER_MEMORY",
    "P_SERVER_UUID",
    "P_SERVER_ALLOCATION_LIMIT",
    "STARTUP",
    "TZ",
    "HOME",
];

/// The variable that a placeholder refers to, in any of the four notations, and whether it is one of them.
fn meaning(name: &str) -> (&str, bool) {
    let path = name.strip_prefix("server.").unwrap_or(name);
    let env = ["build.env.", "build.environment.", "environment.", "env."]
        .iter()
        .find_map(|prefix| path.strip_prefix(prefix));
    if let Some(env) = env {
        return (env, true);
    }
    match path {
        "build.default.ip" | "allocations.default.ip" => ("SERVER_IP", true),
        "build.default.port" | "allocations.default.port" => ("SERVER_PORT", true),
        "build.memory" | "build.memory_limit" => ("SERVER_MEMORY", true),
        "uuid" => ("P_SERVER_UUID", true),
        _ => (name, false),
    }
}

/// The placeholders in a text that refer to nothing, for a template with the variables `known`.
#[must_use]
pub fn unknown(text: &str, known: &BTreeSet<&str>) -> Vec<String> {
    let names = PLACEHOLDER.iter().flat_map(|pattern| pattern.captures_iter(text));
    names
        .filter_map(|found| found.get(1).map(|name| name.as_str()))
        .filter(|name| {
            let (variable, _) = meaning(name);
            !known.contains(variable) && !BUILT_IN.contains(&variable) && !OF_THE_DAEMON.contains(name)
        })
        .map(str::to_owned)
        .collect()
}

/// A startup command in the notation of images, which only know names of variables and leave their values to the shell. No
/// values are inserted here, so none can become part of the command.
#[must_use]
pub fn for_image(command: &str) -> String {
    let Some(placeholder) = PLACEHOLDER.as_ref() else { return command.to_owned() };
    let replaced = placeholder.replace_all(command, |found: &Captures<'_>| match meaning(&found[1]) {
        (variable, true) => format!("{{{{{variable}}}}}"),
        (_, false) => found[0].to_owned(),
    });
    replaced.into_owned()
}

/// A text with placeholders in Pterodactyl's notation, the only one that it supports.
#[must_use]
pub fn for_pterodactyl(text: &str) -> String {
    let Some(placeholder) = PLACEHOLDER.as_ref() else { return text.to_owned() };
    let replaced = placeholder.replace_all(text, |found: &Captures<'_>| {
        let name = &found[1];
        let env = ["build.environment.", "environment."]
            .iter()
            .find_map(|prefix| name.strip_prefix("server.")?.strip_prefix(prefix));
        if let Some(env) = env {
            return format!("{{{{server.build.env.{env}}}}}");
        }
        match name {
            "server.allocations.default.ip" => "{{server.build.default.ip}}".into(),
            "server.allocations.default.port" => "{{server.build.default.port}}".into(),
            "server.build.memory_limit" => "{{server.build.memory}}".into(),
            _ => found[0].to_owned(),
        }
    });
    replaced.into_owned()
}

impl Context {
    /// The value of `name`. `config.*` is up to the daemon and never resolved here.
    fn resolve(&self, name: &str) -> Option<String> {
        match meaning(name).0 {
            "SERVER_IP" => Some(self.ip.clone()),
            "SERVER_PORT" => Some(self.port.clone()),
            "SERVER_MEMORY" => Some(self.memory.clone()),
            "P_SERVER_UUID" => Some(self.uuid.clone()),
            name => self.environment.get(name).cloned(),
        }
    }

    fn replace(&self, text: &str, unknown: impl Fn(&str) -> String) -> String {
        let Some(placeholder) = PLACEHOLDER.as_ref() else { return text.to_owned() };
        let replaced = placeholder.replace_all(text, |found: &Captures<'_>| {
            let (whole, name) = (&found[0], &found[1]);
            if OF_THE_DAEMON.contains(&name) {
                whole.to_owned()
            } else if name.starts_with("config.") {
                unknown(whole)
            } else {
                self.resolve(name).unwrap_or_else(|| unknown(whole))
            }
        });
        replaced.into_owned()
    }

    /// The startup command as it will run. Unknown placeholders stay as they are.
    #[must_use]
    pub fn startup(&self, command: &str) -> String {
        self.replace(command, str::to_owned)
    }

    /// The template's configuration files for this container. Unknown placeholders become empty, as in Pterodactyl.
    #[must_use]
    pub fn files(&self, template: &Template) -> Vec<ConfigFile> {
        let mut files = template.config_files.clone();
        for file in &mut files {
            file.path = self.replace(&file.path, |_| String::new());
            for edit in &mut file.edits {
                edit.key = self.replace(&edit.key, str::to_owned);
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
    fn images_get_variables_by_name_and_never_by_value() {
        let command = "./run {{srv_name}} {{server.build.default.port}} {{env.X}} {{server.environment.srv_name}} ${Y} $(id)";
        assert_eq!(for_image(command), "./run {{srv_name}} {{SERVER_PORT}} {{X}} {{srv_name}} ${Y} $(id)");
    }

    #[test]
    fn pterodactyl_gets_its_own_spellings() {
        let text = "{{server.allocations.default.ip}}:{{ server.allocations.default.port }} {{server.environment.A}} {{server.build.environment.A}} {{server.build.env.B}} {{env.C}} {{D}} {{server.build.memory_limit}} {{config.docker.interface}}";
        assert_eq!(
            for_pterodactyl(text),
            "{{server.build.default.ip}}:{{server.build.default.port}} {{server.build.env.A}} {{server.build.env.A}} {{server.build.env.B}} {{env.C}} {{D}} {{server.build.memory}} {{config.docker.interface}}"
        );
    }

    #[test]
    fn what_names_nothing_is_named() {
        let known = BTreeSet::from(["A"]);
        let text = "{{A}} {{env.A}} {{server.build.env.B}} {{SERVER_PORT}} {{config.token}} {{config.docker.interface}}";
        assert_eq!(unknown(text, &known), ["server.build.env.B", "config.token"]);
    }

    #[test]
    fn no_setting_of_the_daemon_but_those_allowed_reaches_a_file() {
        let template = crate::templates::import::import(
            br#"{"meta":{"version":"PTDL_v2"},"name":"x","docker_images":{"a":"a"},"startup":"x","config":{"files":
                {"f":{"parser":"json","find":{"a":"{{config.token}}{{config.docker.interface}}{{config.docker}}"}}}}}"#,
        );
        let files = context().files(&template.unwrap().template);
        assert_eq!(files[0].edits[0].value, "{{config.docker.interface}}");
    }

    #[test]
    fn the_daemons_own_settings_are_never_resolved_here() {
        for name in ["{{config.docker.interface}}", "{{config.token}}"] {
            assert_eq!(context().startup(name), name);
        }
        assert_eq!(context().startup("{{NOBODY}}"), "{{NOBODY}}");
    }
}
