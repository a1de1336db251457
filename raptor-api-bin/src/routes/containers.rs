//! Containers.

use crate::{
    App,
    created::Created,
    extract::{Caller, Json, Paging, Path, Query},
    problem::{Answer, Problem},
    views::containers::{
        CommandRequest, ConsolePage, ContainerPage, ContainerUpdate, LimitsUpdate, NewContainer, OwnerUpdate,
        PowerRequest, StartupUpdate,
    },
};
use axum::{extract::State, http::StatusCode};
use raptor_core::{
    Error,
    authz::{Actor, actions as act},
    containers::{
        lifecycle::Phase,
        service::{ContainerFilter, Sort, StartupChange},
        view::ContainerView as Container,
    },
    id::{ContainerId, DaemonId, TemplateId, UserId},
    node::PowerAction,
    paging::MAX_LIMIT,
};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_containers, create_container))
        .routes(routes!(get_container, update_container, delete_container))
        .routes(routes!(update_container_limits))
        .routes(routes!(update_container_startup))
        .routes(routes!(change_container_owner))
        .routes(routes!(suspend_container))
        .routes(routes!(unsuspend_container))
        .routes(routes!(power_container))
        .routes(routes!(send_command))
        .routes(routes!(get_console))
}

/// The order of containers.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ContainerSort {
    /// By name, without regard to case.
    Name,
    /// By age, the oldest first.
    Oldest,
    /// By age, the newest first.
    Newest,
}

/// Which containers are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ContainerQuery {
    /// These only: ids with commas between them, 100 at most. Those that the caller may not see are left out.
    ids: Option<String>,
    /// Part of a name, short id or owner; a full id; a port; or an address such as `10.0.0.1:25565` or `play.example.com`.
    search: Option<String>,
    /// Only containers in this phase.
    phase: Option<Phase>,
    /// Only containers on this daemon.
    daemon_id: Option<DaemonId>,
    /// Only containers that this user owns.
    owner_id: Option<UserId>,
    /// Only containers made from this template.
    template_id: Option<TemplateId>,
    /// Only those that the caller owns or has access to.
    mine: Option<bool>,
    /// The order; by name unless given.
    sort: Option<ContainerSort>,
}

impl TryFrom<ContainerQuery> for ContainerFilter {
    type Error = Error;
    fn try_from(query: ContainerQuery) -> Result<Self, Error> {
        let ContainerQuery { ids, search, phase, daemon_id, owner_id, template_id, mine, sort } = query;
        let sort = match sort {
            None | Some(ContainerSort::Name) => Sort::Name,
            Some(ContainerSort::Oldest) => Sort::Oldest,
            Some(ContainerSort::Newest) => Sort::Newest,
        };
        let ids = ids.as_deref().map(parse_ids).transpose()?.unwrap_or_default();
        let mine = mine.unwrap_or(false);
        Ok(Self { ids, search, phase, daemon_id, owner_id, template_id, mine, sort })
    }
}

/// Ids with commas between them.
fn parse_ids(text: &str) -> Result<Vec<ContainerId>, Error> {
    let wrong = || {
        let why = format!("Give 1 to {MAX_LIMIT} ids of containers with commas between them.");
        Error::invalid("ids", why)
    };
    let ids: Vec<ContainerId> =
        text.split(',').map(|id| id.trim().parse().map_err(|_| wrong())).collect::<Result<_, Error>>()?;
    if ids.len() > MAX_LIMIT as usize { Err(wrong()) } else { Ok(ids) }
}

/// The containers that the caller may see.
#[utoipa::path(get, path = "/api/v1/containers", operation_id = "list_containers", tag = "containers",
    params(ContainerQuery, Paging), responses((status = 200, body = ContainerPage)))]
async fn list_containers(
    State(app): State<App>,
    Caller(actor): Caller,
    Query(query): Query<ContainerQuery>,
    Query(paging): Query<Paging>,
) -> Answer<Json<ContainerPage>> {
    let page = app.raptor.containers().list(&actor, &query.try_into()?, &paging.request()?).await?;
    Ok(Json(ContainerPage { items: page.items, next: page.next, total: page.total }))
}

/// One container as the caller sees it.
pub(super) async fn view(app: &App, actor: &Actor, id: ContainerId) -> Result<Container, Problem> {
    let permit = app.raptor.authz().permit::<act::SeeContainer>(actor, id).await?;
    Ok(app.raptor.containers().get(permit).await?)
}

