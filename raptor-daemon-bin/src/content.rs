//! Streaming the content of files and consoles.

use crate::{direct, routes::Shared};
use axum::{
    Router,
    body::Body,
    extract::{DefaultBodyLimit, State},
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
    routing::{post, put},
};
use futures_util::StreamExt;
use raptor_model::{
    id::ContainerId,
    node::{
        ConsoleExport, NodeError,
        files::{FileAnswer, FileHead, FileRead, FileWrite, Scoped},
        requests::Route,
    },
};
use raptor_server::{
    extract::{Path, Query, TolerantJson as Json},
    problem::Answer,
};
use serde::Deserialize;

/// The header with the JSON of the `FileHead`.
const ABOUT: HeaderName = HeaderName::from_static("x-raptor-content");

pub(crate) fn routes() -> Router<Shared> {
    let files = Router::new()
        .route(Scoped::<FileRead>::OPERATION.path, post(read_files))
        .route(Scoped::<FileWrite>::OPERATION.path, put(write_files))
        // The body is streamed to the file, and is only limited by the container's disk limit.
        .layer(DefaultBodyLimit::disable());
    files.route(ConsoleExport::OPERATION.path, post(export_console))
}

async fn export_console(
    State(node): State<Shared>,
    Path(id): Path<ContainerId>,
    Json(export): Json<ConsoleExport>,
) -> Answer<impl IntoResponse> {
    let download = node.export_console(id, export).await?;
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], Body::from_stream(download)))
}

async fn read_files(
    State(node): State<Shared>,
    Path(id): Path<ContainerId>,
    upgrade: direct::Upgrade,
    Json(request): Json<Scoped<FileRead>>,
) -> Answer<Response> {
    let content = node.read_file(id, request).await?;
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

/// The query of a write.
#[derive(Deserialize)]
struct WriteQuery {
    /// The JSON of a [`Scoped<FileWrite>`].
    request: String,
}

async fn write_files(
    State(node): State<Shared>,
    Path(id): Path<ContainerId>,
    Query(query): Query<WriteQuery>,
    body: Body,
) -> Answer<Json<FileAnswer>> {
    let request: Scoped<FileWrite> = serde_json::from_str(&query.request)
        .map_err(|error| NodeError::Invalid(format!("The request can't be parsed: {error}.")))?;
    let body = body.into_data_stream().map(|piece| piece.map_err(std::io::Error::other)).boxed();
    Ok(Json(node.write_file(id, request, body).await?))
}
