//! Templates.

use crate::{
    App,
    extract::{Caller, Json, Paging, Path, Query},
    problem::Answer,
    views::templates::{RevisionList, Template, TemplatePage},
};
use axum::{
    extract::{DefaultBodyLimit, State},
    http::{StatusCode, header},
    response::IntoResponse,
};
use raptor_core::{
    authz::actions::{DeleteTemplate, ListTemplates, ReadTemplate},
    id::TemplateId,
};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_templates))
        .merge(super::template_imports::routes())
        .routes(routes!(list_template_revisions))
        .routes(routes!(get_template_revision))
        .routes(routes!(get_template, delete_template))
        .routes(routes!(export_template))
        // Slightly more than the largest template, so that one that is too large fails with a sentence about templates.
        .layer(DefaultBodyLimit::max(raptor_core::templates::import::MAX_SIZE + 1))
}

/// Which templates are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct TemplateQuery {
    /// Part of name or description.
    search: Option<String>,
}

/// List templates, ordered by name.
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

/// A template's revisions, the newest first.
#[utoipa::path(get, path = "/api/v1/templates/{id}/revisions", operation_id = "list_template_revisions", tag = "templates",
    params(("id" = TemplateId, Path)), responses((status = 200, body = RevisionList)))]
async fn list_template_revisions(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<TemplateId>,
) -> Answer<Json<RevisionList>> {
    let permit = app.raptor.authz().permit::<ReadTemplate>(&actor, id).await?;
    Ok(Json(RevisionList { items: app.raptor.templates().revisions(permit).await? }))
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

/// Get a template with its content.
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
        ExportFormat::PtdlV2 => ("egg", app.raptor.templates().export(permit)?),
        ExportFormat::Raptor => ("template", app.raptor.templates().export_own(permit)?),
    };
    let text = serde_json::to_string_pretty(&document).unwrap_or_default();
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{kind}-{id}.json\"")),
    ];
    Ok((headers, text))
}
