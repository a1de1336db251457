//! The routes.

use crate::{
    guard::Guard,
    openapi::{Base, openapi},
};
use axum::{
    extract::{
        Request, State,
        ws::{
            CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code,
            rejection::WebSocketUpgradeRejection,
        },
    },
    http::StatusCode,
    middleware::{self, Next},
    response::Response,
};
use chrono::{DateTime, Utc};
use futures_util::{SinkExt, StreamExt, stream::BoxStream};
use raptor_model::{
    clock::Clock,
    id::ContainerId,
    node::{
        CleanedImages, ConsoleLine, ContainerSpec, ContainerStatus, HostMessage, LiveParts, Node, NodeError,
        PowerAction, RegistryLogin, Since, SystemInfo, TOO_LATE,
    },
};
use raptor_server::{
    extract::{Path, Query, TolerantJson as Json},
    problem::{Answer, Problem, wrong_method},
};
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Duration};
use tracing::Instrument;
use utoipa::{IntoParams, OpenApi, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use utoipa_swagger_ui::SwaggerUi;

/// An API that takes no frame for so long is let go; it comes back by itself.
const WRITE_PATIENCE: Duration = Duration::from_secs(30);
/// The API takes five seconds of silence for a dead line, so four pings in a row have to be late before one is cut for nothing.
const PING_EVERY: Duration = Duration::from_secs(1);
/// An API from which nothing comes for so long, not even the answer to a ping, is gone. Longer than what the API allows us: while it
/// waits for its database, up to ten seconds, or for a browser on a slow line, it reads nothing and answers no ping.
const PEER_SILENCE: Duration = Duration::from_secs(15);

pub(crate) type Shared = Arc<dyn Node>;

pub(crate) fn api() -> OpenApiRouter<Shared> {
    let v1 = OpenApiRouter::new()
        .routes(routes!(get_system))
        .routes(routes!(list_containers))
        .routes(routes!(get_container, declare_container, remove_container))
        .routes(routes!(power_container))
        .routes(routes!(cancel_install))
        .routes(routes!(set_registries))
        .routes(routes!(clean_images))
        .routes(routes!(acknowledge))
        .routes(routes!(send_command))
        .routes(routes!(get_console))
        .routes(routes!(live_container))
        .routes(routes!(link))
        .merge(crate::history::routes())
        .merge(crate::files::routes());
    OpenApiRouter::with_openapi(Base::openapi()).nest("/api/v1", v1)
}

/// All routes over `node`, for holders of `key`. For the documents it is the password of HTTP Basic, so that a browser can show them.
pub fn router(node: Arc<dyn Node>, key: String) -> axum::Router {
    let key = Arc::new(Guard::new(key));
    let documents = key.clone();
    let guard = middleware::from_fn(move |request: Request, next: Next| {
        let guard = key.clone();
        async move { guard.bearer(request, next).await }
    });
    let documents = middleware::from_fn(move |request: Request, next: Next| {
        let guard = documents.clone();
        async move { guard.basic(request, next).await }
    });
    let swagger = axum::Router::new()
        .merge(SwaggerUi::new("/swagger-ui").external_url_unchecked("/openapi.json", openapi()))
        .layer(documents);
    let api = api().split_for_parts().0.method_not_allowed_fallback(wrong_method);
    let named = middleware::from_fn(named);
    let router =
        api.merge(crate::metrics::routes()).layer(guard).merge(swagger).merge(crate::health::routes());
    router.layer(named).with_state(node)
}

/// Gives what is logged of a request the id that the API has given it.
async fn named(request: Request, next: Next) -> Response {
    let id = request.headers().get("x-request-id").and_then(|id| id.to_str().ok());
    let id = id.filter(|id| id.len() <= 128).map(ToOwned::to_owned);
    let span = tracing::info_span!("request", method = %request.method(), path = request.uri().path(), id);
    let answer = next.run(request).instrument(span.clone()).await;
    let status = answer.status();
    span.in_scope(|| match status.is_server_error() {
        true => tracing::warn!(%status, "a request failed"),
        false => tracing::debug!(%status, "answered"),
    });
    answer
}

/// What the host is and how it does.
#[utoipa::path(get, path = "/system", operation_id = "get_system", responses((status = 200, body = SystemInfo)))]
async fn get_system(State(node): State<Shared>) -> Answer<Json<SystemInfo>> {
    Ok(Json(node.system().await?))
}

/// All containers of a host.
#[derive(Serialize, ToSchema)]
struct ContainerList {
    /// In no order.
    items: Vec<ContainerStatus>,
}

/// All containers of the host.
#[utoipa::path(get, path = "/containers", operation_id = "list_containers", responses((status = 200, body = ContainerList)))]
async fn list_containers(State(node): State<Shared>) -> Answer<Json<ContainerList>> {
    Ok(Json(ContainerList { items: node.containers().await? }))
}

/// What was declared of a container last.
#[utoipa::path(get, path = "/containers/{id}", operation_id = "get_container", params(("id" = ContainerId, Path)),
    responses((status = 200, body = ContainerSpec)))]
