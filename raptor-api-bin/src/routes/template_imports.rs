//! Importing templates, and updating existing ones from newer files.

use crate::{
    App,
    created::Created,
    extract::{Caller, Json, Path, Query, Whole},
    problem::Answer,
    views::{
        template_imports::{
            ImportedTemplate, RevisionAddress, TemplateAddress, TemplateImport, TemplatePreview, imported,
        },
        templates::Template,
    },
};
use axum::extract::State;
use raptor_core::{
    authz::actions::{ImportTemplate, UpdateTemplate},
    id::TemplateId,
    templates::{Origin, OriginKind, imports::OnExisting},
};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(import_template))
        .routes(routes!(import_template_from_url))
        .routes(routes!(preview_template))
        .routes(routes!(preview_template_from_url))
        .routes(routes!(revise_template))
        .routes(routes!(revise_template_from_url))
        .routes(routes!(check_template_source))
}

/// What was uploaded.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum UploadKind {
    /// A file, whose name is kept where `file_name` states it.
    File,
    /// Text from the clipboard.
    Pasted,
    /// The template as it is here, edited by hand. Where it came from stays as it is.
    Edited,
}

fn origin(kind: Option<UploadKind>, name: Option<&str>) -> Origin {
    match kind {
        Some(UploadKind::Pasted | UploadKind::Edited) => Origin::new(OriginKind::Pasted),
        Some(UploadKind::File) | None => Origin::file(name),
    }
}

/// How a template is imported.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ImportQuery {
    /// What happens where the same template is here already and says something else; `ask` unless given: nothing is imported,
    /// and the answer is 409 `template_exists`.
    on_existing: Option<OnExisting>,
    /// `file` or `pasted`; `file` unless given.
    kind: Option<UploadKind>,
    /// The name of the file.
    file_name: Option<String>,
}

/// Import a template: an egg of PTDL_v1, PTDL_v2 or PLCN_v1 to PLCN_v3, or Raptor's own format, as JSON or YAML. A file that says
/// the same as the template that is here changes nothing.
#[utoipa::path(post, path = "/api/v1/templates/import", operation_id = "import_template", tag = "templates",
    params(ImportQuery),
    request_body(content = String, content_type = "application/octet-stream"),
    responses((status = 201, body = ImportedTemplate)))]
async fn import_template(
    State(app): State<App>,
    Caller(actor): Caller,
    Query(query): Query<ImportQuery>,
    Whole(body): Whole,
) -> Answer<Created<ImportedTemplate>> {
    let permit = app.raptor.authz().allow::<ImportTemplate>(&actor)?;
    let origin = origin(query.kind, query.file_name.as_deref());
    let on_existing = query.on_existing.unwrap_or_default();
    let import = app.raptor.templates().import_as(permit, &body, origin, on_existing).await?;
    Ok(imported(import))
}

/// Import the template at a web address. Addresses that only this machine or its network can reach are refused.
#[utoipa::path(post, path = "/api/v1/templates/import-url", operation_id = "import_template_from_url", tag = "templates",
    request_body = TemplateImport, responses((status = 201, body = ImportedTemplate)))]
async fn import_template_from_url(
    State(app): State<App>,
    Caller(actor): Caller,
    Json(body): Json<TemplateImport>,
) -> Answer<Created<ImportedTemplate>> {
    let permit = app.raptor.authz().allow::<ImportTemplate>(&actor)?;
    let (on_existing, sha256) = (body.on_existing, body.sha256.as_deref());
    let import = app.raptor.templates().import_from(permit, &body.url, on_existing, sha256).await?;
    Ok(imported(import))
}

/// Which template a file is compared with.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct PreviewQuery {
    /// The template that the file would be a new revision of; the one that an import would find unless given.
    template_id: Option<TemplateId>,
}

/// What a template would be, what a container would get from it, and what is different from the same template that is here,
/// without keeping it.
#[utoipa::path(post, path = "/api/v1/templates/preview", operation_id = "preview_template", tag = "templates",
    params(PreviewQuery),
    request_body(content = String, content_type = "application/octet-stream"),
    responses((status = 200, body = TemplatePreview)))]
