//! Queries. A parameter that means nothing is refused, since it was meant to do something.

use super::json::words;
use crate::{Problem, openapi::openapi};
use axum::{
    extract::{FromRequestParts, MatchedPath},
    http::{Method, request::Parts},
};
use raptor_core::{Error, nul};
use serde::de::DeserializeOwned;
use std::{
    collections::{BTreeSet, HashMap},
    sync::LazyLock,
};

/// The query, without unknown parameters and without the character U+0000 in any value.
pub struct Query<T>(pub T);

/// The parameters of each operation, by its method and path, as the OpenAPI document names them.
static PARAMETERS: LazyLock<HashMap<(String, String), BTreeSet<String>>> = LazyLock::new(|| {
    let document = openapi();
    let mut known = HashMap::new();
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in item.as_object().into_iter().flatten() {
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let names = parameters.filter(|parameter| parameter["in"] == "query");
            let names = names.filter_map(|parameter| parameter["name"].as_str().map(str::to_owned));
            known.insert((method.to_ascii_uppercase(), path.clone()), names.collect());
        }
    }
    known
});

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let known =
            parts.extensions.get::<MatchedPath>().and_then(|path| known(&parts.method, path.as_str()));
        let pairs = url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes());
        for (name, value) in pairs {
            nul::check(&name.replace('\0', ""), &name)?;
            nul::check(&name, &value)?;
            if let Some(known) = known
                && !known.contains(name.as_ref())
            {
                return Err(unknown(&name, known).into());
            }
        }
        let read = axum::extract::Query::from_request_parts(parts, state).await;
        Ok(Self(read.map_err(|rejection| refusal(&rejection.body_text()))?.0))
    }
}

/// What is wrong with a parameter, in plain words. `told` is axum's sentence: an introduction, then the parameter, then serde's words.
fn refusal(told: &str) -> Error {
    let said = told.split_once(": ").map_or(told, |(_, said)| said);
    let (path, message) =
        said.split_once(": ").filter(|(name, _)| !name.contains(' ')).unwrap_or((".", said));
    let (field, why) = words(message, path);
    Error::invalid(if field == "body" { "query".to_owned() } else { field }, why)
}

fn known(method: &Method, path: &str) -> Option<&'static BTreeSet<String>> {
    // HEAD is answered by what answers GET.
    let method = if method == Method::HEAD { Method::GET } else { method.clone() };
    PARAMETERS.get(&(method.to_string(), path.to_owned()))
}

fn unknown(name: &str, known: &BTreeSet<String>) -> Error {
    let names: Vec<&str> = known.iter().map(String::as_str).collect();
    Error::invalid(
        name,
        format!("There is no query parameter `{name}` here. There are: {}.", names.join(", ")),
    )
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
    struct Wanted {
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
            let problem = Query::<Wanted>::from_request_parts(&mut parts, &()).await.err().unwrap();
            assert_eq!(problem.field.as_deref(), Some(field), "{query}: {}", problem.detail);
            assert!(problem.detail.contains(words), "{query}: {}", problem.detail);
            for leaked in ["deserialize", "digit", "target type", "variant", "string"] {
                assert!(!problem.detail.contains(leaked), "{}", problem.detail);
            }
        }
    }
}
