//! Reading and writing a file's content byte by byte. Bytes are streamed; nothing is buffered here.

use super::attachments::{Range, attachment, whole};
use crate::{
    App,
    extract::{Caller, Json, Path, Query, Streamed},
    problem::Answer,
};
use axum::{extract::State, http::HeaderMap, response::Response};
use raptor_core::{
    authz::actions as act,
    id::ContainerId,
    node::{
        FilePath,
        files::{FileInfo, FileRead},
    },
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(read_file)).routes(routes!(write_file))
}

/// Which file is read, and how.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ReadQuery {
    /// The path of the file in the container, such as `/server.properties`.
    #[param(value_type = String)]
    path: FilePath,
    /// The id of an earlier version of the file, which is read in its place.
    version: Option<Uuid>,
    /// Whether a compressed log comes as the text in it, up to 64 MiB.
    unpack: Option<bool>,
}

/// A file's content. `Range` is honoured. It comes as an attachment, never as a page.
#[utoipa::path(get, path = "/api/v1/containers/{id}/files/content", operation_id = "read_file", tag = "files",
    params(("id" = ContainerId, Path), ReadQuery),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream")))]
async fn read_file(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ContainerId>,
    Query(query): Query<ReadQuery>,
    headers: HeaderMap,
) -> Answer<Response> {
    let permit = app.raptor.authz().permit::<act::ReadFileContent>(&actor, id).await?;
    let (range, name) = (Range::of(&headers), query.path.name().unwrap_or_default().to_owned());
    let request = match query {
        ReadQuery { path, version: Some(id), .. } => FileRead::Version { path, id },
        ReadQuery { path, unpack: Some(true), .. } => FileRead::Unpacked { path },
        ReadQuery { path, .. } => whole(path, range),
    };
    let content = app.raptor.files().read(permit, request).await?;
    attachment(content, &name, range)
}

/// Which file is saved, and over which version.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct WriteQuery {
    /// The file; folders on the way are made.
    #[param(value_type = String)]
    path: FilePath,
    /// The version that the writer saw: another one there is not replaced. Empty: only where there is no file yet, which is all
    /// that the permission to create files allows. Absent: in any case.
    etag: Option<String>,
}

/// Save a file as a whole. A text file's version before it is kept.
///
/// The body is the file's content, byte for byte. With `etag`, the file is only replaced if it still has that version; otherwise
/// the answer is 409 `file_changed`. Large files are better sent in pieces, with `begin_upload`.
#[utoipa::path(put, path = "/api/v1/containers/{id}/files/content", operation_id = "write_file", tag = "files",
    params(("id" = ContainerId, Path), WriteQuery),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, body = FileInfo)))]
async fn write_file(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ContainerId>,
    Query(query): Query<WriteQuery>,
    Streamed(body): Streamed,
) -> Answer<Json<FileInfo>> {
    let (authz, files) = (app.raptor.authz(), app.raptor.files());
    Ok(Json(match query.etag {
        Some(etag) if etag.is_empty() => {
            files.create(authz.permit(&actor, id).await?, query.path, body).await?
        }
        etag => files.write(authz.permit(&actor, id).await?, query.path, etag, body).await?,
    }))
}
