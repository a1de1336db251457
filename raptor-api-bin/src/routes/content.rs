//! Content of files: downloads, saves and uploads. Bytes go through as they come; nothing is gathered here.

use crate::{
    App,
    extract::{Caller, Json, Path, Query},
    problem::{Answer, Problem},
    views::files::{FileLink, NewLink, NewUpload, UploadView},
};
use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::StreamExt;
use raptor_core::{
    Error,
    authz::actions as act,
    files::links::LIFETIME,
    id::ContainerId,
    node::{
        FilePath,
        files::{ArchiveFormat, FileContent, FileInfo, FileRead},
    },
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(read_file))
        .routes(routes!(link_files))
        .routes(routes!(download))
        .routes(routes!(begin_upload, upload_file))
        .routes(routes!(get_upload, abort_upload))
        .routes(routes!(finish_upload))
        .routes(routes!(write_file))
        .routes(routes!(send_piece))
}

/// What is read.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ReadQuery {
    /// The file.
    #[param(value_type = String)]
    path: FilePath,
    /// An earlier version of it.
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

fn whole(path: FilePath, range: Option<Range>) -> FileRead {
    let Range { start, length } = range.unwrap_or(Range { start: 0, length: None });
    FileRead::File { path, start, length }
}

/// A part of a file that is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    start: i64,
    length: Option<u64>,
}

impl Range {
    /// One range of bytes (RFC 9110, 14.1.2); none where there is none, or several.
    fn of(headers: &HeaderMap) -> Option<Self> {
        // With `If-Range` the client would have to know the version; it gets the whole, which is always right.
        if headers.contains_key(header::IF_RANGE) {
            return None;
        }
        let (first, last) =
            headers.get(header::RANGE)?.to_str().ok()?.strip_prefix("bytes=")?.split_once('-')?;
        if first.is_empty() {
            let length = last.parse::<i64>().ok().filter(|length| *length > 0)?;
            return Some(Self { start: -length, length: None });
        }
        let start = first.parse::<i64>().ok()?;
        match last {
            "" => Some(Self { start, length: None }),
            last => {
                let length = last.parse::<i64>().ok()?.checked_sub(start)?.checked_add(1)?;
                Some(Self { start, length: Some(u64::try_from(length).ok().filter(|length| *length > 0)?) })
            }
        }
    }
}

/// What makes a browser save an answer as `name` and never show it: content of users must not run on the panel's origin.
pub(super) fn saved_as(name: &str) -> HeaderMap {
    let fixed = [
        (header::CONTENT_TYPE, "application/octet-stream"),
        (header::CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'"),
        (header::CACHE_CONTROL, "private, no-store"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    let mut headers: HeaderMap =
        fixed.into_iter().map(|(name, value)| (name, HeaderValue::from_static(value))).collect();
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename*=UTF-8''{}", encoded(name))) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    headers
}

/// A file's content, or the part of it that was asked for.
fn attachment(content: FileContent, name: &str, range: Option<Range>) -> Answer<Response> {
    let mut headers = saved_as(name);
    let mut set = |name: HeaderName, value: String| {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    };
    let mut status = StatusCode::OK;
    if let Some(file) = &content.file {
        set(header::ETAG, format!("\"{}\"", file.etag));
        set(header::ACCEPT_RANGES, "bytes".into());
        if range.is_some() {
            let length = content.length.unwrap_or(0);
            if length == 0 {
                let detail = format!("The file has {} bytes.", file.size_bytes);
                return Err(Problem::new(StatusCode::RANGE_NOT_SATISFIABLE, "range", detail));
            }
            status = StatusCode::PARTIAL_CONTENT;
            let last = content.start + length - 1;
            set(header::CONTENT_RANGE, format!("bytes {}-{last}/{}", content.start, file.size_bytes));
        }
    }
    if let Some(length) = content.length {
        set(header::CONTENT_LENGTH, length.to_string());
    }
    Ok((status, headers, Body::from_stream(content.body)).into_response())
}

/// As RFC 8187 wants names.
fn encoded(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    name.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// A link by which one file, or several as an archive, can be downloaded for some minutes, without signing in again. It is
/// worth nothing once the session or the access of whoever made it has ended.
#[utoipa::path(post, path = "/api/v1/containers/{id}/files/links", operation_id = "link_files", tag = "files",
    params(("id" = ContainerId, Path)), request_body = NewLink, responses((status = 201, body = FileLink)))]
async fn link_files(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ContainerId>,
    Json(body): Json<NewLink>,
) -> Answer<(StatusCode, Json<FileLink>)> {
    let permit = app.raptor.authz().permit::<act::ReadFileContent>(&actor, id).await?;
    let read = match (body.format, body.paths) {
        (Some(format), paths) if (1..=1_000).contains(&paths.len()) => FileRead::Archive { paths, format },
        (None, mut paths) if paths.len() == 1 => whole(paths.pop().unwrap_or_default(), None),
        _ => return Err(Error::invalid("paths", "Name one file, or up to 1,000 and a format.").into()),
    };
    let token = app.raptor.links().make(permit, read)?;
    let expires_in_seconds = u64::try_from(LIFETIME.num_seconds()).unwrap_or(0);
    Ok((
        StatusCode::CREATED,
        Json(FileLink { url: format!("/api/v1/downloads?token={token}"), expires_in_seconds }),
    ))
}

/// Which link. It stands in the query, which no log holds.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct LinkQuery {
    /// What `link_files` gave.
    token: String,
}

/// What a link stands for. `Range` is honoured for a single file.
#[utoipa::path(get, path = "/api/v1/downloads", operation_id = "download", tag = "files", security(()),
    params(LinkQuery),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream")))]
async fn download(
    State(app): State<App>,
    Query(query): Query<LinkQuery>,
    headers: HeaderMap,
) -> Answer<Response> {
    let (permit, read) = app.raptor.links().open(&query.token).await?;
    let range = Range::of(&headers);
    let (read, name, range) = match read {
        FileRead::File { path, .. } => {
            let name = path.name().unwrap_or_default().to_owned();
            (whole(path, range), name, range)
        }
        FileRead::Archive { paths, format } => {
            let name = archive_name(&paths, format);
            (FileRead::Archive { paths, format }, name, None)
        }
        other => (other, "file".to_owned(), None),
    };
    attachment(app.raptor.files().read(permit, read).await?, &name, range)
}

fn archive_name(paths: &[FilePath], format: ArchiveFormat) -> String {
    let own = match paths {
        [one] => one.name().unwrap_or("files"),
        _ => "files",
    };
    format!("{own}.{}", format.extension())
}

/// What is saved.
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
#[utoipa::path(put, path = "/api/v1/containers/{id}/files/content", operation_id = "write_file", tag = "files",
    params(("id" = ContainerId, Path), WriteQuery),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, body = FileInfo)))]
