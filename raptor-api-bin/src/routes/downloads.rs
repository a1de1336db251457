//! Links for downloading files without authenticating again.

use super::attachments::{Range, attachment, whole};
use crate::{
    App,
    created::Created,
    extract::{Caller, Json, Path, Query},
    problem::Answer,
    views::files::{FileLink, NewLink},
};
use axum::{extract::State, http::HeaderMap, response::Response};
use raptor_core::{
    Error,
    authz::actions as act,
    files::links::{LIFETIME, OpenedLink},
    id::ContainerId,
    node::{
        FilePath,
        files::{ArchiveFormat, FileRead},
    },
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(link_files)).routes(routes!(download))
}

/// A link by which one file, or several as an archive, can be downloaded for some minutes, without signing in again. It no
/// longer works once the session or the access of the person who made it has ended.
#[utoipa::path(post, path = "/api/v1/containers/{id}/files/links", operation_id = "link_files", tag = "files",
    params(("id" = ContainerId, Path)), request_body = NewLink, responses((status = 201, body = FileLink)))]
async fn link_files(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ContainerId>,
    Json(body): Json<NewLink>,
) -> Answer<Created<FileLink>> {
    let permit = app.raptor.authz().permit::<act::ReadFileContent>(&actor, id).await?;
    let read = match (body.format, body.paths) {
        (Some(format), paths) if (1..=1_000).contains(&paths.len()) => FileRead::Archive { paths, format },
        (None, mut paths) if paths.len() == 1 => whole(paths.pop().unwrap_or_default(), None),
        _ => return Err(Error::invalid("paths", "Name one file, or up to 1,000 and a format.").into()),
    };
    let token = app.raptor.links().make(permit, read)?;
    let expires_in_seconds = u64::try_from(LIFETIME.num_seconds()).unwrap_or(0);
    let url = format!("/api/v1/downloads?token={token}");
    Ok(Created { location: url.clone(), body: FileLink { url, expires_in_seconds } })
}

/// Which link. It stands in the query, which no log holds.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct LinkQuery {
    /// The token in the `url` that `link_files` answered.
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
    let OpenedLink { permit, read, .. } = app.raptor.links().open(&query.token).await?;
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
