//! Answers to requests that made something.

use crate::extract::Json;
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

/// 201, with what was made, and its address in `Location`.
pub struct Created<T> {
    /// The address: a path on this server, percent-encoded.
    pub location: String,
    /// What was made, as its address gives it.
    pub body: T,
}

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        let mut response = (StatusCode::CREATED, Json(self.body)).into_response();
        if let Ok(location) = HeaderValue::try_from(self.location) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        response
    }
}
