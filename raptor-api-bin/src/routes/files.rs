//! Containers' files: folders, names, the trash and background operations.

use crate::{
    App,
    created::Created,
    extract::{Caller, Json, Path, Query},
    problem::Answer,
    views::files::{
        Checksum, EmptyTrash, FileHits, FileMoves, FileTaskRequest, FilesMode, FolderSizes, NewFolder,
        OperationList, PathList, RestoreFiles, TrashList, VersionList,
    },
};
use axum::{extract::State, http::StatusCode};
use raptor_core::{
    authz::actions as act,
    id::ContainerId,
    node::{
        FilePath,
        files::{ChecksumKind, Existing, FileInfo, FilePage, FileRequest, FileSort, FileTask, Operation},
    },
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_files))
        .routes(routes!(get_file))
        .routes(routes!(create_folder))
        .routes(routes!(move_files))
        .routes(routes!(set_files_mode))
        .routes(routes!(list_trash, discard_files))
        .routes(routes!(restore_files))
        .routes(routes!(empty_trash))
        .routes(routes!(search_files))
        .routes(routes!(measure_folder))
        .routes(routes!(get_file_checksum))
        .routes(routes!(list_file_versions))
        .routes(routes!(list_file_operations, start_file_operation))
        .routes(routes!(cancel_file_operation))
}

/// Which part of which folder.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// The folder; the container's own unless given.
    #[param(value_type = Option<String>)]
    path: Option<FilePath>,
    /// By what it is sorted; by name unless given. Folders come first.
    sort: Option<FileSort>,
    /// Whether the order is turned round.
    descending: Option<bool>,
    /// How many are left out first.
    offset: Option<u64>,
    /// How many come at most, 1 to 2,000; 500 unless given.
    limit: Option<u64>,
    /// Only names that hold this.
    search: Option<String>,
}

/// A part of a folder's content.
#[utoipa::path(get, path = "/api/v1/containers/{id}/files", operation_id = "list_files", tag = "files",
    params(("id" = ContainerId, Path), ListQuery), responses((status = 200, body = FilePage)))]
async fn list_files(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ContainerId>,
    Query(query): Query<ListQuery>,
) -> Answer<Json<FilePage>> {
    let permit = app.raptor.authz().permit::<act::ReadFiles>(&actor, id).await?;
    let request = FileRequest::List {
        path: query.path.unwrap_or_default(),
        sort: query.sort.unwrap_or_default(),
        descending: query.descending.unwrap_or(false),
        offset: query.offset.unwrap_or(0),
        limit: query.limit.unwrap_or(500),
        search: query.search,
    };
    Ok(Json(app.raptor.files().list(permit, request).await?))
}

/// The path of one file or folder.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct PathQuery {
    /// The path in the container's folder, starting with `/`.
    #[param(value_type = String)]
    path: FilePath,
}

/// What is at a path.
#[utoipa::path(get, path = "/api/v1/containers/{id}/files/info", operation_id = "get_file", tag = "files",
    params(("id" = ContainerId, Path), PathQuery), responses((status = 200, body = FileInfo)))]
async fn get_file(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ContainerId>,
    Query(query): Query<PathQuery>,
) -> Answer<Json<FileInfo>> {
    let permit = app.raptor.authz().permit::<act::ReadFiles>(&actor, id).await?;
    Ok(Json(app.raptor.files().stat(permit, query.path).await?))
}

/// Create an empty folder.
#[utoipa::path(post, path = "/api/v1/containers/{id}/files/folders", operation_id = "create_folder", tag = "files",
    params(("id" = ContainerId, Path)), request_body = NewFolder, responses((status = 201, body = FileInfo)))]
async fn create_folder(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ContainerId>,
    Json(body): Json<NewFolder>,
) -> Answer<Created<FileInfo>> {
    let permit = app.raptor.authz().permit::<act::CreateFiles>(&actor, id).await?;
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("path", &body.path.to_string())
        .finish();
    let location = format!("/api/v1/containers/{id}/files/info?{query}");
    Ok(Created { location, body: app.raptor.files().create_folder(permit, body.path).await? })
}

/// Rename and move files and folders.
#[utoipa::path(post, path = "/api/v1/containers/{id}/files/moves", operation_id = "move_files", tag = "files",
    params(("id" = ContainerId, Path)), request_body = FileMoves, responses((status = 204)))]