async fn write_file(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ContainerId>,
    Query(query): Query<WriteQuery>,
    body: Body,
) -> Answer<Json<FileInfo>> {
    let (authz, files) = (app.raptor.authz(), app.raptor.files());
    let body = body.into_data_stream().map(|piece| piece.map_err(std::io::Error::other)).boxed();
    Ok(Json(match query.etag {
        Some(etag) if etag.is_empty() => {
            files.create(authz.permit(&actor, id).await?, query.path, body).await?
        }
        etag => files.write(authz.permit(&actor, id).await?, query.path, etag, body).await?,
    }))
}

/// What is sent at once.
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

/// Send a whole file in one request; better in pieces where it is large. Sent again, it is no error: what is there already
/// with the same content is left.
#[utoipa::path(put, path = "/api/v1/containers/{id}/files/uploads", operation_id = "upload_file", tag = "files",
    params(("id" = ContainerId, Path), UploadQuery),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, body = FileInfo)))]
async fn upload_file(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ContainerId>,
    Query(query): Query<UploadQuery>,
    body: Body,
) -> Answer<Json<FileInfo>> {
    let (authz, UploadQuery { path, size_bytes, replace }) = (app.raptor.authz(), query);
    let create = authz.permit(&actor, id).await?;
    let update = if replace.unwrap_or(false) { Some(authz.permit(&actor, id).await?) } else { None };
    let body = body.into_data_stream().map(|piece| piece.map_err(std::io::Error::other)).boxed();
    Ok(Json(app.raptor.files().upload_file(create, update, path, size_bytes, body).await?))
}

/// Begin to send a file in pieces. It appears when it is whole. With an `id`, it can be asked again without harm.
#[utoipa::path(post, path = "/api/v1/containers/{id}/files/uploads", operation_id = "begin_upload", tag = "files",
    params(("id" = ContainerId, Path)), request_body = NewUpload, responses((status = 201, body = UploadView)))]
async fn begin_upload(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ContainerId>,
    Json(body): Json<NewUpload>,
) -> Answer<(StatusCode, Json<UploadView>)> {
    let authz = app.raptor.authz();
    let create = authz.permit(&actor, id).await?;
    let update = if body.replace.unwrap_or(false) { Some(authz.permit(&actor, id).await?) } else { None };
    let upload = app.raptor.files().begin_upload(create, update, body.id, body.path, body.size_bytes).await?;
    Ok((StatusCode::CREATED, Json(upload)))
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

/// Where a piece begins.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct PieceQuery {
    /// At what has been received already.
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
    body: Body,
) -> Answer<Json<UploadView>> {
    let permit = app.raptor.authz().permit(&actor, id).await?;
    let body = body.into_data_stream().map(|piece| piece.map_err(std::io::Error::other)).boxed();
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

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> Option<Range> {
        Range::of(&HeaderMap::from_iter([(header::RANGE, text.parse().unwrap())]))
    }

    #[test]
    fn one_range_is_honoured_and_odd_ones_are_not() {
        assert_eq!(range("bytes=0-99"), Some(Range { start: 0, length: Some(100) }));
        assert_eq!(range("bytes=5-"), Some(Range { start: 5, length: None }));
        assert_eq!(range("bytes=-7"), Some(Range { start: -7, length: None }));
        for odd in ["bytes=9-3", "bytes=-0", "bytes=a-b", "lines=1-2", "bytes=0-1,5-6", "bytes=-"] {
            assert_eq!(range(odd), None, "{odd}");
        }
    }

    #[test]
    fn a_download_is_saved_and_never_shown() {
        let headers = saved_as("a b.html");
        assert_eq!(headers[header::CONTENT_TYPE], "application/octet-stream");
        assert_eq!(headers[header::CONTENT_DISPOSITION], "attachment; filename*=UTF-8''a%20b.html");
        assert!(headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap().starts_with("sandbox"));
    }

    #[test]
    fn names_are_encoded_for_headers() {
        assert_eq!(encoded("a b\"\r\nü.txt"), "a%20b%22%0D%0A%C3%BC.txt");
    }
}
