//! Allocations.

use crate::{
    App,
    created::Created,
    extract::{Caller, Json, Paging, Path, Query},
    problem::Answer,
    views::daemons::{AllocationPage, AllocationUpdate},
};
use axum::{extract::State, http::StatusCode};
use raptor_core::{
    allocations::{
        Allocation,
        service::{AllocationDraft, AllocationFilter, CreatedAllocations},
    },
    authz::actions::{CreateAllocations, DeleteAllocation, ListAllocations, UpdateAllocation},
    id::{AllocationId, DaemonId},
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_allocations, create_allocations))
        .routes(routes!(update_allocation, delete_allocation))
}

/// Which allocations are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct AllocationQuery {
    /// Part of address, port, alias, note or container.
    search: Option<String>,
    /// Only free ones, or only those that containers have.
    free: Option<bool>,
}

/// A daemon's allocations by address and port.
#[utoipa::path(get, path = "/api/v1/daemons/{id}/allocations", operation_id = "list_allocations", tag = "allocations",
    params(("id" = DaemonId, Path), AllocationQuery, Paging), responses((status = 200, body = AllocationPage)))]
async fn list_allocations(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<DaemonId>,
    Query(query): Query<AllocationQuery>,
    Query(paging): Query<Paging>,
) -> Answer<Json<AllocationPage>> {
    let permit = app.raptor.authz().permit::<ListAllocations>(&actor, id).await?;
    let filter = AllocationFilter { search: query.search, free: query.free };
    Ok(Json(app.raptor.allocations().list(permit, &filter, &paging.request()?).await?.into()))
}

/// Add allocations to a daemon. Those that are there already stay as they are.
///
/// `ports` takes single ports and ranges with commas between them, as in `25565,27015-27020`. Sending the same request again
/// changes nothing.
#[utoipa::path(post, path = "/api/v1/daemons/{id}/allocations", operation_id = "create_allocations", tag = "allocations",
    params(("id" = DaemonId, Path)), request_body = AllocationDraft, responses((status = 201, body = CreatedAllocations)))]
async fn create_allocations(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<DaemonId>,
    Json(body): Json<AllocationDraft>,
) -> Answer<Created<CreatedAllocations>> {
    let permit = app.raptor.authz().permit::<CreateAllocations>(&actor, id).await?;
    let counts = app.raptor.allocations().create(permit, body).await?;
    Ok(Created { location: format!("/api/v1/daemons/{id}/allocations"), body: counts })
}

/// Change alias, note and protocols of an allocation.
#[utoipa::path(put, path = "/api/v1/allocations/{id}", operation_id = "update_allocation", tag = "allocations",
    params(("id" = AllocationId, Path)), request_body = AllocationUpdate, responses((status = 200, body = Allocation)))]
async fn update_allocation(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<AllocationId>,
    Json(body): Json<AllocationUpdate>,
) -> Answer<Json<Allocation>> {
    let permit = app.raptor.authz().permit::<UpdateAllocation>(&actor, id).await?;
    Ok(Json(app.raptor.allocations().update(permit, body.alias, body.note, body.protocol).await?))
}

/// Delete an allocation that no container has.
#[utoipa::path(delete, path = "/api/v1/allocations/{id}", operation_id = "delete_allocation", tag = "allocations",
    params(("id" = AllocationId, Path)), responses((status = 204)))]
async fn delete_allocation(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<AllocationId>,
) -> Answer<StatusCode> {
    let permit = app.raptor.authz().permit::<DeleteAllocation>(&actor, id).await?;
    app.raptor.allocations().delete(permit).await?;
    Ok(StatusCode::NO_CONTENT)
}