async fn preview_template(
    State(app): State<App>,
    Caller(actor): Caller,
    Query(query): Query<PreviewQuery>,
    Whole(body): Whole,
) -> Answer<Json<TemplatePreview>> {
    let (authz, templates) = (app.raptor.authz(), app.raptor.templates());
    let preview = match query.template_id {
        Some(id) => templates.compare(authz.permit::<UpdateTemplate>(&actor, id).await?, &body).await?,
        None => templates.preview(authz.allow::<ImportTemplate>(&actor)?, &body, &Origin::file(None)).await?,
    };
    Ok(Json(preview.into()))
}

/// The same for the template at a web address.
#[utoipa::path(post, path = "/api/v1/templates/preview-url", operation_id = "preview_template_from_url", tag = "templates",
    request_body = TemplateAddress, responses((status = 200, body = TemplatePreview)))]
async fn preview_template_from_url(
    State(app): State<App>,
    Caller(actor): Caller,
    Json(body): Json<TemplateAddress>,
) -> Answer<Json<TemplatePreview>> {
    let (authz, templates) = (app.raptor.authz(), app.raptor.templates());
    let preview = match (body.template_id, &body.url) {
        (Some(id), url) => {
            let permit = authz.permit::<UpdateTemplate>(&actor, id).await?;
            templates.compare_with(permit, url.as_deref()).await?
        }
        (None, url) => {
            let permit = authz.allow::<ImportTemplate>(&actor)?;
            templates.preview_from(permit, url.as_deref().unwrap_or_default()).await?
        }
    };
    Ok(Json(preview.into()))
}

/// What a new revision was made from.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct RevisionQuery {
    /// The revision that was looked at; a newer one that is there by now is not overwritten.
    base: Option<i64>,
    /// `edited` unless given. What came as `file` or `pasted` becomes where the template came from.
    kind: Option<UploadKind>,
    /// The name of the file.
    file_name: Option<String>,
}

/// Give a template a new revision, in any format that can be imported. Containers stay at theirs until they are moved.
#[utoipa::path(post, path = "/api/v1/templates/{id}/revisions", operation_id = "revise_template", tag = "templates",
    params(("id" = TemplateId, Path), RevisionQuery),
    request_body(content = String, content_type = "application/octet-stream"),
    responses((status = 201, body = ImportedTemplate)))]
async fn revise_template(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<TemplateId>,
    Query(query): Query<RevisionQuery>,
    Whole(body): Whole,
) -> Answer<Created<ImportedTemplate>> {
    let permit = app.raptor.authz().permit::<UpdateTemplate>(&actor, id).await?;
    let edited = matches!(query.kind, None | Some(UploadKind::Edited));
    let origin = (!edited).then(|| origin(query.kind, query.file_name.as_deref()));
    let import = app.raptor.templates().revise(permit, &body, query.base, origin).await?;
    Ok(imported(import))
}

/// Give a template a new revision from a web address, or from where it came from. Containers stay at theirs until they are moved.
#[utoipa::path(post, path = "/api/v1/templates/{id}/revisions-url", operation_id = "revise_template_from_url", tag = "templates",
    params(("id" = TemplateId, Path)), request_body = RevisionAddress,
    responses((status = 201, body = ImportedTemplate)))]
async fn revise_template_from_url(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<TemplateId>,
    Json(body): Json<RevisionAddress>,
) -> Answer<Created<ImportedTemplate>> {
    let permit = app.raptor.authz().permit::<UpdateTemplate>(&actor, id).await?;
    let (url, sha256) = (body.url.as_deref(), body.sha256.as_deref());
    let import = app.raptor.templates().revise_from(permit, url, body.base, sha256).await?;
    Ok(imported(import))
}

/// Look whether the place that a template came from has a newer file. What was found is in `source_check`.
#[utoipa::path(post, path = "/api/v1/templates/{id}/source-check", operation_id = "check_template_source", tag = "templates",
    params(("id" = TemplateId, Path)), responses((status = 200, body = Template)))]
async fn check_template_source(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<TemplateId>,
) -> Answer<Json<Template>> {
    let permit = app.raptor.authz().permit::<UpdateTemplate>(&actor, id).await?;
    Ok(Json(app.raptor.templates().check_source(permit).await?.into()))
}
