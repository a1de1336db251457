//! Histories: containers' consoles, commands and statistics, and hosts' statistics.

use super::attachments::saved_as;
use crate::{
    App,
    extract::{Caller, Json, Paging, Path, Query},
    problem::Answer,
    views::history::SentCommandPage,
};
use axum::{body::Body, extract::State, response::IntoResponse};
use chrono::{DateTime, Utc};
use raptor_core::{
    authz::actions::{ReadCommands, ReadConsole, ReadDaemon, ReadOwnCommands, ReadStats},
    id::{ContainerId, DaemonId},
    node::{ConsoleExport, ConsoleFound, ConsoleSearch, StatsHistory, StatsRange},
};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(search_console))
        .routes(routes!(download_console))
        .routes(routes!(list_commands))
        .routes(routes!(get_container_stats_history))
        .routes(routes!(get_daemon_stats_history))
}

/// Which hits come first.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ConsoleOrder {
    /// The newest hits first.
    #[default]
    Newest,
    /// The oldest hits first.
    Oldest,
}

/// What is looked for.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct SearchQuery {
    /// Text, at most 500 characters; all lines unless given. Escape sequences are not part of a line's text.
    text: Option<String>,
    /// Whether `text` is a regular expression (Rust's `regex` crate: no look-around, no back-references).
    regex: Option<bool>,
    /// Whether upper and lower case differ.
    match_case: Option<bool>,
    /// Lines from then on.
    from: Option<DateTime<Utc>>,
    /// Only lines from before this time; up to the newest line if absent.
    to: Option<DateTime<Utc>>,
    /// Which come first; the newest unless given.
    order: Option<ConsoleOrder>,
    /// `next` of the page before.
    cursor: Option<u64>,
    /// Hits on one page, 1 to 500; 100 unless given.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
}

/// Look for lines of a container's console, also of one that is offline.
#[utoipa::path(get, path = "/api/v1/containers/{id}/console/search", operation_id = "search_console", tag = "containers",
    params(("id" = ContainerId, Path), SearchQuery), responses((status = 200, body = ConsoleFound)))]
async fn search_console(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ContainerId>,
    Query(query): Query<SearchQuery>,
) -> Answer<Json<ConsoleFound>> {
    let permit = app.raptor.authz().permit::<ReadConsole>(&actor, id).await?;
    let search = ConsoleSearch {
        text: query.text,
        regex: query.regex.unwrap_or(false),
        match_case: query.match_case.unwrap_or(false),
        from: query.from,
        to: query.to,
        oldest_first: matches!(query.order, Some(ConsoleOrder::Oldest)),
        cursor: query.cursor,
        limit: query.limit.unwrap_or(100),
    };
    Ok(Json(app.raptor.containers().search_console(permit, search).await?))
}

/// How it is downloaded.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct DownloadQuery {
    /// Lines from then on.
    from: Option<DateTime<Utc>>,
    /// Only lines from before this time; up to the newest line if absent.
    to: Option<DateTime<Utc>>,
    /// Whether escape sequences stay in.
    ansi: Option<bool>,
    /// Whether each line begins with its time (RFC 3339, UTC).
    timestamps: Option<bool>,
    /// Whether it comes as a `.gz`.
    gzip: Option<bool>,
}

/// The console as a text file: all that is kept when it is asked for.
#[utoipa::path(get, path = "/api/v1/containers/{id}/console/download", operation_id = "download_console", tag = "containers",
    params(("id" = ContainerId, Path), DownloadQuery),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream")))]
async fn download_console(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ContainerId>,
    Query(query): Query<DownloadQuery>,
) -> Answer<impl IntoResponse> {
    let permit = app.raptor.authz().permit::<ReadConsole>(&actor, id).await?;
    let gzip = query.gzip.unwrap_or(false);
    let export = ConsoleExport {
        from: query.from,
        to: query.to,
        ansi: query.ansi.unwrap_or(false),
        timestamps: query.timestamps.unwrap_or(false),
        gzip,
    };
    let download = app.raptor.containers().export_console(permit, export).await?;
    let name = format!("console-{}.log{}", id.short(), if gzip { ".gz" } else { "" });
    Ok((saved_as(&name), Body::from_stream(download)))
}

/// Which commands are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct CommandsQuery {
    /// Whether only the caller's own ones are. Those need the permission to send commands, all need that to read the console.
    mine: Option<bool>,
}

/// The commands that were sent to a container, the newest first. The newest 1,000 are kept.
#[utoipa::path(get, path = "/api/v1/containers/{id}/commands", operation_id = "list_commands", tag = "containers",
    params(("id" = ContainerId, Path), CommandsQuery, Paging), responses((status = 200, body = SentCommandPage)))]
async fn list_commands(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ContainerId>,
    Query(query): Query<CommandsQuery>,
    Query(paging): Query<Paging>,
) -> Answer<Json<SentCommandPage>> {
    let (authz, containers, page) = (app.raptor.authz(), app.raptor.containers(), paging.request()?);
    let sent = match query.mine {
        Some(true) => {
            containers.own_commands(authz.permit::<ReadOwnCommands>(&actor, id).await?, &page).await?
        }
        _ => containers.commands(authz.permit::<ReadCommands>(&actor, id).await?, &page).await?,
    };
    Ok(Json(sent.into()))
}

/// How far back measurements go.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct HistoryQuery {
    /// The range, and with it the length of a step.
    range: StatsRange,
}

/// What a container used over the last hour, day or week.
#[utoipa::path(get, path = "/api/v1/containers/{id}/stats/history", operation_id = "get_container_stats_history", tag = "containers",
    params(("id" = ContainerId, Path), HistoryQuery), responses((status = 200, body = StatsHistory)))]
async fn get_container_stats_history(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ContainerId>,
    Query(query): Query<HistoryQuery>,
) -> Answer<Json<StatsHistory>> {
    let permit = app.raptor.authz().permit::<ReadStats>(&actor, id).await?;
    Ok(Json(app.raptor.containers().stats_history(permit, query.range).await?))
}

/// What a host used over the last hour, day or week. CPU is in percent of one CPU.
#[utoipa::path(get, path = "/api/v1/daemons/{id}/stats/history", operation_id = "get_daemon_stats_history", tag = "daemons",
    params(("id" = DaemonId, Path), HistoryQuery), responses((status = 200, body = StatsHistory)))]
async fn get_daemon_stats_history(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<DaemonId>,
    Query(query): Query<HistoryQuery>,
) -> Answer<Json<StatsHistory>> {
    let permit = app.raptor.authz().permit::<ReadDaemon>(&actor, id).await?;
    Ok(Json(app.raptor.daemons().stats_history(permit, query.range).await?))
}
