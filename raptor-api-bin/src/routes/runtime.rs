//! How containers run: their behaviour and their installation.

use super::containers::view;
use crate::{
    App,
    extract::{Caller, Json, Path},
    problem::Answer,
    views::runtime::InstallRequest,
};
use axum::{extract::State, http::StatusCode};
use raptor_core::{
    authz::actions::{InstallContainer, UpdateBehaviour},
    containers::{Behaviour, view::ContainerView as Container},
    id::ContainerId,
};
use utoipa_axum::{router::OpenApiRouter, routes};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(update_container_behaviour))
        .routes(routes!(install_container, cancel_container_install))
        .routes(routes!(skip_container_install))
}

/// Change when the container is started again, its time zone, network, mounts and labels. What concerns Docker holds from the
/// next start on. Mounts and labels are for those who manage all containers.
#[utoipa::path(put, path = "/api/v1/containers/{id}/behaviour", operation_id = "update_container_behaviour", tag = "containers",
    params(("id" = ContainerId, Path)), request_body = Behaviour, responses((status = 200, body = Container)))]
async fn update_container_behaviour(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ContainerId>,
    Json(body): Json<Behaviour>,
) -> Answer<Json<Container>> {
    let permit = app.raptor.authz().permit::<UpdateBehaviour>(&actor, id).await?;
    app.raptor.containers().set_behaviour(permit, body).await?;
    Ok(Json(view(&app, &actor, id).await?))
}

/// Run the template's installation. What runs is stopped first; the container's state and console tell how it goes.
///
/// 409 `nothing_to_install` if the template has no installation script.
#[utoipa::path(post, path = "/api/v1/containers/{id}/installation", operation_id = "install_container", tag = "containers",
    params(("id" = ContainerId, Path)), request_body = InstallRequest, responses((status = 202)))]
async fn install_container(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ContainerId>,
    Json(body): Json<InstallRequest>,
) -> Answer<StatusCode> {
    let permit = app.raptor.authz().permit::<InstallContainer>(&actor, id).await?;
    app.raptor.containers().install(permit, body.wipe, body.start).await?;
    Ok(StatusCode::ACCEPTED)
}

/// End the installation that runs.
#[utoipa::path(delete, path = "/api/v1/containers/{id}/installation", operation_id = "cancel_container_install", tag = "containers",
    params(("id" = ContainerId, Path)), responses((status = 202)))]
async fn cancel_container_install(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ContainerId>,
) -> Answer<StatusCode> {
    let permit = app.raptor.authz().permit::<InstallContainer>(&actor, id).await?;
    app.raptor.containers().cancel_install(permit).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Say that the container is installed though its installation failed or never ran.
#[utoipa::path(post, path = "/api/v1/containers/{id}/installation/skip", operation_id = "skip_container_install", tag = "containers",
    params(("id" = ContainerId, Path)), responses((status = 204)))]
async fn skip_container_install(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ContainerId>,
) -> Answer<StatusCode> {
    let permit = app.raptor.authz().permit::<InstallContainer>(&actor, id).await?;
    app.raptor.containers().skip_install(permit).await?;
    Ok(StatusCode::NO_CONTENT)
}
