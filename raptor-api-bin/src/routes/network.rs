//! A container's allocations.

use crate::{
    App,
    extract::{Caller, Json, Path},
    problem::Answer,
    views::containers::AllocationChoice,
};
use axum::{extract::State, http::StatusCode};
use raptor_core::{
    authz::actions::{AddAllocation, RemoveAllocation},
    id::{AllocationId, ContainerId},
};
use utoipa_axum::{router::OpenApiRouter, routes};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(add_container_allocation))
        .routes(routes!(remove_container_allocation))
        .routes(routes!(set_primary_allocation))
        .routes(routes!(replace_container_allocation))
}

/// Give the container another allocation. It holds from the next start on. Callers without `containers.update` are bound to the
/// container's limit and to the daemon's ports for self-service.
#[utoipa::path(post, path = "/api/v1/containers/{id}/allocations", operation_id = "add_container_allocation", tag = "containers",
    params(("id" = ContainerId, Path)), request_body = AllocationChoice, responses((status = 204)))]
async fn add_container_allocation(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ContainerId>,
    Json(body): Json<AllocationChoice>,
) -> Answer<StatusCode> {
    let permit = app.raptor.authz().permit::<AddAllocation>(&actor, id).await?;
    app.raptor.containers().add_allocation(permit, body.allocation_id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Take an allocation from the container. It holds from the next start on.
#[utoipa::path(delete, path = "/api/v1/containers/{id}/allocations/{allocation_id}", operation_id = "remove_container_allocation",
    tag = "containers", params(("id" = ContainerId, Path), ("allocation_id" = AllocationId, Path)),
    responses((status = 204)))]
async fn remove_container_allocation(
    State(app): State<App>,
    Caller(actor): Caller,
    Path((id, allocation)): Path<(ContainerId, AllocationId)>,
) -> Answer<StatusCode> {
    let permit = app.raptor.authz().permit::<RemoveAllocation>(&actor, id).await?;
    app.raptor.containers().remove_allocation(permit, allocation).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Make one of the container's allocations its primary one. It holds from the next start on.
#[utoipa::path(put, path = "/api/v1/containers/{id}/allocations/{allocation_id}/primary", operation_id = "set_primary_allocation",
    tag = "containers", params(("id" = ContainerId, Path), ("allocation_id" = AllocationId, Path)),
    responses((status = 204)))]
async fn set_primary_allocation(
    State(app): State<App>,
    Caller(actor): Caller,
    Path((id, allocation)): Path<(ContainerId, AllocationId)>,
) -> Answer<StatusCode> {
    let permit = app.raptor.authz().permit::<AddAllocation>(&actor, id).await?;
    app.raptor.containers().set_primary_allocation(permit, allocation).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Give the container another free allocation in place of this one. It holds from the next start on.
#[utoipa::path(post, path = "/api/v1/containers/{id}/allocations/{allocation_id}/replace",
    operation_id = "replace_container_allocation", tag = "containers",
    params(("id" = ContainerId, Path), ("allocation_id" = AllocationId, Path)), responses((status = 204)))]
async fn replace_container_allocation(
    State(app): State<App>,
    Caller(actor): Caller,
    Path((id, allocation)): Path<(ContainerId, AllocationId)>,
) -> Answer<StatusCode> {
    let permit = app.raptor.authz().permit::<AddAllocation>(&actor, id).await?;
    app.raptor.containers().replace_allocation(permit, allocation).await?;
    Ok(StatusCode::NO_CONTENT)
}
