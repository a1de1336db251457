//! Imports of templates on the wire.

use crate::created::Created;
use crate::views::templates::{Template, TemplateSummary};
use raptor_core::{
    id::TemplateId,
    templates::{
        ConfigFile, FieldChange,
        import::ImportWarning,
        imports::{OnExisting, Preview},
        placeholders::Context,
        service,
    },
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// What an import came to.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ImportOutcome {
    /// A new template.
    Created,
    /// A new revision of a template that was there.
    Revised,
    /// The template says this already.
    Unchanged,
}

/// Where a template is, and which one that is here it is compared with.
#[derive(Debug, Deserialize, ToSchema)]
pub struct TemplateAddress {
    /// A public address of the file itself, over HTTP or HTTPS. At most 4 MiB are read, within 20 seconds. With `template_id`,
    /// where that template came from unless given.
    pub url: Option<String>,
    /// The template that the file would be a new revision of; the one that an import would find unless given.
    pub template_id: Option<TemplateId>,
}

/// Which file is imported.
#[derive(Debug, Deserialize, ToSchema)]
pub struct TemplateImport {
    /// A public address of the file itself, over HTTP or HTTPS. At most 4 MiB are read, within 20 seconds.
    pub url: String,
    /// What happens where the same template is here already and says something else; `ask` unless given: nothing is imported,
    /// and the answer is 409 `template_exists`.
    #[serde(default)]
    pub on_existing: OnExisting,
    /// SHA-256 of the file that was looked at, in hex digits. Another file that is there by now is not imported.
    pub sha256: Option<String>,
}

/// Which file becomes a new revision.
#[derive(Debug, Deserialize, ToSchema)]
pub struct RevisionAddress {
    /// A public address of the file itself; where the template came from unless given.
    pub url: Option<String>,
    /// The revision that was looked at; a newer one that is there by now is not overwritten.
    pub base: Option<i64>,
    /// SHA-256 of the file that was looked at, in hex digits. Another file that is there by now is not taken.
    pub sha256: Option<String>,
}

/// A template that was just imported.
#[derive(Serialize, ToSchema)]
pub struct ImportedTemplate {
    /// The template as it is after the import.
    pub template: Template,
    /// What was odd, and what was made of it.
    pub warnings: Vec<ImportWarning>,
    /// What it came to.
    pub outcome: ImportOutcome,
}

/// 201 with the address of the template that an import came to.
pub fn imported(import: service::Import) -> Created<ImportedTemplate> {
    Created { location: format!("/api/v1/templates/{}", import.template.id), body: import.into() }
}

impl From<service::Import> for ImportedTemplate {
    fn from(import: service::Import) -> Self {
        let outcome = match import.outcome {
            service::Outcome::Created => ImportOutcome::Created,
            service::Outcome::Revised => ImportOutcome::Revised,
            service::Outcome::Unchanged => ImportOutcome::Unchanged,
        };
        Self { template: import.template.into(), warnings: import.warnings, outcome }
    }
}

/// What a template would be, what a container with its defaults on 192.0.2.1:25565 would get, and which templates that are here it
/// is a version of.
#[derive(Serialize, ToSchema)]
pub struct TemplatePreview {
    /// Name of the template, as its file states it.
    pub name: String,
    /// The dialect that it is in.
    pub source_format: String,
    /// What is odd about it.
    pub warnings: Vec<ImportWarning>,
    /// The startup command as it would run.
    pub startup: String,
    /// The environment variables that the container would get.
    pub environment: BTreeMap<String, String>,
    /// The edits of configuration files.
    pub config_files: Vec<ConfigFile>,
    /// SHA-256 of the file, in lower-case hex digits.
    pub sha256: String,
    /// Templates that are the same one, the likeliest first. Empty for those who may not read templates.
    pub existing: Vec<ExistingTemplate>,
}

/// A template that is here already, beside a file.
#[derive(Serialize, ToSchema)]
pub struct ExistingTemplate {
    /// The template in its newest revision.
    pub template: TemplateSummary,
    /// What the file says otherwise; empty where it says the same.
    pub changes: Vec<FieldChange>,
}

impl From<Preview> for TemplatePreview {
    fn from(preview: Preview) -> Self {
        let Preview { imported, sha256, existing } = preview;
        let template = imported.template;
        let values =
            template.variables.iter().map(|variable| (variable.env.clone(), variable.default_value.clone()));
        let mut environment: BTreeMap<String, String> = values.collect();
        let built_in = [("SERVER_IP", "192.0.2.1"), ("SERVER_PORT", "25565"), ("SERVER_MEMORY", "1024")];
        environment.extend(built_in.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let context = Context {
            environment: environment.clone(),
            ip: "192.0.2.1".into(),
            port: "25565".into(),
            memory: "1024".into(),
            uuid: TemplateId::generate().to_string(),
        };
        Self {
            startup: context.startup(&template.startup),
            config_files: context.files(&template),
            environment,
            name: template.name,
            source_format: imported.format,
            warnings: imported.warnings,
            sha256,
            existing: existing
                .into_iter()
                .map(|one| ExistingTemplate { template: one.template.into(), changes: one.changes })
                .collect(),
        }
    }
}
