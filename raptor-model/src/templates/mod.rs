//! Templates: how a kind of server is installed, started, configured and stopped.

pub mod capitals;
mod check;
mod difference;
mod document;
mod done;
pub mod export;
pub mod import;
mod lint;
pub mod origin;
mod own;
pub mod placeholders;
mod readable;
mod stop;
mod stored;
mod text;
pub mod variables;

pub use check::check;
pub use difference::{Difference, FieldChange, difference};
pub use document::{Install, StartupCommand, Template, TemplateImage, Variable, looks_secret};
pub use done::DoneRules;
pub use lint::lint;
pub use origin::{Origin, OriginKind};
pub use stored::{Revision, SourceCheck, SourceVersion, StoredTemplate};

use serde::{Deserialize, Serialize};

/// How to ask a process to stop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum StopRule {
    /// A line on its standard input.
    Command {
        /// The line, without its end.
        command: String,
    },
    /// A signal, by its name with `SIG` (`SIGINT`).
    Signal {
        /// The name of the signal, e.g. `SIGINT`.
        signal: String,
    },
    /// The engine's stop: the image's stop signal.
    Docker,
}

/// The format of a configuration file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ConfigParser {
    /// Lines that begin with the key are replaced as a whole.
    File,
    /// Java properties: `key=value` in each line.
    Properties,
    /// INI: `key = value` in sections (`[section]`).
    Ini,
    /// JSON, also with comments and trailing commas.
    Json,
    /// YAML; comments, order and quotes are kept.
    Yaml,
    /// XML, such as `<settings><port>25565</port></settings>`.
    Xml,
    /// TOML; comments, order and whitespace are kept.
    Toml,
}

/// Edits of one configuration file before each start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConfigFile {
    /// Path below the container's data folder. May hold placeholders in a template, none in a declaration.
    pub path: String,
    /// The format of the file, which determines what a key means.
    pub parser: ConfigParser,
    /// The edits, in order.
    pub edits: Vec<ConfigEdit>,
}

/// One edit: set the value at a key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConfigEdit {
    /// Dotted key as the egg writes it (`network.server_port`, `[Host Settings].ServerName`, `servers.*.address`).
    pub key: String,
    /// Only where the present value is this (literally, or by a pattern after `regex:`).
    pub if_value: Option<String>,
    /// The new value: text (with placeholders in a template), number or boolean.
    pub value: serde_json::Value,
}
