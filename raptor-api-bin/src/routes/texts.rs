//! Reading and saving text files in any encoding.

use crate::{
    App,
    extract::{Caller, Json, Path, Query, Streamed},
    problem::Answer,
};
use axum::{
    Extension,
    body::Body,
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use raptor_core::{
    Error,
    id::ContainerId,
    node::{FilePath, TextFile, TextRead, TextWrite, files::FileInfo},
    text::{Encoding, LineEnd},
};
use raptor_server::slots::ResponseSlots;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(read_text, write_text)).layer(Extension(ResponseSlots::default()))
}

/// Which text is read, and how.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ReadQuery {
    /// The path of the file in the container, such as `/server.properties`.
    #[param(value_type = String)]
    path: FilePath,
    /// The id of an earlier version of the file, which is read in its place.
    version: Option<Uuid>,
    /// Whether the file is a compressed log (`.gz`, `.xz`, `.bz2` or `.zst`), which is unpacked.
    unpack: Option<bool>,
    /// Its encoding by a name of the WHATWG's Encoding Standard, such as `windows-1252`, `GBK` or `UTF-16LE`. Recognised unless
    /// given.
    encoding: Option<String>,
    /// Only the lines in the last bytes, up to 16 MiB. Larger texts can only be read so, and not be saved.
    tail_bytes: Option<u64>,
}

/// A text file of up to 16 MiB: its text, its encoding and its line ends.
#[utoipa::path(get, path = "/api/v1/containers/{id}/files/text", operation_id = "read_text", tag = "files",
    params(("id" = ContainerId, Path), ReadQuery), responses((status = 200, body = TextFile)))]
async fn read_text(
    State(app): State<App>,
    Caller(actor): Caller,
    Extension(slots): Extension<ResponseSlots>,
    Path(id): Path<ContainerId>,
    Query(query): Query<ReadQuery>,
) -> Answer<Response> {
    let permit = app.raptor.authz().permit(&actor, id).await?;
    let ReadQuery { path, version, unpack, encoding, tail_bytes } = query;
    let encoding = encoding.map(|name| named("encoding", &name)).transpose()?;
    let text = TextRead { path, version, unpack: unpack.unwrap_or(false), encoding, tail_bytes };
    // A text is held in memory until it is sent, and the client may be slow.
    let slot = slots.take(id).await.map_err(Error::from)?;
    let text = app.raptor.files().read_text(permit, text).await?;
    let json = serde_json::to_vec(&text).map_err(Error::internal)?;
    drop(text);
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CONTENT_LENGTH, HeaderValue::from(json.len())),
    ];
    Ok((headers, Body::from_stream(slot.send(json.into()))).into_response())
}

/// How an edited text is saved.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct WriteQuery {
    /// The path of the file in the container, such as `/server.properties`.
    #[param(value_type = String)]
    path: FilePath,
    /// The `etag` of the version that was edited. Where the file has another one by now, nothing is saved and the answer is 409.
    /// Absent: saved in any case.
    etag: Option<String>,
    /// The encoding that the file is saved in, by a name of the WHATWG's Encoding Standard.
    encoding: String,
    /// The encoding that the text was read in, where that is another one: the whole file is converted.
    read_as: Option<String>,
    /// How all lines are to end. Absent: each keeps its own end, and a new line takes that of the line before it.
    line_end: Option<LineEnd>,
    /// Whether the file begins with a byte order mark. Absent: as before; a converted file has one where it is UTF-16.
    byte_order_mark: Option<bool>,
}

/// Save an edited text, which is sent as UTF-8. What was not edited keeps its bytes, invalid ones included. A character that the
/// encoding does not have is refused with 422 at `text`. The version before it is kept.
#[utoipa::path(put, path = "/api/v1/containers/{id}/files/text", operation_id = "write_text", tag = "files",
    params(("id" = ContainerId, Path), WriteQuery),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, body = FileInfo)))]
async fn write_text(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ContainerId>,
    Query(query): Query<WriteQuery>,
    Streamed(body): Streamed,
) -> Answer<Json<FileInfo>> {
    let permit = app.raptor.authz().permit(&actor, id).await?;
    let WriteQuery { path, etag, encoding, read_as, line_end, byte_order_mark } = query;
    let encoding = named("encoding", &encoding)?;
    let read_as = read_as.map_or(Ok(encoding), |name| named("read_as", &name))?;
    let text = TextWrite { path, etag, read_as, encoding, line_end, byte_order_mark, by: String::new() };
    Ok(Json(app.raptor.files().write_text(permit, text, body).await?))
}

/// The encoding of this name.
///
/// # Errors
/// [`Error::Invalid`] at `field`.
fn named(field: &str, name: &str) -> Result<Encoding, Error> {
    let unknown = || {
        Error::invalid(field, "Use the name of an encoding, such as UTF-8, UTF-16LE, windows-1252 or GBK.")
            .because("encoding")
    };
    Encoding::named(name).ok_or_else(unknown)
}