async fn move_files(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ContainerId>,
    Json(body): Json<FileMoves>,
) -> Answer<StatusCode> {
    let permit = app.raptor.authz().permit::<act::UpdateFiles>(&actor, id).await?;
    app.raptor.files().rename(permit, body.moves, body.replace.unwrap_or(false)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Change the permission bits of files and folders.
#[utoipa::path(put, path = "/api/v1/containers/{id}/files/mode", operation_id = "set_files_mode", tag = "files",
    params(("id" = ContainerId, Path)), request_body = FilesMode, responses((status = 204)))]
async fn set_files_mode(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ContainerId>,
    Json(body): Json<FilesMode>,
) -> Answer<StatusCode> {
    let permit = app.raptor.authz().permit::<act::UpdateFiles>(&actor, id).await?;
    app.raptor.files().set_mode(permit, body.paths, body.mode).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What is in the trash, the newest first.
#[utoipa::path(get, path = "/api/v1/containers/{id}/files/trash", operation_id = "list_trash", tag = "files",
    params(("id" = ContainerId, Path)), responses((status = 200, body = TrashList)))]
async fn list_trash(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ContainerId>,
) -> Answer<Json<TrashList>> {
    let permit = app.raptor.authz().permit::<act::ReadFiles>(&actor, id).await?;
    Ok(Json(TrashList { items: app.raptor.files().trash(permit).await? }))
}

/// Put files and folders into the trash. They count against the disk limit until it is emptied.
#[utoipa::path(post, path = "/api/v1/containers/{id}/files/trash", operation_id = "discard_files", tag = "files",
    params(("id" = ContainerId, Path)), request_body = PathList, responses((status = 200, body = TrashList)))]
async fn discard_files(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ContainerId>,
    Json(body): Json<PathList>,
) -> Answer<Json<TrashList>> {
    let permit = app.raptor.authz().permit::<act::DeleteFiles>(&actor, id).await?;
    Ok(Json(TrashList { items: app.raptor.files().discard(permit, body.paths).await? }))
}

/// Put back from the trash, each to where it was.
#[utoipa::path(post, path = "/api/v1/containers/{id}/files/trash/restore", operation_id = "restore_files", tag = "files",
    params(("id" = ContainerId, Path)), request_body = RestoreFiles, responses((status = 204)))]
async fn restore_files(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ContainerId>,
    Json(body): Json<RestoreFiles>,
) -> Answer<StatusCode> {
    let permit = app.raptor.authz().permit::<act::DeleteFiles>(&actor, id).await?;
    app.raptor.files().restore(permit, body.ids).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Remove from the trash for good: what is named, or everything.
#[utoipa::path(post, path = "/api/v1/containers/{id}/files/trash/empty", operation_id = "empty_trash", tag = "files",
    params(("id" = ContainerId, Path)), request_body = EmptyTrash, responses((status = 204)))]
async fn empty_trash(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ContainerId>,
    Json(body): Json<EmptyTrash>,
) -> Answer<StatusCode> {
    let permit = app.raptor.authz().permit::<act::DeleteFiles>(&actor, id).await?;
    app.raptor.files().empty_trash(permit, body.ids).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What is looked for.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct SearchQuery {
    /// The folder to look in; the container's own unless given.
    #[param(value_type = Option<String>)]
    path: Option<FilePath>,
    /// Part of the name; `*` and `?` stand for any letters.
    name: Option<String>,
    /// Text in the file, without regard to case. Needs the permission to open files.
    content: Option<String>,
}

/// Look for files by their names and by what is in them. It stops after 10 seconds or 500 hits and says so.
#[utoipa::path(get, path = "/api/v1/containers/{id}/files/search", operation_id = "search_files", tag = "files",
    params(("id" = ContainerId, Path), SearchQuery), responses((status = 200, body = FileHits)))]
async fn search_files(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ContainerId>,
    Query(query): Query<SearchQuery>,
) -> Answer<Json<FileHits>> {
    let (authz, files, path) = (app.raptor.authz(), app.raptor.files(), query.path.unwrap_or_default());
    Ok(Json(match query.content {
        Some(content) => {
            let permit = authz.permit::<act::ReadFileContent>(&actor, id).await?;
            files.grep(permit, path, query.name, content).await?
        }
        None => {
            let permit = authz.permit::<act::ReadFiles>(&actor, id).await?;
            files.find(permit, path, query.name.unwrap_or_default()).await?
        }
    }))
}

/// What a folder's content takes on disk, the largest first.
#[utoipa::path(get, path = "/api/v1/containers/{id}/files/sizes", operation_id = "measure_folder", tag = "files",
    params(("id" = ContainerId, Path), PathQuery), responses((status = 200, body = FolderSizes)))]