/// Create a container.
///
/// The answer comes as soon as the container is stored; its host makes it, and installs it where its template says so, in the
/// background. Poll `get_container` or follow the events. The request is not idempotent: sent twice, it creates two containers.
/// With no `daemon_id`, the host with the most room is chosen; 503 `no_room` if none has enough.
#[utoipa::path(post, path = "/api/v1/containers", operation_id = "create_container", tag = "containers",
    request_body = NewContainer, responses((status = 201, body = Container)))]
async fn create_container(
    State(app): State<App>,
    Caller(actor): Caller,
    Json(body): Json<NewContainer>,
) -> Answer<Created<Container>> {
    let permit = app.raptor.authz().allow::<act::CreateContainer>(&actor)?;
    let body = app.raptor.containers().create_and_get(permit, body.try_into()?).await?;
    Ok(Created { location: format!("/api/v1/containers/{}", body.summary.id), body })
}

/// Get a container, as far as the caller may see it.
#[utoipa::path(get, path = "/api/v1/containers/{id}", operation_id = "get_container", tag = "containers",
    params(("id" = ContainerId, Path)), responses((status = 200, body = Container)))]
async fn get_container(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ContainerId>,
) -> Answer<Json<Container>> {
    Ok(Json(view(&app, &actor, id).await?))
}

/// Change name and description.
#[utoipa::path(put, path = "/api/v1/containers/{id}", operation_id = "update_container", tag = "containers",
    params(("id" = ContainerId, Path)), request_body = ContainerUpdate, responses((status = 200, body = Container)))]
async fn update_container(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ContainerId>,
    Json(body): Json<ContainerUpdate>,
) -> Answer<Json<Container>> {
    let permit = app.raptor.authz().permit::<act::UpdateContainer>(&actor, id).await?;
    app.raptor.containers().update(permit, &body.name, body.description).await?;
    Ok(Json(view(&app, &actor, id).await?))
}

/// Change the limits. They hold from the next start on.
#[utoipa::path(put, path = "/api/v1/containers/{id}/limits", operation_id = "update_container_limits", tag = "containers",
    params(("id" = ContainerId, Path)), request_body = LimitsUpdate, responses((status = 200, body = Container)))]
async fn update_container_limits(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ContainerId>,
    Json(body): Json<LimitsUpdate>,
) -> Answer<Json<Container>> {
    let permit = app.raptor.authz().permit::<act::LimitContainer>(&actor, id).await?;
    app.raptor
        .containers()
        .set_limits(permit, body.limits, body.stop_timeout_ms, body.allocation_limit)
        .await?;
    Ok(Json(view(&app, &actor, id).await?))
}

/// Change image, startup command and variables. They hold from the next start on.
#[utoipa::path(put, path = "/api/v1/containers/{id}/startup", operation_id = "update_container_startup", tag = "containers",
    params(("id" = ContainerId, Path)), request_body = StartupUpdate, responses((status = 200, body = Container)))]
async fn update_container_startup(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ContainerId>,
    Json(body): Json<StartupUpdate>,
) -> Answer<Json<Container>> {
    let permit = app.raptor.authz().permit::<act::UpdateStartup>(&actor, id).await?;
    let StartupUpdate { image, startup_command: startup, variables } = body;
    app.raptor.containers().set_startup(permit, StartupChange { image, startup, variables }).await?;
    Ok(Json(view(&app, &actor, id).await?))
}

/// Give the container to somebody else.
#[utoipa::path(put, path = "/api/v1/containers/{id}/owner", operation_id = "change_container_owner", tag = "containers",
    params(("id" = ContainerId, Path)), request_body = OwnerUpdate, responses((status = 204)))]
async fn change_container_owner(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ContainerId>,
    Json(body): Json<OwnerUpdate>,
) -> Answer<StatusCode> {
    let permit = app.raptor.authz().permit::<act::ChangeOwner>(&actor, id).await?;
    app.raptor.containers().set_owner(permit, body.owner_id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Stop the container and refuse to start it.
///
/// Suspending a container that is suspended changes nothing.
#[utoipa::path(post, path = "/api/v1/containers/{id}/suspend", operation_id = "suspend_container", tag = "containers",
    params(("id" = ContainerId, Path)), responses((status = 204)))]
