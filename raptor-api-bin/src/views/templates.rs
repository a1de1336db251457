//! Templates on the wire.

use chrono::{DateTime, Utc};
use raptor_core::{
    id::TemplateId,
    templates::{
        self, ConfigFile, Install, Origin, StartupCommand, StopRule, TemplateImage,
        drawing::{Drawing, drawing},
        import::ImportWarning,
        service::{Revision, StoredTemplate},
        source::SourceCheck,
        variables::VariableInput,
    },
};
use serde::Serialize;
use utoipa::ToSchema;

/// Result of the last check whether a template's source has an update.
//
// Differs from the domain's: that one is stored as JSON, with the hash and version that the next check compares.
#[derive(Debug, Serialize, ToSchema)]
pub struct TemplateSourceCheck {
    /// When the source was checked.
    pub checked_at: DateTime<Utc>,
    /// Whether an update is available: the source's file differs from the one that the template was imported from.
    pub available: bool,
    /// Why the source could not be read; null where it could.
    pub problem: Option<String>,
}

impl From<SourceCheck> for TemplateSourceCheck {
    fn from(check: SourceCheck) -> Self {
        Self { checked_at: check.checked_at, available: check.available, problem: check.problem }
    }
}

/// A template in a list.
//
// Differs from the domain's: the fields of the document that a list needs, without the document.
#[derive(Debug, Serialize, ToSchema)]
pub struct TemplateSummary {
    /// Id of the template.
    pub id: TemplateId,
    /// Number of the template, counted from 1. It never changes.
    pub number: i64,
    /// Name of the template.
    pub name: String,
    /// The author that its file names; may be empty.
    pub author: String,
    /// Description of the template; may be empty.
    pub description: String,
    /// Format of the file that it was imported from, such as `PTDL_v2`.
    pub source_format: String,
    /// Where it came from; null for templates imported before this was recorded.
    pub origin: Option<Origin>,
    /// Icon from the catalogue; null where the catalogue does not list it.
    pub drawing: Option<Drawing>,
    /// Result of the last check for an update; null where none was made since the last import or update.
    pub source_check: Option<TemplateSourceCheck>,
    /// How many containers use it.
    pub container_count: i64,
    /// Number of its newest revision.
    pub revision: i64,
    /// Whether its record in the database can't be read. No container can be made from it until it is updated from a file.
    pub damaged: bool,
    /// When it was imported.
    pub created_at: DateTime<Utc>,
}

impl From<&StoredTemplate> for TemplateSummary {
    fn from(template: &StoredTemplate) -> Self {
        Self {
            id: template.id,
            number: template.number,
            name: template.document.name.clone(),
            author: template.document.author.clone(),
            description: template.document.description.clone(),
            source_format: template.source_format.clone(),
            drawing: template.origin.as_ref().and_then(drawing),
            source_check: template.source_check.clone().map(TemplateSourceCheck::from),
            origin: template.origin.clone(),
            revision: template.revision,
            damaged: !template.damaged.is_empty(),
            container_count: template.container_count,
            created_at: template.created_at,
        }
    }
}

impl From<StoredTemplate> for TemplateSummary {
    fn from(template: StoredTemplate) -> Self {
        Self::from(&template)
    }
}

super::page! {
    /// One page of templates, by name.
    TemplatePage of TemplateSummary
}

/// A variable that can be set for each container.
//
// Differs from the domain's, which is stored as JSON: without what other panels wrote into it, and with what follows from its rules.
#[derive(Debug, Serialize, ToSchema)]
pub struct TemplateVariable {
    /// The name that people see.
    pub name: String,
    /// What the variable does, for the people who set it.
    pub description: String,
    /// Its name in the environment.
    pub env: String,
    /// Its value unless set.
    pub default_value: String,
    /// Whether users see it.
    pub user_viewable: bool,
    /// Whether users change it.
    pub user_editable: bool,
    /// What its value must meet, in Laravel's notation.
    pub rules: String,
    /// Whether its value is not shown again once it is set.
    pub secret: bool,
    /// Whether a value is needed.
    pub required: bool,
    /// The input that fits.
    pub input: VariableInput,
}

