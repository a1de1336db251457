//! Errors as RFC 9457 problem documents.

use crate::request;
use axum::{
    extract::rejection::{BytesRejection, PathRejection},
    http::{HeaderName, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use raptor_model::{
    Error,
    node::{FileError, NodeError},
};
use serde::Serialize;
use serde_json::Value;
use std::{collections::BTreeMap, error::Error as _};
use utoipa::ToSchema;

/// `Retry-After` while the database is down, in seconds. It is probed several times per second.
const DATABASE_RETRY_S: u64 = 2;

/// The problem type `about:blank` of RFC 9457: the status says what kind of problem it is.
#[derive(Clone, Copy, Debug)]
pub struct AboutBlank;

impl Serialize for AboutBlank {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("about:blank")
    }
}

/// What went wrong (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
pub struct Problem {
    /// Always `about:blank`: `code` tells problems apart.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    pub kind: AboutBlank,
    /// The status in words.
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// Stable machine-readable reason.
    pub code: &'static str,
    /// A sentence for people, with what to do.
    #[schema(value_type = String)]
    pub detail: Box<str>,
    /// The field of the input that is wrong, as a dotted path.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub field: Option<Box<str>>,
    /// The values that `detail` names, by name: texts and numbers. With `code`, they are enough to word it in another language.
    /// `ProblemCode` lists the values of each code, `InvalidReason` those of each `reason` of `invalid`; one may be left out where it is not known, and the caller may not see it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = Option<BTreeMap<String, Value>>)]
    pub params: Box<BTreeMap<&'static str, Value>>,
    /// Seconds after which the same may work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u64>,
    /// The id under which the logs of the API and of its daemons have the request, as in the header `X-Request-Id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub request_id: Option<Box<str>>,
}

/// The result of a handler.
pub type Answer<T> = Result<T, Problem>;

impl Problem {
    /// It with a value that its sentence names.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.params.insert(name, value.into());
        self
    }

    /// A problem with `status`.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            kind: AboutBlank,
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            code,
            detail: detail.into().into(),
            field: None,
            params: Box::default(),
            retry_after_seconds: None,
            request_id: None,
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let status = match &error {
            Error::NotFound { .. } => StatusCode::NOT_FOUND,
            Error::Conflict { .. } | Error::Refused(_) | Error::LimitReached { .. } => StatusCode::CONFLICT,
            Error::Invalid { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            Error::Forbidden { .. } | Error::Outranked { .. } | Error::PasswordChangeRequired => {
                StatusCode::FORBIDDEN
            }
            Error::Unauthenticated(_) => StatusCode::UNAUTHORIZED,
            Error::Throttled { .. } => StatusCode::TOO_MANY_REQUESTS,
            Error::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            // `Internal`, and a kind that has no status yet.
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        if let Error::Internal(_) = &error {
            tracing::error!(cause = error.source().map(tracing::field::display), "a request failed");
        }
        let mut problem = Self::new(status, error.code(), error.to_string());
        *problem.params = error.params();
        match error {
            Error::Invalid { field, .. } => problem.field = Some(field.into()),
            Error::Throttled { retry_after } => {
                problem.retry_after_seconds = Some(retry_after.as_secs().max(1))
            }
            Error::Unavailable { code: "database_unavailable", .. } => {
                problem.retry_after_seconds = Some(DATABASE_RETRY_S);
            }
            _ => {}
        }
        problem
    }
}

/// The daemon's error for the API, which turns it back into the same [`NodeError`].
impl From<NodeError> for Problem {
    fn from(error: NodeError) -> Self {
        let (status, code) = match &error {
            NodeError::Refused(refused) => (StatusCode::CONFLICT, refused.code()),
            NodeError::NotFound => (StatusCode::NOT_FOUND, "not_found"),
            NodeError::Invalid(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid"),
            NodeError::WrongKey => (StatusCode::UNAUTHORIZED, "wrong_key"),
            NodeError::Protocol { .. } | NodeError::Outdated { .. } => {
                (StatusCode::CONFLICT, "protocol_mismatch")
            }
            NodeError::Docker(_) | NodeError::Unreachable(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, "docker_unavailable")
            }
            NodeError::File(error) => (file_status(error), error.code()),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        };
        let mut problem = Self::new(status, code, error.to_string());
        if let NodeError::File(error) = &error {
            (*problem.params).clone_from(error.sentence().params());
        }
        problem
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

impl From<BytesRejection> for Problem {
    fn from(rejection: BytesRejection) -> Self {
        let text = rejection.body_text();
        Self::new(rejection.status(), "invalid", format!("{}.", text.trim_end_matches('.')))
    }
}

impl From<PathRejection> for Problem {
    fn from(_: PathRejection) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "Nothing found: an id in the path is not a UUID.")
    }
}

impl IntoResponse for Problem {
    fn into_response(mut self) -> Response {
        self.request_id = self.request_id.or_else(|| request::id().map(Into::into));
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after = self.retry_after_seconds;
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response =
            (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response();
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(HeaderName::from_static("retry-after"), seconds.into());
        }
        response
    }
}

/// The response to a method that a path does not support. The `Allow` header lists those that it does.
pub async fn wrong_method(method: Method) -> Problem {
    let detail = format!(
        "This address does not support {method}. The `Allow` header lists the methods that it supports."
    );
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
}
