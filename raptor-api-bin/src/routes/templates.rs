//! Templates.

use crate::{
    App,
    extract::{Caller, Json, Paging, Path, Query, Whole},
    problem::Answer,
    views::templates::{
        ImportedTemplate, RevisionList, Template, TemplateAddress, TemplatePage, TemplatePreview,
    },
};
use axum::{
    extract::{DefaultBodyLimit, State},
    http::{StatusCode, header},
    response::IntoResponse,
};
use raptor_core::{
    authz::actions::{DeleteTemplate, ImportTemplate, ListTemplates, ReadTemplate, UpdateTemplate},
    id::TemplateId,
};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_templates))
        .routes(routes!(import_template))
        .routes(routes!(import_template_from_url))
        .routes(routes!(preview_template))
        .routes(routes!(list_template_revisions, revise_template))
        .routes(routes!(get_template_revision))
        .routes(routes!(get_template, delete_template))
        .routes(routes!(export_template))
        // A little more than a template may have, so that too large a one is refused with a sentence about templates.
        .layer(DefaultBodyLimit::max(raptor_core::templates::import::MAX_SIZE + 1))
}

/// Which templates are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct TemplateQuery {
    /// Part of name or description.
    search: Option<String>,
}

/// Templates by name.
#[utoipa::path(get, path = "/api/v1/templates", operation_id = "list_templates", tag = "templates",
    params(TemplateQuery, Paging), responses((status = 200, body = TemplatePage)))]
async fn list_templates(
    State(app): State<App>,
    Caller(actor): Caller,
    Query(query): Query<TemplateQuery>,
    Query(paging): Query<Paging>,
) -> Answer<Json<TemplatePage>> {
    let permit = app.raptor.authz().allow::<ListTemplates>(&actor)?;
    Ok(Json(app.raptor.templates().list(permit, query.search.as_deref(), &paging.request()?).await?.into()))
}

/// Import a template: an egg of PTDL_v1, PTDL_v2 or PLCN_v1 to PLCN_v3, or Raptor's own format, as JSON or YAML.
#[utoipa::path(post, path = "/api/v1/templates/import", operation_id = "import_template", tag = "templates",
    request_body(content = String, content_type = "application/octet-stream"),
    responses((status = 201, body = ImportedTemplate)))]
async fn import_template(
    State(app): State<App>,
    Caller(actor): Caller,
    Whole(body): Whole,
) -> Answer<(StatusCode, Json<ImportedTemplate>)> {
    let permit = app.raptor.authz().allow::<ImportTemplate>(&actor)?;
    Ok((StatusCode::CREATED, Json(app.raptor.templates().import(permit, &body).await?.into())))
}

/// Import the template at a web address. Addresses that only this machine or its network can reach are refused.
#[utoipa::path(post, path = "/api/v1/templates/import-url", operation_id = "import_template_from_url", tag = "templates",
    request_body = TemplateAddress, responses((status = 201, body = ImportedTemplate)))]
async fn import_template_from_url(
    State(app): State<App>,
    Caller(actor): Caller,
    Json(body): Json<TemplateAddress>,
) -> Answer<(StatusCode, Json<ImportedTemplate>)> {
    let permit = app.raptor.authz().allow::<ImportTemplate>(&actor)?;
    let imported = app.raptor.templates().import_from(permit, &body.url).await?;
    Ok((StatusCode::CREATED, Json(imported.into())))
}

/// What a template would be and what a container would get from it, without keeping it.
#[utoipa::path(post, path = "/api/v1/templates/preview", operation_id = "preview_template", tag = "templates",
    request_body(content = String, content_type = "application/octet-stream"),
    responses((status = 200, body = TemplatePreview)))]
async fn preview_template(
    State(app): State<App>,
    Caller(actor): Caller,
    Whole(body): Whole,
) -> Answer<Json<TemplatePreview>> {
    let permit = app.raptor.authz().allow::<ImportTemplate>(&actor)?;
    Ok(Json(app.raptor.templates().preview(permit, &body).await?.into()))
}

