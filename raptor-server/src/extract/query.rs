//! Query parameters.

use super::json::words;
use crate::problem::Problem;
use axum::{extract::FromRequestParts, http::request::Parts};
use raptor_model::Error;
use serde::de::DeserializeOwned;

/// Query parameters. Those that `T` does not have are ignored.
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = axum::extract::Query::from_request_parts(parts, state).await;
        Ok(Self(read.map_err(|rejection| refusal(&rejection.body_text()))?.0))
    }
}

/// The error for a parameter that can't be parsed, in plain words. `told` is axum's message: an introduction, the parameter's
/// name, then serde's message.
fn refusal(told: &str) -> Error {
    let said = told.split_once(": ").map_or(told, |(_, said)| said);
    let (path, message) =
        said.split_once(": ").filter(|(name, _)| !name.contains(' ')).unwrap_or((".", said));
    let (field, why) = words(message, path);
    Error::invalid(if field == "body" { "query".to_owned() } else { field }, why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Order {
        Newest,
        Oldest,
        Name,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only read from queries")]
    struct ExampleQuery {
        token: String,
        limit: Option<u32>,
        mine: Option<bool>,
        sort: Option<Order>,
    }

    #[tokio::test]
    async fn what_is_wrong_with_a_parameter_is_said_in_plain_words() {
        for (query, field, words) in [
            ("", "token", "required"),
            ("token=a&limit=many", "limit", "a whole number"),
            ("token=a&limit=-1", "limit", "a whole number"),
            ("token=a&limit=99999999999", "limit", "too large"),
            ("token=a&mine=maybe", "mine", "true or false"),
            ("token=a&sort=size", "sort", "newest, oldest, name"),
        ] {
            let request = Request::get(format!("/?{query}")).body(()).unwrap();
            let (mut parts, ()) = request.into_parts();
            let problem = Query::<ExampleQuery>::from_request_parts(&mut parts, &()).await.err().unwrap();
            assert_eq!(problem.field.as_deref(), Some(field), "{query}: {}", problem.detail);
            assert!(problem.detail.contains(words), "{query}: {}", problem.detail);
            for leaked in ["deserialize", "digit", "target type", "variant", "string"] {
                assert!(!problem.detail.contains(leaked), "{}", problem.detail);
            }
        }
    }
}
