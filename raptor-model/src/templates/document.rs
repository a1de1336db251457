//! What a template says.

use super::{
    ConfigFile, StopRule,
    variables::{Rules, VariableInput},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// How one kind of software is started, configured and stopped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Template {
    /// Its name.
    pub name: String,
    /// Who made it, as an e-mail address by custom.
    pub author: String,
    /// What it is for.
    pub description: String,
    /// The id that its makers gave it, by which later versions of it are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// Words to find it by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// A picture, as a `data:` URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icon: Option<String>,
    /// Where its makers publish it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update_url: Option<String>,
    /// Names of features that panels may offer help for.
    pub features: Vec<String>,
    /// Images to choose from, the first one being the default.
    pub images: Vec<TemplateImage>,
    /// The startup command, with placeholders.
    pub startup: String,
    /// The named commands to choose from, the default one first; empty where there is only `startup`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub startup_commands: Vec<StartupCommand>,
    /// Which output means that it is running.
    pub done: Vec<String>,
    /// Whether escape sequences are removed before that is looked for.
    pub strip_ansi: bool,
    /// How it is asked to stop.
    pub stop: StopRule,
    /// Configuration files and their edits, with placeholders.
    pub config_files: Vec<ConfigFile>,
    /// What can be set for each container.
    pub variables: Vec<Variable>,
    /// How it is installed.
    pub install: Option<Install>,
    /// Files that users may not touch.
    pub denylist: Vec<String>,
    /// What eggs say of log files. Raptor keeps the console itself and has no use for it.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub logs: Value,
    /// How an egg wrote the stop rule, where Raptor would write it otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_text: Option<String>,
    /// What an egg says that Raptor has no word for, by JSON pointer.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<String, Value>,
}

impl Template {
    /// What stands in the place of a document that can't be read: its name, and nothing that a container could be made from.
    #[must_use]
    pub fn unreadable(name: String, author: String, description: String) -> Self {
        Self {
            name,
            author,
            description,
            uuid: None,
            tags: Vec::new(),
            icon: None,
            update_url: None,
            features: Vec::new(),
            images: Vec::new(),
            startup: String::new(),
            startup_commands: Vec::new(),
            done: Vec::new(),
            strip_ansi: false,
            stop: StopRule::Docker,
            config_files: Vec::new(),
            variables: Vec::new(),
            install: None,
            denylist: Vec::new(),
            logs: Value::Null,
            stop_text: None,
            extra: BTreeMap::new(),
        }
    }
}

/// One of several ways to start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StartupCommand {
    /// What people see.
    pub name: String,
    /// The command, with placeholders.
    pub command: String,
}

/// One image of a template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TemplateImage {
    /// What people see.
    pub label: String,
    /// The reference.
    pub image: String,
}

/// How a template is installed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Install {
    /// The image that the script runs in.
    pub image: String,
    /// What runs the script.
    pub entrypoint: String,
    /// The script, as the template has it.
    pub script: String,
    /// Whether any exit code of the script but 0 is a failure. Otherwise it is a warning: many published scripts end with a command
    /// that fails harmlessly.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub strict: bool,
}

impl Install {
    /// The script with the line ends that shells read: most published ones come from a browser, which sends others.
    #[must_use]
    pub fn mended(&self) -> String {
        self.script.replace("\r\n", "\n").replace('\r', "\n")
    }
}

/// Whether a variable holds a secret, by its names: published eggs have no word for it. `name` is what people see.
#[must_use]
pub fn looks_secret(env: &str, rules: &str, name: &str) -> bool {
    const WORDS: [&str; 14] = [
        "PASSWORD",
        "PASSWD",
        "PASS",
        "PASSWORT",
        "PWD",
        "PW",
        "TOKEN",
        "SECRET",
        "APIKEY",
        "PASSKEY",
        "PASSPHRASE",
        "CREDENTIALS",
        "GSLT",
        "AUTHKEY",
    ];
    const ENDS: [&str; 9] =
        ["PASSWORD", "APIKEY", "SECRET", "PASS", "PASSKEY", "PWD", "API_AUTH", "CONSUMER_KEY", "_LICENSE"];
    const PARTS: [&str; 8] = [
        "API_KEY",
        "PRIVATE_KEY",
        "ACCESS_KEY",
        "AUTH_KEY",
        "LICENSE_KEY",
        "MASTER_KEY",
        "STREAM_KEY",
        "SERVER_KEY",
    ];
    // Words that only look like one.
    const OTHERS: [&str; 6] = ["BYPASS", "COMPASS", "ENCOMPASS", "ACCEPT", "AGREE", "EULA"];
    let env = env.to_ascii_uppercase();
    let words: Vec<&str> = env.split('_').collect();
    // Short names say too little by themselves.
    let name = name.to_ascii_uppercase();
    let told = matches!(words.last(), Some(&("AUTH" | "KEY")))
        && ["PASSWORD", "SECRET", "TOKEN", "AUTH KEY", "AUTHKEY", "AUTHENTICATION KEY", "API KEY"]
            .iter()
            .any(|word| name.contains(word));
    let named = words.iter().any(|word| WORDS.contains(word))
        || (ENDS.iter().any(|end| env.ends_with(end)) && !words.iter().any(|word| OTHERS.contains(word)))
        || PARTS.iter().any(|part| env.contains(part))
        || told;
    // A switch such as `PASSWORD_ENABLED` is none.
    let input = Rules::parse(rules).input();
    named && matches!(input, VariableInput::Text { .. } | VariableInput::Number { .. })
}

/// Something that can be set for each container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variable {
    /// What people see.
    pub name: String,
    /// What it does.
    pub description: String,
    /// Its name in the environment.
    pub env: String,
    /// Its value unless set. Need not meet the rules: many published ones are for the user to fill in.
    pub default_value: String,
    /// Whether users see it.
    pub user_viewable: bool,
    /// Whether users change it.
    pub user_editable: bool,
    /// What its value must meet, in Laravel's notation.
    pub rules: String,
    /// Whether its value is never shown again once it is set.
    #[serde(default)]
    pub secret: bool,
    /// What an egg says of it that Raptor has no word for.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub extra: Map<String, Value>,
}

impl Variable {
    /// Its rules, read.
    #[must_use]
    pub fn rules(&self) -> Rules {
        Rules::parse(&self.rules)
    }

    /// The input that fits.
    #[must_use]
    pub fn input(&self) -> VariableInput {
        match self.rules().input() {
            VariableInput::Text { min_length, max_length } if self.secret => {
                VariableInput::Secret { min_length, max_length }
            }
            VariableInput::Number { .. } if self.secret => {
                VariableInput::Secret { min_length: None, max_length: None }
            }
            input => input,
        }
    }

    /// Whether users may set it: what they may not see they may not set either.
    #[must_use]
    pub fn is_users(&self) -> bool {
        self.user_viewable && self.user_editable
    }
}
