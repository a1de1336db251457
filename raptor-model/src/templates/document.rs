//! The content of a template.

use super::{
    ConfigFile, StopRule,
    variables::{Rules, VariableInput},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// How a kind of server is installed, started, configured and stopped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Template {
    pub name: String,
    /// The author, by convention as an e-mail address.
    pub author: String,
    pub description: String,
    /// The id that its makers gave it, which identifies later versions of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// Keywords for searching and filtering, e.g. `minecraft`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// An image as a `data:` URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icon: Option<String>,
    /// Where its makers publish it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update_url: Option<String>,
    /// Names of features for which panels may offer special help.
    pub features: Vec<String>,
    /// Images to choose from, the first one being the default.
    pub images: Vec<TemplateImage>,
    /// Startup command, with placeholders.
    pub startup: String,
    /// Named startup commands to choose from, the first one being the default; empty if there is only `startup`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub startup_commands: Vec<StartupCommand>,
    /// Output that means that the server is ready.
    pub done: Vec<String>,
    /// Whether escape sequences are removed before output is compared with `done`.
    pub strip_ansi: bool,
    /// How the server is asked to stop.
    pub stop: StopRule,
    /// Configuration files and the edits of them, with placeholders.
    pub config_files: Vec<ConfigFile>,
    /// Variables that can be set for each container.
    pub variables: Vec<Variable>,
    /// The installation, if there is one.
    pub install: Option<Install>,
    /// Patterns of files that users can't access.
    pub denylist: Vec<String>,
    /// The log settings of an egg. Unused, since Raptor stores the console itself.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub logs: Value,
    /// How an egg wrote the stop rule, if Raptor would write it differently.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_text: Option<String>,
    /// Parts of an egg that have no equivalent in Raptor, by JSON pointer.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<String, Value>,
}

impl Template {
    /// A replacement for a damaged document: its name, and nothing that a container could be created from.
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
    /// The name of the choice, as people see it.
    pub name: String,
    /// The command, with placeholders.
    pub command: String,
}

/// One image of a template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TemplateImage {
    /// The name of the choice, as people see it, e.g. `Java 21`.
    pub label: String,
    /// Reference of the image, such as `ghcr.io/pterodactyl/yolks:java_21`.
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
    /// The script with Unix line ends, which shells require: most published ones have CRLF.
    #[must_use]
    pub fn mended(&self) -> String {
        self.script.replace("\r\n", "\n").replace('\r', "\n")
    }
}

/// Whether a variable is likely to hold a secret, judging by its names, since eggs can't say so. `name` is the display name.
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
    // Words that only resemble one.
    const OTHERS: [&str; 6] = ["BYPASS", "COMPASS", "ENCOMPASS", "ACCEPT", "AGREE", "EULA"];
    let env = env.to_ascii_uppercase();
    let words: Vec<&str> = env.split('_').collect();
    // Short names are ambiguous.
    let name = name.to_ascii_uppercase();
    let told = matches!(words.last(), Some(&("AUTH" | "KEY")))
        && ["PASSWORD", "SECRET", "TOKEN", "AUTH KEY", "AUTHKEY", "AUTHENTICATION KEY", "API KEY"]
            .iter()
            .any(|word| name.contains(word));
    let named = words.iter().any(|word| WORDS.contains(word))
        || (ENDS.iter().any(|end| env.ends_with(end)) && !words.iter().any(|word| OTHERS.contains(word)))
        || PARTS.iter().any(|part| env.contains(part))
        || told;
    // A switch such as `PASSWORD_ENABLED` is not a secret.
    let input = Rules::parse(rules).input();
    named && matches!(input, VariableInput::Text { .. } | VariableInput::Number { .. })
}

/// A variable that can be set for each container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variable {
    /// The name that people see.
    pub name: String,
    pub description: String,
    /// Name of the environment variable.
    pub env: String,
    /// The default value. It need not meet the rules: many published ones are placeholders for the user to replace.
    pub default_value: String,
    /// Whether users can see it.
    pub user_viewable: bool,
    /// Whether users can change it.
    pub user_editable: bool,
    /// Validation rules in Laravel's notation.
    pub rules: String,
    /// Whether its value is never shown after it was set.
    #[serde(default)]
    pub secret: bool,
    /// Properties of an egg's variable that have no equivalent in Raptor.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub extra: Map<String, Value>,
}

impl Variable {
    /// The parsed rules.
    #[must_use]
    pub fn rules(&self) -> Rules {
        Rules::parse(&self.rules)
    }

    /// The kind of input that suits its rules.
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

    /// Whether users may set it, which requires that they can see it.
    #[must_use]
    pub fn is_users(&self) -> bool {
        self.user_viewable && self.user_editable
    }
}
