//! Templates on the wire.

use super::drawing::Drawing;
use chrono::{DateTime, Utc};
use raptor_core::{
    id::TemplateId,
    templates::{
        self, ConfigFile, Install, Origin, StartupCommand, StopRule, TemplateImage,
        drawing::drawing,
        import::ImportWarning,
        service::{self, StoredTemplate},
        source::SourceCheck,
        variables::VariableInput,
    },
};
use serde::Serialize;
use utoipa::ToSchema;

/// What a look at the place found that a template came from.
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
            drawing: template.origin.as_ref().and_then(drawing).map(Drawing::from),
            source_check: template.source_check.clone().map(TemplateSourceCheck::from),
            origin: template.origin.clone(),
            revision: template.revision,
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

/// Something that can be set for each container.
#[derive(Debug, Serialize, ToSchema)]
pub struct TemplateVariable {
    /// What people see.
    pub name: String,
    /// What it does.
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
            drawing: template.origin.as_ref().and_then(drawing).map(Drawing::from),
            source_check: template.source_check.map(TemplateSourceCheck::from),
            origin: template.origin,
            container_count: template.container_count,
            revision: template.revision,
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

/// One revision of a template.
#[derive(Serialize, ToSchema)]
pub struct TemplateRevision {
    /// Its number, from 1.
    pub revision: i64,
    /// Format of the file that it was imported from, such as `PTDL_v2`.
    pub source_format: String,
    /// Who made it; empty where nobody wrote it down.
    pub made_by: String,
    /// When.
    pub created_at: DateTime<Utc>,
    /// Containers that run it.
    pub container_count: i64,
}

/// All revisions of a template.
#[derive(Serialize, ToSchema)]
pub struct RevisionList {
    /// The newest first.
    pub items: Vec<TemplateRevision>,
}

impl From<Vec<service::Revision>> for RevisionList {
    fn from(revisions: Vec<service::Revision>) -> Self {
        let revision = |revision: service::Revision| TemplateRevision {
            revision: revision.revision,
            source_format: revision.source_format,
            made_by: revision.made_by,
            created_at: revision.created_at,
            container_count: revision.container_count,
        };
        Self { items: revisions.into_iter().map(revision).collect() }
    }
}
