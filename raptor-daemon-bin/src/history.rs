//! What the host keeps of the past.

use crate::routes::Shared;
use axum::{body::Body, extract::State, http::header, response::IntoResponse};
use raptor_model::{
    id::ContainerId,
    node::{ConsoleExport, ConsoleFound, ConsoleSearch, StatsHistory, StatsRange},
};
use raptor_server::{
    extract::{Path, Query, TolerantJson as Json},
    problem::Answer,
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(search_console))
        .routes(routes!(export_console))
        .routes(routes!(get_container_stats_history))
        .routes(routes!(get_system_stats_history))
}

/// Look for lines of a container's console.
#[utoipa::path(post, path = "/containers/{id}/console/search", operation_id = "search_console",
    params(("id" = ContainerId, Path)), request_body = ConsoleSearch, responses((status = 200, body = ConsoleFound)))]
async fn search_console(
    State(node): State<Shared>,
    Path(id): Path<ContainerId>,
    Json(search): Json<ConsoleSearch>,
) -> Answer<Json<ConsoleFound>> {
    Ok(Json(node.history().search(id, search).await?))
}

/// A container's console as text, as it is kept at the time of the call.
#[utoipa::path(post, path = "/containers/{id}/console/export", operation_id = "export_console",
    params(("id" = ContainerId, Path)), request_body = ConsoleExport,
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream")))]
async fn export_console(
    State(node): State<Shared>,
    Path(id): Path<ContainerId>,
    Json(export): Json<ConsoleExport>,
) -> Answer<impl IntoResponse> {
    let download = node.history().export(id, export).await?;
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], Body::from_stream(download)))
}

/// How far back.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct HistoryQuery {
    /// How far back.
    range: StatsRange,
}

/// What a container used over time.
#[utoipa::path(get, path = "/containers/{id}/stats/history", operation_id = "get_container_stats_history",
    params(("id" = ContainerId, Path), HistoryQuery), responses((status = 200, body = StatsHistory)))]
async fn get_container_stats_history(
    State(node): State<Shared>,
    Path(id): Path<ContainerId>,
    Query(query): Query<HistoryQuery>,
) -> Answer<Json<StatsHistory>> {
    Ok(Json(node.history().stats(Some(id), query.range).await?))
}

/// What the host used over time.
#[utoipa::path(get, path = "/system/stats/history", operation_id = "get_system_stats_history", params(HistoryQuery),
    responses((status = 200, body = StatsHistory)))]
async fn get_system_stats_history(
    State(node): State<Shared>,
    Query(query): Query<HistoryQuery>,
) -> Answer<Json<StatsHistory>> {
    Ok(Json(node.history().stats(None, query.range).await?))
}
