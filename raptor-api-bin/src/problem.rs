//! Errors as RFC 9457 problem documents, and their codes.

mod codes;
mod reasons;

pub(crate) use codes::{CODES, Code};
pub(crate) use raptor_server::problem::wrong_method;
pub use raptor_server::problem::{Answer, Problem};
pub(crate) use reasons::REASONS;

use axum::http::StatusCode;

/// The response for unknown paths of the API.
pub(crate) async fn unknown_path() -> Problem {
    let detail = "There is nothing at this address. GET /api/v1/openapi.json lists what there is.";
    Problem::new(StatusCode::NOT_FOUND, "not_found", detail)
}
