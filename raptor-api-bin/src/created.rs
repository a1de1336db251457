//! Responses to requests that created something.

use crate::extract::Json;
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

/// 201 with the created object, and its path in the `Location` header.
pub struct Created<T> {
    /// The path on this server, percent-encoded.
    pub location: String,
    /// The object, as a GET of its path returns it.
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