async fn get_container(
    State(node): State<Shared>,
    Path(id): Path<ContainerId>,
) -> Answer<Json<ContainerSpec>> {
    Ok(Json(node.declared(id).await?))
}

/// Declare what a container should be. An older declaration than the present one changes nothing.
#[utoipa::path(put, path = "/containers/{id}", operation_id = "declare_container", params(("id" = ContainerId, Path)),
    request_body = ContainerSpec, responses((status = 200, body = ContainerStatus)))]
async fn declare_container(
    State(node): State<Shared>,
    Path(id): Path<ContainerId>,
    Json(spec): Json<ContainerSpec>,
) -> Answer<Json<ContainerStatus>> {
    if spec.id != id {
        return Err(NodeError::Invalid(
            "The id in the address and the one in the declaration differ.".into(),
        )
        .into());
    }
    Ok(Json(node.declare(spec).await?))
}

/// End a container at once and remove it with its files. One that isn't there is no error.
#[utoipa::path(delete, path = "/containers/{id}", operation_id = "remove_container", params(("id" = ContainerId, Path)),
    responses((status = 204)))]
async fn remove_container(State(node): State<Shared>, Path(id): Path<ContainerId>) -> Answer<StatusCode> {
    node.remove(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What is asked of a process.
#[derive(Deserialize, ToSchema)]
struct PowerRequest {
    /// What.
    action: PowerAction,
    /// The name that the console gives as who asked; nobody is named where it is empty.
    #[serde(default)]
    by: String,
    /// This host's time after which it is refused: a line that was dead for a while may still bring it.
    not_after: Option<DateTime<Utc>>,
}

/// Refuses an order that was to be carried out earlier or not at all.
fn in_time(limit: Option<DateTime<Utc>>) -> Answer<()> {
    if limit.is_some_and(|limit| limit < Clock::System.now()) {
        let detail = "The order came too late. Nothing was done.";
        return Err(Problem::new(StatusCode::CONFLICT, TOO_LATE, detail));
    }
    Ok(())
}

/// Start, stop, restart or kill. Answered when it is accepted.
#[utoipa::path(post, path = "/containers/{id}/power", operation_id = "power_container", params(("id" = ContainerId, Path)),
    request_body = PowerRequest, responses((status = 202)))]
async fn power_container(
    State(node): State<Shared>,
    Path(id): Path<ContainerId>,
    Json(body): Json<PowerRequest>,
) -> Answer<StatusCode> {
    in_time(body.not_after)?;
    node.power(id, body.action, &body.by).await?;
    Ok(StatusCode::ACCEPTED)
}

/// End the installation that runs.
#[utoipa::path(delete, path = "/containers/{id}/installation", operation_id = "cancel_install",
    params(("id" = ContainerId, Path)), responses((status = 202)))]
async fn cancel_install(State(node): State<Shared>, Path(id): Path<ContainerId>) -> Answer<StatusCode> {
    node.cancel_install(id).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Logins for registries.
#[derive(Deserialize, ToSchema)]
struct RegistryLogins {
    /// All of them.
    items: Vec<RegistryLogin>,
}

/// Replace the logins for registries. They are kept in memory only.
#[utoipa::path(put, path = "/registries", operation_id = "set_registries", request_body = RegistryLogins,
    responses((status = 204)))]
