//! Daemons.

use crate::{
    App,
    created::Created,
    extract::{Caller, Json, Path},
    problem::Answer,
    views::{
        daemons::{
            Adopted, CreatedDaemon, Daemon, DaemonDraft, DaemonKey, DaemonList, UnknownContainer,
            UnknownContainerList,
        },
        runtime::{ImageCleaning, MaintenanceUpdate},
    },
};
use axum::{extract::State, http::StatusCode};
use raptor_core::{
    authz::actions::{
        AdoptStray, CreateDaemon, DeleteDaemon, DeleteStray, ListDaemons, ListStrays, MaintainDaemon,
        ReadDaemon, StopStray, UpdateDaemon,
    },
    daemons::{service::NewDaemon, strays::Adoption},
    id::{ContainerId, DaemonId},
    node::CleanedImages,
};
use utoipa_axum::{router::OpenApiRouter, routes};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_daemons, create_daemon))
        .routes(routes!(get_daemon, update_daemon, delete_daemon))
        .routes(routes!(renew_daemon_key))
        .routes(routes!(set_daemon_maintenance))
        .routes(routes!(clean_daemon_images))
        .routes(routes!(list_unknown_containers))
        .routes(routes!(adopt_unknown_container))
        .routes(routes!(stop_unknown_container))
        .routes(routes!(delete_unknown_container))
}

/// All daemons, with how they are now.
#[utoipa::path(get, path = "/api/v1/daemons", operation_id = "list_daemons", tag = "daemons",
    responses((status = 200, body = DaemonList)))]
async fn list_daemons(State(app): State<App>, Caller(actor): Caller) -> Answer<Json<DaemonList>> {
    let permit = app.raptor.authz().allow::<ListDaemons>(&actor)?;
    let daemons = app.raptor.daemons().list(permit).await?;
    Ok(Json(DaemonList { items: daemons.into_iter().map(Daemon::new).collect() }))
}

/// Add a daemon. The answer holds its key, which can't be read again.
///
/// Put the key into the host's configuration, or pass it to `raptor-daemon setup`. A lost key is replaced with
/// `renew_daemon_key`.
#[utoipa::path(post, path = "/api/v1/daemons", operation_id = "create_daemon", tag = "daemons",
    request_body = DaemonDraft, responses((status = 201, body = CreatedDaemon)))]
async fn create_daemon(
    State(app): State<App>,
    Caller(actor): Caller,
    Json(body): Json<DaemonDraft>,
) -> Answer<Created<CreatedDaemon>> {
    let permit = app.raptor.authz().allow::<CreateDaemon>(&actor)?;
    let NewDaemon { linked, api_key, .. } = app.raptor.daemons().create(permit, body.into()).await?;
    let location = format!("/api/v1/daemons/{}", linked.daemon.id);
    Ok(Created { location, body: CreatedDaemon { daemon: Daemon::new(linked), api_key } })
}

/// Get a daemon, with the state of its connection.
#[utoipa::path(get, path = "/api/v1/daemons/{id}", operation_id = "get_daemon", tag = "daemons",
    params(("id" = DaemonId, Path)), responses((status = 200, body = Daemon)))]
async fn get_daemon(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<DaemonId>,
) -> Answer<Json<Daemon>> {
    let permit = app.raptor.authz().permit::<ReadDaemon>(&actor, id).await?;
    Ok(Json(Daemon::new(app.raptor.daemons().get(permit))))
}

/// Change the settings of a daemon.
#[utoipa::path(put, path = "/api/v1/daemons/{id}", operation_id = "update_daemon", tag = "daemons",
    params(("id" = DaemonId, Path)), request_body = DaemonDraft, responses((status = 200, body = Daemon)))]
async fn update_daemon(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<DaemonId>,
    Json(body): Json<DaemonDraft>,
) -> Answer<Json<Daemon>> {
    let permit = app.raptor.authz().permit::<UpdateDaemon>(&actor, id).await?;
    let daemon = app.raptor.daemons().update(permit, body.into()).await?;
    Ok(Json(Daemon::new(daemon)))
}

/// Remove a daemon that has no containers.
///
/// While it has containers, the answer is 409 `has_containers`.
#[utoipa::path(delete, path = "/api/v1/daemons/{id}", operation_id = "delete_daemon", tag = "daemons",
    params(("id" = DaemonId, Path)), responses((status = 204)))]
async fn delete_daemon(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<DaemonId>,
) -> Answer<StatusCode> {
    let permit = app.raptor.authz().permit::<DeleteDaemon>(&actor, id).await?;
    app.raptor.daemons().delete(permit).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Give a daemon a new key. The old one is refused from now on.
#[utoipa::path(post, path = "/api/v1/daemons/{id}/key", operation_id = "renew_daemon_key", tag = "daemons",
    params(("id" = DaemonId, Path)), responses((status = 200, body = DaemonKey)))]
