//! A container's files by SFTP.

use crate::{
    App,
    extract::{Caller, Json, Path},
    problem::Answer,
};
use axum::extract::State;
use raptor_core::{authz::actions::ReadSftp, id::ContainerId, sftp::ConnectionDetails};
use utoipa_axum::{router::OpenApiRouter, routes};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(get_container_sftp))
}

/// How the caller reaches the container's files by SFTP.
#[utoipa::path(get, path = "/api/v1/containers/{id}/sftp", operation_id = "get_container_sftp", tag = "containers",
    params(("id" = ContainerId, Path)), responses((status = 200, body = ConnectionDetails)))]
async fn get_container_sftp(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ContainerId>,
) -> Answer<Json<ConnectionDetails>> {
    let permit = app.raptor.authz().permit::<ReadSftp>(&actor, id).await?;
    Ok(Json(app.raptor.sftp().connection(permit).await?))
}
