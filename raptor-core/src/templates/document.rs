//! What a template says.

use super::{ConfigFile, StopRule, variables::Rules};
use serde::{Deserialize, Serialize};

/// How one kind of software is started, configured and stopped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Template {
    /// Its name.
    pub name: String,
    /// Who made it, as an e-mail address by custom.
    pub author: String,
    /// What it is for.
    pub description: String,
    /// Names of features that panels may offer help for.
    pub features: Vec<String>,
    /// Images to choose from, the first one being the default.
    pub images: Vec<TemplateImage>,
    /// The startup command, with placeholders.
    pub startup: String,
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
    /// How it is installed. Kept and exported; this version does not run it.
    pub install: Option<Install>,
    /// Files that users may not touch.
    pub denylist: Vec<String>,
    /// The document that was imported, so that exporting loses nothing.
    pub source: serde_json::Value,
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
    /// The script.
    pub script: String,
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
}

impl Variable {
    /// Its rules, read.
    #[must_use]
    pub fn rules(&self) -> Rules {
        Rules::parse(&self.rules)
    }
}
