//! Uploading files, in one request or in resumable chunks.

use crate::{
    App,
    created::Created,
    extract::{Caller, Json, Path, Query, Streamed},
    problem::Answer,
    views::files::{NewUpload, UploadView},
};
use axum::{extract::State, http::StatusCode};
use raptor_core::{
    authz::actions::{CreateFiles, ReplaceFiles},
    id::ContainerId,
    node::{FilePath, files::FileInfo},
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(begin_upload, upload_file))
        .routes(routes!(get_upload, abort_upload))
        .routes(routes!(finish_upload))
        .routes(routes!(send_piece))
}

/// Where a file that is sent in one request goes.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct UploadQuery {
    /// Where it will be; folders on the way are made.
    #[param(value_type = String)]
    path: FilePath,
    /// Its length in bytes.
    size_bytes: u64,
    /// Whether a file that is there is replaced. Needs the permission to change files.
    replace: Option<bool>,
}

/// Send a whole file in one request; better in pieces where it is large. Sent again by somebody who may open files, it is
/// no error: what is there already with the same content is left.
#[utoipa::path(put, path = "/api/v1/containers/{id}/files/uploads", operation_id = "upload_file", tag = "files",
    params(("id" = ContainerId, Path), UploadQuery),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, body = FileInfo)))]
async fn upload_file(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ContainerId>,
    Query(query): Query<UploadQuery>,
    Streamed(body): Streamed,
) -> Answer<Json<FileInfo>> {
    let (authz, files) = (app.raptor.authz(), app.raptor.files());
    let UploadQuery { path, size_bytes, replace } = query;
    let file = if replace.unwrap_or(false) {
        let permit = authz.permit::<ReplaceFiles>(&actor, id).await?;
        files.upload_file(permit, path, size_bytes, body).await?
    } else {
        let permit = authz.permit::<CreateFiles>(&actor, id).await?;
        files.upload_file(permit, path, size_bytes, body).await?
    };
    Ok(Json(file))
}

/// Begin to send a file in pieces. It appears when it is whole. With an `id`, it can be asked again without harm.
#[utoipa::path(post, path = "/api/v1/containers/{id}/files/uploads", operation_id = "begin_upload", tag = "files",
    params(("id" = ContainerId, Path)), request_body = NewUpload, responses((status = 201, body = UploadView)))]
async fn begin_upload(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ContainerId>,
    Json(body): Json<NewUpload>,
) -> Answer<Created<UploadView>> {
    let (authz, files) = (app.raptor.authz(), app.raptor.files());
    let upload = if body.replace.unwrap_or(false) {
        let permit = authz.permit::<ReplaceFiles>(&actor, id).await?;
        files.begin_upload(permit, body.id, body.path, body.size_bytes).await?
    } else {
        let permit = authz.permit::<CreateFiles>(&actor, id).await?;
        files.begin_upload(permit, body.id, body.path, body.size_bytes).await?
    };
    Ok(Created { location: format!("/api/v1/containers/{id}/files/uploads/{}", upload.id), body: upload })
}

/// How far an upload is: its next piece begins at `received_bytes`.
#[utoipa::path(get, path = "/api/v1/containers/{id}/files/uploads/{upload_id}", operation_id = "get_upload", tag = "files",
    params(("id" = ContainerId, Path), ("upload_id" = Uuid, Path)), responses((status = 200, body = UploadView)))]
async fn get_upload(
    State(app): State<App>,
    Caller(actor): Caller,
    Path((id, upload)): Path<(ContainerId, Uuid)>,
) -> Answer<Json<UploadView>> {
    let permit = app.raptor.authz().permit(&actor, id).await?;
    Ok(Json(app.raptor.files().upload(permit, upload).await?))
}

/// Which piece is sent.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct PieceQuery {
    /// Where the piece begins in the file, in bytes: the `received_bytes` of the upload.
    offset: u64,
}

/// The next piece of an upload.
#[utoipa::path(put, path = "/api/v1/containers/{id}/files/uploads/{upload_id}/content", operation_id = "send_piece", tag = "files",
    params(("id" = ContainerId, Path), ("upload_id" = Uuid, Path), PieceQuery),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, body = UploadView)))]
async fn send_piece(
    State(app): State<App>,
    Caller(actor): Caller,
    Path((id, upload)): Path<(ContainerId, Uuid)>,
    Query(query): Query<PieceQuery>,
    Streamed(body): Streamed,
) -> Answer<Json<UploadView>> {
    let permit = app.raptor.authz().permit(&actor, id).await?;
    Ok(Json(app.raptor.files().send_piece(permit, upload, query.offset, body).await?))
}

/// Put an upload that is whole where it belongs. It can be asked again without harm.
#[utoipa::path(post, path = "/api/v1/containers/{id}/files/uploads/{upload_id}/finish", operation_id = "finish_upload",
    tag = "files", params(("id" = ContainerId, Path), ("upload_id" = Uuid, Path)),
    responses((status = 200, body = FileInfo)))]
async fn finish_upload(
    State(app): State<App>,
    Caller(actor): Caller,
    Path((id, upload)): Path<(ContainerId, Uuid)>,
) -> Answer<Json<FileInfo>> {
    let permit = app.raptor.authz().permit(&actor, id).await?;
    Ok(Json(app.raptor.files().finish_upload(permit, upload).await?))
}

/// Forget an upload and what was received of it.
#[utoipa::path(delete, path = "/api/v1/containers/{id}/files/uploads/{upload_id}", operation_id = "abort_upload", tag = "files",
    params(("id" = ContainerId, Path), ("upload_id" = Uuid, Path)), responses((status = 204)))]
async fn abort_upload(
    State(app): State<App>,
    Caller(actor): Caller,
    Path((id, upload)): Path<(ContainerId, Uuid)>,
) -> Answer<StatusCode> {
    let permit = app.raptor.authz().permit(&actor, id).await?;
    app.raptor.files().abort_upload(permit, upload).await?;
    Ok(StatusCode::NO_CONTENT)
}