impl From<templates::Variable> for TemplateVariable {
    fn from(variable: templates::Variable) -> Self {
        Self {
            required: variable.rules().is_required(),
            input: variable.input(),
            secret: variable.secret,
            name: variable.name,
            description: variable.description,
            env: variable.env,
            default_value: variable.default_value,
            user_viewable: variable.user_viewable,
            user_editable: variable.user_editable,
            rules: variable.rules,
        }
    }
}

/// How one kind of software is started, configured and stopped.
//
// Differs from the domain's: the document's fields beside those of its record.
#[derive(Debug, Serialize, ToSchema)]
pub struct Template {
    /// Id of the template.
    pub id: TemplateId,
    /// Number of the template, counted from 1. It never changes.
    pub number: i64,
    /// Name of the template.
    pub name: String,
    /// The author that its file names; may be empty.
    pub author: String,
    /// Description of the template; may be empty.
    pub description: String,
    /// Format of the file that it was imported from, such as `PTDL_v2`.
    pub source_format: String,
    /// Where it came from; null for templates imported before this was recorded.
    pub origin: Option<Origin>,
    /// Icon from the catalogue; null where the catalogue does not list it.
    pub drawing: Option<Drawing>,
    /// Result of the last check for an update; null where none was made since the last import or update.
    pub source_check: Option<TemplateSourceCheck>,
    /// How many containers use it.
    pub container_count: i64,
    /// Number of this revision.
    pub revision: i64,
    /// Whether its record in the database can't be read. No container can be made from it until it is updated from a file.
    pub damaged: bool,
    /// When it was imported.
    pub created_at: DateTime<Utc>,
    /// When it got its newest revision.
    pub updated_at: DateTime<Utc>,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// A picture, as a `data:` URL.
    pub icon: Option<String>,
    /// Where its makers publish it. If it is an address of HTTPS, and it is not known where the template came from, newer files are
    /// looked for there.
    pub update_url: Option<String>,
    /// Names of features that panels may offer help for.
    pub features: Vec<String>,
    /// Files that users may not touch.
    pub denylist: Vec<String>,
    /// What is odd about it.
    pub warnings: Vec<ImportWarning>,
    /// Images to choose from.
    pub images: Vec<TemplateImage>,
    /// The startup command, with placeholders.
    pub startup_command: String,
    /// The named commands to choose from; empty where there is only one.
    pub startup_commands: Vec<StartupCommand>,
    /// Which output means that it is running.
    pub done: Vec<String>,
    /// How it is asked to stop.
    pub stop: StopRule,
    /// Configuration files that are edited before each start.
    pub config_files: Vec<ConfigFile>,
    /// What can be set for each container.
    pub variables: Vec<TemplateVariable>,
    /// How it is installed.
    pub install: Option<Install>,
}

impl From<StoredTemplate> for Template {
    fn from(template: StoredTemplate) -> Self {
        let warnings = templates::lint(&template.document);
        let document = template.document;
        Self {
            id: template.id,
            number: template.number,
            name: document.name,
            author: document.author,
            description: document.description,
            source_format: template.source_format,
            drawing: template.origin.as_ref().and_then(drawing),
            source_check: template.source_check.map(TemplateSourceCheck::from),
            origin: template.origin,
            container_count: template.container_count,
            revision: template.revision,
            damaged: !template.damaged.is_empty(),
            created_at: template.created_at,
            updated_at: template.updated_at,
            tags: document.tags,
            icon: document.icon,
            update_url: document.update_url,
            features: document.features,
            denylist: document.denylist,
            warnings,
            images: document.images,
            startup_command: document.startup,
            startup_commands: document.startup_commands,
            done: document.done,
            stop: document.stop,
            config_files: document.config_files,
            variables: document.variables.into_iter().map(Into::into).collect(),
            install: document.install,
        }
    }
}

/// All revisions of a template.
#[derive(Serialize, ToSchema)]
pub struct RevisionList {
    /// The revisions, newest first.
    pub items: Vec<Revision>,
}