async fn renew_daemon_key(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<DaemonId>,
) -> Answer<Json<DaemonKey>> {
    let permit = app.raptor.authz().permit::<UpdateDaemon>(&actor, id).await?;
    Ok(Json(DaemonKey { api_key: app.raptor.daemons().renew_key(permit).await? }))
}

/// Begin a daemon's maintenance with a reason, or end it. Meanwhile nothing is placed on it, and only those who manage daemons
/// start and stop its containers.
#[utoipa::path(put, path = "/api/v1/daemons/{id}/maintenance", operation_id = "set_daemon_maintenance", tag = "daemons",
    params(("id" = DaemonId, Path)), request_body = MaintenanceUpdate, responses((status = 200, body = Daemon)))]
async fn set_daemon_maintenance(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<DaemonId>,
    Json(body): Json<MaintenanceUpdate>,
) -> Answer<Json<Daemon>> {
    let permit = app.raptor.authz().permit::<MaintainDaemon>(&actor, id).await?;
    let daemon = app.raptor.daemons().set_maintenance(permit, body.reason).await?;
    Ok(Json(Daemon::new(daemon)))
}

/// Remove images from a host that were pulled for its containers and that nobody has used for a while.
#[utoipa::path(post, path = "/api/v1/daemons/{id}/images/clean", operation_id = "clean_daemon_images", tag = "daemons",
    params(("id" = DaemonId, Path)), request_body = ImageCleaning, responses((status = 200, body = CleanedImages)))]
async fn clean_daemon_images(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<DaemonId>,
    Json(body): Json<ImageCleaning>,
) -> Answer<Json<CleanedImages>> {
    let permit = app.raptor.authz().permit::<MaintainDaemon>(&actor, id).await?;
    Ok(Json(app.raptor.daemons().clean_images(permit, body.unused_days).await?))
}

/// The containers that a host has and Raptor does not know, as they are after the database was restored from an older copy.
#[utoipa::path(get, path = "/api/v1/daemons/{id}/unknown-containers", operation_id = "list_unknown_containers", tag = "daemons",
    params(("id" = DaemonId, Path)), responses((status = 200, body = UnknownContainerList)))]
async fn list_unknown_containers(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<DaemonId>,
) -> Answer<Json<UnknownContainerList>> {
    let permit = app.raptor.authz().permit::<ListStrays>(&actor, id).await?;
    let items = app.raptor.daemons().strays(permit).into_iter().map(UnknownContainer::from).collect();
    Ok(Json(UnknownContainerList { items }))
}

/// Make such a container one of Raptor's again, as it is. It runs on.
#[utoipa::path(post, path = "/api/v1/daemons/{id}/unknown-containers/{container_id}/adopt", operation_id = "adopt_unknown_container",
    tag = "daemons", params(("id" = DaemonId, Path), ("container_id" = ContainerId, Path)), request_body = Adoption,
    responses((status = 200, body = Adopted)))]
async fn adopt_unknown_container(
    State(app): State<App>,
    Caller(actor): Caller,
    Path((id, container_id)): Path<(DaemonId, ContainerId)>,
    Json(body): Json<Adoption>,
) -> Answer<Json<Adopted>> {
    let permit = app.raptor.authz().permit::<AdoptStray>(&actor, id).await?;
    let id = app.raptor.daemons().adopt_stray(permit, container_id, body).await?;
    Ok(Json(Adopted { id }))
}

/// Ask such a container to stop. Its files stay.
#[utoipa::path(post, path = "/api/v1/daemons/{id}/unknown-containers/{container_id}/stop", operation_id = "stop_unknown_container",
    tag = "daemons", params(("id" = DaemonId, Path), ("container_id" = ContainerId, Path)), responses((status = 202)))]
async fn stop_unknown_container(
    State(app): State<App>,
    Caller(actor): Caller,
    Path((id, container_id)): Path<(DaemonId, ContainerId)>,
) -> Answer<StatusCode> {
    let permit = app.raptor.authz().permit::<StopStray>(&actor, id).await?;
    app.raptor.daemons().stop_stray(permit, container_id).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Delete such a container with its files.
#[utoipa::path(delete, path = "/api/v1/daemons/{id}/unknown-containers/{container_id}", operation_id = "delete_unknown_container",
    tag = "daemons", params(("id" = DaemonId, Path), ("container_id" = ContainerId, Path)), responses((status = 202)))]
async fn delete_unknown_container(
    State(app): State<App>,
    Caller(actor): Caller,
    Path((id, container_id)): Path<(DaemonId, ContainerId)>,
) -> Answer<StatusCode> {
    let permit = app.raptor.authz().permit::<DeleteStray>(&actor, id).await?;
    app.raptor.daemons().delete_stray(permit, container_id).await?;
    Ok(StatusCode::ACCEPTED)
}
