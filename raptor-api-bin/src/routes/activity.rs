//! The audit trail.

use crate::{
    App,
    extract::{Caller, Json, Paging, Query},
    problem::Answer,
    views::activity::ActivityPage,
};
use axum::extract::State;
use raptor_core::{activity::ActivityFilter, authz::actions::ReadActivity, id::ContainerId};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list_activity))
}

/// Which part of the trail is wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ActivityQuery {
    /// Part of the actor's or subject's name or of the action.
    search: Option<String>,
    /// Of this user.
    actor_id: Option<Uuid>,
    /// About this container.
    container_id: Option<ContainerId>,
    /// This action.
    action: Option<String>,
}

/// What everybody did, the newest first.
#[utoipa::path(get, path = "/api/v1/activity", operation_id = "list_activity", tag = "activity",
    params(ActivityQuery, Paging), responses((status = 200, body = ActivityPage)))]
async fn list_activity(
    State(app): State<App>,
    Caller(actor): Caller,
    Query(query): Query<ActivityQuery>,
    Query(paging): Query<Paging>,
) -> Answer<Json<ActivityPage>> {
    let permit = app.raptor.authz().allow::<ReadActivity>(&actor)?;
    let ActivityQuery { search, actor_id, container_id, action } = query;
    let filter = ActivityFilter { actor_id, container_id, action, search };
    Ok(Json(app.raptor.activity().list(permit, &filter, &paging.request()?).await?.into()))
}
