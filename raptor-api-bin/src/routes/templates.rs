//! Templates.

use crate::{
    App,
    extract::{Caller, Json, Paging, Path, Query},
    problem::Answer,
    views::templates::{ImportedTemplate, Template, TemplatePage},
};
use axum::{
    body::Bytes,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use raptor_core::{
    authz::actions::{DeleteTemplate, ImportTemplate, ListTemplates, ReadTemplate},
    id::TemplateId,
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_templates))
        .routes(routes!(import_template))
        .routes(routes!(get_template, delete_template))
        .routes(routes!(export_template))
}

/// Which templates are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct TemplateQuery {
    /// Part of name or description.
    search: Option<String>,
}

/// Templates by name.
#[utoipa::path(get, path = "/templates", operation_id = "list_templates", tag = "templates",
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

/// Import a Pterodactyl egg (PTDL_v1 or PTDL_v2, JSON).
#[utoipa::path(post, path = "/templates/import", operation_id = "import_template", tag = "templates",
    request_body(content = String, content_type = "application/octet-stream"),
    responses((status = 201, body = ImportedTemplate)))]
async fn import_template(
    State(app): State<App>,
    Caller(actor): Caller,
    body: Bytes,
) -> Answer<(StatusCode, Json<ImportedTemplate>)> {
    let permit = app.raptor.authz().allow::<ImportTemplate>(&actor)?;
    let (template, warnings) = app.raptor.templates().import(permit, &body).await?;
    Ok((StatusCode::CREATED, Json(ImportedTemplate { template: template.into(), warnings })))
}

/// One template.
#[utoipa::path(get, path = "/templates/{id}", operation_id = "get_template", tag = "templates",
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
#[utoipa::path(delete, path = "/templates/{id}", operation_id = "delete_template", tag = "templates",
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

/// The template as a Pterodactyl egg (PTDL_v2, JSON), as a file to keep.
#[utoipa::path(get, path = "/templates/{id}/export", operation_id = "export_template", tag = "templates",
    params(("id" = TemplateId, Path)),
    responses((status = 200, body = String, content_type = "application/octet-stream")))]
async fn export_template(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<TemplateId>,
) -> Answer<impl IntoResponse> {
    let permit = app.raptor.authz().permit::<ReadTemplate>(&actor, id).await?;
    let egg = serde_json::to_string_pretty(&app.raptor.templates().export(permit)).unwrap_or_default();
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"egg-{id}.json\"")),
    ];
    Ok((headers, egg))
}
