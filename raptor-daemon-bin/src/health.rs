//! Whether the daemon is well, for those who watch over it. Neither answer needs the key, and neither says more than that.

use crate::routes::Shared;
use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use raptor_server::problem::{Answer, Problem};

/// `/healthz`: the process answers, whatever else is wrong; one that does not is to be started again. `/readyz`: its engine and its
/// folder are there too.
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