async fn measure_folder(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ContainerId>,
    Query(query): Query<PathQuery>,
) -> Answer<Json<FolderSizes>> {
    let permit = app.raptor.authz().permit::<act::ReadFiles>(&actor, id).await?;
    Ok(Json(FolderSizes { items: app.raptor.files().sizes(permit, query.path).await? }))
}

/// Of which file, and how.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ChecksumQuery {
    /// The path of the file, starting with `/`.
    #[param(value_type = String)]
    path: FilePath,
    /// The algorithm; SHA-256 unless given.
    algorithm: Option<ChecksumKind>,
}

/// Compute the checksum of a file.
#[utoipa::path(get, path = "/api/v1/containers/{id}/files/checksum", operation_id = "get_file_checksum", tag = "files",
    params(("id" = ContainerId, Path), ChecksumQuery), responses((status = 200, body = Checksum)))]
async fn get_file_checksum(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ContainerId>,
    Query(query): Query<ChecksumQuery>,
) -> Answer<Json<Checksum>> {
    let permit = app.raptor.authz().permit::<act::ReadFileContent>(&actor, id).await?;
    let algorithm = query.algorithm.unwrap_or(ChecksumKind::Sha256);
    Ok(Json(Checksum { checksum: app.raptor.files().checksum(permit, query.path, algorithm).await? }))
}

/// Earlier versions of a text file that was edited, the newest first.
#[utoipa::path(get, path = "/api/v1/containers/{id}/files/versions", operation_id = "list_file_versions", tag = "files",
    params(("id" = ContainerId, Path), PathQuery), responses((status = 200, body = VersionList)))]
async fn list_file_versions(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ContainerId>,
    Query(query): Query<PathQuery>,
) -> Answer<Json<VersionList>> {
    let permit = app.raptor.authz().permit::<act::ReadFileContent>(&actor, id).await?;
    Ok(Json(VersionList { items: app.raptor.files().versions(permit, query.path).await? }))
}

/// What goes on by itself, the newest first; what has ended is listed for an hour.
#[utoipa::path(get, path = "/api/v1/containers/{id}/files/operations", operation_id = "list_file_operations", tag = "files",
    params(("id" = ContainerId, Path)), responses((status = 200, body = OperationList)))]
async fn list_file_operations(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ContainerId>,
) -> Answer<Json<OperationList>> {
    let permit = app.raptor.authz().permit::<act::ReadFiles>(&actor, id).await?;
    Ok(Json(OperationList { items: app.raptor.files().operations(permit).await? }))
}

/// Copy, delete for good, make or unpack an archive, or fetch a file from a web address. Answered when it has begun.
#[utoipa::path(post, path = "/api/v1/containers/{id}/files/operations", operation_id = "start_file_operation", tag = "files",
    params(("id" = ContainerId, Path)), request_body = FileTaskRequest, responses((status = 202, body = Operation)))]
async fn start_file_operation(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ContainerId>,
    Json(body): Json<FileTaskRequest>,
) -> Answer<(StatusCode, Json<Operation>)> {
    let (authz, files) = (app.raptor.authz(), app.raptor.files());
    let operation = match body.task {
        FileTask::Copy { copies } => files.copy(authz.permit(&actor, id).await?, copies).await?,
        FileTask::Delete { paths } => files.delete(authz.permit(&actor, id).await?, paths).await?,
        FileTask::Pull { url, into, name } => {
            files.pull(authz.permit(&actor, id).await?, url, into, name).await?
        }
        task @ FileTask::Extract { existing: Existing::Replace, .. } => {
            files.archive(authz.permit::<act::UnpackOverFiles>(&actor, id).await?, task).await?
        }
        task @ (FileTask::Archive { .. } | FileTask::Extract { .. }) => {
            files.archive(authz.permit::<act::ArchiveFiles>(&actor, id).await?, task).await?
        }
    };
    Ok((StatusCode::ACCEPTED, Json(operation)))
}

/// Stop what goes on by itself, or forget what has ended.
#[utoipa::path(delete, path = "/api/v1/containers/{id}/files/operations/{operation_id}", operation_id = "cancel_file_operation",
    tag = "files", params(("id" = ContainerId, Path), ("operation_id" = Uuid, Path)), responses((status = 204)))]
async fn cancel_file_operation(
    State(app): State<App>,
    Caller(actor): Caller,
    Path((id, operation)): Path<(ContainerId, Uuid)>,
) -> Answer<StatusCode> {
    let permit = app.raptor.authz().permit::<act::CreateFiles>(&actor, id).await?;
    app.raptor.files().cancel(permit, operation).await?;
    Ok(StatusCode::NO_CONTENT)
}
