//! Errors as RFC 9457 problem documents, and the codes that they may have.

mod codes;

pub(crate) use codes::CODES;
pub(crate) use raptor_server::problem::wrong_method;
pub use raptor_server::problem::{Answer, Problem};

use axum::http::StatusCode;

/// The answer to an address of the API where there is nothing.
pub(crate) async fn nowhere() -> Problem {
    let detail = "There is nothing at this address. GET /api/v1/openapi.json lists what there is.";
    Problem::new(StatusCode::NOT_FOUND, "not_found", detail)
}
