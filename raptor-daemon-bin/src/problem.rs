//! Errors as RFC 9457 problem documents.

use axum::{
    extract::rejection::{JsonRejection, PathRejection, QueryRejection},
    http::{Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use raptor_model::node::{FileError, NodeError};
use serde::Serialize;
use utoipa::ToSchema;

/// What went wrong (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
pub struct Problem {
    /// Always `about:blank`: `code` tells problems apart.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The status in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// Stable machine-readable reason.
    pub code: String,
    /// A sentence for people.
    pub detail: String,
}

impl Problem {
    /// A problem with `status`.
    pub fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        Self {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or_default().to_owned(),
            status: status.as_u16(),
            code: code.to_owned(),
            detail: detail.into(),
        }
    }
}

impl From<NodeError> for Problem {
    fn from(error: NodeError) -> Self {
        let (status, code) = match &error {
            NodeError::Refused(refused) => (StatusCode::CONFLICT, refused.code()),
            NodeError::NotFound => (StatusCode::NOT_FOUND, "not_found"),
            NodeError::Invalid(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid"),
            NodeError::WrongKey => (StatusCode::UNAUTHORIZED, "wrong_key"),
            NodeError::Protocol { .. } => (StatusCode::CONFLICT, "protocol_mismatch"),
            NodeError::Docker(_) | NodeError::Unreachable(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, "docker_unavailable")
            }
            NodeError::File(error) => (file_status(error), error.code()),
            NodeError::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        };
        Self::new(status, code, error.to_string())
    }
}

fn file_status(error: &FileError) -> StatusCode {
    match error {
        FileError::NotFound => StatusCode::NOT_FOUND,
        FileError::Denied => StatusCode::FORBIDDEN,
        FileError::Exists | FileError::NotEmpty | FileError::Changed | FileError::Cancelled => {
            StatusCode::CONFLICT
        }
        FileError::OverLimit { .. } | FileError::NoSpace { .. } => StatusCode::INSUFFICIENT_STORAGE,
        FileError::Busy => StatusCode::SERVICE_UNAVAILABLE,
        FileError::Io(_) => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", rejection.body_text())
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", rejection.body_text())
    }
}

impl From<PathRejection> for Problem {
    fn from(_: PathRejection) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "An id in this address is not a UUID.")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response()
    }
}

/// The answer to a method that an address does not take. Those that it takes are in the header `Allow`.
pub(crate) async fn wrong_method(method: Method) -> Problem {
    let detail =
        format!("This address does not take {method}. The header `Allow` names the methods that it takes.");
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
}

/// What handlers answer.
pub type Answer<T> = Result<T, Problem>;