async fn set_registries(State(node): State<Shared>, Json(body): Json<RegistryLogins>) -> Answer<StatusCode> {
    node.set_registries(body.items).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Which images go.
#[derive(Deserialize, ToSchema)]
struct CleaningRequest {
    /// Seconds for which nobody has used them.
    unused_s: u64,
}

/// Remove images that were pulled for containers of this host and that nobody uses any more.
#[utoipa::path(post, path = "/images/clean", operation_id = "clean_images", request_body = CleaningRequest,
    responses((status = 200, body = CleanedImages)))]
async fn clean_images(
    State(node): State<Shared>,
    Json(body): Json<CleaningRequest>,
) -> Answer<Json<CleanedImages>> {
    Ok(Json(node.clean_images(body.unused_s).await?))
}

/// Events that are written down.
#[derive(Deserialize, ToSchema)]
struct Acknowledgement {
    /// The list that the number belongs to.
    spool: uuid::Uuid,
    /// The newest event that is.
    number: u64,
}

/// Say that events are written down: the host forgets them.
#[utoipa::path(post, path = "/link/acknowledgement", operation_id = "acknowledge", request_body = Acknowledgement,
    responses((status = 204)))]
async fn acknowledge(State(node): State<Shared>, Json(body): Json<Acknowledgement>) -> Answer<StatusCode> {
    node.acknowledge(body.spool, body.number).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A line for a process's standard input.
#[derive(Deserialize, ToSchema)]
struct CommandRequest {
    /// The line.
    command: String,
    /// The name shown beside it in the console.
    by: String,
    /// As with power actions.
    not_after: Option<DateTime<Utc>>,
}

/// Write a line to a container's standard input.
#[utoipa::path(post, path = "/containers/{id}/commands", operation_id = "send_command", params(("id" = ContainerId, Path)),
    request_body = CommandRequest, responses((status = 204)))]
async fn send_command(
    State(node): State<Shared>,
    Path(id): Path<ContainerId>,
    Json(body): Json<CommandRequest>,
) -> Answer<StatusCode> {
    in_time(body.not_after)?;
    node.command(id, &body.command, &body.by).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Which console lines are wanted.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ConsoleQuery {
    /// After the line with this number; the newest lines unless given.
    after: Option<u64>,
    /// Lines at most; 100 unless given.
    limit: Option<u32>,
}

/// Some console lines.
#[derive(Serialize, ToSchema)]
struct ConsolePage {
    /// In order.
    lines: Vec<ConsoleLine>,
}

/// Console lines of a container.
#[utoipa::path(get, path = "/containers/{id}/console", operation_id = "get_console",
    params(("id" = ContainerId, Path), ConsoleQuery), responses((status = 200, body = ConsolePage)))]
async fn get_console(
    State(node): State<Shared>,
    Path(id): Path<ContainerId>,
    Query(query): Query<ConsoleQuery>,
) -> Answer<Json<ConsolePage>> {
    let limit = query.limit.unwrap_or(100).clamp(1, 1_000);
    Ok(Json(ConsolePage { lines: node.console(id, query.after, limit).await? }))
}

/// Where a stream begins and which parts of it are wanted.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct LiveQuery {
    /// After the console line with this number.
    after: Option<u64>,
    /// With so many console lines of the past, unless `after` is given.
    tail: Option<u32>,
    /// Whether console lines are wanted.
    console: bool,
    /// Whether measurements are wanted.
    stats: bool,
}

type Upgrade = Result<WebSocketUpgrade, WebSocketUpgradeRejection>;

fn upgraded(upgrade: Upgrade) -> Answer<WebSocketUpgrade> {
    upgrade.map_err(|_| {
        Problem::new(StatusCode::UPGRADE_REQUIRED, "upgrade_required", "Open this address as a WebSocket.")
    })
}

/// A container's stream over WebSocket: text frames of `LiveFrame`.
#[utoipa::path(get, path = "/containers/{id}/live", operation_id = "live_container",
    params(("id" = ContainerId, Path), LiveQuery), responses((status = 101, description = "WebSocket of LiveFrame")))]
