//! Extractors for requests. Whatever they reject is answered with a [`Problem`].

mod json;
mod query;

pub use json::{Json, TolerantJson};
pub use query::Query;

use crate::problem::Problem;
use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::request::Parts,
};
use raptor_model::nul;
use serde::de::DeserializeOwned;

/// Path parameters. Rejects the character U+0000.
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        if let Ok(values) = RawPathParams::from_request_parts(parts, state).await {
            for (name, value) in &values {
                nul::check(name, value)?;
            }
        }
        Ok(Self(axum::extract::Path::from_request_parts(parts, state).await?.0))
    }
}
