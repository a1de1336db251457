//! Templates on the wire.

use chrono::{DateTime, Utc};
use raptor_core::{
    id::TemplateId,
    templates::{
        ConfigFile, Install, StopRule, TemplateImage, import::ImportWarning, service::StoredTemplate,
        variables::VariableInput,
    },
};
use serde::Serialize;
use utoipa::ToSchema;

/// A template in a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct TemplateSummary {
    /// Its id.
    pub id: TemplateId,
    /// Its small stable number.
    pub number: i64,
    /// Its name.
    pub name: String,
    /// Who made it.
    pub author: String,
    /// What it is for.
    pub description: String,
    /// The dialect that it was imported from.
    pub source_format: String,
    /// Containers that are made from it.
    pub container_count: i64,
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
    /// Whether a value is needed.
    pub required: bool,
    /// The input that fits.
    pub input: VariableInput,
}

/// How one kind of software is started, configured and stopped.
#[derive(Debug, Serialize, ToSchema)]
pub struct Template {
    /// Its id.
    pub id: TemplateId,
    /// Its small stable number.
    pub number: i64,
    /// Its name.
    pub name: String,
    /// Who made it.
    pub author: String,
    /// What it is for.
    pub description: String,
    /// The dialect that it was imported from.
    pub source_format: String,
    /// Containers that are made from it.
    pub container_count: i64,
    /// When it was imported.
    pub created_at: DateTime<Utc>,
    /// Images to choose from.
    pub images: Vec<TemplateImage>,
    /// The startup command, with placeholders.
    pub startup_command: String,
    /// Which output means that it is running.
    pub done: Vec<String>,
    /// How it is asked to stop.
    pub stop: StopRule,
    /// Configuration files that are edited before each start.
    pub config_files: Vec<ConfigFile>,
    /// What can be set for each container.
    pub variables: Vec<TemplateVariable>,
    /// Its install script. Kept and exported; this version does not run it.
    pub install: Option<Install>,
}

impl From<StoredTemplate> for Template {
    fn from(template: StoredTemplate) -> Self {
        let document = template.document;
        let variable = |variable: raptor_core::templates::Variable| {
            let rules = variable.rules();
            TemplateVariable {
                required: rules.is_required(),
                input: rules.input(),
                name: variable.name,
                description: variable.description,
                env: variable.env,
                default_value: variable.default_value,
                user_viewable: variable.user_viewable,
                user_editable: variable.user_editable,
                rules: variable.rules,
            }
        };
        Self {
            id: template.id,
            number: template.number,
            name: document.name,
            author: document.author,
            description: document.description,
            source_format: template.source_format,
            container_count: template.container_count,
            created_at: template.created_at,
            images: document.images,
            startup_command: document.startup,
            done: document.done,
            stop: document.stop,
            config_files: document.config_files,
            variables: document.variables.into_iter().map(variable).collect(),
            install: document.install,
        }
    }
}

/// A template that was just imported.
#[derive(Serialize, ToSchema)]
pub struct ImportedTemplate {
    /// The template.
    pub template: Template,
    /// What was odd, and what was made of it.
    pub warnings: Vec<ImportWarning>,
}