async fn live_container(
    State(node): State<Shared>,
    Path(id): Path<ContainerId>,
    Query(query): Query<LiveQuery>,
    upgrade: Upgrade,
) -> Answer<Response> {
    let since = query.after.map_or(Since::Tail(query.tail.unwrap_or(0)), Since::After);
    let parts = LiveParts { console: query.console, stats: query.stats };
    let live = node.live(id, since, parts).await?;
    Ok(upgraded(upgrade)?.on_upgrade(move |socket| send_all(socket, live, None)))
}

/// What happens on the host over WebSocket: text frames of `NodeEvent`, a snapshot first. What the API says to the host comes
/// the other way as text frames of `HostMessage`.
#[utoipa::path(get, path = "/link", operation_id = "link",
    responses((status = 101, description = "WebSocket of NodeEvent, and of HostMessage the other way")))]
async fn link(State(node): State<Shared>, upgrade: Upgrade) -> Answer<Response> {
    let upgrade = upgraded(upgrade)?;
    let events = node.events().await?;
    Ok(upgrade.on_upgrade(move |socket| send_all(socket, events, Some(node))))
}

/// Sends everything until either side ends, and tells `node` what comes back. The stream waits while the peer is slow; nothing
/// piles up here.
async fn send_all<T: Serialize>(socket: WebSocket, mut items: BoxStream<'static, T>, node: Option<Shared>) {
    let (mut sink, mut source) = socket.split();
    let mut ping = tokio::time::interval(PING_EVERY);
    let mut heard_at = tokio::time::Instant::now();
    let code = loop {
        let message = tokio::select! {
            item = items.next() => match item.map(|item| serde_json::to_string(&item)) {
                Some(Ok(text)) => Message::text(text),
                _ => break close_code::RESTART,
            },
            _ = ping.tick() => match heard_at.elapsed() < PEER_SILENCE {
                true => Message::Ping(axum::body::Bytes::new()),
                false => return,
            },
            heard = source.next() => match heard {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(Message::Text(text))) => {
                    heard_at = tokio::time::Instant::now();
                    hear(node.as_ref(), &text).await;
                    continue;
                }
                Some(Ok(_)) => {
                    heard_at = tokio::time::Instant::now();
                    continue;
                }
            },
        };
        match tokio::time::timeout(WRITE_PATIENCE, sink.send(message)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return,
            Err(_) => break close_code::AGAIN,
        }
    };
    let close = Message::Close(Some(CloseFrame { code, reason: "".into() }));
    let _ = tokio::time::timeout(Duration::from_secs(1), sink.send(close)).await;
}

async fn hear(node: Option<&Shared>, text: &str) {
    let Some(node) = node else { return };
    match serde_json::from_str::<HostMessage>(text) {
        Ok(word) => {
            if let Err(error) = node.tell(word).await {
                tracing::warn!(%error, "what the API said was not heeded");
            }
        }
        Err(error) => tracing::warn!(%error, "the API said something that this version does not understand"),
    }
}

/// OpenAPI wants words for every answer.
#[cfg(test)]
mod tests {
    /// Security case 30: with a daemon's key, others' configuration could be replaced from afar, and so files of the host.
    #[test]
    fn cve_2024_34066_no_request_reaches_the_daemons_own_settings() {
        let document = super::openapi();
        let mut changing = Vec::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (_, operation) in methods.as_object().unwrap().iter().filter(|(method, _)| *method != "get") {
                changing.push(operation["operationId"].as_str().unwrap().to_owned());
                assert!(!path.contains("config") && !path.contains("settings") && !path.contains("update"));
            }
        }
        changing.sort();
        let known = [
            "acknowledge",
            "ask_files",
            "cancel_install",
            "clean_images",
            "declare_container",
            "export_console",
            "power_container",
            "read_files",
            "remove_container",
            "search_console",
            "send_command",
            "set_registries",
            "write_files",
        ];
        assert_eq!(changing, known, "whatever is new here must not change what only this host decides");
        // What a container is declared with names none of what the host's own settings are.
        let spec = document["components"]["schemas"]["ContainerSpec"]["properties"].as_object().unwrap();
        for own in ["base_path", "docker_socket", "uid", "gid", "allowed_mounts", "api_key", "privileged"] {
            assert!(!spec.contains_key(own), "{own}");
        }
    }
}
