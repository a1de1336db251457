//! Health checks. They need no key, and reveal nothing else.

use crate::routes::Shared;
use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use raptor_server::problem::{Answer, Problem};

/// `/healthz` responds if the process works, whatever else is wrong; restart it if it doesn't. `/readyz` responds with success
/// if its engine and its folder are available, too.
pub(crate) fn routes() -> Router<Shared> {
    Router::new().route("/healthz", get(healthz)).route("/readyz", get(readyz))
}

async fn healthz() -> impl IntoResponse {
    well("ok\n")
}

async fn readyz(State(node): State<Shared>) -> Answer<impl IntoResponse> {
    let system = node.system().await?;
    let not = |code, detail| Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, detail));
    if system.docker_problem.is_some() {
        return not("docker_unavailable", "Docker does not answer. The daemon's page in the panel says why.");
    }
    if system.folder_problem.is_some() {
        return not(
            "folder_unavailable",
            "The daemon's folder can't be used. The daemon's page in the panel says why.",
        );
    }
    Ok(well("ready\n"))
}

fn well(word: &'static str) -> impl IntoResponse {
    ([(header::CACHE_CONTROL, "no-store"), (header::CONTENT_TYPE, "text/plain; charset=utf-8")], word)
}