async fn suspend_container(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ContainerId>,
) -> Answer<StatusCode> {
    let permit = app.raptor.authz().permit::<act::SuspendContainer>(&actor, id).await?;
    app.raptor.containers().set_suspended(permit, true).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Allow the container to be started again.
///
/// A container that ran before stays offline until it is started.
#[utoipa::path(post, path = "/api/v1/containers/{id}/unsuspend", operation_id = "unsuspend_container", tag = "containers",
    params(("id" = ContainerId, Path)), responses((status = 204)))]
async fn unsuspend_container(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ContainerId>,
) -> Answer<StatusCode> {
    let permit = app.raptor.authz().permit::<act::SuspendContainer>(&actor, id).await?;
    app.raptor.containers().set_suspended(permit, false).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// How a container is deleted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct DeleteQuery {
    /// Whether the record goes without waiting for the host.
    force: Option<bool>,
}

/// Delete the container with its files. Done when its daemon has removed it.
///
/// Until the daemon has removed it, `get_container` answers with `deleting` set to true, afterwards with 404. While the daemon
/// is away, the removal waits for it.
#[utoipa::path(delete, path = "/api/v1/containers/{id}", operation_id = "delete_container", tag = "containers",
    params(("id" = ContainerId, Path), DeleteQuery), responses((status = 202)))]
async fn delete_container(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ContainerId>,
    Query(query): Query<DeleteQuery>,
) -> Answer<StatusCode> {
    let permit = app.raptor.authz().permit::<act::DeleteContainer>(&actor, id).await?;
    app.raptor.containers().delete(permit, query.force.unwrap_or(false)).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Start, stop, restart or kill. Answered when it is accepted; what follows is seen in the container's state.
///
/// The answer 202 means that the host has accepted the action, not that it has been carried out. An action that does not fit the
/// container's state is refused with 409, for example `already_running`, `offline`, `installing` or `suspended`. `kill` ends the
/// process without letting it save.
#[utoipa::path(post, path = "/api/v1/containers/{id}/power", operation_id = "power_container", tag = "containers",
    params(("id" = ContainerId, Path)), request_body = PowerRequest, responses((status = 202)))]
async fn power_container(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ContainerId>,
    Json(body): Json<PowerRequest>,
) -> Answer<StatusCode> {
    let (authz, containers) = (app.raptor.authz(), app.raptor.containers());
    match body.action {
        PowerAction::Start => {
            containers.start(authz.permit::<act::StartContainer>(&actor, id).await?).await?
        }
        PowerAction::Stop => containers.stop(authz.permit::<act::StopContainer>(&actor, id).await?).await?,
        PowerAction::Restart => {
            containers.restart(authz.permit::<act::RestartContainer>(&actor, id).await?).await?
        }
        PowerAction::Kill => containers.kill(authz.permit::<act::KillContainer>(&actor, id).await?).await?,
    }
    Ok(StatusCode::ACCEPTED)
}

/// Write a line to the container's standard input.
///
/// The line is written as it is, followed by a line break. 409 `offline` if no process runs.
#[utoipa::path(post, path = "/api/v1/containers/{id}/commands", operation_id = "send_command", tag = "containers",
    params(("id" = ContainerId, Path)), request_body = CommandRequest, responses((status = 204)))]
async fn send_command(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ContainerId>,
    Json(body): Json<CommandRequest>,
) -> Answer<StatusCode> {
    let permit = app.raptor.authz().permit::<act::SendCommand>(&actor, id).await?;
    app.raptor.containers().command(permit, &body.command).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Which console lines are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ConsoleQuery {
    /// After the line with this number; the newest lines unless given.
    after: Option<u64>,
    /// Lines at most, 1 to 1,000; 100 unless given.
    limit: Option<u32>,
}

/// Console lines, also of a container that is offline.
///
/// Lines are in ascending order of their numbers. To read on, pass the number of the last line that was received as `after`.
#[utoipa::path(get, path = "/api/v1/containers/{id}/console", operation_id = "get_console", tag = "containers",
    params(("id" = ContainerId, Path), ConsoleQuery), responses((status = 200, body = ConsolePage)))]
async fn get_console(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ContainerId>,
    Query(query): Query<ConsoleQuery>,
) -> Answer<Json<ConsolePage>> {
    let permit = app.raptor.authz().permit::<act::ReadConsole>(&actor, id).await?;
    let limit = query.limit.unwrap_or(100).clamp(1, 1_000);
    Ok(Json(ConsolePage { lines: app.raptor.containers().console(permit, query.after, limit).await? }))
}
