//! The template of a container.

use crate::{
    App,
    extract::{Caller, Json, Path, Query},
    problem::Answer,
    views::containers::{SecretValue, TemplateMove, TemplateOrder},
};
use axum::extract::State;
use raptor_core::{
    authz::actions as act,
    containers::{
        preview::StartPreview, switch::TemplateSwitch, template::TemplateChange,
        view::ContainerView as Container,
    },
    id::{ContainerId, TemplateId},
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(get_template_change, move_container_template))
        .routes(routes!(get_template_switch, switch_container_template))
        .routes(routes!(reveal_container_secret))
        .routes(routes!(preview_container))
}

/// Which revision is meant.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ChangeQuery {
    /// The revision; the newest one unless given.
    revision: Option<i64>,
}

/// What moving a container to another revision of its template would change.
#[utoipa::path(get, path = "/api/v1/containers/{id}/template", operation_id = "get_template_change", tag = "containers",
    params(("id" = ContainerId, Path), ChangeQuery), responses((status = 200, body = TemplateChange)))]
async fn get_template_change(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ContainerId>,
    Query(query): Query<ChangeQuery>,
) -> Answer<Json<TemplateChange>> {
    let permit = app.raptor.authz().permit::<act::ReadStartup>(&actor, id).await?;
    Ok(Json(app.raptor.containers().template_change(permit, query.revision).await?))
}

/// Move a container to another revision of its template. It holds from the next start on.
#[utoipa::path(put, path = "/api/v1/containers/{id}/template", operation_id = "move_container_template", tag = "containers",
    params(("id" = ContainerId, Path)), request_body = TemplateMove, responses((status = 200, body = Container)))]
async fn move_container_template(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ContainerId>,
    Json(body): Json<TemplateMove>,
) -> Answer<Json<Container>> {
    let permit = app.raptor.authz().permit::<act::MoveTemplate>(&actor, id).await?;
    app.raptor.containers().move_template(permit, body.revision, body.variables).await?;
    Ok(Json(super::containers::view(&app, &actor, id).await?))
}

/// Which template is meant.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct SwitchQuery {
    /// The template that the container would be made from.
    template_id: TemplateId,
}

/// What changing a container to another template would change. Its files stay in any case.
#[utoipa::path(get, path = "/api/v1/containers/{id}/template/switch", operation_id = "get_template_switch", tag = "containers",
    params(("id" = ContainerId, Path), SwitchQuery), responses((status = 200, body = TemplateSwitch)))]
async fn get_template_switch(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ContainerId>,
    Query(query): Query<SwitchQuery>,
) -> Answer<Json<TemplateSwitch>> {
    let permit = app.raptor.authz().permit::<act::ReadStartup>(&actor, id).await?;
    let to = app.raptor.authz().permit::<act::ReadTemplate>(&actor, query.template_id).await?;
    Ok(Json(app.raptor.containers().template_switch(permit, to).await?))
}

/// Change a container to another template with its files kept. It holds from the next start on.
#[utoipa::path(put, path = "/api/v1/containers/{id}/template/switch", operation_id = "switch_container_template",
    tag = "containers", params(("id" = ContainerId, Path)), request_body = TemplateOrder,
    responses((status = 200, body = Container)))]
async fn switch_container_template(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ContainerId>,
    Json(body): Json<TemplateOrder>,
) -> Answer<Json<Container>> {
    let permit = app.raptor.authz().permit::<act::MoveTemplate>(&actor, id).await?;
    let to = app.raptor.authz().permit::<act::ReadTemplate>(&actor, body.template_id).await?;
    app.raptor.containers().switch_template(permit, to, body.into()).await?;
    Ok(Json(super::containers::view(&app, &actor, id).await?))
}

/// What a container would get at its next start: command, environment, edits of configuration files, and what is odd about them.
/// Secrets are masked, and so is what the caller may not see.
#[utoipa::path(get, path = "/api/v1/containers/{id}/preview", operation_id = "preview_container", tag = "containers",
    params(("id" = ContainerId, Path)), responses((status = 200, body = StartPreview)))]
async fn preview_container(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ContainerId>,
) -> Answer<Json<StartPreview>> {
    let permit = app.raptor.authz().permit::<act::ReadStartup>(&actor, id).await?;
    Ok(Json(app.raptor.containers().preview(permit).await?))
}

/// The value of a secret variable. Looking is written down.
#[utoipa::path(post, path = "/api/v1/containers/{id}/variables/{env}/reveal", operation_id = "reveal_container_secret",
    tag = "containers", params(("id" = ContainerId, Path), ("env" = String, Path)),
    responses((status = 200, body = SecretValue)))]
async fn reveal_container_secret(
    State(app): State<App>,
    Caller(actor): Caller,
    Path((id, env)): Path<(ContainerId, String)>,
) -> Answer<Json<SecretValue>> {
    let permit = app.raptor.authz().permit::<act::RevealSecret>(&actor, id).await?;
    Ok(Json(SecretValue { value: app.raptor.containers().reveal(permit, &env).await? }))
}
