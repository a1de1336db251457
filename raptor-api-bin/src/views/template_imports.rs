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

/// The address of a template's file, and the existing template to compare it with.
#[derive(Debug, Deserialize, ToSchema)]
pub struct TemplateAddress {
    /// A public address of the file itself, over HTTP or HTTPS. At most 4 MiB are read, within 20 seconds. May be
    /// left out with `template_id`: then the file is fetched from that template's own source.
    pub url: Option<String>,
    /// The template to compare the file with. Without it, the file is compared with the templates that an import would find.
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
    /// A public address of the file itself. Without it, the file is fetched from the template's own source.
    pub url: Option<String>,
    /// The revision that was looked at; a newer one that is there by now is not overwritten.
    pub base: Option<i64>,
    /// SHA-256 of the file that was looked at, in hex digits. Another file that is there by now is not taken.
    pub sha256: Option<String>,
}

/// A template that was just imported.
//
// Differs from the domain's: the template as the wire has it.
#[derive(Serialize, ToSchema)]
pub struct ImportedTemplate {
    /// The template as it is after the import.
    pub template: Template,
    /// What could not be imported as the file states it, and what is used in its place.
    pub warnings: Vec<ImportWarning>,
    /// Whether the template was created, revised or left as it was.
    pub outcome: service::Outcome,
}

/// 201 with the address of the imported template.
pub fn imported(import: service::Import) -> Created<ImportedTemplate> {
    Created { location: format!("/api/v1/templates/{}", import.template.id), body: import.into() }
}

impl From<service::Import> for ImportedTemplate {
    fn from(import: service::Import) -> Self {
        Self { template: import.template.into(), warnings: import.warnings, outcome: import.outcome }
    }
}

/// What importing a file would give: the template, what a container with its defaults on 192.0.2.1:25565 would get, and the existing
/// templates that it is a version of.
#[derive(Serialize, ToSchema)]
pub struct TemplatePreview {
    /// Name of the template, as its file states it.
    pub name: String,
    /// Format of the file, such as `PTDL_v2`.
    pub source_format: String,
    /// What could not be imported as the file states it, and what is used in its place.
    pub warnings: Vec<ImportWarning>,
    /// The startup command as it would run.
    pub startup: String,
    /// The environment variables that the container would get.
    pub environment: BTreeMap<String, String>,
    /// The edits of configuration files.
    pub config_files: Vec<ConfigFile>,
    /// SHA-256 of the file, in lower-case hex digits.
    pub sha256: String,
    /// Existing templates that the file is a version of, the oldest first. Empty for callers without `templates.read`.
    pub existing: Vec<ExistingTemplate>,
}

/// An existing template, compared with a file.
//
// Differs from the domain's: the template as a list has it.
#[derive(Serialize, ToSchema)]
pub struct ExistingTemplate {
    /// The template in its newest revision.
    pub template: TemplateSummary,
    /// Fields in which the file differs; empty where it says the same.
    pub changes: Vec<FieldChange>,
}

impl From<Preview> for TemplatePreview {
    fn from(preview: Preview) -> Self {
        let Preview { imported, sha256, existing, .. } = preview;
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