/// A template's revisions, the newest first.
#[utoipa::path(get, path = "/api/v1/templates/{id}/revisions", operation_id = "list_template_revisions", tag = "templates",
    params(("id" = TemplateId, Path)), responses((status = 200, body = RevisionList)))]
async fn list_template_revisions(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<TemplateId>,
) -> Answer<Json<RevisionList>> {
    let permit = app.raptor.authz().permit::<ReadTemplate>(&actor, id).await?;
    Ok(Json(app.raptor.templates().revisions(permit).await?.into()))
}

/// Which revision a change was made from.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct RevisionQuery {
    /// The revision that was looked at; a newer one that is there by now is not overwritten.
    base: Option<i64>,
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
) -> Answer<(StatusCode, Json<ImportedTemplate>)> {
    let permit = app.raptor.authz().permit::<UpdateTemplate>(&actor, id).await?;
    let revised = app.raptor.templates().revise(permit, &body, query.base).await?;
    Ok((StatusCode::CREATED, Json(revised.into())))
}

/// A template as one of its revisions had it.
#[utoipa::path(get, path = "/api/v1/templates/{id}/revisions/{revision}", operation_id = "get_template_revision", tag = "templates",
    params(("id" = TemplateId, Path), ("revision" = i64, Path)), responses((status = 200, body = Template)))]
async fn get_template_revision(
    State(app): State<App>,
    Caller(actor): Caller,
    Path((id, revision)): Path<(TemplateId, i64)>,
) -> Answer<Json<Template>> {
    let permit = app.raptor.authz().permit::<ReadTemplate>(&actor, id).await?;
    Ok(Json(app.raptor.templates().revision(permit, revision).await?.into()))
}

/// One template.
#[utoipa::path(get, path = "/api/v1/templates/{id}", operation_id = "get_template", tag = "templates",
    params(("id" = TemplateId, Path)), responses((status = 200, body = Template)))]
async fn get_template(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<TemplateId>,
) -> Answer<Json<Template>> {
    let permit = app.raptor.authz().permit::<ReadTemplate>(&actor, id).await?;
    Ok(Json(app.raptor.templates().get(permit).into()))
}

/// Delete a template that no container is made from.
#[utoipa::path(delete, path = "/api/v1/templates/{id}", operation_id = "delete_template", tag = "templates",
    params(("id" = TemplateId, Path)), responses((status = 204)))]
async fn delete_template(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<TemplateId>,
) -> Answer<StatusCode> {
    let permit = app.raptor.authz().permit::<DeleteTemplate>(&actor, id).await?;
    app.raptor.templates().delete(permit).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// As what a template is exported.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ExportFormat {
    /// An egg that Pterodactyl and Pelican read (PTDL_v2).
    #[default]
    PtdlV2,
    /// Raptor's own format, which holds all of it.
    Raptor,
}

/// How a template is exported.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ExportQuery {
    /// The format; `ptdl_v2` unless given.
    format: Option<ExportFormat>,
}

/// The template as a file to keep.
#[utoipa::path(get, path = "/api/v1/templates/{id}/export", operation_id = "export_template", tag = "templates",
    params(("id" = TemplateId, Path), ExportQuery),
    responses((status = 200, body = String, content_type = "application/octet-stream")))]
async fn export_template(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<TemplateId>,
    Query(query): Query<ExportQuery>,
) -> Answer<impl IntoResponse> {
    let permit = app.raptor.authz().permit::<ReadTemplate>(&actor, id).await?;
    let (kind, document) = match query.format.unwrap_or_default() {
        ExportFormat::PtdlV2 => ("egg", app.raptor.templates().export(permit)),
        ExportFormat::Raptor => ("template", app.raptor.templates().export_own(permit)),
    };
    let text = serde_json::to_string_pretty(&document).unwrap_or_default();
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{kind}-{id}.json\"")),
    ];
    Ok((headers, text))
}
