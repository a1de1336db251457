//! Containers' files.

use crate::{direct, routes::Shared};
use axum::{
    Extension,
    body::Body,
    extract::State,
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};
use futures_util::StreamExt;
use raptor_model::{
    id::ContainerId,
    node::{
        NodeError,
        files::{FileAnswer, FileHead, FileRead, FileRequest, FileWrite, Scoped},
    },
};
use raptor_server::{
    extract::{Path, Query, TolerantJson as Json},
    problem::Answer,
    slots::ResponseSlots,
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

/// Says what comes: JSON of `FileHead`.
const ABOUT: HeaderName = HeaderName::from_static("x-raptor-content");

pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(ask_files))
        .routes(routes!(read_files))
        .routes(routes!(write_files))
        // What comes is written as it comes, and the container's disk limit is its bound.
        .layer(axum::extract::DefaultBodyLimit::disable())
        .layer(Extension(ResponseSlots::default()))
}

/// Answer a question about a container's files, or make a small change.
#[utoipa::path(post, path = "/containers/{id}/files", operation_id = "ask_files", params(("id" = ContainerId, Path)),
    request_body = Scoped<FileRequest>, responses((status = 200, body = FileAnswer)))]
async fn ask_files(
    State(node): State<Shared>,
    Extension(slots): Extension<ResponseSlots>,
    Path(id): Path<ContainerId>,
    Json(request): Json<Scoped<FileRequest>>,
) -> Answer<Response> {
    if !matches!(request.request, FileRequest::ReadText { .. }) {
        return Ok(Json(node.files().ask(id, request).await?).into_response());
    }
    // Texts of up to 16 MiB are held in memory until they are sent.
    let slot = slots.take(id).await.map_err(NodeError::from)?;
    let answer = node.files().ask(id, request).await?;
    let json = serde_json::to_vec(&answer).map_err(|error| NodeError::Internal(error.to_string()))?;
    drop(answer);
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CONTENT_LENGTH, HeaderValue::from(json.len())),
    ];
    Ok((headers, Body::from_stream(slot.send(json.into()))).into_response())
}

/// Read content. The header `x-raptor-content` says what comes: JSON of `FileHead`. Whoever sends `Upgrade: raptor-content`
/// may get the bytes of a large file as they are, after status 101.
#[utoipa::path(post, path = "/containers/{id}/files/read", operation_id = "read_files", params(("id" = ContainerId, Path)),
    request_body = Scoped<FileRead>, responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream")))]
async fn read_files(
    State(node): State<Shared>,
    Path(id): Path<ContainerId>,
    upgrade: direct::Upgrade,
    Json(request): Json<Scoped<FileRead>>,
) -> Answer<Response> {
    let content = node.files().read(id, request).await?;
    let head = FileHead { file: content.file, start: content.start, length: content.length };
    let about = serde_json::to_vec(&head).map_err(|error| NodeError::Internal(error.to_string()))?;
    let about = HeaderValue::from_bytes(&about).map_err(|error| NodeError::Internal(error.to_string()))?;
    let mut answer = match (content.direct, upgrade.taken_for(head.length)) {
        (Some(content), Some(connection)) => direct::answer(connection, content),
        _ => {
            let mut answer = Body::from_stream(content.body).into_response();
            let kind = HeaderValue::from_static("application/octet-stream");
            answer.headers_mut().insert(header::CONTENT_TYPE, kind);
            if let Some(length) = head.length {
                answer.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
            }
            answer
        }
    };
    answer.headers_mut().insert(ABOUT, about);
    Ok(answer)
}

/// What is written.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct WriteQuery {
    /// JSON of what is written: a `FileWrite` in `request`, and `denied`.
    request: String,
}

/// Write content: the body, as it comes.
#[utoipa::path(put, path = "/containers/{id}/files/content", operation_id = "write_files",
    params(("id" = ContainerId, Path), WriteQuery),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, body = FileAnswer)))]
async fn write_files(
    State(node): State<Shared>,
    Path(id): Path<ContainerId>,
    Query(query): Query<WriteQuery>,
    body: Body,
) -> Answer<Json<FileAnswer>> {
    let request: Scoped<FileWrite> = serde_json::from_str(&query.request)
        .map_err(|error| NodeError::Invalid(format!("The request is not understood: {error}.")))?;
    let body = body.into_data_stream().map(|piece| piece.map_err(std::io::Error::other)).boxed();
    Ok(Json(node.files().write(id, request, body).await?))
}
