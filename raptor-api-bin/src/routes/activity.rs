//! The audit trail.

use crate::{
    App,
    extract::{Caller, Json, Paging, Query},
    problem::Answer,
    views::activity::ActivityPage,
};
use axum::extract::State;
use chrono::{DateTime, Utc};
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
    /// Only what this user did.
    actor_id: Option<Uuid>,
    /// Only what concerns this container.
    container_id: Option<ContainerId>,
    /// Only this action, such as `container.power.start`.
    action: Option<String>,
    /// Only actions of this kind, such as `container` or `container.power`: those whose names begin with it and a dot.
    kind: Option<String>,
    /// Only what was done at this time or later.
    from: Option<DateTime<Utc>>,
    /// Only what was done before this time.
    until: Option<DateTime<Utc>>,
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
    let ActivityQuery { search, actor_id, container_id, action, kind, from, until } = query;
    let filter = ActivityFilter { actor_id, container_id, action, kind, from, until, search };
    Ok(Json(app.raptor.activity().list(permit, &filter, &paging.request()?).await?.into()))
}
