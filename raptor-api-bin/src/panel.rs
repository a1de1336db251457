//! The panel's files, embedded in the binary.

mod packed;
mod pages;

use axum::{
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    response::{Html, IntoResponse, Response},
};
use rust_embed::{EmbeddedFile, RustEmbed};

#[derive(RustEmbed)]
#[folder = "../panel/build"]
#[allow_missing = true]
struct Files;

/// The panel's content security policy, as its build produced it.
fn policy() -> HeaderMap {
    let policy = Files::get("policy.txt").and_then(|file| HeaderValue::from_bytes(&file.data).ok());
    policy.map(|policy| (header::CONTENT_SECURITY_POLICY, policy)).into_iter().collect()
}

/// A file of the panel, or its start page for the paths of its pages. Anything else is 404: for browsers with the start page,
/// which shows an error, and otherwise with a problem.
pub async fn serve(method: Method, uri: Uri, asked: HeaderMap) -> Response {
    let path = uri.path().trim_start_matches('/');
    if path.starts_with("api/") {
        return crate::problem::unknown_path().await.into_response();
    }
    if !matches!(method, Method::GET | Method::HEAD) {
        // Includes CONNECT: hyper logs an error if it gets a page in response.
        return ([(header::ALLOW, "GET, HEAD")], crate::problem::wrong_method(method).await).into_response();
    }
    if path != "index.html"
        && let Some(file) = Files::get(path)
    {
        // Names of files below _app/immutable contain a hash of their content.
        let lasting =
            if path.contains("/immutable/") { "public, max-age=31536000, immutable" } else { "no-cache" };
        let kind = file.metadata.mimetype().to_owned();
        return answer(file, &asked, &kind, lasting).await;
    }
    match Files::get("index.html") {
        Some(_) if path.starts_with("_app/") => StatusCode::NOT_FOUND.into_response(),
        Some(page) => {
            let known = pages::known(path);
            if !known && !pages::wanted(&asked) {
                return crate::problem::unknown_path().await.into_response();
            }
            let page = answer(page, &asked, "text/html; charset=utf-8", "no-cache").await;
            let mut page = (policy(), page).into_response();
            if !known {
                *page.status_mut() = StatusCode::NOT_FOUND;
            }
            page
        }
        None => {
            let page = "<!doctype html><title>Raptor</title><p>This build of raptor-api has no panel inside. \
                        Build it with <code>cargo xtask up</code>, or run the panel's development server.";
            (StatusCode::NOT_FOUND, Html(page)).into_response()
        }
    }
}

/// The file, compressed with gzip if that is acceptable; other encodings are left to the compression layer.
async fn answer(file: EmbeddedFile, asked: &HeaderMap, kind: &str, lasting: &'static str) -> Response {
    let headers = [(header::CONTENT_TYPE, kind.to_owned()), (header::CACHE_CONTROL, lasting.to_owned())];
    if !crate::serve::is_compressible(kind, file.data.len()) || !packed::accepted(asked) {
        return (headers, file.data).into_response();
    }
    match packed::once(file).await {
        Ok(bytes) => {
            let packed = [(header::CONTENT_ENCODING, "gzip"), (header::VARY, "accept-encoding")];
            (headers, packed, bytes).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "a file of the panel could not be compressed");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
